/* Callbacks in the line of the hub, and where their errors go. */
#include "support/test.h"
#include "support/child.h"
#include "hub/apart.h"
#include "hub/begin.h"

#include <errno.h>

static void run(void)
{
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

static int say_it(void *arg)
{
    say(&words, arg);
    return 0;
}

static void *greenlet_says(void *arg)
{
    say(&words, arg);
    return NULL;
}

static void callbacks_and_spawns_stand_in_one_line(void **state)
{
    (void)state;
    cress_callback a = { 0 }, c = { 0 }, d = { 0 };
    CHECK_EQ(cress_post(NULL, &a, say_it, "a"), 0);
    CHECK_EQ(cress_go(greenlet_says, "b"), 0);
    CHECK_EQ(cress_post(cress_hub_current(), &c, say_it, "c"), 0);
    CHECK_EQ(cress_post(NULL, &d, say_it, "d"), 0);
    CHECK_EQ(cress_go(greenlet_says, "e"), 0);
    CHECK_STR(words.text, "");
    CHECK_EQ(cress_yield(), 0);
    CHECK_STR(words.text, "a b c d e");
}

static void a_callback_can_be_taken_back(void **state)
{
    (void)state;
    cress_callback a = { 0 }, b = { 0 };
    CHECK_EQ(cress_unpost(&a), -ENOENT);
    CHECK_EQ(cress_unpost(NULL), -ENOENT);
    CHECK_EQ(cress_post(NULL, &a, say_it, "a"), 0);
    CHECK_EQ(cress_post(NULL, &a, say_it, "a"), -EALREADY);
    CHECK_EQ(cress_post_mt(cress_hub_current(), &a, say_it, "a"), -EALREADY);
    CHECK_EQ(cress_post(NULL, &b, say_it, "b"), 0);
    CHECK_EQ(cress_unpost(&a), 0);
    CHECK_EQ(cress_unpost(&a), -ENOENT);
    run();
    CHECK_STR(words.text, "b");
    CHECK_EQ(cress_unpost(&b), -ENOENT);
    CHECK_EQ(cress_post(NULL, NULL, say_it, NULL), -EINVAL);
    CHECK_EQ(cress_post(NULL, &a, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_post_mt(NULL, &a, say_it, NULL), -EINVAL);
    CHECK_EQ(cress_post_mt(cress_hub_current(), NULL, say_it, NULL), -EINVAL);
    CHECK_EQ(cress_post_mt(cress_hub_current(), &a, NULL, NULL), -EINVAL);
}

static cress_callback self_node;
static int left;

static int post_again(void *arg)
{
    say(&words, arg);
    if (--left > 0)
        CHECK_EQ(cress_post(NULL, &self_node, post_again, arg), 0);
    return 0;
}

static void a_callback_that_posts_itself_goes_to_the_end_of_the_line(void **state)
{
    (void)state;
    cress_callback other = { 0 };
    left = 3;
    CHECK_EQ(cress_post(NULL, &self_node, post_again, "self"), 0);
    CHECK_EQ(cress_post(NULL, &other, say_it, "other"), 0);
    CHECK_EQ(cress_go(greenlet_says, "greenlet"), 0);
    run();
    CHECK_STR(words.text, "self other greenlet self self");
}

static int counted;

static int count(void *arg)
{
    (void)arg;
    counted++;
    return 0;
}

static void thousands_of_callbacks_in_a_row_all_run(void **state)
{
    (void)state;
    enum { N = 10000 };
    static cress_callback nodes[N];
    counted = 0;
    for (int i = 0; i < N; i++)
        CHECK_EQ(cress_post(NULL, &nodes[i], count, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(counted, N);
}

static int take_back(void *arg)
{
    CHECK_EQ(cress_unpost(arg), 0);
    return 0;
}

static void a_callback_can_take_back_another(void **state)
{
    (void)state;
    cress_callback a = { 0 }, b = { 0 }, c = { 0 };
    CHECK_EQ(cress_post(NULL, &a, take_back, &b), 0);
    CHECK_EQ(cress_post(NULL, &b, say_it, "b"), 0);
    CHECK_EQ(cress_post(NULL, &c, say_it, "c"), 0);
    run();
    CHECK_STR(words.text, "c");
}

static int spawn_and_unpark(void *arg)
{
    CHECK_EQ(cress_go(greenlet_says, "spawned"), 0);
    CHECK_EQ(cress_unpark(arg), 0);
    return 0;
}

static void a_callback_may_spawn_and_wake(void **state)
{
    (void)state;
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, spawn_and_unpark, cress_coro_native()), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "spawned");
}

/* --- errors ---------------------------------------------------------------------------------- */

static int refuse(void *arg)
{
    (void)arg;
    return -EPROTO;
}

static void a_negative_result_goes_to_the_hook(void **state)
{
    (void)state;
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, refuse, NULL), 0);
    run();
    CHECK_EQ(told.count, 1);
    CHECK(told.lines[0].hub == cress_hub_current());
    CHECK(told.lines[0].greenlet == NULL);
    CHECK_STR(told.lines[0].context, "callback");
    CHECK_EQ(told.lines[0].error, -EPROTO);
}

