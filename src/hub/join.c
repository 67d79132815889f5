/* join - waiting for the end of one greenlet. */
#include "hub/park.h"

#include <errno.h>

struct joiner {
    struct greenlet_link link;
    struct cress_hub *hub;
    cress_coro *co;
    struct cress_greenlet *target; /* a reference, given back when it ends or we leave before */
};

static void wake_joiner(struct greenlet_link *link)
{
    struct joiner *j = container_of(link, struct joiner, link);
    hub_wake(j->hub, j->co, 0);
    greenlet_release(j->target);
}

int cress_join(cress_greenlet *g, cress_time timeout)
{
    if (unlikely(g == NULL || timeout < 0))
        return -EINVAL;
    if (unlikely(greenlet_any_coro(g)->thread != cress__thread))
        return -EXDEV;
    if (g->outcome != CRESS_ALIVE)
        return 0;
    if (unlikely(cress_current() == g))
        return -EDEADLK;
    if (timeout == 0)
        return -EAGAIN; /* does not wait, so it is allowed in a callback too */
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (unlikely(error < 0))
        return error;
    cress_coro *self = h->thread->current;
    struct joiner joiner = { .link.fire = wake_joiner, .hub = h, .co = self, .target = g };
    struct wait_info info = { .what = "joining", .target = g };
    greenlet_link(g, &joiner.link);
    g->refs++; /* the wait outlives the caller's reference, if need be */
    error = hub_park_until(h, self, &info, timeout);
    if (unlikely(greenlet_linked(&joiner.link))) {
        greenlet_unlink(g, &joiner.link);
        greenlet_release(g);
    }
    return error;
}

int cress_get(cress_greenlet *g, cress_time timeout, void **value, int *error)
{
    int failed = cress_join(g, timeout);
    if (failed < 0)
        return failed;
    if (value != NULL)
        *value = cress_value(g);
    if (error != NULL)
        *error = cress_error(g);
    return 0;
}
