/* Loops of several threads, and callbacks that other threads post. The clock is the real one. */
#include "hub/hub.h"
#include "loop/loop.h"

#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE CRESS_SECONDS(50) /* longer than anything takes; a lost wake-up ends here */

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    CHECK_EQ(pthread_create(thread, NULL, fn, arg), 0);
}

static void join(pthread_t thread)
{
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    start(&thread, fn, arg);
    join(thread);
}

/* --- calls of the wrong thread ---------------------------------------------------------------- */

static int no_op(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events, (void)arg;
    return 0;
}

struct foreign {
    cress_loop *loop;
    cress_watch_timer timer;
    cress_hub *hub;
};

static void *tries_foreign(void *arg)
{
    struct foreign *f = arg;
    cress_watch_timer t = { 0 };
    cress_watch_io io = { 0 };
    cress_callback callback = { 0 };
    CHECK_EQ(cress_watch_timer_init(&t, f->loop, 0, 0, no_op, NULL), -EXDEV);
    CHECK_EQ(cress_watch_io_init(&io, f->loop, 0, CRESS_IN, no_op, NULL), -EXDEV);
    CHECK_EQ(cress_watch_start(&f->timer.watch), -EXDEV);
    CHECK_EQ(cress_watch_stop(&f->timer.watch), -EXDEV);
    CHECK_EQ(cress_watch_feed(&f->timer.watch, 0), -EXDEV);
    CHECK_EQ(cress_watch_set_ref(&f->timer.watch, false), -EXDEV);
    CHECK_EQ(cress_watch_set_priority(&f->timer.watch, 1), -EXDEV);
    CHECK_EQ(cress_watch_timer_again(&f->timer, 0), -EXDEV);
    CHECK_EQ(cress_loop_run(f->loop, CRESS_RUN_NOWAIT), -EXDEV);
    CHECK_EQ(cress_loop_break(f->loop), -EXDEV);
    CHECK_EQ(cress_loop_free(f->loop), -EXDEV);
    CHECK_EQ(cress_loop_set_error_hook(f->loop, NULL, NULL), -EXDEV);
    CHECK_EQ(cress_hub_loop(f->hub), NULL);
    CHECK_EQ(cress_post(f->hub, &callback, (cress_callback_fn)NULL, NULL), -EINVAL);
    return NULL;
}

