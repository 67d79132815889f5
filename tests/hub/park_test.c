/* Waiting and being woken: park, unpark, sleep, yield, idle. */
#include "support/test.h"
#include "loop/loop.h"
#include "hub/apart.h"
#include "hub/begin.h"

#include <errno.h>

static void run(void)
{
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

/* --- park ------------------------------------------------------------------------------------ */

static void *park_and_say(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    say(&words, arg);
    return NULL;
}

static void an_unpark_before_the_park_is_not_lost(void **state)
{
    (void)state;
    CHECK_EQ(cress_park(0), -EAGAIN);
    CHECK_EQ(cress_unpark(cress_coro_native()), 0);
    CHECK_EQ(cress_unpark(cress_coro_native()), 0); /* they do not add up */
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    CHECK_EQ(cress_park(0), -EAGAIN);
    CHECK_EQ(cress_unpark(cress_coro_native()), 0);
    CHECK_EQ(cress_park(0), 0);
    CHECK_EQ(cress_park(-1), -EINVAL);

    cress_greenlet *g = cress_spawn(park_and_say, "new");
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), 0); /* before it has started */
    run();
    CHECK_STR(words.text, "new");
    cress_unref(g);
}

static void *say_plain(void *arg)
{
    say(&words, arg);
    return NULL;
}

static void unpark_never_switches_and_wakes_in_order(void **state)
{
    (void)state;
    cress_greenlet *a = cress_spawn(park_and_say, "a"), *b = cress_spawn(park_and_say, "b");
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(b)), 0);
    CHECK_EQ(cress_go(say_plain, "c"), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(a)), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(a)), 0);
    CHECK_STR(words.text, "");
    run();
    CHECK_STR(words.text, "b c a");
    CHECK_EQ(cress_unpark(cress_greenlet_coro(a)), -ESRCH);
    CHECK_EQ(cress_unpark(NULL), -EINVAL);
    cress_unref(a);
    cress_unref(b);
}

static void park_keeps_to_its_timeout(void **state)
{
    (void)state;
    cress_time start = clock_time;
    CHECK_EQ(cress_park(CRESS_MS(5)), -ETIMEDOUT);
    CHECK_GE(clock_time - start, CRESS_MS(5));
    CHECK_LE(clock_time - start, CRESS_MS(6));
    CHECK_EQ(cress_park(1), -ETIMEDOUT);
}

static void *park_twice(void *arg)
{
    CHECK_EQ(cress_park(CRESS_MS(5)), -ETIMEDOUT);
    CHECK_EQ(cress_park(0), 0); /* came when the first one was over already */
    return arg;
}

static void an_unpark_after_the_timeout_counts_for_the_next_park(void **state)
{
    (void)state;
    cress_loop *loop = cress_hub_loop(cress_hub_current());
    cress_greenlet *g = cress_spawn(park_twice, NULL);
    CHECK_EQ(cress_yield(), 0);
    cress_loop_update(loop); /* the timeout counts from here */
    clock_pass(CRESS_MS(10));
    loop_tick(loop); /* over: it is in the line, and has not run */
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static void *sleep_then_park(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
    say(&words, "slept");
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    say(&words, "parked");
    return NULL;
}

static void an_unpark_does_not_end_another_wait(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *g = cress_spawn(sleep_then_park, NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), 0); /* it sleeps: kept for its park */
    run();
    CHECK_GE(clock_time - start, CRESS_MS(5));
    CHECK_STR(words.text, "slept parked");
    cress_unref(g);
}

