/* Results: values and errors that come later, again, or from the end of a greenlet. */
#include "sync/crowd.h"

static int wait_on(void *result, cress_time timeout)
{
    return cress_result_wait(result, timeout);
}

static int set_it(void *result)
{
    return cress_result_set(result, "elsewhere");
}

static void check_value(cress_result *r, const char *expected)
{
    void *value = NULL;
    int error = 1;
    CHECK_EQ(cress_result_get(r, CRESS_FOREVER, &value, &error), 0);
    CHECK_EQ(error, 0);
    CHECK_STR(value, expected);
}

static void check_error(cress_result *r, int expected)
{
    void *value = r;
    int error = 1;
    CHECK_EQ(cress_result_get(r, CRESS_FOREVER, &value, &error), 0);
    CHECK_EQ(error, expected);
    CHECK(value == NULL);
}

static void every_getter_gets_it_again_and_again(void **state)
{
    (void)state;
    cress_result r = { { 0 } };
    struct member a, b;
    void *value = "untouched";
    CHECK_EQ(cress_result_get(&r, CRESS_MS(10), &value, NULL), -ETIMEDOUT);
    CHECK_STR(value, "untouched");
    CHECK(!cress_result_ready(&r));
    enter(&a, "a", wait_on, &r, CRESS_FOREVER);
    enter(&b, "b", wait_on, &r, CRESS_FOREVER);
    CHECK_EQ(cress_result_set(&r, "first"), 0);
    CHECK(cress_result_ready(&r));
    CHECK_STR(words.text, "");
    check_value(&r, "first");
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
    CHECK_STR(words.text, "a b");
    check_value(&r, "first");
}

static void an_error_goes_to_every_getter(void **state)
{
    (void)state;
    cress_result r = { { 0 } };
    struct member a;
    enter(&a, "a", wait_on, &r, CRESS_FOREVER);
    CHECK_EQ(cress_result_set_error(&r, -EIO), 0);
    CHECK_EQ(left(&a), 0); /* the wait itself has not failed */
    check_error(&r, -EIO);
    check_error(&r, -EIO);
    CHECK_EQ(cress_result_set_error(&r, 5), -EINVAL);
}

static void it_can_be_set_again_and_emptied(void **state)
{
    (void)state;
    cress_result r = { { 0 } };
    CHECK_EQ(cress_result_set_error(&r, -EIO), 0);
    CHECK_EQ(cress_result_set(&r, "second"), 0);
    check_value(&r, "second");
    CHECK_EQ(cress_result_clear(&r), 0);
    CHECK_EQ(cress_result_get(&r, 0, NULL, NULL), -EAGAIN);
    CHECK(!cress_result_ready(&r));
    struct member a;
    enter(&a, "a", wait_on, &r, CRESS_FOREVER);
    CHECK_EQ(cress_result_clear(&r), 0); /* who waits goes on */
    CHECK_EQ(cress_result_set_error(&r, -EIO), 0);
    CHECK_EQ(left(&a), 0);
}

static void *returns(void *arg)
{
    yield();
    return arg;
}

static void *returns_later(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    return arg;
}

static void *fails(void *arg)
{
    yield();
    cress_exit_error(-ENOENT);
    return arg;
}

