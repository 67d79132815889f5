/* Every call that may wait, cut short in every way: one machine, a row for each call.
 *
 * A row says how to make its call wait (arm), how to call, and how to let it succeed from elsewhere
 * (effect). A scenario does something to the greenlet that calls, and looks at what the call says,
 * what cress_cancel_cause() says, whether others ran meanwhile, and how much time has passed. Then
 * another greenlet makes the same call on the same object, and must succeed: so nothing of the
 * first one is left linked, taken, or lost.
 *
 * What cannot be asked of a row is left out by its traits. cress_run() is called by main, which
 * nobody can kill.
 */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/told.h"
#include "io/pairs.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum traits {
    TIMED = 1,     /* has a timeout of its own */
    TRIES = 2,     /* and with 0 it is tried: -EAGAIN */
    YIELDS = 4,    /* lets others run before it says -ECANCELED, also for the first time */
    TWO_TURNS = 8, /* yields before it waits */
    QUICK = 16,    /* waits for its turn, not for anything */
    TIME = 32,     /* waits for its turn or for time: it has no effect that could be lost */
    RETRIES = 64,  /* nothing tells it of its effect: it tries again */
    ALONE = 128,   /* no second one can wait beside it */
    IN_MAIN = 256, /* only main may call it */
};

enum { SERVER_WATCHERS = 3 }; /* of one that is started */

/* What a call is made on. */
struct place {
    cress_coro *caller; /* who called last */
    cress_greenlet *target, *bystander;
    bool go; /* target: end */
    cress_waiter waiter;
    cress_event event;
    cress_result result;
    cress_sem sem, fair;
    cress_mutex mutex, fair_mutex;
    cress_rwlock lock;
    cress_cond cond;
    cress_barrier barrier;
    cress_once once;
    cress_latch latch;
    cress_queue queue; /* of one item, whose tasks are counted */
    cress_chan chan, buffered;
    cress_pool pool;
    int fds[2]; /* the call's end, the other one */
    int listener;
    struct sockaddr_un address;
    socklen_t length;
    cress_server *server;
    int client; /* of its handler, which is the target */
};

struct row {
    const char *name;
    int traits;
    void (*arm)(struct place *p);
    int (*call)(struct place *p, cress_time timeout); /* 0, or why not */
    void (*effect)(struct place *p);
};

static struct told told;

/* --- what is waited for ---------------------------------------------------------------------- */

static void nothing(struct place *p)
{
    (void)p;
}

static void unpark(struct place *p)
{
    CHECK_EQ(cress_unpark(p->caller), 0);
}

