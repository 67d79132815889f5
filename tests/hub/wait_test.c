/* Waiting for several things: wait, choose, iwait, their kinds of cases; and joinall. */
#include "support/test.h"
#include "base/fault.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/told.h"
#include "hub/workers.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct told told;

static int begin(void **state)
{
    told = (struct told){ 0 };
    clock_begin(state);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    return 0;
}

static void *sleep_ms(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS((intptr_t)arg)), 0);
    return arg;
}

static void *fail_after_ms(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS((intptr_t)arg)), 0);
    cress_exit_error(-(int)(intptr_t)arg);
    return NULL;
}

static void *park_until_killed(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

/* --- waiters --------------------------------------------------------------------------------- */

static int wake_it(void *arg)
{
    return cress_waiter_wake(arg, "value");
}

static void a_value_that_came_before_is_taken_without_a_switch(void **state)
{
    (void)state;
    cress_waiter w = { 0 };
    void *value = NULL;
    cress_hub_counts before = CRESS_HUB_COUNTS_INIT, after = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_waiter_wait(&w, 0, &value), -EAGAIN);
    CHECK_EQ(cress_waiter_wake(&w, "early"), 0);
    CHECK_EQ(cress_waiter_wake(&w, "twice"), -EALREADY);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &before), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_FOREVER, &value), 0);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &after), 0);
    CHECK_EQ(after.switches, before.switches);
    CHECK_STR(value, "early");
    CHECK_EQ(cress_waiter_wait(&w, CRESS_FOREVER, &value), -EALREADY);
    CHECK_EQ(cress_waiter_wake(&w, "late"), -EALREADY);
    CHECK_EQ(cress_waiter_init(&w), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_MS(1), &value), -ETIMEDOUT);
    CHECK_EQ(cress_waiter_throw(&w, -EIO), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_MS(1), &value), -EIO);
    CHECK_STR(value, "early"); /* written on success only */
    CHECK_EQ(cress_waiter_throw(&w, 1), -EINVAL);
    CHECK_EQ(cress_waiter_wait(NULL, 0, NULL), -EINVAL);
    CHECK_EQ(cress_waiter_wake(NULL, NULL), -EINVAL);
    CHECK_EQ(cress_waiter_init(NULL), -EINVAL);
}

static void *wait_for_value(void *arg)
{
    void *value = NULL;
    int error = cress_waiter_wait(arg, CRESS_FOREVER, &value);
    return error == 0 ? value : (void *)(intptr_t)error;
}

static void a_waiter_serves_one_and_no_stranger_wakes_it(void **state)
{
    (void)state;
    cress_waiter w = { 0 };
    cress_callback node = { 0 };
    cress_greenlet *g = cress_spawn(wait_for_value, &w);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_FOREVER, NULL), -EBUSY);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), 0); /* for its next park, not for this wait */
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK(!cress_ready(g));
    CHECK_EQ(cress_post(NULL, &node, wake_it, &w), 0); /* callbacks may wake */
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(cress_value(g), "value");
    cress_unref(g);
}

static void a_cancelled_wait_leaves_the_waiter_usable(void **state)
{
    (void)state;
    cress_waiter w = { 0 };
    void *value;
    cress_greenlet *g = cress_spawn(wait_for_value, &w);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_waiter_wake(&w, "for me"), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_FOREVER, &value), 0);
    CHECK_STR(value, "for me");
    cress_unref(g);
}

static void *wake_elsewhere(void *w)
{
    return (void *)(intptr_t)cress_waiter_wake(w, "from elsewhere");
}

static int woken_elsewhere(cress_waiter *w)
{
    pthread_t thread;
    void *r;
    CHECK_EQ(pthread_create(&thread, NULL, wake_elsewhere, w), 0);
    CHECK_EQ(pthread_join(thread, &r), 0);
    return (int)(intptr_t)r;
}

static void a_waiter_is_a_hub_s_while_somebody_waits(void **state)
{
    (void)state;
    cress_waiter w = { 0 };
    void *value;
    cress_greenlet *g = cress_spawn(wait_for_value, &w);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(woken_elsewhere(&w), -EXDEV);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_EQ(woken_elsewhere(&w), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_FOREVER, &value), 0);
    CHECK_STR(value, "from elsewhere");
    CHECK_EQ(cress_waiter_init(&w), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_MS(1), NULL), -ETIMEDOUT);
    CHECK_EQ(woken_elsewhere(&w), 0);
    CHECK_EQ(cress_waiter_init(&w), 0);
    cress_case c = cress_on_waiter(&w);
    cress_iwait it;
    CHECK_EQ(cress_iwait_init(&it, &c, 1), 0);
    CHECK_EQ(woken_elsewhere(&w), -EXDEV);
    cress_iwait_done(&it);
    CHECK_EQ(woken_elsewhere(&w), 0);
    CHECK_EQ(cress_waiter_init(&w), 0);
    g = cress_spawn(wait_for_value, &w);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(0), 1);
    CHECK_EQ(woken_elsewhere(&w), 0);
    cress_unref(g);
}

