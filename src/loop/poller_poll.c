/* poller_poll - the poller contract on poll(2), for where there is no epoll or its ways are
 * doubted.
 *
 * An array of what is waited for now, kept from turn to turn. An entry is in it exactly while
 * somebody waits for events of it, so each wait of the kernel's walks what is waited for and
 * nothing else, and a descriptor of ours that nobody reads costs nothing. poll(2) reports what
 * holds, always: what is edge-triggered elsewhere leaves the array with its last waiter instead.
 *
 * (1) entry->poller_index names its slot if that slot names the entry; else the entry is in none.
 *     So an entry that is reset or changes its loop needs not be looked for here.
 * (2) A number means whatever is open under it when poll(2) is called. That it means another file
 *     than those who wait were told of is seen by device and inode, at each want and each event;
 *     what is closed by POLLNVAL; both end the waits. The anonymous files (eventfd, timerfd, ...)
 *     share one inode: of these a change goes unnoticed.
 *
 * The eventfd for wake-ups has slot 0.
 */
#include "base/alloc.h"
#include "base/sys.h"
#include "loop/loop.h"
#include "loop/poller.h"

#include <sys/eventfd.h>

enum { FIRST_SIZE = 64, IDENTIFIED = 1 /* poller_state: device and inode of the slot are known */ };

struct poll_slot {
    struct fd_entry *entry;
    dev_t device;
    ino_t inode;
};

struct poll_poller {
    struct pollfd *fds;
    struct poll_slot *slots; /* beside them */
    uint32_t used, size;
    cress_loop *loop;
    int event;
    int error; /* of the last wait, so that the same is reported once */
};

