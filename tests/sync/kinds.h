/* kinds - each way to wait for something that another thread does, as a row.
 *
 * One thread, the helper, makes the object new and helps; another one waits. What was brought is
 * there once: either the one who waited has it, or `left` finds it.
 */
#ifndef TESTS_SYNC_KINDS_H
#define TESTS_SYNC_KINDS_H

#include "support/check.h"
#include "sync/guard.h"

#include <cress.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct kind {
    const char *name;
    void *object;            /* whose line is waited in */
    void (*begin)(void);     /* by the helper */
    int (*wait)(cress_time); /* 0: it has what was brought */
    int (*help)(cress_time); /* 0: it has brought it */
    int (*left)(void);       /* how much is there still; by the helper, which has it then */
    bool meets;              /* to help is to wait, too */
    bool duels;              /* a row of duel.h */
};

/* How many lines of an object are waited in. */
static inline int lines_of(void *object)
{
    struct guard *g = object;
    CHECK_EQ(guard_lock(g), 0);
    int lines = g->lines;
    guard_unlock(g);
    return lines;
}

static cress_event the_event;
static cress_result the_result;
static cress_sem the_sem, no_sem;
static cress_mutex the_mutex, cond_mutex;
static cress_cond the_cond;
static cress_latch the_latch;
static cress_queue the_queue;
static cress_chan the_chan, no_chan;
static bool condition;

static void event_begin(void)
{
    CHECK_EQ(cress_event_init(&the_event, CRESS_SHARED), 0);
}

static int event_wait(cress_time t)
{
    return cress_event_wait(&the_event, t);
}

static int event_help(cress_time t)
{
    (void)t;
    return cress_event_set(&the_event);
}

static int nothing_left(void)
{
    return -1; /* it can be had by any number */
}

static int choose_event(cress_time t)
{
    cress_case cases[] = { cress_on_sem(&no_sem), cress_on_event(&the_event) };
    int r = cress_choose(cases, 2, t);
    CHECK_NE(r, 0);
    return r == 1 ? 0 : r;
}

static int wait_event(cress_time t)
{
    cress_case cases[] = { cress_on_sem(&no_sem), cress_on_event(&the_event) };
    size_t which = 7;
    ssize_t r = cress_wait(cases, 2, 1, t, &which);
    CHECK(r != 1 || which == 1);
    return r == 1 ? 0 : r == 0 ? -ETIMEDOUT : (int)r;
}

static void result_begin(void)
{
    CHECK_EQ(cress_result_init(&the_result, CRESS_SHARED), 0);
}

static int result_wait(cress_time t)
{
    void *value = NULL;
    int error = 1, r = cress_result_get(&the_result, t, &value, &error);
    CHECK(r != 0 || (value == &the_result && error == 0));
    return r;
}

static int choose_result(cress_time t)
{
    cress_case cases[] = { cress_on_sem(&no_sem), cress_on_result(&the_result) };
    int r = cress_choose(cases, 2, t);
    CHECK(r != 1 || (cases[1].data == &the_result && cases[1].result == 0));
    return r == 1 ? 0 : r;
}

static int result_help(cress_time t)
{
    (void)t;
    return cress_result_set(&the_result, &the_result);
}

static void sem_begin(void)
{
    CHECK_EQ(cress_sem_init(&the_sem, 0, CRESS_SHARED), 0);
}

static void fair_begin(void)
{
    CHECK_EQ(cress_sem_init(&the_sem, 0, CRESS_SHARED | CRESS_FAIR | CRESS_RECURSIVE), -EINVAL);
    CHECK_EQ(cress_sem_init(&the_sem, 0, CRESS_SHARED | CRESS_FAIR), 0);
}

static int sem_wait_(cress_time t)
{
    return cress_sem_acquire(&the_sem, t);
}

static int choose_sem(cress_time t)
{
    cress_case cases[] = { cress_on_sem(&the_sem), cress_on_sem(&no_sem), cress_on_sem(&the_sem) };
    int r = cress_choose(cases, 3, t);
    CHECK_NE(r, 1);
    return r >= 0 ? 0 : r;
}

static int sem_help(cress_time t)
{
    (void)t;
    return cress_sem_release(&the_sem);
}

static int sem_left(void)
{
    int n = (int)cress_sem_count(&the_sem);
    while (cress_sem_try_acquire(&the_sem) == 0)
        continue;
    return n;
}

