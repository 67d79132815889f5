/* shared - greenlets that other threads may have to do with, and those made for another hub.
 *
 * Such a greenlet lies on the heap, not in the blocks of its thread, so that any thread can make it
 * and free it; what it has more than others stands behind it. Its bit in the number says so.
 *
 *     made -> begun     [shared_begin, in its hub's thread: a greenlet like any other from now on]
 *     begun -> ended    [shared_ended: the result is there for all, who waits elsewhere is told]
 *     ended -> free     [the last reference, and its coroutine's]
 *
 * (1) The coroutine and `links` are its hub's thread's alone. Other threads use what is atomic or
 *     under the lock: the references, the outcome, `far`.
 * (2) Value and error are written before the outcome, which is set for good then.
 * (3) It is freed when neither users nor the coroutine, which counts raw coroutines that have it as
 *     their parent, need it any more.
 * (4) It is in hub.shared from its beginning until its end, and while a kill is under way.
 * (5) The lock is not used in a child process by others than its hub's thread, which makes it anew:
 *     their hubs have ended there, which `forks` says.
 *
 * A wait of another thread's for its end is a far link:
 *
 *     linked -> taken out     [far_drop, by who waits, under the lock]
 *     linked -> on the way    [the end: its errand is done]  -> come   [fire, in the waiting hub]
 *     on the way -> refused   [the waiting hub has ended]
 *
 * (6) A far link has a reference of the waiting hub's side, as long as its errand is under way, and
 *     one of the greenlet's side, as long as it is linked or on the way. The errand brings that.
 * (7) Who waits holds a reference of the greenlet until it drops the link.
 */
#ifndef CRESS_HUB_SHARED_H
#define CRESS_HUB_SHARED_H

#include "hub/extra.h"
#include "hub/hub.h"

#include <pthread.h>

struct shared {
    struct greenlet_block block;
    struct hub_extra extra; /* its coroutine's */
    struct list node;       /* (4) */
    struct cress_hub *hub;  /* kept */
    struct notice start, kill;
    struct callback kill_now; /* a reference while it is in the line */
    atomic_bool kill_asked;   /* a reference while it is set */
    cress_time delay;
    unsigned forks;      /* (5) */
    atomic_uint holders; /* (3) */
    bool orphan;         /* its hub has ended it, before the outcome is set */
    pthread_mutex_t lock;
    struct list far; /* far links; under the lock */
    bool ended;      /* so too */
};

struct far_link {
    struct errand errand;
    struct list node; /* in shared.far */
    struct shared *of;
    /* In the waiting hub; runs nothing of the user's. NULL: nobody wants to know any more. lost:
     * the hub of who waits has ended, and the link is gone. */
    void (*fire)(struct far_link *far, bool lost);
    void *arg;
    atomic_uint refs; /* (6) */
    unsigned forks;
    bool came;
};

static inline struct shared *shared_of(const struct cress_greenlet *g)
{
    return (struct shared *)(void *)greenlet_coro(g);
}

/* cress_spawn_with() on another hub, or with the option `shared`; the options are good. */
int shared_spawn(const cress_spawn_options *options, cress_fn fn, void *arg,
                 struct cress_greenlet **out);

/* The last reference of users and its hub is gone. */
void shared_free_handle(struct cress_greenlet *g);
/* Its coroutine is not referred to any more. */
void shared_free_coro(cress_coro *co);

/* In its hub's thread: what another one has sent for it to begin is taken, if it has not been. */
void shared_take_part(struct cress_greenlet *g);

/* In its hub's thread: its end has been stored; the hub lets go of it, which has a reference still;
 * its hub ends. */
void shared_tell_end(struct cress_greenlet *g);
void shared_let_go(struct cress_greenlet *g);
void shared_orphan(struct cress_greenlet *g);
/* The hub ends: kills that did not come to pass are forgotten. */
void shared_end(struct cress_hub *hub);
void shared_after_fork(struct cress_hub *hub);

/* Of one that is elsewhere: 1, its end is there to be asked for; 0, it has not ended; -EOWNERDEAD.
 */
int shared_ready(const struct cress_greenlet *g);

/* Ask its hub to kill it. 0; -EOWNERDEAD. */
int shared_kill(struct cress_greenlet *g);

/* Have fire called in h when it has ended. 1, and no link: it has; 0; -EOWNERDEAD; -ENOMEM. */
int far_link(struct cress_greenlet *g, struct cress_hub *h,
             void (*fire)(struct far_link *far, bool lost), void *arg, struct far_link **out);

/* Not any more, or it has been fired. */
void far_drop(struct far_link *far);

#endif
