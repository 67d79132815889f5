/* Every order in which threads can do their steps: no wake-up is lost, nothing is had twice, nobody
 * touches what is gone. See orders.h for what is run and how. */
#include "support/test.h"
#include "hub/apart.h"
#include "sync/guard.h"
#include "sync/orders.h"

#include <errno.h>

static cress_event event, other_event;
static cress_sem sem, second_sem;
static cress_mutex mutex;
static cress_cond cond;
static cress_queue queue;
static cress_chan chan;
static int results[ACTORS], inside, had;
static bool flag;

static void reset(void)
{
    CHECK_EQ(cress_event_init(&event, CRESS_SHARED), 0);
    CHECK_EQ(cress_event_init(&other_event, CRESS_SHARED), 0);
    CHECK_EQ(cress_sem_init(&sem, 0, CRESS_SHARED), 0);
    CHECK_EQ(cress_sem_init(&second_sem, 0, CRESS_SHARED), 0);
    CHECK_EQ(cress_mutex_init(&mutex, CRESS_SHARED), 0);
    CHECK_EQ(cress_cond_init(&cond, CRESS_SHARED), 0);
    CHECK_EQ(cress_chan_init(&chan, 0, 0, CRESS_SHARED), 0);
    memset(results, 0, sizeof results);
    inside = had = 0;
    flag = false;
}

static void *const objects[] = { &event, &other_event, &sem,   &second_sem,
                                 &mutex, &cond,        &queue, &chan };

/* Locking a guard is one step. */
static void locks_are_whole(bool whole)
{
    _Static_assert(sizeof objects / sizeof objects[0] == GUARDS, "one lock for each");
    orders.locks_whole = whole;
    for (int i = 0; i < GUARDS; i++)
        orders.locks[i].word = &((struct guard *)objects[i])->word;
}

static int one_step(void **state)
{
    (void)state;
    locks_are_whole(true);
    return 0;
}

static int all_steps(void **state)
{
    (void)state;
    locks_are_whole(false);
    return 0;
}

/* Nothing of what a wait has left is in a list, or counts. */
static void check_rest(void)
{
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        const struct guard *g = objects[i];
        CHECK_EQ(g->lines, 0);
        CHECK_EQ(atomic_load(&g->word), 0);
    }
    for (int i = 0; i < orders.n; i++) {
        const struct cress_hub *h = orders.actors[i].thread->hub;
        CHECK(h == NULL || atomic_load(&h->loop.noticed) == NULL);
        CHECK(h == NULL || h->loop.refs == 0);
        CHECK(orders.actors[i].thread->held == NULL);
    }
}

#define RESULT results[orders.current]

/* --- going to sleep, and being woken --------------------------------------------------------- */

static void waits_for_event(void)
{
    RESULT = cress_event_wait(&event, CRESS_FOREVER);
    CHECK_EQ(RESULT, 0);
}

static void sets_event(void)
{
    CHECK_EQ(cress_event_set(&event), 0);
}

static void one_who_waits_and_one_who_sets(void **state)
{
    (void)state;
    for (int hubs = 0; hubs < 4; hubs++) {
        add_actor(hubs & 1, waits_for_event);
        add_actor(hubs & 2, sets_event);
        try_all_orders(hubs & 1 ? "a hub waits for an event" : "a thread waits for an event", reset,
                       check_rest);
    }
}

static void two_who_wait_and_one_who_sets(void **state)
{
    (void)state;
    add_actor(true, waits_for_event);
    add_actor(false, waits_for_event);
    add_actor(false, sets_event);
    try_all_orders("a hub and a thread wait for an event", reset, check_rest);
    add_actor(true, waits_for_event);
    add_actor(true, waits_for_event);
    add_actor(false, sets_event);
    try_all_orders("two hubs wait for an event", reset, check_rest);
    add_actor(false, waits_for_event);
    add_actor(false, waits_for_event);
    add_actor(false, sets_event);
    try_all_orders("two threads wait for an event", reset, check_rest);
}

