/* Meeting points: barriers, things done once, latches. */
#include "sync/crowd.h"

static int meet(void *barrier, cress_time timeout)
{
    return cress_barrier_wait(barrier, timeout);
}

static int try_to_meet(void *barrier)
{
    return cress_barrier_wait(barrier, 0);
}

static void they_go_on_together_when_the_last_has_come(void **state)
{
    (void)state;
    cress_barrier b = { { 0 } };
    struct member x, y;
    CHECK_EQ(cress_barrier_wait(&b, 0), -EINVAL);
    CHECK_EQ(cress_barrier_init(&b, 3, 0), 0);
    for (int round = 0; round < 2; round++) {
        words.text[0] = '\0';
        enter(&x, "x", meet, &b, CRESS_FOREVER);
        enter(&y, "y", meet, &b, CRESS_FOREVER);
        CHECK_EQ(elsewhere(try_to_meet, &b), -EXDEV);
        CHECK_STR(words.text, "");
        CHECK_EQ(round == 0 ? in_callback(try_to_meet, &b) : cress_barrier_wait(&b, CRESS_FOREVER),
                 1);
        CHECK_EQ(left(&x), 0);
        CHECK_EQ(left(&y), 0);
        CHECK_STR(words.text, "x y");
    }
    CHECK_EQ(cress_barrier_init(&b, 1, 0), 0);
    CHECK_EQ(cress_barrier_wait(&b, 0), 1);
}

static void who_gives_up_has_not_come(void **state)
{
    (void)state;
    cress_barrier b = { { 0 } };
    struct member x, y;
    CHECK_EQ(cress_barrier_init(&b, 2, 0), 0);
    enter(&x, "x", meet, &b, CRESS_MS(1));
    CHECK_EQ(left(&x), -ETIMEDOUT);
    enter(&x, "x", meet, &b, CRESS_FOREVER);
    CHECK_EQ(cress_kill(x.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&x), -ECANCELED);
    CHECK_EQ(cress_barrier_wait(&b, 0), -EAGAIN);
    enter(&y, "y", meet, &b, CRESS_FOREVER);
    CHECK_EQ(cress_barrier_wait(&b, 0), 1);
    CHECK_EQ(cress_kill(y.g, 0), 0);
    CHECK_EQ(left(&y), 0); /* they have met */
}

static int times, fails_first;

static int slow_once(void *arg)
{
    times++;
    CHECK_EQ(cress_once_run(arg, slow_once, arg, CRESS_FOREVER), -EDEADLK);
    yield();
    yield();
    return fails_first-- > 0 ? -EIO : 0;
}

static int once(void *o, cress_time timeout)
{
    return cress_once_run(o, slow_once, o, timeout);
}

static int try_once(void *o)
{
    return cress_once_run(o, slow_once, o, 0);
}

static void the_first_does_it_and_all_others_wait(void **state)
{
    (void)state;
    cress_once o = { { 0 } };
    struct member a, b;
    times = fails_first = 0;
    CHECK(!cress_once_done(&o));
    enter(&a, "a", once, &o, CRESS_FOREVER);
    enter(&b, "b", once, &o, CRESS_FOREVER);
    CHECK_EQ(cress_once_run(&o, slow_once, &o, 0), -EAGAIN);
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_STR(words.text, "a b");
    CHECK(cress_once_done(&o));
    uint64_t before = switches();
    CHECK_EQ(cress_once_run(&o, slow_once, &o, CRESS_FOREVER), 0);
    CHECK_EQ(switches(), before);
    CHECK_EQ(times, 1);
}

static void what_failed_is_done_by_the_next(void **state)
{
    (void)state;
    cress_once o = { { 0 } };
    struct member a, b, c;
    times = 0;
    fails_first = 2;
    enter(&a, "a", once, &o, CRESS_FOREVER);
    CHECK_EQ(elsewhere(try_once, &o), -EXDEV);
    enter(&b, "b", once, &o, CRESS_FOREVER);
    enter(&c, "c", once, &o, CRESS_FOREVER);
    CHECK_EQ(left(&a), -EIO);
    CHECK_EQ(left(&c), -EIO); /* it came while it was undone, and b had not run yet */
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(times, 3);
}

