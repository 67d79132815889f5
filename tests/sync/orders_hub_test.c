/* Every order in which threads can have to do with a hub of another one, while that goes to sleep,
 * stands in somebody else's loop, or ends. See orders.h for what is run and how. */
#include "support/test.h"
#include "hub/apart.h"
#include "loop/on_poll.h"
#include "sync/guard.h"
#include "sync/orders.h"

#include <errno.h>

static cress_event event;
static cress_greenlet *far;
static cress_callback nodes[2];
static int results[ACTORS], ran, begun;

#define RESULT results[orders.current]
#define HUB(i) orders.actors[i].kept

/* The hubs are gone: what was kept of them is let go. */
static void reset(void)
{
    CHECK_EQ(cress_event_init(&event, CRESS_SHARED), 0);
    memset(results, 0, sizeof results);
    memset(nodes, 0, sizeof nodes);
    ran = begun = 0;
    far = NULL;
}

static int begin(void **state)
{
    (void)state;
    orders.locks_whole = true;
    orders.locks[0].word = &((struct guard *)(void *)&event)->word;
    return 0;
}

static void quiet(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_EQ(error, -ECANCELED); /* abandoned */
}

static void *runs(void *arg)
{
    ran++;
    return arg;
}

static int calls_back(void *arg)
{
    ran++;
    return (int)(intptr_t)arg;
}

static void *parks(void *arg)
{
    begun++;
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

/* --- who has to do with a hub that ends ------------------------------------------------------ */

static void ends(void)
{
    CHECK_EQ(cress_hub_destroy(0), 0);
}

/* Until its time is over it does what others ask for. */
static void serves_and_ends(void)
{
    CHECK_EQ(cress_sleep(1000), 0);
    CHECK_GE(cress_hub_destroy(0), 0);
}

static int spawn_there(cress_fn fn)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = HUB(0);
    o.shared = true;
    int r = cress_spawn_with(&o, fn, NULL, &far);
    CHECK(r == 0 || r == -EOWNERDEAD);
    return r;
}

static void spawns(void)
{
    RESULT = spawn_there(runs);
}

static void check_spawned(void)
{
    CHECK_EQ(far != NULL, results[1] == 0);
    if (far != NULL)
        CHECK(cress_ready(far)); /* whether it ran, or will never */
    CHECK_LE(ran, results[1] == 0);
    cress_unref(far);
}

static void a_spawn_beside_the_end(void **state)
{
    (void)state;
    add_mortal(ends);
    add_actor(false, spawns);
    try_all_orders("a thread spawns on a hub that ends", reset, check_spawned);
    add_mortal(serves_and_ends);
    add_actor(false, spawns);
    try_all_orders("a thread spawns on a hub that sleeps and ends", reset, check_spawned);
}

static void spawns_and_kills(void)
{
    RESULT = spawn_there(parks);
    if (RESULT < 0)
        return;
    int r = cress_kill(far, 0);
    CHECK(r == 0 || r == -EOWNERDEAD);
}

static void a_kill_beside_the_end(void **state)
{
    (void)state;
    add_mortal(serves_and_ends);
    add_actor(false, spawns_and_kills);
    try_all_orders("a thread kills on a hub that sleeps and ends", reset, check_spawned);
}

static void kills_twice(void)
{
    RESULT = spawn_there(runs);
    for (int i = 0; i < 2 && RESULT == 0; i++) {
        int r = cress_kill(far, 0);
        CHECK(r == 0 || r == -EOWNERDEAD);
    }
}

static void a_kill_beside_its_end(void **state)
{
    (void)state;
    add_mortal(serves_and_ends);
    add_actor(false, kills_twice);
    try_all_orders("a thread kills twice what ends", reset, check_spawned);
}

/* --- waiting for a greenlet of another hub --------------------------------------------------- */

static void spawns_and_joins(void)
{
    if ((RESULT = spawn_there(runs)) < 0)
        return;
    int r = cress_join(far, 1000);
    CHECK(r == 0 || r == -ETIMEDOUT || r == -EOWNERDEAD);
    CHECK(r != 0 || ran == 1);
}

static void *joins(void *arg)
{
    int r = cress_join(far, CRESS_FOREVER);
    CHECK(r == 0 || r == -EOWNERDEAD || r == -ECANCELED);
    return arg;
}

