/* Greenlets made on another hub, and shared ones: joined, killed and linked from elsewhere. */
#include "support/test.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "hub/apart.h"
#include "hub/server.h"

#include <string.h>

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

static cress_spawn_options on(cress_hub *hub, bool shared)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = hub;
    o.shared = shared;
    return o;
}

static cress_greenlet *spawn_on(cress_hub *hub, cress_fn fn, void *arg)
{
    cress_spawn_options o = on(hub, true);
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, fn, arg, &g), 0);
    return g;
}

static void in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *same(void *arg)
{
    return arg;
}

static void *fails(void *arg)
{
    cress_exit_error(-EIO);
    return arg;
}

static void *sleeps(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void *hold_greenlet(void *arg) /* blocks the whole hub */
{
    hold(arg);
    return arg;
}

static atomic_int discards, freed;

static void discard(void *arg)
{
    CHECK_STR(arg, "arg");
    atomic_fetch_add(&discards, 1);
}

static void value_free(void *value)
{
    CHECK_STR(value, "value");
    atomic_fetch_add(&freed, 1);
}

struct unbegun {
    cress_hub *hub;
    cress_time delay;
    cress_greenlet *g;
};

/* --- made on another hub --------------------------------------------------------------------- */

struct seen {
    pthread_t thread;
    char name[32];
    sem_t over;
};

static void *look(void *arg)
{
    struct seen *seen = arg;
    seen->thread = pthread_self();
    snprintf(seen->name, sizeof seen->name, "%s", cress_name(cress_current()));
    CHECK_EQ(cress_sleep(CRESS_US(10)), 0);
    CHECK_EQ(cress_slot(cress_current()), 0);
    sem_post(&seen->over);
    return arg;
}

static void spawn_looker(struct server *s, struct seen *seen)
{
    cress_spawn_options o = on(s->hub, false);
    o.name = "visitor";
    cress_greenlet *g = NULL;
    CHECK_EQ(sem_init(&seen->over, 0, 0), 0);
    CHECK_EQ(cress_spawn_with(&o, look, seen, &g), -EXDEV); /* of no use here */
    CHECK(g == NULL);
    CHECK_EQ(cress_spawn_with(&o, look, seen, NULL), 0);
    sem_take(&seen->over);
    CHECK(pthread_equal(seen->thread, s->thread));
    CHECK_STR(seen->name, "visitor");
}

struct two {
    struct server *server;
    struct seen *seen;
};

static void *spawn_without_hub(void *arg)
{
    struct two *two = arg;
    spawn_looker(two->server, two->seen);
    CHECK(cress_hub_current() == NULL);
    return NULL;
}

static void a_greenlet_starts_on_another_hub_from_any_thread(void **state)
{
    (void)state;
    struct server s;
    struct seen seen;
    server_start(&s);
    spawn_looker(&s, &seen);
    in_thread(spawn_without_hub, &(struct two){ &s, &seen });
    server_stop(&s);
}

static void it_may_start_later_and_be_a_daemon(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    cress_spawn_options o = on(s.hub, true);
    cress_greenlet *late, *daemon;
    o.delay = CRESS_MS(2);
    CHECK_EQ(cress_spawn_with(&o, same, "late", &late), 0);
    o.delay = 0;
    o.daemon = true;
    CHECK_EQ(cress_spawn_with(&o, sleeps, NULL, &daemon), 0);
    void *value = NULL;
    CHECK_EQ(cress_get(late, CRESS_SECONDS(10), &value, NULL), 0);
    CHECK_STR(value, "late");
    server_stop(&s);                                /* the daemon keeps nobody */
    CHECK_EQ(cress_join(daemon, CRESS_FOREVER), 0); /* it was killed, and ended in time */
    CHECK_EQ(cress_outcome(daemon), CRESS_KILLED);
    cress_unref(late);
    cress_unref(daemon);
}

static void a_hub_that_has_ended_takes_nobody(void **state)
{
    (void)state;
    struct server s;
    CHECK_EQ(cress_yield(), 0);
    server_start(&s);
    server_stop(&s);
    cress_spawn_options o = on(s.hub, true);
    cress_greenlet *g;
    o.on_discard = discard;
    atomic_store(&discards, 0);
    CHECK_EQ(cress_spawn_with(&o, same, "arg", &g), -EOWNERDEAD);
    CHECK_EQ(atomic_load(&discards), 0); /* the argument is the caller's */
}

/* --- joined ---------------------------------------------------------------------------------- */

static void a_shared_one_is_joined_and_got_from_elsewhere(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    for (int i = 0; i < 20; i++) {
        cress_greenlet *g = spawn_on(s.hub, same, "value");
        void *value = NULL;
        int error = 1;
        CHECK_EQ(cress_get(g, CRESS_SECONDS(10), &value, &error), 0);
        CHECK_STR(value, "value");
        CHECK_EQ(error, 0);
        CHECK(cress_ready(g) && cress_successful(g) && !cress_started(g));
        CHECK_STR(cress_value(g), "value");
        CHECK_EQ(cress_join(g, 0), 0);
        CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
        cress_unref(cress_ref(g));
        cress_unref(g);
    }
    server_stop(&s);
}

static void its_failure_is_told_elsewhere(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    cress_greenlet *g = spawn_on(s.hub, fails, NULL);
    int error = 0;
    CHECK_EQ(cress_get(g, CRESS_SECONDS(10), NULL, &error), 0);
    CHECK_EQ(error, -EIO);
    CHECK_EQ(cress_outcome(g), CRESS_FAILED);
    cress_unref(g);
    server_stop(&s);
}

static void joining_elsewhere_has_a_limit_and_can_be_cancelled(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    cress_greenlet *g = spawn_on(s.hub, sleeps, NULL);
    CHECK_EQ(cress_join(g, 0), -EAGAIN);
    CHECK_EQ(cress_join(g, CRESS_MS(1)), -ETIMEDOUT);
    cress_timeout timeout = { 0 };
    CHECK_EQ(cress_timeout_start(&timeout, CRESS_MS(1)), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_timeout_stop(&timeout));
    CHECK_EQ(cress_join(g, -1), -EINVAL);
    CHECK_EQ(cress_kill(g, CRESS_SECONDS(10)), 0);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
    server_stop(&s);
}

static void *joins(void *arg)
{
    return (void *)(intptr_t)cress_join(arg, CRESS_FOREVER);
}

static void any_number_joins_from_several_hubs(void **state)
{
    (void)state;
    struct server s, t;
    struct held held;
    held_init(&held);
    server_start(&s);
    server_start(&t);
    cress_greenlet *g = spawn_on(s.hub, hold_greenlet, &held), *joiners[6];
    for (int i = 0; i < 6; i++)
        joiners[i] = i % 2 == 0 ? cress_spawn(joins, g) : spawn_on(t.hub, joins, g);
    CHECK_EQ(cress_joinall(joiners, 6, CRESS_MS(2), NULL, NULL), -ETIMEDOUT);
    held_let_go(&held);
    CHECK_EQ(cress_joinall(joiners, 6, CRESS_SECONDS(10), NULL, NULL), 0);
    for (int i = 0; i < 6; i++) {
        CHECK(cress_value(joiners[i]) == NULL);
        cress_unref(joiners[i]);
    }
    cress_unref(g);
    server_stop(&s);
    server_stop(&t);
}

static cress_hub *others_hub;

static int never_called(void *arg)
{
    CHECK(arg == NULL);
    return -EIO;
}

static void *ask_without_hub(void *arg)
{
    cress_greenlet *g = arg;
    size_t ended = 99;
    cress_callback node = { { 0 } };
    CHECK(!cress_ready(g) && !cress_successful(g));
    CHECK_EQ(cress_outcome(g), CRESS_ALIVE);
    CHECK_NE(cress_id(g), 0);
    CHECK_EQ(cress_error(g), 0);
    CHECK(cress_value(g) == NULL);
    CHECK_EQ(cress_join(g, 0), -EAGAIN);
    CHECK_EQ(cress_joinall(&g, 1, 0, NULL, &ended), -EAGAIN);
    CHECK_EQ(ended, 0);
    CHECK_EQ(cress_hub_hold(others_hub), -EXDEV);
    CHECK_EQ(cress_hub_release(others_hub), -EXDEV);
    CHECK_EQ(cress_hub_set_error_hook(others_hub, NULL, NULL), -EXDEV);
    CHECK_EQ(cress_post(others_hub, &node, never_called, NULL), -EXDEV);
    cress_unref(cress_ref(g));
    CHECK(cress_hub_current() == NULL);
    CHECK_EQ(cress_joinall(&g, 1, CRESS_MS(1), NULL, NULL), -ETIMEDOUT);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(cress_join(g, CRESS_MS(1)), -ETIMEDOUT); /* to wait it gets a hub */
    CHECK(cress_hub_current() != NULL);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(cress_kill(g, 0), 0);
    CHECK_EQ(cress_killall(&g, 1, 0), 0);
    CHECK(cress_hub_current() == NULL);
    return NULL;
}

static void plain_threads_ask_and_kill_without_a_hub(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    cress_greenlet *g = spawn_on(s.hub, sleeps, NULL);
    others_hub = s.hub;
    in_thread(ask_without_hub, g);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(10)), 0);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
    server_stop(&s);
}

