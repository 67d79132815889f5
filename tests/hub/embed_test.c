/* A hub inside somebody else's loop: here poll(2), which knows the hub's descriptor and how long
 * the hub may be left alone, and a pipe of its own. */
#include "support/test.h"
#include "support/child.h"
#include "hub/apart.h"
#include "loop/on_poll.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 }; /* what is readable only then was lost */

static cress_hub *hub;
static int hub_fd, ends[2];

static int begin(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_get(&hub), 0);
    hub_fd = cress_hub_fd(NULL);
    CHECK_GE(hub_fd, 0);
    CHECK_EQ(cress_hub_fd(hub), hub_fd);
    CHECK_EQ(pipe(ends), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    return 0;
}

static bool readable_within(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, ms) == 1;
}

/* How long, as poll(2) has it: rounded up. */
static int milliseconds(cress_time next)
{
    return next == CRESS_FOREVER ? PATIENCE_MS : (int)((next + CRESS_MS(1) - 1) / CRESS_MS(1));
}

static void *in_thread(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;
    void *value;
    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    CHECK_EQ(pthread_join(thread, &value), 0);
    return value;
}

static cress_callback node;
static int ran;

static int runs(void *arg)
{
    (void)arg;
    ran++;
    return 0;
}

static void *posts(void *arg)
{
    CHECK_EQ(cress_post_mt(hub, &node, runs, NULL), 0);
    return arg;
}

static void put(void)
{
    CHECK_EQ(write(ends[1], "x", 1), 1);
}

static void take(void)
{
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 1);
}

/* --- turns ----------------------------------------------------------------------------------- */

static int alive, ticks;

static void *ticks_and_tells(void *arg)
{
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
        ticks++;
        put();
    }
    alive--;
    return arg;
}

static void greenlets_run_between_the_events_of_the_foreign_loop(void **state)
{
    (void)state;
    int foreign = 0;
    cress_time next = 0;
    alive = 2;
    ticks = 0;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(cress_go(ticks_and_tells, NULL), 0);
    while (alive > 0 || foreign < 6) {
        struct pollfd fds[] = { { .fd = hub_fd, .events = POLLIN },
                                { .fd = ends[0], .events = POLLIN } };
        int ms = milliseconds(next);
        CHECK(poll(fds, 2, ms) > 0 || ms < PATIENCE_MS);
        if (fds[1].revents != 0) {
            take();
            foreign++;
        }
        CHECK_GE(cress_hub_turn(&next), 0);
    }
    CHECK_EQ(ticks, 6);
    CHECK_EQ(cress_hub_turn(&next), 0);
    CHECK_EQ(next, CRESS_FOREVER);
}

static void *yields_twice(void *arg)
{
    CHECK(cress_yield() == 0 && cress_yield() == 0);
    return arg;
}

static void a_turn_runs_each_once_and_says_how_many_and_how_long(void **state)
{
    (void)state;
    cress_time next = -1;
    CHECK_EQ(cress_hub_turn(NULL), 0);
    CHECK_EQ(cress_go(yields_twice, NULL), 0);
    CHECK_EQ(cress_go(yields_twice, NULL), 0);
    ran = 0;
    CHECK_EQ(cress_post(NULL, &node, runs, NULL), 0);
    CHECK_GE(cress_hub_turn(&next), 3);
    CHECK_EQ(next, 0);
    CHECK_EQ(ran, 1);
    CHECK_GE(cress_hub_turn(&next), 2);
    CHECK_EQ(next, 0);
    CHECK_GE(cress_hub_turn(&next), 2);
    CHECK_EQ(next, CRESS_FOREVER);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    cress_greenlet *g;
    o.delay = CRESS_SECONDS(100);
    CHECK_EQ(cress_spawn_with(&o, yields_twice, NULL, &g), 0);
    CHECK_EQ(cress_hub_turn(&next), 0);
    CHECK(next > CRESS_SECONDS(90) && next <= CRESS_SECONDS(100));
    CHECK_EQ(cress_kill(g, 0), 0);
    cress_unref(g);
}

static void *reads_pipe(void *arg)
{
    CHECK_EQ(cress_wait_fd(ends[0], CRESS_IN, CRESS_FOREVER), CRESS_IN);
    take();
    ran++;
    return arg;
}

static void its_descriptor_tells_of_descriptors(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(reads_pipe, NULL), 0);
    ran = 0;
    CHECK_GE(cress_hub_turn(NULL), 1);
    CHECK(!readable_within(hub_fd, 0));
    put();
    CHECK(readable_within(hub_fd, PATIENCE_MS));
    CHECK_GE(cress_hub_turn(NULL), 1);
    CHECK_EQ(ran, 1);
    CHECK(!readable_within(hub_fd, 0));
}

/* --- waiting outside of turns ---------------------------------------------------------------- */

static cress_mutex mutex;
static atomic_bool held;

