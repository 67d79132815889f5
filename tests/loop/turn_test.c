/* The order of a turn: prepare, events, check, timers, idle; and what a foreign loop sees of ours.
 * */
#include "loop/clock.h"
#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static cress_loop *loop;
static char told[64];
static int fds[2];

struct one {
    union {
        cress_watch watch; /* first */
        cress_watch_io io;
        cress_watch_timer timer;
        cress_watch_async async;
        cress_watch_idle idle;
        cress_watch_prepare prepare;
        cress_watch_check check;
    };
    char letter;
    void (*then)(struct one *one);
};

static struct one prepare, io, check, timer, idle;

static int tell(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    struct one *one = arg;
    size_t n = strlen(told);
    CHECK_LT(n + 1, sizeof told);
    told[n] = one->letter;
    if (one->then != NULL)
        one->then(one);
    return 0;
}

static void init_all(void)
{
    prepare = (struct one){ .letter = 'p' };
    io = (struct one){ .letter = 'e' };
    check = (struct one){ .letter = 'c' };
    timer = (struct one){ .letter = 't' };
    idle = (struct one){ .letter = 'i' };
    CHECK_EQ(cress_watch_prepare_init(&prepare.prepare, loop, tell, &prepare), 0);
    CHECK_EQ(cress_watch_io_init(&io.io, loop, fds[0], CRESS_IN, tell, &io), 0);
    CHECK_EQ(cress_watch_check_init(&check.check, loop, tell, &check), 0);
    CHECK_EQ(cress_watch_timer_init(&timer.timer, loop, 0, CRESS_MS(10), tell, &timer), 0);
    CHECK_EQ(cress_watch_idle_init(&idle.idle, loop, tell, &idle), 0);
}

static int with_loop(void **state)
{
    (void)state;
    clock_take_over();
    memset(told, 0, sizeof told);
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(cress_loop_new(NULL, &loop), 0);
    init_all();
    return 0;
}

static int without_loop(void **state)
{
    (void)state;
    CHECK_EQ(cress_loop_free(loop), 0);
    close(fds[0]);
    close(fds[1]);
    clock_give_back();
    return 0;
}

static void start(struct one *one)
{
    CHECK_EQ(cress_watch_start(&one->watch), 0);
}

static void stop(struct one *one)
{
    CHECK_EQ(cress_watch_stop(&one->watch), 0);
}

static void start_all(void)
{
    struct one *all[] = { &idle, &timer, &check, &io, &prepare }; /* the other way round */
    for (int i = 0; i < 5; i++)
        start(all[i]);
}

static int run(cress_run_mode mode)
{
    memset(told, 0, sizeof told);
    return cress_loop_run(loop, mode);
}

static void put(void)
{
    CHECK_EQ(write(fds[1], "x", 1), 1);
}

static void prepare_events_check_timers(void **state)
{
    (void)state;
    put();
    start_all();
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "pect");
}

static void priorities_hold_between_kinds(void **state)
{
    (void)state;
    put();
    CHECK_EQ(cress_watch_set_priority(&check.watch, -1), 0);
    CHECK_EQ(cress_watch_set_priority(&timer.watch, 2), 0);
    struct one second = { .letter = 'P' };
    CHECK_EQ(cress_watch_prepare_init(&second.prepare, loop, tell, &second), 0);
    CHECK_EQ(cress_watch_set_priority(&second.watch, 1), 0);
    start_all();
    start(&second);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "Pptec");
    stop(&second);
}

static void idle_watchers_are_called_when_there_is_nothing_else(void **state)
{
    (void)state;
    start_all();
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "pct"); /* the timer is something else */
    cress_time before = clock_now;
    for (int i = 0; i < 3; i++) {
        CHECK_GT(run(CRESS_RUN_ONCE), 0);
        CHECK_STR(told, "pci"); /* prepare and check are not */
    }
    CHECK_EQ(clock_now, before); /* and nobody waits */
    put();
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "pec");
    stop(&idle);
    stop(&io);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "pct");
    CHECK_GT(clock_now, before);
}

static void start_io(struct one *one)
{
    start(&io);
    stop(one);
}

static void what_a_prepare_watcher_starts_takes_part_in_the_turn(void **state)
{
    (void)state;
    put();
    prepare.then = start_io;
    start(&prepare);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "pe");
    /* An idle watcher too: so the loop does not wait. */
    stop(&io);
    prepare.then = NULL;
    start(&timer);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "t");
}

static void break_now(struct one *one)
{
    (void)one;
    CHECK_EQ(cress_loop_break(loop), 0);
}

static void break_in_a_prepare_watcher_looks_for_nothing(void **state)
{
    (void)state;
    put();
    prepare.then = break_now;
    start_all();
    uint64_t polls = loop->polls;
    CHECK_GT(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "p");
    CHECK_EQ(loop->polls, polls);
    prepare.then = NULL;
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "pect");
}

