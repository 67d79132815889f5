/* Timeouts and shields: who cancels what, and in which order. */
#include "support/test.h"
#include "base/fault.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/told.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct told told;

static int begin(void **state)
{
    told = (struct told){ 0 };
    clock_begin(state);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    return 0;
}

static cress_time now(void)
{
    return clock_time;
}

/* --- one timeout ----------------------------------------------------------------------------- */

static void a_timeout_cancels_the_call_in_which_its_time_comes(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    cress_time start = now();
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(20)), 0);
    CHECK(cress_timeout_pending(&t));
    CHECK_EQ(cress_sleep(CRESS_MS(10)), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(50)), -ECANCELED);
    CHECK_EQ(now() - start, CRESS_MS(20));
    CHECK(cress_cancel_cause() == &t);
    CHECK(!cress_timeout_pending(&t));
    CHECK(cress_timeout_stop(&t));
    CHECK_EQ(cress_sleep(CRESS_MS(50)), 0);
    CHECK(cress_cancel_cause() == NULL);
}

static void one_that_met_no_call_has_cancelled_nothing(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(20)), 0);
    clock_pass(CRESS_MS(50)); /* computing */
    CHECK(!cress_timeout_stop(&t));
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(20)), 0);
    CHECK(!cress_timeout_stop(&t));
    CHECK_EQ(cress_sleep(CRESS_MS(100)), 0);
}

static void it_counts_from_when_it_was_started_not_from_an_old_reading(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    CHECK_EQ(cress_yield(), 0);
    clock_pass(CRESS_MS(50));
    cress_time start = now();
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(20)), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(now() - start, CRESS_MS(20));
    CHECK(cress_timeout_stop(&t));
}

static void starting_and_stopping_twice(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    CHECK(!cress_timeout_stop(&t));
    CHECK(!cress_timeout_stop(NULL));
    CHECK(!cress_timeout_pending(&t));
    CHECK_EQ(cress_timeout_start(NULL, 1), -EINVAL);
    CHECK_EQ(cress_timeout_start(&t, -1), -EINVAL);
    CHECK_EQ(cress_timeout_start(&t, CRESS_SECONDS(1)), 0);
    CHECK_EQ(cress_timeout_start(&t, CRESS_SECONDS(1)), -EALREADY);
    CHECK(!cress_timeout_stop(&t));
    CHECK(!cress_timeout_stop(&t));
    CHECK_EQ(cress_timeout_start(&t, CRESS_FOREVER), 0); /* arms nothing */
    CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(told.count, 1);
    CHECK(!cress_timeout_stop(&t));
}

static void zero_is_over_at_the_next_call_that_may_wait(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    cress_hub_counts before = CRESS_HUB_COUNTS_INIT, after = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_timeout_start(&t, 0), 0);
    CHECK(!cress_timeout_pending(&t));
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &before), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &after), 0);
    CHECK_EQ(after.switches, before.switches); /* the first one returns at once */
    CHECK(cress_timeout_stop(&t));
}

static int ticks;

static void *tick(void *arg)
{
    for (ticks = 0; ticks < 100; ticks++)
        CHECK_EQ(cress_yield(), 0);
    return arg;
}

static void a_scope_that_is_over_stays_over_and_lets_others_run(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    CHECK_EQ(cress_go(tick, NULL), 0);
    CHECK_EQ(cress_timeout_start(&t, 0), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(ticks, 0);
    for (int i = 1; ticks < 100; i++) {
        CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
        CHECK_EQ(ticks, i - 1);
        CHECK_LT(i, 200);
    }
    CHECK(cress_timeout_stop(&t));
    CHECK_EQ(cress_yield(), 0);
}

static void yield_and_sleep_let_others_run_before_they_say_it(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    ticks = -1;
    CHECK_EQ(cress_go(tick, NULL), 0);
    CHECK_EQ(cress_timeout_start(&t, 0), 0);
    CHECK_EQ(cress_yield(), -ECANCELED);
    CHECK_EQ(ticks, 0);
    CHECK(cress_timeout_stop(&t));
    CHECK_EQ(cress_timeout_start(&t, 0), 0);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(1)), -ECANCELED);
    CHECK_EQ(ticks, 1);
    CHECK(cress_timeout_stop(&t));
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