static void a_hub_without_a_hook_uses_the_default(void **state)
{
    (void)state;
    static struct told all;
    all = (struct told){ 0 };
    cress_set_error_hook(told_hook, &all);
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, refuse, NULL), 0);
    run();
    CHECK_EQ(told.count, 1);
    CHECK_EQ(all.count, 0);
    CHECK_EQ(cress_hub_set_error_hook(cress_hub_current(), NULL, NULL), 0);
    CHECK_EQ(cress_post(NULL, &node, refuse, NULL), 0);
    run();
    CHECK_EQ(told.count, 1);
    CHECK_EQ(all.count, 1);
    CHECK_EQ(all.lines[0].error, -EPROTO);
    cress_set_error_hook(NULL, NULL);
}

static int hooks;

static void fail_too(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
    hooks++;
    CHECK_EQ(cress_sleep(CRESS_MS(1)), -EPERM);
}

static void *fails(void *arg)
{
    cress_exit_error(-EIO);
    return arg;
}

static void fail_twice(void *arg)
{
    cress_callback node = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, fail_too, NULL), 0);
    CHECK_EQ(cress_post(NULL, &node, refuse, arg), 0);
    CHECK_EQ(cress_go(fails, NULL), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(2)), 0); /* nobody is disturbed */
    CHECK_EQ(hooks, 2);
}

static void a_hook_that_fails_itself_is_told_without_it(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    struct child_result result;
    child_run(fail_twice, NULL, 10000, &result);
    CHECK_EQ(result.status, 0);
    CHECK_EQ(result.signal, 0);
    CHECK_STR(result.error, "cress: a callback would have to wait: EPERM\n"
                            "cress: a callback would have to wait: EPERM\n");
}

static void fail_in_child(void *arg)
{
    CHECK_EQ(cress_hub_set_error_hook(NULL, NULL, NULL), 0);
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, refuse, arg), 0);
    CHECK_EQ(cress_set_name(cress_main(), "first"), 0);
    run();
    CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
}

static void the_default_writes_one_line_to_stderr(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    struct child_result result;
    child_run(fail_in_child, NULL, 10000, &result);
    CHECK_EQ(result.status, 0);
    CHECK_EQ(result.signal, 0);
    CHECK_STR(result.error, "cress: callback: EPROTO\n"
                            "cress: greenlet first: deadlock: waits for ever, parked: EDEADLK\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(callbacks_and_spawns_stand_in_one_line),
        TEST(a_callback_can_be_taken_back),
        TEST(a_callback_that_posts_itself_goes_to_the_end_of_the_line),
        TEST(thousands_of_callbacks_in_a_row_all_run),
        TEST(a_callback_can_take_back_another),
        TEST(a_callback_may_spawn_and_wake),
        TEST(a_negative_result_goes_to_the_hook),
        TEST(a_hub_without_a_hook_uses_the_default),
        TEST(a_hook_that_fails_itself_is_told_without_it),
        TEST(the_default_writes_one_line_to_stderr),
    };
    return RUN_TESTS_APART(tests);
}