/* Killed or not, it ends when it is told to. */
static int live_on(void *arg)
{
    struct place *p = arg;
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    while (!p->go)
        CHECK_EQ(cress_park(CRESS_SECONDS(1000)), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    return 0;
}

static void *lives_on(void *arg)
{
    live_on(arg);
    return NULL;
}

/* All that can be held is, until then. */
static void *holds(void *arg)
{
    struct place *p = arg;
    CHECK_EQ(cress_mutex_lock(&p->mutex, 0), 0);
    CHECK_EQ(cress_mutex_lock(&p->fair_mutex, 0), 0);
    CHECK_EQ(cress_rwlock_wrlock(&p->lock, 0), 0);
    p->once = (cress_once){ { 0 } };
    CHECK_EQ(cress_once_run(&p->once, live_on, p, 0), 0);
    CHECK_EQ(cress_rwlock_unlock(&p->lock), 0);
    CHECK_EQ(cress_mutex_unlock(&p->mutex), 0);
    CHECK_EQ(cress_mutex_unlock(&p->fair_mutex), 0);
    return NULL;
}

static void *waits_for_ever(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void new_greenlet(struct place *p, cress_fn fn)
{
    if (p->target != NULL && !cress_ready(p->target))
        return;
    cress_unref(p->target);
    p->go = false;
    p->target = cress_spawn(fn, p);
    if (p->bystander == NULL) {
        cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
        o.daemon = true;
        CHECK_EQ(cress_spawn_with(&o, waits_for_ever, NULL, &p->bystander), 0);
    }
    CHECK_EQ(cress_yield(), 0); /* it is to wait */
}

static void new_target(struct place *p)
{
    new_greenlet(p, lives_on);
}

static void new_holder(struct place *p)
{
    new_greenlet(p, holds);
}

static void end_target(struct place *p)
{
    p->go = true;
    CHECK_EQ(cress_unpark(cress_greenlet_coro(p->target)), 0);
    CHECK_EQ(cress_yield(), 0); /* it ends */
}

static void new_value(struct place *p)
{
    if (cress_waiter_wait(&p->waiter, 0, NULL) != -EAGAIN)
        CHECK_EQ(cress_waiter_init(&p->waiter), 0);
}

static void hand_over(struct place *p)
{
    CHECK_EQ(cress_waiter_wake(&p->waiter, p), 0);
}

static void both(struct place *p)
{
    hand_over(p);
    end_target(p);
}

static void new_both(struct place *p)
{
    new_value(p);
    new_target(p);
}

static void clear(struct place *p)
{
    CHECK_EQ(cress_event_clear(&p->event), 0);
}

static void set(struct place *p)
{
    CHECK_EQ(cress_event_set(&p->event), 0);
}

static void new_result(struct place *p)
{
    CHECK_EQ(cress_result_init(&p->result, 0), 0);
}

static void set_result(struct place *p)
{
    CHECK_EQ(cress_result_set(&p->result, p), 0);
}

static void no_units(struct place *p)
{
    while (cress_sem_try_acquire(&p->sem) == 0)
        ;
    while (cress_sem_try_acquire(&p->fair) == 0)
        ;
}

static void release(struct place *p)
{
    CHECK_EQ(cress_sem_release(&p->sem), 0);
}

static void release_fair(struct place *p)
{
    CHECK_EQ(cress_sem_release(&p->fair), 0);
}

static void signal_it(struct place *p)
{
    CHECK_EQ(cress_cond_signal(&p->cond), 0);
}

static void come_last(struct place *p)
{
    CHECK_EQ(cress_barrier_wait(&p->barrier, 0), 1);
}

static void shut(struct place *p)
{
    CHECK_EQ(cress_latch_init(&p->latch, 1, 0), 0);
}

static void count_down(struct place *p)
{
    CHECK_EQ(cress_latch_count_down(&p->latch, 1), 0);
}

static void empty(struct place *p)
{
    void *item;
    while (cress_queue_try_get(&p->queue, &item) == 0)
        ;
    while (cress_chan_try_recv(&p->buffered, &item) == 0)
        ;
}

static void put_one(struct place *p)
{
    CHECK_EQ(cress_queue_try_put(&p->queue, p), 0);
}

static void fill_up(struct place *p)
{
    if (cress_queue_size(&p->queue) == 0)
        put_one(p);
    if (cress_chan_size(&p->buffered) == 0)
        CHECK_EQ(cress_chan_try_send(&p->buffered, p), 0);
}

static void get_one(struct place *p)
{
    void *item = NULL;
    CHECK_EQ(cress_queue_try_get(&p->queue, &item), 0);
    CHECK(item == p);
}

static void all_done(struct place *p)
{
    while (cress_queue_task_done(&p->queue) == 0)
        ;
}

static void new_task(struct place *p)
{
    empty(p);
    all_done(p);
    put_one(p);
}

static void send_one(struct place *p)
{
    CHECK_EQ(cress_chan_try_send(&p->chan, p), 0);
}

static void receive_one(struct place *p)
{
    void *item = NULL;
    CHECK_EQ(cress_chan_try_recv(&p->chan, &item), 0);
    CHECK(item == p);
}

static void send_buffered(struct place *p)
{
    CHECK_EQ(cress_chan_try_send(&p->buffered, p), 0);
}

static void receive_buffered(struct place *p)
{
    void *item = NULL;
    CHECK_EQ(cress_chan_try_recv(&p->buffered, &item), 0);
    CHECK(item == p);
}

/* It is full with the target. */
static void new_member(struct place *p)
{
    new_target(p);
    if (!cress_group_has(&p->pool, p->target))
        CHECK_EQ(cress_pool_try_add(&p->pool, p->target), 0);
}

static void two_bytes(struct place *p)
{
    CHECK_EQ(write(p->fds[1], "xy", 2), 2);
}

static int came(const void *data, ssize_t r)
{
    if (r < 0)
        return (int)r;
    CHECK_EQ(r, 2);
    CHECK_MEM(data, "xy", 2);
    return 0;
}

/* The two bytes that a call was only told of. */
static void consume(struct place *p)
{
    char data[3];
    came(data, recv(p->fds[0], data, sizeof data, MSG_DONTWAIT));
}

static void full(struct place *p)
{
    fill(p->fds[0]);
}

static void drain(struct place *p)
{
    char data[4096];
    while (recv(p->fds[1], data, sizeof data, MSG_DONTWAIT) > 0)
        ;
}

static int client(const struct place *p)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_GE(fd, 0);
    if (connect(fd, (const struct sockaddr *)&p->address, p->length) == 0)
        return fd;
    CHECK_EQ(errno, EAGAIN);
    close(fd);
    return -1;
}

static void knock(struct place *p)
{
    int fd = client(p);
    CHECK_GE(fd, 0);
    close(fd); /* it is accepted all the same */
}

static void fill_backlog(struct place *p)
{
    int fd;
    while ((fd = client(p)) >= 0)
        close(fd);
}

static void take_all(struct place *p)
{
    int fd;
    while ((fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        close(fd);
}

/* A server's handler is the target, of which there is one at a time. */
static int lives_on_serving(int fd, const cress_address *peer, void *arg)
{
    struct place *p = arg;
    CHECK(fd >= 0 && peer->length > 0);
    p->target = cress_ref(cress_current());
    lives_on(p);
    return 0;
}

static void new_server(struct place *p)
{
    char text[sizeof p->address.sun_path + 8];
    if (p->server == NULL) {
        snprintf(text, sizeof text, "unix:@%s-server", p->address.sun_path + 1);
        CHECK_EQ(cress_server_new(text, lives_on_serving, p, NULL, &p->server), 0);
    }
    int error = cress_server_start(p->server);
    CHECK(error == 0 || error == -EALREADY);
}

static void new_handler(struct place *p)
{
    cress_address at;
    new_server(p);
    if (p->target != NULL && !cress_ready(p->target))
        return;
    cress_unref(p->target);
    p->target = NULL;
    p->go = false;
    if (p->client > 0)
        CHECK_EQ(close(p->client), 0);
    CHECK_EQ(cress_server_address(p->server, &at), 0);
    p->client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(connect(p->client, (struct sockaddr *)&at.storage, at.length), 0);
    for (int i = 0; i < 5 && p->target == NULL; i++)
        CHECK_EQ(cress_idle(), 0);
    CHECK(p->target != NULL);
}

static void stop_server(struct place *p)
{
    CHECK_EQ(cress_server_stop(p->server, 0), 0);
}

/* --- the calls ------------------------------------------------------------------------------- */

static int do_park(struct place *p, cress_time timeout)
{
    (void)p;
    return cress_park(timeout);
}

static int do_sleep(struct place *p, cress_time timeout)
{
    (void)p, (void)timeout;
    return cress_sleep(CRESS_SECONDS(1));
}

static int do_yield(struct place *p, cress_time timeout)
{
    (void)p, (void)timeout;
    return cress_yield();
}

static int do_idle(struct place *p, cress_time timeout)
{
    (void)p, (void)timeout;
    return cress_idle();
}

static int do_join(struct place *p, cress_time timeout)
{
    return cress_join(p->target, timeout);
}

static int do_get(struct place *p, cress_time timeout)
{
    void *value = p;
    int error = 1;
    int r = cress_get(p->target, timeout, &value, &error);
    CHECK_EQ(error, r == 0 ? 0 : 1);
    CHECK_EQ(value == NULL, r == 0);
    return r;
}

static int do_joinall(struct place *p, cress_time timeout)
{
    cress_greenlet *gs[] = { p->target, NULL, p->target };
    return cress_joinall(gs, 3, timeout, NULL, NULL);
}

static int do_join_some(struct place *p, cress_time timeout)
{
    cress_greenlet *gs[] = { p->bystander, p->target };
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.count = 1;
    size_t ended = 7;
    int r = cress_joinall(gs, 2, timeout, &o, &ended);
    CHECK_EQ(ended, r == 0 ? 1 : 0);
    return r;
}

static int do_kill(struct place *p, cress_time timeout)
{
    return cress_kill(p->target, timeout);
}

static int do_killall(struct place *p, cress_time timeout)
{
    cress_greenlet *gs[] = { p->target, NULL, p->target };
    return cress_killall(gs, 3, timeout);
}

static int do_waiter_wait(struct place *p, cress_time timeout)
{
    void *value = NULL;
    int r = cress_waiter_wait(&p->waiter, timeout, &value);
    CHECK(value == (r == 0 ? p : NULL));
    return r;
}

static int do_run(struct place *p, cress_time timeout)
{
    (void)p;
    return cress_run(timeout);
}

/* cress_wait() says how many have happened, of n that were wanted; a time-out is 0 of them. */
static int all_of(ssize_t r, ssize_t n, cress_time timeout)
{
    if (r < 0)
        return (int)r;
    CHECK(r == n || r == 0);
    return r == n ? 0 : timeout == 0 ? -EAGAIN : -ETIMEDOUT;
}

static int wait_greenlet(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_greenlet(p->bystander), cress_on_greenlet(p->target) };
    size_t ready = 7;
    int r = all_of(cress_wait(cases, 2, 1, timeout, &ready), 1, timeout);
    CHECK_EQ(ready, r == 0 ? 1 : 7);
    return r;
}

static int wait_fd_case(struct place *p, cress_time timeout)
{
    cress_case c = cress_on_fd(p->fds[0], CRESS_IN);
    int r = all_of(cress_wait(&c, 1, 1, timeout, NULL), 1, timeout);
    if (r == 0)
        consume(p);
    return r;
}

static int wait_all(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_greenlet(p->target), cress_on_waiter(&p->waiter) };
    return all_of(cress_wait(cases, 2, CRESS_ALL, timeout, NULL), 2, timeout);
}

static int first_of(int r, int index)
{
    CHECK(r < 0 || r == index);
    return r < 0 ? r : 0;
}

static int choose_waiter(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_greenlet(p->bystander), cress_on_waiter(&p->waiter) };
    int r = first_of(cress_choose(cases, 2, timeout), 1);
    CHECK(cases[1].data == (r == 0 ? p : NULL));
    return r;
}

