/* sleep - letting others run: yield, sleep, idle, and main's run. */
#include "hub/park.h"

#include <errno.h>

int cress_yield(void)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (unlikely(error < 0))
        return error;
    hub_yield(h, h->thread->current);
    return 0;
}

int cress_sleep(cress_time d)
{
    if (d <= 0)
        return d == 0 ? cress_yield() : -EINVAL;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    static const struct wait_info info = { .what = "sleeping" };
    error = hub_park_until(h, h->thread->current, &info, d);
    return error == -ETIMEDOUT ? 0 : error;
}

/* Yield until the line was empty but for us and the loop had nothing either. */
int cress_idle(void)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    do {
        hub_yield(h, h->thread->current);
        if (runq_empty(&h->loop.ready))
            loop_look(&h->loop, 0);
    } while (!runq_empty(&h->loop.ready));
    return 0;
}

static bool finished(const struct cress_hub *h)
{
    return h->alive == 0 && !loop_alive(&h->loop) && runq_empty(&h->loop.ready);
}

int cress_run(cress_time timeout)
{
    if (timeout < 0)
        return -EINVAL;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    cress_coro *self = h->thread->current;
    if (self != &h->thread->native)
        return -EPERM;
    static const struct wait_info info = { .what = "running the others" };
    if (finished(h))
        return 0;
    if (timeout == 0)
        return -EAGAIN;
    /* Its own timer keeps nothing going: it does not count. */
    uint8_t was = self->flags & CORO_DAEMON;
    self->flags |= CORO_DAEMON;
    h->in_run = true;
    error = hub_park_until(h, self, &info, timeout);
    h->in_run = false;
    self->flags = (uint8_t)((self->flags & ~CORO_DAEMON) | was);
    return error < 0 ? error : h->alive < INT32_MAX ? (int)h->alive : INT32_MAX;
}
