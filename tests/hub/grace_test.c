/* The time that the end of a hub gives its greenlets: who has it, and what comes meanwhile. */
#include "support/test.h"
#include "base/fault.h"
#include "hub/apart.h"
#include "hub/begin.h"
#include "hub/server.h"

static int deferred(void *arg)
{
    say(&words, arg);
    return 0;
}

static void *same(void *arg)
{
    return arg;
}

static void discard(void *arg)
{
    say(&words, arg);
}

static void in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void wait_to_be_killed(void)
{
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
}

/* Cleans up for so long after it was killed. */
static void *cleans_up(void *arg)
{
    wait_to_be_killed();
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(*(cress_time *)arg), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    say(&words, "cleaned");
    return NULL;
}

/* The hub ends, with a minute of grace: it takes so long and abandons so many. */
static void end_takes(cress_time time, int abandoned)
{
    cress_time before = clock_time;
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(60)), abandoned);
    CHECK_EQ(clock_time - before, time);
    CHECK_EQ(told.count, abandoned);
}

/* --- who has it ------------------------------------------------------------------------------ */

static void daemons_clean_up_like_all_others(void **state)
{
    (void)state;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.daemon = true;
    cress_time takes = CRESS_SECONDS(2);
    CHECK_EQ(cress_spawn_with(&o, cleans_up, &takes, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(CRESS_SECONDS(2), 0);
    CHECK_STR(words.text, "cleaned");
}

static void *shielded(void *arg)
{
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(*(cress_time *)arg), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    say(&words, "cleaned");
    return NULL;
}

static void a_daemon_that_waits_behind_a_shield_is_waited_for(void **state)
{
    (void)state;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.daemon = true;
    cress_time takes = CRESS_SECONDS(3);
    CHECK_EQ(cress_spawn_with(&o, shielded, &takes, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(CRESS_SECONDS(3), 0);
    CHECK_STR(words.text, "cleaned");
}

static void *ignores(void *arg)
{
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(*(cress_time *)arg), 0);
    return NULL;
}

static void who_goes_on_for_longer_is_abandoned(void **state)
{
    (void)state;
    cress_time takes = CRESS_SECONDS(100), brief = CRESS_SECONDS(1);
    CHECK_EQ(cress_go(ignores, &takes), 0);
    CHECK_EQ(cress_go(cleans_up, &brief), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(CRESS_SECONDS(60), 1);
    CHECK_STR(words.text, "cleaned");
}

static void what_nobody_can_end_is_not_waited_for(void **state)
{
    (void)state;
    cress_time for_ever = CRESS_FOREVER;
    CHECK_EQ(cress_go(ignores, &for_ever), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(0, 1);
}

static cress_token token;

static void *throws_at_main(void *arg)
{
    wait_to_be_killed();
    CHECK_EQ(cress_throw(cress_main(), &token), 0);
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(2)), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    say(&words, "cleaned");
    return arg;
}

static void destroy_token(cress_token *t)
{
    CHECK(t == &token);
    say(&words, "destroyed");
}

static void what_is_thrown_at_main_does_not_cut_it_short(void **state)
{
    (void)state;
    token = (cress_token){ .destroy = destroy_token };
    CHECK_EQ(cress_go(throws_at_main, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(CRESS_SECONDS(2), 0);
    CHECK_STR(words.text, "cleaned destroyed");
}

static cress_callback node;

static int posted(void *arg)
{
    say(&words, arg);
    return 0;
}

static void callbacks_run_while_somebody_has_it(void **state)
{
    (void)state;
    cress_time takes = CRESS_SECONDS(1);
    CHECK_EQ(cress_go(cleans_up, &takes), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_post(NULL, &node, posted, "posted"), 0);
    end_takes(CRESS_SECONDS(1), 0);
    CHECK_STR(words.text, "posted cleaned");
}

static void without_anybody_they_do_not(void **state)
{
    (void)state;
    CHECK_EQ(cress_post(NULL, &node, posted, "posted"), 0);
    end_takes(0, 0);
    CHECK_STR(words.text, "");
}

/* --- what is spawned meanwhile --------------------------------------------------------------- */

static void *helps(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_SECONDS(2)), 0); /* nobody has killed it */
    say(&words, "helped");
    return arg;
}

static void *has_help(void *arg)
{
    wait_to_be_killed();
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.shared = arg != NULL;
    cress_greenlet *g;
    CHECK_EQ(cress_go(same, NULL), 0); /* its end is not that of all helpers */
    CHECK_EQ(cress_spawn_with(&o, helps, "value", &g), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(cress_value(g), "value");
    cress_unref(g);
    CHECK_EQ(cress_shield_end(&shield), 0);
    say(&words, "cleaned");
    return NULL;
}

static void who_cleans_up_can_have_it_done_by_another_one(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(has_help, NULL), 0);
    CHECK_EQ(cress_go(has_help, "shared"), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(CRESS_SECONDS(2), 0);
    CHECK_STR(words.text, "helped helped cleaned cleaned");
}

static void *stays(void *arg)
{
    CHECK_EQ(cress_defer(deferred, "deferred"), 0);
    wait_to_be_killed();
    say(&words, "killed");
    return arg;
}

static void *leaves_two(void *arg)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.daemon = true;
    wait_to_be_killed();
    CHECK_EQ(cress_go(stays, NULL), 0);
    CHECK_EQ(cress_spawn_with(&o, stays, NULL, NULL), 0);
    CHECK_EQ(cress_yield(), -ECANCELED); /* they begin */
    say(&words, "ended");
    return arg;
}

static void *discarded_late(void *arg)
{
    wait_to_be_killed();
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.on_discard = discard;
    o.delay = CRESS_SECONDS(30);
    CHECK_EQ(cress_spawn_with(&o, same, "discarded", NULL), 0);
    return arg;
}

static void what_stays_of_it_is_killed_when_they_have_ended(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(leaves_two, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(0, 0);
    CHECK_STR(words.text, "ended killed deferred killed deferred");
}

static void what_has_not_begun_then_is_discarded(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(discarded_late, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(0, 0);
    CHECK_STR(words.text, "discarded");
}

static void *spawns_itself(void *arg)
{
    wait_to_be_killed();
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_go(spawns_itself, arg), 0);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(25)), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    return arg;
}

/* The second is killed after 25 s, the third after 50, the fourth not any more. */
static void who_always_spawns_more_has_no_more_time(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(spawns_itself, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(CRESS_SECONDS(60), 2);
}

/* --- what other threads bring meanwhile ------------------------------------------------------ */

static int never(void *arg)
{
    say(&words, arg);
    return 0;
}

static void *ask_in_vain(void *hub)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = hub;
    o.shared = true;
    o.on_discard = discard;
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, same, "spawned", &g), -EOWNERDEAD);
    cress_timeout limit = { { 0 } };
    CHECK_EQ(cress_timeout_start(&limit, CRESS_SECONDS(1)), 0);
    CHECK_EQ(cress_call_on(hub, never, "called"), -EOWNERDEAD);
    CHECK(!cress_timeout_stop(&limit));
    return NULL;
}

static void *is_asked(void *arg)
{
    wait_to_be_killed();
    in_thread(ask_in_vain, arg);
    say(&words, "cleaned");
    return NULL;
}

static void new_work_of_other_threads_is_refused(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(is_asked, cress_hub_current()), 0);
    CHECK_EQ(cress_yield(), 0);
    end_takes(0, 0);
    CHECK_STR(words.text, "cleaned");
}

struct request {
    cress_hub *hub;
    cress_greenlet *g;
};

static void *spawn_there(void *arg)
{
    struct request *r = arg;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = r->hub;
    o.shared = true;
    o.on_discard = discard;
    CHECK_EQ(cress_spawn_with(&o, cleans_up, "discarded", &r->g), 0);
    return NULL;
}

static void *join_there(void *arg)
{
    CHECK_EQ(cress_join(arg, CRESS_FOREVER), -EOWNERDEAD);
    return NULL;
}

static void what_is_on_its_way_when_it_begins_is_killed_with_the_others(void **state)
{
    (void)state;
    struct request r = { cress_hub_current(), NULL };
    in_thread(spawn_there, &r);
    end_takes(0, 0);
    CHECK_STR(words.text, "discarded");
    in_thread(join_there, r.g);
    cress_unref(r.g);
}

static int double_it(void *arg)
{
    return 2 * *(int *)arg;
}

static void *sleep_some(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    return arg;
}

static void *called_elsewhere(void *hub)
{
    wait_to_be_killed();
    int n = 21;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = hub;
    o.shared = true;
    cress_greenlet *g;
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_call_on(hub, double_it, &n), 42);
    CHECK_EQ(cress_offload(double_it, &n), 42);
    CHECK_EQ(cress_spawn_with(&o, sleep_some, "value", &g), 0);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(5)), 0);
    CHECK_STR(cress_value(g), "value");
    cress_unref(g);
    CHECK_EQ(cress_shield_end(&shield), 0);
    say(&words, "cleaned");
    return NULL;
}

