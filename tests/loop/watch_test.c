/* Watchers of descriptors and of time, and how the loop runs them. Time is the test's own. */
#include "loop/clock.h"
#include "loop/watch.h"

#include "support/child.h"
#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static cress_loop *loop;
static char told[256]; /* what was called, in order: a letter each */

/* A watcher with a letter. Its callback appends the letter and does what the test says. */
struct one {
    union {
        cress_watch watch; /* first */
        cress_watch_io io;
        cress_watch_timer timer;
    };
    char letter;
    int calls;
    int events; /* the last */
    void (*then)(struct one *self);
};

static int tell(cress_watch *watch, int events, void *arg)
{
    struct one *one = arg;
    CHECK_EQ(watch, &one->watch);
    size_t n = strlen(told);
    CHECK_LT(n + 1, sizeof told);
    told[n] = one->letter;
    one->calls++;
    one->events = events;
    if (one->then != NULL)
        one->then(one);
    return 0;
}

static void stop_self(struct one *self)
{
    CHECK_EQ(cress_watch_stop(&self->watch), 0);
}

static void timer_one(struct one *one, char letter, cress_time after, cress_time repeat)
{
    *one = (struct one){ .letter = letter };
    CHECK_EQ(cress_watch_timer_init(&one->timer, loop, after, repeat, tell, one), 0);
}

static void io_one(struct one *one, char letter, int fd, int events)
{
    *one = (struct one){ .letter = letter };
    CHECK_EQ(cress_watch_io_init(&one->io, loop, fd, events, tell, one), 0);
}

static void start(struct one *one)
{
    CHECK_EQ(cress_watch_start(&one->watch), 0);
}

static int run(cress_run_mode mode)
{
    return cress_loop_run(loop, mode);
}

static int with_loop(void **state)
{
    (void)state;
    clock_take_over();
    memset(told, 0, sizeof told);
    return cress_loop_new(NULL, &loop);
}

static int without_loop(void **state)
{
    (void)state;
    int error = cress_loop_free(loop);
    clock_give_back();
    return error;
}

/* A pipe with something to read. */
static void full_pipe(int fds[2])
{
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(write(fds[1], "abcdefgh", 8), 8);
}

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

/* --- timers -------------------------------------------------------------------------------- */

static void a_timer_fires_once_after_its_time(void **state)
{
    (void)state;
    struct one a;
    cress_time begin = clock_now;
    timer_one(&a, 'a', CRESS_MS(30), 0);
    CHECK(!cress_watch_active(&a.watch));
    start(&a);
    start(&a); /* twice is once */
    CHECK(cress_watch_active(&a.watch));
    CHECK_EQ(cress_loop_active(loop), 1);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(a.events, 0);
    CHECK_EQ(clock_now - begin, CRESS_MS(30));
    CHECK(!cress_watch_active(&a.watch));
    CHECK_EQ(cress_loop_active(loop), 0);
}

static void timers_fire_by_deadline_then_by_start(void **state)
{
    (void)state;
    struct one a, b, c, d;
    timer_one(&a, 'a', CRESS_MS(20), 0);
    timer_one(&b, 'b', CRESS_MS(10), 0);
    timer_one(&c, 'c', CRESS_MS(20), 0);
    timer_one(&d, 'd', CRESS_MS(20), 0);
    start(&d);
    start(&a);
    start(&b);
    start(&c);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "bdac");
}

static cress_time fired_at[16];
static cress_time busy_for;

static void note_and_work(struct one *self)
{
    CHECK_LE(self->calls, 16);
    fired_at[self->calls - 1] = clock_now;
    clock_now += busy_for;
    if (self->calls == 8)
        stop_self(self);
}

static void a_repeating_timer_does_not_drift(void **state)
{
    (void)state;
    struct one a;
    cress_time begin = clock_now;
    timer_one(&a, 'a', CRESS_MS(5), CRESS_MS(10));
    a.then = note_and_work;
    busy_for = CRESS_MS(3);
    clock_late = CRESS_MS(1); /* late each time, but not later each time */
    start(&a);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    clock_late = 0;
    for (int i = 0; i < 8; i++)
        CHECK_EQ(fired_at[i] - begin, CRESS_MS(6 + 10 * i));
}

static void a_repeating_timer_leaves_out_what_it_missed(void **state)
{
    (void)state;
    struct one a;
    cress_time begin = clock_now;
    timer_one(&a, 'a', CRESS_MS(10), CRESS_MS(10));
    a.then = note_and_work;
    busy_for = CRESS_MS(25);
    start(&a);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    /* It is due at 20 and at 30 while the callback of 10 runs until 35: told once, then, for both.
     * The next one is of the grid again. */
    for (int i = 1; i < 8; i++) {
        CHECK_GE(fired_at[i] - fired_at[i - 1], CRESS_MS(25));
        CHECK_LT(fired_at[i] - fired_at[i - 1], CRESS_MS(40));
    }
    CHECK_EQ(fired_at[0] - begin, CRESS_MS(10));
    CHECK_EQ(fired_at[1] - begin, CRESS_MS(35));
    CHECK_EQ(fired_at[2] - begin, CRESS_MS(60));
}

