/* How a greenlet ends by its own wish, and what it deferred. */
#include "support/test.h"
#include "base/fault.h"
#include "hub/apart.h"
#include "support/child.h"
#include "hub/begin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int deferred(void *arg)
{
    say(&words, arg);
    return 0;
}

static void leave_from_below(int depth, void *value)
{
    if (depth > 0)
        leave_from_below(depth - 1, value);
    else
        cress_exit(value);
    CHECK_STR("came back", "");
}

static void *exit_deep(void *arg)
{
    CHECK_EQ(cress_defer(deferred, "one"), 0);
    CHECK_EQ(cress_defer(deferred, "two"), 0);
    leave_from_below(5, arg);
    return NULL;
}

static void exit_gives_a_value_from_any_depth(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(exit_deep, "value");
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(cress_value(g), "value");
    CHECK_EQ(cress_outcome(g), CRESS_RETURNED);
    CHECK_STR(words.text, "two one");
    cress_unref(g);
}

static void *exit_failing(void *arg)
{
    CHECK_EQ(cress_exit_error(0), -EINVAL);
    CHECK_EQ(cress_exit_error(1), -EINVAL);
    CHECK_EQ(cress_defer(deferred, "ran"), 0);
    cress_exit_error(*(int *)arg);
    return NULL;
}

static void exit_error_fails(void **state)
{
    (void)state;
    int error = -EPROTO;
    cress_greenlet *g = cress_spawn(exit_failing, &error);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_error(g), -EPROTO);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.lines[0].error, -EPROTO);
    CHECK_STR(words.text, "ran");
    cress_unref(g);
}

static int blocks(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(10)), 0);
    CHECK(!cress_ready(cress_current()));
    say(&words, arg);
    return -EIO;
}

static int defers_more(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_defer(deferred, "more"), 0);
    return 0;
}

static void *defer_and_be_killed(void *arg)
{
    CHECK_EQ(cress_defer(deferred, "last"), 0);
    CHECK_EQ(cress_defer(blocks, "blocks"), 0);
    CHECK_EQ(cress_defer(defers_more, NULL), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void deferred_functions_may_block_though_it_was_killed(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(defer_and_be_killed, NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "more blocks last");
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.lines[0].error, -EIO);
    cress_unref(g);
}

static int sleeps_long(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_SECONDS(100)), -ECANCELED);
    return (int)(intptr_t)arg;
}

static void *defer_long(void *arg)
{
    CHECK_EQ(cress_defer(sleeps_long, NULL), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void but_not_for_ever(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *g = cress_spawn(defer_long, NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(clock_time - start, CRESS_SECONDS(5));
    cress_unref(g);

    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.defer_limit = -1;
    CHECK_EQ(cress_spawn_with(&o, defer_long, NULL, &g), -EINVAL);
    o.defer_limit = CRESS_MS(50);
    CHECK_EQ(cress_spawn_with(&o, defer_long, NULL, &g), 0);
    CHECK_EQ(cress_yield(), 0);
    start = clock_time;
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(clock_time - start, CRESS_MS(50));
    cress_unref(g);
}

static void *exit_raw(void *arg, void *value)
{
    (void)value;
    CHECK_EQ(cress_exit(NULL), -EPERM);
    CHECK_EQ(cress_defer(deferred, "no"), -EPERM);
    return arg;
}

static int exit_in_callback(void *arg)
{
    CHECK_EQ(cress_exit(NULL), -EPERM);
    CHECK_EQ(cress_exit_error(-1), -EPERM);
    CHECK_EQ(cress_defer(deferred, "no"), -EPERM);
    return (int)(intptr_t)arg;
}

static void only_a_greenlet_can_leave(void **state)
{
    (void)state;
    cress_coro *co;
    cress_callback node = { 0 };
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_coro_new(NULL, exit_raw, NULL, &co), 0);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
    CHECK_EQ(cress_coro_free(co), 0);
    CHECK_EQ(cress_post(NULL, &node, exit_in_callback, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_defer(NULL, NULL), -EINVAL);
    CHECK_STR(words.text, "");
}

static void deferred_functions_of_main_run_when_its_hub_ends(void **state)
{
    (void)state;
    CHECK_EQ(cress_defer(deferred, "main"), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_STR(words.text, "");
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_STR(words.text, "main");
}

static int write_bye(void *arg)
{
    return (int)write(2, arg, strlen(arg)) - (int)strlen(arg);
}

/* The parent's own handlers, a leak report among them, are not for this child. */
static void at_exit(int status, void *arg)
{
    write_bye(arg);
    _exit(status);
}

static void leave_main(void *arg)
{
    on_exit(at_exit, "now");
    CHECK_EQ(cress_defer(write_bye, "bye"), 0);
    cress_exit(arg);
}

static void *exit_the_process(void *arg)
{
    exit((int)(intptr_t)arg);
}

static void exit_in_a_greenlet(void *arg)
{
    on_exit(at_exit, "now");
    CHECK_EQ(cress_go(exit_the_process, arg), 0);
    cress_sleep(CRESS_SECONDS(1));
}

static void in_main_it_is_exit(void **state)
{
    (void)state;
    struct child_result end;
    child_run(leave_main, (void *)7, 10000, &end);
    CHECK_STR(end.error, "byenow");
    CHECK_EQ(end.status, 7);
    child_run(exit_in_a_greenlet, (void *)9, 10000, &end); /* atexit(3) on a greenlet's stack */
    CHECK_STR(end.error, "now");
    CHECK_EQ(end.status, 9);
}

static const char *failing;

static bool fail_named(const char *what)
{
    return strcmp(what, failing) == 0;
}

static void without_memory_nothing_is_deferred(void **state)
{
    (void)state;
    CHECK_EQ(cress_set_name(cress_main(), "me"), 0);
    failing = "malloc";
    cress__fault_hook = fail_named;
    CHECK_EQ(cress_defer(deferred, "no"), -ENOMEM);
    cress__fault_hook = NULL;
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_STR(words.text, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(exit_gives_a_value_from_any_depth),
        TEST(exit_error_fails),
        TEST(deferred_functions_may_block_though_it_was_killed),
        TEST(but_not_for_ever),
        TEST(only_a_greenlet_can_leave),
        TEST(deferred_functions_of_main_run_when_its_hub_ends),
        TEST(in_main_it_is_exit),
        TEST(without_memory_nothing_is_deferred),
    };
    return RUN_TESTS_APART(tests);
}