static int real_clock(void **state)
{
    begin(state);
    cress__clock_hook = NULL;
    cress__clock_pass = NULL;
    return 0;
}

static void answers_of_other_threads_come_in(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    CHECK_EQ(cress_go(called_elsewhere, s.hub), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(60)), 0);
    CHECK_STR(words.text, "cleaned");
    server_stop(&s);
}

/* --- after it -------------------------------------------------------------------------------- */

static atomic_int waits;
static struct held lent;
static _Atomic(cress_loop *) ending;

static bool count_waits(const char *what)
{
    bool wait = strcmp(what, "epoll_wait") == 0 || strcmp(what, "ppoll") == 0;
    if (wait && atomic_load(&ending) != NULL && loop_mine(atomic_load(&ending)))
        atomic_fetch_add(&waits, 1);
    return false;
}

static void *offloads(void *arg)
{
    CHECK_EQ(cress_offload(hold, arg), 42);
    return arg;
}

static void *let_go_later(void *arg)
{
    SOON(atomic_load(&waits) > 0);
    usleep(20000); /* if it does not sleep it waits many times meanwhile */
    held_let_go(arg);
    return NULL;
}

static void *post(void *hub)
{
    CHECK_EQ(cress_post_mt(hub, &node, posted, "posted"), 0);
    return NULL;
}