static void what_is_ready_already_comes_after_prepare_and_is_not_waited_for(void **state)
{
    (void)state;
    start(&prepare);
    start(&timer);
    start(&io);
    CHECK_EQ(cress_watch_feed(&io.watch, CRESS_IN), 0);
    cress_time before = clock_now;
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "pet");
    CHECK_EQ(clock_now, before);
}

static int beats;

static int beat(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events, (void)arg;
    beats++;
    return 0;
}

/* Prepare, check and idle watchers on a hub: greenlets sleep and wake as if they were not there. */
static void a_hub_calls_them_and_its_greenlets_do_not_starve(void **state)
{
    (void)state;
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    cress_loop *l = cress_hub_loop(hub);
    cress_watch_prepare p = { 0 };
    cress_watch_check c = { 0 };
    cress_watch_idle i = { 0 };
    int prepares = 0, checks = 0;
    beats = 0;
    CHECK_EQ(cress_watch_prepare_init(&p, l, beat, NULL), 0);
    CHECK_EQ(cress_watch_check_init(&c, l, beat, NULL), 0);
    CHECK_EQ(cress_watch_start(&p.watch), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(10)), 0);
    prepares = beats;
    CHECK_GE(prepares, 1);
    CHECK_LE(prepares, 10); /* once a turn, and a sleep takes few */
    CHECK_EQ(cress_watch_stop(&p.watch), 0);
    CHECK_EQ(cress_watch_start(&c.watch), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(10)), 0);
    CHECK_EQ(cress_yield(), 0); /* who sleeps is woken first, then watchers are called */
    checks = beats - prepares;
    CHECK_GE(checks, 1);
    CHECK_LE(checks, 10);
    CHECK_EQ(cress_watch_stop(&c.watch), 0);
    CHECK_EQ(cress_watch_idle_init(&i, l, beat, NULL), 0);
    CHECK_EQ(cress_watch_start(&i.watch), 0);
    cress__clock_hook = NULL; /* while one is active nobody waits, so time has to pass by itself */
    cress__clock_pass = NULL;
    beats = 0;
    CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
    CHECK_GE(beats, 10);
    CHECK_EQ(cress_watch_stop(&i.watch), 0);
    clock_take_over();
    CHECK_EQ(cress_hub_destroy(0), 0);
}

/* --- in somebody else's loop ----------------------------------------------------------------- */

static int readable(void)
{
    struct pollfd p = { .fd = cress_loop_fd(loop), .events = POLLIN };
    return poll(&p, 1, 0);
}

static void *sends(void *arg)
{
    CHECK_EQ(cress_watch_async_send(arg), 0);
    return NULL;
}

static void its_fd_tells_of_what_other_threads_send(void **state)
{
    (void)state;
    struct one async = { .letter = 'a' };
    pthread_t thread;
    if (cress_loop_fd(loop) == -ENOTSUP) {
        printf("        left out: this poller has no descriptor\n");
        return;
    }
    CHECK_EQ(cress_watch_async_init(&async.async, loop, tell, &async), 0);
    start(&async);
    CHECK_EQ(readable(), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&thread, NULL, sends, &async.async), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(readable(), 1);
        CHECK_EQ(cress_loop_timeout(loop), 0);
        CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
        CHECK_STR(told, "a");
        run(CRESS_RUN_NOWAIT); /* may be readable once for nothing */
        CHECK_EQ(readable(), 0);
    }
    stop(&async);
}

static void its_fd_stays_readable_as_long_as_a_descriptor_is_ready(void **state)
{
    (void)state;
    if (cress_loop_fd(loop) == -ENOTSUP) {
        printf("        left out: this poller has no descriptor\n");
        return;
    }
    put();
    start(&io);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(readable(), 1);
        CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
        CHECK_STR(told, "e");
    }
    char c;
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(readable(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_loop, without_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(prepare_events_check_timers),
        TEST(priorities_hold_between_kinds),
        TEST(idle_watchers_are_called_when_there_is_nothing_else),
        TEST(what_a_prepare_watcher_starts_takes_part_in_the_turn),
        TEST(break_in_a_prepare_watcher_looks_for_nothing),
        TEST(what_is_ready_already_comes_after_prepare_and_is_not_waited_for),
        TEST(a_hub_calls_them_and_its_greenlets_do_not_starve),
        TEST(its_fd_tells_of_what_other_threads_send),
        TEST(its_fd_stays_readable_as_long_as_a_descriptor_is_ready),
    };
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(cress_watch_idle_init(&idle.idle, cress_hub_loop(hub), beat, NULL), 0);
    CHECK_EQ(cress_watch_start(&idle.watch), 0);
    CHECK_EQ(cress_sleep(CRESS_US(1)), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return RUN_TESTS(tests);
}