static void a_loop_that_ignores_it_is_named_once(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    CHECK_EQ(cress_timeout_start(&t, 0), 0);
    for (int i = 0; i < 999; i++)
        CHECK_EQ(cress_yield(), -ECANCELED);
    CHECK_EQ(told.count, 0);
    for (int i = 0; i < 2000; i++)
        CHECK_EQ(cress_yield(), -ECANCELED);
    CHECK_EQ(told.count, 1);
    CHECK_STR(told.lines[0].name, "main");
    CHECK_EQ(told.lines[0].error, -ECANCELED);
    CHECK(cress_timeout_stop(&t));
}

static void a_loop_of_yields_ends_with_its_timeout(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(10)), 0);
    long n = 0;
    while (cress_yield() == 0) {
        clock_pass(CRESS_US(10));
        CHECK_LT(++n, 20000);
    }
    CHECK(cress_timeout_stop(&t));
}

/* --- nesting --------------------------------------------------------------------------------- */

static void the_shorter_of_two_cancels(void **state)
{
    (void)state;
    cress_timeout outer = { 0 }, inner = { 0 };
    CHECK_EQ(cress_timeout_start(&outer, CRESS_MS(30)), 0);
    CHECK_EQ(cress_timeout_start(&inner, CRESS_MS(10)), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == &inner);
    CHECK(cress_timeout_stop(&inner));
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED); /* handled; the outer one comes later */
    CHECK(cress_cancel_cause() == &outer);
    CHECK(cress_timeout_stop(&outer));

    CHECK_EQ(cress_timeout_start(&outer, CRESS_MS(10)), 0);
    CHECK_EQ(cress_timeout_start(&inner, CRESS_MS(30)), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == &outer);
    CHECK(!cress_timeout_stop(&inner)); /* not mine */
    CHECK(cress_timeout_stop(&outer));
}

static void of_equal_deadlines_the_outer_one_cancels(void **state)
{
    (void)state;
    cress_timeout outer = { 0 }, inner = { 0 };
    CHECK_EQ(cress_timeout_start(&outer, CRESS_MS(10)), 0);
    CHECK_EQ(cress_timeout_start(&inner, CRESS_MS(10)), 0);
    CHECK_EQ(cress_park(CRESS_MS(10)), -ECANCELED);
    CHECK(cress_cancel_cause() == &outer);
    CHECK(!cress_timeout_stop(&inner));
    CHECK(cress_timeout_stop(&outer));
}

static void a_calls_own_timeout_is_its_own(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(30)), 0);
    CHECK_EQ(cress_park(CRESS_MS(10)), -ETIMEDOUT);
    CHECK_EQ(cress_park(CRESS_MS(10)), -ETIMEDOUT);
    CHECK_EQ(cress_park(CRESS_MS(20)), -ECANCELED);
    CHECK(cress_timeout_stop(&t));
}

static void they_can_be_stopped_in_any_order(void **state)
{
    (void)state;
    cress_timeout a = { 0 }, b = { 0 }, c = { 0 };
    CHECK_EQ(cress_timeout_start(&a, CRESS_MS(10)), 0);
    CHECK_EQ(cress_timeout_start(&b, CRESS_MS(20)), 0);
    CHECK_EQ(cress_timeout_start(&c, CRESS_MS(30)), 0);
    CHECK(!cress_timeout_stop(&b));
    CHECK(!cress_timeout_stop(&a));
    CHECK_EQ(cress_timeout_start(&a, CRESS_MS(50)), 0); /* now the inner one */
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == &c);
    CHECK(cress_timeout_stop(&c));
    CHECK(!cress_timeout_stop(&a));
    CHECK_EQ(cress_sleep(CRESS_MS(100)), 0);
}

