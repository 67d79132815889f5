/* line - those who wait in front of an event, a semaphore, a lock, a queue.
 *
 * One discipline for all of them. Who waits has a place, a local variable of the waiting call, or
 * in the words of a case. Whoever brings what is waited for grants it to the first place that has
 * none yet, and the greenlet is woken; it leaves the line when its turn to run comes.
 *
 *     not there -> waiting      [line_join]
 *     waiting   -> granted      [line_grant: its call will succeed, cancelled or not]
 *     granted   -> waiting      [line_revoke: somebody barged in; it keeps its place]
 *     any       -> not there    [line_leave, before its call returns]
 *
 * (1) The granted places are the first ones; `next` is the first that is waiting, or the head.
 *     Grants go forward and are revoked backwards, so nobody overtakes anybody.
 * (2) `hub` is set exactly while there is somebody in the line; all of them wait in that hub. So
 *     the common case, nobody, is one comparison. (Objects between threads will have a mark there
 *     that is no hub, and come to the slow path always.)
 * (3) A case has no granted place: a choice is decided at once and leaves, see hub/wait.h; a case
 *     that only looks is fired, leaves, and takes nothing.
 * (4) Nothing here switches while a line is being walked.
 *
 * An object adds what is granted, and what is to be done when a greenlet is dropped (the end of its
 * hub, fork) that had been granted something: wait_info.unlink.
 */
#ifndef CRESS_SYNC_LINE_H
#define CRESS_SYNC_LINE_H

#include "base/list.h"
#include "hub/scope.h"
#include "hub/wait.h"

#include <errno.h>

struct line {
    struct list ring;      /* valid while hub is set */
    struct list *next;     /* see (1) */
    struct cress_hub *hub; /* see (2) */
};

struct place {
    struct list node;
    cress_coro *co; /* NULL: a case's */
    cress_case *c;
    void *item; /* a queue's affair */
    bool granted;
    uint8_t kind; /* the object's affair, as is error */
    int32_t error;
};
_Static_assert(sizeof(struct place) <= sizeof(((cress_case *)0)->words), "cress_case.words");

/* A greenlet that waits: a local variable of its call. */
struct waiting {
    struct place place;
    void *object;
    struct wait_info info;
};

/* Begin to wait on an object; what: in a few words. Field by field: cleared as a whole it would be
 * a string instruction, 10 ns. */
static always_inline void waiting_init(struct waiting *w, void *object, const char *what,
                                       void (*dropped)(const struct wait_info *info))
{
    w->place.c = NULL;
    w->place.item = NULL;
    w->place.granted = false;
    w->place.kind = 0;
    w->place.error = 0;
    w->object = object;
    w->info.what = what;
    w->info.number = 0;
    w->info.numbered = w->info.firm = false;
    w->info.target = NULL;
    w->info.unlink = dropped;
}

static inline struct waiting *waiting_of(const struct wait_info *info)
{
    return container_of(info, struct waiting, info);
}

static inline struct place *place_of(struct list *node)
{
    return container_of(node, struct place, node);
}

static inline struct place *place_of_case(cress_case *c)
{
    return (struct place *)(void *)c->words;
}

/* Whether this thread may use an object: 0 or -EXDEV. In a child process those leave the line now
 * that are not there any more. */
static inline int line_check(const struct line *line)
{
    if (likely(line->hub == NULL))
        return 0;
    closed();
    return line->hub == NULL || line->hub == hub_current() ? 0 : -EXDEV;
}

/* The first that waits; NULL: nobody. */
static inline struct place *line_first(const struct line *line)
{
    return line->hub != NULL && line->next != &line->ring ? place_of(line->next) : NULL;
}

/* Whether somebody was granted what he waits for, and has not run yet. */
static inline bool line_has_granted(const struct line *line)
{
    return line->hub != NULL && line->next != line->ring.next;
}

static inline void line_join(struct line *line, struct place *p, struct cress_hub *h)
{
    if (line->hub == NULL) {
        list_init(&line->ring);
        line->next = &line->ring;
        line->hub = h;
    }
    invariant(line->hub == h); /* (2) */
    list_push(&line->ring, &p->node);
    if (line->next == &line->ring)
        line->next = &p->node;
}

