/* The timing wheel against an array that is searched: fed with the same random steps, both fire the
 * same timers in the same order, and the wheel never says that it can be left alone for too long.
 */
#include "loop/timers.h"

#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 200 };

/* The model: what is known of a timer without any wheel. */
struct known {
    bool armed;
    bool fresh; /* deadline is relative until the next reading */
    cress_time deadline;
    uint64_t number;
};

static struct timers wheel;
static struct timer timers[MOST];
static struct known model[MOST];
static uint64_t number;
static size_t count; /* of timers in play */
static cress_time reading;
static uint64_t fired;
static bool meddle; /* what fires starts and stops others */

static uint64_t seed;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1d >> 8;
}

static size_t below(size_t n)
{
    return (size_t)(rnd() % n);
}

/* All scales, the smallest most often: nanoseconds, a tick, the first levels, days, years. */
static cress_time some_time(void)
{
    static const int bits[] = { 0, 3, 10, 14, 15, 16, 16, 17, 18, 20, 22, 23, 26, 30, 36, 44 };
    int b = below(200) == 0 ? 56 : bits[below(sizeof bits / sizeof *bits)];
    cress_time t = (cress_time)(rnd() & (((uint64_t)1 << b) - 1));
    return below(4) == 0 ? t & ~(cress_time)0xffff : t; /* ticks in full: many equal ones */
}

static bool earlier(const struct known *a, const struct known *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->number < b->number;
}

/* The one that must fire first; -1: none is armed. */
static long first_in_model(void)
{
    long best = -1;
    for (size_t i = 0; i < count; i++)
        if (model[i].armed && !model[i].fresh && (best < 0 || earlier(&model[i], &model[best])))
            best = (long)i;
    return best;
}

static void start(size_t i, cress_time after)
{
    timer_start(&wheel, &timers[i], after);
    model[i] = (struct known){ true, true, after, ++number };
}

static void start_at(size_t i, cress_time deadline)
{
    timer_start_at(&wheel, &timers[i], deadline);
    model[i] = (struct known){ true, false, deadline, ++number };
}

static void stop(size_t i)
{
    timer_stop(&wheel, &timers[i]);
    model[i].armed = false;
}

static void fire(struct timer *t)
{
    size_t i = (size_t)(t - timers);
    fired++;
    CHECK(model[i].armed);
    CHECK(!model[i].fresh);
    CHECK_LE(model[i].deadline, reading); /* never early */
    CHECK_EQ((long)i, first_in_model());  /* in order, none left out */
    CHECK(!timer_armed(t));
    model[i].armed = false;
    if (!meddle)
        return;
    switch (below(8)) {
    case 0:
        start(below(count), some_time());
        break;
    case 1:
        start(i, 0);
        break;
    case 2:
        stop(below(count));
        break;
    case 3: /* a moment that has not come, else it fires in this very call */
        start_at(below(count), reading + 1 + some_time());
        break;
    default:
        break;
    }
}

static void advance(cress_time now)
{
    reading = now;
    for (size_t i = 0; i < count; i++)
        if (model[i].armed && model[i].fresh) {
            model[i].fresh = false;
            if (__builtin_add_overflow(now, model[i].deadline, &model[i].deadline) ||
                model[i].deadline == TIMER_NEVER)
                model[i].deadline = TIMER_NEVER - 1;
        }
    timers_advance(&wheel, now);
    long first = first_in_model();
    if (first >= 0)
        CHECK_GT(model[first].deadline, now); /* never missed */
}

static size_t armed_in_model(void)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += model[i].armed;
    return n;
}

/* Let go of all, as their owners do before the memory goes, and begin anew at some time. */
static void begin(size_t n, cress_time now)
{
    for (size_t i = 0; i < count; i++)
        timer_remove(&wheel, &timers[i]);
    if (count > 0) {
        CHECK_EQ(wheel.armed, 0);
        CHECK(timers_check(&wheel));
        CHECK_EQ(timers_next(&wheel), TIMER_NEVER);
    }
    count = n;
    reading = now;
    timers_init(&wheel, now);
    for (size_t i = 0; i < n; i++) {
        timer_init(&timers[i], fire);
        model[i].armed = false;
    }
}