static void *holds_for_a_moment(void *arg)
{
    CHECK_EQ(cress_mutex_lock(&mutex, CRESS_FOREVER), 0);
    atomic_store(&held, true);
    usleep(10000);
    CHECK_EQ(cress_mutex_unlock(&mutex), 0);
    return arg;
}

static void waits_not(void) {}

static void takes_a_turn(void)
{
    CHECK_GE(cress_hub_turn(NULL), 0);
}

static void sleeps(void)
{
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
}

static void yields(void)
{
    CHECK_EQ(cress_yield(), 0);
}

static void waits_for_a_lock_of_another_thread(void)
{
    pthread_t thread;
    CHECK_EQ(cress_mutex_init(&mutex, CRESS_SHARED), 0);
    atomic_store(&held, false);
    CHECK_EQ(pthread_create(&thread, NULL, holds_for_a_moment, NULL), 0);
    while (!atomic_load(&held))
        continue;
    CHECK_EQ(cress_mutex_lock(&mutex, CRESS_FOREVER), 0);
    CHECK_EQ(cress_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int says_7(void *arg)
{
    (void)arg;
    return 7;
}

static void offloads(void)
{
    CHECK_EQ(cress_offload(says_7, NULL), 7);
}

static void waits_for_a_descriptor(void)
{
    put();
    CHECK_EQ(cress_wait_fd(ends[0], CRESS_IN, CRESS_FOREVER), CRESS_IN);
    take();
}

static void waits_for_one_of_two(void)
{
    cress_case cases[] = { cress_on_fd(ends[0], CRESS_IN), cress_on_timer(CRESS_MS(1)) };
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 1);
}

static void (*const waits[])(void) = {
    waits_not,
    takes_a_turn,
    sleeps,
    yields,
    waits_for_a_lock_of_another_thread,
    offloads,
    waits_for_a_descriptor,
    waits_for_one_of_two,
};

static void its_descriptor_tells_of_a_post_whatever_was_waited_for_before(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        for (int turns = 0; turns < 2; turns++) {
            if (turns > 0)
                CHECK_GE(cress_hub_turn(NULL), 0);
            waits[i]();
            ran = 0;
            in_thread(posts, NULL);
            CHECK(readable_within(hub_fd, PATIENCE_MS));
            CHECK_GE(cress_hub_turn(NULL), 1);
            CHECK_EQ(ran, 1);
            CHECK_GE(cress_hub_turn(NULL), 0); /* may be readable once for nothing */
            CHECK(!readable_within(hub_fd, 0));
        }
}

static void *posts_while_it_runs(void *arg)
{
    in_thread(posts, NULL);
    return arg;
}

static void its_descriptor_tells_of_a_post_that_came_while_greenlets_ran(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        ran = 0;
        CHECK_EQ(cress_go(posts_while_it_runs, NULL), 0);
        if (turn > 0)
            CHECK_GE(cress_hub_turn(NULL), 1);
        else
            CHECK_EQ(cress_yield(), 0);
        CHECK(readable_within(hub_fd, PATIENCE_MS));
        for (int i = 0; i < 2; i++)
            CHECK_GE(cress_hub_turn(NULL), 0);
        CHECK_EQ(ran, 1);
        CHECK(!readable_within(hub_fd, 0));
    }
}

static int hears(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)arg;
    CHECK_EQ(events, CRESS_IN);
    ran++;
    return 0;
}

/* What an event has left is asked for again, also when it came in no turn. */
static void its_descriptor_tells_of_what_is_still_ready(void **state)
{
    (void)state;
    cress_watch_io io = { 0 };
    CHECK_EQ(cress_watch_io_init(&io, cress_hub_loop(hub), ends[0], CRESS_IN, hears, NULL), 0);
    CHECK_EQ(cress_watch_start(&io.watch), 0);
    ran = 0;
    put();
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK(readable_within(hub_fd, PATIENCE_MS));
    CHECK_GE(cress_hub_turn(NULL), 1);
    CHECK_GE(ran, 1);
    CHECK(readable_within(hub_fd, PATIENCE_MS));
    take();
    CHECK_GE(cress_hub_turn(NULL), 0);
    CHECK_GE(cress_hub_turn(NULL), 0);
    CHECK(!readable_within(hub_fd, 0));
    CHECK_EQ(cress_watch_stop(&io.watch), 0);
}

/* --- refusals -------------------------------------------------------------------------------- */

static ssize_t refused;
static cress_time untouched;

static void *takes_a_turn_in_greenlet(void *arg)
{
    refused = cress_hub_turn(&untouched);
    return arg;
}

static int takes_a_turn_in_callback(void *arg)
{
    (void)arg;
    refused = cress_hub_turn(&untouched);
    return 0;
}

static int told;

static void is_told(cress_hub *h, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)h, (void)g, (void)context, (void)arg;
    CHECK_EQ(error, -EPERM);
    told++;
}

