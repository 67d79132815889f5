/* What the end of a hub leaves behind: nothing that points into it. */
#include "hub/hub.h"
#include "support/check.h"
#include "support/test.h"

#include <cress.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *park_raw(void *arg, void *value)
{
    (void)value;
    int *result = arg;
    *result = cress_park(CRESS_SECONDS(1000));
    cress_coro_switch(cress_coro_native(), NULL, NULL); /* and rests here */
    return NULL;
}

static int wake_raw(void *co)
{
    loop_tick(&cress__thread->hub->loop);
    return cress_unpark(co);
}

/* Timers that the wheel of this thread's hub has linked, armed or not. */
static size_t linked_timers(void)
{
    const struct timers *w = &cress__thread->hub->loop.timers;
    size_t n = 0;
    for (int level = 0; level < TIMER_LEVELS; level++)
        for (int slot = 0; slot < TIMER_SLOTS; slot++) {
            const struct list *head = &w->slots[level][slot];
            for (const struct list *node = head->next; node != head && n < 1000; node = node->next)
                n++;
        }
    return n;
}

/* A raw coroutine waits with a timeout, is woken before, and freed: its timer goes with it. */
static void a_raw_coroutine_that_waited_may_be_freed(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        cress_coro *co[8];
        int result[8];
        for (int i = 0; i < 8; i++) {
            cress_callback node;
            memset(&node, 0, sizeof node);
            result[i] = 1;
            assert_int_equal(cress_coro_new(NULL, park_raw, &result[i], &co[i]), 0);
            assert_int_equal(cress_post(NULL, &node, wake_raw, co[i]), 0);
            assert_int_equal(cress_coro_switch(co[i], NULL, NULL), 0);
            assert_int_equal(result[i], 0);
        }
        /* The clock is read while they wait, so that their timers stand in the wheel. */
        assert_int_equal(linked_timers(), 8);
        for (int i = 7; i >= 0; i--)
            assert_int_equal(cress_coro_free(co[i]), 0);
        assert_int_equal(linked_timers(), 0);
        assert_int_equal(cress_sleep(CRESS_US(100)), 0);
    }
    assert_int_equal(cress_hub_destroy(0), 0);
}

static int never(void *arg)
{
    (void)arg;
    abort();
}

static void a_posted_callback_is_free_again_when_its_hub_has_ended(void **state)
{
    (void)state;
    cress_callback node;
    memset(&node, 0, sizeof node);
    assert_int_equal(cress_post(NULL, &node, never, NULL), 0);
    assert_int_equal(cress_hub_destroy(0), 0);
    assert_int_equal(cress_unpost(&node), -ENOENT);
    assert_int_equal(cress_post(NULL, &node, never, NULL), 0);
    assert_int_equal(cress_unpost(&node), 0);
    assert_int_equal(cress_hub_destroy(0), 0);
}

static void quiet(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)error;
    if (strstr(context, "raw coroutine") != NULL)
        ++*(int *)arg;
}

/* main switches to a raw coroutine, which waits; its timer brings main back by a callback. */
static void *park_for_ever(void *arg, void *value)
{
    (void)arg, (void)value;
    cress_park(CRESS_FOREVER);
    abort();
}

static void *main_again(void *arg)
{
    (void)arg;
    cress_coro_switch(cress_coro_native(), NULL, NULL);
    return NULL;
}

static void a_raw_coroutine_that_waits_is_abandoned_with_its_hub(void **state)
{
    (void)state;
    int told = 0;
    cress_coro *co;
    cress_set_error_hook(quiet, &told);
    assert_int_equal(cress_coro_new(NULL, park_for_ever, NULL, &co), 0);
    assert_int_equal(cress_go(main_again, NULL), 0);
    assert_int_equal(cress_coro_switch(co, NULL, NULL), 0);
    assert_int_equal(cress_hub_destroy(0), 2); /* the greenlet that switched here, and co */
    assert_int_equal(told, 1);
    assert_int_equal(cress_unpark(co), -ESRCH);
    assert_int_equal(cress_coro_free(co), 0);
    cress_set_error_hook(NULL, NULL);
}

static void *other_main(void *arg)
{
    cress_greenlet *main = arg;
    CHECK_EQ(cress_set_name(main, "x"), -EXDEV);
    CHECK_EQ(cress_yield(), 0); /* now with a hub of its own */
    CHECK_EQ(cress_set_name(main, "x"), -EXDEV);
    CHECK_EQ(cress_join(main, CRESS_MS(1)), -EXDEV);
    CHECK(cress_greenlet_coro(main) != cress_coro_native());
    return NULL;
}

static void another_threads_main_is_not_ones_own(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(cress_yield(), 0);
    assert_int_equal(pthread_create(&thread, NULL, other_main, cress_main()), 0);
    pthread_join(thread, NULL);
    assert_string_equal(cress_name(cress_main()), "main");
    cress_hub_destroy(0);
}

static int began;

static void *begin(void *arg)
{
    began++;
    return arg;
}

static void who_has_not_started_does_not_start_any_more(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(begin, NULL);
    assert_int_equal(cress_hub_destroy(CRESS_MS(10)), 0);
    assert_int_equal(began, 0);
    assert_int_equal(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
}

static int block_in_value_free;

static void value_free(void *value)
{
    (void)value;
    block_in_value_free = cress_sleep(1);
}

static void freeing_a_value_must_not_block(void **state)
{
    (void)state;
    int told = 0;
    cress_set_error_hook(quiet, &told);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.value_free = value_free;
    assert_int_equal(cress_spawn_with(&o, begin, &told, NULL), 0);
    assert_int_equal(cress_run(CRESS_FOREVER), 0);
    assert_int_equal(block_in_value_free, -EPERM);
    o.any_hub = true;
    assert_int_equal(cress_spawn_with(&o, begin, NULL, NULL), -ENOTSUP);
    cress_set_error_hook(NULL, NULL);
    cress_hub_destroy(0);
}

static void *warm_up(void *arg, void *value)
{
    (void)value;
    cress_coro_switch(cress_coro_native(), NULL, NULL); /* keeps its stack */
    return arg;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raw_coroutine_that_waited_may_be_freed),
        cmocka_unit_test(a_posted_callback_is_free_again_when_its_hub_has_ended),
        cmocka_unit_test(a_raw_coroutine_that_waits_is_abandoned_with_its_hub),
        cmocka_unit_test(another_threads_main_is_not_ones_own),
        cmocka_unit_test(who_has_not_started_does_not_start_any_more),
        cmocka_unit_test(freeing_a_value_must_not_block),
    };
    /* This thread's record and first stacks stay: they are no leak of a test's. */
    cress_coro *co[24];
    for (int i = 0; i < 24; i++)
        if (cress_coro_new(NULL, warm_up, NULL, &co[i]) < 0 ||
            cress_coro_switch(co[i], NULL, NULL) < 0)
            return 1;
    for (int i = 0; i < 24; i++)
        cress_coro_free(co[i]);
    return RUN_TESTS(tests);
}