static void a_timer_that_is_put_off_is_not_early(void **state)
{
    (void)state;
    struct one a;
    timer_one(&a, 'a', CRESS_MS(10), 0);
    start(&a);
    for (int i = 0; i < 100; i++) {
        clock_now += CRESS_MS(9);
        CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
        CHECK_EQ(cress_watch_timer_again(&a.timer, CRESS_MS(10)), 0);
    }
    CHECK_STR(told, "");
    cress_time begin = clock_now;
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(clock_now - begin, CRESS_MS(10));
}

static struct one *other;

static void put_other_off(struct one *self)
{
    (void)self;
    CHECK(cress_watch_pending(&other->watch));
    CHECK_EQ(cress_watch_timer_again(&other->timer, CRESS_MS(50)), 0);
    CHECK(!cress_watch_pending(&other->watch));
}

static void one_that_is_put_off_when_it_is_ready_fires_later_and_once(void **state)
{
    (void)state;
    struct one a, b;
    cress_time begin = clock_now;
    timer_one(&a, 'a', CRESS_MS(10), 0);
    timer_one(&b, 'b', CRESS_MS(10), 0);
    other = &b;
    a.then = put_other_off;
    start(&a);
    start(&b);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "ab");
    CHECK_EQ(clock_now - begin, CRESS_MS(60));
}

static void again_once(struct one *self)
{
    if (self->calls < 3)
        CHECK_EQ(cress_watch_timer_again(&self->timer, CRESS_MS(7)), 0);
}

static void again_in_its_own_callback_starts_it_over(void **state)
{
    (void)state;
    struct one a;
    cress_time begin = clock_now;
    timer_one(&a, 'a', CRESS_MS(1), 0);
    a.then = again_once;
    CHECK_EQ(cress_watch_timer_again(&a.timer, CRESS_MS(3)), 0); /* starts one that is not active */
    CHECK(cress_watch_active(&a.watch));
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "aaa");
    CHECK_EQ(clock_now - begin, CRESS_MS(17));
}

static void times_for_ever_do_not_overflow(void **state)
{
    (void)state;
    struct one a, b, c;
    timer_one(&a, 'a', 0, CRESS_FOREVER);
    timer_one(&b, 'b', CRESS_MS(1), CRESS_FOREVER - 1);
    timer_one(&c, 'c', CRESS_FOREVER, 0);
    start(&a);
    start(&b);
    start(&c);
    for (int i = 0; i < 4; i++) {
        clock_now += CRESS_SECONDS(3600);
        CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    }
    CHECK_STR(told, "ab");
    CHECK_EQ(cress_watch_timer_again(&b.timer, CRESS_FOREVER), 0);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(cress_loop_active(loop), 3);
    stop_self(&a);
    stop_self(&b);
    stop_self(&c);
}

/* --- descriptors --------------------------------------------------------------------------- */

static void read_one(struct one *self)
{
    char c;
    int fd = *(int *)(void *)other;
    CHECK_EQ(read(fd, &c, 1), 1);
    if (self->calls == 8)
        stop_self(self);
}

static void is_called_once_a_turn(bool ours)
{
    int fds[2];
    full_pipe(fds);
    if (ours)
        CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
    struct one a;
    io_one(&a, 'a', fds[0], CRESS_IN);
    other = (struct one *)(void *)fds;
    a.then = read_one;
    start(&a);
    for (int i = 1; i <= 7; i++) {
        CHECK_GT(run(CRESS_RUN_ONCE), 0);
        CHECK_EQ(a.calls, i);
        CHECK_EQ(a.events, CRESS_IN);
    }
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_EQ(a.calls, 8);
    CHECK_EQ(cress_close(fds[0]), 0);
    close(fds[1]);
}

static void a_watcher_is_called_once_a_turn_as_long_as_the_fd_is_ready(void **state)
{
    (void)state;
    is_called_once_a_turn(false);
    is_called_once_a_turn(true); /* a descriptor of ours, else known edge-triggered */
}

static void nothing_is_called_that_is_not_ready(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    struct one a;
    io_one(&a, 'a', fds[0], CRESS_IN);
    start(&a);
    for (int i = 0; i < 5; i++)
        CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "");
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "a");
    stop_self(&a);
    CHECK_EQ(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "a");
    close_both(fds);
}

static void several_watchers_of_one_fd_each_get_what_they_asked_for(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct one in, out, both;
    io_one(&in, 'i', fds[0], CRESS_IN);
    io_one(&out, 'o', fds[0], CRESS_OUT);
    io_one(&both, 'b', fds[0], CRESS_IN | CRESS_OUT);
    start(&in);
    start(&out);
    start(&both);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "ob");
    CHECK_EQ(out.events, CRESS_OUT);
    CHECK_EQ(both.events, CRESS_OUT);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    memset(told, 0, sizeof told);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "iob");
    CHECK_EQ(in.events, CRESS_IN);
    CHECK_EQ(out.events, CRESS_OUT);
    CHECK_EQ(both.events, CRESS_IN | CRESS_OUT);
    stop_self(&out);
    stop_self(&both);
    memset(told, 0, sizeof told);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "i");
    stop_self(&in);
    close_both(fds);
}