static int choose_fd(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_fd(p->fds[0], CRESS_IN), cress_on_greenlet(p->bystander) };
    int r = first_of(cress_choose(cases, 2, timeout), 0);
    if (r == 0)
        consume(p);
    return r;
}

static int iwait_next(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_timer(CRESS_SECONDS(500)), cress_on_greenlet(p->target) };
    cress_iwait it;
    CHECK_EQ(cress_iwait_init(&it, cases, 2), 0);
    int r = first_of((int)cress_iwait_next(&it, timeout), 1);
    cress_iwait_done(&it);
    return r;
}

static int event_wait(struct place *p, cress_time timeout)
{
    return cress_event_wait(&p->event, timeout);
}

static int result_get(struct place *p, cress_time timeout)
{
    void *value = NULL;
    int error = 1;
    int r = cress_result_get(&p->result, timeout, &value, &error);
    CHECK(value == (r == 0 ? p : NULL));
    CHECK_EQ(error, r == 0 ? 0 : 1);
    return r;
}

static int sem_acquire(struct place *p, cress_time timeout)
{
    return cress_sem_acquire(&p->sem, timeout);
}

static int fair_acquire(struct place *p, cress_time timeout)
{
    return cress_sem_acquire(&p->fair, timeout);
}

/* What was locked is unlocked again at once. */
static int mutex_lock(struct place *p, cress_time timeout)
{
    int r = cress_mutex_lock(&p->mutex, timeout);
    CHECK_EQ(cress_mutex_unlock(&p->mutex), r == 0 ? 0 : -EPERM);
    return r;
}

static int fair_lock(struct place *p, cress_time timeout)
{
    int r = cress_mutex_lock(&p->fair_mutex, timeout);
    CHECK_EQ(cress_mutex_unlock(&p->fair_mutex), r == 0 ? 0 : -EPERM);
    return r;
}

static int rdlock(struct place *p, cress_time timeout)
{
    int r = cress_rwlock_rdlock(&p->lock, timeout);
    CHECK_EQ(cress_rwlock_unlock(&p->lock), r == 0 ? 0 : -EPERM);
    return r;
}

static int wrlock(struct place *p, cress_time timeout)
{
    int r = cress_rwlock_wrlock(&p->lock, timeout);
    CHECK_EQ(cress_rwlock_unlock(&p->lock), r == 0 ? 0 : -EPERM);
    return r;
}

static int cond_wait(struct place *p, cress_time timeout)
{
    CHECK_EQ(cress_mutex_lock(&p->mutex, 0), 0);
    int r = cress_cond_wait(&p->cond, &p->mutex, timeout);
    CHECK_EQ(cress_mutex_unlock(&p->mutex), 0);
    return r;
}

static int barrier_wait(struct place *p, cress_time timeout)
{
    return cress_barrier_wait(&p->barrier, timeout);
}

static int once_run(struct place *p, cress_time timeout)
{
    return cress_once_run(&p->once, live_on, p, timeout);
}

static int latch_wait(struct place *p, cress_time timeout)
{
    return cress_latch_wait(&p->latch, timeout);
}

static int wait_event(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_event(&p->event), cress_on_greenlet(p->bystander) };
    return all_of(cress_wait(cases, 2, 1, timeout, NULL), 1, timeout);
}

static int choose_event(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_sem(&p->fair), cress_on_event(&p->event) };
    return first_of(cress_choose(cases, 2, timeout), 1);
}

static int choose_result(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_sem(&p->fair), cress_on_result(&p->result) };
    int r = first_of(cress_choose(cases, 2, timeout), 1);
    CHECK(cases[1].data == (r == 0 ? p : NULL));
    return r;
}

static int choose_sem(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_sem(&p->sem), cress_on_sem(&p->fair) };
    return first_of(cress_choose(cases, 2, timeout), 0);
}

static int wait_sem(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_sem(&p->sem), cress_on_sem(&p->sem) };
    int r = all_of(cress_wait(cases, 2, CRESS_ALL, timeout, NULL), 2, timeout);
    CHECK_EQ(cress_sem_try_acquire(&p->sem), r == 0 ? 0 : -EAGAIN);
    return r;
}

static int is_it(const struct place *p, const void *item, int r)
{
    CHECK(item == (r == 0 ? p : NULL));
    return r;
}

static int queue_get(struct place *p, cress_time timeout)
{
    void *item = NULL;
    int r = cress_queue_get(&p->queue, &item, timeout);
    return is_it(p, item, r);
}

static int queue_peek(struct place *p, cress_time timeout)
{
    void *item = NULL;
    int r = cress_queue_peek(&p->queue, &item, timeout);
    if (r == 0)
        empty(p);
    return is_it(p, item, r);
}

static int queue_put(struct place *p, cress_time timeout)
{
    return cress_queue_put(&p->queue, p, timeout);
}

static int queue_join(struct place *p, cress_time timeout)
{
    return cress_queue_join(&p->queue, timeout);
}

static int chan_recv(struct place *p, cress_time timeout)
{
    void *item = NULL;
    int r = cress_chan_recv(&p->chan, &item, timeout);
    return is_it(p, item, r);
}

static int chan_send(struct place *p, cress_time timeout)
{
    return cress_chan_send(&p->chan, p, timeout);
}

static int buffered_recv(struct place *p, cress_time timeout)
{
    void *item = NULL;
    int r = cress_chan_recv(&p->buffered, &item, timeout);
    return is_it(p, item, r);
}

static int buffered_send(struct place *p, cress_time timeout)
{
    return cress_chan_send(&p->buffered, p, timeout);
}

static int choose_queue(struct place *p, cress_time timeout)
{
    void *item = NULL;
    cress_case cases[] = { cress_on_queue(&p->queue, &item), cress_on_sem(&p->fair) };
    int r = first_of(cress_choose(cases, 2, timeout), 0);
    return is_it(p, item, r);
}

