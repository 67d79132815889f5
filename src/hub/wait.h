/* wait - waiting for several things: what each kind of case is made of.
 *
 *     idle -> linked            [ops->link: its object will fire it]
 *     linked -> linked, fired   [cress_case_fire]
 *     fired -> happened         [ops->ready says 1; unlinked]
 *     fired -> linked           [ops->ready says 0: unlinked and linked anew]
 *
 * What cress_choose() waits for may be handed to it by whoever makes it happen, before it runs: a
 * unit, an item. So the place of its case in a line is worth something, and nobody overtakes it.
 *
 *     linked -> happened        [case_choose: the effect is the case's, all others lose]
 *
 * (1) `fired` of a case is linked only while `wait` is set.
 * (2) ops->unlink is called exactly once for each link that gave 0.
 * (3) `chosen` is set at most once, and only while the wait is parked or woken.
 * (4) When ops->unlink is called for what was chosen, its `ready` says whether it was for good: not
 *     so when the greenlet is dropped before it has run.
 * (5) Where one of the cases is of an object that several threads share, several may want to decide
 *     at once, and who waits may want to give up: `choice` is decided by a compare-and-swap. It is
 *     open while the wait is parked; who waits closes it before it asks or leaves. Whoever has
 *     decided it lets the effect happen under its object's guard, and who waits enters that in
 *     ops->unlink before it looks at the case.
 *
 *     Two choices that could meet in a channel while both are closed cannot: then the one that was
 *     begun at the higher address asks again, until the other has opened or is gone, and makes that
 *     ask again only if it was the lower one. So of any number one does not have to.
 *
 *     closed -> open     [park]                      open -> closed   [park, woken by anything]
 *     open -> decided    [case_choose_shared]        decided -> closed [park: `chosen` says so]
 */
#ifndef CRESS_HUB_WAIT_H
#define CRESS_HUB_WAIT_H

#include "base/list.h"
#include "hub/park.h"

#include <cress/wait.h>

/* One wait under way: a local variable, or inside a cress_iwait. */
struct case_wait {
    struct cress_hub *hub;
    cress_coro *co;    /* who waits; NULL: nobody right now */
    struct list fired; /* cases, in the order in which they were */
    cress_case *cases;
    size_t n;
    cress_case *chosen;           /* (3) */
    bool takes;                   /* cress_choose() */
    bool shared;                  /* (5) */
    bool counts;                  /* waits for time and descriptors keep the loop going */
    _Atomic(cress_case *) choice; /* (5) */
    const void *behind;           /* (5): the choice that has to open first; not looked into */
    struct wait_info info;
};

/* cress_case.core */
struct case_core {
    struct case_wait *wait;
    struct list fired;
    bool linked;
    bool shared; /* stays linked when it is asked in vain, see case_waits_shared() */
};
_Static_assert(sizeof(struct case_core) <= sizeof(((cress_case *)0)->core), "cress_case.core");

static inline struct case_core *case_core(cress_case *c)
{
    return (struct case_core *)(void *)c->core;
}

/* The hub in which a case waits; in link, ready and unlink. */
static inline struct cress_hub *case_hub(cress_case *c)
{
    return case_core(c)->wait->hub;
}

/* Whether the wait counts in loop.refs, for kinds whose event comes from outside. */
static inline bool case_counts(cress_case *c)
{
    return case_core(c)->wait->counts;
}

/* Whether one of its cases takes effect, in ready or by case_choose(); else they only look. */
static inline bool case_takes(cress_case *c)
{
    return case_core(c)->wait->takes;
}

/* End each cress_iwait that is open in the hub and that co has begun; or all others: what they are
 * linked to outlives whoever would have ended them. */
void iwaits_end(struct cress_hub *h, const cress_coro *co, bool others);

/* Decide a choice in favour of c, whose effect the caller lets happen now. false: c is not part of
 * a choice, or that has been decided. */
bool case_choose(cress_case *c);

/* The same from any thread, under the guard of the case's object: its greenlet is not woken. */
bool case_choose_shared(cress_case *c);

/* Two choices could meet, under the guard of their channel, and one asks: whether it must ask once
 * more, because the other one is closed. */
bool case_gives_way(cress_case *asks, cress_case *other);

/* In link: another thread may make it happen. When it was asked in vain it does not leave its line,
 * so that others find it there at any time: it is linked once more without. */
void case_waits_shared(cress_case *c);

/* What an object keeps of a case that waits for it, in case.words. */
struct case_node {
    struct list node;
    cress_case *c;
};

/* Fire all that wait for an object; its list may be all-zero. */
void cases_fire(struct list *cases);

/* Put a node into such a list. */
void cases_add(struct list *cases, struct case_node *node, cress_case *c);

#endif
