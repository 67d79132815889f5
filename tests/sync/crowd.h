/* crowd - several greenlets that make the same call on one object, and say when it has returned.
 *
 * For cmocka's set-up and tear-down: crowd_begin and crowd_end, under the movable clock.
 */
#ifndef TESTS_SYNC_CROWD_H
#define TESTS_SYNC_CROWD_H

#include "support/test.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/told.h"

#include <errno.h>
#include <pthread.h>

static struct words words;
static struct told told;

static inline int crowd_begin(void **state)
{
    words = (struct words){ 0 };
    told = (struct told){ 0 };
    clock_begin(state);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    return 0;
}

static inline int crowd_end(void **state)
{
    cress_hub_counts counts = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_run(0), 0);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &counts), 0);
    CHECK_EQ(counts.greenlets, 0);
    CHECK_EQ(told.count, 0);
    return clock_end(state);
}

#define CROWD_TEST(test) cmocka_unit_test_setup_teardown(test, crowd_begin, crowd_end)

static inline void yield(void)
{
    CHECK_EQ(cress_yield(), 0);
}

static inline uint64_t switches(void)
{
    cress_hub_counts counts = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &counts), 0);
    return counts.switches;
}

struct member {
    const char *name;
    int (*call)(void *object, cress_time timeout);
    void *object;
    cress_time timeout;
    cress_greenlet *g;
    int result;
};

static void *member_runs(void *arg)
{
    struct member *m = arg;
    m->result = m->call(m->object, m->timeout);
    say(&words, m->name);
    return arg;
}

/* It calls, and has come to where it waits when this returns. */
static inline void enter(struct member *m, const char *name,
                         int (*call)(void *object, cress_time timeout), void *object,
                         cress_time timeout)
{
    *m = (struct member){
        .name = name, .call = call, .object = object, .timeout = timeout, .result = 1000
    };
    m->g = cress_spawn(member_runs, m);
    CHECK(m->g != NULL);
    yield();
}

static inline int left(struct member *m)
{
    CHECK_EQ(cress_join(m->g, CRESS_FOREVER), 0);
    cress_unref(m->g);
    m->g = NULL;
    return m->result;
}

/* The same call in another thread. */
struct elsewhere {
    int (*fn)(void *object);
    void *object;
    int result;
};

static inline void *elsewhere_runs(void *arg)
{
    struct elsewhere *e = arg;
    e->result = e->fn(e->object);
    return NULL;
}

static inline int elsewhere(int (*fn)(void *object), void *object)
{
    struct elsewhere e = { fn, object, 1000 };
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, elsewhere_runs, &e), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return e.result;
}

/* The same call in a callback of the hub. */
static inline int callback_runs(void *arg)
{
    elsewhere_runs(arg);
    return 0;
}

static inline int in_callback(int (*fn)(void *object), void *object)
{
    struct elsewhere e = { fn, object, 1000 };
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, callback_runs, &e), 0);
    yield();
    return e.result;
}

#endif
