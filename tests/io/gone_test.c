/* Files that others close or replace while somebody waits for them, and nobody says so: who waits
 * is told within seconds, and it costs nothing worth mentioning. On a clock that jumps when
 * nothing else happens.
 */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "io/pairs.h"

#include <pthread.h>

/* So long may it take to be told: looked at once a second, and not just before. */
enum { SOON = 2 };

struct call {
    int fd;
    ssize_t result;
};

static void *reads(void *arg)
{
    struct call *c = arg;
    char byte;
    c->result = cress_read(c->fd, &byte, 1);
    return NULL;
}

static void *writes(void *arg)
{
    struct call *c = arg;
    c->result = cress_write(c->fd, "x", 1);
    return NULL;
}

static void *waits(void *arg)
{
    struct call *c = arg;
    c->result = cress_wait_fd(c->fd, CRESS_IN, CRESS_FOREVER);
    return NULL;
}

static cress_greenlet *begin_call(cress_fn fn, struct call *c, int fd)
{
    *c = (struct call){ .fd = fd, .result = 12345 };
    cress_greenlet *g = cress_spawn(fn, c);
    CHECK_EQ(cress_yield(), 0);
    CHECK(cress_started(g)); /* it waits */
    return g;
}

static ssize_t end_call(cress_greenlet *g, const struct call *c)
{
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    return c->result;
}

/* --- who is told ----------------------------------------------------------------------------- */

static void who_waits_for_a_file_that_was_closed_raw_is_told(void **state)
{
    (void)state;
    static const cress_fn calls[] = { reads, writes, waits };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int fds[2];
        unix_pair(fds);
        fill(fds[0]);
        struct call call;
        cress_greenlet *g = begin_call(calls[i], &call, fds[0]);
        cress_time start = clock_time;
        close(fds[0]);
        CHECK_EQ(end_call(g, &call), -EBADF);
        CHECK_LE(clock_time - start, CRESS_SECONDS(SOON));
        close(fds[1]);
    }
}

static void a_duplicate_that_keeps_the_file_open_changes_nothing(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, fds[0]);
    int duplicate = dup(fds[0]);
    close(fds[0]);
    CHECK_EQ(end_call(g, &call), -EBADF);
    close(duplicate);
    close(fds[1]);
}

static void who_waits_for_a_file_that_was_replaced_is_told_and_the_new_one_untouched(void **state)
{
    (void)state;
    for (int alive = 0; alive < 2; alive++) {
        int old[2], new[2];
        unix_pair(old);
        unix_pair(new);
        struct call call;
        cress_greenlet *g = begin_call(reads, &call, old[0]);
        int duplicate = alive ? dup(old[0]) : -1;
        CHECK_EQ(write(new[1], "n", 1), 1);
        CHECK_EQ(dup2(new[0], old[0]), old[0]);
        CHECK_EQ(end_call(g, &call), -EBADF);
        char byte;
        CHECK_EQ(cress_read(old[0], &byte, 1), 1);
        CHECK_EQ(byte, 'n');
        g = begin_call(reads, &call, old[0]);
        CHECK_EQ(send(old[1], "o", 1, MSG_NOSIGNAL) == 1, alive);
        CHECK_EQ(cress_sleep(CRESS_SECONDS(10)), 0);
        CHECK(!cress_ready(g)); /* waits for the new file, and is left alone */
        CHECK_EQ(write(new[1], "n", 1), 1);
        CHECK_EQ(end_call(g, &call), 1);
        CHECK_EQ(cress_close(old[0]), 0);
        close(old[1]);
        close_pair(new);
        if (alive)
            close(duplicate);
    }
}

static void the_same_file_under_the_number_again_is_waited_for_on(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, fds[0]);
    int duplicate = dup(fds[0]);
    CHECK_EQ(dup2(duplicate, fds[0]), fds[0]);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(10)), 0);
    CHECK(!cress_ready(g));
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(end_call(g, &call), 1);
    close(duplicate);
    close_pair(fds);
}

static void *closes_raw(void *arg)
{
    close(*(int *)arg);
    return NULL;
}

