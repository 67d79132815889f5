/* cress_run(), the deadlock, daemons, and the end of a hub. */
#include "support/test.h"
#include "support/fds.h"
#include "hub/apart.h"
#include "base/alloc.h"
#include "hub/begin.h"

#include <errno.h>
#include <unistd.h>

/* For tests that leave something blocked on purpose: abandoned, in a thread of no more use. */
static int end(void **state)
{
    CHECK_GE(cress_hub_destroy(0), 0);
    return clock_end(state);
}

static void *sleep_for(void *arg)
{
    CHECK_EQ(cress_sleep(*(cress_time *)arg), 0);
    say(&words, "slept");
    return NULL;
}

static void *park_for_ever(void *arg)
{
    say(&words, "parks");
    int error = cress_park(CRESS_FOREVER);
    CHECK_EQ(error, 0);
    say(&words, "unparked");
    return arg;
}

static void *yield_for_ever(void *arg)
{
    for (;;) {
        ++*(int *)arg;
        CHECK_EQ(cress_yield(), 0);
    }
    return NULL;
}

static void *sleep_for_ever(void *arg)
{
    for (;;) {
        ++*(int *)arg;
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    }
    return NULL;
}

static void go_named(const char *name, cress_fn fn, void *arg, bool daemon)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.name = name;
    o.daemon = daemon;
    CHECK_EQ(cress_spawn_with(&o, fn, arg, NULL), 0);
}

/* --- run ------------------------------------------------------------------------------------- */

static void run_returns_when_nothing_is_left(void **state)
{
    (void)state;
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    cress_time d = CRESS_MS(10);
    cress_time start = clock_time;
    CHECK_EQ(cress_go(sleep_for, &d), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "slept");
    CHECK_GE(clock_time - start, d);
    CHECK_EQ(cress_go(sleep_for, &d), 0); /* and again */
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "slept slept");
    CHECK_EQ(told.count, 0);
}

static void run_says_how_many_are_blocked_for_ever(void **state)
{
    (void)state;
    cress_greenlet *a = cress_spawn(park_for_ever, NULL);
    CHECK_EQ(cress_go(park_for_ever, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 2);
    CHECK_EQ(cress_run(CRESS_FOREVER), 2);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(a)), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 1);
    CHECK(cress_ready(a));
    CHECK_EQ(told.count, 0); /* it is the result that says so */
    cress_unref(a);
}

static void run_keeps_to_its_timeout(void **state)
{
    (void)state;
    cress_time d = CRESS_MS(100), start = clock_time;
    CHECK_EQ(cress_go(sleep_for, &d), 0);
    CHECK_EQ(cress_run(CRESS_MS(10)), -ETIMEDOUT);
    CHECK_GE(clock_time - start, CRESS_MS(10));
    CHECK_LT(clock_time - start, CRESS_MS(100));
    CHECK_EQ(cress_run(0), -EAGAIN);
    CHECK_EQ(cress_run(-1), -EINVAL);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(0), 0);
}

static void the_timer_of_run_keeps_nothing_going(void **state)
{
    (void)state;
    cress_time start = clock_time;
    CHECK_EQ(cress_run(CRESS_SECONDS(10)), 0);
    CHECK_EQ(cress_go(park_for_ever, NULL), 0);
    CHECK_EQ(cress_run(CRESS_SECONDS(10)), 1); /* blocked for ever, not for ten seconds */
    CHECK_EQ(clock_time, start);
}

static int count_watch(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    ++*(int *)arg;
    return 0;
}

