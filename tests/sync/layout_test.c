/* What programs have compiled in must not change: the sizes of the objects, that all-zero memory is
 * a new one, and that an init makes one of any memory. */
#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <string.h>

static void sizes_are_fixed(void **state)
{
    (void)state;
    CHECK_EQ(sizeof(cress_event), 8 * sizeof(void *));
    CHECK_EQ(sizeof(cress_result), 16 * sizeof(void *));
    CHECK_EQ(sizeof(cress_sem), 8 * sizeof(void *));
    CHECK_EQ(sizeof(cress_mutex), 10 * sizeof(void *));
    CHECK_EQ(sizeof(cress_rwlock), 10 * sizeof(void *));
    CHECK_EQ(sizeof(cress_cond), 6 * sizeof(void *));
    CHECK_EQ(sizeof(cress_barrier), 8 * sizeof(void *));
    CHECK_EQ(sizeof(cress_once), 10 * sizeof(void *));
    CHECK_EQ(sizeof(cress_latch), 8 * sizeof(void *));
    CHECK_EQ(sizeof(cress_queue), 32 * sizeof(void *));
    CHECK_EQ(sizeof(cress_chan), 24 * sizeof(void *));
    CHECK_EQ(sizeof(cress_group), 28 * sizeof(void *));
    CHECK_EQ(sizeof(cress_imap), 4 * sizeof(void *));
    CHECK_EQ(sizeof(cress_key), 8);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* None of these calls makes a hub, so they work in static memory before there is one. */
static void zeroes_are_new(void **state)
{
    (void)state;
    static cress_event event;
    static cress_result result;
    static cress_sem sem;
    static cress_mutex mutex;
    static cress_rwlock lock;
    static cress_cond cond;
    static cress_once once;
    static cress_latch latch;
    static cress_queue queue;
    static cress_chan chan;
    static cress_group group;
    static cress_waiter waiter;
    void *item;
    CHECK_EQ(cress_event_wait(&event, 0), -EAGAIN);
    CHECK_EQ(cress_result_wait(&result, 0), -EAGAIN);
    CHECK_EQ(cress_sem_try_acquire(&sem), -EAGAIN);
    CHECK_EQ(cress_mutex_try_lock(&mutex), 0);
    CHECK_EQ(cress_rwlock_try_wrlock(&lock), 0);
    CHECK_EQ(cress_cond_signal(&cond), 0);
    CHECK_EQ(cress_cond_wait(&cond, &mutex, 0), -EAGAIN);
    CHECK_EQ(cress_once_run(&once, nothing, NULL, 0), 0);
    CHECK_EQ(cress_latch_wait(&latch, 0), 0);
    CHECK_EQ(cress_queue_try_get(&queue, &item), -EAGAIN);
    CHECK_EQ(cress_chan_try_recv(&chan, &item), -EAGAIN);
    CHECK_EQ(cress_group_join(&group, 0), 0);
    CHECK_EQ(cress_waiter_wait(&waiter, 0, &item), -EAGAIN);
    CHECK_EQ(cress_pool_available(&group), SIZE_MAX);
    CHECK_EQ(cress_mutex_unlock(&mutex), 0);
    CHECK_EQ(cress_rwlock_unlock(&lock), 0);
    CHECK(cress_hub_current() == NULL);
}

/* Of memory as malloc(3) may give it. */
#define OF_GARBAGE(object) memset(&(object), 0xa5, sizeof(object))

static void an_init_looks_at_nothing(void **state)
{
    (void)state;
    cress_queue_options options = CRESS_QUEUE_OPTIONS_INIT;
    for (unsigned flags = 0; flags <= CRESS_SHARED; flags += CRESS_SHARED) {
        cress_event event;
        cress_result result;
        cress_sem sem;
        cress_mutex mutex;
        cress_cond cond;
        cress_latch latch;
        cress_queue queue;
        cress_chan chan;
        void *item;
        OF_GARBAGE(event);
        CHECK_EQ(cress_event_init(&event, flags), 0);
        CHECK_EQ(cress_event_wait(&event, 0), -EAGAIN);
        OF_GARBAGE(result);
        CHECK_EQ(cress_result_init(&result, flags), 0);
        CHECK_EQ(cress_result_wait(&result, 0), -EAGAIN);
        OF_GARBAGE(sem);
        CHECK_EQ(cress_sem_init(&sem, 1, flags), 0);
        CHECK_EQ(cress_sem_count(&sem), 1);
        OF_GARBAGE(mutex);
        CHECK_EQ(cress_mutex_init(&mutex, flags), 0);
        CHECK_EQ(cress_mutex_lock(&mutex, 0), 0);
        CHECK_EQ(cress_mutex_unlock(&mutex), 0);
        OF_GARBAGE(cond);
        CHECK_EQ(cress_cond_init(&cond, flags), 0);
        CHECK_EQ(cress_cond_signal(&cond), 0);
        OF_GARBAGE(latch);
        CHECK_EQ(cress_latch_init(&latch, 1, flags), 0);
        CHECK_EQ(cress_latch_wait(&latch, 0), -EAGAIN);
        OF_GARBAGE(queue);
        options.shared = flags == CRESS_SHARED;
        CHECK_EQ(cress_queue_init(&queue, &options), 0);
        CHECK_EQ(cress_queue_try_get(&queue, &item), -EAGAIN);
        CHECK_EQ(cress_queue_done(&queue), 0);
        OF_GARBAGE(chan);
        CHECK_EQ(cress_chan_init(&chan, 1, 0, flags), 0);
        CHECK_EQ(cress_chan_try_recv(&chan, &item), -EAGAIN);
        CHECK_EQ(cress_chan_done(&chan), 0);
    }
    cress_rwlock lock;
    cress_barrier barrier;
    cress_group group;
    cress_waiter waiter;
    OF_GARBAGE(lock);
    CHECK_EQ(cress_rwlock_init(&lock, 0), 0);
    CHECK_EQ(cress_rwlock_try_wrlock(&lock), 0);
    CHECK_EQ(cress_rwlock_unlock(&lock), 0);
    OF_GARBAGE(barrier);
    CHECK_EQ(cress_barrier_init(&barrier, 1, 0), 0);
    CHECK_EQ(cress_barrier_wait(&barrier, 0), 1);
    OF_GARBAGE(group);
    CHECK_EQ(cress_pool_init(&group, 3, 0), 0);
    CHECK_EQ(cress_pool_available(&group), 3);
    CHECK_EQ(cress_group_done(&group), 0);
    OF_GARBAGE(waiter);
    CHECK_EQ(cress_waiter_init(&waiter), 0);
    CHECK_EQ(cress_waiter_wake(&waiter, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_fixed),
        cmocka_unit_test(zeroes_are_new),
        cmocka_unit_test(an_init_looks_at_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