static void what_is_lent_is_waited_for_asleep_whatever_was_posted(void **state)
{
    (void)state;
    pthread_t thread;
    held_init(&lent);
    CHECK_EQ(cress_go(offloads, &lent), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&lent);
    in_thread(post, cress_hub_current());
    CHECK_EQ(pthread_create(&thread, NULL, let_go_later, &lent), 0);
    atomic_store(&waits, 0);
    atomic_store(&ending, cress_hub_loop(cress_hub_current()));
    cress__fault_hook = count_waits;
    CHECK_EQ(cress_hub_destroy(0), 1);
    cress__fault_hook = NULL;
    atomic_store(&ending, NULL);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_LE(atomic_load(&waits), 3);
    CHECK_STR(words.text, "");
}

/* --- fork ------------------------------------------------------------------------------------ */

static void *ask_in_child(void *hub)
{
    int n = 21;
    CHECK_EQ(cress_call_on(hub, double_it, &n), 42);
    return NULL;
}

/* Here nothing ends: who forked is main now, and its hub works for others. */
static void look_in_child(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_cancel_ack(), 0);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, ask_in_child, cress_hub_current()), 0);
    CHECK_EQ(cress_go(sleep_some, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    while (pthread_tryjoin_np(thread, NULL) != 0)
        CHECK_EQ(cress_sleep(CRESS_US(100)), 0);
    CHECK_EQ(cress_run(0), 0); /* nothing is left */
}

static void *forks(void *arg)
{
    wait_to_be_killed();
    in_child(look_in_child, NULL);
    say(&words, "cleaned");
    return arg;
}

static void in_a_child_process_nothing_ends(void **state)
{
    (void)state;
    needs_children();
    CHECK_EQ(cress_go(forks, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(60)), 0);
    CHECK_STR(words.text, "cleaned");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
#define TEST_IN_TIME(name) cmocka_unit_test_setup_teardown(name, real_clock, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(daemons_clean_up_like_all_others),
        TEST(a_daemon_that_waits_behind_a_shield_is_waited_for),
        TEST(who_goes_on_for_longer_is_abandoned),
        TEST(what_nobody_can_end_is_not_waited_for),
        TEST(what_is_thrown_at_main_does_not_cut_it_short),
        TEST(callbacks_run_while_somebody_has_it),
        TEST(without_anybody_they_do_not),
        TEST(who_cleans_up_can_have_it_done_by_another_one),
        TEST(what_stays_of_it_is_killed_when_they_have_ended),
        TEST(what_has_not_begun_then_is_discarded),
        TEST(who_always_spawns_more_has_no_more_time),
        TEST(new_work_of_other_threads_is_refused),
        TEST(what_is_on_its_way_when_it_begins_is_killed_with_the_others),
        TEST_IN_TIME(answers_of_other_threads_come_in),
        TEST_IN_TIME(what_is_lent_is_waited_for_asleep_whatever_was_posted),
        TEST_IN_TIME(in_a_child_process_nothing_ends),
    };
    return RUN_TESTS_APART(tests);
}