static void it_is_a_case_among_others(void **state)
{
    (void)state;
    struct server s;
    struct held held;
    held_init(&held);
    server_start(&s);
    cress_greenlet *g = spawn_on(s.hub, hold_greenlet, &held);
    cress_case cases[] = { cress_on_greenlet(g), cress_on_timer(CRESS_MS(1)) };
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 1);
    cress_iwait iwait;
    CHECK_EQ(cress_iwait_init(&iwait, cases, 2), 0);
    CHECK_EQ(cress_iwait_next(&iwait, CRESS_SECONDS(10)), 1);
    held_let_go(&held);
    CHECK_EQ(cress_iwait_next(&iwait, CRESS_SECONDS(10)), 0);
    cress_iwait_done(&iwait);
    CHECK_EQ(cress_choose(cases, 1, 0), 0);
    CHECK_EQ(cases[0].result, 0);
    cress_unref(g);
    server_stop(&s);
}

static void joinall_takes_those_of_several_hubs(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    cress_greenlet *gs[4] = { spawn_on(s.hub, sleeps, NULL), spawn_on(s.hub, fails, NULL),
                              cress_spawn(sleeps, NULL), spawn_on(s.hub, same, "value") };
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    size_t ended;
    o.count = 2;
    CHECK_EQ(cress_joinall(gs, 4, CRESS_SECONDS(10), &o, &ended), 0);
    CHECK_EQ(ended, 2);
    o.count = 0;
    o.raise_error = true;
    CHECK_EQ(cress_joinall(gs, 4, CRESS_SECONDS(10), &o, &ended), -EIO);
    CHECK_EQ(cress_killall(gs, 4, CRESS_SECONDS(10)), 0);
    CHECK_EQ(cress_joinall(gs, 4, 0, NULL, &ended), 0);
    CHECK_EQ(ended, 4);
    for (int i = 0; i < 4; i++)
        cress_unref(gs[i]);
    server_stop(&s);
}

/* --- killed ---------------------------------------------------------------------------------- */

