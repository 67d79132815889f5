/* watch - what all watchers share, and the way from an event to the callback.
 *
 *     IDLE -> ACTIVE   [cress_watch_start]        ACTIVE  -> IDLE  [stop]
 *     ACTIVE -> READY  [watch_ready]              READY   -> IDLE  [stop]
 *     READY -> ACTIVE  [run: the callback is called; one-shot kinds: IDLE]
 *     ACTIVE -> IDLE   [in a child process, kinds that cannot go on there]
 *
 * (1) READY: the watcher stands in its loop's `pending` or in the line itself, never in both.
 * (2) `run` calls the callback last: it may stop the watcher, start it again, free its memory.
 *
 * Each kind has a table of functions, of which all but the name may be left out.
 */
#ifndef CRESS_LOOP_WATCH_H
#define CRESS_LOOP_WATCH_H

#include "loop/loop.h"

struct watch;

struct watch_kind {
    const char *name;
    enum watch_part part;
    int (*start)(struct watch *w); /* let it happen; 0 or an error */
    void (*stop)(struct watch *w);
    /* Before the callback: what has to be ready for the next event; w->events is what it gets. */
    void (*ran)(struct watch *w);
    void (*forked)(struct watch *w); /* in a child */
};

struct watch {
    struct callback callback; /* its node is queued, its arg is the watcher */
    struct list pending;
    const struct watch_kind *kind;
    cress_watch_fn fn;
    void *arg;
    int events; /* for the callback */
    int8_t priority;
    bool active, unref;
    struct list among; /* the active ones of its part of the loop */
};
_Static_assert(sizeof(struct watch) <= sizeof(cress_watch), "cress_watch is too small");

static inline struct watch *watch_inside(cress_watch *w)
{
    return (struct watch *)(void *)w;
}

/* What a kind begins with; NULL stays NULL. */
static inline cress_watch *watch_of(void *kind)
{
    return kind;
}

/* Common part of all init functions: 0; -EINVAL; -EXDEV. */
int watch_init(cress_watch *public, const struct watch_kind *kind, cress_loop *loop,
               cress_watch_fn fn, void *arg);

/* Its event came: have the callback called. Events add up until it is. */
void watch_ready(struct watch *w, int events);

/* It is not ready any more: its callback is not called for what came so far. */
void watch_unready(struct watch *w);

/* It stops by itself: a timer that fired for the last time. */
void watch_ended(struct watch *w);

/* A descriptor that a watcher, or several, have opened for themselves. What is ready is told each
 * turn as long as it lasts. */
struct own_fd {
    int fd;
    struct fd_wait wait;
};

/* Takes fd in any case. 0, or it is closed: -ENOMEM; -EBADF; what the poller says. */
int own_fd_watch(struct own_fd *own, cress_loop *loop, int fd,
                 void (*ready)(struct fd_wait *wait, int events));
void own_fd_close(struct own_fd *own, cress_loop *loop);

#endif