static void run_waits_for_referenced_timers(void **state)
{
    (void)state;
    int fired = 0, unref_fired = 0;
    cress_watch_timer timer = { 0 }, unref = { 0 };
    cress_loop *loop = cress_hub_loop(cress_hub_current());
    CHECK_EQ(cress_watch_timer_init(&timer, loop, CRESS_MS(5), 0, count_watch, &fired), 0);
    CHECK_EQ(cress_watch_timer_init(&unref, loop, CRESS_MS(9), 0, count_watch, &unref_fired), 0);
    CHECK_EQ(cress_watch_start(&timer.watch), 0);
    CHECK_EQ(cress_watch_start(&unref.watch), 0);
    CHECK_EQ(cress_watch_set_ref(&unref.watch, false), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(fired, 1);
    CHECK_EQ(unref_fired, 0);
    CHECK_EQ(cress_watch_stop(&unref.watch), 0);
}

static void *try_to_run(void *arg)
{
    *(int *)arg = cress_run(CRESS_FOREVER);
    return NULL;
}

static void only_main_may_run_the_others(void **state)
{
    (void)state;
    int result = 0;
    CHECK_EQ(cress_go(try_to_run, &result), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(result, -EPERM);
}

static int spawn_in_callback(void *arg)
{
    CHECK_EQ(cress_go(sleep_for, arg), 0);
    return 0;
}

static cress_callback late_node;

static void *post_and_end(void *arg)
{
    CHECK_EQ(cress_post(NULL, &late_node, spawn_in_callback, arg), 0);
    return NULL;
}

static void run_goes_on_for_what_a_callback_spawns_at_the_end(void **state)
{
    (void)state;
    cress_time d = CRESS_MS(1);
    CHECK_EQ(cress_go(post_and_end, &d), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "slept");
}

static int chain(void *arg)
{
    int *left = arg;
    if (--*left > 0)
        CHECK_EQ(cress_post(NULL, &late_node, chain, arg), 0);
    return 0;
}

static void run_goes_on_for_callbacks(void **state)
{
    (void)state;
    int left = 1000;
    CHECK_EQ(cress_post(NULL, &late_node, chain, &left), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(left, 0);
}

/* --- daemons --------------------------------------------------------------------------------- */

static void daemons_do_not_keep_run_going(void **state)
{
    (void)state;
    int yields = 0, sleeps = 0;
    cress_time d = CRESS_MS(5);
    go_named("sleeper", sleep_for_ever, &sleeps, true);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0); /* nothing but a daemon */
    go_named("yielder", yield_for_ever, &yields, true);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0); /* one that is always ready */
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(0), 0);
    cress__clock_hook = NULL; /* with one that is always ready time must pass by itself */
    cress__clock_pass = NULL;
    CHECK_EQ(cress_go(sleep_for, &d), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "slept");
    CHECK_GT(yields, 0);
}

static void a_watcher_may_be_the_last_beside_a_busy_daemon(void **state)
{
    (void)state;
    cress__clock_hook = NULL;
    cress__clock_pass = NULL;
    int yields = 0, fired = 0;
    go_named("yielder", yield_for_ever, &yields, true);
    cress_watch_timer timer = { 0 };
    CHECK_EQ(cress_watch_timer_init(&timer, cress_hub_loop(cress_hub_current()), CRESS_MS(2), 0,
                                    count_watch, &fired),
             0);
    CHECK_EQ(cress_watch_start(&timer.watch), 0);
    CHECK_EQ(cress_run(CRESS_SECONDS(20)), 0);
    CHECK_EQ(fired, 1);
}

static void daemons_do_not_count_against_a_deadlock(void **state)
{
    (void)state;
    int sleeps = 0;
    go_named("daemon", sleep_for_ever, &sleeps, true);
    go_named("parked daemon", park_for_ever, NULL, true);
    CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(told.count, 1); /* main alone is named */
    CHECK_STR(told.lines[0].name, "main");
}

/* --- deadlock -------------------------------------------------------------------------------- */

static void *join_it(void *arg)
{
    CHECK_EQ(cress_join(arg, CRESS_FOREVER), 0);
    say(&words, "joined");
    return NULL;
}

