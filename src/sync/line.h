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
 * (2) `next` is NULL exactly while there is nobody in the line.
 * (3) A case has no granted place: a choice is decided at once and leaves, see hub/wait.h; a case
 *     that only looks is fired, leaves, and takes nothing.
 * (4) Nothing here switches while a line is being walked.
 * (5) Everything here is called between guard_enter() and guard_leave() of the object, whose guard
 *     goes along. line_enter() and line_wait() leave it for as long as others run.
 *
 * An object adds what is granted, and what it has to mend when a greenlet is dropped by the end of
 * its hub or by fork: waiting.dropped.
 *
 * Between threads a place is woken by a bell instead of directly: see bell.h.
 */
#ifndef CRESS_SYNC_LINE_H
#define CRESS_SYNC_LINE_H

#include "base/list.h"
#include "hub/scope.h"
#include "hub/wait.h"
#include "sync/bell.h"
#include "sync/guard.h"

struct line {
    struct list ring;  /* valid while somebody is in it */
    struct list *next; /* see (1), (2) */
};

struct place {
    struct list node;
    union {
        cress_coro *co;    /* who waits, */
        struct bell *bell; /* or, before a shared object, how it is told */
    };
    cress_case *c; /* a case's, else NULL */
    void *item;    /* a queue's affair */
    bool granted;
    uint8_t kind; /* the object's affair, as is error */
    int32_t error;
};

/* That of a case, in its words. */
struct case_place {
    struct place place;
    struct notice notice; /* before a shared object */
};
_Static_assert(sizeof(struct case_place) <= sizeof(((cress_case *)0)->words), "cress_case.words");

/* A greenlet that waits: a local variable of its call. */
struct waiting {
    struct place place;
    struct guard *guard; /* where it waits */
    struct line *line;
    void (*dropped)(struct waiting *w); /* it has left and will not run; may be NULL */
    struct wait_info info;
};

/* Who waits is dropped. */
void waiting_drop(const struct wait_info *info);

/* Begin to wait; what: in a few words. Field by field: cleared as a whole it would be a string
 * instruction, 10 ns. */
static always_inline void waiting_init(struct waiting *w, const char *what,
                                       void (*dropped)(struct waiting *w))
{
    w->place.c = NULL;
    w->place.item = NULL;
    w->place.granted = false;
    w->place.kind = 0;
    w->place.error = 0;
    w->dropped = dropped;
    w->info.what = what;
    w->info.number = 0;
    w->info.numbered = w->info.firm = w->info.judges = false;
    w->info.target = NULL;
    w->info.unlink = waiting_drop;
}

static inline struct place *place_of(struct list *node)
{
    return container_of(node, struct place, node);
}

static inline struct place *place_of_case(cress_case *c)
{
    return (struct place *)(void *)c->words; /* the first of a case_place */
}

/* The first that waits; NULL: nobody. */
static inline struct place *line_first(const struct line *line)
{
    return line->next != NULL && line->next != &line->ring ? place_of(line->next) : NULL;
}

/* Whether somebody was granted what he waits for, and has not run yet. */
static inline bool line_has_granted(const struct line *line)
{
    return line->next != NULL && line->next != line->ring.next;
}

static inline void line_join(struct line *line, struct guard *g, struct place *p,
                             struct cress_hub *h)
{
    if (line->next == NULL) {
        list_init(&line->ring);
        line->next = &line->ring;
        guard_joined(g, h);
    }
    invariant(g->hub == h || guard_shared(g));
    list_push(&line->ring, &p->node);
    if (line->next == &line->ring)
        line->next = &p->node;
}

static inline void line_leave(struct line *line, struct guard *g, struct place *p)
{
    if (!list_linked(&p->node))
        return;
    if (line->next == &p->node)
        line->next = p->node.next;
    list_remove(&p->node);
    if (list_empty(&line->ring)) {
        line->next = NULL;
        guard_left(g);
    }
}

/* The rest of line_grant(), between threads and for cases. */
bool line_grant_shared(struct line *line, struct guard *g, struct place *p);
bool line_grant_case(struct line *line, struct guard *g, struct place *p);

/* Grant it to the first that waits. false: it was a case that did not take it. p is gone from the
 * line then, as it is when it was a choice. */