static bool any_fresh(void)
{
    for (size_t i = 0; i < count; i++)
        if (model[i].armed && model[i].fresh)
            return true;
    return false;
}

static void look_at_next(void)
{
    if (any_fresh())
        return; /* it has had no reading: timers_next() may not be asked */
    cress_time next = timers_next(&wheel);
    long first = first_in_model();
    if (first < 0)
        CHECK_EQ(next, TIMER_NEVER);
    else if (count <= 32)
        CHECK_EQ(next, model[first].deadline);
    else
        CHECK_LE(next, model[first].deadline);
    CHECK(timers_check(&wheel));
}

static void step(void)
{
    size_t i = below(count);
    switch (below(12)) {
    case 0:
    case 1:
    case 2:
        start(i, some_time());
        break;
    case 3: /* put off, or brought forward, by a little */
        if (model[i].armed && !model[i].fresh)
            start_at(i, model[i].deadline + (cress_time)below(3000) - 1500);
        break;
    case 4: /* as another one */
        if (model[i].armed && !model[i].fresh)
            start_at(below(count), model[i].deadline);
        break;
    case 5:
        start_at(i, reading + some_time());
        break;
    case 6:
        stop(i);
        break;
    case 7:
        timer_remove(&wheel, &timers[i]);
        model[i].armed = false;
        break;
    case 8:
    case 9:
        advance(reading + (cress_time)below(40000));
        look_at_next();
        break;
    case 10:
        advance(reading + some_time());
        look_at_next();
        break;
    case 11: { /* exactly up to the next one, or just before */
        advance(reading);
        look_at_next();
        long first = first_in_model();
        if (first >= 0 && !any_fresh() && model[first].deadline < (cress_time)1 << 62) {
            uint64_t before = fired;
            if (model[first].deadline - 1 > reading)
                advance(model[first].deadline - 1);
            CHECK_EQ(fired, before);
            advance(model[first].deadline);
            CHECK_GT(fired, before);
        }
        break;
    }
    }
    CHECK_EQ(wheel.armed, armed_in_model());
}

static void random_steps(unsigned long steps, uint64_t with_seed)
{
    seed = with_seed;
    fired = 0;
    static const size_t sizes[] = { 3, 8, 20, 32, 100, MOST };
    unsigned long left = steps;
    while (left > 0) {
        begin(sizes[below(sizeof sizes / sizeof *sizes)], (cress_time)(rnd() >> (8 + below(48))));
        meddle = below(2);
        for (int i = 0; i < 5000 && left > 0 && reading < (cress_time)1 << 61; i++, left--) {
            step();
            CHECK(timers_check(&wheel));
        }
    }
    begin(0, 0);
    printf("seed %" PRIu64 ": %lu steps, %" PRIu64 " timers fired\n", with_seed, steps, fired);
    CHECK_GT(fired, steps / 10);
}

static void a_million_random_steps_fire_the_same_timers_as_a_sorted_array(void **state)
{
    (void)state;
    const char *chosen = getenv("CRESS_TEST_SEED");
    uint64_t first = chosen != NULL ? strtoull(chosen, NULL, 10) : 1;
    for (uint64_t i = 0; i < 4; i++)
        random_steps(250000, (first + i) * 0x9e3779b97f4a7c15);
}

/* --- what the random steps found, or would find rarely ---------------------------------------- */

static int order[MOST];
static int n_order;

static void note(struct timer *t)
{
    order[n_order++] = (int)(t - timers);
}

static void begin_noting(size_t n, cress_time now)
{
    begin(0, 0);
    timers_init(&wheel, now);
    for (size_t i = 0; i < n; i++)
        timer_init(&timers[i], note);
    n_order = 0;
}

static void one_that_was_stopped_does_not_mislead_what_comes_after_it(void **state)
{
    (void)state;
    begin_noting(3, 0);
    timer_start_at(&wheel, &timers[0], 10);
    timer_start_at(&wheel, &timers[1], 20);
    timers_advance(&wheel, 1); /* both stand sorted now */
    timer_stop(&wheel, &timers[0]);
    timer_start_at(&wheel, &timers[2], 30);
    assert_int_equal(timers_next(&wheel), 20);
    timers_advance(&wheel, 25);
    assert_int_equal(n_order, 1);
    assert_int_equal(order[0], 1);
    timers_advance(&wheel, 30);
    assert_int_equal(n_order, 2);
}