/* --- wait ------------------------------------------------------------------------------------ */

static void wait_tells_what_happened_in_the_order_in_which_it_did(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *g = cress_spawn(fail_after_ms, (void *)20);
    cress_case cases[] = { cress_on_timer(CRESS_MS(30)), cress_on_greenlet(g),
                           cress_on_timer(CRESS_MS(10)) };
    size_t ready[3] = { 9, 9, 9 };
    CHECK_EQ(cress_wait(cases, 3, CRESS_ALL, CRESS_FOREVER, ready), 3);
    CHECK_EQ(clock_time - start, CRESS_MS(30));
    CHECK_EQ(ready[0], 2);
    CHECK_EQ(ready[1], 1);
    CHECK_EQ(ready[2], 0);
    CHECK_EQ(cases[1].result, -20);
    CHECK(cases[0].ready && cases[1].ready && cases[2].ready);
    CHECK_EQ(told.count, 1);
    cress_unref(g);
}

static void enough_is_enough(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_case cases[] = { cress_on_timer(CRESS_MS(30)), cress_on_timer(CRESS_MS(20)),
                           cress_on_timer(CRESS_MS(10)) };
    size_t ready[3];
    CHECK_EQ(cress_wait(cases, 3, 2, CRESS_FOREVER, ready), 2);
    CHECK_EQ(clock_time - start, CRESS_MS(20));
    CHECK(!cases[0].ready);
    CHECK_EQ(cress_wait(cases, 3, 5, CRESS_MS(25), ready), 2); /* time is up */
    CHECK_EQ(cress_wait(cases, 3, 0, CRESS_FOREVER, ready), 0);
    CHECK_EQ(cress_wait(cases, 3, 1, 0, ready), 0);
    CHECK_EQ(cress_wait(NULL, 0, CRESS_ALL, CRESS_FOREVER, NULL), 0);
    CHECK_EQ(cress_wait(NULL, 1, 1, 0, NULL), -EINVAL);
    CHECK_EQ(cress_wait(cases, 3, 1, -1, NULL), -EINVAL);
}

static void one_thing_twice_happens_twice(void **state)
{
    (void)state;
    cress_waiter w = { 0 };
    cress_callback node = { 0 };
    cress_case cases[] = { cress_on_waiter(&w), cress_on_waiter(&w) };
    CHECK_EQ(cress_post(NULL, &node, wake_it, &w), 0);
    CHECK_EQ(cress_wait(cases, 2, CRESS_ALL, CRESS_FOREVER, NULL), 2);
    CHECK_EQ(cress_wait(cases, 2, 9, CRESS_FOREVER, NULL), 2); /* now at once */
    void *value;
    CHECK_EQ(cress_waiter_wait(&w, 0, &value), 0); /* nothing was taken */
}

static int on_time(cress_watch *watch, int events, void *arg)
{
    (void)watch;
    (void)arg;
    return events;
}

static void nothing_that_could_happen_is_a_deadlock(void **state)
{
    (void)state;
    cress_waiter w = { 0 };
    cress_case cases[] = { cress_on_waiter(&w), cress_on_greenlet(NULL), cress_on_waiter(NULL),
                           cress_on_timer(CRESS_FOREVER) };
    cress_watch_timer timer = { 0 }; /* unreferenced, it keeps nobody waiting */
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_watch_timer_init(&timer, cress_hub_loop(cress_hub_current()), CRESS_SECONDS(10),
                                    0, on_time, NULL),
             0);
    CHECK_EQ(cress_watch_set_ref(&timer.watch, false), 0);
    CHECK_EQ(cress_watch_start(&timer.watch), 0);
    CHECK_EQ(cress_wait(cases, 4, 1, CRESS_FOREVER, NULL), -EDEADLK);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(cress_watch_stop(&timer.watch), 0);
}

static void *write_later(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
    CHECK_EQ(write(*(int *)arg, "x", 1), 1);
    return arg;
}

static void *close_later(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
    CHECK_EQ(cress_close(*(int *)arg), 0);
    return arg;
}

static void a_descriptor_is_a_case(void **state)
{
    (void)state;
    int fds[2];
    char c;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    cress_case cases[] = { cress_on_fd(fds[0], CRESS_IN), cress_on_timer(CRESS_MS(100)) };
    CHECK_EQ(cress_go(write_later, &fds[1]), 0);
    size_t first = 9;
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_FOREVER, &first), 1);
    CHECK_EQ(first, 0);
    CHECK_EQ(cases[0].result, CRESS_IN);
    CHECK_EQ(cress_wait(cases, 2, 1, 0, &first), 1); /* still there */
    CHECK_EQ(cress_read(fds[0], &c, 1), 1);
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_MS(1), &first), 0);
    cases[0].events = CRESS_OUT;
    CHECK_EQ(cress_wait(cases, 1, 1, 0, &first), 1);
    cases[0].events = 0;
    CHECK_EQ(cress_wait(cases, 1, 1, 0, &first), -EINVAL);
    cases[0] = cress_on_fd(fds[0], CRESS_IN);
    CHECK_EQ(cress_go(close_later, &fds[0]), 0);
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_FOREVER, &first), -EBADF);
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_FOREVER, &first), -EBADF);
    cases[0].number = -1;
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_FOREVER, &first), -EBADF);
    close(fds[1]);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

