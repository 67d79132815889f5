/* Events: who is woken, in which order, and what clearing does to it. */
#include "sync/crowd.h"

static int wait_on(void *event, cress_time timeout)
{
    return cress_event_wait(event, timeout);
}

static int set(void *event)
{
    return cress_event_set(event);
}

static int clear(void *event)
{
    return cress_event_clear(event);
}

static int try_it(void *event)
{
    return cress_event_wait(event, 0);
}

static void a_set_event_is_no_wait(void **state)
{
    (void)state;
    cress_event e = { { 0 } };
    CHECK(!cress_event_is_set(&e));
    CHECK_EQ(cress_event_wait(&e, 0), -EAGAIN);
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK(cress_event_is_set(&e));
    uint64_t before = switches();
    CHECK_EQ(cress_event_wait(&e, 0), 0);
    CHECK_EQ(cress_event_wait(&e, CRESS_FOREVER), 0);
    CHECK_EQ(switches(), before);
    CHECK_EQ(cress_event_clear(&e), 0);
    CHECK_EQ(cress_event_wait(&e, CRESS_MS(1)), -ETIMEDOUT);
}

static void set_wakes_all_in_order_even_if_it_is_cleared_at_once(void **state)
{
    (void)state;
    cress_event e = { { 0 } };
    struct member a, b, c, late;
    enter(&a, "a", wait_on, &e, CRESS_FOREVER);
    enter(&b, "b", wait_on, &e, CRESS_SECONDS(1));
    enter(&c, "c", wait_on, &e, CRESS_FOREVER);
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK_EQ(cress_event_clear(&e), 0);
    CHECK_STR(words.text, ""); /* set does not switch */
    enter(&late, "late", wait_on, &e, CRESS_FOREVER);
    CHECK_STR(words.text, "a b c");
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(left(&c), 0);
    CHECK(!cress_ready(late.g));
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK_EQ(left(&late), 0);
}

static void who_comes_while_others_are_being_woken_is_behind_them(void **state)
{
    (void)state;
    cress_event e = { { 0 } };
    struct member a, b;
    enter(&a, "1", wait_on, &e, CRESS_FOREVER);
    enter(&b, "2", wait_on, &e, CRESS_FOREVER);
    CHECK_EQ(cress_event_set(&e), 0);
    uint64_t before = switches();
    CHECK_EQ(cress_event_wait(&e, 0), 0); /* trying never switches */
    CHECK_EQ(switches(), before);
    CHECK_EQ(cress_event_wait(&e, CRESS_FOREVER), 0);
    say(&words, "3");
    CHECK_STR(words.text, "1 2 3");
    CHECK_EQ(switches(), before + 3); /* nobody ran twice */
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(left(&b), 0);
}

static void callbacks_set_it_and_try_it(void **state)
{
    (void)state;
    cress_event e = { { 0 } };
    struct member a;
    enter(&a, "a", wait_on, &e, CRESS_FOREVER);
    CHECK_EQ(in_callback(try_it, &e), -EAGAIN);
    CHECK_EQ(in_callback(set, &e), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(in_callback(try_it, &e), 0);
}

static void another_thread_is_refused_while_somebody_waits(void **state)
{
    (void)state;
    cress_event e = { { 0 } };
    struct member a;
    enter(&a, "a", wait_on, &e, CRESS_FOREVER);
    CHECK_EQ(elsewhere(set, &e), -EXDEV);
    CHECK_EQ(elsewhere(clear, &e), -EXDEV);
    CHECK_EQ(elsewhere(try_it, &e), -EXDEV);
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(elsewhere(clear, &e), 0); /* nobody waits any more */
    CHECK(!cress_event_is_set(&e));
}

static void ten_thousand_are_woken_by_one_set(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    static struct member many[MANY];
    cress_event e = { { 0 } };
    for (int i = 0; i < MANY; i++) {
        many[i] =
            (struct member){ .name = "", .call = wait_on, .object = &e, .timeout = CRESS_FOREVER };
        many[i].g = cress_spawn(member_runs, &many[i]);
    }
    yield();
    words.text[0] = '\0';
    uint64_t before = switches();
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK_EQ(switches(), before);
    for (int i = 0; i < MANY; i++) {
        words.text[0] = '\0';
        CHECK_EQ(left(&many[i]), 0);
    }
    CHECK_EQ(switches(), before + MANY + 1);
}

static void the_same_event_twice_is_two_cases(void **state)
{
    (void)state;
    cress_event e = { { 0 } };
    cress_case cases[2] = { cress_on_event(&e), cress_on_event(&e) };
    size_t ready[2];
    CHECK_EQ(cress_wait(cases, 2, CRESS_ALL, CRESS_MS(1), ready), 0);
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK_EQ(cress_wait(cases, 2, 5, CRESS_FOREVER, ready), 2);
    CHECK_EQ(ready[0], 0);
    CHECK_EQ(ready[1], 1);
    CHECK_EQ(cress_wait(cases, 2, 0, CRESS_FOREVER, ready), 0);
    cress_case none = cress_on_event(NULL);
    CHECK_EQ(cress_wait(&none, 1, 1, CRESS_MS(1), NULL), 0);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    cress_event e = { { 0 } };
    struct member a;
    CHECK_EQ(cress_event_wait(NULL, 0), -EINVAL);
    CHECK_EQ(cress_event_wait(&e, -1), -EINVAL);
    CHECK_EQ(cress_event_set(NULL), -EINVAL);
    CHECK_EQ(cress_event_clear(NULL), -EINVAL);
    CHECK(!cress_event_is_set(NULL));
    CHECK_EQ(cress_event_init(NULL, 0), -EINVAL);
    CHECK_EQ(cress_event_init(&e, CRESS_FAIR), -EINVAL);
    enter(&a, "a", wait_on, &e, CRESS_FOREVER);
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(cress_event_init(&e, 0), 0);
    CHECK(!cress_event_is_set(&e));
}

static void no_hub_is_made_by_what_does_not_wait(void)
{
    static cress_event e;
    static cress_sem s;
    static cress_mutex m;
    static cress_latch l;
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK_EQ(cress_event_wait(&e, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sem_release(&s), 0);
    CHECK_EQ(cress_sem_acquire(&s, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sem_try_acquire(&s), -EAGAIN);
    CHECK_EQ(cress_mutex_lock(&m, CRESS_FOREVER), 0);
    CHECK_EQ(cress_mutex_unlock(&m), 0);
    CHECK_EQ(cress_latch_wait(&l, CRESS_FOREVER), 0);
    CHECK(cress_hub_current() == NULL);
}

static void they_are_there_before_any_hub(void **state)
{
    (void)state;
    apart(no_hub_is_made_by_what_does_not_wait);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(a_set_event_is_no_wait),
        CROWD_TEST(set_wakes_all_in_order_even_if_it_is_cleared_at_once),
        CROWD_TEST(who_comes_while_others_are_being_woken_is_behind_them),
        CROWD_TEST(callbacks_set_it_and_try_it),
        CROWD_TEST(another_thread_is_refused_while_somebody_waits),
        CROWD_TEST(ten_thousand_are_woken_by_one_set),
        CROWD_TEST(the_same_event_twice_is_two_cases),
        CROWD_TEST(wrong_arguments_are_refused),
        cmocka_unit_test(they_are_there_before_any_hub),
    };
    return RUN_TESTS_APART(tests);
}