static void killed_before_it_runs_it_never_does(void **state)
{
    (void)state;
    struct server s;
    struct held held;
    held_init(&held);
    atomic_store(&discards, 0);
    server_start(&s);
    cress_greenlet *busy = spawn_on(s.hub, hold_greenlet, &held), *gs[3];
    held_begun(&held);
    cress_spawn_options o = on(s.hub, true);
    o.on_discard = discard;
    for (int i = 0; i < 3; i++) {
        o.delay = i == 2 ? CRESS_FOREVER : 0;
        CHECK_EQ(cress_spawn_with(&o, fails, "arg", &gs[i]), 0);
    }
    CHECK_EQ(cress_kill(gs[0], 0), 0);
    CHECK_EQ(cress_kill(gs[0], 0), 0);
    CHECK_EQ(cress_killall(gs + 1, 2, 0), 0);
    CHECK_EQ(cress_kill(gs[0], CRESS_MS(1)), -ETIMEDOUT); /* its hub is busy */
    held_let_go(&held);
    CHECK_EQ(cress_joinall(gs, 3, CRESS_SECONDS(10), NULL, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cress_outcome(gs[i]), CRESS_KILLED);
        cress_unref(gs[i]);
    }
    CHECK_EQ(atomic_load(&discards), 3);
    CHECK_EQ(cress_join(busy, CRESS_SECONDS(10)), 0);
    cress_unref(busy);
    server_stop(&s);
}

static void *spawn_shared_there(void *arg)
{
    struct unbegun *u = arg;
    cress_spawn_options o = on(u->hub, true);
    o.on_discard = discard;
    o.delay = u->delay;
    CHECK_EQ(cress_spawn_with(&o, same, "arg", &u->g), 0);
    return NULL;
}

/* One that another thread has made here, and that this hub has not heard of yet. */
static cress_greenlet *unbegun(cress_time delay)
{
    struct unbegun u = { .delay = delay };
    CHECK_EQ(cress_hub_get(&u.hub), 0);
    in_thread(spawn_shared_there, &u);
    return u.g;
}

static size_t alive_here(void)
{
    cress_hub_counts counts = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &counts), 0);
    return counts.greenlets;
}

static int count_calls(cress_greenlet *g, void *arg)
{
    CHECK(cress_ready(g));
    ++*(int *)arg;
    return 0;
}

static void its_own_thread_kills_it_before_the_hub_has_heard_of_it(void **state)
{
    (void)state;
    CHECK_EQ(cress_yield(), 0);
    size_t blocks = cress__alloc_live();
    atomic_store(&discards, 0);
    for (int i = 0; i < 4; i++) {
        cress_greenlet *g = unbegun(i < 2 ? 0 : CRESS_FOREVER);
        int calls = 0;
        cress_link_node node = { { 0 } };
        CHECK_EQ(cress_link(g, &node, count_calls, &calls), 0);
        if (i % 2 == 0)
            CHECK_EQ(cress_kill(g, 0), 0);
        else
            CHECK_EQ(cress_killall(&g, 1, CRESS_FOREVER), 0);
        CHECK_EQ(atomic_load(&discards), i + 1); /* here and now */
        CHECK_EQ(cress_outcome(g), CRESS_KILLED);
        CHECK_EQ(alive_here(), 0);
        CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
        cress_unref(g);
        CHECK_EQ(cress_run(CRESS_FOREVER), 0);
        CHECK_EQ(calls, 1);
    }
    CHECK_EQ(cress__alloc_live(), blocks);
}

static void its_own_group_kills_it_before_the_hub_has_heard_of_it(void **state)
{
    (void)state;
    atomic_store(&discards, 0);
    cress_group group = { { 0 } };
    cress_greenlet *g = unbegun(0);
    CHECK_EQ(cress_group_add(&group, g, 0), 0);
    CHECK_EQ(cress_group_kill(&group, CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&discards), 1);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    cress_group_done(&group);
}

/* What its own thread does otherwise with it waits until it takes part. */
static void before_the_hub_has_heard_of_it_it_is_joined_named_and_thrown_at(void **state)
{
    (void)state;
    static cress_token token;
    cress_greenlet *g = unbegun(0), *thrown = unbegun(0);
    CHECK_EQ(cress_set_name(g, "early"), 0);
    CHECK_EQ(cress_slot(g), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), 0);
    CHECK(!cress_started(g));
    CHECK_EQ(cress_join(g, 0), -EAGAIN);
    CHECK_EQ(cress_throw(thrown, &token), 0);
    CHECK_EQ(cress_throw(thrown, &token), -EALREADY);
    cress_greenlet *both[2] = { g, thrown };
    CHECK_EQ(cress_joinall(both, 2, CRESS_FOREVER, NULL, NULL), 0);
    CHECK_STR(cress_value(g), "arg");
    CHECK_EQ(cress_throw(thrown, &token), -ESRCH);
    cress_unref(g);
    cress_unref(thrown);
}

static void *survives_once(void *arg)
{
    sem_post(arg);
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(cress_cancel_ack(), 0);
    sem_post(arg);
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    return NULL;
}

static void killed_again_it_finds_out_again(void **state)
{
    (void)state;
    struct server s;
    sem_t survived;
    CHECK_EQ(sem_init(&survived, 0, 0), 0);
    server_start(&s);
    cress_greenlet *g = spawn_on(s.hub, survives_once, &survived);
    sem_take(&survived); /* it has begun */
    CHECK_EQ(cress_kill(g, CRESS_MS(2)), -ETIMEDOUT);
    sem_take(&survived);
    CHECK_EQ(cress_kill(g, CRESS_SECONDS(10)), 0);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
    server_stop(&s);
}