static void a_deadlock_names_everyone_and_what_for(void **state)
{
    (void)state;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.name = "anna";
    cress_greenlet *anna;
    CHECK_EQ(cress_spawn_with(&o, park_for_ever, NULL, &anna), 0);
    go_named("berta", join_it, anna, false);
    cress_greenlet *nameless = cress_spawn(park_for_ever, NULL);
    CHECK_EQ(cress_join(anna, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(told.count, 4);
    for (int i = 0; i < told.count; i++)
        CHECK_EQ(told.lines[i].error, -EDEADLK);
    CHECK_STR(told.lines[0].name, "main");
    CHECK_STR(told.lines[0].context, "deadlock: waits for ever, joining greenlet anna");
    int seen = 0;
    for (int i = 1; i < told.count; i++) {
        if (told.lines[i].greenlet == anna) {
            CHECK_STR(told.lines[i].context, "deadlock: waits for ever, parked");
            seen |= 1;
        } else if (strcmp(told.lines[i].name, "berta") == 0) {
            CHECK_STR(told.lines[i].context, "deadlock: waits for ever, joining greenlet anna");
            seen |= 2;
        } else {
            CHECK(told.lines[i].greenlet == nameless);
            seen |= 4;
        }
    }
    CHECK_EQ(seen, 7);

    /* The program goes on: main wakes them itself. */
    CHECK_EQ(cress_unpark(cress_greenlet_coro(anna)), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(nameless)), 0);
    CHECK_EQ(cress_join(anna, CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "parks parks unparked unparked joined");
    cress_unref(anna);
    cress_unref(nameless);
}

static void main_alone_cannot_wait_for_ever(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(told.count, 4);
    CHECK_STR(told.lines[3].context, "deadlock: waits for ever, sleeping");
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
}

static void who_waits_for_a_time_or_an_fd_is_no_deadlock(void **state)
{
    (void)state;
    cress_time d = CRESS_MS(3);
    cress_greenlet *g = cress_spawn(sleep_for, &d);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_EQ(cress_park(CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(told.count, 0);
}

static void *unpark_main(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_unpark(cress_coro_native()), 0);
    return NULL;
}

static void an_end_can_be_followed_by_a_beginning(void **state)
{
    (void)state;
    CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_go(unpark_main, NULL), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
}

/* --- who waits ------------------------------------------------------------------------------- */

static int write_down(const cress_blocked *b, void *arg)
{
    char text[100];
    snprintf(text, sizeof text, "[%s %s%s]", b->greenlet != NULL ? cress_name(b->greenlet) : "raw",
             b->what, b->target != NULL ? cress_name(b->target) : "");
    CHECK(b->coro != NULL);
    CHECK(b->greenlet == NULL || cress_greenlet_coro(b->greenlet) == b->coro);
    say(&words, text);
    return *(int *)arg;
}

static void *look_around(void *arg)
{
    int go_on = 0, enough = 7;
    words = (struct words){ 0 };
    CHECK_EQ(cress_hub_blocked(cress_hub_current(), write_down, &go_on), 0);
    CHECK(strncmp(words.text, "[main joiningme] ", 17) == 0);
    CHECK(strstr(words.text, "[anna parked]") != NULL); /* greenlets in no order */
    CHECK(strstr(words.text, "[berta joininganna]") != NULL);
    CHECK_STR(words.text + strlen(words.text) - 12, "[raw parked]");
    CHECK_EQ(cress_hub_blocked(cress_hub_current(), write_down, &enough), 7);
    CHECK_EQ(cress_hub_blocked(NULL, write_down, &enough), -EINVAL);
    CHECK_EQ(cress_hub_blocked(cress_hub_current(), NULL, &enough), -EINVAL);
    return arg;
}

static void *raw_parks(void *arg, void *value)
{
    (void)value;
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    return arg;
}

static void *start_raw(void *arg)
{
    cress_coro **raw = arg; /* we are its parent, and go on after it */
    CHECK_EQ(cress_coro_new(NULL, raw_parks, NULL, raw), 0);
    CHECK_EQ(cress_coro_switch(*raw, NULL, NULL), 0);
    return arg;
}

static void all_who_wait_can_be_gone_through(void **state)
{
    (void)state;
    cress_greenlet *anna = cress_spawn(park_for_ever, NULL), *berta = cress_spawn(join_it, anna);
    cress_coro *raw;
    CHECK_EQ(cress_set_name(anna, "anna"), 0);
    CHECK_EQ(cress_set_name(berta, "berta"), 0);
    CHECK_EQ(cress_go(start_raw, &raw), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    cress_greenlet *me = cress_spawn(look_around, NULL);
    CHECK_EQ(cress_set_name(me, "me"), 0);
    CHECK_EQ(cress_join(me, CRESS_FOREVER), 0);
    CHECK_EQ(cress_unpark(raw), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(anna)), 0);
    CHECK_EQ(cress_join(berta, CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_coro_free(raw), 0);
    cress_unref(anna);
    cress_unref(berta);
    cress_unref(me);
}

/* --- the end of a hub ------------------------------------------------------------------------ */

static int discards;

static void discard(void *arg)
{
    CHECK_STR(arg, "arg");
    discards++;
}

static void destroy_discards_what_never_ran_and_names_what_waits(void **state)
{
    (void)state;
    discards = 0;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.on_discard = discard;
    cress_greenlet *later, *waits;
    o.delay = CRESS_SECONDS(1);
    CHECK_EQ(cress_spawn_with(&o, park_for_ever, "arg", &later), 0);
    o.delay = 0;
    o.name = "waits";
    CHECK_EQ(cress_spawn_with(&o, park_for_ever, "not discarded", &waits), 0);
    CHECK_EQ(cress_yield(), 0);
    o.name = "new";
    CHECK_EQ(cress_spawn_with(&o, park_for_ever, "arg", NULL), 0);
    CHECK_EQ(cress_hub_destroy(-1), -EINVAL);
    CHECK_EQ(cress_hub_destroy(0), 1);
    CHECK_EQ(discards, 2);
    CHECK_EQ(told.count, 1);
    CHECK_STR(told.lines[0].name, "waits");
    CHECK_EQ(told.lines[0].error, -ECANCELED);
    CHECK_EQ(cress_outcome(waits), CRESS_KILLED);
    CHECK_EQ(cress_outcome(later), CRESS_KILLED);
    CHECK_EQ(cress_error(waits), -ECANCELED);
    void *value = waits;
    int error = 0;
    CHECK_EQ(cress_get(later, CRESS_FOREVER, &value, &error), 0);
    CHECK_EQ(error, -ECANCELED);
    CHECK(value == NULL);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(waits)), -ESRCH);
    CHECK(cress_hub_current() == NULL);
    CHECK_EQ(cress_hub_destroy(0), 0); /* there is none */
    cress_unref(later);
    cress_unref(waits);
}

static void *clean_up_for(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(*(cress_time *)arg), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    say(&words, "cleaned");
    return NULL;
}

static void destroy_kills_and_gives_grace(void **state)
{
    (void)state;
    cress_time soon = CRESS_MS(10), late = CRESS_SECONDS(10);
    CHECK_EQ(cress_go(clean_up_for, &soon), 0);
    go_named("daemon", clean_up_for, &soon, true);
    go_named("late", clean_up_for, &late, false);
    CHECK_EQ(cress_yield(), 0); /* or they would be discarded */
    CHECK_EQ(cress_hub_destroy(CRESS_MS(100)), 1);
    CHECK_STR(words.text, "cleaned cleaned");
    CHECK_EQ(told.count, 1);
    CHECK_STR(told.lines[0].name, "late");
}

static int count_up(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    ++*(int *)arg;
    return 0;
}

static void destroy_stops_watchers_before_it_gives_grace(void **state)
{
    (void)state;
    cress_time soon = CRESS_MS(10), begun = clock_time;
    cress_hub *hub;
    cress_watch_timer ticks = { 0 };
    int count = 0;
    CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(cress_watch_timer_init(&ticks, cress_hub_loop(hub), CRESS_MS(1), CRESS_MS(1), count_up,
                                    &count),
             0);
    CHECK_EQ(cress_watch_start(&ticks.watch), 0);
    CHECK_EQ(cress_go(clean_up_for, &soon), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(100)), 0);
    CHECK_EQ(clock_time - begun, soon); /* nor do they use it up */
    CHECK_EQ(count, 0);
    CHECK(!cress_watch_active(&ticks.watch));
}

static void *try_to_destroy(void *arg)
{
    *(int *)arg = cress_hub_destroy(0);
    return NULL;
}

static int destroy_in_callback(void *arg)
{
    *(int *)arg = cress_hub_destroy(0);
    return 0;
}

static void only_main_may_destroy_it(void **state)
{
    (void)state;
    int in_greenlet = 0, in_callback = 0;
    cress_callback node = { 0 };
    CHECK_EQ(cress_go(try_to_destroy, &in_greenlet), 0);
    CHECK_EQ(cress_post(NULL, &node, destroy_in_callback, &in_callback), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(in_greenlet, -EPERM);
    CHECK_EQ(in_callback, -EPERM);
}

static void abandoned_ones_that_wait_for_each_other_harm_nobody(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    cress_greenlet *target = cress_spawn(park_for_ever, NULL);
    CHECK_EQ(cress_go(join_it, target), 0);
    CHECK_EQ(cress_go(join_it, target), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(0), 3);
    CHECK_EQ(cress_outcome(target), CRESS_KILLED);
    cress_unref(target);
    close(fds[0]);
    close(fds[1]);
}

static void a_hundred_hubs_leave_nothing(void **state)
{
    (void)state;
    cress_time d = CRESS_MS(1);
    CHECK_EQ(cress_go(sleep_for, &d), 0); /* the thread has a slab of stacks now, and keeps it */
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    struct fds before;
    size_t blocks = cress__alloc_live();
    fds_mark(&before);
    for (int i = 0; i < 100; i++) {
        cress_hub *hub = NULL;
        CHECK_EQ(cress_hub_get(&hub), 0);
        CHECK(hub != NULL && hub == cress_hub_current());
        CHECK_EQ(cress_go(sleep_for, &d), 0);
        CHECK_EQ(cress_run(CRESS_FOREVER), 0);
        words = (struct words){ 0 };
        CHECK_EQ(cress_hub_destroy(0), 0);
        CHECK(cress_hub_current() == NULL);
    }
    CHECK_EQ(cress_hub_get(NULL), -EINVAL);
    CHECK_EQ(fds_leaked(&before), 0);
    CHECK_EQ(cress__alloc_live(), blocks);
}

/* --- figures --------------------------------------------------------------------------------- */

static cress_hub_counts counts(void)
{
    cress_hub_counts c = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &c), 0);
    return c;
}