static void the_end_of_the_peer_is_told_to_everybody(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct one out, rdhup;
    io_one(&out, 'o', fds[0], CRESS_PRI);
    io_one(&rdhup, 'r', fds[0], CRESS_RDHUP);
    start(&out);
    start(&rdhup);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "");
    shutdown(fds[1], SHUT_WR);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "r");
    CHECK_EQ(rdhup.events, CRESS_RDHUP);
    close(fds[1]);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(out.events & CRESS_HUP, CRESS_HUP);
    CHECK_EQ(rdhup.events, CRESS_RDHUP | CRESS_HUP);
    stop_self(&out);
    stop_self(&rdhup);
    close(fds[0]);
}

static int to_close = -1;

static void close_it(struct one *self)
{
    (void)self;
    if (to_close >= 0)
        close(to_close);
    to_close = -1;
}

/* The rule is to stop first. Who forgets is told, and the loop waits for nothing that never
 * comes. */
static void closing_under_a_watcher_is_told_and_does_not_hang(void **state)
{
    (void)state;
    int fds[2];
    full_pipe(fds);
    struct one a;
    io_one(&a, 'a', fds[0], CRESS_IN);
    to_close = fds[0];
    a.then = close_it;
    start(&a);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_EQ(a.events, CRESS_IN);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "aa");
    CHECK_EQ(a.events, CRESS_NVAL);
    stop_self(&a);
    close(fds[1]);
}

static void cress_close_under_a_watcher_is_told_and_does_not_hang(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    struct one a;
    io_one(&a, 'a', fds[0], CRESS_IN);
    start(&a);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(a.events, CRESS_NVAL);
    stop_self(&a);
    close(fds[1]);
    /* One that is stopped before it could be told is not told. */
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    io_one(&a, 'b', fds[0], CRESS_IN);
    start(&a);
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK(cress_watch_pending(&a.watch));
    stop_self(&a);
    CHECK(!cress_watch_pending(&a.watch));
    CHECK_EQ(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "a");
    close(fds[1]);
}

/* --- the order of one turn ------------------------------------------------------------------- */

static void higher_priorities_are_called_first(void **state)
{
    (void)state;
    struct one timers[5], io;
    int fds[2];
    full_pipe(fds);
    static const int priority[] = { 0, -2, 1, -1, 2 };
    for (int i = 0; i < 5; i++) {
        timer_one(&timers[i], (char)('a' + i), 0, 0);
        CHECK_EQ(cress_watch_priority(&timers[i].watch), 0);
        CHECK_EQ(cress_watch_set_priority(&timers[i].watch, priority[i]), 0);
        CHECK_EQ(cress_watch_priority(&timers[i].watch), priority[i]);
        start(&timers[i]);
    }
    io_one(&io, 'i', fds[0], CRESS_IN);
    CHECK_EQ(cress_watch_set_priority(&io.watch, 1), 0);
    io.then = stop_self;
    start(&io);
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "eicadb"); /* e 2, i and c 1 (descriptors before timers), a 0, d -1, b -2 */
    close_both(fds);
}

static void descriptors_come_before_timers(void **state)
{
    (void)state;
    struct one timer, io;
    int fds[2];
    full_pipe(fds);
    timer_one(&timer, 't', 0, 0);
    io_one(&io, 'i', fds[0], CRESS_IN);
    io.then = stop_self;
    start(&timer);
    start(&io);
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "it");
    /* ... also when the timer has been due for a while */
    memset(told, 0, sizeof told);
    CHECK_EQ(cress_watch_timer_again(&timer.timer, CRESS_MS(1)), 0);
    cress_loop_update(loop); /* from now on it counts */
    start(&io);
    clock_now += CRESS_MS(1);
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "it");
    close_both(fds);
}

static void only_what_is_initialised_and_idle_takes_a_priority(void **state)
{
    (void)state;
    struct one a;
    cress_watch nothing = { 0 };
    CHECK_EQ(cress_watch_set_priority(&nothing, 0), -EINVAL);
    timer_one(&a, 'a', CRESS_MS(1), 0);
    CHECK_EQ(cress_watch_set_priority(&a.watch, 3), -EINVAL);
    CHECK_EQ(cress_watch_set_priority(&a.watch, -3), -EINVAL);
    start(&a);
    CHECK_EQ(cress_watch_set_priority(&a.watch, 1), -EBUSY);
    stop_self(&a);
}

/* --- starting and stopping inside callbacks -------------------------------------------------- */

static void stop_other(struct one *self)
{
    (void)self;
    CHECK(cress_watch_pending(&other->watch));
    CHECK_EQ(cress_watch_stop(&other->watch), 0);
    CHECK(!cress_watch_pending(&other->watch));
    CHECK(!cress_watch_active(&other->watch));
}

static void one_that_a_callback_stops_is_not_called_even_if_it_was_ready(void **state)
{
    (void)state;
    int fds[2];
    full_pipe(fds);
    struct one a, b;
    timer_one(&a, 'a', 0, 0);
    CHECK_EQ(cress_watch_set_priority(&a.watch, 1), 0);
    a.then = stop_other;
    io_one(&b, 'b', fds[0], CRESS_IN);
    other = &b;
    start(&a);
    start(&b);
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "a");
    /* Memory of one that was stopped is the caller's, whatever was known of it. */
    memset(&b, 0xa5, sizeof b);
    CHECK_EQ(run(CRESS_RUN_NOWAIT), 0);
    close_both(fds);
}