/* What lies in the frame of one who has waited is in no list when it waits again. */
static void waits_for_a_time_and_again(void)
{
    int r = cress_event_wait(&event, 1000);
    CHECK(r == 0 || r == -ETIMEDOUT);
    const struct cress_hub *h = hub_current();
    CHECK(h == NULL || atomic_load(&h->loop.noticed) == NULL);
    had += r == 0;
    r = cress_event_wait(&other_event, 1000);
    CHECK_EQ(r, -ETIMEDOUT);
    CHECK(h == NULL || h->loop.refs == 0);
}

static void one_who_runs_out_of_time(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        add_actor(hub, waits_for_a_time_and_again);
        add_actor(false, sets_event);
        try_all_orders("a limit runs out beside a set", reset, check_rest);
    }
}

static cress_callback node;

static int callback_sets(void *arg)
{
    (void)arg;
    flag = true;
    CHECK_EQ(cress_unpark(&cress__thread->native), 0);
    return 0;
}

static void parks(void)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    CHECK(flag);
}

static void posts(void)
{
    CHECK_EQ(cress_post_mt(orders.actors[0].thread->hub, &node, callback_sets, NULL), 0);
}

static void parks_with_a_limit(void)
{
    if (cress_park(1000) == -ETIMEDOUT)
        CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    CHECK(flag);
}

static void posting_beside_going_to_sleep(void **state)
{
    (void)state;
    for (int limited = 0; limited <= 1; limited++) {
        add_actor(true, limited ? parks_with_a_limit : parks);
        add_actor(false, posts);
        /* Nothing else keeps the hub going: a loop that is embedded is never deadlocked. */
        orders.actors[0].thread->hub->loop.embedded = true;
        try_all_orders("a callback is posted", reset, check_rest);
    }
}

/* --- units ----------------------------------------------------------------------------------- */

static void acquires(void)
{
    RESULT = cress_sem_acquire(&sem, 1000);
    CHECK(RESULT == 0 || RESULT == -ETIMEDOUT);
    had += RESULT == 0;
}

static void releases(void)
{
    CHECK_EQ(cress_sem_release(&sem), 0);
}

static void check_units(void)
{
    check_rest();
    CHECK_EQ(had + (int)cress_sem_count(&sem), 1);
}

static void a_unit_beside_a_limit(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        add_actor(hub, acquires);
        add_actor(false, releases);
        try_all_orders("a limit runs out beside a release", reset, check_units);
    }
}

static void acquires_for_ever(void)
{
    CHECK_EQ(cress_sem_acquire(&sem, CRESS_FOREVER), 0);
    CHECK_EQ(inside++, 0);
    inside--;
    CHECK_EQ(cress_sem_release(&sem), 0);
}

static void one_unit_for_two(void **state)
{
    (void)state;
    add_actor(true, acquires_for_ever);
    add_actor(false, acquires_for_ever);
    add_actor(false, releases);
    try_all_orders("one unit for two", reset, check_rest);
}

static void *acquires_in_greenlet(void *arg)
{
    *(int *)arg = cress_sem_acquire(&sem, CRESS_FOREVER);
    return NULL;
}

