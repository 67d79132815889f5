/* clock - the monotonic clock, which tests can replace. */
#ifndef CRESS_BASE_CLOCK_H
#define CRESS_BASE_CLOCK_H

#include "base/sys.h"

#include <cress/base.h>

#ifdef CRESS_TESTING
extern cress_time (*cress__clock_hook)(void);
#endif

static inline cress_time base_clock(void)
{
#ifdef CRESS_TESTING
    if (cress__clock_hook != NULL)
        return cress__clock_hook();
#endif
    return sys_now();
}

#endif