static void *kills_itself_shared(void *arg)
{
    cress_greenlet **g = arg;
    CHECK(*g == cress_current());
    CHECK_EQ(cress_join(*g, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_kill(*g, CRESS_FOREVER), -ECANCELED);
    return NULL;
}

static void shared_on_the_own_hub_it_is_like_others(void **state)
{
    (void)state;
    cress_greenlet *g;
    cress_spawn_options o = on(NULL, true);
    atomic_store(&freed, 0);
    CHECK_EQ(cress_spawn_with(&o, kills_itself_shared, &g, &g), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
    o.value_free = value_free;
    o.hub = cress_hub_current();
    CHECK_EQ(cress_spawn_with(&o, same, "value", &g), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&freed), 0);
    cress_unref(g);
    CHECK_EQ(atomic_load(&freed), 1);
    CHECK_EQ(cress_spawn_with(&o, same, "value", NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&freed), 2);
    cress_group group = { { 0 } };
    CHECK_EQ(cress_group_spawn_with(&group, &o, same, "value", CRESS_FOREVER, NULL), 0);
    CHECK_EQ(cress_group_join(&group, CRESS_FOREVER), 0);
    CHECK_EQ(cress_group_done(&group), 0);
    CHECK_EQ(atomic_load(&freed), 3);
}

static void the_rest_is_its_own_threads(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    cress_greenlet *g = spawn_on(s.hub, sleeps, NULL);
    cress_token token = { 0 };
    cress_group group = { { 0 } };
    cress_result result = { { 0 } };
    CHECK_EQ(cress_throw(g, &token), -EXDEV);
    CHECK_EQ(cress_set_name(g, "stolen"), -EXDEV);
    CHECK_EQ(cress_slot(g), UINT32_MAX);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), -EXDEV);
    CHECK_EQ(cress_group_add(&group, g, 0), -EXDEV);
    CHECK_EQ(cress_result_follow(&result, g), -EXDEV);
    cress_spawn_options o = on(s.hub, true);
    CHECK_EQ(cress_group_spawn_with(&group, &o, same, NULL, 0, NULL), -EXDEV);
    CHECK_EQ(cress_kill(g, CRESS_SECONDS(10)), 0);
    cress_unref(g);
    server_stop(&s);
}

/* --- linked ---------------------------------------------------------------------------------- */

struct linked {
    cress_link_node node;
    pthread_t thread;
    int calls, number;
    struct words *words;
};

static int called(cress_greenlet *g, void *arg)
{
    struct linked *l = arg;
    CHECK(cress_ready(g));
    CHECK(cress_current() == NULL); /* in the hub */
    l->thread = pthread_self();
    l->calls++;
    if (l->words != NULL)
        say(l->words, l->number == 0 ? "0" : l->number == 1 ? "1" : "2");
    return 0;
}

static void links_run_in_the_hub_of_who_linked(void **state)
{
    (void)state;
    struct server s;
    struct held held;
    struct words words = { "" };
    held_init(&held);
    server_start(&s);
    cress_greenlet *g = spawn_on(s.hub, hold_greenlet, &held);
    struct linked l[4] = { { .calls = 0 } };
    for (int i = 0; i < 4; i++) {
        l[i].words = &words;
        l[i].number = i;
        CHECK_EQ(cress_link(g, &l[i].node, called, &l[i]), 0);
        CHECK_EQ(cress_link(g, &l[i].node, called, &l[i]), -EALREADY);
    }
    cress_unlink(&l[3].node);
    CHECK_EQ(cress_run(CRESS_MS(1)), -ETIMEDOUT); /* a link counts */
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_SECONDS(10)), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(l[i].calls, 1);
        CHECK(pthread_equal(l[i].thread, pthread_self()));
    }
    CHECK_EQ(l[3].calls, 0);
    CHECK_STR(words.text, "0 1 2");
    CHECK_EQ(cress_link(g, &l[3].node, called, &l[3]), 0); /* after the end: in the next turn */
    CHECK_EQ(l[3].calls, 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(l[3].calls, 1);
    CHECK_EQ(cress_link(g, &l[3].node, called, &l[3]), 0);
    cress_unlink(&l[3].node);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(l[3].calls, 1);
    cress_unref(g);
    server_stop(&s);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void *stubborn(void *arg)
{
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    sem_post(arg);
    cress_sleep(CRESS_FOREVER);
    return arg;
}

struct ending {
    sem_t ready, go, begun;
    cress_hub *hub;
    struct told told;
    int abandoned;
};

static void *end_when_told(void *arg)
{
    struct ending *e = arg;
    CHECK_EQ(cress_hub_get(&e->hub), 0);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &e->told), 0);
    CHECK_EQ(cress_hub_hold(NULL), 0);
    sem_post(&e->ready);
    while (sem_trywait(&e->go) != 0)
        CHECK_EQ(cress_sleep(CRESS_US(100)), 0);
    e->abandoned = cress_hub_destroy(0);
    return NULL;
}

