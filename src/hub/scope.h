/* scope - what may cancel a coroutine's calls: a kill, timeouts, throws; and shields against them.
 *
 * co->scope is a chain. From the inside out stand the timeouts and shields that the coroutine has
 * begun, then the tokens that were thrown at it, in their order. A kill is a flag.
 *
 *     scope_point    a call that may wait begins: is it cancelled?
 *     scope_woken    a wait was cut short: by whom?
 *     scope_alarm    somebody else's doing: look at your chain, and stop waiting if need be
 *
 * (1) CORO_ALARM is set while anything in the chain may be over, delivered or not, or the coroutine
 *     is killed. It alone is looked at in the common case.
 * (2) A shield hides what stands behind it, tokens and the kill too, until its limit has passed.
 * (3) Timeouts and shields live in blocks of the hub, not in the caller's frame: that may be gone
 *     before they were stopped. The caller has a handle with the block and its serial number.
 * (4) A block that is free may have its timer linked in the wheel still, stopped: so a timeout that
 *     is begun and stopped for each request touches the wheel once in its length, not each time.
 * (5) A token that was delivered stays first of the tokens until the next scope_point(), so that
 *     who received it can look at it; then its destructor runs.
 */
#ifndef CRESS_HUB_SCOPE_H
#define CRESS_HUB_SCOPE_H

#include "hub/park.h"

#include <cress/scope.h>

enum scope_kind { SCOPE_TIMEOUT, SCOPE_SHIELD, SCOPE_TOKEN };

struct scope {
    cress_coro *co;      /* whose; NULL: in no chain. Marks a block as used, see base/blocks.h */
    struct scope *outer; /* the next one out */
    uint32_t told;       /* so many calls it has cancelled */
    uint8_t kind;
    bool over; /* a timeout's time, a shield's limit has passed; a token was delivered */
};

/* A timeout or a shield. */
struct scope_block {
    struct scope scope;
    uint64_t serial; /* another one whenever it is begun or ended */
    const void *handle;
    bool counted; /* in loop.refs */
    struct timer timer;
};

/* cress_timeout and cress_shield, as they are inside. */
struct scope_handle {
    struct scope_block *block;
    uint64_t serial;
    uint64_t hub; /* the hub's number: blocks go with it */
};
_Static_assert(sizeof(struct scope_handle) <= sizeof(cress_timeout), "cress_timeout is too small");
_Static_assert(sizeof(struct scope_handle) <= sizeof(cress_shield), "cress_shield is too small");

_Static_assert(sizeof(struct scope) <= sizeof(((cress_token *)0)->words), "cress_token");

int scope_point_slowly(struct cress_hub *h, cress_coro *self);

/* Begin a call that is a cancellation point, before anything is done for it. 0; -ECANCELED.
 * Switches when it says so not for the first time. */
static inline int scope_point(struct cress_hub *h, cress_coro *self)
{
    return likely(!(self->flags & CORO_ALARM)) ? 0 : scope_point_slowly(h, self);
}

/* The beginning of a call that is a cancellation point whether it waits or not. */
static inline int wait_begins(void)
{
    closed(); /* in a child process its end may be about to come */
    struct cress_hub *h = hub_current();
    return h != NULL ? scope_point(h, h->thread->current) : 0;
}

/* As scope_point() for one that has let others run already. */
int scope_point_after_yield(struct cress_hub *h, cress_coro *self);

/* Whether the next cancellation point says that it is cancelled. */
bool scope_is_over(const cress_coro *self);

/* Something that concerns co has happened: see (1). */
void scope_alarm(cress_coro *co);

/* Main's own scopes keep nothing going that cress_run() waits for: they count, or they do not. */
void scope_count(cress_coro *self, bool count);

/* A coroutine ends: its scopes are stopped, its tokens destroyed. How many scopes were open. */
int scope_end(cress_coro *co);

/* The same in a child process for one of the parent's: no destructor is called. */
void scope_drop(cress_coro *co);

/* The kernel said -ECANCELED: that has no cause of ours. */
void scope_forget_cause(void);

/* Under a shield from here on, for at most limit; NULL: no memory. To be ended by scope_end(). */
struct scope_block *scope_shield(struct cress_hub *h, cress_coro *self, cress_time limit);

#endif
