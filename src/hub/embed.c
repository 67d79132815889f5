/* embed - a hub inside somebody else's loop, which waits for its descriptor and gives it turns. */
#include "hub/park.h"

#include <errno.h>

int cress_hub_fd(cress_hub *hub)
{
    struct cress_hub *h;
    int error = hub_get(&h);
    if (error < 0)
        return error;
    if (hub != NULL && hub != h)
        return -EXDEV;
    if ((error = loop_refresh(&h->loop)) < 0)
        return error;
    int fd = h->loop.poller->fd(&h->loop);
    if (fd >= 0 && !h->loop.embedded) {
        h->loop.embedded = true;
        loop_rest(&h->loop);
    }
    return fd;
}

/* Steps of the line so far, callbacks included. */
static uint64_t steps(const struct cress_hub *h)
{
    return hub_steps(h) + h->callbacks;
}

ssize_t cress_hub_turn(cress_time *next)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    cress_coro *self = h->thread->current;
    if (self != h->main_co)
        return -EPERM;
    uint64_t before = steps(h);
    hub_look(h, 0);
    if (!runq_empty(&h->loop.ready)) {
        hub_yield(h, self); /* behind all that is ready: it comes back when each has run once */
        before++;
    }
    cress_time left = loop_next(&h->loop);
    if (next != NULL)
        *next = left;
    return (ssize_t)(steps(h) - before);
}
