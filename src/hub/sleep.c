/* sleep - letting others run: yield, sleep, idle, and main's run. */
#include "hub/scope.h"

#include <errno.h>

int cress_yield(void)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (unlikely(error < 0))
        return error;
    cress_coro *self = h->thread->current;
    hub_yield(h, self);
    return likely(!(self->flags & CORO_ALARM)) ? 0 : scope_point_after_yield(h, self);
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
    cress_coro *self = h->thread->current;
    /* Who sleeps lets others run, cancelled or not. */
    if (unlikely(self->flags & CORO_ALARM) && (error = cress_yield()) < 0)
        return error;
    /* Out of line either way: nobody sleeps in a hurry, and a sleeper may poll on its stack. */
    error = hub_park_timed(h, self, &info, d);
    return error == -ETIMEDOUT ? 0 : error;
}

static void unlink_idler(const struct wait_info *info)
{
    list_remove((struct list *)(uintptr_t)&container_of(info, struct idler, info)->node);
}

/* Waits in a line of its own, which hub_idle() looks at when the other one is empty: were it to
 * yield instead, two that are idle would keep each other busy for ever. */
int cress_idle(void)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    struct idler idler = { .co = h->thread->current,
                           .info = { .what = "idle", .unlink = unlink_idler } };
    if ((error = scope_point(h, idler.co)) < 0)
        return error;
    list_push(&h->idlers, &idler.node);
    error = hub_park(h, idler.co, &idler.info);
    list_remove(&idler.node);
    return error;
}

/* Whether a callback is to run, or others have sent something. Asked when only daemons can stand in
 * the line beside it. */
static bool callback_waits(const struct cress_hub *h)
{
    const struct runnode *head = &h->loop.ready.head;
    for (const struct runnode *n = head->next; n != head; n = n->next)
        if (n->fn != NULL)
            return true;
    return loop_told(&h->loop);
}

static bool finished(const struct cress_hub *h)
{
    return !hub_counts(h) && !callback_waits(h);
}

/* The last one that counts, even if daemons never stop. */
void hub_look_at_end(struct cress_hub *h, const struct cress_greenlet *g)
{
    h->awaited -= (g->flags & GREENLET_AWAITED) != 0;
    if (!hub_counts(h))
        hub_wake(h, h->main_co, RUN_AGAIN);
}

/* Its own timers keep nothing going: they do not count meanwhile. */
int hub_run(struct cress_hub *h, const struct wait_info *info, cress_time timeout)
{
    cress_coro *self = h->main_co;
    cress_time deadline = cress_deadline(timeout), left = timeout;
    int why = RUN_AGAIN;
    while (why == RUN_AGAIN) {
        if (hub_counts(h)) {
            uint8_t was = self->flags & CORO_DAEMON;
            self->flags |= CORO_DAEMON;
            h->look_below = h->ending ? SIZE_MAX : 1;
            why = hub_park_until(h, self, info, left);
            h->look_below = 0;
            self->flags = (uint8_t)((self->flags & ~CORO_DAEMON) | was);
        } else {
            hub_yield(h, self); /* callbacks only: they may bring more */
            if (unlikely(self->flags & CORO_ALARM) && !info->firm &&
                scope_point_after_yield(h, self) < 0)
                why = -ECANCELED;
        }
        /* What was left may have been followed by more, before it was our turn. */
        if (why == RUN_AGAIN && finished(h))
            why = 0;
        else if (why == RUN_AGAIN && (left = cress_left(deadline)) == 0)
            why = -ETIMEDOUT;
    }
    return why < 0 ? why : h->alive < INT32_MAX ? (int)h->alive : INT32_MAX;
}

/* As little do main's scopes. */
int cress_run(cress_time timeout)
{
    static const struct wait_info info = { .what = "running the others" };
    if (timeout < 0)
        return -EINVAL;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    cress_coro *self = h->thread->current;
    if (self != h->main_co)
        return -EPERM;
    if ((error = scope_point(h, self)) < 0)
        return error;
    scope_count(self, false);
    int left = finished(h) ? 0 : timeout == 0 ? -EAGAIN : hub_run(h, &info, timeout);
    scope_count(self, true);
    return left;
}