/* The number is another file's when the waiting one looks, and that one is readable. */
static void *replace_later(void *arg)
{
    int *fd = arg, fds[2];
    CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
    CHECK_EQ(cress_close(*fd), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(fds[0], *fd);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    *fd = fds[1];
    return arg;
}

static void a_closed_descriptor_is_told_whatever_has_its_number(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    int number = fds[0];
    cress_case c = cress_on_fd(number, CRESS_IN);
    CHECK_EQ(cress_go(replace_later, &fds[0]), 0);
    CHECK_EQ(cress_wait(&c, 1, 1, CRESS_FOREVER, NULL), -EBADF);
    CHECK_EQ(cress_close(number), 0);
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(cress_close(fds[1]), 0);
}

static void *wait_as_a_daemon(void *arg)
{
    cress_case cases[] = { cress_on_timer(CRESS_SECONDS(100)), cress_on_fd(0, CRESS_PRI) };
    cases[1].number = *(int *)arg;
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_FOREVER, NULL), -ECANCELED);
    return arg;
}

static void what_a_daemon_waits_for_keeps_nothing_going(void **state)
{
    (void)state;
    int fds[2];
    cress_greenlet *g;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.daemon = true;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(cress_spawn_with(&o, wait_as_a_daemon, fds, &g), 0);
    CHECK_EQ(cress_yield(), 0);
    cress_time start = clock_time;
    CHECK_EQ(cress_loop_active(cress_hub_loop(cress_hub_current())), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(clock_time, start);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(cress_close(fds[1]), 0);
}

static void *wait_for_timer(void *arg)
{
    cress_case c = cress_on_timer(CRESS_SECONDS(100));
    cress_timeout t = { 0 };
    CHECK_EQ(cress_timeout_start(&t, CRESS_MS(10)), 0);
    CHECK_EQ(cress_wait(&c, 1, 1, CRESS_FOREVER, NULL), -ECANCELED);
    CHECK(cress_timeout_stop(&t));
    CHECK_EQ(cress_choose(&c, 1, CRESS_FOREVER), -ECANCELED); /* killed */
    return arg;
}

static void a_cancelled_wait_leaves_nothing_behind(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *g = cress_spawn(wait_for_timer, NULL);
    CHECK_EQ(cress_sleep(CRESS_MS(20)), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(clock_time - start, CRESS_MS(20));
    cress_unref(g);
}

/* --- a kind of our own ----------------------------------------------------------------------- */

/* A box with a number of items; who takes one leaves one less. */
struct box {
    int items, linked, unlinked;
    cress_case *who;
};

static int box_ready(cress_case *c, bool take)
{
    struct box *box = c->object;
    if (box->items < 0)
        return -EIO;
    if (box->items == 0)
        return 0;
    box->items -= take;
    return 1;
}

static int box_link(cress_case *c)
{
    struct box *box = c->object;
    box->who = c;
    box->linked++;
    return 0;
}

static void box_unlink(cress_case *c)
{
    struct box *box = c->object;
    box->unlinked++;
    box->who = NULL;
}

static int refuse_link(cress_case *c)
{
    (void)c;
    return -EXDEV;
}

static const cress_case_ops box_ops = { "box", box_ready, box_link, box_unlink };
static const cress_case_ops bad_ops = { "bad", box_ready, refuse_link, box_unlink };

static void *fill(void *arg)
{
    struct box *box = arg;
    CHECK(box->who != NULL);
    cress_case_fire(box->who); /* for nothing: it waits on */
    CHECK_EQ(cress_yield(), 0);
    CHECK(box->who != NULL);
    box->items++;
    cress_case_fire(box->who);
    cress_case_fire(box->who);
    return NULL;
}

static void things_of_ones_own_can_be_waited_for(void **state)
{
    (void)state;
    struct box box = { 0 }, other = { 0 };
    cress_case cases[] = { cress_on(&box_ops, &box), cress_on(&box_ops, &other) };
    CHECK_EQ(cress_go(fill, &box), 0);
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_FOREVER, NULL), 1);
    CHECK_EQ(box.items, 1);
    CHECK_EQ(box.linked, 2);
    CHECK_EQ(box.unlinked, 2);
    CHECK_EQ(other.linked, 1);
    CHECK_EQ(other.unlinked, 1);
    cress_case_fire(&cases[0]); /* nobody waits: nothing */
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 0);
    CHECK_EQ(box.items, 0);
    CHECK_EQ(cress_choose(cases, 2, 0), -EAGAIN);
    CHECK_EQ(cress_choose(cases, 2, CRESS_MS(1)), -ETIMEDOUT);

    box.items = -1;
    CHECK_EQ(cress_wait(cases, 2, 2, CRESS_FOREVER, NULL), -EIO);
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), -EIO);
    box = (struct box){ 0 };
    cases[1].ops = &bad_ops;
    other.items = 0;
    CHECK_EQ(cress_wait(cases, 2, 2, CRESS_FOREVER, NULL), -EXDEV);
    CHECK_EQ(box.linked, box.unlinked);
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), -EXDEV);
    CHECK_EQ(box.linked, box.unlinked);
}

