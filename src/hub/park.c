/* park - waiting for a limited time; cress_park() and cress_unpark(). */
#include "hub/park.h"

#include <cress/waiter.h>

#include <errno.h>

noinline int hub_enter_slowly(struct cress_hub **out)
{
    int error = hub_get(out);
    if (error < 0)
        return error;
    if (cress__closed) {
        hub_report(*out, NULL, "a callback would have to wait", -EPERM);
        return -EPERM;
    }
    return 0;
}

static void time_out(struct timer *timer)
{
    cress_coro *co = container_of((uintptr_t *)(void *)timer, cress_coro, hub_words[0]);
    hub_wake(co->thread->hub, co, -ETIMEDOUT);
}

noinline int hub_park_timed(struct cress_hub *h, cress_coro *self, const struct wait_info *info,
                            cress_time timeout)
{
    struct timer *timer = park_timer(self);
    if (unlikely(!(self->flags & CORO_HAS_TIMER))) {
        timer_init(timer, time_out);
        self->flags |= CORO_HAS_TIMER;
    }
    timer->fire = time_out;                     /* one that started later had another */
    bool counts = !(self->flags & CORO_DAEMON); /* (4) */
    h->loop.refs += counts;
    timer_start(&h->loop.timers, timer, timeout);
    int why = hub_park(h, self, info);
    timer_stop(&h->loop.timers, timer);
    h->loop.refs -= counts;
    return why;
}

int cress_park(cress_time timeout)
{
    if (timeout < 0)
        return -EINVAL;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    cress_coro *self = h->thread->current;
    if (self->flags & CORO_PERMIT) {
        self->flags &= (uint8_t)~CORO_PERMIT;
        return 0;
    }
    if (timeout == 0)
        return -EAGAIN;
    static const struct wait_info info = { .what = "parked" };
    self->flags |= CORO_IN_PARK;
    return hub_park_until(h, self, &info, timeout);
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