static void main_alone_is_told_by_whoever_it_was_closed(void **state)
{
    (void)state;
    for (int by_thread = 0; by_thread < 2; by_thread++) {
        int fds[2];
        char byte;
        unix_pair(fds);
        pthread_t thread;
        if (by_thread)
            CHECK_EQ(pthread_create(&thread, NULL, closes_raw, &fds[0]), 0);
        else
            CHECK_EQ(cress_go(closes_raw, &fds[0]), 0);
        CHECK_EQ(cress_read(fds[0], &byte, 1), -EBADF);
        if (by_thread)
            CHECK_EQ(pthread_join(thread, NULL), 0);
        close(fds[1]);
    }
}

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)error;
    ++*(int *)arg;
}

static void when_nobody_is_left_main_learns_of_the_deadlock(void **state)
{
    (void)state;
    int fds[2], reports = 0;
    unix_pair(fds);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, fds[0]);
    close(fds[0]);
    cress_set_error_hook(ignore, &reports);
    CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
    cress_set_error_hook(NULL, NULL);
    CHECK_GE(reports, 1);
    CHECK(cress_ready(g));
    CHECK_EQ(end_call(g, &call), -EBADF);
    close(fds[1]);
}

static void *ticks(void *arg)
{
    while (*(const ssize_t *)arg == 12345)
        cress_sleep(CRESS_MS(7));
    return NULL;
}

static void a_hub_that_never_sleeps_long_looks_too(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, fds[0]);
    cress_time start = clock_time;
    close(fds[0]);
    CHECK_EQ(cress_go(ticks, &call.result), 0);
    CHECK_EQ(end_call(g, &call), -EBADF);
    CHECK_LE(clock_time - start, CRESS_SECONDS(SOON));
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    close(fds[1]);
}

static void a_limit_of_its_own_is_kept_to_the_nanosecond(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    static const cress_time limits[] = { CRESS_US(500), CRESS_SECONDS(1), CRESS_SECONDS(5) / 2 };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        CHECK_EQ(cress_yield(), 0);
        cress_time start = clock_time;
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, limits[i]), -ETIMEDOUT);
        CHECK_GE(clock_time - start, limits[i]);
        CHECK_LE(clock_time - start, limits[i] + CRESS_MS(1)); /* a long timer's slack */
    }
    close_pair(fds);
}

/* --- many, and what they cost ---------------------------------------------------------------- */

enum { MANY = 600 }; /* more than are looked at in one turn */

static void begin_many(struct call *calls, cress_greenlet **g, int fd)
{
    for (int i = 0; i < MANY; i++)
        g[i] = begin_call(reads, &calls[i], dup(fd));
}

static void many_are_told_some_each_second(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    static struct call calls[MANY];
    static cress_greenlet *g[MANY];
    begin_many(calls, g, fds[0]);
    cress_time start = clock_time;
    for (int i = 0; i < MANY; i++)
        close(calls[i].fd);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(end_call(g[i], &calls[i]), -EBADF);
    CHECK_LE(clock_time - start, CRESS_SECONDS(SOON + MANY / FDS_CHECK_MOST));
    close_pair(fds);
}

/* Files that the poller looked at: epoll asks by one call, poll(2) by another. */
static int looks(void)
{
    return calls_of("epoll_ctl") + calls_of("fstat");
}

static void many_cost_no_more_than_so_many_calls_a_second(void **state)
{
    (void)state;
    enum { SECONDS = 30 };
    int fds[2];
    unix_pair(fds);
    static struct call calls[MANY];
    static cress_greenlet *g[MANY];
    begin_many(calls, g, fds[0]);
    count_calls();
    CHECK_EQ(cress_sleep(CRESS_SECONDS(SECONDS)), 0);
    stop_counting();
    CHECK_GE(looks(), (SECONDS - 1) * FDS_CHECK_MOST);
    CHECK_LE(looks(), (SECONDS + 1) * FDS_CHECK_MOST);
    CHECK_LE(calls_of("epoll_wait") + calls_of("ppoll"), SECONDS + 5);
    /* All had their turn, and nobody was told anything. The last first: each is looked at. */
    for (int i = MANY - 1; i >= 0; i--) {
        CHECK(!cress_ready(g[i]));
        CHECK_EQ(cress_close(calls[i].fd), 0);
        CHECK_EQ(end_call(g[i], &calls[i]), -EBADF);
    }
    close_pair(fds);
}

