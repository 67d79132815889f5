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

/* For seeing that time has passed, not how much: moves every few milliseconds. */
static inline cress_time base_clock_coarse(void)
{
#ifdef CRESS_TESTING
    if (cress__clock_hook != NULL)
        return cress__clock_hook() & ~(cress_time)0x3fffff; /* every 4.2 ms */
#endif
    return sys_now_coarse();
}

#endif