static void who_joins_is_told_that_the_hub_has_ended(void **state)
{
    (void)state;
    struct ending e = { .abandoned = -1 };
    pthread_t thread;
    CHECK_EQ(sem_init(&e.ready, 0, 0), 0);
    CHECK_EQ(sem_init(&e.go, 0, 0), 0);
    CHECK_EQ(sem_init(&e.begun, 0, 0), 0);
    CHECK_EQ(cress_yield(), 0);
    size_t blocks = cress__alloc_live();
    CHECK_EQ(pthread_create(&thread, NULL, end_when_told, &e), 0);
    sem_take(&e.ready);
    atomic_store(&discards, 0);
    cress_spawn_options o = on(e.hub, true);
    cress_greenlet *abandoned = spawn_on(e.hub, stubborn, &e.begun);
    cress_greenlet *ended = spawn_on(e.hub, same, "value"), *waiting;
    o.on_discard = discard;
    o.delay = CRESS_FOREVER;
    CHECK_EQ(cress_spawn_with(&o, same, "arg", &waiting), 0);
    sem_take(&e.begun);
    CHECK_EQ(cress_join(ended, CRESS_SECONDS(10)), 0);
    cress_greenlet *joiners[2] = { cress_spawn(joins, abandoned), cress_spawn(joins, waiting) };
    CHECK_EQ(cress_yield(), 0);
    struct linked l = { .calls = 0 };
    CHECK_EQ(cress_link(abandoned, &l.node, called, &l), 0);
    sem_post(&e.go);
    CHECK_EQ(cress_joinall(joiners, 2, CRESS_SECONDS(10), NULL, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(e.abandoned, 1);
    CHECK_EQ(atomic_load(&discards), 1);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(l.calls, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ((intptr_t)cress_value(joiners[i]), -EOWNERDEAD);
        cress_unref(joiners[i]);
    }
    cress_case c = cress_on_greenlet(abandoned);
    CHECK_EQ(cress_wait(&c, 1, 1, 0, NULL), -EOWNERDEAD);
    CHECK_EQ(cress_join(abandoned, CRESS_FOREVER), -EOWNERDEAD);
    CHECK_EQ(cress_joinall(&abandoned, 1, 0, NULL, NULL), -EOWNERDEAD);
    CHECK_EQ(cress_kill(abandoned, CRESS_FOREVER), 0); /* it has ended */
    CHECK_EQ(cress_outcome(abandoned), CRESS_KILLED);
    CHECK_EQ(cress_join(ended, CRESS_FOREVER), 0); /* how it ended is known */
    CHECK_STR(cress_value(ended), "value");
    cress_unref(abandoned);
    cress_unref(ended);
    cress_unref(waiting);
    CHECK_EQ(cress__alloc_live(), blocks);
}

static cress_greenlet *of_ended;

static void *joins_first_of_two(void *arg)
{
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    cress_greenlet *both[2] = { arg, of_ended };
    o.count = 1;
    size_t ended = 99;
    int error = cress_joinall(both, 2, CRESS_SECONDS(10), &o, &ended);
    CHECK_EQ(ended, 0);
    return (void *)(intptr_t)error;
}

static void *joins_failing(void *arg)
{
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    cress_greenlet *both[2] = { arg, of_ended };
    o.raise_error = true;
    return (void *)(intptr_t)cress_joinall(both, 2, CRESS_SECONDS(10), &o, NULL);
}

static void *joins_both(void *arg)
{
    cress_greenlet *both[2] = { of_ended, arg };
    return (void *)(intptr_t)cress_joinall(both, 2, CRESS_SECONDS(10), NULL, NULL);
}

static void joinall_tells_in_whichever_way_that_the_hub_has_ended(void **state)
{
    (void)state;
    struct ending e = { .abandoned = -1 };
    pthread_t thread;
    CHECK_EQ(sem_init(&e.ready, 0, 0), 0);
    CHECK_EQ(sem_init(&e.go, 0, 0), 0);
    CHECK_EQ(sem_init(&e.begun, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, end_when_told, &e), 0);
    sem_take(&e.ready);
    of_ended = spawn_on(e.hub, stubborn, &e.begun);
    sem_take(&e.begun);
    cress_greenlet *mine = cress_spawn(sleeps, NULL);
    cress_greenlet *joiners[3] = { cress_spawn(joins_first_of_two, mine),
                                   cress_spawn(joins_failing, mine),
                                   cress_spawn(joins_both, mine) };
    CHECK_EQ(cress_yield(), 0);
    sem_post(&e.go);
    CHECK_EQ(cress_joinall(joiners, 3, CRESS_SECONDS(20), NULL, NULL), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ((intptr_t)cress_value(joiners[i]), -EOWNERDEAD);
        cress_unref(joiners[i]);
    }
    CHECK_EQ(cress_kill(mine, CRESS_FOREVER), 0);
    cress_unref(mine);
    cress_unref(of_ended);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(e.abandoned, 1);
}

/* --- what it inherits ------------------------------------------------------------------------ */

static atomic_int copies, destroyed;
static struct ending *ends_while_copying; /* NULL: none */
static pthread_t ending_thread;

static void *copy_value(void *value)
{
    atomic_fetch_add(&copies, 1);
    if (ends_while_copying != NULL) {
        sem_post(&ends_while_copying->go);
        CHECK_EQ(pthread_join(ending_thread, NULL), 0);
    }
    return value;
}

static void destroy_value(void *value)
{
    CHECK_STR(value, "inherited");
    atomic_fetch_add(&destroyed, 1);
}

static cress_key begin_with_key(void)
{
    cress_key_options o = CRESS_KEY_OPTIONS_INIT;
    o.inherit = true;
    o.copy = copy_value;
    o.destroy = destroy_value;
    cress_key key;
    CHECK_EQ(cress_key_create(&o, &key), 0);
    CHECK_EQ(cress_key_set(key, "inherited"), 0);
    atomic_store(&copies, 0);
    atomic_store(&destroyed, 0);
    return key;
}

static void end_with_key(cress_key key)
{
    CHECK_EQ(cress_key_set(key, NULL), 0);
    CHECK_EQ(cress_key_delete(key), 0);
}

static cress_spawn_options heir(cress_hub *hub)
{
    cress_spawn_options o = on(hub, true);
    o.inherit = true;
    return o;
}

static bool fail_mmap(const char *what)
{
    return strcmp(what, "mmap") == 0;
}

static void quiet(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_EQ(error, -ENOMEM);
}

static void what_one_inherited_that_never_ran_is_destroyed(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    size_t blocks = cress__alloc_live();
    cress_key key = begin_with_key();
    cress_greenlet *g;
    cress_spawn_options o = heir(NULL);
    CHECK_EQ(cress_spawn_with(&o, same, NULL, &g), 0); /* runs */
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_EQ(atomic_load(&destroyed), 1);
    CHECK_EQ(cress_spawn_with(&o, same, NULL, &g), 0); /* is killed before */
    CHECK_EQ(cress_kill(g, 0), 0);
    CHECK_EQ(atomic_load(&destroyed), 2);
    cress_unref(g);
    o.stack_size = (size_t)1 << 20; /* there is none of that size */
    CHECK_EQ(cress_hub_set_error_hook(NULL, quiet, NULL), 0);
    CHECK_EQ(cress_spawn_with(&o, same, NULL, &g), 0);
    cress__fault_hook = fail_mmap;
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress__fault_hook = NULL;
    CHECK_EQ(cress_error(g), -ENOMEM);
    CHECK_EQ(atomic_load(&destroyed), 3);
    cress_unref(g);
    end_with_key(key);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(atomic_load(&copies), 3);
    CHECK_EQ(atomic_load(&destroyed), 3);
    CHECK_EQ(cress__alloc_live(), blocks);
}

static void the_end_of_its_hub_destroys_it_too(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    s.grace = 0;
    cress_key key = begin_with_key();
    cress_spawn_options o = heir(s.hub);
    o.delay = CRESS_FOREVER;
    o.daemon = true;
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, same, NULL, &g), 0);
    server_stop(&s);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), -EOWNERDEAD);
    CHECK_EQ(atomic_load(&copies), 1);
    CHECK_EQ(atomic_load(&destroyed), 1);
    cress_unref(g);
    end_with_key(key);
}

