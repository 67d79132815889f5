#include "loop/watch.h"

#include <errno.h>
#include <string.h>

static int run(void *arg)
{
    struct watch *w = arg;
    int events = w->events;
    w->events = 0;
    if (w->kind->ran != NULL)
        w->kind->ran(w);
    cress_loop *loop = w->callback.loop;
    const char *name = w->kind->name;
    int error = w->fn((cress_watch *)(void *)w, events, w->arg); /* (2) */
    if (error < 0)
        loop->report(loop, NULL, name, error);
    return 0;
}

int watch_init(cress_watch *public, const struct watch_kind *kind, cress_loop *loop,
               cress_watch_fn fn, void *arg)
{
    if (public == NULL || loop == NULL || fn == NULL)
        return -EINVAL;
    if (!loop_mine(loop))
        return -EXDEV;
    struct watch *w = watch_inside(public);
    if (w->active)
        return -EINVAL;
    *w = (struct watch){ .kind = kind, .fn = fn, .arg = arg };
    w->callback.node.fn = run;
    w->callback.arg = w;
    w->callback.loop = loop;
    list_init(&w->pending);
    list_init(&w->among);
    return 0;
}

static bool queued(const struct watch *w)
{
    return list_linked(&w->pending) || runnode_queued(&w->callback.node);
}

struct runnode *watch_of_pending(struct list *node)
{
    return &container_of(node, struct watch, pending)->callback.node;
}

void watch_ready(struct watch *w, int events)
{
    w->events |= events;
    if (!queued(w)) /* (1) */
        list_push(&w->callback.loop->pending[w->priority + LOOP_PRIORITIES / 2], &w->pending);
}

static int check(const cress_watch *public)
{
    const struct watch *w = (const struct watch *)(const void *)public;
    if (public == NULL || w->kind == NULL)
        return -EINVAL;
    return loop_mine(w->callback.loop) ? 0 : -EXDEV;
}

int cress_watch_start(cress_watch *public)
{
    int error = check(public);
    struct watch *w = watch_inside(public);
    if (error < 0 || w->active)
        return error;
    error = w->kind->start(w);
    if (error < 0)
        return error;
    w->active = true;
    list_push(&w->callback.loop->watchers, &w->among);
    w->callback.loop->refs += !w->unref;
    return 0;
}

int cress_watch_stop(cress_watch *public)
{
    int error = check(public);
    struct watch *w = watch_inside(public);
    if (error < 0)
        return error;
    watch_unready(w);
    if (w->active)
        watch_ended(w);
    return 0;
}

void watch_unready(struct watch *w)
{
    list_remove(&w->pending);
    if (runnode_queued(&w->callback.node))
        runq_remove(&w->callback.node);
    w->events = 0;
}

void watch_ended(struct watch *w)
{
    w->kind->stop(w);
    w->active = false;
    list_remove(&w->among);
    w->callback.loop->refs -= !w->unref;
}

void watch_end_all(cress_loop *loop)
{
    while (!list_empty(&loop->watchers)) {
        struct watch *w = container_of(loop->watchers.next, struct watch, among);
        watch_unready(w);
        watch_ended(w);
        w->kind = NULL;
        w->callback.loop = NULL;
    }
}

bool cress_watch_active(const cress_watch *public)
{
    return ((const struct watch *)(const void *)public)->active;
}

bool cress_watch_pending(const cress_watch *public)
{
    return queued((const struct watch *)(const void *)public);
}

int cress_watch_set_ref(cress_watch *public, bool ref)
{
    int error = check(public);
    struct watch *w = watch_inside(public);
    if (error < 0 || w->unref == !ref)
        return error;
    w->unref = !ref;
    if (w->active)
        w->callback.loop->refs += ref ? 1 : (size_t)-1;
    return 0;
}

bool cress_watch_ref(const cress_watch *public)
{
    return !((const struct watch *)(const void *)public)->unref;
}

int cress_watch_set_priority(cress_watch *public, int priority)
{
    int error = check(public);
    if (error < 0)
        return error;
    if (priority < -LOOP_PRIORITIES / 2 || priority > LOOP_PRIORITIES / 2)
        return -EINVAL;
    if (watch_inside(public)->active)
        return -EBUSY;
    watch_inside(public)->priority = (int8_t)priority;
    return 0;
}

int cress_watch_priority(const cress_watch *public)
{
    return ((const struct watch *)(const void *)public)->priority;
}

int cress_watch_feed(cress_watch *public, int events)
{
    int error = check(public);
    if (error < 0)
        return error;
    struct watch *w = watch_inside(public);
    if (!w->active)
        return -EINVAL;
    w->events |= events;
    if (!queued(w))
        runq_push(&w->callback.loop->ready, &w->callback.node);
    return 0;
}

cress_loop *cress_watch_loop(const cress_watch *public)
{
    return ((const struct watch *)(const void *)public)->callback.loop;
}
