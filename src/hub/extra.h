/* extra - what few coroutines need of the hub: a timer of their own, a name, functions for the end.
 *
 * Most greenlets wait without a limit and have no name. So a greenlet's block is two cache lines,
 * and this is two more, from a pool of their own, when it is first asked for; it stays until the
 * coroutine ends for the last one that refers to it. Raw coroutines and main get theirs the same
 * way.
 *
 * (1) The timer is initialised from the start: its first word marks the block as used.
 */
#ifndef CRESS_HUB_EXTRA_H
#define CRESS_HUB_EXTRA_H

#include "coro/thread.h"
#include "loop/timers.h"

struct deferred;

/* Values of a coroutine's own, see sync/key.c, which knows what is behind this. */
struct locals {
    /* They are over. Their destructors are called, or not. */
    void (*end)(struct locals *locals, bool call);
    /* Those that are inherited, for another coroutine: 0 or -ENOMEM. */
    int (*inherit)(const struct locals *from, struct locals **to);
};

struct hub_extra {
    struct timer timer; /* of its timed waits; of its start, if that is delayed */
    cress_coro *co;
    char name[32];
    union {
        void (*on_discard)(void *arg); /* until it starts, */
        struct deferred *deferred; /* and then what is to be called at its end, the last first */
    };
    void (*value_free)(void *value);
    struct locals *locals;  /* NULL: none */
    cress_time defer_limit; /* how long that may take; 0: as ever */
    uint32_t slot;          /* counted from 1; 0: not asked for yet */
    bool counted;           /* its timed wait counts in loop.refs */
};

struct hub_extra *extra_make(cress_coro *co);

/* A coroutine's, made if need be; NULL: no memory. */
static inline struct hub_extra *extra_get(cress_coro *co)
{
    return likely(co->extra != NULL) ? co->extra : extra_make(co);
}

static inline void extra_end_locals(struct hub_extra *x, bool call)
{
    struct locals *locals = x->locals;
    x->locals = NULL;
    if (locals != NULL)
        locals->end(locals, call);
}

/* Give it back; its timer has been removed. */
void extra_drop(cress_coro *co);

#endif
