/* joinall - waiting for the end of several greenlets. */
#include "base/alloc.h"
#include "base/options.h"
#include "hub/scope.h"
#include "hub/shared.h"

#include <errno.h>

/* One wait for some of many: each of them has a link into it. */
struct joinall {
    struct cress_hub *hub;
    cress_coro *co;
    size_t ended, need;
    const struct cress_greenlet *failed; /* the first in time; NULL: none */
    bool lost;                           /* one of another thread's: its hub has ended it */
    bool raise_error;
    struct joinall_link *links;
    size_t n;
    struct wait_info info;
};

struct joinall_link {
    struct greenlet_link link;
    struct far_link *far; /* of another thread's; NULL: none */
    struct joinall *all;
    struct cress_greenlet *g;
};

static bool enough(const struct joinall *all)
{
    return all->ended >= all->need || all->failed != NULL || all->lost;
}

static void count(struct joinall *all, const struct cress_greenlet *g)
{
    all->ended++;
    all->lost |= greenlet_elsewhere(g) > 0 && shared_ready(g) < 0;
    if (all->raise_error && g->outcome == CRESS_FAILED &&
        (all->failed == NULL || g->ended < all->failed->ended)) /* of one hub: else any of them */
        all->failed = g;
}

static void counts(struct joinall_link *l)
{
    count(l->all, l->g);
    if (enough(l->all))
        hub_wake(l->all->hub, l->all->co, 0);
}

static void one_ended(struct greenlet_link *link)
{
    counts(container_of(link, struct joinall_link, link));
}

static void far_ended(struct far_link *far, bool lost)
{
    struct joinall_link *l = far->arg;
    if (lost)
        l->far = NULL;
    else
        counts(l);
}

static int link_one(struct joinall_link *l)
{
    if (greenlet_elsewhere(l->g) == 0) {
        greenlet_link(l->g, &l->link);
        return 0;
    }
    int error = far_link(l->g, l->all->hub, far_ended, l, &l->far);
    if (error != 1)
        return error;
    counts(l); /* meanwhile */
    return 0;
}

static void leave(struct joinall *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct joinall_link *l = &all->links[i];
        if (l->g == NULL)
            continue;
        if (l->far != NULL)
            far_drop(l->far);
        else if (greenlet_linked(&l->link))
            greenlet_unlink(l->g, &l->link);
        greenlet_release(l->g);
    }
    cress__free(all->links);
}

static void unlink_all(const struct wait_info *info)
{
    leave(container_of(info, struct joinall, info));
}

/* Some are enough, or the first that fails: each gets a link. */
static int wait_for_some(struct joinall *all, cress_greenlet *const *gs, size_t n,
                         cress_time timeout)
{
    int error = hub_enter(&all->hub); /* -EPERM in a callback */
    if (error < 0)
        return error;
    all->co = all->hub->thread->current;
    struct joinall_link *links = cress__calloc(n, sizeof *links);
    if (links == NULL)
        return -ENOMEM;
    all->links = links;
    all->n = n;
    all->info = (struct wait_info){ .what = "joining several greenlets", .unlink = unlink_all };
    all->ended = 0; /* counted anew: those of other threads may have ended meanwhile */
    all->failed = NULL;
    for (size_t i = 0; i < n && error == 0; i++)
        if (gs[i] != NULL && greenlet_outcome(gs[i]) != CRESS_ALIVE) {
            count(all, gs[i]);
        } else if (gs[i] != NULL) {
            links[i] = (struct joinall_link){ .link.fire = one_ended, .all = all, .g = gs[i] };
            greenlet_ref(gs[i]);
            error = link_one(&links[i]);
        }
    if (error == 0 && !enough(all))
        error = hub_park_until(all->hub, all->co, &all->info, timeout);
    leave(all);
    return error;
}

/* All must end: one after the other, without memory. */
static int wait_for_each(cress_greenlet *const *gs, size_t n, cress_time timeout)
{
    cress_time deadline = cress_deadline(timeout);
    for (size_t i = 0; i < n; i++)
        if (gs[i] != NULL && greenlet_outcome(gs[i]) == CRESS_ALIVE) {
            cress_time left = cress_left(deadline);
            int error = left > 0 ? cress_join(gs[i], left) : -ETIMEDOUT;
            if (error < 0)
                return error;
        }
    return 0;
}

static int joinall(struct joinall *all, cress_greenlet *const *gs, size_t n, cress_time timeout)
{
    size_t there = 0, itself = 0;
    for (size_t i = 0; i < n; i++) {
        if (gs[i] == NULL)
            continue;
        int where = greenlet_elsewhere(gs[i]);
        int ready = where > 0 ? shared_ready(gs[i]) : where;
        if (ready < 0)
            return ready;
        there++;
        itself += greenlet_any_coro(gs[i]) == all->co;
        if (greenlet_outcome(gs[i]) != CRESS_ALIVE)
            count(all, gs[i]);
    }
    if (all->need == 0 || all->need > there)
        all->need = there;
    if (enough(all))
        return 0;
    if (all->need > there - itself)
        return -EDEADLK;
    if (timeout == 0)
        return -EAGAIN;
    if (all->need == there && !all->raise_error)
        return wait_for_each(gs, n, timeout);
    return wait_for_some(all, gs, n, timeout);
}

static size_t count_ended(cress_greenlet *const *gs, size_t n)
{
    size_t ended = 0;
    for (size_t i = 0; i < n; i++)
        ended += gs[i] != NULL && greenlet_outcome(gs[i]) != CRESS_ALIVE;
    return ended;
}

int cress_joinall(cress_greenlet *const *gs, size_t n, cress_time timeout,
                  const cress_join_options *options, size_t *ended)
{
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    if (ended != NULL)
        *ended = 0;
    if (options_take(&o, sizeof o, options) < 0 || (gs == NULL && n > 0) || timeout < 0)
        return -EINVAL;
    closed(); /* in a child process they may be about to end */
    struct cress_hub *h = hub_current();
    cress_coro *self = h != NULL ? h->thread->current : NULL;
    struct joinall all = { .hub = h, .co = self, .need = o.count, .raise_error = o.raise_error };
    int error = h != NULL ? scope_point(h, self) : 0;
    if (error == 0)
        error = joinall(&all, gs, n, timeout);
    if (error == 0 && all.lost)
        error = -EOWNERDEAD;
    if (ended != NULL && error != -EXDEV && error != -EOWNERDEAD)
        *ended = count_ended(gs, n);
    return error < 0 ? error : all.failed != NULL ? all.failed->error : 0;
}
