/* Links: callbacks for the end, in order, in the hub. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/begin.h"

#include <errno.h>

static void *end_at_once(void *arg)
{
    CHECK(!cress_ready(cress_current()));
    return arg;
}

static int say_it(cress_greenlet *g, void *arg)
{
    CHECK(cress_ready(g));
    CHECK(cress_current() == NULL);
    CHECK_EQ(cress_yield(), -EPERM);
    say(&words, arg);
    return 0;
}

enum { MANY = 1000, UNLINKED = 617, FAILING = 333 };

static int numbers[MANY], called[MANY], calls;

static int count(cress_greenlet *g, void *arg)
{
    CHECK(cress_ready(g));
    called[calls++] = *(int *)arg;
    return *(int *)arg == FAILING ? -EIO : 0;
}

static void many_links_are_called_in_order_and_a_failing_one_stops_nothing(void **state)
{
    (void)state;
    static cress_link_node nodes[MANY];
    calls = 0;
    cress_greenlet *g = cress_spawn(end_at_once, NULL);
    for (int i = 0; i < MANY; i++) {
        numbers[i] = i;
        CHECK_EQ(cress_link(g, &nodes[i], count, &numbers[i]), 0);
    }
    cress_unlink(&nodes[UNLINKED]);
    CHECK_EQ(calls, 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(calls, MANY - 1);
    for (int i = 0; i < MANY - 1; i++)
        CHECK_EQ(called[i], i < UNLINKED ? i : i + 1);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.lines[0].error, -EIO);
    CHECK(told.lines[0].greenlet == g);
    cress_unref(g);
}

static cress_link_node first, second, third;

static int unlink_and_link(cress_greenlet *g, void *arg)
{
    (void)arg;
    say(&words, "first");
    cress_unlink(&second);
    CHECK_EQ(cress_link(g, &third, say_it, "third"), 0);
    CHECK_EQ(cress_link(g, &first, say_it, "again"), 0); /* its own node is free by now */
    return 0;
}

static void a_link_may_unlink_another_and_add_one(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(end_at_once, NULL);
    CHECK_EQ(cress_link(g, &first, unlink_and_link, NULL), 0);
    CHECK_EQ(cress_link(g, &second, say_it, "second"), 0);
    CHECK_EQ(cress_link(g, &second, say_it, "second"), -EALREADY);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "first third again");
    cress_unref(g);
}

static void a_link_added_after_the_end_is_called_on_the_next_turn(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(end_at_once, NULL);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_link(g, &first, say_it, "late"), 0);
    CHECK_STR(words.text, "");
    CHECK_EQ(cress_yield(), 0);
    CHECK_STR(words.text, "late");
    CHECK_EQ(cress_link(g, &first, say_it, "taken back"), 0);
    cress_unlink(&first);
    cress_unlink(&first);
    cress_unlink(NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_STR(words.text, "late");
    cress_unref(g);
}

static void *join_and_say(void *arg)
{
    CHECK_EQ(cress_join(arg, CRESS_FOREVER), 0);
    say(&words, "joiner");
    return NULL;
}

static void links_and_joiners_stand_in_one_line(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn_later(CRESS_MS(1), end_at_once, NULL);
    CHECK_EQ(cress_link(g, &first, say_it, "before"), 0);
    CHECK_EQ(cress_go(join_and_say, g), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_link(g, &second, say_it, "after"), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "before joiner after");
    cress_unref(g);
}

static void a_link_keeps_its_greenlet(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(end_at_once, NULL);
    CHECK_EQ(cress_link(g, &first, say_it, "kept"), 0);
    cress_unref(g);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "kept");
    CHECK_EQ(cress_link(NULL, &first, say_it, NULL), -EINVAL);
}

static void *end_failing(void *arg)
{
    CHECK_EQ(cress_exit_error(*(int *)arg), 0);
    return NULL;
}

static int told_so_far(cress_greenlet *g, void *arg)
{
    CHECK_EQ(cress_error(g), -EIO);
    *(int *)arg = told.count;
    return 0;
}

static void a_failing_greenlet_tells_every_getter_and_the_hook_once(void **state)
{
    (void)state;
    int error = -EIO, at_link = -1, got = 0;
    cress_greenlet *g = cress_spawn(end_failing, &error);
    CHECK_EQ(cress_link(g, &first, told_so_far, &at_link), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(told.count, 1);
    CHECK(told.lines[0].greenlet == g);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(at_link, 1); /* scheduled before, called after */
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cress_get(g, CRESS_FOREVER, NULL, &got), 0);
        CHECK_EQ(got, -EIO);
    }
    CHECK_EQ(cress_outcome(g), CRESS_FAILED);
    CHECK(!cress_successful(g));
    CHECK(cress_value(g) == NULL);
    cress_unref(g);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(many_links_are_called_in_order_and_a_failing_one_stops_nothing),
        TEST(a_link_may_unlink_another_and_add_one),
        TEST(a_link_added_after_the_end_is_called_on_the_next_turn),
        TEST(links_and_joiners_stand_in_one_line),
        TEST(a_link_keeps_its_greenlet),
        TEST(a_failing_greenlet_tells_every_getter_and_the_hook_once),
    };
    return RUN_TESTS_APART(tests);
}
