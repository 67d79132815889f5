/* join - waiting for the end of one greenlet. */
#include "hub/park.h"

#include <errno.h>

struct joiner {
    struct greenlet_link link;
    struct cress_hub *hub;
    cress_coro *co;
};

static void wake_joiner(struct greenlet_link *link)
{
    struct joiner *j = container_of(link, struct joiner, link);
    hub_wake(j->hub, j->co, 0);
}

int cress_join(cress_greenlet *g, cress_time timeout)
{
    if (unlikely(g == NULL || timeout < 0))
        return -EINVAL;
    if (unlikely(greenlet_any_coro(g)->thread != cress__thread))
        return -EXDEV;
    if (g->outcome != CRESS_ALIVE)
        return 0;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (unlikely(error < 0))
        return error;
    cress_coro *self = h->thread->current;
    if (unlikely(self->owner == g))
        return -EDEADLK;
    if (timeout == 0)
        return -EAGAIN;
    struct joiner joiner = { .link.fire = wake_joiner, .hub = h, .co = self };
    struct wait_info info = { .what = "joining", .target = g };
    list_push(&g->links, &joiner.link.node);
    g->refs++; /* the wait outlives the caller's reference, if need be */
    error = hub_park_until(h, self, &info, timeout);
    list_remove(&joiner.link.node);
    greenlet_release(g);
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
        *error = g->error;
    return 0;
}