static void kills_who_acquires(void)
{
    int r = 1000;
    cress_greenlet *g = cress_spawn(acquires_in_greenlet, &r);
    CHECK(g != NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK(r == 0 || r == -ECANCELED);
    had += r == 0;
    cress_unref(g);
}

static void a_unit_beside_a_kill(void **state)
{
    (void)state;
    add_actor(true, kills_who_acquires);
    add_actor(false, releases);
    try_all_orders("a kill beside a release", reset, check_units);
}

/* --- choices --------------------------------------------------------------------------------- */

static void chooses(void)
{
    cress_case cases[] = { cress_on_sem(&sem), cress_on_sem(&second_sem) };
    int r = cress_choose(cases, 2, CRESS_FOREVER);
    CHECK(r == 0 || r == 1);
    had++;
}

static void chooses_with_a_limit(void)
{
    cress_case cases[] = { cress_on_sem(&sem), cress_on_sem(&second_sem) };
    int r = cress_choose(cases, 2, 1000);
    CHECK(r == 0 || r == 1 || r == -ETIMEDOUT);
    had += r >= 0;
}

static void releases_second(void)
{
    CHECK_EQ(cress_sem_release(&second_sem), 0);
}

static void check_both(void)
{
    check_rest();
    CHECK_EQ(had + (int)cress_sem_count(&sem) + (int)cress_sem_count(&second_sem), 2);
}

static void a_choice_of_two_that_come_at_once(void **state)
{
    (void)state;
    add_actor(true, chooses);
    add_actor(false, releases);
    add_actor(false, releases_second);
    try_all_orders("a choice of two", reset, check_both);
}

static void a_choice_beside_a_limit(void **state)
{
    (void)state;
    add_actor(true, chooses_with_a_limit);
    add_actor(false, releases);
    try_all_orders("a limit runs out beside a choice", reset, check_units);
}

static void waits_for_either(void)
{
    cress_case cases[] = { cress_on_event(&event), cress_on_sem(&sem) };
    size_t ready[2];
    CHECK_EQ(cress_wait(cases, 2, 2, CRESS_FOREVER, ready), 2);
}

static void waiting_for_two(void **state)
{
    (void)state;
    add_actor(true, waits_for_either);
    add_actor(false, sets_event);
    add_actor(false, releases);
    try_all_orders("waiting for two", reset, check_units);
}

/* --- locks ----------------------------------------------------------------------------------- */

static void locks(void)
{
    int r = cress_mutex_lock(&mutex, CRESS_FOREVER);
    CHECK(r == 0 || r == -EOWNERDEAD);
    had += r == -EOWNERDEAD;
    CHECK_EQ(inside++, 0);
    inside--;
    CHECK_EQ(cress_mutex_unlock(&mutex), 0);
}

static void two_who_lock(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        add_actor(hub, locks);
        add_actor(false, locks);
        try_all_orders("two lock", reset, check_rest);
    }
}

static void enters(void)
{
    struct guard *g = (struct guard *)(void *)&event;
    CHECK_EQ(guard_lock(g), 0);
    CHECK_EQ(inside++, 0);
    inside--;
    guard_unlock(g);
}

static void three_who_enter(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        add_actor(false, enters);
    try_all_orders("three enter a guard", reset, check_rest);
}

static void locks_and_ends(void)
{
    CHECK_EQ(cress_mutex_lock(&mutex, CRESS_FOREVER), 0);
    cress__thread->held_end(cress__thread, true);
}

static void check_told(void)
{
    check_rest();
    /* Whoever comes next is told, there or here. */
    int r = cress_mutex_lock(&mutex, 0);
    CHECK(r == 0 || r == -EOWNERDEAD);
    CHECK_EQ(had + (r == -EOWNERDEAD), 1);
    CHECK_EQ(cress_mutex_unlock(&mutex), 0);
}

static void an_owner_that_ends(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        add_actor(hub, locks);
        add_actor(false, locks_and_ends);
        /* Who ends may find it in the hands of the other, and wait. */
        try_all_orders("an owner ends", reset, check_told);
    }
}

static void waits_for_flag(void)
{
    CHECK_EQ(cress_mutex_lock(&mutex, CRESS_FOREVER), 0);
    while (!flag)
        CHECK_EQ(cress_cond_wait(&cond, &mutex, CRESS_FOREVER), 0);
    CHECK_EQ(cress_mutex_unlock(&mutex), 0);
}

static void sets_flag(void)
{
    CHECK_EQ(cress_mutex_lock(&mutex, CRESS_FOREVER), 0);
    flag = true;
    CHECK_EQ(cress_mutex_unlock(&mutex), 0);
    CHECK_EQ(cress_cond_signal(&cond), 0);
}

static void a_condition(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        add_actor(hub, waits_for_flag);
        add_actor(false, sets_flag);
        try_all_orders("a condition", reset, check_rest);
    }
}

/* --- items ----------------------------------------------------------------------------------- */

static void sends(void)
{
    RESULT = cress_chan_send(&chan, &chan, 1000);
    CHECK(RESULT == 0 || RESULT == -ETIMEDOUT);
}