static int choose_recv(struct place *p, cress_time timeout)
{
    void *item = NULL;
    cress_case cases[] = { cress_on_sem(&p->fair), cress_on_chan_recv(&p->chan, &item) };
    int r = first_of(cress_choose(cases, 2, timeout), 1);
    return is_it(p, item, r);
}

static int choose_send(struct place *p, cress_time timeout)
{
    cress_case cases[] = { cress_on_sem(&p->fair), cress_on_chan_send(&p->chan, p) };
    return first_of(cress_choose(cases, 2, timeout), 1);
}

static void *does_nothing(void *arg)
{
    return arg;
}

static int pool_spawn(struct place *p, cress_time timeout)
{
    cress_greenlet *g;
    int r = cress_pool_spawn(&p->pool, does_nothing, NULL, timeout, &g);
    if (r < 0)
        return r;
    CHECK_EQ(cress_kill(g, 0), 0);
    cress_unref(g);
    return 0;
}

static int pool_available(struct place *p, cress_time timeout)
{
    return cress_pool_wait_available(&p->pool, timeout);
}

static int group_join(struct place *p, cress_time timeout)
{
    return cress_group_join(&p->pool, timeout);
}

static int do_wait_fd(struct place *p, cress_time timeout)
{
    int r = cress_wait_fd(p->fds[0], CRESS_IN, timeout);
    if (r < 0)
        return r;
    CHECK_EQ(r, CRESS_IN);
    consume(p);
    return 0;
}

static int do_poll(struct place *p, cress_time timeout)
{
    struct pollfd fds = { .fd = p->fds[0], .events = POLLIN };
    int r = all_of(cress_poll(&fds, 1, timeout), 1, timeout);
    CHECK_EQ(fds.revents, r == 0 ? POLLIN : 0);
    if (r == 0)
        consume(p);
    return r;
}

static int do_select(struct place *p, cress_time timeout)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p->fds[0], &set);
    int r = all_of(cress_select(p->fds[0] + 1, &set, NULL, NULL, timeout), 1, timeout);
    if (r == 0)
        consume(p);
    return r;
}

static int of_fd(const struct place *p, int direction, cress_time timeout)
{
    return cress_fd_set_timeout(p->fds[0], direction, timeout);
}

static int do_read(struct place *p, cress_time timeout)
{
    char data[3];
    CHECK_EQ(of_fd(p, CRESS_IN, timeout), 0);
    return came(data, cress_read(p->fds[0], data, sizeof data));
}

static int do_readv(struct place *p, cress_time timeout)
{
    char data[3];
    struct iovec iov[2] = { { data, 1 }, { data + 1, 2 } };
    CHECK_EQ(of_fd(p, CRESS_IN, timeout), 0);
    return came(data, cress_readv(p->fds[0], iov, 2));
}

static int do_recv(struct place *p, cress_time timeout)
{
    char data[3];
    CHECK_EQ(of_fd(p, CRESS_IN, timeout), 0);
    return came(data, cress_recv(p->fds[0], data, sizeof data, 0));
}

static int recv_own(struct place *p, cress_time timeout)
{
    CHECK_EQ(cress_fd_adopt(p->fds[0], 0), 0);
    return do_recv(p, timeout);
}

static int recv_waitall(struct place *p, cress_time timeout)
{
    char data[2];
    CHECK_EQ(of_fd(p, CRESS_IN, timeout), 0);
    return came(data, cress_recv(p->fds[0], data, 2, MSG_WAITALL));
}

static int do_recvfrom(struct place *p, cress_time timeout)
{
    char data[3];
    struct sockaddr_un from;
    socklen_t length = sizeof from;
    CHECK_EQ(of_fd(p, CRESS_IN, timeout), 0);
    return came(data,
                cress_recvfrom(p->fds[0], data, sizeof data, 0, (struct sockaddr *)&from, &length));
}

static int do_recvmsg(struct place *p, cress_time timeout)
{
    char data[3];
    struct iovec iov = { data, sizeof data };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    CHECK_EQ(of_fd(p, CRESS_IN, timeout), 0);
    return came(data, cress_recvmsg(p->fds[0], &message, 0));
}

static int do_recvall(struct place *p, cress_time timeout)
{
    char data[2];
    size_t got = 7;
    CHECK_EQ(of_fd(p, CRESS_IN, timeout), 0);
    int r = cress_recvall(p->fds[0], data, 2, &got);
    CHECK_EQ(got, r == 0 ? 2 : 0);
    return r < 0 ? r : came(data, 2);
}

static int went(ssize_t r)
{
    CHECK(r < 0 || r == 2);
    return r < 0 ? (int)r : 0;
}

static int do_write(struct place *p, cress_time timeout)
{
    CHECK_EQ(of_fd(p, CRESS_OUT, timeout), 0);
    return went(cress_write(p->fds[0], "xy", 2));
}

static int do_writev(struct place *p, cress_time timeout)
{
    char data[] = "xy";
    struct iovec iov[2] = { { data, 1 }, { data + 1, 1 } };
    CHECK_EQ(of_fd(p, CRESS_OUT, timeout), 0);
    return went(cress_writev(p->fds[0], iov, 2));
}

static int do_send(struct place *p, cress_time timeout)
{
    CHECK_EQ(of_fd(p, CRESS_OUT, timeout), 0);
    return went(cress_send(p->fds[0], "xy", 2, 0));
}

static int do_sendto(struct place *p, cress_time timeout)
{
    CHECK_EQ(of_fd(p, CRESS_OUT, timeout), 0);
    return went(cress_sendto(p->fds[0], "xy", 2, 0, NULL, 0));
}

static int do_sendmsg(struct place *p, cress_time timeout)
{
    char data[] = "xy";
    struct iovec iov = { data, 2 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    CHECK_EQ(of_fd(p, CRESS_OUT, timeout), 0);
    return went(cress_sendmsg(p->fds[0], &message, 0));
}

static int do_sendall(struct place *p, cress_time timeout)
{
    size_t sent = 7;
    CHECK_EQ(of_fd(p, CRESS_OUT, timeout), 0);
    int r = cress_sendall(p->fds[0], "xy", 2, &sent);
    CHECK_EQ(sent, r == 0 ? 2 : 0);
    return r;
}

static int do_accept(struct place *p, cress_time timeout)
{
    CHECK_EQ(cress_fd_set_timeout(p->listener, CRESS_IN, timeout), 0);
    int fd = cress_accept(p->listener, NULL, NULL);
    if (fd < 0)
        return fd;
    CHECK_EQ(cress_close(fd), 0);
    return 0;
}

static int do_connect(struct place *p, cress_time timeout)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(cress_fd_set_timeout(fd, CRESS_OUT, timeout), 0);
    int r = cress_connect(fd, (const struct sockaddr *)&p->address, p->length);
    CHECK_EQ(cress_close(fd), 0);
    return r;
}

