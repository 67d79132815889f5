/* loop - clock, timers, descriptors, and the line of what is ready, in one.
 *
 * The loop knows no greenlet: what becomes ready is a node in `ready`, and whoever runs the loop
 * takes the nodes out: cress_loop_run() calls them, the hub also finds coroutines among them. So
 * a turn is made of parts, which both put together:
 *
 *     loop_next    prepare watchers; how long may be waited
 *     loop_look    ask the poller, hand out what came; check watchers; read the clock, fire timers;
 *                  idle watchers, if nothing came
 *     loop_tick    clock and timers only
 *
 * (1) `refs` counts what may still make something happen and is meant to keep the loop running:
 *     active watchers, and greenlets that wait for a descriptor or a time. Whoever waits counts.
 * (2) Other threads touch `posted`, `noticed` and `asleep` only.
 * (3) `born` is behind cress__forks in a child that has not used the loop yet. What waits or begins
 *     to wait calls loop_refresh() before; what ends a wait must not change what the parent has of
 *     the system's.
 * (4) While somebody listens for what another thread will bring, the loop looks out for that for a
 *     moment before it sleeps: a hand-over takes less time than waking up. See base/spin.h.
 * (5) Who has something else to do first, as freeing a lock that is wanted by whom it wakes, takes
 *     the wake-up over and makes the system call later. `wakers` counts them: the loop does not end
 *     before.
 * (6) In somebody else's loop, `embedded`, nobody knows when that will wait for the poller next: it
 *     may be after any look, also one that was not taken in a turn. So each look leaves `asleep`
 *     set, and whoever clears it has made the descriptor readable until the next look.
 */
#ifndef CRESS_LOOP_LOOP_H
#define CRESS_LOOP_LOOP_H

#include "base/clock.h"
#include "base/fork.h"
#include "base/runq.h"
#include "base/spin.h"
#include "loop/fds.h"
#include "loop/notice.h"
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

/* Watchers by the part of the turn that calls them. */
enum watch_part { PART_EVENT, PART_PREPARE, PART_CHECK, PART_IDLE, PART_FORK, PARTS };

struct cress_loop {
    struct runq ready;
    struct timers timers;
    size_t refs;                          /* see (1) */
    struct list again;                    /* fd entries whose waits must be asked for again */
    struct list foreign;                  /* others that may be closed behind our back: fds.h (6) */
    cress_time checked;                   /* when these were looked at */
    struct list pending[LOOP_PRIORITIES]; /* watchers that became ready in this turn */
    struct list watchers[PARTS];          /* active ones */
    unsigned came;                        /* watchers put into `pending` by an event */
    bool prepared;                        /* the prepare watchers of the next look were called */

    const struct poller_ops *poller;
    void *poller_data;
    struct inotify *inotify; /* while stat watchers are active */
    uint64_t polls, poll_waits, events;
    uint64_t read_in; /* the clock was read in this one of the polls */
    size_t listeners; /* (4) */
    struct spin spin;

    /* Errors that have nowhere else to go; the hub puts its own here. */
    void (*report)(cress_loop *loop, cress_watch *watch, const char *context, int error);
    bool hub;           /* a hub's: run by it */
    bool running;       /* inside cress_loop_run() */
    bool stop;          /* cress_loop_break() */
    const void *thread; /* see loop_mine() */
    void *hub_data;     /* whom `report` tells */
    cress_loop_error_fn error_fn;
    void *error_arg;
    bool embedded; /* cress_loop_fd() was asked for: (6) */

    /* fork, see after_fork.c */
    unsigned born, forked;           /* as of which fork it is whole; has let go of the parent's */
    const struct poller_ops *chosen; /* to have again when it is lost */
    struct list among;               /* the loops of the process, under fork_lock() */
    void (*on_fork)(cress_loop *loop); /* the hub's: drop who waited in the parent */

    /* Of other threads, on a cache line of their own: callbacks posted and notices sent, newest
     * first; whether the loop waits, or is about to. */
    char apart[64];
    _Atomic(struct callback *) posted;
    _Atomic(struct notice *) noticed;
    atomic_bool asleep;
    _Atomic uint64_t wakeups; /* system calls made to end a wait */
    atomic_uint wakers;       /* (5) */
};