static int grow(struct poll_poller *p, uint32_t size)
{
    struct pollfd *fds = cress__realloc(p->fds, size * sizeof *fds);
    if (fds == NULL)
        return -ENOMEM;
    p->fds = fds;
    struct poll_slot *slots = cress__realloc(p->slots, size * sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    p->slots = slots;
    p->size = size;
    return 0;
}

static void free_poller(struct poll_poller *p)
{
    cress__free(p->fds);
    cress__free(p->slots);
    cress__free(p);
}

static int poll_open(cress_loop *loop)
{
    struct poll_poller *p = cress__calloc(1, sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    int error = grow(p, FIRST_SIZE);
    if (error == 0)
        p->event = error = sys_eventfd2(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (error < 0) {
        free_poller(p);
        return error;
    }
    p->fds[0] = (struct pollfd){ .fd = p->event, .events = POLLIN };
    p->used = 1;
    p->loop = loop;
    loop->poller_data = p;
    return 0;
}

static void poll_abandon(cress_loop *loop)
{
    sys_close(((struct poll_poller *)loop->poller_data)->event);
}

static void poll_close(cress_loop *loop)
{
    poll_abandon(loop);
    free_poller(loop->poller_data);
}

static bool in_array(const struct poll_poller *p, const struct fd_entry *entry)
{
    uint32_t i = entry->poller_index;
    return i > 0 && i < p->used && p->slots[i].entry == entry; /* (1) */
}

/* What was left behind may be another loop's by now, and is not to be touched. */
static bool is_mine(const struct poll_poller *p, const struct fd_entry *entry)
{
    return atomic_load_explicit(&entry->loop, memory_order_relaxed) == p->loop;
}

/* The last one takes its place. */
static void drop(struct poll_poller *p, uint32_t i)
{
    uint32_t last = --p->used;
    if (i == last)
        return;
    struct fd_entry *moved = p->slots[last].entry;
    p->fds[i] = p->fds[last];
    p->slots[i] = p->slots[last];
    if (is_mine(p, moved) && moved->poller_index == last)
        moved->poller_index = i;
}

/* The end of what the peer sends is readable too, so who asks for the one may be told of both: a
 * short read after it means something else (FD_ODD). */
static short asked(int events)
{
    return (short)(events & CRESS_IN ? events | CRESS_RDHUP : events);
}

/* Waits have gone: ask for what the others want, or for nothing. */
static void settle(struct poll_poller *p, uint32_t i)
{
    int wanted = fds_wanted(p->slots[i].entry);
    if (wanted == 0)
        drop(p, i);
    else
        p->fds[i].events = asked(wanted);
}

static int add(struct poll_poller *p, int fd, struct fd_entry *entry)
{
    if (p->used == p->size) {
        int error = grow(p, 2 * p->size);
        if (error < 0)
            return error;
    }
    entry->poller_index = p->used++;
    p->fds[entry->poller_index] = (struct pollfd){ .fd = fd };
    p->slots[entry->poller_index] = (struct poll_slot){ .entry = entry };
    entry->poller_state = 0;
    return 0;
}

/* What the number means now, for one that others may close. */
static int identify(struct poll_slot *slot, int fd, struct fd_entry *entry)
{
    struct stat st;
    int error = sys_fstat(fd, &st);
    if (error < 0)
        return error;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        return -EPERM; /* as epoll says: always ready, so nothing to wait for */
    if (entry->poller_state == IDENTIFIED &&
        (slot->device != st.st_dev || slot->inode != st.st_ino))
        fds_replaced(entry);
    slot->device = st.st_dev;
    slot->inode = st.st_ino;
    entry->poller_state = IDENTIFIED;
    return 0;
}

/* What is ready may be another file than the one that is waited for. */
static bool was_replaced(const struct poll_slot *slot, int fd, const struct fd_entry *entry)
{
    struct stat st;
    return !(entry->flags & FD_OURS) && sys_fstat(fd, &st) == 0 &&
           (slot->device != st.st_dev || slot->inode != st.st_ino);
}

static int poll_want(cress_loop *loop, int fd, struct fd_entry *entry, int events)
{
    struct poll_poller *p = loop->poller_data;
    int error = 0;
    if (!in_array(p, entry) && (error = add(p, fd, entry)) < 0)
        return error;
    if ((entry->flags & (FD_OURS | FD_SHARED)) != FD_OURS)
        error = identify(&p->slots[entry->poller_index], fd, entry);
    if (error < 0) {
        settle(p, entry->poller_index); /* those who wait already find out by POLLNVAL */
        return error;
    }
    if (events == 0 && fds_wanted(entry) == 0) {
        drop(p, entry->poller_index);
        return -EBADF; /* who waited did so for another file */
    }
    p->fds[entry->poller_index].events = asked(events | fds_wanted(entry));
    return 0;
}

static void poll_unwant(cress_loop *loop, int fd, struct fd_entry *entry)
{
    (void)fd;
    struct poll_poller *p = loop->poller_data;
    if (in_array(p, entry))
        settle(p, entry->poller_index);
}

static void poll_forget(cress_loop *loop, int fd, struct fd_entry *entry)
{
    (void)fd;
    struct poll_poller *p = loop->poller_data;
    if (in_array(p, entry))
        drop(p, entry->poller_index);
}

/* Hand out what came for a slot. Whoever is told only becomes ready, so nobody but us changes the
 * array meanwhile. true: another one has taken the slot. */
static bool hand_out(cress_loop *loop, struct poll_poller *p, uint32_t i)
{
    struct fd_entry *entry = p->slots[i].entry;
    uint32_t used = p->used;
    if (!is_mine(p, entry) || entry->poller_index != i) {
        drop(p, i); /* left behind: the entry was reset, or went to another loop */
    } else {
        if (p->fds[i].revents & POLLNVAL || was_replaced(&p->slots[i], p->fds[i].fd, entry))
            fds_replaced(entry); /* (2) */
        else
            fds_event(loop, p->fds[i].fd, entry->generation, (unsigned short)p->fds[i].revents);
        settle(p, i);
    }
    return p->used != used;
}

/* What poll(2) may say is that it has no memory, or that there are more descriptors than the limit
 * of this process has become. Neither is lasting, we hope, so it is said once and time passes. */
static int refused(cress_loop *loop, struct poll_poller *p, int error, cress_time timeout)
{
    if (error == -EINTR)
        return 0;
    if (error != p->error)
        loop->report(loop, NULL, "poll", error);
    p->error = error;
    sys_ppoll(NULL, 0, timeout < CRESS_MS(10) ? timeout : CRESS_MS(10));
    return 0;
}

static int poll_wait_events(cress_loop *loop, cress_time timeout)
{
    struct poll_poller *p = loop->poller_data;
    int n = sys_ppoll(p->fds, p->used, timeout);
    if (n < 0)
        return refused(loop, p, n, timeout);
    p->error = 0;
    int left = n;
    if (n > 0 && p->fds[0].revents != 0) {
        uint64_t count;
        sys_read(p->event, &count, sizeof count);
        left--;
    }
    for (uint32_t i = 1; left > 0 && i < p->used;) {
        left -= p->fds[i].revents != 0;
        i += p->fds[i].revents == 0 || !hand_out(loop, p, i);
    }
    return n;
}

static int poll_fd(const cress_loop *loop)
{
    (void)loop;
    return -ENOTSUP;
}

static void poll_wake(cress_loop *loop)
{
    sys_eventfd_add(((struct poll_poller *)loop->poller_data)->event, 1);
}

const struct poller_ops poller_poll = {
    .name = "poll",
    .open = poll_open,
    .close = poll_close,
    .abandon = poll_abandon,
    .want = poll_want,
    .unwant = poll_unwant,
    .forget = poll_forget,
    .wait = poll_wait_events,
    .fd = poll_fd,
    .wake = poll_wake,
};
