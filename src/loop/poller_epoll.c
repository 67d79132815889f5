/* poller_epoll - the poller contract on epoll(7).
 *
 * Descriptors of ours are added once, edge-triggered, for everything: from then on waiting costs no
 * call at all. All others are confirmed with each wait, one-shot: EPOLL_CTL_MOD reports the present
 * state, and ENOENT says that the number means another file than last time, since epoll knows
 * descriptors by number *and* file. Whenever an ADD succeeds the file is new, so whoever waits
 * under this number waits for an old one.
 *
 * A closed descriptor leaves the set by itself only when no duplicate is open, in a child process
 * for instance; an edge-triggered one would go on reporting for ever. Hence the DEL in forget.
 *
 * The eventfd for wake-ups is edge-triggered too: each write is an edge, so it is never read.
 */
#include "base/alloc.h"
#include "base/sys.h"
#include "loop/loop.h"
#include "loop/poller.h"

#include <sys/eventfd.h>

enum { BATCH = 256, IN_SET = 1 /* poller_state: it has been added */ };

#define WAKE_TAG UINT64_MAX

struct epoll_poller {
    int epoll, event;
    struct epoll_event events[BATCH];
};

static int epoll_open(cress_loop *loop)
{
    struct epoll_poller *p = cress__malloc(sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    int error;
    if ((p->epoll = error = sys_epoll_create1(EPOLL_CLOEXEC)) < 0)
        goto no_epoll;
    if ((p->event = error = sys_eventfd2(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        goto no_event;
    struct epoll_event wake = { .events = EPOLLIN | EPOLLET, .data.u64 = WAKE_TAG };
    if ((error = sys_epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->event, &wake)) < 0)
        goto no_add;
    loop->poller_data = p;
    return 0;
no_add:
    sys_close(p->event);
no_event:
    sys_close(p->epoll);
no_epoll:
    cress__free(p);
    return error;
}

static void epoll_abandon(cress_loop *loop)
{
    struct epoll_poller *p = loop->poller_data;
    sys_close(p->event);
    sys_close(p->epoll);
}

static void epoll_close(cress_loop *loop)
{
    epoll_abandon(loop);
    cress__free(loop->poller_data);
}

static struct epoll_event interest(const struct fd_entry *entry, int fd, uint32_t events)
{
    return (struct epoll_event){ .events = events,
                                 .data.u64 = (uint64_t)entry->generation << 32 | (uint32_t)fd };
}

static int add_ours(struct epoll_poller *p, int fd, struct fd_entry *entry)
{
    struct epoll_event e =
        interest(entry, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET);
    int error = sys_epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e);
    if (error == -EEXIST) /* waited for before it was adopted */
        error = sys_epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &e);
    if (error == 0) {
        entry->flags |= FD_KNOWN;
        entry->poller_state = IN_SET;
    }
    return error;
}

static int confirm_other(cress_loop *loop, int fd, struct fd_entry *entry, int events)
{
    struct epoll_poller *p = loop->poller_data;
    uint32_t all = (uint32_t)(events | fds_wanted(entry)) | EPOLLONESHOT;
    struct epoll_event e = interest(entry, fd, all);
    if (entry->poller_state == IN_SET) {
        int error = sys_epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &e);
        if (error != -ENOENT)
            return error;
    }
    fds_replaced(entry);
    entry->poller_state = 0;
    if (events == 0)
        return -EBADF; /* nobody waits for the new file */
    e = interest(entry, fd, (uint32_t)events | EPOLLONESHOT);
    int error = sys_epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e);
    if (error == -EEXIST)
        error = sys_epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &e);
    entry->poller_state = error == 0 ? IN_SET : 0;
    return error;
}

static int epoll_want(cress_loop *loop, int fd, struct fd_entry *entry, int events)
{
    if ((entry->flags & (FD_OURS | FD_SHARED)) == FD_OURS)
        return entry->flags & FD_KNOWN ? 0 : add_ours(loop->poller_data, fd, entry);
    return confirm_other(loop, fd, entry, events);
}

/* One-shot or edge-triggered: a late event finds nobody. */
static void epoll_unwant(cress_loop *loop, int fd, struct fd_entry *entry)
{
    (void)loop, (void)fd, (void)entry;
}

static void epoll_forget(cress_loop *loop, int fd, struct fd_entry *entry)
{
    struct epoll_poller *p = loop->poller_data;
    struct epoll_event unused = { 0 };
    if (entry->poller_state == IN_SET)
        sys_epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, &unused); /* may have left by itself */
    entry->poller_state = 0;
}

static int epoll_wait_events(cress_loop *loop, cress_time timeout)
{
    struct epoll_poller *p = loop->poller_data;
    int n = cress__sys_epoll_wait(p->epoll, p->events, BATCH, timeout);
    for (int i = 0; i < n; i++) {
        uint64_t tag = p->events[i].data.u64;
        if (tag != WAKE_TAG)
            fds_event(loop, (int)(uint32_t)tag, (uint32_t)(tag >> 32), (int)p->events[i].events);
    }
    return n;
}

static int epoll_fd(const cress_loop *loop)
{
    return ((const struct epoll_poller *)loop->poller_data)->epoll;
}

static void epoll_wake(cress_loop *loop)
{
    sys_eventfd_add(((struct epoll_poller *)loop->poller_data)->event, 1);
}

const struct poller_ops poller_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .abandon = epoll_abandon,
    .want = epoll_want,
    .unwant = epoll_unwant,
    .forget = epoll_forget,
    .wait = epoll_wait_events,
    .fd = epoll_fd,
    .wake = epoll_wake,
};
