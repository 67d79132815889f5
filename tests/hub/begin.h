/* begin - how a test of the hub begins: the clock moved by hand, nothing said yet, and what the hub
 * reports remembered. */
#ifndef TESTS_HUB_BEGIN_H
#define TESTS_HUB_BEGIN_H

#include "hub/clock.h"
#include "hub/told.h"

static struct words words;
static struct told told;

static int begin(void **state)
{
    words = (struct words){ 0 };
    told = (struct told){ 0 };
    clock_begin(state);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    return 0;
}

#endif