static void restart_other(struct one *self)
{
    stop_other(self);
    start(other);
    CHECK(!cress_watch_pending(&other->watch));
}

static void one_that_is_stopped_and_started_waits_for_the_next_turn(void **state)
{
    (void)state;
    int fds[2];
    full_pipe(fds);
    struct one a, b;
    timer_one(&a, 'a', 0, 0);
    CHECK_EQ(cress_watch_set_priority(&a.watch, 1), 0);
    a.then = restart_other;
    io_one(&b, 'b', fds[0], CRESS_IN);
    b.then = stop_self;
    other = &b;
    start(&a);
    start(&b);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "ab");
    close_both(fds);
}

static void start_other(struct one *self)
{
    (void)self;
    start(other);
}

static void one_that_a_callback_starts_waits_for_the_next_turn(void **state)
{
    (void)state;
    int fds[2];
    full_pipe(fds);
    struct one a, b, c;
    timer_one(&a, 'a', 0, 0);
    a.then = start_other;
    io_one(&b, 'b', fds[0], CRESS_IN);
    b.then = stop_self;
    other = &b;
    start(&a);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "ab");
    memset(told, 0, sizeof told);
    timer_one(&c, 'c', 0, 0); /* due at once, but not in this turn */
    other = &c;
    start(&a);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "ac");
    close_both(fds);
}

static void free_self(struct one *self)
{
    memset(self, 0x5a, sizeof *self);
    free(self);
}

static void stop_and_free_self(struct one *self)
{
    stop_self(self);
    free_self(self);
}

static void a_callback_may_free_its_watcher(void **state)
{
    (void)state;
    int fds[2];
    full_pipe(fds);
    struct one *a = malloc(sizeof *a), *b = malloc(sizeof *b), *c = malloc(sizeof *c);
    CHECK(a != NULL && b != NULL && c != NULL);
    timer_one(a, 'a', 0, 0);
    a->then = free_self; /* it is over: no stop needed */
    timer_one(b, 'b', 0, CRESS_MS(1));
    b->then = stop_and_free_self;
    io_one(c, 'c', fds[0], CRESS_IN);
    c->then = stop_and_free_self;
    start(a);
    start(b);
    start(c);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "cab");
    close_both(fds);
}

/* --- feed ------------------------------------------------------------------------------------ */

static void feed_calls_the_callback_as_if_its_event_had_come(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    struct one a;
    io_one(&a, 'a', fds[0], CRESS_IN);
    CHECK_EQ(cress_watch_feed(&a.watch, CRESS_IN), -EINVAL); /* not active */
    CHECK(!cress_watch_pending(&a.watch));
    start(&a);
    CHECK_EQ(cress_watch_feed(&a.watch, CRESS_IN), 0);
    CHECK_EQ(cress_watch_feed(&a.watch, CRESS_PRI), 0); /* adds up: still one call */
    CHECK(cress_watch_pending(&a.watch));
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(a.events, CRESS_IN | CRESS_PRI);
    CHECK(!cress_watch_pending(&a.watch));
    CHECK_EQ(cress_watch_feed(&a.watch, CRESS_IN), 0);
    stop_self(&a);
    CHECK_EQ(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "a");
    start(&a); /* events of before are forgotten */
    CHECK_EQ(cress_watch_feed(&a.watch, CRESS_OUT), 0);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(a.events, CRESS_OUT);
    stop_self(&a);
    close_both(fds);
}

static void feed_self(struct one *self)
{
    if (self->calls < 5)
        CHECK_EQ(cress_watch_feed(&self->watch, 0), 0);
}

static void one_that_feeds_itself_is_called_once_a_turn(void **state)
{
    (void)state;
    struct one a;
    timer_one(&a, 'a', CRESS_SECONDS(100), 0);
    a.then = feed_self;
    start(&a);
    CHECK_EQ(cress_watch_feed(&a.watch, 0), 0);
    for (int i = 1; i < 5; i++) {
        CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
        CHECK_EQ(a.calls, i);
    }
    stop_self(&a);
}

/* --- what keeps the loop running ------------------------------------------------------------- */

static void an_empty_loop_returns_at_once(void **state)
{
    (void)state;
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_EQ(run(CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(loop->poll_waits, 0);
}

static void unreferenced_watchers_do_not_keep_it_running(void **state)
{
    (void)state;
    struct one a, b;
    cress_time begin = clock_now;
    timer_one(&a, 'a', CRESS_MS(20), CRESS_MS(20));
    timer_one(&b, 'b', CRESS_MS(50), 0);
    CHECK(cress_watch_ref(&a.watch));
    CHECK_EQ(cress_watch_set_ref(&a.watch, false), 0);
    CHECK(!cress_watch_ref(&a.watch));
    start(&a);
    CHECK_EQ(cress_loop_active(loop), 0);
    start(&b);
    CHECK_EQ(cress_loop_active(loop), 1);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0); /* as long as b */
    CHECK_STR(told, "aab");
    CHECK_EQ(clock_now - begin, CRESS_MS(50));
    CHECK(cress_watch_active(&a.watch));
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0); /* a alone is not waited for */
    CHECK_EQ(run(CRESS_RUN_ONCE), 0);
    CHECK_EQ(clock_now - begin, CRESS_MS(50));
    CHECK_STR(told, "aab");
    clock_now += CRESS_MS(20);
    CHECK_EQ(run(CRESS_RUN_NOWAIT), 0); /* but called when it is due */
    CHECK_STR(told, "aaba");
    stop_self(&a);
}