static int do_dial(struct place *p, cress_time timeout)
{
    char text[sizeof p->address.sun_path + 8];
    snprintf(text, sizeof text, "unix:@%s", p->address.sun_path + 1);
    int fd = cress_dial(text, timeout, NULL);
    if (fd < 0)
        return fd;
    CHECK_EQ(cress_close(fd), 0);
    return 0;
}

static int do_stop(struct place *p, cress_time timeout)
{
    (void)timeout; /* grace is none: after it the handlers are killed, and waited for */
    return cress_server_stop(p->server, CRESS_SECONDS(1000));
}

static int do_stop_at_once(struct place *p, cress_time timeout)
{
    (void)timeout;
    return cress_server_stop(p->server, 0);
}

static int do_serve(struct place *p, cress_time timeout)
{
    (void)timeout;
    return cress_server_serve_forever(p->server);
}

static const struct row rows[] = {
    { "park", TIMED | TRIES | ALONE, nothing, do_park, unpark },
    { "sleep", YIELDS | TIME, nothing, do_sleep, nothing },
    { "yield", YIELDS | QUICK | TIME, nothing, do_yield, nothing },
    { "idle", QUICK | TIME, nothing, do_idle, nothing },
    { "join", TIMED | TRIES, new_target, do_join, end_target },
    { "get", TIMED | TRIES, new_target, do_get, end_target },
    { "joinall", TIMED | TRIES, new_target, do_joinall, end_target },
    { "joinall for one", TIMED | TRIES, new_target, do_join_some, end_target },
    { "kill, waiting", TIMED, new_target, do_kill, end_target },
    { "killall", TIMED, new_target, do_killall, end_target },
    { "waiter_wait", TIMED | TRIES | ALONE, new_value, do_waiter_wait, hand_over },
    { "wait for a greenlet", TIMED | TRIES, new_target, wait_greenlet, end_target },
    { "wait for a fd", TIMED | TRIES, nothing, wait_fd_case, two_bytes },
    { "wait for all", TIMED | TRIES, new_both, wait_all, both },
    { "choose a waiter", TIMED | TRIES, new_both, choose_waiter, hand_over },
    { "choose a fd", TIMED | TRIES, new_target, choose_fd, two_bytes },
    { "iwait_next", TIMED | TRIES, new_target, iwait_next, end_target },
    { "event_wait", TIMED | TRIES, clear, event_wait, set },
    { "result_get", TIMED | TRIES, new_result, result_get, set_result },
    { "sem_acquire", TIMED | TRIES, no_units, sem_acquire, release },
    { "sem_acquire, fair", TIMED | TRIES, no_units, fair_acquire, release_fair },
    { "mutex_lock", TIMED | TRIES, new_holder, mutex_lock, end_target },
    { "mutex_lock, fair", TIMED | TRIES, new_holder, fair_lock, end_target },
    { "rwlock_rdlock", TIMED | TRIES, new_holder, rdlock, end_target },
    { "rwlock_wrlock", TIMED | TRIES, new_holder, wrlock, end_target },
    { "cond_wait", TIMED | TRIES, nothing, cond_wait, signal_it },
    { "barrier_wait", TIMED | TRIES | ALONE, nothing, barrier_wait, come_last },
    { "once_run", TIMED | TRIES, new_holder, once_run, end_target },
    { "latch_wait", TIMED | TRIES, shut, latch_wait, count_down },
    { "wait for an event", TIMED | TRIES, clear, wait_event, set },
    { "choose an event", TIMED | TRIES, clear, choose_event, set },
    { "choose a result", TIMED | TRIES, new_result, choose_result, set_result },
    { "choose a semaphore", TIMED | TRIES, no_units, choose_sem, release },
    { "wait for a semaphore", TIMED | TRIES | ALONE, no_units, wait_sem, release },
    { "queue_get", TIMED | TRIES, empty, queue_get, put_one },
    { "queue_peek", TIMED | TRIES | ALONE, empty, queue_peek, put_one },
    { "queue_put", TIMED | TRIES, fill_up, queue_put, get_one },
    { "queue_join", TIMED | TRIES, new_task, queue_join, all_done },
    { "chan_recv", TIMED | TRIES, nothing, chan_recv, send_one },
    { "chan_send", TIMED | TRIES, nothing, chan_send, receive_one },
    { "chan_recv, buffered", TIMED | TRIES, empty, buffered_recv, send_buffered },
    { "chan_send, buffered", TIMED | TRIES, fill_up, buffered_send, receive_buffered },
    { "choose a queue", TIMED | TRIES, empty, choose_queue, put_one },
    { "choose to receive", TIMED | TRIES, nothing, choose_recv, send_one },
    { "choose to send", TIMED | TRIES, nothing, choose_send, receive_one },
    { "pool_spawn", TIMED | TRIES, new_member, pool_spawn, end_target },
    { "pool_wait_available", TIMED | TRIES, new_member, pool_available, end_target },
    { "group_join", TIMED | TRIES, new_member, group_join, end_target },
    { "run", TIMED | TRIES | ALONE | IN_MAIN, new_target, do_run, end_target },
    { "wait_fd", TIMED | TRIES | ALONE, nothing, do_wait_fd, two_bytes },
    { "poll", TIMED | YIELDS | TWO_TURNS, nothing, do_poll, two_bytes },
    { "select", TIMED | YIELDS | TWO_TURNS, nothing, do_select, two_bytes },
    { "read", TIMED | TRIES | ALONE, nothing, do_read, two_bytes },
    { "readv", TIMED | TRIES | ALONE, nothing, do_readv, two_bytes },
    { "recv", TIMED | TRIES | ALONE, nothing, do_recv, two_bytes },
    { "recv, of our own", TIMED | TRIES | ALONE, nothing, recv_own, two_bytes },
    { "recv, MSG_WAITALL", TIMED | TRIES | ALONE, nothing, recv_waitall, two_bytes },
    { "recvfrom", TIMED | TRIES | ALONE, nothing, do_recvfrom, two_bytes },
    { "recvmsg", TIMED | TRIES | ALONE, nothing, do_recvmsg, two_bytes },
    { "recvall", TIMED | TRIES | ALONE, nothing, do_recvall, two_bytes },
    { "write", TIMED | TRIES | ALONE, full, do_write, drain },
    { "writev", TIMED | TRIES | ALONE, full, do_writev, drain },
    { "send", TIMED | TRIES | ALONE, full, do_send, drain },
    { "sendto", TIMED | TRIES | ALONE, full, do_sendto, drain },
    { "sendmsg", TIMED | TRIES | ALONE, full, do_sendmsg, drain },
    { "sendall", TIMED | TRIES | ALONE, full, do_sendall, drain },
    { "accept", TIMED | TRIES | ALONE, nothing, do_accept, knock },
    { "connect", TIMED | TRIES | RETRIES, fill_backlog, do_connect, take_all },
    { "dial", TIMED | TRIES | RETRIES, fill_backlog, do_dial, take_all },
    { "server_stop with grace", 0, new_handler, do_stop, end_target },
    { "server_stop without", 0, new_handler, do_stop_at_once, end_target },
    /* who serves and is cancelled ends it for others */
    { "server_serve_forever", ALONE, new_server, do_serve, stop_server },
};

