/* clock - time that passes only when nobody has anything to do, and then at once.
 *
 * For cmocka's set-up and tear-down of a test: the hub is made under this clock and ends under it.
 */
#ifndef TESTS_HUB_CLOCK_H
#define TESTS_HUB_CLOCK_H

#include "loop/loop.h"
#include "support/check.h"

#include <cress.h>

static cress_time clock_time;

static inline cress_time clock_read(void)
{
    return clock_time;
}

static inline void clock_pass(cress_time by)
{
    clock_time += by;
}

static inline int clock_begin(void **state)
{
    (void)state;
    CHECK(cress_hub_current() == NULL);
    clock_time = CRESS_SECONDS(1000);
    cress__clock_hook = clock_read;
    cress__clock_pass = clock_pass;
    return 0;
}

static inline int clock_end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    cress__clock_hook = NULL;
    cress__clock_pass = NULL;
    return 0;
}

#endif
