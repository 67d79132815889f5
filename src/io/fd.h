/* fd - how a greenlet waits for a descriptor; the rules all I/O calls share.
 *
 * A call first tries, and only what would block waits:
 *
 *     again:  if nothing says that it would block:  try;  done unless EAGAIN
 *             wait for the descriptor;  go again
 *
 * Of ours (FD_OURS), "would block" is known without trying after a short read from a TCP socket:
 * FD_EMPTY, until an event comes. That saves one system call per message. It does not hold after
 * FIN, errors or urgent data (FD_ODD), since what came together with data gives no later edge.
 *
 * Of all others nothing is believed: O_NONBLOCK stays as it is, each try says MSG_DONTWAIT or
 * RWF_NOWAIT, and each wait is confirmed with the poller.
 */
#ifndef CRESS_IO_FD_H
#define CRESS_IO_FD_H

#include "hub/scope.h"
#include "loop/fds.h"

#include <cress/io.h>

/* A call under way. */
struct fd_call {
    int fd;
    int events;             /* what it waits for */
    struct fd_entry *entry; /* NULL: nobody ever waited for it */
    bool ours;
};

/* Whom a wait for events keeps out. */
static inline uint8_t fd_busy(int events)
{
    return (uint8_t)((events & CRESS_IN ? FD_READING : 0) | (events & CRESS_OUT ? FD_WRITING : 0));
}

/* Begin a call: find the entry, see that no scope is over and that nobody else reads (writes). 0;
 * -EBADF; -ECANCELED; -EBUSY; -EXDEV. */
int fd_begin_slowly(struct fd_call *c);

static inline int fd_begin(struct fd_call *c, int fd, int events)
{
    struct fd_entry *entry = fds_find(fd);
    struct cress_hub *h = hub_current();
    c->fd = fd;
    c->events = events;
    c->entry = entry;
    c->ours = false;
    if (unlikely(entry == NULL || (h != NULL && (h->thread->current->flags & CORO_ALARM))))
        return fd_begin_slowly(c);
    /* Flags are the thread's to which the entry belongs: refused also where it would not have to
     * wait. Read first, so that what another thread's close left there is seen. */
    struct cress_loop *loop = atomic_load_explicit(&entry->loop, memory_order_acquire);
    uint8_t flags = entry->flags;
    c->ours = (flags & FD_OURS) != 0;
    if (unlikely((loop != NULL && (void *)loop != (void *)h) || (flags & fd_busy(events))))
        return fd_begin_slowly(c);
    return 0;
}

/* How long a wait of this call may last: what cress_fd_set_timeout() said. */
cress_time fd_timeout(const struct fd_call *c);

/* Wait until the descriptor is ready. > 0, the events; or why not: -ETIMEDOUT, -EBADF, ... */
int fd_wait(struct fd_call *c);

/* The same with a timeout of the caller's. Without events: for its being closed only. */
int fd_wait_until(struct fd_call *c, cress_time timeout);

/* What the kernel said no with is the call's result. Its own -ECANCELED has no cause of ours. */
static inline ssize_t fd_failed(ssize_t error)
{
    if (unlikely(error == -ECANCELED))
        scope_forget_cause();
    return error;
}

/* A call succeeded without waiting: after many in a row others get a turn. */
static inline void fd_succeeded(void)
{
    struct cress_hub *h = hub_current();
    if (h != NULL && unlikely(++h->io_run >= RUN_ON))
        hub_breathe(h);
}

#endif
