/* poller - the contract between the loop and the system's way of waiting for descriptors.
 *
 * Written so that epoll, poll and io_uring fit behind it: it speaks of what each wait wants, not
 * of registrations. A poller keeps what it needs for a descriptor in its table entry (fds.h).
 *
 *   want    Somebody is about to wait: an event of `events` that holds now or comes later shall be
 *           told by wait() at least once. Called for each wait, so what the kernel knows already
 *           costs nothing. Must work when the number means another file than last time, unless
 *           the entry is FD_OURS. With no events: only see whether that is so, for those who wait
 *           already; an error says that it is.
 *   unwant  Nobody waits any more. May do nothing: a late event finds nobody.
 *   forget  The descriptor is closed next, or given away: no event may come from the file it means
 *           now, even if a duplicate of it stays open.
 *   close   Touches nothing that a parent process shares: it is also called in a child.
 *   wait    Wait for events, at most `timeout`, and hand each to fds_event(). 0 only looks.
 *           Returns how many; -EINTR counts as none.
 *   fd      A descriptor that becomes readable when wait() has something, or -ENOTSUP.
 *   abandon In a child process, of a loop whose thread is not there: close descriptors, free
 *   nothing. wake    From any thread: let wait() return, now or the next time it is called.
 */
#ifndef CRESS_LOOP_POLLER_H
#define CRESS_LOOP_POLLER_H

#include <cress/base.h>

struct cress_loop;
struct fd_entry;

struct poller_ops {
    const char *name;
    int (*open)(struct cress_loop *loop);
    void (*close)(struct cress_loop *loop);
    void (*abandon)(struct cress_loop *loop);
    int (*want)(struct cress_loop *loop, int fd, struct fd_entry *entry, int events);
    void (*unwant)(struct cress_loop *loop, int fd, struct fd_entry *entry);
    void (*forget)(struct cress_loop *loop, int fd, struct fd_entry *entry);
    int (*wait)(struct cress_loop *loop, cress_time timeout);
    int (*fd)(const struct cress_loop *loop);
    void (*wake)(struct cress_loop *loop);
};

extern const struct poller_ops poller_epoll, poller_poll;

/* The one of that name; NULL for the default. NULL: there is none. */
const struct poller_ops *poller_by_name(const char *name);

#endif