static void joins_and_is_killed(void)
{
    if ((RESULT = spawn_there(runs)) < 0)
        return;
    cress_greenlet *g = cress_spawn(joins, NULL);
    CHECK(g != NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static void joins_and_ends(void)
{
    if ((RESULT = spawn_there(runs)) < 0)
        return;
    CHECK_EQ(cress_go(joins, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_LE(cress_hub_destroy(0), 1);
}

static void chooses_or_not(void)
{
    if ((RESULT = spawn_there(runs)) < 0)
        return;
    cress_case cases[] = { cress_on_greenlet(far), cress_on_event(&event) };
    int r = cress_choose(cases, 2, 1000);
    CHECK(r == 0 || r == -ETIMEDOUT || r == -EOWNERDEAD);
}

static void a_choice_beside_the_end(void **state)
{
    (void)state;
    add_mortal(serves_and_ends);
    add_mortal(chooses_or_not);
    try_all_orders("a choice of a greenlet, with a limit", reset, check_spawned);
}

static void spawns_and_forgets(void)
{
    RESULT = spawn_there(runs);
    cress_unref(far);
    far = NULL;
}

static void check_ran_or_not(void)
{
    CHECK(results[1] == 0 || results[1] == -EOWNERDEAD);
    CHECK_LE(ran, results[1] == 0);
}

static void the_last_reference_beside_the_end(void **state)
{
    (void)state;
    add_mortal(serves_and_ends);
    add_actor(false, spawns_and_forgets);
    try_all_orders("a thread spawns and forgets", reset, check_ran_or_not);
}

static void a_join_beside_the_end(void **state)
{
    (void)state;
    add_mortal(serves_and_ends);
    add_mortal(spawns_and_joins);
    try_all_orders("a join with a limit", reset, check_spawned);
    add_mortal(serves_and_ends);
    add_mortal(joins_and_is_killed);
    try_all_orders("a join that is cancelled", reset, check_spawned);
    add_mortal(serves_and_ends);
    add_mortal(joins_and_ends);
    try_all_orders("a join whose hub ends", reset, check_spawned);
}

/* --- a call on another hub ------------------------------------------------------------------- */

static void calls(void)
{
    RESULT = cress_call_on(HUB(0), calls_back, (void *)7);
}

static void check_called(void)
{
    CHECK(results[1] == 7 || results[1] == -EOWNERDEAD);
    CHECK_EQ(ran, results[1] == 7);
}

static void *calls_in_greenlet(void *result)
{
    *(int *)result = cress_call_on(HUB(0), calls_back, (void *)7);
    return NULL;
}

static void calls_and_is_killed(void)
{
    int r = 1000;
    cress_greenlet *g = cress_spawn(calls_in_greenlet, &r);
    CHECK(g != NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    RESULT = r;
    cress_unref(g);
}

static void check_called_or_not(void)
{
    CHECK(results[1] == 7 || results[1] == -EOWNERDEAD || results[1] == -ECANCELED);
    CHECK_EQ(ran, results[1] == 7);
}

/* Its hub waits for what has begun: the result lies in a frame that is still there. */
static void calls_and_ends(void)
{
    int r = 0;
    CHECK_EQ(cress_go(calls_in_greenlet, &r), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_LE(cress_hub_destroy(0), 1);
    begun = ran;
}

static void check_not_later(void)
{
    CHECK_LE(ran, 1);
    CHECK_EQ(ran, begun);
}

static void a_call_on_a_hub_that_ends(void **state)
{
    (void)state;
    add_mortal(ends);
    add_mortal(calls);
    try_all_orders("a call on a hub that ends", reset, check_called);
    add_mortal(serves_and_ends);
    add_mortal(calls);
    try_all_orders("a call on a hub that sleeps and ends", reset, check_called);
}

static void calls_the_other(void)
{
    int r = cress_call_on(HUB(1 - orders.current), calls_back, (void *)7);
    CHECK(r == 7 || r == -EOWNERDEAD);
    begun += r == 7;
}

static void calls_the_other_and_ends(void)
{
    calls_the_other();
    ends();
}

static void check_as_many(void)
{
    CHECK_GE(begun, 1);
    CHECK_EQ(ran, begun);
}

static void two_that_call_on_each_other(void **state)
{
    (void)state;
    add_mortal(calls_the_other_and_ends);
    add_mortal(calls_the_other);
    try_all_orders("two hubs call on each other and one ends", reset, check_as_many);
}

static void a_call_that_is_cancelled(void **state)
{
    (void)state;
    add_mortal(serves_and_ends);
    add_mortal(calls_and_is_killed);
    try_all_orders("a call that is cancelled", reset, check_called_or_not);
}

static void a_call_whose_hub_ends(void **state)
{
    (void)state;
    add_mortal(serves_and_ends);
    add_mortal(calls_and_ends);
    try_all_orders("a call whose hub ends", reset, check_not_later);
}

/* --- somebody else's loop -------------------------------------------------------------------- */

static void takes_turns(int until)
{
    cress_time next = 0;
    while (ran < until) {
        waits_for_hub_fd(next);
        CHECK_GE(cress_hub_turn(&next), 0);
    }
}

static void drives_its_hub(void)
{
    CHECK_GE(cress_hub_fd(NULL), 0);
    takes_turns(1);
}

static void drives_and_sleeps(void)
{
    CHECK_GE(cress_hub_fd(NULL), 0);
    CHECK_EQ(cress_sleep(1000), 0);
    bool taken = ran > 0 || !runq_empty(&hub_current()->loop.ready); /* by the sleep */
    waits_for_hub_fd(taken ? 0 : CRESS_FOREVER);
    takes_turns(1);
}

static void drives_for_two(void)
{
    CHECK_GE(cress_hub_fd(NULL), 0);
    takes_turns(2);
}

static void posts(void)
{
    CHECK_EQ(cress_post_mt(HUB(0), &nodes[orders.current - 1], calls_back, NULL), 0);
}

static void posts_and_posts(void)
{
    CHECK_EQ(cress_post_mt(HUB(0), &nodes[0], calls_back, NULL), 0);
    CHECK_EQ(cress_post_mt(HUB(0), &nodes[1], calls_back, NULL), 0);
}

static void *waits_for_event(void *arg)
{
    CHECK_EQ(cress_event_wait(&event, CRESS_FOREVER), 0);
    ran++;
    return arg;
}

static void drives_who_waits(void)
{
    CHECK_GE(cress_hub_fd(NULL), 0);
    CHECK_EQ(cress_go(waits_for_event, NULL), 0);
    takes_turns(1);
}

static void sets_event(void)
{
    CHECK_EQ(cress_event_set(&event), 0);
}

static void in_somebody_elses_loop(void **state)
{
    (void)state;
    if (only_on_epoll("it has no descriptor"))
        return;
    add_mortal(drives_its_hub);
    add_actor(false, posts);
    try_all_orders("a post to an embedded hub", reset, NULL);
    add_mortal(drives_and_sleeps);
    add_actor(false, posts);
    try_all_orders("a post to an embedded hub that sleeps", reset, NULL);
    add_mortal(drives_for_two);
    add_actor(false, posts_and_posts);
    try_all_orders("two posts to an embedded hub", reset, NULL);
    add_mortal(drives_for_two);
    add_actor(false, posts);
    add_actor(false, posts);
    try_all_orders("posts of two to an embedded hub", reset, NULL);
    add_mortal(drives_who_waits);
    add_actor(false, sets_event);
    try_all_orders("an embedded hub waits for an event", reset, NULL);
}

/* --- who has still to wake it ---------------------------------------------------------------- */

static void waits_and_ends(void)
{
    int r = cress_event_wait(&event, 1000);
    CHECK(r == 0 || r == -ETIMEDOUT);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void an_end_beside_who_wakes(void **state)
{
    (void)state;
    add_mortal(waits_and_ends);
    add_actor(false, sets_event);
    try_all_orders("a hub waits with a limit and ends", reset, NULL);
    add_mortal(waits_and_ends);
    add_mortal(waits_and_ends);
    add_actor(false, sets_event);
    try_all_orders("two hubs wait with a limit and end", reset, NULL);
}

int main(void)
{
    cress_set_error_hook(quiet, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_spawn_beside_the_end, begin),
        cmocka_unit_test_setup(a_kill_beside_the_end, begin),
        cmocka_unit_test_setup(a_kill_beside_its_end, begin),
        cmocka_unit_test_setup(a_join_beside_the_end, begin),
        cmocka_unit_test_setup(a_choice_beside_the_end, begin),
        cmocka_unit_test_setup(the_last_reference_beside_the_end, begin),
        cmocka_unit_test_setup(a_call_on_a_hub_that_ends, begin),
        cmocka_unit_test_setup(two_that_call_on_each_other, begin),
        cmocka_unit_test_setup(a_call_that_is_cancelled, begin),
        cmocka_unit_test_setup(a_call_whose_hub_ends, begin),
        cmocka_unit_test_setup(in_somebody_elses_loop, begin),
        cmocka_unit_test_setup(an_end_beside_who_wakes, begin),
    };
    return RUN_TESTS_APART(tests);
}
