/* slack - timers for a millisecond or more may be woken for a little late, and together. */
#include "loop/timers.h"
#include "support/check.h"
#include "support/test.h"

#include <stdlib.h>

enum { MANY = 10000 };

struct sleeper {
    struct timer timer;
    cress_time after, due;
    bool fired;
};

static struct timers wheel;
static struct sleeper sleepers[MANY];

static void fire(struct timer *timer)
{
    struct sleeper *s = container_of(timer, struct sleeper, timer);
    CHECK(!s->fired);
    CHECK_GE(wheel.now, s->due);
    /* Below a millisecond to the nanosecond, above by less than 1/256 and a millisecond. */
    cress_time slack = s->after < CRESS_MS(1) ? 0 : s->after / 256;
    slack = slack > 1 << 20 ? 1 << 20 : slack;
    CHECK_LE(wheel.now, s->due + slack);
    s->fired = true;
}

/* Start n with timeouts below most, sleep as a loop does until all fired; how often it woke. */
static int wake_for(size_t n, cress_time least, cress_time most)
{
    cress_time now = CRESS_SECONDS(1000);
    int woken = 0;
    timers_init(&wheel, now);
    for (size_t i = 0; i < n; i++) {
        struct sleeper *s = &sleepers[i];
        s->after = least + (cress_time)(((uint64_t)random() << 20 ^ (uint64_t)random()) %
                                        (uint64_t)(most - least));
        s->due = now + s->after;
        s->fired = false;
        timer_init(&s->timer, fire);
        timer_start(&wheel, &s->timer, s->after);
    }
    timers_advance(&wheel, now);
    for (; wheel.armed > 0; woken++) {
        cress_time next = timers_next(&wheel);
        CHECK_GE(next, now);
        now = next;
        timers_advance(&wheel, now);
        CHECK(timers_check(&wheel));
    }
    return woken;
}

static void short_timers_are_exact(void **state)
{
    (void)state;
    CHECK_GE(wake_for(200, 1, CRESS_US(900)), 190);
}

static void long_timers_are_woken_for_together(void **state)
{
    (void)state;
    int woken = wake_for(MANY, CRESS_MS(1), CRESS_SECONDS(1));
    print_message("%d wake-ups for %d timers in a second\n", woken, MANY);
    CHECK_LE(woken, MANY / 3);
}

static void short_ones_among_long_ones_stay_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        wake_for(300, 1, CRESS_MS(2));
}

static void the_longest_timeout_has_the_same_slack_as_a_second(void **state)
{
    (void)state;
    CHECK_EQ(timer_slack(CRESS_SECONDS(2)), timer_slack(CRESS_FOREVER - 1));
    CHECK_EQ(timer_slack(0), 0);
    CHECK_EQ(timer_slack(CRESS_US(999)), 0);
}

int main(void)
{
    cress__timer_slack = true;
    srandom(7);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_timers_are_exact),
        cmocka_unit_test(long_timers_are_woken_for_together),
        cmocka_unit_test(short_ones_among_long_ones_stay_exact),
        cmocka_unit_test(the_longest_timeout_has_the_same_slack_as_a_second),
    };
    return RUN_TESTS(tests);
}