static void receives(void)
{
    void *item = NULL;
    CHECK_EQ(cress_chan_recv(&chan, &item, CRESS_FOREVER), 0);
    CHECK(item == &chan);
}

static void receives_with_a_limit(void)
{
    void *item = NULL;
    RESULT = cress_chan_recv(&chan, &item, 1000);
    CHECK(RESULT == -ETIMEDOUT || (RESULT == 0 && item == &chan));
}

static void check_met(void)
{
    check_rest();
    CHECK_EQ(results[0], results[1]);
}

static void a_send_and_a_receive(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        add_actor(hub, receives_with_a_limit);
        add_actor(false, sends);
        try_all_orders("a send and a receive, with limits", reset, check_met);
    }
}

static void chooses_to_send(void)
{
    cress_case cases[] = { cress_on_chan_send(&chan, &chan), cress_on_sem(&sem) };
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 0);
}

static void chooses_to_receive(void)
{
    void *item = NULL;
    cress_case cases[] = { cress_on_chan_recv(&chan, &item) };
    CHECK_EQ(cress_choose(cases, 1, CRESS_FOREVER), 0);
    CHECK(item == &chan);
}

static void two_choices_meet(void **state)
{
    (void)state;
    add_actor(true, chooses_to_send);
    add_actor(false, receives);
    try_all_orders("a choice to send meets a receive", reset, check_rest);
    add_actor(true, chooses_to_send);
    add_actor(true, chooses_to_receive);
    try_all_orders("two choices meet", reset, check_rest);
}

static void queue_reset(void)
{
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.shared = true;
    reset();
    CHECK_EQ(cress_queue_done(&queue), 0);
    CHECK_EQ(cress_queue_init(&queue, &o), 0);
}

static void gets(void)
{
    void *item = NULL;
    RESULT = cress_queue_get(&queue, &item, 1000);
    CHECK(RESULT == -ETIMEDOUT || (RESULT == 0 && item == &queue));
    had += RESULT == 0;
}

static void puts_(void)
{
    CHECK_EQ(cress_queue_put(&queue, &queue, CRESS_FOREVER), 0);
}

static void check_items(void)
{
    check_rest();
    CHECK_EQ(had + (int)cress_queue_size(&queue), 1);
}

static void an_item_for_two(void **state)
{
    (void)state;
    add_actor(true, gets);
    add_actor(false, gets);
    add_actor(false, puts_);
    try_all_orders("an item for two, with limits", queue_reset, check_items);
    CHECK_EQ(cress_queue_done(&queue), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_who_waits_and_one_who_sets, all_steps),
        cmocka_unit_test_setup(one_who_waits_and_one_who_sets, one_step),
        cmocka_unit_test_setup(two_who_wait_and_one_who_sets, one_step),
        cmocka_unit_test_setup(one_who_runs_out_of_time, one_step),
        cmocka_unit_test_setup(posting_beside_going_to_sleep, one_step),
        cmocka_unit_test_setup(a_unit_beside_a_limit, one_step),
        cmocka_unit_test_setup(one_unit_for_two, one_step),
        cmocka_unit_test_setup(a_unit_beside_a_kill, one_step),
        cmocka_unit_test_setup(a_choice_of_two_that_come_at_once, one_step),
        cmocka_unit_test_setup(a_choice_beside_a_limit, one_step),
        cmocka_unit_test_setup(waiting_for_two, one_step),
        cmocka_unit_test_setup(three_who_enter, all_steps),
        cmocka_unit_test_setup(two_who_lock, all_steps),
        cmocka_unit_test_setup(two_who_lock, one_step),
        cmocka_unit_test_setup(an_owner_that_ends, one_step),
        cmocka_unit_test_setup(a_condition, one_step),
        cmocka_unit_test_setup(a_send_and_a_receive, one_step),
        cmocka_unit_test_setup(two_choices_meet, one_step),
        cmocka_unit_test_setup(an_item_for_two, one_step),
    };
    return RUN_TESTS_APART(tests);
}