/* --- choose ---------------------------------------------------------------------------------- */

static void choose_takes_exactly_one_and_each_equally_often(void **state)
{
    (void)state;
    enum { N = 4, ROUNDS = 4000 };
    struct box boxes[N];
    cress_case cases[N];
    int taken[N] = { 0 };
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++) {
            boxes[i] = (struct box){ .items = 1 };
            cases[i] = cress_on(&box_ops, &boxes[i]);
        }
        int chosen = cress_choose(cases, N, CRESS_FOREVER);
        CHECK_GE(chosen, 0);
        for (int i = 0; i < N; i++)
            CHECK_EQ(boxes[i].items, i != chosen);
        taken[chosen]++;
    }
    for (int i = 0; i < N; i++)
        CHECK_GT(taken[i], ROUNDS / N * 8 / 10);
}

static void *fill_all(void *arg)
{
    struct box *boxes = arg;
    for (int i = 0; i < 3; i++) {
        boxes[i].items = 1;
        cress_case_fire(boxes[i].who);
    }
    return NULL;
}

static void of_several_that_come_at_once_one_is_taken(void **state)
{
    (void)state;
    int taken[3] = { 0 };
    for (int round = 0; round < 300; round++) {
        struct box boxes[3] = { 0 };
        cress_case cases[3];
        for (int i = 0; i < 3; i++)
            cases[i] = cress_on(&box_ops, &boxes[i]);
        CHECK_EQ(cress_go(fill_all, boxes), 0);
        int chosen = cress_choose(cases, 3, CRESS_FOREVER);
        CHECK_GE(chosen, 0);
        CHECK_EQ(boxes[0].items + boxes[1].items + boxes[2].items, 2);
        CHECK_EQ(boxes[chosen].items, 0);
        taken[chosen]++;
    }
    for (int i = 0; i < 3; i++)
        CHECK_GT(taken[i], 60);
}

static void choosing_a_waiter_takes_its_value(void **state)
{
    (void)state;
    cress_waiter w = { 0 };
    cress_callback node = { 0 };
    cress_case cases[] = { cress_on_timer(CRESS_SECONDS(1)), cress_on_waiter(&w) };
    CHECK_EQ(cress_post(NULL, &node, wake_it, &w), 0);
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 1);
    CHECK_STR(cases[1].data, "value");
    CHECK_EQ(cases[1].result, 0);
    CHECK_EQ(cress_waiter_wait(&w, 0, NULL), -EALREADY);
    CHECK_EQ(cress_choose(NULL, 1, 0), -EINVAL);
    CHECK_EQ(cress_choose(cases, 2, -1), -EINVAL);
}

static cress_waiter chosen;

static void *takes_the_value(void *arg)
{
    void *value = NULL;
    CHECK_EQ(cress_waiter_wait(&chosen, CRESS_FOREVER, &value), 0);
    CHECK_STR(value, "value");
    return arg;
}

static void nobody_takes_a_value_from_who_was_woken_with_it(void **state)
{
    (void)state;
    chosen = (cress_waiter){ { 0 } };
    cress_case c = cress_on_waiter(&chosen);
    cress_greenlet *g = cress_spawn(takes_the_value, NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_waiter_wake(&chosen, "value"), 0);
    CHECK_EQ(cress_waiter_wait(&chosen, 0, NULL), -EBUSY); /* it has not run yet */
    CHECK_EQ(cress_choose(&c, 1, 0), -EBUSY);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_waiter_wait(&chosen, 0, NULL), -EALREADY);
    cress_unref(g);
}

static int wake_it_and_kill(void *arg)
{
    cress_greenlet *g = arg;
    CHECK_EQ(cress_waiter_wake(&chosen, "value"), 0);
    CHECK_EQ(cress_kill(g, 0), 0);
    return 0;
}

static void *choose_the_waiter(void *arg)
{
    cress_case c = cress_on_waiter(&chosen);
    CHECK_EQ(cress_choose(&c, 1, CRESS_FOREVER), 0);
    CHECK_EQ(c.result, 0);
    CHECK_STR(c.data, "value");
    CHECK_EQ(cress_yield(), -ECANCELED);
    return arg;
}