static void mutex_begin(void)
{
    CHECK_EQ(cress_mutex_init(&the_mutex, CRESS_SHARED), 0);
    CHECK_EQ(cress_mutex_lock(&the_mutex, 0), 0);
}

static int mutex_wait(cress_time t)
{
    int r = cress_mutex_lock(&the_mutex, t);
    CHECK(r != 0 || cress_mutex_unlock(&the_mutex) == 0);
    return r;
}

static int mutex_help(cress_time t)
{
    (void)t;
    return cress_mutex_unlock(&the_mutex);
}

static int mutex_left(void)
{
    CHECK_EQ(cress_mutex_try_lock(&the_mutex), 0);
    CHECK_EQ(cress_mutex_unlock(&the_mutex), 0);
    return -1;
}

static void cond_begin(void)
{
    condition = false;
    CHECK_EQ(cress_cond_init(&the_cond, CRESS_SHARED), 0);
    CHECK_EQ(cress_mutex_init(&cond_mutex, CRESS_SHARED), 0);
}

static int cond_wait_(cress_time t)
{
    int r = cress_mutex_lock(&cond_mutex, CRESS_FOREVER);
    if (r < 0)
        return r;
    cress_time deadline = cress_deadline(t);
    while (!condition && r == 0)
        r = cress_cond_wait(&the_cond, &cond_mutex, cress_left(deadline));
    if (r == -EAGAIN && t > 0)
        r = -ETIMEDOUT; /* it was over before it waited again */
    CHECK(cress_mutex_owned(&cond_mutex));
    r = condition ? 0 : r;
    CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
    return r;
}

static int cond_help(cress_time t)
{
    (void)t;
    CHECK_EQ(cress_mutex_lock(&cond_mutex, CRESS_FOREVER), 0);
    condition = true;
    CHECK_EQ(cress_cond_signal(&the_cond), 0);
    return cress_mutex_unlock(&cond_mutex);
}

static void latch_begin(void)
{
    CHECK_EQ(cress_latch_init(&the_latch, 1, CRESS_SHARED), 0);
}

static int latch_wait(cress_time t)
{
    return cress_latch_wait(&the_latch, t);
}

static int latch_help(cress_time t)
{
    (void)t;
    return cress_latch_count_down(&the_latch, 1);
}

static void queue_new(bool joinable)
{
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.shared = true;
    o.max = 1;
    o.joinable = joinable;
    CHECK_EQ(cress_queue_done(&the_queue), 0);
    CHECK_EQ(cress_queue_init(&the_queue, &o), 0);
}

static void queue_begin(void)
{
    queue_new(false);
}

static int queue_get(cress_time t)
{
    void *item = NULL;
    int r = cress_queue_get(&the_queue, &item, t);
    CHECK(r != 0 || item == &the_queue);
    return r;
}

static int queue_peek(cress_time t)
{
    void *item = NULL;
    int r = cress_queue_peek(&the_queue, &item, t);
    CHECK(r != 0 || item == &the_queue);
    return r;
}

static int choose_queue(cress_time t)
{
    void *item = NULL, *other = NULL;
    cress_case cases[] = { cress_on_queue(&the_queue, &item),
                           cress_on_chan_recv(&no_chan, &other) };
    int r = cress_choose(cases, 2, t);
    CHECK(r != 0 || (item == &the_queue && cases[0].result == 0));
    return r;
}

static int queue_put(cress_time t)
{
    return cress_queue_put(&the_queue, &the_queue, t);
}

static int queue_left(void)
{
    void *item;
    int n = (int)cress_queue_size(&the_queue);
    for (int i = 0; i < n; i++)
        CHECK_EQ(cress_queue_try_get(&the_queue, &item), 0);
    return n;
}

static int queue_left_there(void)
{
    CHECK_EQ(queue_left(), 1);
    return -1;
}

static void full_begin(void)
{
    queue_new(false);
    CHECK_EQ(cress_queue_put(&the_queue, &the_queue, 0), 0);
}

/* What was got makes room for one; with it the queue is full, as is an empty one without. */
static int room_left(void)
{
    return 1 - queue_left();
}

static void tasks_begin(void)
{
    queue_new(true);
    CHECK_EQ(cress_queue_put(&the_queue, &the_queue, 0), 0);
}

static int tasks_wait(cress_time t)
{
    return cress_queue_join(&the_queue, t);
}

static int tasks_help(cress_time t)
{
    (void)t;
    CHECK_EQ(queue_left(), 1);
    return cress_queue_task_done(&the_queue);
}

