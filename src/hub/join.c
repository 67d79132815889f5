/* join - waiting for the end of one greenlet. */
#include "hub/scope.h"
#include "hub/shared.h"

#include <errno.h>

struct joiner {
    struct greenlet_link link;
    struct cress_hub *hub;
    cress_coro *co;
    struct wait_info info; /* target: a reference, given back when it ends or we leave before */
};

static void wake_joiner(struct greenlet_link *link)
{
    struct joiner *j = container_of(link, struct joiner, link);
    hub_wake(j->hub, j->co, 0);
    greenlet_release((struct cress_greenlet *)(uintptr_t)j->info.target);
}

/* Its target has not ended. */
static void leave(struct joiner *j)
{
    struct cress_greenlet *target = (struct cress_greenlet *)(uintptr_t)j->info.target;
    if (greenlet_linked(&j->link)) {
        greenlet_unlink(target, &j->link);
        greenlet_release(target);
    }
}

static void unlink_joiner(const struct wait_info *info)
{
    leave(container_of(info, struct joiner, info));
}

/* A wait has a reference: it outlives the caller's, if need be. It takes over that which is given,
 * and says so. */
static inline void take_reference(struct cress_greenlet *g, bool *given)
{
    if (given != NULL)
        *given = false;
    else
        greenlet_ref(g);
}

/* --- one of another thread's ----------------------------------------------------------------- */

struct far_joiner {
    struct far_link *far; /* NULL: none, or lost */
    cress_coro *co;
    struct wait_info info;
};

static void far_ended(struct far_link *far, bool lost)
{
    struct far_joiner *j = far->arg;
    if (lost)
        j->far = NULL;
    else
        hub_grant(far->errand.hub, j->co);
}

static void leave_far(struct far_joiner *j)
{
    if (j->far != NULL)
        far_drop(j->far);
    j->far = NULL;
    greenlet_release((struct cress_greenlet *)(uintptr_t)j->info.target);
}

static void unlink_far(const struct wait_info *info)
{
    leave_far(container_of((struct wait_info *)(uintptr_t)info, struct far_joiner, info));
}

static noinline int join_far(struct cress_greenlet *g, cress_time timeout, bool *given)
{
    closed(); /* in a child process its hub has ended */
    struct cress_hub *h = hub_current();
    int error = h != NULL ? scope_point(h, h->thread->current) : 0;
    if (error < 0)
        return error;
    int ready = shared_ready(g);
    if (ready != 0)
        return ready > 0 ? 0 : ready;
    if (timeout == 0)
        return -EAGAIN;
    if ((error = hub_enter(&h)) < 0)
        return error;
    struct far_joiner j = { .co = h->thread->current,
                            .info = { .what = "joining", .target = g, .unlink = unlink_far } };
    if ((ready = far_link(g, h, far_ended, &j, &j.far)) != 0)
        return ready > 0 ? 0 : ready;
    take_reference(g, given);
    error = hub_park_until(h, j.co, &j.info, timeout);
    if (error == 0 && shared_ready(g) < 0) /* its hub has ended it */
        error = -EOWNERDEAD;
    leave_far(&j);
    return error;
}

/* --- one of this thread's -------------------------------------------------------------------- */

static always_inline int join(cress_greenlet *g, cress_time timeout, bool *given)
{
    if (unlikely(g == NULL || timeout < 0))
        return -EINVAL;
    int where = greenlet_elsewhere(g);
    if (unlikely(where != 0))
        return where < 0 ? where : join_far(g, timeout, given);
    closed(); /* in a child process its end may be about to come */
    struct cress_hub *h = hub_current();
    cress_coro *self = h != NULL ? h->thread->current : NULL;
    int error;
    if (h != NULL && unlikely((error = scope_point(h, self)) < 0))
        return error;
    if (g->outcome != CRESS_ALIVE)
        return 0;
    if (unlikely(self == greenlet_any_coro(g)))
        return -EDEADLK;
    if (timeout == 0)
        return -EAGAIN; /* does not wait, so it is allowed in a callback too */
    if (unlikely((error = hub_enter(&h)) < 0))
        return error;
    struct joiner joiner = { .link.fire = wake_joiner,
                             .hub = h,
                             .co = self,
                             .info = { .what = "joining", .target = g, .unlink = unlink_joiner } };
    greenlet_link(g, &joiner.link);
    take_reference(g, given);
    error = hub_park_until(h, self, &joiner.info, timeout);
    leave(&joiner);
    return error;
}

int cress_join(cress_greenlet *g, cress_time timeout)
{
    return join(g, timeout, NULL);
}

int greenlet_join_given(struct cress_greenlet *g, cress_time timeout)
{
    bool given = true;
    int error = join(g, timeout, &given);
    if (given)
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
        *error = cress_error(g);
    return 0;
}