static void *yield_ten_times(void *arg)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ(cress_yield(), 0);
    return arg;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void the_counters_count(void **state)
{
    (void)state;
    cress_hub_counts a = counts();
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0); /* its own wake-up: no switch */
    for (int i = 0; i < 300; i++)
        CHECK_EQ(cress_yield(), 0); /* nobody else: none either */
    cress_hub_counts b = counts();
    CHECK_EQ(b.switches, a.switches);
    CHECK_EQ(b.spawns, a.spawns);
    CHECK_GT(b.polls, a.polls);

    CHECK_EQ(cress_go(yield_ten_times, NULL), 0);
    CHECK_EQ(cress_go(park_for_ever, NULL), 0);
    CHECK_EQ(counts().greenlets, 2);
    CHECK_EQ(counts().blocked, 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(counts().blocked, 1);
    CHECK_EQ(cress_run(CRESS_FOREVER), 1);
    cress_hub_counts c = counts();
    CHECK_EQ(c.spawns, b.spawns + 2);
    CHECK_EQ(c.greenlets, 1);
    /* Each of the first yields is with main or the other one ready, the later ones are alone: to
     * the first, to the second, to main; to the first; to main at its end. */
    CHECK_EQ(c.switches, b.switches + 5);

    enum { N = 300 };
    static cress_callback nodes[N];
    for (int i = 0; i < N; i++)
        CHECK_EQ(cress_post(NULL, &nodes[i], do_nothing, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    cress_hub_counts d = counts();
    CHECK_EQ(d.callbacks, c.callbacks + N);
    CHECK_EQ(d.switches, c.switches + 2); /* to the service greenlet and back */
    CHECK_EQ(d.wakeups, 0);

    cress_hub_counts bad = { 0 };
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &bad), -EINVAL);
    CHECK_EQ(cress_hub_stats(NULL, &d), -EINVAL);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), NULL), -EINVAL);
    bad.size = offsetof(cress_hub_counts, callbacks);
    bad.callbacks = 77;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &bad), 0);
    CHECK_EQ(bad.switches, d.switches);
    CHECK_EQ(bad.callbacks, 77); /* an older program's structure ends there */
}