static void chan_begin(void)
{
    CHECK_EQ(cress_chan_done(&the_chan), 0);
    CHECK_EQ(cress_chan_init(&the_chan, 0, 0, CRESS_SHARED), 0);
}

static int chan_recv(cress_time t)
{
    void *item = NULL;
    int r = cress_chan_recv(&the_chan, &item, t);
    CHECK(r != 0 || item == &the_chan);
    return r;
}

static int chan_send(cress_time t)
{
    return cress_chan_send(&the_chan, &the_chan, t);
}

static int choose_recv(cress_time t)
{
    void *item = NULL;
    cress_case cases[] = { cress_on_sem(&no_sem), cress_on_chan_recv(&the_chan, &item) };
    int r = cress_choose(cases, 2, t);
    CHECK(r != 1 || (item == &the_chan && cases[1].result == 0));
    return r == 1 ? 0 : r;
}

static int choose_send(cress_time t)
{
    cress_case cases[] = { cress_on_sem(&no_sem), cress_on_chan_send(&the_chan, &the_chan) };
    int r = cress_choose(cases, 2, t);
    return r == 1 ? 0 : r;
}

/* What a row waits for besides, and never comes. */
static inline void kinds_begin(void)
{
    CHECK_EQ(cress_sem_init(&no_sem, 0, CRESS_SHARED), 0);
    CHECK_EQ(cress_chan_init(&no_chan, 0, 0, CRESS_SHARED), 0);
}

static inline void kinds_end(void)
{
    CHECK_EQ(cress_queue_done(&the_queue), 0);
    CHECK_EQ(cress_chan_done(&the_chan), 0);
    CHECK_EQ(lines_of(&no_sem), 0);
    CHECK_EQ(lines_of(&no_chan), 0);
}

static const struct kind kinds[] = {
    { "event", &the_event, event_begin, event_wait, event_help, nothing_left, false, true },
    { "result", &the_result, result_begin, result_wait, result_help, nothing_left, false, true },
    { "semaphore", &the_sem, sem_begin, sem_wait_, sem_help, sem_left, false, true },
    { "fair semaphore", &the_sem, fair_begin, sem_wait_, sem_help, sem_left, false, false },
    { "mutex", &the_mutex, mutex_begin, mutex_wait, mutex_help, mutex_left, false, true },
    { "condition", &the_cond, cond_begin, cond_wait_, cond_help, nothing_left, false, true },
    { "latch", &the_latch, latch_begin, latch_wait, latch_help, nothing_left, false, true },
    { "queue, getting", &the_queue, queue_begin, queue_get, queue_put, queue_left, false, true },
    { "queue, looking", &the_queue, queue_begin, queue_peek, queue_put, queue_left_there, false,
      false },
    { "queue, putting", &the_queue, full_begin, queue_put, queue_get, room_left, false, true },
    { "queue, its tasks", &the_queue, tasks_begin, tasks_wait, tasks_help, nothing_left, false,
      false },
    { "channel, receiving", &the_chan, chan_begin, chan_recv, chan_send, nothing_left, true, true },
    { "channel, sending", &the_chan, chan_begin, chan_send, chan_recv, nothing_left, true, false },
    { "choice of an event", &the_event, event_begin, choose_event, event_help, nothing_left, false,
      false },
    { "choice of a result", &the_result, result_begin, choose_result, result_help, nothing_left,
      false, false },
    { "choice of a semaphore", &the_sem, sem_begin, choose_sem, sem_help, sem_left, false, true },
    { "choice of a queue", &the_queue, queue_begin, choose_queue, queue_put, queue_left, false,
      false },
    { "choice to receive", &the_chan, chan_begin, choose_recv, chan_send, nothing_left, true,
      false },
    { "choice to send", &the_chan, chan_begin, choose_send, chan_recv, nothing_left, true, false },
    { "two choices that meet", &the_chan, chan_begin, choose_recv, choose_send, nothing_left, true,
      true },
    { "waiting for an event among others", &the_event, event_begin, wait_event, event_help,
      nothing_left, false, true },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Whether a row makes a hub for a thread that has none: waiting for several things does. */
static inline bool makes_hub(const struct kind *k)
{
    return strncmp(k->name, "choice", 6) == 0 || strncmp(k->name, "two", 3) == 0 ||
           strncmp(k->name, "waiting", 7) == 0;
}

#endif
