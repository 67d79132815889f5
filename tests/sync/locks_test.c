/* Mutexes, read-write locks and conditions: who holds what, and who comes next. */
#include "sync/crowd.h"

static int lock_and_unlock(void *mutex, cress_time timeout)
{
    int r = cress_mutex_lock(mutex, timeout);
    CHECK_EQ(cress_mutex_unlock(mutex), r == 0 ? 0 : -EPERM);
    return r;
}

static int try_lock(void *mutex)
{
    return cress_mutex_try_lock(mutex);
}

static int unlock(void *mutex)
{
    return cress_mutex_unlock(mutex);
}

static void a_mutex_belongs_to_who_locked_it(void **state)
{
    (void)state;
    cress_mutex m = { { 0 } };
    struct member a;
    uint64_t before = switches();
    CHECK(!cress_mutex_owned(&m));
    CHECK_EQ(cress_mutex_unlock(&m), -EPERM);
    CHECK_EQ(cress_mutex_lock(&m, CRESS_FOREVER), 0);
    CHECK(cress_mutex_owned(&m));
    CHECK_EQ(cress_mutex_lock(&m, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_mutex_try_lock(&m), -EDEADLK);
    CHECK_EQ(switches(), before);
    CHECK_EQ(in_callback(try_lock, &m), -EAGAIN);
    CHECK_EQ(in_callback(unlock, &m), -EPERM);
    CHECK_EQ(elsewhere(try_lock, &m), -EXDEV);
    CHECK_EQ(elsewhere(unlock, &m), -EPERM);
    enter(&a, "a", lock_and_unlock, &m, CRESS_MS(1));
    CHECK_EQ(left(&a), -ETIMEDOUT);
    CHECK_EQ(cress_mutex_unlock(&m), 0);
    CHECK_EQ(in_callback(try_lock, &m), 0);
    CHECK_EQ(cress_mutex_try_lock(&m), -EAGAIN);
    CHECK_EQ(in_callback(unlock, &m), 0);
}

static void it_goes_to_who_has_waited_longest_but_for_who_barges_in(void **state)
{
    (void)state;
    cress_mutex m = { { 0 } };
    struct member a, b;
    CHECK_EQ(cress_mutex_lock(&m, 0), 0);
    enter(&a, "a", lock_and_unlock, &m, CRESS_FOREVER);
    enter(&b, "b", lock_and_unlock, &m, CRESS_FOREVER);
    CHECK_EQ(cress_mutex_unlock(&m), 0);
    CHECK_EQ(cress_mutex_lock(&m, CRESS_FOREVER), 0); /* without a switch */
    CHECK_STR(words.text, "");
    yield();
    CHECK_STR(words.text, "");
    CHECK_EQ(cress_mutex_unlock(&m), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
    CHECK_STR(words.text, "a b");
    CHECK_EQ(cress_mutex_init(&m, CRESS_FAIR), 0);
    CHECK_EQ(cress_mutex_lock(&m, 0), 0);
    enter(&a, "c", lock_and_unlock, &m, CRESS_FOREVER);
    CHECK_EQ(cress_mutex_unlock(&m), 0);
    CHECK_EQ(cress_mutex_try_lock(&m), -EAGAIN);
    CHECK_EQ(cress_mutex_lock(&m, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "a b c");
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(cress_mutex_unlock(&m), 0);
}

static void a_lock_that_was_handed_over_survives_a_kill(void **state)
{
    (void)state;
    cress_mutex m = { { 0 } };
    struct member a, b;
    CHECK_EQ(cress_mutex_lock(&m, 0), 0);
    enter(&a, "a", lock_and_unlock, &m, CRESS_FOREVER);
    enter(&b, "b", lock_and_unlock, &m, CRESS_FOREVER);
    CHECK_EQ(cress_kill(a.g, 0), 0);
    CHECK_EQ(cress_mutex_unlock(&m), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(cress_mutex_init(&m, 0), 0);
}

static void a_recursive_one_counts(void **state)
{
    (void)state;
    cress_mutex m = { { 0 } };
    struct member a;
    CHECK_EQ(cress_mutex_init(&m, CRESS_RECURSIVE), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cress_mutex_lock(&m, i == 1 ? 0 : CRESS_FOREVER), 0);
    enter(&a, "a", lock_and_unlock, &m, CRESS_FOREVER);
    for (int i = 0; i < 3; i++) {
        yield();
        CHECK_STR(words.text, "");
        CHECK_EQ(cress_mutex_unlock(&m), 0);
    }
    CHECK_EQ(cress_mutex_unlock(&m), -EPERM);
    CHECK_EQ(left(&a), 0);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    cress_mutex m = { { 0 } };
    cress_rwlock l = { { 0 } };
    cress_cond c = { { 0 } };
    CHECK_EQ(cress_mutex_init(NULL, 0), -EINVAL);
    CHECK_EQ(cress_mutex_init(&m, CRESS_BOUNDED), -EINVAL);
    CHECK_EQ(cress_mutex_lock(NULL, 0), -EINVAL);
    CHECK_EQ(cress_mutex_lock(&m, -1), -EINVAL);
    CHECK_EQ(cress_mutex_unlock(NULL), -EINVAL);
    CHECK_EQ(cress_mutex_lock(&m, 0), 0);
    CHECK_EQ(cress_rwlock_init(NULL, 0), -EINVAL);
    CHECK_EQ(cress_rwlock_init(&l, CRESS_FAIR), -EINVAL);
    CHECK_EQ(cress_rwlock_init(&l, CRESS_SHARED), -EINVAL);
    CHECK_EQ(cress_rwlock_rdlock(NULL, 0), -EINVAL);
    CHECK_EQ(cress_rwlock_wrlock(&l, -1), -EINVAL);
    CHECK_EQ(cress_rwlock_unlock(NULL), -EINVAL);
    CHECK_EQ(cress_rwlock_rdlock(&l, 0), 0);
    CHECK_EQ(cress_cond_init(NULL, 0), -EINVAL);
    CHECK_EQ(cress_cond_init(&c, CRESS_FAIR), -EINVAL);
    CHECK_EQ(cress_cond_wait(NULL, &m, 0), -EINVAL);
    CHECK_EQ(cress_cond_wait(&c, NULL, 0), -EINVAL);
    CHECK_EQ(cress_cond_wait(&c, &m, -1), -EINVAL);
    CHECK_EQ(cress_cond_signal(NULL), -EINVAL);
    CHECK_EQ(cress_cond_broadcast(NULL), -EINVAL);
    CHECK_EQ(cress_mutex_unlock(&m), 0);
    CHECK_EQ(cress_cond_wait(&c, &m, CRESS_FOREVER), -EPERM);
}

/* --- read-write locks ------------------------------------------------------------------------ */

static int rdlock(void *l, cress_time timeout)
{
    return cress_rwlock_rdlock(l, timeout);
}

static int wrlock(void *l, cress_time timeout)
{
    return cress_rwlock_wrlock(l, timeout);
}

static int write_and_unlock(void *l, cress_time timeout)
{
    int r = cress_rwlock_wrlock(l, timeout);
    if (r == 0)
        CHECK_EQ(cress_rwlock_unlock(l), 0);
    return r;
}

static int try_rdlock(void *l)
{
    return cress_rwlock_try_rdlock(l);
}

static int try_wrlock(void *l)
{
    return cress_rwlock_try_wrlock(l);
}

static int rw_unlock(void *l)
{
    return cress_rwlock_unlock(l);
}

static void readers_share_and_writers_do_not(void **state)
{
    (void)state;
    cress_rwlock l = { { 0 } };
    struct member a, w;
    CHECK_EQ(cress_rwlock_rdlock(&l, CRESS_FOREVER), 0);
    CHECK_EQ(elsewhere(try_wrlock, &l), -EXDEV);
    CHECK_EQ(elsewhere(rw_unlock, &l), -EXDEV);
    enter(&a, "a", rdlock, &l, CRESS_FOREVER);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(in_callback(try_rdlock, &l), 0);
    CHECK_EQ(cress_rwlock_try_wrlock(&l), -EAGAIN);
    enter(&w, "w", write_and_unlock, &l, CRESS_FOREVER);
    CHECK_EQ(elsewhere(try_rdlock, &l), -EXDEV);
    CHECK_EQ(elsewhere(rw_unlock, &l), -EXDEV);
    for (int i = 0; i < 3; i++) {
        yield();
        CHECK(!cress_ready(w.g));
        CHECK_EQ(cress_rwlock_unlock(&l), 0);
    }
    CHECK_EQ(left(&w), 0);
    CHECK_EQ(cress_rwlock_unlock(&l), -EPERM);
    CHECK_EQ(cress_rwlock_wrlock(&l, 0), 0);
    CHECK_EQ(cress_rwlock_rdlock(&l, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_rwlock_try_wrlock(&l), -EDEADLK);
    CHECK_EQ(in_callback(rw_unlock, &l), -EPERM);
    CHECK_EQ(elsewhere(try_rdlock, &l), -EXDEV);
    CHECK_EQ(cress_rwlock_unlock(&l), 0);
}

static void first_come_first_served(void **state)
{
    (void)state;
    cress_rwlock l = { { 0 } };
    struct member r1, w, r2, r3;
    CHECK_EQ(cress_rwlock_wrlock(&l, 0), 0);
    enter(&r1, "r1", rdlock, &l, CRESS_FOREVER);
    enter(&w, "w", write_and_unlock, &l, CRESS_FOREVER);
    enter(&r2, "r2", rdlock, &l, CRESS_FOREVER);
    enter(&r3, "r3", rdlock, &l, CRESS_FOREVER);
    CHECK_EQ(cress_rwlock_unlock(&l), 0);
    yield();
    CHECK_STR(words.text, "r1"); /* a reader in front does not let those behind the writer in */
    CHECK_EQ(cress_rwlock_try_rdlock(&l), -EAGAIN);
    CHECK_EQ(cress_rwlock_unlock(&l), 0);
    CHECK_EQ(left(&w), 0);
    yield();
    CHECK_STR(words.text, "r1 w r2 r3");
    CHECK_EQ(left(&r1), 0);
    CHECK_EQ(left(&r2), 0);
    CHECK_EQ(left(&r3), 0);
    CHECK_EQ(cress_rwlock_unlock(&l), 0);
    CHECK_EQ(cress_rwlock_unlock(&l), 0);
    CHECK_EQ(cress_rwlock_unlock(&l), -EPERM);
}

static void a_writer_that_gives_up_lets_the_readers_behind_it_in(void **state)
{
    (void)state;
    cress_rwlock l = { { 0 } };
    struct member w, r;
    CHECK_EQ(cress_rwlock_rdlock(&l, 0), 0);
    enter(&w, "w", wrlock, &l, CRESS_FOREVER);
    enter(&r, "r", rdlock, &l, CRESS_FOREVER);
    CHECK_STR(words.text, "");
    CHECK_EQ(cress_kill(w.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&r), 0);
    CHECK_EQ(left(&w), -ECANCELED);
    CHECK_EQ(cress_rwlock_unlock(&l), 0);
    CHECK_EQ(cress_rwlock_unlock(&l), 0);
    CHECK_EQ(cress_rwlock_try_wrlock(&l), 0);
    CHECK_EQ(cress_rwlock_unlock(&l), 0);
}

/* --- conditions ------------------------------------------------------------------------------ */

struct guarded {
    cress_mutex mutex;
    cress_cond cond;
};

static int wait_for_it(void *arg, cress_time timeout)
{
    struct guarded *q = arg;
    CHECK_EQ(cress_mutex_lock(&q->mutex, CRESS_FOREVER), 0);
    int r = cress_cond_wait(&q->cond, &q->mutex, timeout);
    CHECK(cress_mutex_owned(&q->mutex));
    CHECK_EQ(cress_mutex_unlock(&q->mutex), 0);
    return r;
}

static int signal_it(void *arg)
{
    return cress_cond_signal(&((struct guarded *)arg)->cond);
}

static void signal_wakes_the_first_and_broadcast_all(void **state)
{
    (void)state;
    struct guarded q = { 0 };
    struct member a, b, c;
    CHECK_EQ(cress_cond_signal(&q.cond), 0); /* for nobody, and not remembered */
    enter(&a, "a", wait_for_it, &q, CRESS_FOREVER);
    enter(&b, "b", wait_for_it, &q, CRESS_FOREVER);
    enter(&c, "c", wait_for_it, &q, CRESS_FOREVER);
    CHECK_EQ(elsewhere(signal_it, &q), -EXDEV);
    CHECK_EQ(in_callback(signal_it, &q), 0);
    yield();
    CHECK_STR(words.text, "a");
    CHECK_EQ(cress_cond_broadcast(&q.cond), 0);
    yield();
    CHECK_STR(words.text, "a b c");
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(left(&c), 0);
}

static void it_comes_back_with_the_mutex_though_it_was_killed_or_out_of_time(void **state)
{
    (void)state;
    struct guarded q = { 0 };
    struct member a, b;
    enter(&a, "a", wait_for_it, &q, CRESS_FOREVER);
    enter(&b, "b", wait_for_it, &q, CRESS_MS(1));
    CHECK_EQ(cress_mutex_lock(&q.mutex, CRESS_FOREVER), 0);
    CHECK_EQ(cress_kill(a.g, 0), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
    CHECK_EQ(cress_kill(a.g, 0), 0); /* nothing cancels its way back */
    CHECK_EQ(cress_kill(b.g, 0), 0);
    yield();
    CHECK_STR(words.text, "");
    CHECK_EQ(cress_mutex_unlock(&q.mutex), 0);
    CHECK_EQ(left(&a), -ECANCELED);
    CHECK_EQ(left(&b), -ETIMEDOUT);
    CHECK_STR(words.text, "a b");
    CHECK_EQ(cress_mutex_try_lock(&q.mutex), 0);
}

static void a_signal_is_not_lost_with_who_is_killed(void **state)
{
    (void)state;
    struct guarded q = { 0 };
    struct member a, b;
    enter(&a, "a", wait_for_it, &q, CRESS_FOREVER);
    enter(&b, "b", wait_for_it, &q, CRESS_FOREVER);
    CHECK_EQ(cress_cond_signal(&q.cond), 0);
    CHECK_EQ(cress_kill(a.g, 0), 0);
    CHECK_EQ(left(&a), 0); /* it has the signal */
    CHECK(!cress_ready(b.g));
    CHECK_EQ(cress_kill(b.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&b), -ECANCELED);
}

static void the_depth_of_the_mutex_is_restored(void **state)
{
    (void)state;
    struct guarded q = { 0 };
    struct member a;
    CHECK_EQ(cress_mutex_init(&q.mutex, CRESS_RECURSIVE), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cress_mutex_lock(&q.mutex, 0), 0);
    enter(&a, "a", lock_and_unlock, &q.mutex, CRESS_FOREVER);
    CHECK_EQ(cress_cond_wait(&q.cond, &q.mutex, CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(left(&a), 0); /* it was free altogether */
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cress_mutex_unlock(&q.mutex), 0);
    CHECK_EQ(cress_mutex_unlock(&q.mutex), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(a_mutex_belongs_to_who_locked_it),
        CROWD_TEST(it_goes_to_who_has_waited_longest_but_for_who_barges_in),
        CROWD_TEST(a_lock_that_was_handed_over_survives_a_kill),
        CROWD_TEST(a_recursive_one_counts),
        CROWD_TEST(wrong_arguments_are_refused),
        CROWD_TEST(readers_share_and_writers_do_not),
        CROWD_TEST(first_come_first_served),
        CROWD_TEST(a_writer_that_gives_up_lets_the_readers_behind_it_in),
        CROWD_TEST(signal_wakes_the_first_and_broadcast_all),
        CROWD_TEST(it_comes_back_with_the_mutex_though_it_was_killed_or_out_of_time),
        CROWD_TEST(a_signal_is_not_lost_with_who_is_killed),
        CROWD_TEST(the_depth_of_the_mutex_is_restored),
    };
    return RUN_TESTS_APART(tests);
}
