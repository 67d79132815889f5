/* Semaphores: who gets the unit, who barges in, and what no kill can lose. */
#include "sync/crowd.h"

static int acquire(void *sem, cress_time timeout)
{
    return cress_sem_acquire(sem, timeout);
}

static int release(void *sem)
{
    return cress_sem_release(sem);
}

static int try_it(void *sem)
{
    return cress_sem_try_acquire(sem);
}

static void units_that_are_free_are_no_wait(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    uint64_t before = switches();
    CHECK_EQ(cress_sem_try_acquire(&s), -EAGAIN);
    CHECK_EQ(cress_sem_init(&s, 2, 0), 0);
    CHECK_EQ(cress_sem_acquire(&s, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sem_count(&s), 1);
    CHECK_EQ(cress_sem_acquire(&s, 0), 0);
    CHECK_EQ(cress_sem_acquire(&s, 0), -EAGAIN);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_count(&s), 1);
    CHECK_EQ(switches(), before);
}

static void units_go_to_who_has_waited_longest(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    struct member a, b, c;
    enter(&a, "a", acquire, &s, CRESS_FOREVER);
    enter(&b, "b", acquire, &s, CRESS_SECONDS(1));
    enter(&c, "c", acquire, &s, CRESS_FOREVER);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_count(&s), 2); /* they have not run */
    yield();
    CHECK_STR(words.text, "a b");
    CHECK_EQ(cress_sem_count(&s), 0);
    CHECK_EQ(in_callback(release, &s), 0);
    CHECK_EQ(left(&c), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
}

static void who_releases_may_acquire_again_and_who_waits_keeps_its_place(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    struct member a, b;
    enter(&a, "a", acquire, &s, CRESS_FOREVER);
    enter(&b, "b", acquire, &s, CRESS_FOREVER);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cress_sem_release(&s), 0);
        CHECK_EQ(cress_sem_try_acquire(&s), 0);
        CHECK_EQ(cress_sem_release(&s), 0);
        CHECK_EQ(cress_sem_release(&s), 0);
        CHECK_EQ(cress_sem_acquire(&s, CRESS_FOREVER), 0);
        CHECK_EQ(cress_sem_acquire(&s, CRESS_FOREVER), 0);
        yield();
        yield();
        CHECK_STR(words.text, "");
    }
    CHECK_EQ(cress_sem_release(&s), 0);
    yield();
    CHECK_STR(words.text, "a");
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
}

static void a_fair_one_lets_nobody_barge_in(void **state)
{
    (void)state;
    cress_sem s;
    struct member a;
    s = (cress_sem){ { 0 } };
    CHECK_EQ(cress_sem_init(&s, 0, CRESS_FAIR), 0);
    enter(&a, "a", acquire, &s, CRESS_FOREVER);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_try_acquire(&s), -EAGAIN);
    cress_case c = cress_on_sem(&s);
    CHECK_EQ(cress_choose(&c, 1, 0), -EAGAIN);
    CHECK_EQ(cress_wait(&c, 1, 1, 0, NULL), 0);
    CHECK_EQ(left(&a), 0);
}

static void who_was_robbed_still_meets_its_deadline(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    struct member a;
    cress_time start = clock_time;
    enter(&a, "a", acquire, &s, CRESS_MS(10));
    CHECK_EQ(cress_sleep(CRESS_MS(4)), 0);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_try_acquire(&s), 0);
    CHECK_EQ(left(&a), -ETIMEDOUT);
    CHECK_EQ(clock_time - start, CRESS_MS(10));
}

static void a_bounded_one_is_never_released_too_often(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    CHECK_EQ(cress_sem_init(&s, 1, CRESS_BOUNDED), 0);
    CHECK_EQ(cress_sem_release(&s), -EOVERFLOW);
    CHECK_EQ(cress_sem_count(&s), 1);
    CHECK_EQ(cress_sem_acquire(&s, 0), 0);
    struct member a;
    enter(&a, "a", acquire, &s, CRESS_FOREVER);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_release(&s), -EOVERFLOW); /* granted, not yet taken */
    CHECK_EQ(cress_sem_count(&s), 1);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(cress_sem_init(&s, 0, CRESS_BOUNDED), 0);
    CHECK_EQ(cress_sem_release(&s), -EOVERFLOW);
    CHECK_EQ(cress_sem_init(&s, UINT32_MAX, 0), 0);
    CHECK_EQ(cress_sem_release(&s), -EOVERFLOW);
    CHECK_EQ(cress_sem_count(&s), UINT32_MAX);
}

static void no_unit_is_lost_with_who_is_killed(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    struct member a, b, c;
    enter(&a, "a", acquire, &s, CRESS_FOREVER);
    enter(&b, "b", acquire, &s, CRESS_FOREVER);
    enter(&c, "c", acquire, &s, CRESS_FOREVER);
    CHECK_EQ(cress_kill(a.g, 0), 0); /* woken, and still the first in line */
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_kill(b.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&a), 0); /* it has the unit: the kill comes with its next call */
    CHECK_EQ(left(&b), -ECANCELED);
    CHECK_EQ(cress_sem_count(&s), 0);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(left(&c), 0);
    CHECK_EQ(cress_sem_count(&s), 0);
}