static void a_loop_is_its_threads(void **state)
{
    (void)state;
    struct foreign f = { 0 };
    CHECK_EQ(cress_loop_new(NULL, &f.loop), 0);
    CHECK_EQ(cress_hub_get(&f.hub), 0);
    CHECK_EQ(cress_watch_timer_init(&f.timer, f.loop, 0, 0, no_op, NULL), 0);
    in_thread(tries_foreign, &f);
    CHECK_EQ(cress_loop_free(f.loop), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

/* --- loops side by side ----------------------------------------------------------------------- */

struct busy_loop {
    cress_loop *loop;
    cress_watch_timer timer;
    cress_watch_io io;
    int fds[2], ticks, reads;
};

static int on_tick(cress_watch *watch, int events, void *arg)
{
    (void)events;
    struct busy_loop *b = arg;
    CHECK_EQ(write(b->fds[1], "x", 1), 1);
    if (++b->ticks == 200)
        CHECK_EQ(cress_watch_stop(watch), 0);
    return 0;
}

static int on_read(cress_watch *watch, int events, void *arg)
{
    struct busy_loop *b = arg;
    char c;
    CHECK_EQ(events, CRESS_IN);
    CHECK_EQ(read(b->fds[0], &c, 1), 1);
    if (++b->reads == 200)
        CHECK_EQ(cress_watch_stop(watch), 0);
    return 0;
}

static void *runs_a_loop(void *arg)
{
    struct busy_loop b = { 0 };
    CHECK_EQ(pipe(b.fds), 0);
    CHECK_EQ(cress_loop_new(NULL, &b.loop), 0);
    CHECK_EQ(cress_watch_timer_init(&b.timer, b.loop, 0, CRESS_US(50), on_tick, &b), 0);
    CHECK_EQ(cress_watch_io_init(&b.io, b.loop, b.fds[0], CRESS_IN, on_read, &b), 0);
    CHECK_EQ(cress_watch_start(&b.timer.watch), 0);
    CHECK_EQ(cress_watch_start(&b.io.watch), 0);
    CHECK_EQ(cress_loop_run(b.loop, CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(b.ticks, 200);
    CHECK_EQ(b.reads, 200);
    CHECK_EQ(cress_loop_free(b.loop), 0);
    /* A plain close: the numbers may come up in any of the threads next. */
    CHECK_EQ(cress_close(b.fds[0]), 0);
    CHECK_EQ(cress_close(b.fds[1]), 0);
    return arg;
}

static void loops_of_several_threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        start(&threads[i], runs_a_loop, NULL);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
}

/* --- callbacks from other threads ------------------------------------------------------------- */

enum { POSTERS = 3, POSTS = 10000, ALL = POSTERS * POSTS };

static cress_hub *hub;
static cress_coro *sleeper;
static int called[POSTERS];
static int called_in_all;

struct posted {
    cress_callback callback;
    int thread, number;
};

static struct posted posts[POSTERS][POSTS];

static int on_post(void *arg)
{
    const struct posted *p = arg;
    CHECK_EQ(p->number, called[p->thread]++); /* in the order of its thread */
    if (++called_in_all == ALL)
        CHECK_EQ(cress_unpark(sleeper), 0);
    return 0;
}

static void *posts_all(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < POSTS; i++) {
        posts[me][i] = (struct posted){ .thread = me, .number = i };
        CHECK_EQ(cress_post_mt(hub, &posts[me][i].callback, on_post, &posts[me][i]), 0);
        if (i % 100 == 0)
            sched_yield();
    }
    return NULL;
}

static uint64_t wakeups(void)
{
    cress_hub_counts counts = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(hub, &counts), 0);
    return counts.wakeups;
}

static void begin_hub(void)
{
    CHECK_EQ(cress_hub_get(&hub), 0);
    sleeper = cress_coro_current();
    memset(called, 0, sizeof called);
    called_in_all = 0;
}

static void posts_of_one_thread_keep_their_order_and_none_is_lost(void **state)
{
    (void)state;
    begin_hub();
    pthread_t threads[POSTERS];
    for (intptr_t i = 0; i < POSTERS; i++)
        start(&threads[i], posts_all, (void *)i);
    CHECK_EQ(cress_park(PATIENCE), 0);
    for (int i = 0; i < POSTERS; i++)
        join(threads[i]);
    CHECK_EQ(called_in_all, ALL);
    CHECK_LE(wakeups(), ALL);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void who_is_awake_is_not_woken(void **state)
{
    (void)state;
    begin_hub();
    for (intptr_t i = 0; i < POSTERS; i++)
        in_thread(posts_all, (void *)i); /* the hub stands in pthread_join(3) meanwhile */
    CHECK_EQ(wakeups(), 0);
    CHECK_EQ(called_in_all, 0);
    CHECK_EQ(cress_park(PATIENCE), 0);
    CHECK_EQ(called_in_all, ALL);
    CHECK_EQ(wakeups(), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static atomic_int rounds_seen;

static int on_round(void *arg)
{
    (void)arg;
    atomic_fetch_add(&rounds_seen, 1);
    return 0;
}

static int last_round(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_unpark(sleeper), 0);
    return 0;
}

/* Posts a pair each time that the hub sleeps, and waits until it has run. */
static void *posts_to_the_sleeping(void *arg)
{
    static cress_callback callbacks[2][20], last;
    for (int i = 0; i < 20; i++) {
        while (!atomic_load(&hub->loop.asleep))
            sched_yield();
        CHECK_EQ(cress_post_mt(hub, &callbacks[0][i], on_round, NULL), 0);
        CHECK_EQ(cress_post_mt(hub, &callbacks[1][i], on_round, NULL), 0);
        while (atomic_load(&rounds_seen) < 2 * i + 2)
            sched_yield();
    }
    CHECK_EQ(cress_post_mt(hub, &last, last_round, NULL), 0);
    return arg;
}

static void who_sleeps_is_woken_with_one_call(void **state)
{
    (void)state;
    begin_hub();
    atomic_store(&rounds_seen, 0);
    pthread_t thread;
    start(&thread, posts_to_the_sleeping, NULL);
    CHECK_EQ(cress_park(PATIENCE), 0);
    join(thread);
    CHECK_EQ(atomic_load(&rounds_seen), 40);
    CHECK_GE(wakeups(), 20);
    CHECK_LE(wakeups(), 41);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

/* --- a post at the very moment ---------------------------------------------------------------- */

enum { MOMENTS = 100000 };

static atomic_int moment, later; /* by so much the post; negative: the hub */

static void let_pass(int delay)
{
    for (volatile int n = 0; n < delay; n++)
        continue;
}

/* Every other time the hub sleeps already: so a processor that lets the hub look before it is seen
 * to have said that it sleeps is found out. */
static void *posts_at_the_moment(void *arg)
{
    cress_callback *callback = arg;
    for (int i = 1; i <= MOMENTS; i++) {
        for (int looks = 0; atomic_load(&moment) < i; looks++)
            if (looks > 100000) /* there may be but one processor */
                sched_yield();
        let_pass(atomic_load(&later));
        uint64_t before = atomic_load(&hub->loop.wakeups);
        CHECK_EQ(cress_post_mt(hub, callback, last_round, NULL), 0);
        bool slept = atomic_load(&hub->loop.wakeups) != before;
        atomic_fetch_add(&later, slept ? -1 : 1);
    }
    return NULL;
}

static void a_post_just_when_a_loop_goes_to_sleep_wakes_it(void **state)
{
    (void)state;
    begin_hub();
    atomic_store(&moment, 0);
    atomic_store(&later, 0);
    cress_callback callback = { 0 };
    pthread_t thread;
    start(&thread, posts_at_the_moment, &callback);
    for (int i = 1; i <= MOMENTS; i++) {
        atomic_store(&moment, i);
        let_pass(-atomic_load(&later));
        CHECK_EQ(cress_park(CRESS_SECONDS(10)), 0);
    }
    join(thread);
    printf("        the hub slept in %" PRIu64 " of %d moments\n", wakeups(), MOMENTS);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

/* --- two hubs that throw a ball to each other ------------------------------------------------- */

enum { ROUNDS = 10000 };

struct side {
    _Atomic(cress_hub *) hub;
    cress_coro *waits;
    struct side *peer;
    cress_callback callback;
    int caught;
    atomic_bool over;
};

static struct side sides[2];

static int on_ball(void *arg)
{
    struct side *s = arg;
    s->caught++;
    CHECK_EQ(cress_unpark(s->waits), 0);
    return 0;
}

static void *plays(void *arg)
{
    struct side *s = arg;
    cress_hub *mine;
    CHECK_EQ(cress_hub_get(&mine), 0);
    s->waits = cress_coro_current();
    atomic_store(&s->hub, mine);
    while (atomic_load(&s->peer->hub) == NULL)
        sched_yield();
    bool first = s == &sides[0];
    for (int i = 0; i < ROUNDS; i++) {
        if (!first || i > 0) {
            CHECK_EQ(cress_park(PATIENCE), 0);
            CHECK_EQ(s->caught, first ? i : i + 1);
        }
        CHECK_EQ(cress_post_mt(atomic_load(&s->peer->hub), &s->peer->callback, on_ball, s->peer),
                 0);
    }
    if (first)
        CHECK_EQ(cress_park(PATIENCE), 0);
    atomic_store(&s->over, true);
    while (!atomic_load(&s->peer->over)) /* its last post may still look at this hub */
        sched_yield();
    CHECK_EQ(cress_hub_destroy(0), 0);
    return NULL;
}

static void ten_thousand_rounds_between_two_hubs_lose_no_wake_up(void **state)
{
    (void)state;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        sides[i].peer = &sides[1 - i];
    for (int i = 0; i < 2; i++)
        start(&threads[i], plays, &sides[i]);
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    CHECK_EQ(sides[0].caught, ROUNDS);
    CHECK_EQ(sides[1].caught, ROUNDS);
}

/* --- the states of a callback ----------------------------------------------------------------- */

static int calls;

static int count_call(void *arg)
{
    calls++;
    return arg == NULL ? 0 : -EIO;
}

static void a_callback_is_posted_once_until_it_runs(void **state)
{
    (void)state;
    begin_hub();
    cress_callback c = { 0 };
    CHECK_EQ(cress_unpost(&c), -ENOENT);
    CHECK_EQ(cress_post_mt(hub, &c, count_call, NULL), 0);
    CHECK_EQ(cress_post_mt(hub, &c, count_call, NULL), -EALREADY);
    CHECK_EQ(cress_post(NULL, &c, count_call, NULL), -EALREADY);
    CHECK_EQ(cress_unpost(&c), -ENOENT); /* under way: not to be taken back */
    CHECK_EQ(cress_run(0) <= 0, true);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(calls, 1);
    CHECK_EQ(cress_post(hub, &c, count_call, NULL), 0);
    CHECK_EQ(cress_post_mt(hub, &c, count_call, NULL), -EALREADY);
    CHECK_EQ(cress_unpost(&c), 0);
    CHECK_EQ(cress_unpost(&c), -ENOENT);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(calls, 1);
    CHECK_EQ(cress_post_mt(NULL, &c, count_call, NULL), -EINVAL);
    CHECK_EQ(cress_post_mt(hub, NULL, count_call, NULL), -EINVAL);
    CHECK_EQ(cress_post_mt(hub, &c, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_unpost(NULL), -ENOENT);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_is_its_threads),
        cmocka_unit_test(loops_of_several_threads_do_not_disturb_each_other),
        cmocka_unit_test(posts_of_one_thread_keep_their_order_and_none_is_lost),
        cmocka_unit_test(who_is_awake_is_not_woken),
        cmocka_unit_test(who_sleeps_is_woken_with_one_call),
        cmocka_unit_test(a_post_just_when_a_loop_goes_to_sleep_wakes_it),
        cmocka_unit_test(ten_thousand_rounds_between_two_hubs_lose_no_wake_up),
        cmocka_unit_test(a_callback_is_posted_once_until_it_runs),
    };
    /* What a thread keeps until it ends is nobody's leak: its record, the first stacks. */
    cress_callback c = { 0 };
    CHECK_EQ(cress_post(NULL, &c, count_call, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    calls = 0;
    return RUN_TESTS(tests);
}
