/* base - what <cress/base.h> promises: version, time, names of errors. */
#include "base/clock.h"

#include <cress/base.h>

#include <limits.h>
#include <string.h>

#ifdef CRESS_TESTING
cress_time (*cress__clock_hook)(void);
#endif

int cress_version(void)
{
    return CRESS_VERSION;
}

cress_time cress_now(void)
{
    return base_clock();
}

cress_time cress_deadline(cress_time timeout)
{
    cress_time deadline;
    if (timeout == CRESS_FOREVER || __builtin_add_overflow(base_clock(), timeout, &deadline))
        return CRESS_FOREVER;
    return deadline;
}

cress_time cress_left(cress_time deadline)
{
    if (deadline == CRESS_FOREVER)
        return CRESS_FOREVER;
    cress_time now = base_clock();
    return deadline > now ? deadline - now : 0;
}

const char *cress_error_name(int error)
{
    const char *name = strerrorname_np(error < 0 && error > INT_MIN ? -error : error);
    return name != NULL ? name : "?";
}