static void one_that_is_started_again_for_the_same_time_comes_last(void **state)
{
    (void)state;
    begin_noting(2, 0);
    timer_start_at(&wheel, &timers[0], 10);
    timer_start_at(&wheel, &timers[1], 10);
    timers_advance(&wheel, 1);
    timer_start_at(&wheel, &timers[0], 10);
    timers_advance(&wheel, 10);
    assert_int_equal(n_order, 2);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 0);
}

static void a_relative_timeout_counts_from_the_next_reading(void **state)
{
    (void)state;
    begin_noting(1, 1000);
    timer_start(&wheel, &timers[0], 500);
    timers_advance(&wheel, 9000); /* long computed: not due at 1500, but at 9500 */
    assert_int_equal(n_order, 0);
    assert_int_equal(timers_next(&wheel), 9500);
    timers_advance(&wheel, 9499);
    assert_int_equal(n_order, 0);
    timers_advance(&wheel, 9500);
    assert_int_equal(n_order, 1);
}

static void a_timer_started_by_one_that_fires_waits_for_the_next_call(void **state)
{
    (void)state;
    seed = 7;
    begin(1, 0);
    meddle = false;
    for (int i = 0; i < 3; i++) {
        start(0, 0);
        uint64_t before = fired;
        advance(i);
        assert_int_equal(fired - before, 1);
    }
    begin(0, 0);
}

static void a_crowded_slot_is_sorted_out_in_few_steps(void **state)
{
    (void)state;
    begin_noting(MOST, 0);
    cress_time last = CRESS_SECONDS(100);
    for (int i = 0; i < MOST; i++)
        timer_start_at(&wheel, &timers[i], last + i);
    int steps = 0;
    cress_time now = 0;
    while (n_order == 0) {
        cress_time next = timers_next(&wheel);
        assert_true(next <= last);
        assert_true(next > now || steps == 0);
        timers_advance(&wheel, now = next);
        assert_true(++steps <= TIMER_LEVELS + 1);
    }
    assert_int_equal(now, last);
    timers_advance(&wheel, last + MOST);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(order[i], i);
}

static void the_end_of_time_is_a_deadline_too(void **state)
{
    (void)state;
    begin_noting(2, CRESS_SECONDS(5));
    timer_start(&wheel, &timers[0], CRESS_FOREVER - 1); /* overflows with the clock */
    timer_start_at(&wheel, &timers[1], CRESS_FOREVER);
    timers_advance(&wheel, CRESS_SECONDS(6));
    assert_int_equal(wheel.armed, 2);
    assert_int_equal(timers_next(&wheel), TIMER_NEVER - 1);
    assert_true(timers_check(&wheel));
    timers_advance(&wheel, TIMER_NEVER - 1);
    assert_int_equal(n_order, 2);
}

static void a_clock_that_stands_still_or_goes_back_loses_nothing(void **state)
{
    (void)state;
    begin_noting(1, 100);
    timer_start_at(&wheel, &timers[0], 200);
    timers_advance(&wheel, 150);
    timers_advance(&wheel, 120);
    assert_int_equal(n_order, 0);
    assert_int_equal(wheel.now, 150);
    timers_advance(&wheel, 200);
    assert_int_equal(n_order, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_was_stopped_does_not_mislead_what_comes_after_it),
        cmocka_unit_test(one_that_is_started_again_for_the_same_time_comes_last),
        cmocka_unit_test(a_relative_timeout_counts_from_the_next_reading),
        cmocka_unit_test(a_timer_started_by_one_that_fires_waits_for_the_next_call),
        cmocka_unit_test(a_crowded_slot_is_sorted_out_in_few_steps),
        cmocka_unit_test(the_end_of_time_is_a_deadline_too),
        cmocka_unit_test(a_clock_that_stands_still_or_goes_back_loses_nothing),
        cmocka_unit_test(a_million_random_steps_fire_the_same_timers_as_a_sorted_array),
    };
    return RUN_TESTS(tests);
}
