/* clock - a clock for tests that stands still until somebody waits, and then jumps. */
#ifndef TESTS_LOOP_CLOCK_H
#define TESTS_LOOP_CLOCK_H

#include "loop/loop.h"

static cress_time clock_now;
static cress_time clock_late; /* each wait takes so much longer than asked for */

static inline cress_time clock_read(void)
{
    return clock_now;
}

static inline void clock_pass(cress_time by)
{
    clock_now += by + clock_late;
}

/* From now on the loops of this program live by it. */
static inline void clock_take_over(void)
{
    clock_now = CRESS_SECONDS(1000);
    cress__clock_hook = clock_read;
    cress__clock_pass = clock_pass;
}

static inline void clock_give_back(void)
{
    cress__clock_hook = NULL;
    cress__clock_pass = NULL;
}

#endif
