/* apart - a thread of its own for tests: with its end all that cress keeps for a thread is gone, so
 * that what is counted then was really left behind.
 */
#ifndef TESTS_HUB_APART_H
#define TESTS_HUB_APART_H

#include "support/test.h"

#include <pthread.h>
#include <signal.h>

static inline void *apart_call(void *fn)
{
    (*(void (**)(void))fn)();
    return NULL;
}

/* Call fn in a thread, and wait for its end. */
static inline void apart(void (*fn)(void))
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, apart_call, &fn), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

struct apart_group {
    const struct CMUnitTest *tests;
    size_t count;
    int failed;
};

static inline void *apart_run_group(void *arg)
{
    struct apart_group *group = arg;
    group->failed = _cmocka_run_group_tests("tests", group->tests, group->count, NULL, NULL);
    return NULL;
}

/* RUN_TESTS for tests that use a hub. */
static inline int apart_tests(const struct CMUnitTest *tests, size_t count)
{
    struct apart_group group = { tests, count, 0 };
    pthread_t thread;
    tests_begin(NULL);
    CHECK_EQ(pthread_create(&thread, NULL, apart_run_group, &group), 0);
    sigset_t all, old; /* signals are for the thread of the tests */
    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &all, &old), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    return tests_left(group.failed);
}
#define RUN_TESTS_APART(tests) apart_tests(tests, sizeof(tests) / sizeof(tests)[0])

#endif