/* The user's function does not stand in the other hub's door: that could not end meanwhile. */
static void while_values_are_copied_the_other_hub_may_end(void **state)
{
    (void)state;
    struct ending e = { .abandoned = -1 };
    CHECK_EQ(sem_init(&e.ready, 0, 0), 0);
    CHECK_EQ(sem_init(&e.go, 0, 0), 0);
    CHECK_EQ(pthread_create(&ending_thread, NULL, end_when_told, &e), 0);
    sem_take(&e.ready);
    cress_key key = begin_with_key();
    cress_spawn_options o = heir(e.hub);
    cress_greenlet *g = NULL;
    ends_while_copying = &e;
    CHECK_EQ(cress_spawn_with(&o, same, NULL, &g), -EOWNERDEAD);
    ends_while_copying = NULL;
    CHECK(g == NULL);
    CHECK_EQ(e.abandoned, 0);
    CHECK_EQ(atomic_load(&copies), 1);
    CHECK_EQ(atomic_load(&destroyed), 1);
    end_with_key(key);
}

struct unshared {
    sem_t ready, next;
    cress_greenlet *g, *h;
};

static void *make_unshared(void *arg)
{
    struct unshared *u = arg;
    u->g = cress_spawn(sleeps, NULL);
    CHECK_EQ(cress_yield(), 0);
    sem_post(&u->ready);
    sem_take(&u->next);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    sem_post(&u->ready);
    sem_take(&u->next);
    u->h = cress_spawn(sleeps, NULL); /* of a new hub */
    CHECK_EQ(cress_yield(), 0);
    sem_post(&u->ready);
    sem_take(&u->next);
    return NULL;
}

static void an_unshared_one_is_another_threads_until_its_hub_has_ended(void **state)
{
    (void)state;
    struct unshared u = { .g = NULL };
    pthread_t thread;
    CHECK_EQ(sem_init(&u.ready, 0, 0), 0);
    CHECK_EQ(sem_init(&u.next, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, make_unshared, &u), 0);
    sem_take(&u.ready);
    cress_link_node node = { { 0 } };
    CHECK_EQ(cress_join(u.g, CRESS_FOREVER), -EXDEV);
    CHECK_EQ(cress_kill(u.g, 0), -EXDEV);
    CHECK_EQ(cress_link(u.g, &node, called, NULL), -EXDEV);
    sem_post(&u.next);
    sem_take(&u.ready);
    CHECK_EQ(cress_join(u.g, CRESS_FOREVER), -EOWNERDEAD);
    sem_post(&u.next);
    sem_take(&u.ready);
    CHECK_EQ(cress_join(u.g, CRESS_FOREVER), -EOWNERDEAD);
    CHECK_EQ(cress_kill(u.g, 0), -EOWNERDEAD);
    CHECK_EQ(cress_link(u.g, &node, called, NULL), -EOWNERDEAD);
    CHECK_EQ(cress_set_name(u.g, "x"), -EOWNERDEAD);
    CHECK_EQ(cress_join(u.h, CRESS_FOREVER), -EXDEV);
    sem_post(&u.next);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_join(u.h, CRESS_FOREVER), -EOWNERDEAD);
    cress_unref(u.g);
    cress_unref(u.h);
}

static struct server last;
static struct held last_held;
static cress_greenlet *last_g;
static struct linked last_linked;

static void end_while_waiting(void)
{
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_go(joins, last_g), 0);
    CHECK_EQ(cress_link(last_g, &last_linked.node, called, &last_linked), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(0), 1); /* does not wait for it */
}

static void the_end_of_who_waits_leaves_nothing_behind(void **state)
{
    (void)state;
    server_start(&last);
    held_init(&last_held);
    last_g = spawn_on(last.hub, hold_greenlet, &last_held);
    last_linked = (struct linked){ .calls = 0 };
    apart(end_while_waiting);
    held_let_go(&last_held);
    CHECK_EQ(cress_join(last_g, CRESS_SECONDS(10)), 0);
    CHECK_EQ(last_linked.calls, 0);
    CHECK_EQ(cress_link(last_g, &last_linked.node, called, &last_linked), 0); /* it is free */
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(last_linked.calls, 1);
    cress_unref(last_g);
    server_stop(&last);
}

static cress_greenlet *two_killed[2]; /* of this thread, and another's */

static void *kills(void *arg)
{
    CHECK_EQ(cress_kill(arg, CRESS_FOREVER), 0);
    return arg;
}