static inline void line_leave(struct line *line, struct place *p)
{
    if (!list_linked(&p->node))
        return;
    if (line->next == &p->node)
        line->next = p->node.next;
    list_remove(&p->node);
    if (list_empty(&line->ring))
        line->hub = NULL;
}

static inline void line_join_case(struct line *line, cress_case *c)
{
    struct place *p = place_of_case(c);
    *p = (struct place){ .c = c };
    line_join(line, p, case_hub(c));
}

/* Grant it to the first that waits. false: it was a case that did not take it. p is gone from the
 * line then, as it is when it was a choice. */
static inline bool line_grant(struct line *line, struct place *p)
{
    invariant(line->next == &p->node);
    if (likely(p->co != NULL)) {
        line->next = p->node.next;
        p->granted = true;
        hub_grant(line->hub, p->co);
        return true;
    }
    line_leave(line, p);
    p->granted = case_choose(p->c);
    if (!p->granted)
        cress_case_fire(p->c);
    return p->granted;
}

/* Take back what was granted last; it waits on. */
static inline void line_revoke(struct line *line)
{
    struct place *p = place_of(line->next->prev);
    invariant(line_has_granted(line) && p->granted);
    p->granted = false;
    line->next = &p->node;
}

/* Grant all who wait what can be had by all. */
static inline void line_grant_all(struct line *line)
{
    struct place *p;
    while ((p = line_first(line)) != NULL)
        line_grant(line, p);
}

/* The first that waits has what it waits for, or an error instead, and leaves at once: nobody can
 * take it back. false: it was a case that only looked. */
static inline bool line_settle(struct line *line, struct place *p, int error)
{
    p->error = error;
    bool taken = line_grant(line, p);
    line_leave(line, p);
    if (p->c != NULL && taken)
        p->c->result = error;
    return taken;
}

/* Nobody in this line gets what he waits for. */
static inline void line_turn_away(struct line *line, int error)
{
    struct place *p;
    while ((p = line_first(line)) != NULL)
        line_settle(line, p, error);
}

/* A call that would have to wait: may it? 0; -EXDEV; -EPERM in a callback; -ECANCELED; or no hub.
 * Others may have run when it says 0: look again. */
static inline int line_enter(const struct line *line, struct cress_hub **h)
{
    int error = hub_enter(h);
    if (unlikely(error < 0))
        return error;
    if (unlikely(line->hub != NULL && line->hub != *h))
        return -EXDEV;
    return scope_point(*h, (*h)->thread->current);
}

/* The beginning of a call that is a cancellation point whether it waits or not. */
static inline int wait_begins(void)
{
    closed(); /* in a child process its end may be about to come */
    struct cress_hub *h = hub_current();
    return h != NULL ? scope_point(h, h->thread->current) : 0;
}

/* Wait in line until it is granted: 0, or why not. */
static always_inline int line_wait(struct line *line, struct waiting *w, struct cress_hub *h,
                                   cress_time timeout)
{
    cress_coro *self = h->thread->current;
    cress_time deadline = timeout != CRESS_FOREVER ? cress_deadline(timeout) : CRESS_FOREVER;
    int error;
    w->place.co = self;
    line_join(line, &w->place, h);
    do
        error = hub_park_until(h, self, &w->info, timeout);
    while (unlikely(error == 0 && !w->place.granted) && (timeout = cress_left(deadline)) > 0);
    line_leave(line, &w->place);
    if (likely(w->place.granted))
        return 0;
    return error < 0 ? error : -ETIMEDOUT;
}

/* The same, and nothing cancels it. Why the call before was cancelled can still be asked. */
static inline int line_wait_firmly(struct line *line, struct waiting *w, struct cress_hub *h)
{
    cress_coro *self = h->thread->current;
    const void *cause = cress_cancel_cause();
    w->info.firm = true;
    int error = line_wait(line, w, h, CRESS_FOREVER);
    if (cause != NULL) {
        self->flags |= CORO_CAUSE;
        self->cause = cause;
    }
    return error;
}

/* What an init may be told. 0; -EINVAL; -EBUSY; -ENOTSUP. */
static inline int line_init_check(const struct line *line, unsigned flags, unsigned known)
{
    if (flags & ~(known | 8u)) /* CRESS_SHARED */
        return -EINVAL;
    if (flags & 8u)
        return -ENOTSUP;
    return line->hub != NULL ? -EBUSY : 0;
}

#endif
