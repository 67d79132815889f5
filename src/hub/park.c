/* park - waiting for a limited time; cress_park() and cress_unpark(). */
#include "hub/park.h"

#include "hub/extra.h"
#include "hub/scope.h"

#include <cress/waiter.h>

#include <errno.h>

noinline int hub_enter_slowly(struct cress_hub **out)
{
    int error = hub_get(out);
    if (error < 0)
        return error;
    if (closed()) {
        hub_report(*out, NULL, "a callback would have to wait", -EPERM);
        return -EPERM;
    }
    return 0;
}

void park_time_out(struct timer *timer)
{
    cress_coro *co = container_of(timer, struct hub_extra, timer)->co;
    hub_wake(co->thread->hub, co, -ETIMEDOUT);
}

static always_inline int park_timed(struct cress_hub *h, cress_coro *self,
                                    const struct wait_info *info, cress_time timeout)
{
    if (timeout == CRESS_FOREVER)
        return hub_park(h, self, info);
    struct hub_extra *x = extra_get(self);
    if (unlikely(x == NULL)) {
        self->flags &= (uint8_t)~CORO_IN_PARK;
        return -ENOMEM;
    }
    x->counted = !(self->flags & CORO_DAEMON); /* (4) */
    h->loop.refs += x->counted;
    timer_start(&h->loop.timers, &x->timer, timeout);
    int why = hub_park(h, self, info);
    h = self->thread->hub; /* found again, not kept: each word of this frame lies under a poll */
    x = self->extra;
    timer_stop(&h->loop.timers, &x->timer);
    h->loop.refs -= x->counted;
    x->counted = false;
    return why;
}

noinline int hub_park_timed(struct cress_hub *h, cress_coro *self, const struct wait_info *info,
                            cress_time timeout)
{
    return park_timed(h, self, info, timeout);
}

void hub_unwait(struct cress_hub *h, cress_coro *co)
{
    bool waits = co->flags & CORO_IN_WAIT;
    co->flags &= (uint8_t) ~(CORO_WAITING | CORO_IN_PARK | CORO_IN_WAIT); /* nothing wakes it */
    if (runnode_queued(&co->node))
        runq_remove(&co->node);
    if (waits && co->info->unlink != NULL)
        co->info->unlink(co->info);
    struct hub_extra *x = co->extra;
    if (x == NULL)
        return;
    timer_remove(&h->loop.timers, &x->timer);
    h->loop.refs -= x->counted;
    x->counted = false;
}

/* What comes before the wait: 1, there is nothing to wait for; 0, wait; or an error. */
static always_inline int enter_park(struct cress_hub **h, cress_coro **self)
{
    int error = hub_enter(h);
    if (error < 0)
        return error;
    *self = (*h)->thread->current;
    if ((error = scope_point(*h, *self)) < 0)
        return error;
    if ((*self)->flags & CORO_PERMIT) {
        (*self)->flags &= (uint8_t)~CORO_PERMIT;
        return 1;
    }
    return 0;
}

static const struct wait_info park_info = { .what = "parked" };

/* Apart, so that the frame of the common case does not lie under a wait that may poll. */
static noinline int park_for(cress_time timeout)
{
    struct cress_hub *h;
    cress_coro *self;
    int found = enter_park(&h, &self);
    if (found != 0)
        return found < 0 ? found : 0;
    if (timeout == 0)
        return -EAGAIN;
    self->flags |= CORO_IN_PARK;
    return park_timed(h, self, &park_info, timeout);
}

int cress_park(cress_time timeout)
{
    if (timeout < 0)
        return -EINVAL;
    if (timeout != CRESS_FOREVER)
        return park_for(timeout);
    struct cress_hub *h;
    cress_coro *self;
    int found = enter_park(&h, &self);
    if (found != 0)
        return found < 0 ? found : 0;
    self->flags |= CORO_IN_PARK;
    return hub_park(h, self, &park_info);
}

int cress_unpark(cress_coro *co)
{
    if (co == NULL)
        return -EINVAL;
    if (co->thread != cress__thread)
        return -EXDEV;
    if (co->state == CORO_ENDED)
        return -ESRCH;
    uint8_t parked = CORO_WAITING | CORO_IN_PARK;
    if ((co->flags & parked) == parked)
        hub_wake(co->thread->hub, co, 0);
    else
        co->flags |= CORO_PERMIT;
    return 0;
}