static void references_can_be_changed_while_it_is_active(void **state)
{
    (void)state;
    struct one a;
    timer_one(&a, 'a', CRESS_MS(20), 0);
    start(&a);
    CHECK_EQ(cress_loop_active(loop), 1);
    CHECK_EQ(cress_watch_set_ref(&a.watch, false), 0);
    CHECK_EQ(cress_watch_set_ref(&a.watch, false), 0);
    CHECK_EQ(cress_loop_active(loop), 0);
    CHECK_EQ(cress_watch_set_ref(&a.watch, true), 0);
    CHECK_EQ(cress_watch_set_ref(&a.watch, true), 0);
    CHECK_EQ(cress_loop_active(loop), 1);
    CHECK_EQ(cress_watch_set_ref(&a.watch, false), 0);
    stop_self(&a);
    CHECK_EQ(cress_loop_active(loop), 0);
    CHECK_EQ(cress_watch_set_ref(&a.watch, true), 0);
    CHECK_EQ(cress_loop_active(loop), 0);
}

static void an_unreferenced_descriptor_that_is_ready_is_told_all_the_same(void **state)
{
    (void)state;
    int fds[2];
    full_pipe(fds);
    struct one a;
    io_one(&a, 'a', fds[0], CRESS_IN);
    CHECK_EQ(cress_watch_set_ref(&a.watch, false), 0);
    start(&a);
    CHECK_EQ(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "a");
    stop_self(&a);
    close_both(fds);
}

static void the_modes_are_one_turn_or_all(void **state)
{
    (void)state;
    struct one a;
    cress_time begin = clock_now;
    timer_one(&a, 'a', CRESS_MS(10), CRESS_MS(10));
    start(&a);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "");
    CHECK_EQ(clock_now, begin);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "a");
    CHECK_EQ(clock_now - begin, CRESS_MS(10));
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(told, "aa");
    clock_now += CRESS_MS(10);
    CHECK_GT(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "aaa");
    a.calls = 0;
    a.then = note_and_work;
    busy_for = 0;
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(a.calls, 8);
}

static void break_loop(struct one *self)
{
    (void)self;
    CHECK_EQ(cress_loop_break(loop), 0);
}

static void break_returns_after_the_callback_that_runs(void **state)
{
    (void)state;
    struct one a, b, c;
    CHECK_EQ(cress_loop_break(loop), -EINVAL); /* it does not run */
    timer_one(&a, 'a', CRESS_MS(1), 0);
    timer_one(&b, 'b', CRESS_MS(1), 0);
    timer_one(&c, 'c', CRESS_MS(1), 0);
    b.then = break_loop;
    start(&a);
    start(&b);
    start(&c);
    CHECK_GT(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "ab");
    CHECK(cress_watch_pending(&c.watch));
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "abc");
}

static void run_inside(struct one *self)
{
    (void)self;
    CHECK_EQ(run(CRESS_RUN_NOWAIT), -EBUSY);
    CHECK_EQ(cress_loop_free(loop), -EBUSY);
}

static void a_loop_that_runs_is_neither_run_nor_freed(void **state)
{
    (void)state;
    struct one a;
    timer_one(&a, 'a', 0, 0);
    a.then = run_inside;
    start(&a);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "a");
}

/* --- clock, poller, embedding ---------------------------------------------------------------- */

static void the_clock_is_read_once_a_turn_or_on_request(void **state)
{
    (void)state;
    CHECK_EQ(cress_loop_now(loop), clock_now);
    cress_time before = clock_now;
    clock_now += CRESS_MS(5);
    CHECK_EQ(cress_loop_now(loop), before);
    CHECK_EQ(cress_loop_update(loop), clock_now);
    CHECK_EQ(cress_loop_now(loop), clock_now);
}

static void the_timeout_is_what_is_left_until_the_next_timer(void **state)
{
    (void)state;
    struct one a, b;
    CHECK_EQ(cress_loop_timeout(loop), CRESS_FOREVER);
    timer_one(&a, 'a', CRESS_MS(30), 0);
    timer_one(&b, 'b', CRESS_FOREVER, 0);
    start(&b);
    CHECK_EQ(cress_loop_timeout(loop), CRESS_FOREVER);
    start(&a);
    CHECK_EQ(cress_loop_timeout(loop), CRESS_MS(30));
    clock_now += CRESS_MS(20);
    CHECK_EQ(cress_loop_timeout(loop), CRESS_MS(10));
    clock_now += CRESS_MS(20);
    CHECK_EQ(cress_loop_timeout(loop), 0);
    stop_self(&a); /* asking does not make it ready for good */
    CHECK_EQ(cress_loop_timeout(loop), CRESS_FOREVER);
    CHECK_EQ(cress_watch_feed(&b.watch, 0), 0);
    CHECK_EQ(cress_loop_timeout(loop), 0);
    stop_self(&b);
    CHECK_STR(told, "");
}