static void only_main_takes_turns(void **state)
{
    (void)state;
    untouched = 42;
    refused = 0;
    CHECK_EQ(cress_go(takes_a_turn_in_greenlet, NULL), 0);
    CHECK_GE(cress_hub_turn(NULL), 1);
    CHECK_EQ(refused, -EPERM);
    refused = told = 0;
    CHECK_EQ(cress_hub_set_error_hook(hub, is_told, NULL), 0);
    CHECK_EQ(cress_post(NULL, &node, takes_a_turn_in_callback, NULL), 0);
    CHECK_GE(cress_hub_turn(NULL), 1);
    CHECK_EQ(refused, -EPERM);
    CHECK_EQ(told, 1);
    CHECK_EQ(untouched, 42);
}

static void *asks_for_anothers(void *arg)
{
    CHECK_EQ(cress_hub_fd(hub), -EXDEV);
    int own = cress_hub_fd(NULL);
    CHECK(own >= 0 && own != hub_fd);
    return arg;
}

static void a_descriptor_is_its_threads(void **state)
{
    (void)state;
    in_thread(asks_for_anothers, NULL);
}

static void without_a_hub(void *unused)
{
    (void)unused;
    struct rlimit none = { 3, 3 };
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_EQ(cress_hub_fd(NULL), -EMFILE);
    CHECK_EQ(cress_hub_turn(NULL), -EMFILE);
    CHECK(cress_hub_current() == NULL);
}

static void on_another_poller(void *unused)
{
    (void)unused;
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(setenv("CRESS_POLLER", "poll", 1), 0);
    CHECK_EQ(cress_hub_fd(NULL), -ENOTSUP);
    CHECK_EQ(cress_hub_turn(NULL), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void passes_in_child(void (*fn)(void *))
{
    struct child_result result;
    child_run(fn, NULL, PATIENCE_MS, &result);
    if (result.timed_out || result.signal != 0 || result.status != 0)
        fprintf(stderr, "%s: %s\n", child_words(&result), result.error);
    CHECK(!result.timed_out && result.signal == 0 && result.status == 0);
}

static void where_there_is_no_descriptor_it_is_said_why(void **state)
{
    (void)state;
    passes_in_child(without_a_hub);
    passes_in_child(on_another_poller);
}

/* --- its end, and fork ----------------------------------------------------------------------- */

static void *parks(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void the_end_closes_the_descriptor(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(parks, NULL), 0);
    CHECK_EQ(cress_hub_turn(NULL), 1);
    CHECK(!readable_within(hub_fd, 0));
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(5)), 0);
    CHECK(fcntl(hub_fd, F_GETFD) == -1 && errno == EBADF);
    CHECK_EQ(cress_hub_get(&hub), 0);
    hub_fd = cress_hub_fd(NULL);
    in_thread(posts, NULL);
    CHECK(readable_within(hub_fd, PATIENCE_MS));
    CHECK_GE(cress_hub_turn(NULL), 1);
}

static void *unparks_main(void *main)
{
    CHECK_EQ(cress_unpark(main), 0);
    return NULL;
}

static int lets_main_go_on(void *main)
{
    return cress_unpark(main);
}

static void *posts_for(void *main)
{
    usleep(10000);
    CHECK_EQ(cress_post_mt(hub, &node, lets_main_go_on, main), 0);
    return NULL;
}

static void to_wait_for_ever_is_no_deadlock(void **state)
{
    (void)state;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, posts_for, cress_coro_current()), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_go(unparks_main, cress_coro_current()), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
}

static void in_a_child(void *unused)
{
    (void)unused;
    hub_fd = cress_hub_fd(NULL);
    CHECK_GE(hub_fd, 0);
    ran = 0;
    posts(NULL); /* as another thread would */
    CHECK(readable_within(hub_fd, PATIENCE_MS));
    CHECK_GE(cress_hub_turn(NULL), 1);
    CHECK_EQ(ran, 1);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void a_child_has_a_descriptor_that_tells(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_turn(NULL), 0);
    passes_in_child(in_a_child);
    in_thread(posts, NULL);
    CHECK(readable_within(hub_fd, PATIENCE_MS));
    CHECK_GE(cress_hub_turn(NULL), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    if (only_on_epoll("it has no descriptor"))
        return 0;
    const struct CMUnitTest tests[] = {
        TEST(greenlets_run_between_the_events_of_the_foreign_loop),
        TEST(a_turn_runs_each_once_and_says_how_many_and_how_long),
        TEST(its_descriptor_tells_of_descriptors),
        TEST(its_descriptor_tells_of_a_post_whatever_was_waited_for_before),
        TEST(its_descriptor_tells_of_a_post_that_came_while_greenlets_ran),
        TEST(its_descriptor_tells_of_what_is_still_ready),
        TEST(only_main_takes_turns),
        TEST(a_descriptor_is_its_threads),
        TEST(where_there_is_no_descriptor_it_is_said_why),
        TEST(the_end_closes_the_descriptor),
        TEST(to_wait_for_ever_is_no_deadlock),
        TEST(a_child_has_a_descriptor_that_tells),
    };
    return RUN_TESTS_APART(tests);
}