static void an_effect_beats_a_deadline_of_the_same_turn(void **state)
{
    (void)state;
    int fds[2];
    char c;
    cress_timeout t = { 0 };
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(10)), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    clock_pass(CRESS_MS(20));
    CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, CRESS_FOREVER), CRESS_IN);
    CHECK_EQ(cress_read(fds[0], &c, 1), 1);
    CHECK_EQ(cress_yield(),
             0); /* who reads the clock is the idle hub, or now and then a busy one */
    CHECK_EQ(cress_read(fds[0], &c, 1), -ECANCELED);
    CHECK(cress_timeout_stop(&t));
    close(fds[0]);
    close(fds[1]);
}

/* --- shields --------------------------------------------------------------------------------- */

static void a_shield_hides_what_was_begun_before_it(void **state)
{
    (void)state;
    cress_timeout outer = { 0 }, inner = { 0 };
    cress_shield shield = { 0 };
    CHECK_EQ(cress_timeout_start(&outer, CRESS_MS(10)), 0);
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), -EALREADY);
    CHECK_EQ(cress_sleep(CRESS_MS(20)), 0);
    CHECK_EQ(cress_timeout_start(&inner, CRESS_MS(5)), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(20)), -ECANCELED);
    CHECK(cress_cancel_cause() == &inner);
    CHECK(cress_timeout_stop(&inner));
    CHECK_EQ(cress_sleep(CRESS_MS(20)), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    CHECK_EQ(cress_shield_end(&shield), -EINVAL);
    CHECK_EQ(cress_sleep(CRESS_MS(20)), -ECANCELED);
    CHECK(cress_cancel_cause() == &outer);
    CHECK(cress_timeout_stop(&outer));
}

static void a_shield_lasts_no_longer_than_its_limit(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    cress_shield shield = { 0 };
    cress_time start = now();
    CHECK_EQ(cress_shield_begin(&shield, -1), -EINVAL);
    CHECK_EQ(cress_shield_begin(NULL, 1), -EINVAL);
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(10)), 0);
    CHECK_EQ(cress_shield_begin(&shield, CRESS_MS(30)), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(now() - start, CRESS_MS(30));
    CHECK(cress_cancel_cause() == &t);
    CHECK_EQ(cress_shield_end(&shield), 0);
    CHECK(cress_timeout_stop(&t));
}

static void shields_end_in_reverse_order(void **state)
{
    (void)state;
    cress_shield a = { 0 }, b = { 0 };
    CHECK_EQ(cress_shield_begin(&a, CRESS_FOREVER), 0);
    CHECK_EQ(cress_shield_begin(&b, CRESS_FOREVER), 0);
    CHECK_EQ(cress_shield_end(&a), -EINVAL);
    CHECK_EQ(cress_shield_end(&b), 0);
    CHECK_EQ(cress_shield_end(&a), 0);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void *leave_open(void *arg)
{
    cress_timeout t = { 0 };
    cress_shield s = { 0 };
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(10)), 0);
    CHECK_EQ(cress_shield_begin(&s, CRESS_MS(10)), 0);
    CHECK_EQ(cress_yield(), 0);
    return arg;
}

static void *sleep_long(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(100)), 0);
    return arg;
}

static void scopes_left_open_end_with_their_greenlet(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(leave_open, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(told.count, 1);                 /* test builds say so */
    CHECK_EQ(cress_go(sleep_long, NULL), 0); /* in the same block and stack: not its timeout */
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_loop_active(cress_hub_loop(cress_hub_current())), 0);
}

