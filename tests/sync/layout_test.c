/* What programs have compiled in must not change: the sizes of the objects, and that all-zero
 * memory is a new one. */
#include "support/test.h"

#include <cress.h>

#include <errno.h>

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
    CHECK_EQ(cress_pool_available(&group), SIZE_MAX);
    CHECK_EQ(cress_mutex_unlock(&mutex), 0);
    CHECK_EQ(cress_rwlock_unlock(&lock), 0);
    CHECK(cress_hub_current() == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_fixed),
        cmocka_unit_test(zeroes_are_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