static void *is_killed(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static int freed;

static void value_freed(void *value)
{
    CHECK_STR(value, "value");
    freed++;
}

static void it_follows_a_greenlet_to_its_end(void **state)
{
    (void)state;
    cress_result r = { { 0 } };
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    cress_greenlet *g;
    freed = 0;
    o.value_free = value_freed;
    CHECK_EQ(cress_spawn_with(&o, returns, "value", &g), 0);
    CHECK_EQ(cress_result_follow(&r, g), 0);
    CHECK(!cress_result_ready(&r));
    cress_unref(g); /* the result has a reference of its own */
    check_value(&r, "value");
    CHECK_EQ(freed, 0);
    cress_greenlet *killed = cress_spawn(is_killed, NULL);
    CHECK_EQ(cress_result_follow(&r, killed), 0);
    CHECK_EQ(freed, 1);
    check_value(&r, "value"); /* until that one has ended */
    yield();
    CHECK_EQ(cress_kill(killed, CRESS_FOREVER), 0);
    check_error(&r, -ECANCELED);
    cress_greenlet *failed = cress_spawn(fails, NULL);
    CHECK_EQ(cress_join(failed, CRESS_FOREVER), 0);
    CHECK_EQ(told.count, 1);
    told.count = 0;
    CHECK_EQ(cress_result_follow(&r, failed), 0); /* it has ended */
    check_error(&r, -ENOENT);
    CHECK_EQ(cress_result_clear(&r), 0);
    cress_unref(killed);
    cress_unref(failed);
}

static void it_follows_one_at_a_time(void **state)
{
    (void)state;
    cress_result r = { { 0 } };
    cress_greenlet *a = cress_spawn(returns, "a"), *b = cress_spawn(returns_later, "b");
    CHECK_EQ(cress_result_follow(&r, a), 0);
    CHECK_EQ(cress_result_follow(&r, b), 0);
    CHECK_EQ(cress_join(a, CRESS_FOREVER), 0);
    CHECK(!cress_result_ready(&r));
    check_value(&r, "b");
    cress_greenlet *c = cress_spawn(returns, "c");
    CHECK_EQ(cress_result_follow(&r, c), 0);
    CHECK_EQ(cress_result_clear(&r), 0);
    CHECK_EQ(cress_join(c, CRESS_FOREVER), 0);
    CHECK(!cress_result_ready(&r));
    cress_unref(a);
    cress_unref(b);
    cress_unref(c);
}

static void a_choice_brings_value_and_error(void **state)
{
    (void)state;
    cress_result r = { { 0 } }, never = { { 0 } };
    cress_callback node = { 0 };
    struct elsewhere e = { set_it, &r, 0 };
    cress_case cases[] = { cress_on_result(&never), cress_on_result(&r) };
    CHECK_EQ(cress_post(NULL, &node, callback_runs, &e), 0);
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 1);
    CHECK_STR(cases[1].data, "elsewhere");
    CHECK_EQ(cases[1].result, 0);
    CHECK_EQ(cress_result_set_error(&r, -EIO), 0);
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 1);
    CHECK(cases[1].data == NULL);
    CHECK_EQ(cases[1].result, -EIO);
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_FOREVER, NULL), 1);
    CHECK_EQ(cases[1].result, -EIO);
}

static int await(void *r)
{
    return cress_result_wait(r, CRESS_FOREVER);
}

static int choose_it(void *r)
{
    cress_case c = cress_on_result(r);
    return cress_choose(&c, 1, CRESS_FOREVER);
}

/* Else its hub could not tell those who wait in another one. */
static void while_it_follows_it_is_the_thread_s(void **state)
{
    (void)state;
    cress_result r = { { 0 } };
    cress_greenlet *g = cress_spawn(returns, "value");
    CHECK_EQ(cress_result_follow(&r, g), 0);
    CHECK_EQ(elsewhere(await, &r), -EXDEV);
    CHECK_EQ(elsewhere(choose_it, &r), -EXDEV);
    CHECK_EQ(elsewhere(set_it, &r), -EXDEV);
    check_value(&r, "value");
    CHECK_EQ(cress_result_clear(&r), 0);
    CHECK_EQ(elsewhere(set_it, &r), 0);
    cress_unref(g);
}

static void wrong_arguments_and_threads_are_refused(void **state)
{
    (void)state;
    cress_result r = { { 0 } };
    struct member a;
    CHECK_EQ(cress_result_init(NULL, 0), -EINVAL);
    CHECK_EQ(cress_result_init(&r, CRESS_BOUNDED), -EINVAL);
    CHECK_EQ(cress_result_set(NULL, NULL), -EINVAL);
    CHECK_EQ(cress_result_clear(NULL), -EINVAL);
    CHECK_EQ(cress_result_wait(NULL, 0), -EINVAL);
    CHECK_EQ(cress_result_wait(&r, -1), -EINVAL);
    CHECK_EQ(cress_result_follow(&r, NULL), -EINVAL);
    CHECK_EQ(cress_result_follow(NULL, cress_main()), -EINVAL);
    CHECK(!cress_result_ready(NULL));
    enter(&a, "a", wait_on, &r, CRESS_FOREVER);
    CHECK_EQ(elsewhere(set_it, &r), -EXDEV);
    CHECK_EQ(in_callback(set_it, &r), 0);
    CHECK_EQ(left(&a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(every_getter_gets_it_again_and_again),
        CROWD_TEST(an_error_goes_to_every_getter),
        CROWD_TEST(it_can_be_set_again_and_emptied),
        CROWD_TEST(it_follows_a_greenlet_to_its_end),
        CROWD_TEST(it_follows_one_at_a_time),
        CROWD_TEST(a_choice_brings_value_and_error),
        CROWD_TEST(while_it_follows_it_is_the_thread_s),
        CROWD_TEST(wrong_arguments_and_threads_are_refused),
    };
    return RUN_TESTS_APART(tests);
}