static void a_few_cost_one_call_each_and_second(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct call reader, writer;
    fill(fds[0]);
    cress_greenlet *r = begin_call(reads, &reader, fds[0]); /* one fd, so one call for both */
    cress_greenlet *w = begin_call(writes, &writer, fds[0]);
    for (int busy = 0; busy < 2; busy++) {
        if (busy)
            CHECK_EQ(cress_go(ticks, &reader.result), 0); /* many turns */
        count_calls();
        CHECK_EQ(cress_sleep(CRESS_SECONDS(10)), 0);
        stop_counting();
        CHECK_GE(looks(), 9);
        CHECK_LE(looks(), 11);
    }
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(end_call(r, &reader), -EBADF);
    CHECK_EQ(end_call(w, &writer), -EBADF);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    close(fds[1]);
}

static void without_any_a_hub_sleeps_through(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct call call, left;
    CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
    cress_greenlet *g = begin_call(reads, &call, fds[0]);         /* ours: nobody else closes it */
    cress_greenlet *gone = begin_call(reads, &left, dup(fds[1])); /* and one that waits no more */
    CHECK_EQ(cress_write(fds[0], "x", 1), 1);
    CHECK_EQ(end_call(gone, &left), 1);
    count_calls();
    CHECK_EQ(cress_sleep(CRESS_SECONDS(1000)), 0);
    stop_counting();
    CHECK_EQ(looks(), 0);
    CHECK_LE(calls_of("epoll_wait"), 6); /* unused stacks are looked after, too */
    CHECK_EQ(cress_close(left.fd), 0);
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(end_call(g, &call), -EBADF);
    close(fds[1]);
}

/* --- a loop by itself ------------------------------------------------------------------------ */

struct told {
    int calls, events;
};

static int note(cress_watch *watch, int events, void *arg)
{
    struct told *t = arg;
    t->calls++;
    t->events = events;
    return cress_watch_stop(watch);
}

static void a_watcher_is_told_too(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    cress_loop *loop;
    cress_watch_io watcher = { 0 };
    struct told told = { 0 };
    CHECK_EQ(cress_loop_new(NULL, &loop), 0);
    CHECK_EQ(cress_watch_io_init(&watcher, loop, fds[0], CRESS_IN, note, &told), 0);
    CHECK_EQ(cress_watch_start(&watcher.watch), 0);
    close(fds[0]);
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(told.calls, 1);
    CHECK_EQ(told.events, CRESS_NVAL);
    CHECK_EQ(cress_loop_free(loop), 0);
    close(fds[1]);
}

static void looking_is_no_event_that_one_turn_waits_for(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    cress_loop *loop;
    cress_watch_io watcher = { 0 };
    cress_watch_timer timer = { 0 };
    struct told told = { 0 }, rang = { 0 };
    CHECK_EQ(cress_loop_new(NULL, &loop), 0);
    CHECK_EQ(cress_watch_io_init(&watcher, loop, fds[0], CRESS_IN, note, &told), 0);
    CHECK_EQ(cress_watch_start(&watcher.watch), 0);
    CHECK_LE(cress_loop_timeout(loop),
             CRESS_SECONDS(1)); /* whoever else drives it must come back */
    CHECK_EQ(cress_watch_timer_init(&timer, loop, CRESS_SECONDS(10), 0, note, &rang), 0);
    CHECK_EQ(cress_watch_start(&timer.watch), 0);
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_ONCE), 1);
    CHECK_EQ(rang.calls, 1);
    CHECK_EQ(told.calls, 0);
    CHECK_EQ(cress_watch_stop(&watcher.watch), 0);
    CHECK_EQ(cress_loop_timeout(loop), CRESS_FOREVER);
    CHECK_EQ(cress_loop_free(loop), 0);
    close_pair(fds);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, clock_begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(who_waits_for_a_file_that_was_closed_raw_is_told),
        TEST(a_duplicate_that_keeps_the_file_open_changes_nothing),
        TEST(who_waits_for_a_file_that_was_replaced_is_told_and_the_new_one_untouched),
        TEST(the_same_file_under_the_number_again_is_waited_for_on),
        TEST(main_alone_is_told_by_whoever_it_was_closed),
        TEST(when_nobody_is_left_main_learns_of_the_deadlock),
        TEST(a_hub_that_never_sleeps_long_looks_too),
        TEST(a_limit_of_its_own_is_kept_to_the_nanosecond),
        TEST(many_are_told_some_each_second),
        TEST(many_cost_no_more_than_so_many_calls_a_second),
        TEST(a_few_cost_one_call_each_and_second),
        TEST(without_any_a_hub_sleeps_through),
        TEST(a_watcher_is_told_too),
        TEST(looking_is_no_event_that_one_turn_waits_for),
    };
    return RUN_TESTS_APART(tests);
}
