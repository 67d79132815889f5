#include "loop/watch.h"

#include "base/sys.h"

#include <errno.h>
#include <string.h>

static int run(void *arg)
{
    struct watch *w = arg;
    if (w->kind->ran != NULL)
        w->kind->ran(w);
    int events = w->events;
    w->events = 0;
    cress_loop *loop = w->callback.loop;
    const char *name = w->kind->name;
    int error = w->fn((cress_watch *)(void *)w, events, w->arg); /* (2) */
    if (error < 0)
        loop->report(loop, (cress_watch *)(void *)w, name, error);
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

static void set_pending(struct watch *w)
{
    if (!queued(w)) /* (1) */
        list_push(&w->callback.loop->pending[w->priority + LOOP_PRIORITIES / 2], &w->pending);
}

void watch_ready(struct watch *w, int events)
{
    w->events |= events;
    w->callback.loop->came++;
    set_pending(w);
}

static struct watch *of_among(struct list *node)
{
    return container_of(node, struct watch, among);
}

void watch_part_ready(cress_loop *loop, enum watch_part part)
{
    struct list *all = &loop->watchers[part];
    for (struct list *n = all->next; n != all; n = n->next)
        set_pending(of_among(n));
}

void watch_prepare(cress_loop *loop)
{
    struct list *all = &loop->watchers[PART_PREPARE];
    struct runnode *first = loop->ready.head.next;
    for (int priority = LOOP_PRIORITIES / 2; priority >= -LOOP_PRIORITIES / 2; priority--)
        for (struct list *n = all->next; n != all; n = n->next) {
            struct watch *w = of_among(n);
            if (w->priority == priority && !queued(w))
                runq_insert(first, &w->callback.node);
        }
}

void watch_after_fork(cress_loop *loop)
{
    for (int i = 0; i < PARTS; i++)
        for (struct list *n = loop->watchers[i].next, *next; n != &loop->watchers[i]; n = next) {
            next = n->next;
            if (of_among(n)->kind->forked != NULL)
                of_among(n)->kind->forked(of_among(n));
        }
}

/* The public view and ours are the same memory. */
static const struct watch *inside(const cress_watch *public)
{
    return (const struct watch *)(const void *)public;
}

static int check(const cress_watch *public)
{
    if (public == NULL || inside(public)->kind == NULL)
        return -EINVAL;
    return loop_mine(inside(public)->callback.loop) ? 0 : -EXDEV;
}

int cress_watch_start(cress_watch *public)
{
    int error = check(public);
    struct watch *w = watch_inside(public);
    if (error < 0 || w->active)
        return error;
    error = loop_refresh(w->callback.loop);
    if (error == 0 && w->kind->start != NULL)
        error = w->kind->start(w);
    if (error < 0)
        return error;
    w->active = true;
    list_push(&w->callback.loop->watchers[w->kind->part], &w->among);
    w->callback.loop->refs += !w->unref;
    return 0;
}

int cress_watch_stop(cress_watch *public)
{
    int error = check(public);
    struct watch *w = watch_inside(public);
    if (error < 0)
        return error;
    if (w->active)
        watch_ended(w); /* which may take in what other threads sent, so this is first */
    watch_unready(w);
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
    if (w->kind->stop != NULL)
        w->kind->stop(w);
    w->active = false;
    list_remove(&w->among);
    w->callback.loop->refs -= !w->unref;
}

void watch_end_all(cress_loop *loop)
{
    for (int i = 0; i < PARTS; i++)
        while (!list_empty(&loop->watchers[i])) {
            struct watch *w = of_among(loop->watchers[i].next);
            watch_ended(w);
            watch_unready(w);
            w->kind = NULL;
            w->callback.loop = NULL;
        }
}

bool cress_watch_active(const cress_watch *public)
{
    return public != NULL && inside(public)->active;
}

bool cress_watch_pending(const cress_watch *public)
{
    return public != NULL && queued(inside(public));
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
    return public != NULL && !inside(public)->unref;
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
    return public == NULL ? 0 : inside(public)->priority;
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
    return public == NULL ? NULL : inside(public)->callback.loop;
}

int own_fd_watch(struct own_fd *own, cress_loop *loop, int fd,
                 void (*ready)(struct fd_wait *wait, int events))
{
    struct fd_entry *entry = fds_entry(fd);
    int error = entry == NULL ? -ENOMEM : fds_adopt(fd, 0);
    own->fd = fd;
    own->wait = (struct fd_wait){ .events = CRESS_IN, .persistent = true, .ready = ready };
    if (error == 0) {
        entry->flags |= FD_SHARED;
        error = fds_wait(loop, fd, entry, &own->wait);
    }
    if (error < 0)
        own_fd_close(own, loop);
    return error;
}

void own_fd_close(struct own_fd *own, cress_loop *loop)
{
    struct fd_entry *entry = fds_find(own->fd);
    fds_unwait(loop, &own->wait);
    if (entry != NULL)
        fds_forget(entry);
    sys_close(own->fd);
}
