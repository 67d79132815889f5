/* loop - clock, timers, descriptors, and the line of what is ready, in one.
 *
 * The loop knows no greenlet: what becomes ready is a node in `ready`, and whoever runs the loop
 * takes the nodes out: cress_loop_run() calls them, the hub also finds coroutines among them. So
 * a turn is made of parts, which both put together:
 *
 *     loop_look    ask the poller, hand out what came, read the clock, fire timers
 *     loop_tick    the same without the poller
 *     loop_next    how long may be waited
 *
 * (1) `refs` counts what may still make something happen and is meant to keep the loop running:
 *     active watchers, and greenlets that wait for a descriptor or a time. Whoever waits counts.
 * (2) Other threads touch `posted` and `asleep` only.
 */
#ifndef CRESS_LOOP_LOOP_H
#define CRESS_LOOP_LOOP_H

#include "base/clock.h"
#include "base/runq.h"
#include "loop/fds.h"
#include "loop/poller.h"
#include "loop/timers.h"

#include <cress/loop.h>

#include <stdatomic.h>

struct thread;

/* cress_callback, as it is inside. */
struct callback {
    struct runnode node;
    void *arg;
    cress_loop *loop;
    struct callback *next; /* in `posted` */
};
_Static_assert(sizeof(struct callback) <= sizeof(cress_callback), "cress_callback is too small");

enum { LOOP_PRIORITIES = 5 };

struct cress_loop {
    struct runq ready;
    struct timers timers;
    size_t refs;                          /* see (1) */
    struct list again;                    /* fd entries whose waits must be asked for again */
    struct list foreign;                  /* others that may be closed behind our back: fds.h (6) */
    cress_time checked;                   /* when these were looked at */
    struct list pending[LOOP_PRIORITIES]; /* watchers that became ready in this turn */
    struct list watchers;                 /* active ones */

    const struct poller_ops *poller;
    void *poller_data;
    uint64_t polls, poll_waits, events;
    uint64_t read_in; /* the clock was read in this one of the polls */

    /* Errors that have nowhere else to go; the hub puts its own here. */
    void (*report)(cress_loop *loop, cress_watch *watch, const char *context, int error);
    bool hub;           /* a hub's: run by it */
    bool running;       /* inside cress_loop_run() */
    bool stop;          /* cress_loop_break() */
    const void *thread; /* see loop_mine() */
    void *hub_data;     /* whom `report` tells */
    cress_loop_error_fn error_fn;
    void *error_arg;

    /* Of other threads, on a cache line of their own: callbacks posted, newest first; whether the
     * loop waits, or is about to. */
    char apart[64];
    _Atomic(struct callback *) posted;
    atomic_bool asleep;
    _Atomic uint64_t wakeups; /* system calls made to end a wait */
};

/* Set up a loop in place. 0 or what the poller says. */
int loop_init(cress_loop *loop, const struct poller_ops *poller, bool hub);
void loop_done(cress_loop *loop);

/* Whether this is the loop's thread. */
bool loop_mine(const cress_loop *loop);

/* Look at the poller, waiting at most timeout, and let timers and callbacks of other threads
 * become ready. */
void loop_look(cress_loop *loop, cress_time timeout);

/* Read the clock and let timers become ready; take in what other threads posted. Returns the
 * reading. */
cress_time loop_tick(cress_loop *loop);

/* How long may be waited: 0 when something is ready. */
cress_time loop_next(cress_loop *loop);

/* Whether anything referenced is active. */
static inline bool loop_alive(const cress_loop *loop)
{
    return loop->refs > 0;
}

/* Run the callback at the head of the line, which must be one. */
void loop_run_callback(cress_loop *loop);

/* The node in the line of a watcher in `pending`. */
struct runnode *watch_of_pending(struct list *node);

/* The loop ends: stop its watchers, and let them be initialised again for another one. */
void watch_end_all(cress_loop *loop);

/* From any thread. */
void loop_post_mt(cress_loop *loop, struct callback *callback);

#ifdef CRESS_TESTING
/* Called instead of waiting while the clock is a test's: time passes at once. */
extern void (*cress__clock_pass)(cress_time by);
#endif

#endif