static inline bool line_grant(struct line *line, struct guard *g, struct place *p)
{
    invariant(line->next == &p->node);
    if (unlikely(guard_shared(g)))
        return line_grant_shared(line, g, p);
    if (unlikely(p->c != NULL))
        return line_grant_case(line, g, p);
    line->next = p->node.next;
    p->granted = true;
    hub_grant(g->hub, p->co);
    return true;
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
static inline void line_grant_all(struct line *line, struct guard *g)
{
    struct place *p;
    while ((p = line_first(line)) != NULL)
        line_grant(line, g, p);
}

/* The first that waits has what it waits for, or an error instead, and leaves at once: nobody can
 * take it back. false: it was a case that only looked. */
static inline bool line_settle(struct line *line, struct guard *g, struct place *p, int error)
{
    p->error = error;
    bool taken = line_grant(line, g, p);
    line_leave(line, g, p);
    if (p->c != NULL && taken)
        p->c->result = error;
    return taken;
}

/* Nobody in this line gets what he waits for. */
static inline void line_turn_away(struct line *line, struct guard *g, int error)
{
    struct place *p;
    while ((p = line_first(line)) != NULL)
        line_settle(line, g, p, error);
}

/* --- waiting --------------------------------------------------------------------------------- */

/* A call that would have to wait: may it? 0; -EXDEV; -EPERM in a callback; -ECANCELED; or no hub.
 * Others may have run when it says 0: look again. When it says no, the guard has been left. */
static inline int line_enter(struct guard *g, struct cress_hub **h)
{
    if (unlikely(guard_shared(g)))
        return guard_wait_shared(g, h);
    int error = hub_enter(h);
    if (unlikely(error < 0))
        return error;
    if (unlikely(g->hub != NULL && g->hub != *h))
        return -EXDEV;
    return scope_point(*h, (*h)->thread->current);
}

int line_wait_shared(struct line *line, struct guard *g, struct waiting *w, struct cress_hub *h,
                     cress_time timeout);

/* Wait in line until it is granted: 0, or why not. */
static always_inline int line_wait(struct line *line, struct guard *g, struct waiting *w,
                                   struct cress_hub *h, cress_time timeout)
{
    w->guard = g;
    w->line = line;
    if (unlikely(guard_shared(g)))
        return line_wait_shared(line, g, w, h, timeout);
    cress_coro *self = h->thread->current;
    int error;
    w->place.co = self;
    line_join(line, g, &w->place, h);
    if (likely(timeout == CRESS_FOREVER)) {
        do
            error = hub_park(h, self, &w->info);
        while (unlikely(error == 0 && !w->place.granted));
    } else {
        cress_time deadline = cress_deadline(timeout);
        do
            error = hub_park_timed(h, self, &w->info, timeout);
        while (error == 0 && !w->place.granted && (timeout = cress_left(deadline)) > 0);
    }
    line_leave(line, g, &w->place);
    if (likely(w->place.granted))
        return 0;
    return error < 0 ? error : -ETIMEDOUT;
}

/* The same, and nothing cancels it. Why the call before was cancelled can still be asked. */
static inline int line_wait_firmly(struct line *line, struct guard *g, struct waiting *w,
                                   struct cress_hub *h)
{
    const void *cause = cress_cancel_cause();
    w->info.firm = true;
    int error = line_wait(line, g, w, h, CRESS_FOREVER);
    if (cause != NULL && h != NULL) {
        cress_coro *self = h->thread->current;
        self->flags |= CORO_CAUSE;
        self->cause = cause;
    }
    return error;
}

/* --- as a case ------------------------------------------------------------------------------- */

void line_join_case_shared(struct line *line, struct guard *g, cress_case *c);
int line_leave_case_shared(struct line *line, struct guard *g, cress_case *c);

/* Join as a case, if it is not there. Where the object is shared, another thread may have brought
 * what it waits for since it was asked: then the caller fires it. */
static inline void line_join_case(struct line *line, struct guard *g, cress_case *c)
{
    if (unlikely(guard_shared(g))) {
        line_join_case_shared(line, g, c);
        return;
    }
    struct place *p = place_of_case(c);
    *p = (struct place){ .c = c };
    line_join(line, g, p, case_hub(c));
}

/* Leave it. 0, with the guard entered; or what guard_enter() says, and nothing is to be touched. */
static inline int line_leave_case(struct line *line, struct guard *g, cress_case *c)
{
    if (unlikely(guard_shared(g)))
        return line_leave_case_shared(line, g, c);
    line_leave(line, g, place_of_case(c));
    return 0;
}

#endif
