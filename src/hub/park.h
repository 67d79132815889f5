/* park - how a coroutine waits, and how it is woken.
 *
 *     RUNNING -> PARKED, WAITING   [hub_park, hub_park_until]
 *     WAITING -> woken, in line    [hub_wake: the first call wins, further ones do nothing]
 *     in line -> RUNNING           [whoever blocks next switches to it]
 *
 * Whatever can end a wait (a descriptor, the clock, a joiner's target, an unpark) calls hub_wake()
 * with a reason; the first one decides. The parked side takes its places out of all lists before
 * its call returns, so nothing can wake it late.
 *
 * (1) CORO_WAITING: parked and not woken. Cleared by hub_wake(), which also puts it in line.
 * (2) CORO_PERMIT: an unpark came while it did not wait in cress_park().
 * (3) CORO_IN_WAIT: inside a wait, woken or not; `info` says for what.
 * (4) Who waits for a time or a descriptor counts in loop.refs meanwhile, unless it is a daemon.
 */
#ifndef CRESS_HUB_PARK_H
#define CRESS_HUB_PARK_H

#include "base/closed.h"
#include "coro/jump.h"
#include "hub/hub.h"

enum park_flags {
    CORO_WAITING = 1,
    CORO_PERMIT = 2,
    CORO_IN_PARK = 4, /* of WAITING: in cress_park() itself */
    CORO_DAEMON = 8,
    CORO_ALARM = 16, /* see scope.h */
    CORO_KILLED = 32,
    CORO_CAUSE = 64,    /* `cause` says why its last call was cancelled */
    CORO_IN_WAIT = 128, /* `info` says what it waits for, or waited for until it was woken */
};

/* What a coroutine waits for; lives as long as the wait. */
struct wait_info {
    const char *what; /* "reading fd" */
    long number;      /* printed behind it if `numbered` */
    bool numbered;
    bool firm; /* nothing cancels it: who waits has to have what it waits for */
    /* Another thread may have brought what it waits for: who waits sees to it, and calls
     * scope_judge() where that is not so. */
    bool judges;
    const cress_greenlet *target; /* its name is printed behind, if not NULL */
    /* The coroutine is dropped: leave the lists that it would leave after the wait. NULL: it is in
     * none. */
    void (*unlink)(const struct wait_info *info);
};

/* One that waits in cress_idle(): a local variable of it. */
struct idler {
    struct list node; /* in hub.idlers */
    cress_coro *co;
    struct wait_info info;
};

/* Wake a coroutine that waits; why is what its park returns. false: it did not wait any more. */
static inline bool hub_wake(struct cress_hub *h, cress_coro *co, int why)
{
    if (!(co->flags & CORO_WAITING))
        return false;
    co->flags &= (uint8_t) ~(CORO_WAITING | CORO_IN_PARK); /* (1) */
    co->wake = why;
    runq_push(&h->loop.ready, &co->node);
    return true;
}

/* What co waits for is its own now: its wait succeeds, also if something else has woken it already
 * and it stands in the line. A cancellation then meets its next call, so nothing is lost. */
static inline void hub_grant(struct cress_hub *h, cress_coro *co)
{
    if (!hub_wake(h, co, 0))
        co->wake = 0;
}

/* A wait ended with an error, self->wake: if a scope around it is over, that is told. */
int scope_woken(cress_coro *self);

/* A wait that judges itself ended with an error and without what it waited for: the same. */
int scope_judge(cress_coro *self, int error);

/* A wait begins, perhaps not the first one of its call: what came while its coroutine was woken and
 * stood in the line has woken nobody. 0; -ECANCELED. */
int scope_waits_again(cress_coro *self, const struct wait_info *info);

/* Leave for the next in line. self has been put where it will be found again.
 *
 * Always inline: each function between here and the user is a return that the processor predicts
 * wrongly, 3 to 5 ns, when the greenlet that ran before came another way. */
static always_inline void hub_switch(struct cress_hub *h, cress_coro *self)
{
    self->state = CORO_PARKED;
    cress_coro *next = hub_next(h, self);
    if (unlikely(next->state == CORO_NEW))
        next = hub_start(h, next, self);
    if (likely(next != self)) {
        coro_jump(h->thread, self, next, NULL);
    } else {
        h->steps--; /* its own wake-up came: no switch */
        self->state = CORO_RUNNING;
    }
}

/* Wait until woken. Returns by what; a cancellation has not been told yet: scope_woken() does. */
static always_inline int hub_park_untold(struct cress_hub *h, cress_coro *self,
                                         const struct wait_info *info)
{
    self->flags = (uint8_t)((self->flags & ~CORO_CAUSE) | CORO_WAITING | CORO_IN_WAIT);
    self->info = info;
    hub_switch(h, self);
    self->flags &= (uint8_t)~CORO_IN_WAIT;
    return self->wake;
}

/* Wait until woken. Returns the reason. */
static always_inline int hub_park(struct cress_hub *h, cress_coro *self,
                                  const struct wait_info *info)
{
    if (unlikely(self->flags & CORO_ALARM) && !info->firm && scope_waits_again(self, info) < 0)
        return -ECANCELED;
    int why = hub_park_untold(h, self, info);
    return likely(why >= 0) ? why : scope_woken(self);
}

/* The same for a limited time: -ETIMEDOUT, or -ENOMEM. CRESS_FOREVER is allowed, 0 is not. */
int hub_park_timed(struct cress_hub *h, cress_coro *self, const struct wait_info *info,
                   cress_time timeout);

/* What its timer does. */
void park_time_out(struct timer *timer);

/* The same for a time, or CRESS_FOREVER. Not for 0. */
static always_inline int hub_park_until(struct cress_hub *h, cress_coro *self,
                                        const struct wait_info *info, cress_time timeout)
{
    return likely(timeout == CRESS_FOREVER) ? hub_park(h, self, info)
                                            : hub_park_timed(h, self, info, timeout);
}

/* A coroutine will not run any more: it waits for nothing, and is in no line. */
void hub_unwait(struct cress_hub *h, cress_coro *co);

/* Let self go to the end of the line and wait for its turn. */
static always_inline void hub_yield(struct cress_hub *h, cress_coro *self)
{
    runq_push(&h->loop.ready, &self->node);
    hub_switch(h, self);
}

/* Whether the running coroutine may block, and the hub for it, made if need be. 0; -EPERM in a
 * callback (which the hook is told); -ENOMEM, -EMFILE, -ENFILE. */
int hub_enter_slowly(struct cress_hub **out);

static inline int hub_enter(struct cress_hub **out)
{
    struct thread *t = cress__thread;
    if (unlikely(t == NULL || t->hub == NULL || cress__closed))
        return hub_enter_slowly(out);
    *out = t->hub;
    return 0;
}

#endif
