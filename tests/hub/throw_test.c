/* Throwing tokens: one call is cancelled by each, in order, and each is destroyed once. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/begin.h"

#include <errno.h>

static void destroyed(cress_token *token)
{
    say(&words, token->value);
    CHECK_EQ(cress_yield(), -EPERM); /* must not block */
}

static void *receive_two(void *arg)
{
    cress_token **tokens = arg;
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == tokens[0]);
    CHECK_STR(((const cress_token *)cress_cancel_cause())->value, "a");
    CHECK_STR(words.text, ""); /* whoever got it may look at it */
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK_STR(words.text, "a");
    CHECK(cress_cancel_cause() == tokens[1]);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0); /* they do not stay */
    return NULL;
}

static void throws_queue_in_order_and_cancel_one_call_each(void **state)
{
    (void)state;
    cress_token a = { .destroy = destroyed, .value = "a" };
    cress_token b = { .destroy = destroyed, .value = "b" };
    cress_token *both[] = { &a, &b };
    cress_greenlet *g = cress_spawn(receive_two, both);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_throw(g, &a), 0);
    CHECK_EQ(cress_throw(g, &a), -EALREADY);
    CHECK_EQ(cress_throw(g, &b), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "a b");
    CHECK_EQ(cress_outcome(g), CRESS_RETURNED);
    CHECK_EQ(cress_throw(g, &a), -ESRCH); /* not taken */
    CHECK_STR(words.text, "a b");
    CHECK_EQ(cress_throw(NULL, &a), -EINVAL);
    CHECK_EQ(cress_throw(g, NULL), -EINVAL);
    CHECK_EQ(told.count, 2); /* that their destructors tried to block */
    cress_unref(g);
}

static void *receive_at_once(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == arg);
    return NULL;
}

static void quietly(cress_token *token)
{
    say(&words, token->value);
}

static void one_thrown_before_the_start_meets_the_first_call(void **state)
{
    (void)state;
    cress_token t = { .destroy = quietly, .value = "t" };
    cress_greenlet *g = cress_spawn(receive_at_once, &t);
    CHECK_EQ(cress_throw(g, &t), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "t"); /* at its end, since no further call came */
    CHECK_EQ(told.count, 0);    /* a token is no scope left open */
    cress_unref(g);
}

static void *never(void *arg)
{
    (void)arg;
    CHECK_STR("started", "");
    return NULL;
}

static void what_is_not_delivered_is_destroyed_once(void **state)
{
    (void)state;
    cress_token t = { .destroy = quietly, .value = "t" }, none = { 0 };
    cress_greenlet *g = cress_spawn(never, NULL);
    CHECK_EQ(cress_throw(g, &t), 0);
    CHECK_EQ(cress_throw(g, &none), 0);
    CHECK_EQ(cress_kill(g, 0), 0);
    CHECK_STR(words.text, "t");
    CHECK_EQ(cress_throw(cress_main(), &t), 0); /* it can be thrown again */
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_STR(words.text, "t t");
    cress_unref(g);
}

static void *order(void *arg)
{
    cress_timeout outer = { 0 };
    CHECK_EQ(cress_timeout_start(&outer, CRESS_MS(10)), 0);
    CHECK_EQ(cress_park(CRESS_MS(10)), -ECANCELED); /* kill, scope, throw and its own time */
    CHECK(cress_cancel_cause() == cress_current());
    CHECK_EQ(cress_cancel_ack(), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == &outer);
    CHECK(cress_timeout_stop(&outer));
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == arg);
    CHECK_EQ(cress_park(CRESS_MS(1)), -ETIMEDOUT);
    return NULL;
}

static void of_what_comes_in_one_turn_the_kill_is_first_then_the_scope_then_the_throw(void **state)
{
    (void)state;
    cress_token t = { .value = "t" };
    cress_greenlet *g = cress_spawn(order, &t);
    CHECK_EQ(cress_sleep(CRESS_MS(10)), 0); /* ours comes first in the turn in which its own come */
    CHECK_EQ(cress_throw(g, &t), 0);
    CHECK_EQ(cress_kill(g, 0), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(g), CRESS_RETURNED);
    cress_unref(g);
}

static void *shielded(void *arg)
{
    cress_shield s = { 0 };
    CHECK_EQ(cress_shield_begin(&s, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(10)), 0);
    CHECK_EQ(cress_shield_end(&s), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(10)), -ECANCELED);
    CHECK(cress_cancel_cause() == arg);
    return NULL;
}

static void a_shield_holds_throws_back(void **state)
{
    (void)state;
    cress_token t = { 0 };
    cress_greenlet *g = cress_spawn(shielded, &t);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_throw(g, &t), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static void *tell_main(void *arg)
{
    CHECK_EQ(cress_throw(cress_main(), arg), 0);
    return NULL;
}

static int callback_fails(void *arg)
{
    return *(int *)arg;
}

static void system_errors_surface_in_the_call_that_main_waits_in(void **state)
{
    (void)state;
    cress_token t = { 0 };
    CHECK_EQ(cress_go(tell_main, &t), 0);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(1)), -ECANCELED);
    CHECK(cress_cancel_cause() == &t);
    int error = -EIO;
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, callback_fails, &error), 0); /* an ordinary one does not */
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(cress_go(tell_main, &t), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(throws_queue_in_order_and_cancel_one_call_each),
        TEST(one_thrown_before_the_start_meets_the_first_call),
        TEST(what_is_not_delivered_is_destroyed_once),
        TEST(of_what_comes_in_one_turn_the_kill_is_first_then_the_scope_then_the_throw),
        TEST(a_shield_holds_throws_back),
        TEST(system_errors_surface_in_the_call_that_main_waits_in),
    };
    return RUN_TESTS_APART(tests);
}
