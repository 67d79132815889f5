#include "hub/waiter.h"

#include "hub/scope.h"
#include "hub/wait.h"

#include <errno.h>

int cress_waiter_init(cress_waiter *public)
{
    if (public == NULL)
        return -EINVAL;
    *waiter_inside(public) = (struct waiter){ 0 };
    return 0;
}

int waiter_take(struct waiter *w, void **value)
{
    if (w->state == WAITER_TAKEN)
        return -EALREADY;
    w->state = WAITER_TAKEN;
    if (w->error < 0)
        return w->error;
    if (value != NULL)
        *value = w->value;
    return 0;
}

/* Who waits: a local variable. */
struct waiting {
    struct waiter *w;
    struct wait_info info;
};

static void unlink_waiting(const struct wait_info *info)
{
    struct waiter *w = container_of(info, struct waiting, info)->w;
    w->co = NULL;
    waiter_left(w);
}

int cress_waiter_wait(cress_waiter *public, cress_time timeout, void **value)
{
    if (public == NULL || timeout < 0)
        return -EINVAL;
    closed(); /* in a child process who waited may be about to be dropped */
    struct waiter *w = waiter_inside(public);
    if (w->hub != NULL && w->hub != hub_current())
        return -EXDEV;
    int error = wait_begins();
    if (error < 0)
        return error;
    if (w->co != NULL)
        return -EBUSY; /* woken or not: the value is for who waited */
    if (w->state != WAITER_EMPTY)
        return waiter_take(w, value);
    if (timeout == 0)
        return -EAGAIN;
    struct cress_hub *h;
    if ((error = hub_enter(&h)) < 0) /* here, since a value that came may be taken in a callback */
        return error;
    struct waiting waiting = { w, { .what = "waiting for a value", .unlink = unlink_waiting } };
    cress_coro *self = h->thread->current;
    w->hub = h;
    w->co = self;
    error = hub_park_until(h, self, &waiting.info, timeout);
    w->co = NULL;
    waiter_left(w);
    return error < 0 ? error : waiter_take(w, value);
}

static int wake(cress_waiter *public, void *value, int error)
{
    if (public == NULL)
        return -EINVAL;
    struct waiter *w = waiter_inside(public);
    if (w->hub != NULL && w->hub != hub_current())
        return -EXDEV;
    if (w->state != WAITER_EMPTY)
        return -EALREADY;
    w->state = WAITER_WOKEN;
    w->value = value;
    w->error = error;
    if (w->co != NULL)
        hub_wake(w->hub, w->co, 0);
    cases_fire(&w->cases);
    return 0;
}

int cress_waiter_wake(cress_waiter *waiter, void *value)
{
    return wake(waiter, value, 0);
}

int cress_waiter_throw(cress_waiter *waiter, int error)
{
    return error < 0 ? wake(waiter, NULL, error) : -EINVAL;
}