/* --- from elsewhere -------------------------------------------------------------------------- */

struct run {
    const struct row *row;
    struct place *p;
    cress_greenlet *subject;
    cress_token *token;
    void (*scenario)(struct run *run);
    bool others_ran;
};

static void spawn_daemon(cress_fn fn, void *arg)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.daemon = true;
    CHECK_EQ(cress_spawn_with(&o, fn, arg, NULL), 0);
}

/* What has happened outside reaches the line, and nobody runs yet. */
static void look(void)
{
    loop_look(&cress_hub_current()->loop, 0);
}

static void let_it_wait(const struct run *run)
{
    if (run->row->traits & TWO_TURNS)
        CHECK_EQ(cress_yield(), 0);
}

static void *do_effect(void *arg)
{
    struct run *run = arg;
    let_it_wait(run);
    run->row->effect(run->p);
    return NULL;
}

static void *kill_it(void *arg)
{
    struct run *run = arg;
    let_it_wait(run);
    CHECK_EQ(cress_kill(run->subject, 0), 0);
    return NULL;
}

static void *throw_at_it(void *arg)
{
    struct run *run = arg;
    let_it_wait(run);
    CHECK_EQ(cress_throw(run->subject, run->token), 0);
    return NULL;
}

static void *kill_it_then_effect(void *arg)
{
    struct run *run = arg;
    kill_it(run);
    CHECK_EQ(cress_yield(), 0);
    run->row->effect(run->p);
    return NULL;
}

static void *effect_and_kill(void *arg)
{
    struct run *run = arg;
    do_effect(run);
    look();
    CHECK_EQ(cress_kill(run->subject, 0), 0);
    return NULL;
}

static void *effect_and_throw(void *arg)
{
    struct run *run = arg;
    do_effect(run);
    look();
    CHECK_EQ(cress_throw(run->subject, run->token), 0);
    return NULL;
}

static void *effect_and_deadline(void *arg)
{
    do_effect(arg);
    clock_pass(CRESS_MS(20));
    look();
    return NULL;
}

static void *runs(void *arg)
{
    ((struct run *)arg)->others_ran = true;
    return NULL;
}

/* --- the machine ----------------------------------------------------------------------------- */

static int call(const struct run *run, cress_time timeout)
{
    run->p->caller = cress_coro_current();
    return run->row->call(run->p, timeout);
}

struct other {
    const struct run *run;
    int result;
    bool done;
};

static void *call_too(void *arg)
{
    struct other *other = arg;
    other->result = call(other->run, CRESS_FOREVER);
    other->done = true;
    return NULL;
}

/* Nothing is left of the call: somebody else can make it, on the same object, and nobody waits for
 * time or descriptors any more. */
static void works_afterwards(struct run *run)
{
    run->row->arm(run->p);
    size_t active = cress_loop_active(cress_hub_loop(cress_hub_current()));
    size_t served = run->p->server != NULL ? SERVER_WATCHERS : 0;
    CHECK_EQ(active, served + (run->p->target != NULL && !cress_ready(run->p->target)));
    struct other other = { .run = run };
    if (run->row->traits & IN_MAIN) {
        spawn_daemon(do_effect, run);
        call_too(&other);
    } else {
        cress_greenlet *g = cress_spawn(call_too, &other);
        CHECK_EQ(cress_yield(), 0);
        let_it_wait(run);
        CHECK(!other.done);
        run->row->effect(run->p);
        CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
        cress_unref(g);
    }
    CHECK(other.done);
    CHECK_EQ(other.result, 0);
}

static void *subject(void *arg)
{
    struct run *run = arg;
    run->subject = cress_current();
    run->scenario(run);
    return NULL;
}

static const char *row_name; /* for the report of a check that does not hold */

static void name_the_row(int signal)
{
    (void)signal;
    ssize_t r = write(STDERR_FILENO, "in the row: ", 12);
    r += write(STDERR_FILENO, row_name, strlen(row_name));
    r += write(STDERR_FILENO, "\n", 1);
    _exit(r > 0 ? 99 : 98);
}

static void open_place(struct place *p)
{
    static int number;
    *p = (struct place){ .address.sun_family = AF_UNIX };
    CHECK_EQ(cress_sem_init(&p->fair, 0, CRESS_FAIR), 0);
    CHECK_EQ(cress_mutex_init(&p->fair_mutex, CRESS_FAIR), 0);
    CHECK_EQ(cress_barrier_init(&p->barrier, 2, 0), 0);
    cress_queue_options q = CRESS_QUEUE_OPTIONS_INIT;
    q.max = 1;
    q.joinable = true;
    CHECK_EQ(cress_queue_init(&p->queue, &q), 0);
    CHECK_EQ(cress_chan_init(&p->buffered, 1, 0, 0), 0);
    CHECK_EQ(cress_pool_init(&p->pool, 1, 0), 0);
    unix_pair(p->fds);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_GE(p->listener, 0);
    int n = snprintf(p->address.sun_path + 1, sizeof p->address.sun_path - 1, "cress-cancel-%d-%d",
                     (int)getpid(), ++number);
    p->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    CHECK_EQ(bind(p->listener, (struct sockaddr *)&p->address, p->length), 0);
    CHECK_EQ(listen(p->listener, 4), 0);
}

static void close_place(struct place *p)
{
    if (p->target != NULL && !cress_ready(p->target))
        end_target(p);
    if (p->bystander != NULL)
        CHECK_EQ(cress_kill(p->bystander, CRESS_FOREVER), 0);
    cress_unref(p->target);
    cress_unref(p->bystander);
    CHECK_EQ(cress_queue_done(&p->queue), 0);
    CHECK_EQ(cress_chan_done(&p->buffered), 0);
    CHECK_EQ(cress_group_done(&p->pool), 0);
    if (p->server != NULL)
        CHECK_EQ(cress_server_stop(p->server, 0), 0);
    CHECK_EQ(cress_server_free(p->server), 0);
    if (p->client > 0)
        CHECK_EQ(close(p->client), 0);
    CHECK_EQ(cress_close(p->listener), 0);
    close_pair(p->fds);
}

/* Run a scenario with every row that has none of the traits without. */
static void each_row(void (*scenario)(struct run *), int with, int without)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct place p;
        if ((rows[i].traits & with) != with || (rows[i].traits & without) != 0)
            continue;
        row_name = rows[i].name;
        told = (struct told){ 0 };
        clock_begin(NULL);
        CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
        open_place(&p);
        struct run run = { .row = &rows[i], .p = &p, .scenario = scenario };
        if (rows[i].traits & IN_MAIN) {
            subject(&run);
        } else {
            cress_greenlet *g = cress_spawn(subject, &run);
            CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
            cress_unref(g);
        }
        close_place(&p);
        CHECK_EQ(told.count, 0);
        CHECK_EQ(cress_loop_active(cress_hub_loop(cress_hub_current())), 0);
        clock_end(NULL);
    }
}

