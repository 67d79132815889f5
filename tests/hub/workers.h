/* workers - what tests do with functions that run in other threads: hold them, and see them there.
 *
 *     struct held held;
 *     held_init(&held);
 *     ... a worker calls hold(&held): held_begun(&held) returns then, and held_let_go() ends it
 */
#ifndef TESTS_HUB_WORKERS_H
#define TESTS_HUB_WORKERS_H

#include "support/child.h"
#include "support/test.h"
#include "base/compiler.h"

#include <cress.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

struct held {
    sem_t begun, go;
    atomic_int calls, ended;
};

static inline void held_init(struct held *held)
{
    CHECK_EQ(sem_init(&held->begun, 0, 0), 0);
    CHECK_EQ(sem_init(&held->go, 0, 0), 0);
    atomic_init(&held->calls, 0);
    atomic_init(&held->ended, 0);
}

static inline void sem_take(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        CHECK_EQ(errno, EINTR);
}

static inline int hold(void *arg)
{
    struct held *held = arg;
    atomic_fetch_add(&held->calls, 1);
    sem_post(&held->begun);
    sem_take(&held->go);
    atomic_fetch_add(&held->ended, 1);
    return 42;
}

static inline void *hold_job(void *arg)
{
    hold(arg);
    return arg;
}

/* Blocks this thread, not this greenlet only: it will begin at once. */
static inline void held_begun(struct held *held)
{
    sem_take(&held->begun);
}

static inline void held_let_go(struct held *held)
{
    sem_post(&held->go);
}

/* What other threads do comes soon; a limit for what never does. */
#define SOON(condition)                            \
    do {                                           \
        for (int soon = 0; !(condition); soon++) { \
            CHECK_LT(soon, 10000);                 \
            usleep(500);                           \
        }                                          \
    } while (0)

/* Tests with child processes begin with this. */
static inline void needs_children(void)
{
#ifdef CRESS_TSAN
    printf("        skipped: ThreadSanitizer ends a child that starts threads\n");
    skip();
#endif
}

/* Call fn(arg) in a child process, which must end well. */
static inline void in_child(void (*fn)(void *arg), void *arg)
{
    struct child_result result;
    child_run(fn, arg, 20000, &result);
    printf("%s", result.error);
    CHECK_STR(child_words(&result), "ended with exit status 0");
}

#endif
