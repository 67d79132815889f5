/* watch_io - watchers of descriptors, level-triggered.
 *
 * The wait stays linked while the watcher is active; after each event the loop asks for the rest
 * again before it waits next, and a descriptor that is still ready is told again: hence "level".
 * A descriptor of ours becomes FD_SHARED with its first watcher, since edges would be told once
 * only.
 */
#include "loop/watch.h"

#include <errno.h>

struct watch_io {
    struct watch watch;
    struct fd_wait wait;
    int fd;
};
_Static_assert(sizeof(struct watch_io) <= sizeof(cress_watch_io), "cress_watch_io is too small");

static void ready(struct fd_wait *wait, int events)
{
    struct watch_io *w = container_of(wait, struct watch_io, wait);
    if (events < 0) { /* closed with cress_close() under the watcher */
        events = CRESS_NVAL;
    }
    watch_ready(&w->watch, events & (wait->events | CRESS_ERR | CRESS_HUP | CRESS_NVAL));
}

static int start(struct watch *base)
{
    struct watch_io *w = container_of(base, struct watch_io, watch);
    struct fd_entry *entry = fds_entry(w->fd);
    if (entry == NULL)
        return w->fd >= FD_CHUNK * FD_CHUNKS ? -EBADF : -ENOMEM;
    if (entry->flags & FD_OURS)
        entry->flags |= FD_SHARED;
    return fds_wait(base->callback.loop, w->fd, entry, &w->wait);
}

static void stop(struct watch *base)
{
    struct watch_io *w = container_of(base, struct watch_io, watch);
    fds_unwait(base->callback.loop, &w->wait);
}

static const struct watch_kind kind = { .name = "io watcher", .start = start, .stop = stop };

int cress_watch_io_init(cress_watch_io *public, cress_loop *loop, int fd, int events,
                        cress_watch_fn fn, void *arg)
{
    if (public == NULL || events == 0 ||
        (events & ~(CRESS_IN | CRESS_OUT | CRESS_PRI | CRESS_RDHUP)) != 0)
        return -EINVAL;
    if (fd < 0)
        return -EBADF;
    int error = watch_init(&public->watch, &kind, loop, fn, arg);
    if (error < 0)
        return error;
    struct watch_io *w = (struct watch_io *)(void *)public;
    w->fd = fd;
    w->wait = (struct fd_wait){ .events = events, .persistent = true, .ready = ready };
    return 0;
}
