/* hub - one for each thread: the loop, and the coroutines that wait for it.
 *
 * There is no hub coroutine in the middle. Who blocks takes the next one out of the line
 * (loop.ready) and switches straight to it; when the line is empty it looks at the loop on its own
 * stack, and when its own wake-up is what comes, it returns without any switch. Only callbacks
 * need a place of their own: the service greenlet, which whoever finds a callback at the head of
 * the line switches to.
 *
 *     hub_switch    leave for the next in line                              (park.h)
 *     hub_pick      the next in line when that is not plain: a callback, nobody, time for a tick
 *     hub_idle      nobody is ready: wait for events
 *     hub_glance    from time to time: timers, other threads, descriptors
 *
 * (1) The line holds coroutines that are PARKED and woken, or NEW, and callbacks.
 * (2) `budget` counts down with every step of the line; at 0 there is a tick. Its size, `quantum`,
 *     is adapted so that a tick comes about every 0.1 ms, but is never large: greenlets that were
 *     quick so far may begin to compute.
 * (3) The service greenlet is never in the line. It is switched to when a callback is first.
 * (4) main is the thread's own stack; in a child process, whoever forked. When nothing can happen
 *     any more, it is who is told.
 */
#ifndef CRESS_HUB_HUB_H
#define CRESS_HUB_HUB_H

#include "coro/thread.h"
#include "hub/greenlet.h"
#include "hub/outside.h"
#include "loop/loop.h"

#include <cress/hub.h>

enum {
    RUN_AGAIN = 1,                     /* wakes main in cress_run(): see whether anything is left */
    SLICE_MAX = 16,                    /* steps between glances at the coarse clock, at most */
    QUANTUM_MAX = 128,                 /* steps between readings of the clock, at most */
    TICK_NS = 100 * 1000,              /* how often it is to be read while busy */
    LOOK_NS = 500 * 1000,              /* how often the poller is looked at while busy */
    AGE_NS = 1000 * 1000 * 1000,       /* how often unused stacks are looked for */
    GRACE_AT_END = 1000 * 1000 * 1000, /* for greenlets that are killed since their thread ends */
    RUN_ON = 64,                       /* so many calls may succeed in a row without a switch */
};

struct cress_hub {
    struct cress_loop loop; /* first: the line is what is touched most */
    int32_t budget, slice;  /* steps until the next glance, see hub_glance(); of how many */
    int32_t left, quantum;  /* steps until the clock is read; of how many */
    cress_time glanced;     /* the coarse clock then */
    int32_t io_run;         /* I/O calls that succeeded since the last that waited */
    int32_t ran_on;         /* other calls that did not wait, all in the step `ran_in` */
    uint64_t ran_in;
    bool ending; /* in cress_hub_destroy() */
    struct thread *thread;
    cress_coro *service;
    cress_coro *main_co; /* (4) */
    size_t alive;        /* greenlets that are neither daemons nor over */
    size_t look_below; /* while main waits in hub_run(): it looks when fewer than that are alive */
    size_t awaited;    /* GREENLET_AWAITED: of those that the end of the hub has killed */
    size_t holds;      /* cress_hub_hold(); each counts in loop.refs */

    cress_time last_tick, last_look, last_age;
    uint64_t next_id;
    uint64_t fork_id; /* the last greenlet of the parent, see fork.c */
    uint64_t steps;   /* of the line, up to the last glance, less those that were no switch */
    uint64_t spawns, callbacks, ended;
    uint64_t aged_spawns; /* as of last_age */
    bool cold_stacks;     /* there were some then */

    struct blocks scopes; /* timeouts and shields, see scope.h */
    uint64_t next_serial; /* of them */
    uint64_t random;      /* for cress_choose() */

    struct list shared; /* greenlets that other threads made or may have to do with, see shared.h */
    struct list idlers; /* who waits until nothing else is ready */
    struct list iwaits; /* those that are open, see wait.c */
    size_t abandoned;   /* by its end so far */
    struct callback service_first;
    uint64_t *slots; /* a bit for each slot in use, see slot.c */
    size_t n_slots;  /* words of it */
    const cress_poll_hooks *poll_hooks;
    void *poll_hooks_arg;
    cress_error_fn error_fn;
    void *error_arg;