/* --- the scenarios --------------------------------------------------------------------------- */

static void own_timeout(struct run *run)
{
    run->row->arm(run->p);
    cress_time start = clock_time;
    CHECK_EQ(call(run, CRESS_MS(20)), -ETIMEDOUT);
    CHECK_EQ(clock_time - start, CRESS_MS(20));
    CHECK(cress_cancel_cause() == NULL);
    works_afterwards(run);
}

static void its_own_timeout_cuts_it_short(void **state)
{
    (void)state;
    each_row(own_timeout, TIMED, 0);
}

static void no_time_at_all(struct run *run)
{
    run->row->arm(run->p);
    spawn_daemon(runs, run);
    CHECK_EQ(call(run, 0), -EAGAIN);
    CHECK(!run->others_ran);
    CHECK_EQ(cress_yield(), 0);
    works_afterwards(run);
}

static void it_can_be_tried_without_switching(void **state)
{
    (void)state;
    each_row(no_time_at_all, TRIES, 0);
}

static void outer_timeout(struct run *run)
{
    cress_timeout outer = { 0 };
    run->row->arm(run->p);
    cress_time start = clock_time;
    CHECK_EQ(cress_timeout_start(&outer, CRESS_MS(20)), 0);
    CHECK_EQ(call(run, CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(clock_time - start, CRESS_MS(20));
    CHECK(cress_cancel_cause() == &outer);
    CHECK(cress_timeout_stop(&outer));
    works_afterwards(run);
}

static void a_scope_around_it_cuts_it_short(void **state)
{
    (void)state;
    each_row(outer_timeout, 0, QUICK);
}

/* Woken for less than it waits for, and killed before its turn: it must not wait on. */
struct partial {
    struct place *p;
    cress_greenlet *waits;
};

static void *bring_less(void *arg)
{
    const struct partial *partial = arg;
    hand_over(partial->p);
    CHECK_EQ(cress_kill(partial->waits, 0), 0);
    return NULL;
}

static void *wait_for_more(void *arg)
{
    struct partial *partial = arg;
    cress_case cases[] = { cress_on_waiter(&partial->p->waiter), cress_on_timer(CRESS_SECONDS(9)) };
    CHECK_EQ(cress_wait(cases, 2, CRESS_ALL, CRESS_FOREVER, NULL), -ECANCELED);
    CHECK(cress_cancel_cause() == cress_current());
    CHECK(cases[0].ready);
    return NULL;
}

/* The byte that wakes a reader is taken by somebody else before its turn. */
static void *bring_nothing(void *arg)
{
    const struct partial *partial = arg;
    two_bytes(partial->p);
    look();
    consume(partial->p);
    CHECK_EQ(cress_kill(partial->waits, 0), 0);
    return NULL;
}

static void *read_more(void *arg)
{
    struct partial *partial = arg;
    char data[3];
    CHECK_EQ(cress_recv(partial->p->fds[0], data, sizeof data, 0), -ECANCELED);
    CHECK(cress_cancel_cause() == cress_current());
    return NULL;
}

static void *poll_more(void *arg)
{
    struct partial *partial = arg;
    struct pollfd fds = { .fd = partial->p->fds[0], .events = POLLIN };
    CHECK_EQ(cress_poll(&fds, 1, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == cress_current());
    return NULL;
}

static void who_has_to_wait_once_more_is_told_what_came_meanwhile(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        cress_fn waits, brings;
    } again[] = {
        { "wait for several", wait_for_more, bring_less },
        { "recv", read_more, bring_nothing },
        { "poll", poll_more, bring_nothing },
    };
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
        struct place p;
        row_name = again[i].name;
        clock_begin(NULL);
        open_place(&p);
        struct partial partial = { .p = &p };
        cress_time start = clock_time;
        partial.waits = cress_spawn(again[i].waits, &partial);
        CHECK_EQ(cress_yield(), 0);
        CHECK_EQ(cress_yield(), 0);
        spawn_daemon(again[i].brings, &partial);
        CHECK_EQ(cress_join(partial.waits, CRESS_SECONDS(1)), 0);
        CHECK_EQ(clock_time, start);
        cress_unref(partial.waits);
        close_place(&p);
        clock_end(NULL);
    }
}

/* Both are over at the same time: that of the scope is told, and swallowed by nobody. */
static void equal_timeouts(struct run *run)
{
    cress_timeout outer = { 0 };
    run->row->arm(run->p);
    CHECK_EQ(cress_timeout_start(&outer, CRESS_MS(20)), 0);
    CHECK_EQ(call(run, CRESS_MS(20)), -ECANCELED);
    CHECK(cress_cancel_cause() == &outer);
    CHECK(cress_timeout_stop(&outer));
    works_afterwards(run);
}

static void of_equal_deadlines_the_scopes_is_told(void **state)
{
    (void)state;
    each_row(equal_timeouts, TIMED, 0);
}

/* The first call says so at once, the second lets others run before. */
static void cancelled_before(struct run *run, const void *cause, bool stays)
{
    bool yields = run->row->traits & YIELDS;
    spawn_daemon(runs, run);
    CHECK_EQ(call(run, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == cause);
    CHECK_EQ(run->others_ran, yields);
    if (!stays)
        return;
    run->others_ran = false;
    if (yields)
        spawn_daemon(runs, run);
    CHECK_EQ(call(run, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == cause);
    CHECK(run->others_ran);
}

static void killed_before(struct run *run)
{
    run->row->arm(run->p);
    CHECK_EQ(cress_kill(run->subject, 0), 0);
    cancelled_before(run, run->subject, true);
    CHECK_EQ(cress_cancel_ack(), 0);
    works_afterwards(run);
}

static void a_kill_before_it_is_told_at_once_and_then_after_a_yield(void **state)
{
    (void)state;
    each_row(killed_before, 0, IN_MAIN);
}

static void scope_of_0(struct run *run)
{
    cress_timeout outer = { 0 };
    run->row->arm(run->p);
    CHECK_EQ(cress_timeout_start(&outer, 0), 0);
    cancelled_before(run, &outer, true);
    CHECK(cress_timeout_stop(&outer));
    works_afterwards(run);
}

static void a_scope_of_0_is_over_before_it(void **state)
{
    (void)state;
    each_row(scope_of_0, 0, 0);
}

static void destroyed(cress_token *token)
{
    ++*(int *)token->value;
}

static void thrown_before(struct run *run)
{
    int times = 0;
    cress_token token = { .destroy = destroyed, .value = &times };
    run->row->arm(run->p);
    CHECK_EQ(cress_throw(run->subject, &token), 0);
    cancelled_before(run, &token, false);
    CHECK_EQ(times, 0); /* not while it can be looked at */
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(times, 1);
    works_afterwards(run);
}

static void a_throw_before_it_meets_one_call(void **state)
{
    (void)state;
    each_row(thrown_before, 0, 0);
}

static void killed_during(struct run *run)
{
    run->row->arm(run->p);
    spawn_daemon(kill_it, run);
    CHECK_EQ(call(run, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == run->subject);
    CHECK_EQ(cress_cancel_ack(), 0);
    works_afterwards(run);
}

static void a_kill_during_it_leaves_nothing_behind(void **state)
{
    (void)state;
    each_row(killed_during, 0, IN_MAIN);
}

static void thrown_during(struct run *run)
{
    int times = 0;
    cress_token token = { .destroy = destroyed, .value = &times };
    run->token = &token;
    run->row->arm(run->p);
    spawn_daemon(throw_at_it, run);
    CHECK_EQ(call(run, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == &token);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(times, 1);
    works_afterwards(run);
}

static void a_throw_during_it_leaves_nothing_behind(void **state)
{
    (void)state;
    each_row(thrown_during, 0, 0);
}

static void behind_a_shield(struct run *run)
{
    cress_timeout outer = { 0 };
    cress_shield shield = { 0 };
    run->row->arm(run->p);
    CHECK_EQ(cress_timeout_start(&outer, 0), 0);
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    spawn_daemon(run->row->traits & IN_MAIN ? do_effect : kill_it_then_effect, run);
    CHECK_EQ(call(run, CRESS_FOREVER), 0);
    CHECK(cress_cancel_cause() == NULL);
    CHECK_EQ(cress_yield(), 0); /* the helper of a quick call has not come to its end */
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    run->row->arm(run->p);
    CHECK_EQ(cress_shield_end(&shield), 0);
    CHECK_EQ(call(run, CRESS_FOREVER), -ECANCELED);
    if (run->row->traits & IN_MAIN) {
        CHECK(cress_cancel_cause() == &outer);
    } else {
        CHECK(cress_cancel_cause() == run->subject); /* the kill comes first */
        CHECK(!cress_timeout_stop(&outer));
        CHECK_EQ(cress_cancel_ack(), 0);
    }
    cress_timeout_stop(&outer);
    works_afterwards(run);
}

static void behind_a_shield_it_goes_on(void **state)
{
    (void)state;
    each_row(behind_a_shield, 0, 0);
}

static void had_its_effect(struct run *run, cress_time timeout)
{
    CHECK_EQ(call(run, timeout), 0);
    CHECK(cress_cancel_cause() == NULL);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(1)), -ECANCELED);
}

static void effect_then_kill(struct run *run)
{
    run->row->arm(run->p);
    spawn_daemon(effect_and_kill, run);
    had_its_effect(run, CRESS_FOREVER);
    CHECK(cress_cancel_cause() == run->subject);
    CHECK_EQ(cress_cancel_ack(), 0);
    works_afterwards(run);
}

static void an_effect_is_told_and_the_kill_of_the_same_turn_later(void **state)
{
    (void)state;
    each_row(effect_then_kill, 0, TIME | RETRIES | IN_MAIN);
}

static void effect_then_throw(struct run *run)
{
    cress_token token = { 0 };
    run->token = &token;
    run->row->arm(run->p);
    spawn_daemon(effect_and_throw, run);
    had_its_effect(run, CRESS_FOREVER);
    CHECK(cress_cancel_cause() == &token);
    works_afterwards(run);
}

static void an_effect_is_told_and_the_throw_of_the_same_turn_later(void **state)
{
    (void)state;
    each_row(effect_then_throw, 0, TIME | RETRIES);
}

static void effect_at_the_deadline(struct run *run)
{
    cress_timeout outer = { 0 };
    run->row->arm(run->p);
    CHECK_EQ(cress_timeout_start(&outer, CRESS_MS(20)), 0);
    spawn_daemon(effect_and_deadline, run);
    had_its_effect(run, CRESS_MS(20));
    CHECK(cress_cancel_cause() == &outer);
    CHECK(cress_timeout_stop(&outer));
    works_afterwards(run);
}

static void an_effect_beats_the_deadlines_of_the_same_turn(void **state)
{
    (void)state;
    each_row(effect_at_the_deadline, TIMED, RETRIES);
}

static void others_wait_on(struct run *run)
{
    run->row->arm(run->p);
    struct other other = { .run = run };
    cress_greenlet *g = cress_spawn(call_too, &other);
    CHECK_EQ(cress_yield(), 0);
    let_it_wait(run);
    spawn_daemon(kill_it, run);
    CHECK_EQ(call(run, CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(cress_cancel_ack(), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK(!other.done);
    run->row->effect(run->p);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK(other.done);
    CHECK_EQ(other.result, 0);
    cress_unref(g);
    works_afterwards(run);
}

static void others_who_wait_for_the_same_are_not_disturbed(void **state)
{
    (void)state;
    each_row(others_wait_on, 0, TIME | ALONE);
}

static int call_here(void *arg)
{
    struct run *run = arg;
    CHECK_EQ(call(run, CRESS_FOREVER), -EPERM);
    run->others_ran = true;
    return 0;
}

static void in_a_callback(struct run *run)
{
    cress_callback node = { 0 };
    run->row->arm(run->p);
    CHECK_EQ(cress_post(NULL, &node, call_here, run), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK(run->others_ran);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.lines[0].error, -EPERM);
    told.count = 0;
    works_afterwards(run);
}

static void a_callback_must_not_call_it(void **state)
{
    (void)state;
    each_row(in_a_callback, 0, 0);
}

int main(void)
{
    signal(SIGABRT, name_the_row);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_own_timeout_cuts_it_short),
        cmocka_unit_test(it_can_be_tried_without_switching),
        cmocka_unit_test(a_scope_around_it_cuts_it_short),
        cmocka_unit_test(of_equal_deadlines_the_scopes_is_told),
        cmocka_unit_test(a_kill_before_it_is_told_at_once_and_then_after_a_yield),
        cmocka_unit_test(a_scope_of_0_is_over_before_it),
        cmocka_unit_test(a_throw_before_it_meets_one_call),
        cmocka_unit_test(a_kill_during_it_leaves_nothing_behind),
        cmocka_unit_test(a_throw_during_it_leaves_nothing_behind),
        cmocka_unit_test(behind_a_shield_it_goes_on),
        cmocka_unit_test(an_effect_is_told_and_the_kill_of_the_same_turn_later),
        cmocka_unit_test(an_effect_is_told_and_the_throw_of_the_same_turn_later),
        cmocka_unit_test(an_effect_beats_the_deadlines_of_the_same_turn),
        cmocka_unit_test(others_who_wait_for_the_same_are_not_disturbed),
        cmocka_unit_test(who_has_to_wait_once_more_is_told_what_came_meanwhile),
        cmocka_unit_test(a_callback_must_not_call_it),
    };
    return RUN_TESTS_APART(tests);
}