/* Set up a loop in place. 0 or what the poller says. */
int loop_init(cress_loop *loop, const struct poller_ops *poller, bool hub);
void loop_done(cress_loop *loop);

/* Whether this is the loop's thread. */
bool loop_mine(const cress_loop *loop);

/* Look at the poller, waiting at most timeout, and let timers and callbacks of other threads become
 * ready. Prepare watchers that were not called yet come first in line. Returns whether anything
 * came: what is called in every turn does not count. */
bool loop_look(cress_loop *loop, cress_time timeout);

/* Read the clock and let timers become ready; take in what other threads posted. Returns the
 * reading. */
cress_time loop_tick(cress_loop *loop);

/* Whether other threads have put something in that has not been taken. */
bool loop_told(const cress_loop *loop);

/* How long may be waited: 0 when something is ready. The first time after a look the prepare
 * watchers become ready. */
cress_time loop_next(cress_loop *loop);

/* Somebody else may wait for the poller now: other threads have to wake it, and what was told is to
 * be asked for again. */
void loop_rest(cress_loop *loop);

/* Whether anything referenced is active. */
static inline bool loop_alive(const cress_loop *loop)
{
    return loop->refs > 0;
}

/* Run the callback at the head of the line, which must be one. */
void loop_run_callback(cress_loop *loop);

/* The node in the line of a watcher in `pending`. */
struct runnode *watch_of_pending(struct list *node);

/* The active watchers of a part become ready; those of PART_PREPARE stand first in line. */
void watch_part_ready(cress_loop *loop, enum watch_part part);
void watch_prepare(cress_loop *loop);

/* In a child: each kind makes anew what it has of the system's. */
void watch_after_fork(cress_loop *loop);

/* In a child: of a loop whose thread is not there, close what its watchers have opened. */
void watch_bury(cress_loop *loop);

/* The loop ends: stop its watchers, and let them be initialised again for another one. */
void watch_end_all(cress_loop *loop);

/* --- fork --- */

/* One more loop of the process, one less. 0; -ENOMEM. */
int loop_enlist(cress_loop *loop);
void loop_delist(cress_loop *loop);

/* Whether it is one of them: any address may be asked about. Under fork_lock(). */
bool loop_lives(const cress_loop *loop);

/* In a child, at the first use of the loop: a fresh poller, which knows what is waited for; then
 * fork watchers are ready. 0, or why the loop has no poller now: tried again at each use. */
int loop_after_fork(cress_loop *loop);

/* In a child: let the loops of threads that are not there go. */
extern atomic_uint cress__loops_whole; /* as of which fork that was done */
void loops_bury(void);

static inline void loops_refresh(void)
{
    if (unlikely(atomic_load_explicit(&cress__loops_whole, memory_order_acquire) != cress__forks))
        loops_bury();
}

static inline int loop_refresh(cress_loop *loop)
{
    return likely(loop->born == cress__forks) ? 0 : loop_after_fork(loop);
}

/* From any thread. */
void loop_post_mt(cress_loop *loop, struct callback *callback);

/* Something for it was put into a list of other threads': end its wait. Any thread, any handler. */
void loop_wake_mt(cress_loop *loop);

/* Wait until others have sent a notice, and take what was sent. For a loop that ends: its thread
 * does nothing else meanwhile. */
void loop_wait_told(cress_loop *loop);

/* Wake-ups that this thread has taken over, see (5): of a loop, and of who sleeps on a word. */
struct wake_later {
    cress_loop *loop;
    atomic_uint *word;
};
extern thread_local_fast struct wake_later cress__wake_later;

/* The same as loop_wake_mt(), but the system call is left for wake_now(). */
void loop_wake_later(cress_loop *loop);
void word_wake_later(atomic_uint *word);

/* Make those system calls. */
void cress__wake_now(void);

static inline void wake_now(void)
{
    if (unlikely(cress__wake_later.loop != NULL) || unlikely(cress__wake_later.word != NULL))
        cress__wake_now();
}

#ifdef CRESS_TESTING
/* Called instead of waiting while the clock is a test's: time passes at once. */
extern void (*cress__clock_pass)(cress_time by);
#endif

#endif