    struct cress_greenlet main;
    struct outside outside;
};

/* This thread's hub, made if need be. 0; -ENOMEM; -EMFILE; -ENFILE. */
int cress__hub_make(struct cress_hub **out);

static inline struct cress_hub *hub_current(void)
{
    struct thread *t = cress__thread;
    return likely(t != NULL) ? t->hub : NULL;
}

/* Whether something is left that hub_run() waits for: daemons do not count. When the hub ends it is
 * only those that it has killed. */
static inline bool hub_counts(const struct cress_hub *h)
{
    return h->ending ? h->awaited > 0 : h->alive > 0 || loop_alive(&h->loop);
}

static inline bool hub_in_run(const struct cress_hub *h)
{
    return h->look_below > 0;
}

static inline int hub_get(struct cress_hub **out)
{
    struct cress_hub *h = hub_current();
    if (likely(h != NULL)) {
        *out = h;
        return 0;
    }
    return cress__hub_make(out);
}

/* fork(2), see fork.c. */
void hub_attend_forks(void);
void hub_on_fork(struct cress_loop *loop);

/* The next to run for self, which has given up running. Never NULL. */
cress_coro *hub_pick(struct cress_hub *h, cress_coro *self);

/* Steps of the line so far, callbacks not included. */
static inline uint64_t hub_steps(const struct cress_hub *h)
{
    return h->steps + (uint64_t)(h->slice - h->budget);
}

/* Of main: wait until nothing is left that counts. 0 or more, as many are alive still; or an error,
 * but no cancellation where info is firm. */
int hub_run(struct cress_hub *h, const struct wait_info *info, cress_time timeout);

/* One has ended, and it may be what main waits for there. */
void hub_look_at_end(struct cress_hub *h, const struct cress_greenlet *g);

/* Many calls in a row have succeeded, or were cancelled, without a switch: others get a turn, and
 * the loop is looked at. */
void hub_breathe(struct cress_hub *h);

/* A call that may wait did not, for the caller has what it asked for, or is told that it is
 * cancelled. Who goes on like that for long lets others run. */
static inline void hub_ran_on(struct cress_hub *h)
{
    if (h->ran_in != hub_steps(h)) {
        h->ran_in = hub_steps(h);
        h->ran_on = 0;
    }
    if (unlikely(++h->ran_on >= RUN_ON))
        hub_breathe(h);
}

/* Look at the loop, with the poll hooks around. Whether anything came, see loop_look(). */
bool hub_look(struct cress_hub *h, cress_time timeout);

/* The same, as exit function of a coroutine or for one whose parent is busy. */
static always_inline cress_coro *hub_next(struct cress_hub *h, cress_coro *self);

/* Call fn with the block of each greenlet that has not been freed, and perhaps of some that have
 * ended. fn may free the one it is given. */
void hub_each_greenlet(struct cress_hub *h, void (*fn)(void *block, void *arg), void *arg);

/* Where errors go that have nowhere else to go. */
void hub_report(struct cress_hub *h, struct cress_greenlet *g, const char *context, int error);

/* A coroutine is new and its turn has come: give it a stack. Where none can be had it ends as
 * failed with -ENOMEM, and another one is chosen. */
cress_coro *hub_start(struct cress_hub *h, cress_coro *next, cress_coro *self);

/* Nothing can happen any more: write who waits for what to the hook, one line each. */
void hub_report_deadlock(struct cress_hub *h);

static always_inline cress_coro *hub_next(struct cress_hub *h, cress_coro *self)
{
    struct runnode *node = h->loop.ready.head.next;
    /* The head of the line and callbacks have a function. */
    if (unlikely(node->fn != NULL || --h->budget <= 0))
        return hub_pick(h, self);
    struct runnode *after = node->next;
    runq_remove(node);
    /* Two steps ahead: the block of the one after next is fetched while its predecessor's, fetched
     * a step ago, tells where its stack is: of which what it rests in and what its function saved
     * are mostly two lines. */
    cress_coro *soon = container_of(after, cress_coro, node);
    prefetch(after->next);
    prefetch(soon->ctx.sp);
    prefetch((char *)soon->ctx.sp + 64);
    return container_of(node, cress_coro, node);
}

#endif