/* It is told so for the second time, after others had a turn. */
static void *kills_though_killed(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(cress_kill(arg, CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void *goes_on(void *arg)
{
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    return cress_sleep(CRESS_FOREVER) < 0 ? arg : NULL;
}

static void end_while_killing(void)
{
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    two_killed[1] = spawn_on(NULL, goes_on, NULL);
    CHECK_EQ(cress_yield(), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(cress_go(kills, two_killed[i]), 0);
    cress_greenlet *killed = cress_spawn(kills_though_killed, two_killed[1]);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(killed, 0), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK(!cress_ready(killed));
    cress_unref(killed);
    CHECK_EQ(cress_hub_destroy(0), 4);
}

static void the_end_of_who_waits_for_one_that_it_killed_gives_its_reference_back(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    size_t blocks = cress__alloc_live();
    server_start(&last);
    held_init(&last_held);
    two_killed[0] = spawn_on(last.hub, hold_greenlet, &last_held);
    held_begun(&last_held);
    apart(end_while_killing);
    held_let_go(&last_held);
    server_stop(&last);
    cress_unref(two_killed[0]);
    cress_unref(two_killed[1]);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(cress__alloc_live(), blocks);
}

static atomic_bool go_on;

/* The hub ends, and has told nobody to go away yet: now what it waits for ends. */
static void end_it_now(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_EQ(error, -ECANCELED);
    atomic_store(&go_on, true);
    SOON(cress_ready(last_g));
    usleep(2000); /* and its news are on the way */
}

static void end_while_it_ends(void)
{
    CHECK_EQ(cress_hub_set_error_hook(NULL, end_it_now, NULL), 0);
    CHECK_EQ(cress_go(joins, last_g), 0);
    CHECK_EQ(cress_link(last_g, &last_linked.node, called, &last_linked), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(0), 1);
}

static void *yields_until_told(void *arg)
{
    while (!atomic_load((atomic_bool *)arg))
        CHECK_EQ(cress_yield(), 0);
    return NULL;
}

static void news_for_a_hub_that_ends_go_nowhere(void **state)
{
    (void)state;
    server_start(&last);
    atomic_store(&go_on, false);
    last_g = spawn_on(last.hub, yields_until_told, &go_on);
    last_linked = (struct linked){ .calls = 0 };
    apart(end_while_it_ends);
    CHECK_EQ(last_linked.calls, 0);
    cress_unlink(&last_linked.node);
    cress_unref(last_g);
    server_stop(&last); /* that nothing is left is seen in the end of all tests */
}

/* --- fork ------------------------------------------------------------------------------------ */

static struct linked forked_linked;

static void look_in_child(void *arg)
{
    cress_greenlet **gs = arg;
    CHECK_EQ(cress_join(gs[0], CRESS_FOREVER), -EOWNERDEAD);
    CHECK_EQ(cress_kill(gs[0], CRESS_FOREVER), -EOWNERDEAD);
    CHECK_EQ(cress_join(gs[1], CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(forked_linked.calls, 0);
    CHECK_EQ(cress_link(gs[1], &forked_linked.node, called, &forked_linked), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(forked_linked.calls, 1);
    cress_greenlet *own;
    cress_spawn_options o = on(NULL, true);
    CHECK_EQ(cress_spawn_with(&o, same, "value", &own), 0);
    CHECK_EQ(cress_join(own, CRESS_FOREVER), 0);
    cress_unref(own);
    cress_unref(gs[0]);
    cress_unref(gs[1]);
}

static void look_at_unbegun(void *arg)
{
    CHECK_EQ(cress_join(arg, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(arg), CRESS_KILLED);
    CHECK_EQ(atomic_load(&discards), 0); /* nothing of the parent's is called */
    CHECK_EQ(alive_here(), 0);
    cress_unref(arg);
}

static void in_a_child_process_one_that_had_not_begun_is_dropped(void **state)
{
    (void)state;
    needs_children();
    atomic_store(&discards, 0);
    cress_greenlet *g = unbegun(0);
    in_child(look_at_unbegun, g);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(cress_value(g), "arg");
    cress_unref(g);
}

static void in_a_child_process_those_of_other_threads_have_ended(void **state)
{
    (void)state;
    needs_children();
    struct server s;
    struct held held;
    held_init(&held);
    server_start(&s);
    cress_greenlet *gs[2] = { spawn_on(s.hub, hold_greenlet, &held) };
    held_begun(&held);
    cress_spawn_options o = on(NULL, true);
    CHECK_EQ(cress_spawn_with(&o, sleeps, NULL, &gs[1]), 0);
    CHECK_EQ(cress_go(joins, gs[0]), 0);
    CHECK_EQ(cress_link(gs[0], &forked_linked.node, called, &forked_linked), 0);
    CHECK_EQ(cress_yield(), 0);
    in_child(look_in_child, gs);
    held_let_go(&held);
    CHECK_EQ(cress_kill(gs[1], CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(forked_linked.calls, 1);
    cress_unref(gs[0]);
    cress_unref(gs[1]);
    server_stop(&s);
}

/* --- duels ----------------------------------------------------------------------------------- */

enum { ROUNDS = 10000 };

static void *yields_some(void *arg)
{
    for (intptr_t i = (intptr_t)arg; i > 0; i--)
        if (cress_yield() < 0)
            return NULL;
    return "value";
}

static void spin(int n)
{
    for (volatile int wait = n; wait > 0; wait--)
        continue;
}

/* Its end against what another thread does with it. */
static void duel(void (*act)(cress_greenlet *g, int round))
{
    struct server s;
    server_start(&s);
    for (int i = 0; i < ROUNDS; i++) {
        cress_spawn_options o = on(s.hub, true);
        cress_greenlet *g;
        CHECK_EQ(cress_spawn_with(&o, yields_some, (void *)(intptr_t)(i % 7), &g), 0);
        spin(i * 7 % 2000);
        act(g, i);
        cress_unref(g);
    }
    CHECK_EQ(cress_run(CRESS_SECONDS(10)), 0);
    server_stop(&s);
}

static void join_it(cress_greenlet *g, int round)
{
    cress_time limit = round % 3 == 0 ? CRESS_FOREVER : round % 3 == 1 ? CRESS_US(20) : 0;
    int error = cress_join(g, limit);
    CHECK(error == 0 || (limit == 0 ? error == -EAGAIN : error == -ETIMEDOUT));
    CHECK(error != 0 || cress_value(g) != NULL);
}

static void kill_it(cress_greenlet *g, int round)
{
    CHECK_EQ(cress_kill(g, round % 2 == 0 ? 0 : CRESS_FOREVER), 0);
    CHECK(round % 2 == 0 || cress_ready(g));
}

static int count_link(cress_greenlet *g, void *arg)
{
    CHECK(cress_ready(g));
    ++*(int *)arg;
    return 0;
}

static void link_it(cress_greenlet *g, int round)
{
    cress_link_node node = { { 0 } };
    int calls = 0;
    CHECK_EQ(cress_link(g, &node, count_link, &calls), 0);
    spin(round % 500);
    if (round % 2 == 0) {
        cress_unlink(&node);
        CHECK_EQ(cress_yield(), 0);
        CHECK_LE(calls, 1);
    } else {
        CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
        while (calls == 0)
            CHECK_EQ(cress_yield(), 0);
    }
}

static void drop_it(cress_greenlet *g, int round)
{
    for (int i = round % 3; i > 0; i--)
        cress_unref(cress_ref(g));
}

static void its_end_against_joins(void **state)
{
    (void)state;
    duel(join_it);
}

static void its_end_against_kills(void **state)
{
    (void)state;
    duel(kill_it);
}

static void its_end_against_links(void **state)
{
    (void)state;
    duel(link_it);
}

static void its_end_against_references(void **state)
{
    (void)state;
    duel(drop_it);
}

static void *brief_hub(void *arg)
{
    struct ending *e = arg;
    CHECK_EQ(cress_hub_get(&e->hub), 0);
    sem_post(&e->ready);
    CHECK_EQ(cress_sleep(CRESS_US(e->abandoned)), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return NULL;
}

static void the_end_of_its_hub_against_everything(void **state)
{
    (void)state;
    CHECK_EQ(cress_yield(), 0);
    size_t blocks = cress__alloc_live();
    int spawned = 0, ran = 0;
    atomic_store(&discards, 0);
    for (int i = 0; i < ROUNDS / 10; i++) {
        struct ending e = { .abandoned = i % 50 * 8 }; /* us of life */
        pthread_t thread;
        CHECK_EQ(sem_init(&e.ready, 0, 0), 0);
        CHECK_EQ(pthread_create(&thread, NULL, brief_hub, &e), 0);
        sem_take(&e.ready);
        cress_spawn_options o = on(e.hub, true);
        o.on_discard = discard;
        for (int round = 0;; round++) {
            cress_greenlet *g;
            int error = cress_spawn_with(&o, same, "arg", &g);
            if (error == -EOWNERDEAD)
                break;
            CHECK_EQ(error, 0);
            spawned++;
            if (round % 3 == 0)
                error = cress_kill(g, 0);
            else
                error = cress_join(g, round % 3 == 1 ? CRESS_FOREVER : CRESS_US(10));
            CHECK(error == 0 || error == -EOWNERDEAD || error == -ETIMEDOUT);
            while (!cress_ready(g))
                CHECK_EQ(cress_yield(), 0);
            ran += cress_outcome(g) == CRESS_RETURNED;
            cress_unref(g);
        }
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(cress_run(CRESS_SECONDS(10)), 0);
    CHECK_EQ(ran + atomic_load(&discards), spawned); /* each argument has found somebody */
    CHECK_EQ(cress__alloc_live(), blocks);
    printf("%d on %d hubs, %d ran\n", spawned, ROUNDS / 10, ran);
}

struct waiter {
    cress_greenlet *g;
    struct linked linked;
    int spin;
};

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_EQ(error, -ECANCELED);
}

static void *waits_shortly(void *arg)
{
    struct waiter *w = arg;
    CHECK_EQ(cress_hub_set_error_hook(NULL, ignore, NULL), 0);
    CHECK_EQ(cress_go(joins, w->g), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_link(w->g, &w->linked.node, called, &w->linked), 0);
    spin(w->spin);
    CHECK_GE(cress_hub_destroy(0), 0);
    return NULL;
}

static void its_end_against_that_of_who_waits(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    for (int i = 0; i < ROUNDS / 2; i++) {
        atomic_bool go = false;
        struct waiter w = { .g = spawn_on(s.hub, yields_until_told, &go), .spin = i * 3 % 700 };
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, waits_shortly, &w), 0);
        spin(i * 37 % 60000);
        atomic_store(&go, true);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(cress_join(w.g, CRESS_SECONDS(10)), 0);
        CHECK_EQ(w.linked.calls, 0);
        cress_unlink(&w.linked.node); /* it is free */
        cress_unref(w.g);
    }
    server_stop(&s); /* that nothing is left is seen in the end of all tests */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(a_greenlet_starts_on_another_hub_from_any_thread),
        TEST(it_may_start_later_and_be_a_daemon),
        TEST(a_hub_that_has_ended_takes_nobody),
        TEST(a_shared_one_is_joined_and_got_from_elsewhere),
        TEST(its_failure_is_told_elsewhere),
        TEST(joining_elsewhere_has_a_limit_and_can_be_cancelled),
        TEST(any_number_joins_from_several_hubs),
        TEST(plain_threads_ask_and_kill_without_a_hub),
        TEST(it_is_a_case_among_others),
        TEST(joinall_takes_those_of_several_hubs),
        TEST(killed_before_it_runs_it_never_does),
        TEST(its_own_thread_kills_it_before_the_hub_has_heard_of_it),
        TEST(its_own_group_kills_it_before_the_hub_has_heard_of_it),
        TEST(before_the_hub_has_heard_of_it_it_is_joined_named_and_thrown_at),
        TEST(killed_again_it_finds_out_again),
        TEST(shared_on_the_own_hub_it_is_like_others),
        TEST(the_rest_is_its_own_threads),
        TEST(links_run_in_the_hub_of_who_linked),
        TEST(who_joins_is_told_that_the_hub_has_ended),
        TEST(joinall_tells_in_whichever_way_that_the_hub_has_ended),
        TEST(what_one_inherited_that_never_ran_is_destroyed),
        TEST(the_end_of_its_hub_destroys_it_too),
        TEST(while_values_are_copied_the_other_hub_may_end),
        TEST(an_unshared_one_is_another_threads_until_its_hub_has_ended),
        TEST(the_end_of_who_waits_leaves_nothing_behind),
        TEST(the_end_of_who_waits_for_one_that_it_killed_gives_its_reference_back),
        TEST(news_for_a_hub_that_ends_go_nowhere),
        TEST(in_a_child_process_one_that_had_not_begun_is_dropped),
        TEST(in_a_child_process_those_of_other_threads_have_ended),
        TEST(its_end_against_joins),
        TEST(its_end_against_kills),
        TEST(its_end_against_links),
        TEST(its_end_against_references),
        TEST(the_end_of_its_hub_against_everything),
        TEST(its_end_against_that_of_who_waits),
    };
    return RUN_TESTS_APART(tests);
}
