/* watch_async - watchers that other threads and signal handlers call: a notice, see there. */
#include "loop/watch.h"

#include <errno.h>

struct watch_async {
    struct watch watch;
    struct notice notice;
};
_Static_assert(sizeof(struct watch_async) <= sizeof(cress_watch_async),
               "cress_watch_async is too small");

static struct watch_async *of_watch(struct watch *base)
{
    return container_of(base, struct watch_async, watch);
}

static void come(struct notice *notice)
{
    watch_ready(&container_of(notice, struct watch_async, notice)->watch, 0);
}

static void stop(struct watch *base)
{
    notice_end(&of_watch(base)->notice, base->callback.loop);
}

static void forked(struct watch *base)
{
    notice_after_fork(&of_watch(base)->notice);
}

static const struct watch_kind kind = { .name = "async watcher", .stop = stop, .forked = forked };

int cress_watch_async_init(cress_watch_async *public, cress_loop *loop, cress_watch_fn fn,
                           void *arg)
{
    int error = watch_init(watch_of(public), &kind, loop, fn, arg);
    if (error == 0)
        of_watch(watch_inside(&public->watch))->notice = (struct notice){ .come = come };
    return error;
}

/* Reads nothing that another thread may write meanwhile: the caller says that it is active. */
int cress_watch_async_send(cress_watch_async *public)
{
    if (public == NULL || watch_inside(&public->watch)->kind != &kind)
        return -EINVAL;
    struct watch_async *w = of_watch(watch_inside(&public->watch));
    notice_send(&w->notice, w->watch.callback.loop);
    return 0;
}