static void its_fd_is_readable_when_there_is_something_to_do(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    struct one a;
    io_one(&a, 'a', fds[0], CRESS_IN);
    a.then = stop_self;
    start(&a);
    struct pollfd p = { .fd = cress_loop_fd(loop), .events = POLLIN };
    if (strcmp(cress_loop_poller(loop), "poll") == 0) {
        CHECK_EQ(p.fd, -ENOTSUP);
        stop_self(&a);
        close_both(fds);
        return;
    }
    CHECK_GE(p.fd, 0);
    CHECK_EQ(poll(&p, 1, 0), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK_EQ(run(CRESS_RUN_NOWAIT), 0);
    CHECK_STR(told, "a");
    close_both(fds);
}

static void pollers_are_known_by_name(void **state)
{
    (void)state;
    const char *set = getenv("CRESS_POLLER"), *chosen = set != NULL ? set : "epoll";
    CHECK_STR(cress_loop_poller(loop), chosen);
    cress_loop_options options = CRESS_LOOP_OPTIONS_INIT;
    cress_loop *l = NULL;
    static const char *const names[] = { "epoll", "poll" };
    for (int i = 0; i < 2; i++) {
        options.poller = names[i];
        CHECK_EQ(cress_loop_new(&options, &l), 0);
        CHECK_STR(cress_loop_poller(l), names[i]);
        CHECK_EQ(cress_loop_free(l), 0);
    }
    l = NULL;
    options.poller = "crystal ball";
    CHECK_EQ(cress_loop_new(&options, &l), -EINVAL);
    options.poller = NULL;
    options.size = 0;
    CHECK_EQ(cress_loop_new(&options, &l), -EINVAL);
    CHECK_EQ(cress_loop_new(NULL, NULL), -EINVAL);
    setenv("CRESS_POLLER", "crystal ball", 1);
    CHECK_EQ(cress_loop_new(NULL, &l), -EINVAL);
    for (int i = 0; i < 2; i++) {
        setenv("CRESS_POLLER", names[i], 1);
        CHECK_EQ(cress_loop_new(NULL, &l), 0);
        CHECK_STR(cress_loop_poller(l), names[i]);
        CHECK_EQ(cress_loop_free(l), 0);
    }
    setenv("CRESS_POLLER", chosen, 1);
    CHECK_EQ(cress_loop_free(NULL), 0);
}

/* --- arguments ------------------------------------------------------------------------------- */

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    struct one a;
    int fds[2];
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    cress_watch_timer *t = &a.timer;
    cress_watch_io *io = &a.io;
    timer_one(&a, 'a', 0, 0);
    CHECK_EQ(cress_watch_timer_init(NULL, loop, 0, 0, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_timer_init(t, NULL, 0, 0, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_timer_init(t, loop, 0, 0, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_watch_timer_init(t, loop, -1, 0, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_timer_init(t, loop, 0, -1, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_timer_again(t, -1), -EINVAL);
    CHECK_EQ(cress_watch_timer_again(NULL, 0), -EINVAL);
    start(&a);
    CHECK_EQ(cress_watch_timer_init(t, loop, 0, 0, tell, NULL), -EINVAL); /* active */
    stop_self(&a);
    CHECK_EQ(cress_watch_io_init(NULL, loop, 0, CRESS_IN, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_io_init(io, NULL, 0, CRESS_IN, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_io_init(io, loop, 0, CRESS_IN, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_watch_io_init(io, loop, 0, 0, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_io_init(io, loop, 0, CRESS_HUP, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_io_init(io, loop, 0, CRESS_IN | 0x4000, tell, NULL), -EINVAL);
    CHECK_EQ(cress_watch_io_init(io, loop, -1, CRESS_IN, tell, NULL), -EBADF);
    io_one(&a, 'a', fds[0], CRESS_IN);
    CHECK_EQ(cress_watch_timer_again(t, 0), -EINVAL); /* no timer */
    start(&a);
    CHECK_EQ(cress_watch_io_init(io, loop, fds[0], CRESS_IN, tell, NULL), -EINVAL);
    stop_self(&a);
    close_both(fds);
}

static void one_that_was_never_initialised_is_refused(void **state)
{
    (void)state;
    cress_watch nothing = { 0 };
    CHECK_EQ(cress_watch_start(&nothing), -EINVAL);
    CHECK_EQ(cress_watch_stop(&nothing), -EINVAL);
    CHECK_EQ(cress_watch_feed(&nothing, 0), -EINVAL);
    CHECK_EQ(cress_watch_set_ref(&nothing, false), -EINVAL);
    CHECK_EQ(cress_watch_start(NULL), -EINVAL);
    CHECK_EQ(cress_watch_stop(NULL), -EINVAL);
    CHECK(!cress_watch_active(&nothing));
    CHECK(!cress_watch_pending(&nothing));
    CHECK_EQ(cress_watch_loop(&nothing), NULL);
    struct one a;
    timer_one(&a, 'a', 0, 0);
    CHECK_EQ(cress_watch_loop(&a.watch), loop);
    CHECK_EQ(cress_watch_stop(&a.watch), 0); /* never started: no error */
}

static void descriptors_that_cannot_be_waited_for_are_refused_at_the_start(void **state)
{
    (void)state;
    struct one a;
    int fds[2];
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    close_both(fds);
    io_one(&a, 'a', fds[0], CRESS_IN);
    CHECK_EQ(cress_watch_start(&a.watch), -EBADF);
    CHECK(!cress_watch_active(&a.watch));
    CHECK_EQ(cress_loop_active(loop), 0);
    io_one(&a, 'a', INT_MAX, CRESS_IN);
    CHECK_EQ(cress_watch_start(&a.watch), -EBADF);
    FILE *file = tmpfile();
    CHECK(file != NULL);
    io_one(&a, 'a', fileno(file), CRESS_IN);
    CHECK_EQ(cress_watch_start(&a.watch), -EPERM);
    CHECK_EQ(cress_loop_active(loop), 0);
    fclose(file);
}

/* --- errors ---------------------------------------------------------------------------------- */

static int failing(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    *(int *)arg += 1;
    return -EIO;
}

static cress_watch *blamed;

static void remember(cress_loop *l, cress_watch *watch, const char *context, int error, void *arg)
{
    blamed = watch;
    CHECK_EQ(l, loop);
    snprintf(arg, 64, "%s %s", context, cress_error_name(error));
}

static void a_negative_result_goes_to_the_error_hook_and_changes_nothing_else(void **state)
{
    (void)state;
    char said[64] = "";
    int calls = 0;
    CHECK_EQ(cress_loop_set_error_hook(loop, remember, said), 0);
    CHECK_EQ(cress_loop_set_error_hook(NULL, remember, said), -EINVAL);
    cress_watch_timer t = { 0 };
    CHECK_EQ(cress_watch_timer_init(&t, loop, CRESS_MS(1), CRESS_MS(1), failing, &calls), 0);
    CHECK_EQ(cress_watch_start(&t.watch), 0);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_STR(said, "timer watcher EIO");
    CHECK_EQ(blamed, &t.watch);
    CHECK_GT(run(CRESS_RUN_ONCE), 0);
    CHECK_EQ(calls, 2);
    CHECK(cress_watch_active(&t.watch));
    CHECK_EQ(cress_watch_stop(&t.watch), 0);
}

static void fail_without_hook(void *arg)
{
    (void)arg;
    int calls = 0;
    cress_watch_timer t = { 0 };
    CHECK_EQ(cress_watch_timer_init(&t, loop, 0, 0, failing, &calls), 0);
    CHECK_EQ(cress_watch_start(&t.watch), 0);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
}

static void without_a_hook_errors_are_a_line_on_stderr(void **state)
{
    (void)state;
    struct child_result result;
    child_run(fail_without_hook, NULL, 10000, &result);
    CHECK_STR(child_words(&result), "ended with exit status 0");
    CHECK_STR(result.error, "cress: timer watcher: EIO\n");
}

static int count_call(void *arg)
{
    *(int *)arg += 1;
    return 0;
}

/* --- the end of a loop, hubs ----------------------------------------------------------------- */

static void freeing_a_loop_stops_what_is_active(void **state)
{
    (void)state;
    int fds[2];
    full_pipe(fds);
    struct one a, b, c;
    cress_loop *mine = loop;
    CHECK_EQ(cress_loop_new(NULL, &loop), 0);
    timer_one(&a, 'a', CRESS_MS(1), 0);
    io_one(&b, 'b', fds[0], CRESS_IN);
    timer_one(&c, 'c', CRESS_MS(1), CRESS_MS(1));
    start(&a);
    start(&b);
    start(&c);
    CHECK_EQ(cress_watch_feed(&c.watch, 0), 0);
    CHECK_EQ(cress_loop_free(loop), 0);
    loop = mine;
    CHECK(!cress_watch_active(&a.watch));
    CHECK(!cress_watch_active(&b.watch));
    CHECK(!cress_watch_active(&c.watch));
    CHECK(!cress_watch_pending(&c.watch));
    CHECK_EQ(cress_watch_loop(&a.watch), NULL);
    CHECK_EQ(cress_watch_start(&a.watch), -EINVAL); /* to be initialised for another one first */
    io_one(&b, 'b', fds[0], CRESS_IN);
    b.then = stop_self;
    start(&b);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    CHECK_STR(told, "b");
    close_both(fds);
}

static int refused[8];

static void try_to_block(struct one *self)
{
    (void)self;
    char c;
    refused[0] = cress_sleep(CRESS_MS(1));
    refused[1] = cress_yield();
    refused[2] = cress_park(CRESS_FOREVER);
    refused[3] = cress_wait_fd(to_close, CRESS_IN, CRESS_FOREVER);
    refused[4] = (int)cress_recv(to_close, &c, 1, 0);
    refused[5] = cress_run(0);
}

static void be_silent(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context;
    CHECK_EQ(error, -EPERM);
    *(int *)arg += 1;
}

static void blocking_calls_are_refused_in_callbacks(void **state)
{
    (void)state;
    int fds[2], reports = 0;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    cress_set_error_hook(be_silent, &reports);
    struct one a;
    to_close = fds[0];
    timer_one(&a, 'a', 0, 0);
    a.then = try_to_block;
    start(&a);
    CHECK_EQ(run(CRESS_RUN_DEFAULT), 0);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(refused[i], -EPERM);
    /* The same in the service greenlet of a hub. */
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(cress_watch_timer_init(&a.timer, cress_hub_loop(hub), 0, 0, tell, &a), 0);
    memset(refused, 0, sizeof refused);
    start(&a);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(told, "aa");
    for (int i = 0; i < 6; i++)
        CHECK_EQ(refused[i], -EPERM);
    CHECK_GE(reports, 10);
    cress_set_error_hook(NULL, NULL);
    CHECK_EQ(cress_hub_destroy(0), 0);
    to_close = -1;
    close_both(fds);
}

static void the_loop_of_a_hub_is_the_hubs_to_run(void **state)
{
    (void)state;
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    cress_loop *hubs = cress_hub_loop(hub);
    CHECK_EQ(cress_loop_run(hubs, CRESS_RUN_NOWAIT), -EBUSY);
    CHECK_EQ(cress_loop_free(hubs), -EBUSY);
    CHECK_EQ(cress_loop_set_error_hook(hubs, remember, NULL), -EBUSY);
    struct one a, b;
    int fds[2];
    full_pipe(fds);
    cress_loop *mine = loop;
    loop = hubs;
    timer_one(&a, 'a', CRESS_MS(5), 0);
    io_one(&b, 'b', fds[0], CRESS_IN);
    b.then = stop_self;
    loop = mine;
    start(&a);
    start(&b);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(told, "ba");
    CHECK_EQ(cress_hub_destroy(0), 0);
    close_both(fds);
}

static void watchers_left_on_the_loop_of_a_hub_stop_with_it(void **state)
{
    (void)state;
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    cress_loop *mine = loop;
    loop = cress_hub_loop(hub);
    struct one a;
    timer_one(&a, 'a', CRESS_SECONDS(5), 0);
    start(&a);
    loop = mine;
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK(!cress_watch_active(&a.watch));
}

/* What a thread keeps until it ends is there from now on, and counts as nobody's leak. */
static void settle_in(void)
{
    cress_hub *hub;
    cress_callback callback = { 0 };
    int calls = 0;
    CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(cress_post(hub, &callback, count_call, &calls), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(calls, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_loop, without_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_fires_once_after_its_time),
        TEST(timers_fire_by_deadline_then_by_start),
        TEST(a_repeating_timer_does_not_drift),
        TEST(a_repeating_timer_leaves_out_what_it_missed),
        TEST(a_timer_that_is_put_off_is_not_early),
        TEST(one_that_is_put_off_when_it_is_ready_fires_later_and_once),
        TEST(again_in_its_own_callback_starts_it_over),
        TEST(times_for_ever_do_not_overflow),
        TEST(a_watcher_is_called_once_a_turn_as_long_as_the_fd_is_ready),
        TEST(nothing_is_called_that_is_not_ready),
        TEST(several_watchers_of_one_fd_each_get_what_they_asked_for),
        TEST(the_end_of_the_peer_is_told_to_everybody),
        TEST(closing_under_a_watcher_is_told_and_does_not_hang),
        TEST(cress_close_under_a_watcher_is_told_and_does_not_hang),
        TEST(higher_priorities_are_called_first),
        TEST(descriptors_come_before_timers),
        TEST(only_what_is_initialised_and_idle_takes_a_priority),
        TEST(one_that_a_callback_stops_is_not_called_even_if_it_was_ready),
        TEST(one_that_is_stopped_and_started_waits_for_the_next_turn),
        TEST(one_that_a_callback_starts_waits_for_the_next_turn),
        TEST(a_callback_may_free_its_watcher),
        TEST(feed_calls_the_callback_as_if_its_event_had_come),
        TEST(one_that_feeds_itself_is_called_once_a_turn),
        TEST(an_empty_loop_returns_at_once),
        TEST(unreferenced_watchers_do_not_keep_it_running),
        TEST(references_can_be_changed_while_it_is_active),
        TEST(an_unreferenced_descriptor_that_is_ready_is_told_all_the_same),
        TEST(the_modes_are_one_turn_or_all),
        TEST(break_returns_after_the_callback_that_runs),
        TEST(a_loop_that_runs_is_neither_run_nor_freed),
        TEST(the_clock_is_read_once_a_turn_or_on_request),
        TEST(the_timeout_is_what_is_left_until_the_next_timer),
        TEST(its_fd_is_readable_when_there_is_something_to_do),
        TEST(pollers_are_known_by_name),
        TEST(wrong_arguments_are_refused),
        TEST(one_that_was_never_initialised_is_refused),
        TEST(descriptors_that_cannot_be_waited_for_are_refused_at_the_start),
        TEST(a_negative_result_goes_to_the_error_hook_and_changes_nothing_else),
        TEST(without_a_hook_errors_are_a_line_on_stderr),
        TEST(freeing_a_loop_stops_what_is_active),
        TEST(blocking_calls_are_refused_in_callbacks),
        TEST(the_loop_of_a_hub_is_the_hubs_to_run),
        TEST(watchers_left_on_the_loop_of_a_hub_stop_with_it),
    };
    settle_in();
    return RUN_TESTS(tests);
}