static int before_count, after_count, after_says;

static void before(cress_hub *hub, cress_time timeout, void *arg)
{
    CHECK(hub == cress_hub_current());
    CHECK_GE(timeout, 0);
    CHECK_STR(arg, "arg");
    CHECK_EQ(before_count, after_count);
    before_count++;
}

static int after(cress_hub *hub, void *arg)
{
    (void)hub, (void)arg;
    after_count++;
    return after_says;
}

static void poll_hooks_surround_each_look(void **state)
{
    (void)state;
    static const cress_poll_hooks hooks = { before, after };
    static const cress_poll_hooks half = { before, NULL };
    cress_hub *hub = cress_hub_current();
    CHECK_EQ(cress_hub_set_poll_hooks(hub, &half, NULL), -EINVAL);
    CHECK_EQ(cress_hub_set_poll_hooks(NULL, &hooks, NULL), -EINVAL);
    CHECK_EQ(cress_hub_set_poll_hooks(hub, &hooks, "arg"), 0);
    uint64_t polls = counts().polls, callbacks = counts().callbacks;
    before_count = after_count = after_says = 0;
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_GT(before_count, 0);
    CHECK_EQ(before_count, after_count);
    CHECK_EQ(counts().polls, polls + (uint64_t)before_count);
    CHECK_EQ(counts().callbacks, callbacks);
    after_says = 1; /* the service greenlet comes first */
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_GT(counts().callbacks, callbacks);
    CHECK_EQ(cress_hub_set_poll_hooks(hub, NULL, NULL), 0);
    int seen = before_count;
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(before_count, seen);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(run_returns_when_nothing_is_left),
        TEST(run_says_how_many_are_blocked_for_ever),
        TEST(run_keeps_to_its_timeout),
        TEST(the_timer_of_run_keeps_nothing_going),
        TEST(run_waits_for_referenced_timers),
        TEST(only_main_may_run_the_others),
        TEST(run_goes_on_for_what_a_callback_spawns_at_the_end),
        TEST(run_goes_on_for_callbacks),
        TEST(daemons_do_not_keep_run_going),
        TEST(a_watcher_may_be_the_last_beside_a_busy_daemon),
        TEST(daemons_do_not_count_against_a_deadlock),
        TEST(a_deadlock_names_everyone_and_what_for),
        TEST(main_alone_cannot_wait_for_ever),
        TEST(who_waits_for_a_time_or_an_fd_is_no_deadlock),
        TEST(an_end_can_be_followed_by_a_beginning),
        TEST(all_who_wait_can_be_gone_through),
        TEST(destroy_discards_what_never_ran_and_names_what_waits),
        TEST(destroy_kills_and_gives_grace),
        TEST(destroy_stops_watchers_before_it_gives_grace),
        TEST(only_main_may_destroy_it),
        TEST(abandoned_ones_that_wait_for_each_other_harm_nobody),
        TEST(a_hundred_hubs_leave_nothing),
        TEST(the_counters_count),
        TEST(poll_hooks_surround_each_look),
    };
    return RUN_TESTS_APART(tests);
}