static int wait_for_zero(void *latch, cress_time timeout)
{
    return cress_latch_wait(latch, timeout);
}

static int one_less(void *latch)
{
    return cress_latch_count_down(latch, 1);
}

static void a_latch_opens_at_zero(void **state)
{
    (void)state;
    cress_latch l = { { 0 } };
    struct member a, b;
    CHECK_EQ(cress_latch_wait(&l, CRESS_FOREVER), 0);
    CHECK_EQ(cress_latch_init(&l, 2, 0), 0);
    CHECK_EQ(cress_latch_add(&l, 1), 0);
    CHECK_EQ(cress_latch_count(&l), 3);
    enter(&a, "a", wait_for_zero, &l, CRESS_FOREVER);
    enter(&b, "b", wait_for_zero, &l, CRESS_FOREVER);
    CHECK_EQ(elsewhere(one_less, &l), -EXDEV);
    CHECK_EQ(cress_latch_count_down(&l, 2), 0);
    yield();
    CHECK_STR(words.text, "");
    CHECK_EQ(cress_latch_count_down(&l, 2), -EINVAL);
    CHECK_EQ(cress_latch_count(&l), 1);
    CHECK_EQ(cress_latch_wait(&l, 0), -EAGAIN);
    CHECK_EQ(in_callback(one_less, &l), 0);
    CHECK_EQ(cress_latch_wait(&l, 0), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(cress_latch_count_down(&l, 1), -EINVAL);
    CHECK_EQ(cress_latch_add(&l, SIZE_MAX), 0);
    CHECK_EQ(cress_latch_add(&l, 1), -EOVERFLOW);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    cress_barrier b = { { 0 } };
    cress_once o = { { 0 } };
    cress_latch l = { { 0 } };
    CHECK_EQ(cress_barrier_init(NULL, 1, 0), -EINVAL);
    CHECK_EQ(cress_barrier_init(&b, 0, 0), -EINVAL);
    CHECK_EQ(cress_barrier_init(&b, 1, CRESS_FAIR), -EINVAL);
    CHECK_EQ(cress_barrier_init(&b, 1, CRESS_SHARED), -EINVAL);
    CHECK_EQ(cress_barrier_init(&b, 1, 0), 0);
    CHECK_EQ(cress_barrier_wait(NULL, 0), -EINVAL);
    CHECK_EQ(cress_barrier_wait(&b, -1), -EINVAL);
    CHECK_EQ(cress_once_run(NULL, slow_once, NULL, 0), -EINVAL);
    CHECK_EQ(cress_once_run(&o, NULL, NULL, 0), -EINVAL);
    CHECK_EQ(cress_once_run(&o, slow_once, NULL, -1), -EINVAL);
    CHECK(!cress_once_done(NULL));
    CHECK_EQ(cress_latch_init(NULL, 0, 0), -EINVAL);
    CHECK_EQ(cress_latch_wait(NULL, 0), -EINVAL);
    CHECK_EQ(cress_latch_wait(&l, -1), -EINVAL);
    CHECK_EQ(cress_latch_add(NULL, 1), -EINVAL);
    CHECK_EQ(cress_latch_count_down(NULL, 1), -EINVAL);
    CHECK_EQ(cress_latch_count(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(they_go_on_together_when_the_last_has_come),
        CROWD_TEST(who_gives_up_has_not_come),
        CROWD_TEST(the_first_does_it_and_all_others_wait),
        CROWD_TEST(what_failed_is_done_by_the_next),
        CROWD_TEST(a_latch_opens_at_zero),
        CROWD_TEST(wrong_arguments_are_refused),
    };
    return RUN_TESTS_APART(tests);
}
