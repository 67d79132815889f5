#include "io/fd.h"

#include "base/sys.h"

/* One who waits for a descriptor: a local variable of the call. */
struct fd_parked {
    struct fd_wait wait;
    struct cress_hub *hub;
    cress_coro *co;
    int events; /* what came */
    uint32_t generation;
    uint8_t busy; /* what it keeps others from */
    bool counts;
    struct wait_info info;
};

int fd_begin_slowly(struct fd_call *c)
{
    if (c->fd < 0)
        return -EBADF;
    struct cress_hub *h = hub_current();
    int error = h != NULL ? scope_point(h, h->thread->current) : 0;
    if (error < 0)
        return error;
    c->entry = fds_find(c->fd); /* it may be another file's since */
    if (c->entry == NULL)
        return 0; /* made when it has to wait */
    c->ours = (c->entry->flags & FD_OURS) != 0;
    cress_loop *loop = atomic_load(&c->entry->loop);
    if (loop != NULL && !loop_mine(loop))
        return -EXDEV;
    /* Somebody waits already; perhaps for another file that had this number. */
    if (!c->ours && loop != NULL)
        fds_confirm(loop, c->entry);
    return c->entry->flags & fd_busy(c->events) ? -EBUSY : 0;
}

static void ready(struct fd_wait *wait, int events)
{
    struct fd_parked *p = container_of(wait, struct fd_parked, wait);
    p->events = events;
    hub_wake(p->hub, p->co, events < 0 ? events : 0);
}

/* Whether the descriptor is the same still. It may be closed, and be somebody else's by now: then
 * nothing of its entry is touched. */
static bool leave(struct fd_parked *p)
{
    struct fd_entry *entry = p->wait.entry;
    p->hub->loop.refs -= p->counts;
    if (unlikely(entry->generation != p->generation))
        return false;
    entry->flags &= (uint8_t)~p->busy;
    fds_unwait(&p->hub->loop, &p->wait);
    return true;
}

static void unlink_parked(const struct wait_info *info)
{
    leave(container_of(info, struct fd_parked, info));
}

int fd_wait_until(struct fd_call *c, cress_time timeout)
{
    int events = c->events;
    if (timeout == 0)
        return -EAGAIN;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (unlikely(error < 0))
        return error;
    if (c->entry == NULL && (c->entry = fds_entry(c->fd)) == NULL)
        return -ENOMEM;
    struct fd_entry *entry = c->entry;
    cress_coro *self = h->thread->current;
    struct fd_parked parked = { .wait = { .events = events, .ready = ready },
                                .hub = h,
                                .co = self,
                                .busy = fd_busy(events),
                                .counts = !(self->flags & CORO_DAEMON),
                                .info = { .what = events & CRESS_IN ? "reading fd" : "writing fd",
                                          .number = c->fd,
                                          .numbered = true,
                                          .unlink = unlink_parked } };
    error = fds_wait(&h->loop, c->fd, entry, &parked.wait);
    if (unlikely(error < 0))
        return error;

    parked.generation = entry->generation; /* as waiting has left it */
    entry->flags |= parked.busy;
    h->loop.refs += parked.counts;
    h->io_run = 0;
    error = hub_park_until(h, self, &parked.info, timeout);
    if (unlikely(!leave(&parked)))
        return -EBADF;
    return error < 0 ? error : parked.events;
}

cress_time fd_timeout(const struct fd_call *c)
{
    if (likely(c->entry == NULL || c->entry->timeouts == NULL))
        return CRESS_FOREVER;
    const struct fd_timeouts *t = c->entry->timeouts;
    return c->events == CRESS_IN ? t->read : t->write;
}

int fd_wait(struct fd_call *c)
{
    return fd_wait_until(c, fd_timeout(c));
}

/* --- ownership ------------------------------------------------------------------------------- */

int cress_fd_adopt(int fd, unsigned flags)
{
    if (flags & ~(unsigned)CRESS_FD_STREAM_TCP)
        return -EINVAL;
    int status = sys_fcntl(fd, F_GETFL, 0);
    if (status < 0)
        return status;
    int error;
    if (!(status & O_NONBLOCK) && (error = sys_fcntl(fd, F_SETFL, status | O_NONBLOCK)) < 0)
        return error;
    if ((error = sys_fcntl(fd, F_SETFD, FD_CLOEXEC)) < 0)
        return error;
    return fds_adopt(fd, flags & CRESS_FD_STREAM_TCP ? FD_TCP : 0);
}

int cress_fd_release(int fd)
{
    int error = sys_fcntl(fd, F_GETFD, 0);
    if (error < 0)
        return error;
    struct fd_entry *entry = fds_find(fd);
    if (entry == NULL)
        return 0;
    cress_loop *loop = atomic_load(&entry->loop);
    if (loop != NULL && !loop_mine(loop))
        return -EXDEV;
    if (entry->waits.next != NULL && !list_empty(&entry->waits))
        return -EBUSY;
    return fds_forget(entry);
}

int cress_fd_set_timeout(int fd, int directions, cress_time timeout)
{
    if (timeout < 0 || directions == 0 || (directions & ~(CRESS_IN | CRESS_OUT)))
        return -EINVAL;
    int error = sys_fcntl(fd, F_GETFD, 0);
    if (error < 0)
        return error;
    return fds_set_timeout(fd, directions, timeout);
}

int cress_close(int fd)
{
    struct fd_entry *entry = fds_find(fd);
    if (entry != NULL &&
        (entry->flags != 0 || entry->timeouts != NULL || atomic_load(&entry->loop) != NULL)) {
        int error = fds_forget(entry);
        if (error < 0)
            return error;
    }
    int error = sys_close(fd);
    return error == -EINTR ? 0 : error; /* it is closed: close(2), NOTES */
}

int cress_shutdown(int fd, int how)
{
    return sys_shutdown(fd, how);
}

int cress_wait_fd(int fd, int events, cress_time timeout)
{
    if (events == 0 || (events & ~(CRESS_IN | CRESS_OUT | CRESS_PRI | CRESS_RDHUP)) || timeout < 0)
        return -EINVAL;
    struct fd_call c;
    int error = fd_begin(&c, fd, events);
    if (error < 0)
        return error;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = (short)events };
        int n = sys_poll(&p, 1, &(struct timespec){ 0 });
        if (n < 0 && n != -EINTR)
            return n;
        if (n > 0) {
            fd_succeeded();
            return p.revents & POLLNVAL ? -EBADF : p.revents;
        }
        if (n == 0)
            break;
    }
    error = fd_wait_until(&c, timeout);
    /* A descriptor of ours is registered for everything. */
    return error < 0 ? error : error & (events | CRESS_ERR | CRESS_HUP);
}