static void *park_briefly_then_for_long(void *arg)
{
    CHECK_EQ(cress_park(CRESS_MS(5)), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    return arg;
}

static void a_timeout_ends_with_its_wait(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(park_briefly_then_for_long, NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(50)), 0); /* past the first one's time, in the second one */
    CHECK(!cress_ready(g));
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static cress_coro *raw;

static void *raw_parks(void *arg, void *value)
{
    (void)arg, (void)value;
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    say(&words, "raw");
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    say(&words, "raw again");
    return NULL;
}

static void *unpark_raw(void *arg)
{
    say(&words, "unpark");
    CHECK_EQ(cress_coro_switch(raw, NULL, NULL), -EBUSY); /* it is the hub's while it waits */
    CHECK_EQ(cress_coro_free(raw), -EBUSY);
    CHECK_EQ(cress_unpark(raw), 0);
    return arg;
}

static void a_raw_coroutine_may_park_too(void **state)
{
    (void)state;
    CHECK_EQ(cress_coro_new(NULL, raw_parks, NULL, &raw), 0);
    CHECK_EQ(cress_go(unpark_raw, NULL), 0);
    CHECK_EQ(cress_coro_switch(raw, NULL, NULL), 0); /* back at its end */
    CHECK_STR(words.text, "unpark raw raw again");
    CHECK_EQ(cress_coro_free(raw), 0);
    run();
}

/* --- sleep, yield ---------------------------------------------------------------------------- */

struct sleeper {
    const char *name;
    cress_time d;
};

static void *sleep_and_say(void *arg)
{
    const struct sleeper *s = arg;
    CHECK_EQ(cress_sleep(s->d), 0);
    say(&words, s->name);
    return NULL;
}

static void sleepers_wake_in_the_order_of_deadlines_then_of_calls(void **state)
{
    (void)state;
    static struct sleeper s[] = { { "30", CRESS_MS(30) },
                                  { "10a", CRESS_MS(10) },
                                  { "20", CRESS_MS(20) },
                                  { "10b", CRESS_MS(10) },
                                  { "0", 0 } };
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++)
        CHECK_EQ(cress_go(sleep_and_say, &s[i]), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_STR(words.text, "0");
    cress_loop_update(cress_hub_loop(cress_hub_current())); /* they count from here */
    clock_pass(CRESS_SECONDS(1));                           /* all of them in one turn */
    run();
    CHECK_STR(words.text, "0 10a 10b 20 30");
}

static void sleep_refuses_what_it_must(void **state)
{
    (void)state;
    CHECK_EQ(cress_sleep(-1), -EINVAL);
    CHECK_EQ(cress_sleep(INT64_MIN), -EINVAL);
    errno = 77;
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(errno, 77);
}

static void *yield_and_say(void *arg)
{
    for (int i = 0; i < 3; i++) {
        say(&words, arg);
        CHECK_EQ(cress_yield(), 0);
    }
    return NULL;
}

static void yield_lets_everyone_ready_run_once(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(yield_and_say, "a"), 0);
    CHECK_EQ(cress_go(yield_and_say, "b"), 0);
    CHECK_EQ(cress_go(yield_and_say, "c"), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(cress_yield(), 0);
        say(&words, ".");
    }
    CHECK_STR(words.text, "a b c . a b c . a b c . .");
}

/* --- idle ------------------------------------------------------------------------------------ */

static void *idle_and_say(void *arg)
{
    CHECK_EQ(cress_idle(), 0);
    say(&words, arg);
    return NULL;
}

static int say_in_callback(void *arg)
{
    say(&words, arg);
    return 0;
}

static void idle_waits_until_nothing_else_is_ready(void **state)
{
    (void)state;
    cress_callback node = { 0 };
    CHECK_EQ(cress_go(idle_and_say, "idle 1"), 0);
    CHECK_EQ(cress_go(yield_and_say, "x"), 0);
    CHECK_EQ(cress_go(idle_and_say, "idle 2"), 0);
    CHECK_EQ(cress_post(NULL, &node, say_in_callback, "callback"), 0);
    CHECK_EQ(cress_idle(), 0);
    say(&words, "main");
    run();
    CHECK_STR(words.text, "x callback x x main idle 1 idle 2");
    CHECK_EQ(told.count, 0);
    CHECK_EQ(cress_idle(), 0); /* alone */
}

static void idle_sees_what_is_due_first(void **state)
{
    (void)state;
    static struct sleeper s = { "slept", CRESS_MS(1) };
    CHECK_EQ(cress_go(sleep_and_say, &s), 0);
    CHECK_EQ(cress_yield(), 0);
    cress_loop_update(cress_hub_loop(cress_hub_current())); /* it counts from here */
    clock_pass(CRESS_MS(2));
    CHECK_EQ(cress_idle(), 0);
    say(&words, "idle");
    CHECK_STR(words.text, "slept idle");
    CHECK_EQ(cress_go(sleep_and_say, &s), 0);
    CHECK_EQ(cress_idle(), 0); /* and does not wait for what is not */
    say(&words, "idle");
    CHECK_STR(words.text, "slept idle idle");
    run();
}

static void a_greenlet_that_is_idle_is_no_deadlock(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(idle_and_say, "idle");
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "idle");
    CHECK_EQ(told.count, 0);
    cress_unref(g);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(an_unpark_before_the_park_is_not_lost),
        TEST(unpark_never_switches_and_wakes_in_order),
        TEST(park_keeps_to_its_timeout),
        TEST(an_unpark_after_the_timeout_counts_for_the_next_park),
        TEST(a_timeout_ends_with_its_wait),
        TEST(an_unpark_does_not_end_another_wait),
        TEST(a_raw_coroutine_may_park_too),
        TEST(sleepers_wake_in_the_order_of_deadlines_then_of_calls),
        TEST(sleep_refuses_what_it_must),
        TEST(yield_lets_everyone_ready_run_once),
        TEST(idle_waits_until_nothing_else_is_ready),
        TEST(idle_sees_what_is_due_first),
        TEST(a_greenlet_that_is_idle_is_no_deadlock),
    };
    return RUN_TESTS_APART(tests);
}