static void a_handle_of_a_hub_that_ended_is_not_begun(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    cress_shield s = { 0 };
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(10)), 0);
    CHECK_EQ(cress_shield_begin(&s, CRESS_MS(10)), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK(!cress_timeout_pending(&t));
    CHECK_EQ(cress_shield_end(&s), -EINVAL);
    CHECK_EQ(cress_sleep(CRESS_MS(20)), 0);
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(10)), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(20)), -ECANCELED);
    CHECK(cress_timeout_stop(&t));
}

static void scopes_of_main_keep_no_run_going(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    cress_time start = now();
    CHECK_EQ(cress_timeout_start(&t, CRESS_SECONDS(10)), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_go(sleep_long, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(now() - start, CRESS_MS(100));
    CHECK(!cress_timeout_stop(&t));
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(30)), 0);
    CHECK_EQ(cress_go(sleep_long, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_timeout_stop(&t));
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

static bool no_memory(const char *what)
{
    return strcmp(what, "mmap") == 0;
}

static void without_memory_a_timeout_is_not_begun(void **state)
{
    (void)state;
    static cress_timeout t[5000];
    cress__fault_hook = no_memory;
    int n = 0, error = 0;
    while (n < 5000 && (error = cress_timeout_start(&t[n], CRESS_SECONDS(1))) == 0)
        n++;
    CHECK_EQ(error, -ENOMEM);
    cress__fault_hook = NULL;
    CHECK(!cress_timeout_stop(&t[n]));
    CHECK_EQ(cress_timeout_start(&t[n], CRESS_SECONDS(1)), 0);
    for (int i = 0; i <= n; i++)
        CHECK(!cress_timeout_stop(&t[i]));
}

static int in_callback(void *arg)
{
    CHECK_EQ(cress_timeout_start(arg, 1), -EPERM);
    CHECK_EQ(cress_cancel_ack(), -EPERM);
    return 0;
}

static void callbacks_have_no_scopes(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, in_callback, &t), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(told.count, 1);
}

static void *raw_with_a_timeout(void *arg, void *value)
{
    (void)value;
    cress_timeout t = { 0 };
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(10)), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == &t);
    *(bool *)arg = true;
    return NULL; /* left open */
}

static void raw_coroutines_have_scopes_too(void **state)
{
    (void)state;
    cress_coro *co;
    bool done = false;
    CHECK_EQ(cress_coro_new(NULL, raw_with_a_timeout, &done, &co), 0);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
    CHECK(done);
    CHECK_EQ(cress_coro_free(co), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(a_timeout_cancels_the_call_in_which_its_time_comes),
        TEST(one_that_met_no_call_has_cancelled_nothing),
        TEST(it_counts_from_when_it_was_started_not_from_an_old_reading),
        TEST(starting_and_stopping_twice),
        TEST(zero_is_over_at_the_next_call_that_may_wait),
        TEST(a_scope_that_is_over_stays_over_and_lets_others_run),
        TEST(yield_and_sleep_let_others_run_before_they_say_it),
        TEST(a_loop_that_ignores_it_is_named_once),
        TEST(a_loop_of_yields_ends_with_its_timeout),
        TEST(the_shorter_of_two_cancels),
        TEST(of_equal_deadlines_the_outer_one_cancels),
        TEST(a_calls_own_timeout_is_its_own),
        TEST(they_can_be_stopped_in_any_order),
        TEST(an_effect_beats_a_deadline_of_the_same_turn),
        TEST(a_shield_hides_what_was_begun_before_it),
        TEST(a_shield_lasts_no_longer_than_its_limit),
        TEST(shields_end_in_reverse_order),
        TEST(scopes_left_open_end_with_their_greenlet),
        TEST(a_handle_of_a_hub_that_ended_is_not_begun),
        TEST(scopes_of_main_keep_no_run_going),
        TEST(without_memory_a_timeout_is_not_begun),
        TEST(callbacks_have_no_scopes),
        TEST(raw_coroutines_have_scopes_too),
    };
    return RUN_TESTS_APART(tests);
}