static void what_was_chosen_is_taken_though_a_kill_came_in_the_same_turn(void **state)
{
    (void)state;
    cress_callback node = { 0 };
    chosen = (cress_waiter){ { 0 } };
    cress_greenlet *g = cress_spawn(choose_the_waiter, NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_post(NULL, &node, wake_it_and_kill, g), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
}

/* In a callback nothing may wait, but what has happened can be asked for. */
static int asks_what_has_happened(void *arg)
{
    cress_greenlet *ended = arg;
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.raise_error = true;
    cress_case c = cress_on_greenlet(ended);
    cress_waiter w = { { 0 } };
    cress_iwait it = { { 0 } };
    void *value = NULL;
    CHECK_EQ(cress_join(ended, CRESS_FOREVER), 0);
    CHECK_EQ(cress_joinall(&ended, 1, CRESS_FOREVER, NULL, NULL), 0);
    CHECK_EQ(cress_wait(&c, 1, 1, CRESS_FOREVER, NULL), 1);
    CHECK_EQ(cress_choose(&c, 1, CRESS_FOREVER), 0);
    CHECK_EQ(cress_iwait_init(&it, &c, 1), 0);
    CHECK_EQ(cress_iwait_next(&it, CRESS_FOREVER), 0);
    cress_iwait_done(&it);
    CHECK_EQ(cress_waiter_wake(&w, "value"), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_FOREVER, &value), 0);
    CHECK_STR(value, "value");
    CHECK_EQ(told.count, 0);
    cress_greenlet *alive = cress_main();
    c = cress_on_greenlet(alive);
    CHECK_EQ(cress_joinall(&alive, 1, CRESS_FOREVER, NULL, NULL), -EPERM);
    CHECK_EQ(cress_joinall(&alive, 1, CRESS_FOREVER, &o, NULL), -EPERM);
    CHECK_EQ(cress_wait(&c, 1, 1, CRESS_FOREVER, NULL), -EPERM);
    CHECK_EQ(cress_choose(&c, 1, CRESS_FOREVER), -EPERM);
    CHECK_EQ(cress_waiter_init(&w), 0);
    CHECK_EQ(cress_waiter_wait(&w, CRESS_FOREVER, NULL), -EPERM);
    CHECK_EQ(told.count, 5);
    return 0;
}