static cress_token token;

static int acquire_then_sleep(void *sem, cress_time timeout)
{
    CHECK_EQ(cress_sem_acquire(sem, timeout), 0);
    CHECK(cress_cancel_cause() == NULL);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), -ECANCELED);
    CHECK(cress_cancel_cause() == &token);
    return 0;
}

static void a_throw_is_not_lost_beside_a_unit(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    struct member a;
    token = (cress_token){ 0 };
    enter(&a, "a", acquire_then_sleep, &s, CRESS_FOREVER);
    CHECK_EQ(cress_throw(a.g, &token), 0); /* woken by it */
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(left(&a), 0);
}

static int choose_two(void *sems, cress_time timeout)
{
    cress_sem *s = sems;
    cress_case cases[] = { cress_on_sem(&s[0]), cress_on_sem(&s[1]) };
    return cress_choose(cases, 2, timeout);
}

static void a_choice_takes_one_unit_and_keeps_its_place(void **state)
{
    (void)state;
    cress_sem s[2] = { { { 0 } }, { { 0 } } };
    struct member a, b, c;
    enter(&a, "a", choose_two, s, CRESS_FOREVER);
    enter(&b, "b", acquire, &s[1], CRESS_FOREVER);
    enter(&c, "c", choose_two, s, CRESS_FOREVER);
    CHECK_EQ(cress_sem_release(&s[1]), 0); /* a's from now on: it cannot be robbed */
    CHECK_EQ(cress_sem_try_acquire(&s[1]), -EAGAIN);
    CHECK_EQ(cress_sem_release(&s[0]), 0); /* a has one already: c's */
    CHECK_EQ(cress_sem_release(&s[1]), 0);
    yield();
    CHECK_STR(words.text, "a c b");
    CHECK_EQ(left(&a), 1);
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(left(&c), 0);
    CHECK_EQ(cress_sem_count(&s[0]) + cress_sem_count(&s[1]), 0);
}

static int watch(void *sem, cress_time timeout)
{
    cress_case c = cress_on_sem(sem);
    return (int)cress_wait(&c, 1, 1, timeout, NULL);
}

static void who_only_watches_takes_nothing(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    struct member a, b, c;
    enter(&a, "a", watch, &s, CRESS_FOREVER);
    enter(&b, "b", watch, &s, CRESS_FOREVER);
    enter(&c, "c", acquire, &s, CRESS_FOREVER);
    CHECK_EQ(cress_sem_release(&s), 0);
    yield();
    CHECK_STR(words.text, "a b c");
    CHECK_EQ(left(&a), 1);
    CHECK_EQ(left(&b), 1);
    CHECK_EQ(left(&c), 0);
    enter(&a, "a", watch, &s, CRESS_MS(5));
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_try_acquire(&s), 0); /* gone before it looks: it watches on */
    CHECK_EQ(left(&a), 0);
}

static void wrong_arguments_and_threads_are_refused(void **state)
{
    (void)state;
    cress_sem s = { { 0 } };
    struct member a;
    CHECK_EQ(cress_sem_init(NULL, 0, 0), -EINVAL);
    CHECK_EQ(cress_sem_init(&s, 0, CRESS_RECURSIVE), -EINVAL);
    CHECK_EQ(cress_sem_acquire(NULL, 0), -EINVAL);
    CHECK_EQ(cress_sem_release(NULL), -EINVAL);
    CHECK_EQ(cress_sem_count(NULL), 0);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_acquire(&s, -1), -EINVAL);
    CHECK_EQ(cress_sem_count(&s), 1);
    CHECK_EQ(cress_sem_try_acquire(&s), 0);
    enter(&a, "a", acquire, &s, CRESS_FOREVER);
    CHECK_EQ(elsewhere(release, &s), -EXDEV);
    CHECK_EQ(elsewhere(try_it, &s), -EXDEV);
    CHECK_EQ(in_callback(try_it, &s), -EAGAIN);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(elsewhere(release, &s), 0);
    CHECK_EQ(elsewhere(try_it, &s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(units_that_are_free_are_no_wait),
        CROWD_TEST(units_go_to_who_has_waited_longest),
        CROWD_TEST(who_releases_may_acquire_again_and_who_waits_keeps_its_place),
        CROWD_TEST(a_fair_one_lets_nobody_barge_in),
        CROWD_TEST(who_was_robbed_still_meets_its_deadline),
        CROWD_TEST(a_bounded_one_is_never_released_too_often),
        CROWD_TEST(no_unit_is_lost_with_who_is_killed),
        CROWD_TEST(a_throw_is_not_lost_beside_a_unit),
        CROWD_TEST(a_choice_takes_one_unit_and_keeps_its_place),
        CROWD_TEST(who_only_watches_takes_nothing),
        CROWD_TEST(wrong_arguments_and_threads_are_refused),
    };
    return RUN_TESTS_APART(tests);
}