static void a_callback_may_ask_what_has_happened(void **state)
{
    (void)state;
    cress_callback node = { 0 };
    cress_greenlet *ended = cress_spawn(sleep_ms, (void *)0);
    CHECK_EQ(cress_join(ended, CRESS_FOREVER), 0);
    CHECK_EQ(cress_post(NULL, &node, asks_what_has_happened, ended), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    cress_unref(ended);
}

static void null_is_no_greenlet_and_no_case(void **state)
{
    (void)state;
    cress_case_fire(NULL);
    CHECK(!cress_started(NULL));
    CHECK(!cress_ready(NULL));
    CHECK(!cress_successful(NULL));
    CHECK_EQ(cress_outcome(NULL), CRESS_ALIVE);
    CHECK(cress_value(NULL) == NULL);
    CHECK_EQ(cress_error(NULL), 0);
    CHECK_EQ(cress_id(NULL), 0);
    CHECK_EQ(cress_slot(NULL), UINT32_MAX);
    CHECK_STR(cress_name(NULL), "");
}

/* --- iwait ----------------------------------------------------------------------------------- */

static void iwait_goes_through_them_as_they_happen(void **state)
{
    (void)state;
    cress_greenlet *done = cress_spawn(sleep_ms, (void *)0);
    CHECK_EQ(cress_join(done, CRESS_FOREVER), 0);
    cress_case cases[] = { cress_on_timer(CRESS_MS(20)), cress_on_timer(CRESS_MS(10)),
                           cress_on_greenlet(done), cress_on_greenlet(NULL) };
    cress_iwait it = { { 0 } };
    CHECK_EQ(cress_iwait_init(&it, cases, 4), 0);
    CHECK_EQ(cress_iwait_next(&it, 0), 2);
    CHECK_EQ(cress_iwait_next(&it, 0), -EAGAIN);
    CHECK_EQ(cress_iwait_next(&it, CRESS_MS(5)), -ETIMEDOUT);
    CHECK_EQ(cress_sleep(CRESS_MS(30)), 0); /* both happen while nobody looks */
    CHECK_EQ(cress_iwait_next(&it, CRESS_FOREVER), 1);
    CHECK_EQ(cress_iwait_next(&it, CRESS_FOREVER), 0);
    CHECK_EQ(cress_iwait_next(&it, CRESS_FOREVER), -ENOENT);
    cress_iwait_done(&it);
    cress_iwait_done(&it);
    cress_unref(done);
}

static void iwait_can_end_before_all_have_happened(void **state)
{
    (void)state;
    cress_time start = clock_time;
    struct box box = { 0 };
    cress_case cases[] = { cress_on_timer(CRESS_SECONDS(10)), cress_on(&box_ops, &box) };
    cress_iwait it;
    CHECK_EQ(cress_iwait_init(&it, cases, 2), 0);
    CHECK_EQ(cress_iwait_next(&it, CRESS_MS(1)), -ETIMEDOUT);
    cress_iwait_done(&it);
    CHECK_EQ(box.linked, box.unlinked);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(clock_time - start, CRESS_MS(1));
    CHECK_EQ(cress_iwait_next(&it, 0), -EINVAL); /* it has ended */
    cases[0] = cress_on(&bad_ops, &box);
    CHECK_EQ(cress_iwait_init(&it, cases, 2), -EXDEV);
    CHECK_EQ(cress_iwait_next(&it, 0), -EINVAL);
    cases[0] = cress_on_fd(-1, CRESS_IN);
    CHECK_EQ(cress_iwait_init(&it, cases, 2), -EBADF);
    CHECK_EQ(cress_iwait_init(NULL, cases, 2), -EINVAL);
    CHECK_EQ(cress_iwait_next(NULL, 0), -EINVAL);
    CHECK_EQ(cress_iwait_next(&it, -1), -EINVAL);
}

static void iwait_begins_also_where_a_scope_is_over(void **state)
{
    (void)state;
    cress_timeout t = { 0 };
    cress_case cases[] = { cress_on_timer(CRESS_MS(10)) };
    cress_iwait it;
    CHECK_EQ(cress_timeout_start(&t, 0), 0);
    CHECK_EQ(cress_iwait_init(&it, cases, 1), 0);
    CHECK_EQ(cress_iwait_next(&it, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_timeout_stop(&t));
    CHECK_EQ(cress_iwait_next(&it, CRESS_FOREVER), 0);
    cress_iwait_done(&it);
}

struct foreign {
    cress_greenlet *g;
    cress_waiter *waiter;
    bool ended; /* its hub has */
};

static void *iwait_of_foreign(void *arg)
{
    const struct foreign *f = arg;
    cress_case greenlet[] = { cress_on_timer(CRESS_SECONDS(10)), cress_on_greenlet(f->g) };
    cress_case waiter[] = { cress_on_timer(CRESS_SECONDS(10)), cress_on_waiter(f->waiter) };
    cress_iwait it;
    CHECK_EQ(cress_iwait_init(&it, greenlet, 2), f->ended ? -EOWNERDEAD : -EXDEV);
    if (!f->ended)
        CHECK_EQ(cress_iwait_init(&it, waiter, 2), -EXDEV);
    CHECK_EQ(cress_run(0), 0); /* the timer has been taken back */
    return NULL;
}

static void iwait_refuses_what_is_another_threads(void **state)
{
    (void)state;
    cress_waiter waiter = { { 0 } };
    struct foreign f = { .waiter = &waiter };
    cress_greenlet *waits = cress_spawn(wait_for_value, &waiter);
    f.g = cress_spawn(park_until_killed, NULL);
    CHECK_EQ(cress_yield(), 0);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, iwait_of_foreign, &f), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_waiter_wake(&waiter, "mine"), 0);
    CHECK_EQ(cress_join(waits, CRESS_FOREVER), 0);
    CHECK_STR(cress_value(waits), "mine");
    cress_unref(waits);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    f.ended = true;
    CHECK_EQ(pthread_create(&thread, NULL, iwait_of_foreign, &f), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    cress_unref(f.g);
}

/* What an iwait is linked to: of this thread, of all. */
struct open_iwait {
    struct box box;
    cress_event event;
    cress_case cases[3];
    cress_iwait it;
};

static void open_it(struct open_iwait *o)
{
    o->cases[0] = cress_on(&box_ops, &o->box);
    o->cases[1] = cress_on_event(&o->event);
    o->cases[2] = cress_on_timer(CRESS_SECONDS(1));
    CHECK_EQ(cress_iwait_init(&o->it, o->cases, 3), 0);
}

static void *opens_and_sleeps(void *arg)
{
    struct open_iwait *o = arg;
    open_it(o);
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    return cress_sleep(CRESS_FOREVER) < 0 ? arg : NULL;
}

/* Its frame is gone with it, as far as anybody knows. */
static void *opens_here_and_waits(void *arg)
{
    cress_case c[] = { cress_on_event(arg), cress_on_timer(CRESS_SECONDS(1000)) };
    cress_iwait it;
    CHECK_EQ(cress_iwait_init(&it, c, 2), 0);
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    return cress_iwait_next(&it, CRESS_FOREVER) == 0 ? arg : NULL;
}

static void end_with_open_ones(void)
{
    cress_event e = { { 0 } };
    static struct open_iwait of_main, of_greenlet;
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_event_init(&e, CRESS_SHARED), 0);
    CHECK_EQ(cress_event_init(&of_main.event, CRESS_SHARED), 0);
    CHECK_EQ(cress_event_init(&of_greenlet.event, 0), 0);
    open_it(&of_main);
    CHECK_EQ(cress_go(opens_and_sleeps, &of_greenlet), 0);
    CHECK_EQ(cress_go(opens_here_and_waits, &e), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(0), 2);
    struct open_iwait *both[2] = { &of_main, &of_greenlet };
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(both[i]->box.linked, 1);
        CHECK_EQ(both[i]->box.unlinked, 1);
        memset(both[i]->cases, 0x5a, sizeof both[i]->cases); /* they are nobody's */
        CHECK_EQ(cress_event_set(&both[i]->event), 0);
        CHECK_EQ(cress_iwait_next(&both[i]->it, 0), -EINVAL);
        cress_iwait_done(&both[i]->it);
    }
    CHECK_EQ(cress_event_set(&e), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void open_ones_end_with_their_hub(void **state)
{
    (void)state;
    apart(end_with_open_ones);
    CHECK_EQ(told.count, 2);
}

static void *opens_and_exits(void *arg)
{
    open_it(arg);
    cress_exit("left");
    return NULL;
}

static void open_ones_end_with_who_leaves_by_exit(void **state)
{
    (void)state;
    static struct open_iwait left, stays;
    open_it(&stays);
    cress_greenlet *g = cress_spawn(opens_and_exits, &left);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(cress_value(g), "left");
    CHECK_EQ(left.box.unlinked, 1);
    CHECK_EQ(cress_iwait_next(&left.it, 0), -EINVAL);
    CHECK_EQ(stays.box.unlinked, 0);
    CHECK_EQ(cress_iwait_next(&stays.it, CRESS_FOREVER), 2);
    cress_iwait_done(&stays.it);
    cress_unref(g);
}

static struct open_iwait forked[2];

static void in_child_those_of_others_have_ended(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(forked[0].box.unlinked, 0);
    CHECK_EQ(forked[1].box.unlinked, 1);
    CHECK_EQ(cress_event_set(&forked[0].event), 0);
    CHECK_EQ(cress_iwait_next(&forked[0].it, 0), 1);
    CHECK_EQ(cress_iwait_next(&forked[0].it, CRESS_FOREVER), 2);
    CHECK_EQ(cress_iwait_next(&forked[1].it, 0), -EINVAL);
    cress_iwait_done(&forked[0].it);
    CHECK_EQ(cress_run(0), 0); /* the other's timer is gone */
}

static void in_a_child_process_only_who_forked_goes_on(void **state)
{
    (void)state;
    needs_children();
    memset(forked, 0, sizeof forked);
    open_it(&forked[0]);
    CHECK_EQ(cress_go(opens_and_sleeps, &forked[1]), 0);
    CHECK_EQ(cress_yield(), 0);
    in_child(in_child_those_of_others_have_ended, NULL);
    cress_iwait_done(&forked[0].it);
    cress_iwait_done(&forked[1].it);
    CHECK_EQ(cress_hub_destroy(0), 1);
}

/* --- joinall --------------------------------------------------------------------------------- */

static void joinall_waits_for_all_duplicates_and_nobodies_included(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *a = cress_spawn(sleep_ms, (void *)10), *b = cress_spawn(sleep_ms, (void *)20);
    cress_greenlet *all[] = { a, b, NULL, a };
    size_t ended = 9;
    CHECK_EQ(cress_joinall(all, 4, CRESS_MS(15), NULL, &ended), -ETIMEDOUT);
    CHECK_EQ(ended, 2); /* a, twice */
    CHECK_EQ(cress_joinall(all, 4, 0, NULL, &ended), -EAGAIN);
    CHECK_EQ(cress_joinall(all, 4, CRESS_FOREVER, NULL, &ended), 0);
    CHECK_EQ(ended, 3);
    CHECK_EQ(clock_time - start, CRESS_MS(20));
    CHECK_EQ(cress_joinall(all, 4, 0, NULL, NULL), 0);
    CHECK_EQ(cress_joinall(NULL, 0, CRESS_FOREVER, NULL, NULL), 0);
    CHECK_EQ(cress_joinall(NULL, 1, CRESS_FOREVER, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_joinall(all, 4, -1, NULL, NULL), -EINVAL);
    cress_unref(a);
    cress_unref(b);
}

static void joinall_is_content_with_the_first_n(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *all[3];
    for (int i = 0; i < 3; i++)
        all[i] = cress_spawn(sleep_ms, (void *)(intptr_t)(30 - 10 * i));
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.count = 1;
    size_t ended;
    CHECK_EQ(cress_joinall(all, 3, CRESS_FOREVER, &o, &ended), 0);
    CHECK_EQ(ended, 1);
    CHECK(cress_ready(all[2]));
    CHECK_EQ(clock_time - start, CRESS_MS(10));
    o.count = 7;
    CHECK_EQ(cress_joinall(all, 3, CRESS_FOREVER, &o, &ended), 0);
    CHECK_EQ(ended, 3);
    o.size = 0;
    CHECK_EQ(cress_joinall(all, 3, CRESS_FOREVER, &o, &ended), -EINVAL);
    for (int i = 0; i < 3; i++)
        cress_unref(all[i]);
}

static void joinall_gives_the_error_that_came_first_in_time(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *all[] = { cress_spawn(fail_after_ms, (void *)20),
                              cress_spawn(sleep_ms, (void *)30),
                              cress_spawn(fail_after_ms, (void *)10) };
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.raise_error = true;
    size_t ended;
    CHECK_EQ(cress_joinall(all, 3, CRESS_MS(5), &o, &ended), -ETIMEDOUT);
    CHECK_EQ(cress_joinall(all, 3, CRESS_FOREVER, &o, &ended), -10);
    CHECK_EQ(clock_time - start, CRESS_MS(10));
    CHECK_EQ(ended, 1);
    CHECK_EQ(cress_joinall(all, 3, CRESS_FOREVER, NULL, &ended), 0);
    CHECK_EQ(cress_joinall(all, 3, 0, &o, &ended), -10); /* so also when all is over */
    CHECK_EQ(told.count, 2);
    for (int i = 0; i < 3; i++)
        cress_unref(all[i]);
}

static cress_greenlet *two[2];

static void *join_both(void *arg)
{
    CHECK_EQ(cress_joinall(two, 2, CRESS_FOREVER, NULL, NULL), -EDEADLK);
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.count = 1;
    CHECK_EQ(cress_joinall(two, 2, CRESS_FOREVER, &o, NULL), 0);
    return arg;
}

static void joinall_of_oneself_is_refused_unless_the_others_are_enough(void **state)
{
    (void)state;
    two[0] = cress_spawn(join_both, NULL);
    two[1] = cress_spawn(sleep_ms, (void *)1);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    cress_unref(two[0]);
    cress_unref(two[1]);
}

static bool no_memory(const char *what)
{
    return strcmp(what, "calloc") == 0;
}

static void joinall_without_memory(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(park_until_killed, NULL);
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.raise_error = true;
    CHECK_EQ(cress_yield(), 0);
    cress__fault_hook = no_memory;
    CHECK_EQ(cress_joinall(&g, 1, CRESS_FOREVER, &o, NULL), -ENOMEM);
    CHECK_EQ(cress_joinall(&g, 1, CRESS_MS(1), NULL, NULL), -ETIMEDOUT); /* needs none */
    cress__fault_hook = NULL;
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(a_value_that_came_before_is_taken_without_a_switch),
        TEST(a_waiter_serves_one_and_no_stranger_wakes_it),
        TEST(a_cancelled_wait_leaves_the_waiter_usable),
        TEST(a_waiter_is_a_hub_s_while_somebody_waits),
        TEST(wait_tells_what_happened_in_the_order_in_which_it_did),
        TEST(enough_is_enough),
        TEST(one_thing_twice_happens_twice),
        TEST(nothing_that_could_happen_is_a_deadlock),
        TEST(a_descriptor_is_a_case),
        TEST(a_closed_descriptor_is_told_whatever_has_its_number),
        TEST(what_a_daemon_waits_for_keeps_nothing_going),
        TEST(a_cancelled_wait_leaves_nothing_behind),
        TEST(things_of_ones_own_can_be_waited_for),
        TEST(choose_takes_exactly_one_and_each_equally_often),
        TEST(of_several_that_come_at_once_one_is_taken),
        TEST(choosing_a_waiter_takes_its_value),
        TEST(nobody_takes_a_value_from_who_was_woken_with_it),
        TEST(what_was_chosen_is_taken_though_a_kill_came_in_the_same_turn),
        TEST(a_callback_may_ask_what_has_happened),
        TEST(null_is_no_greenlet_and_no_case),
        TEST(iwait_goes_through_them_as_they_happen),
        TEST(iwait_can_end_before_all_have_happened),
        TEST(iwait_refuses_what_is_another_threads),
        TEST(open_ones_end_with_their_hub),
        TEST(open_ones_end_with_who_leaves_by_exit),
        TEST(in_a_child_process_only_who_forked_goes_on),
        TEST(iwait_begins_also_where_a_scope_is_over),
        TEST(joinall_waits_for_all_duplicates_and_nobodies_included),
        TEST(joinall_is_content_with_the_first_n),
        TEST(joinall_gives_the_error_that_came_first_in_time),
        TEST(joinall_of_oneself_is_refused_unless_the_others_are_enough),
        TEST(joinall_without_memory),
    };
    return RUN_TESTS_APART(tests);
}
