/* fds - what cress knows of each descriptor: who waits for it, and what was seen last.
 *
 * One table for the process, by number, in chunks that are made when first needed and never moved,
 * so that a look-up is two loads. An entry belongs to the loop that waits for it; others only find
 * out that it is not theirs.
 *
 * (1) A wait is linked from fds_wait() until its `ready` was called, or fds_unwait(). `ready` is
 *     called with the wait unlinked, unless it is persistent (a watcher's).
 * (2) `generation` changes whenever the number may mean another file: events carry the one they
 *     were asked for with, and are dropped when it has passed.
 * (3) FD_OURS: cress made the descriptor (or was told, adopt), it is non-blocking, nobody else
 *     closes it. Only of these is anything believed that was seen earlier: FD_KNOWN, the poller
 *     has it, edge-triggered; FD_EMPTY, nothing to read until an event says so.
 * (4) FD_READING and FD_WRITING: somebody reads or writes, in a call that waits. One of each.
 * (5) close wakes first and closes then: no waiter is left when the number can be reused.
 * (6) Of others the file may go behind our back, and who waits for it would wait for ever. So an
 *     entry that is not ours and is waited for stands in its loop's `foreign`, whose files are
 *     looked at about once a second, FDS_CHECK_MOST at a time; or in `again`, which does the same
 *     before the next wait.
 */
#ifndef CRESS_LOOP_FDS_H
#define CRESS_LOOP_FDS_H

#include "base/compiler.h"
#include "base/list.h"

#include <cress/base.h>
#include <cress/loop.h>

#include <stdatomic.h>

enum fd_flags {
    FD_OURS = 1,     /* see (3) */
    FD_TCP = 2,      /* of ours, a TCP stream: a short read means it is empty */
    FD_KNOWN = 4,    /* of ours, the poller has it */
    FD_EMPTY = 8,    /* of ours, a read would block */
    FD_ODD = 16,     /* hung up, error, urgent data: no short cut any more */
    FD_READING = 32, /* see (4) */
    FD_WRITING = 64,
    FD_SHARED = 128, /* of ours, but watchers wait too: each wait is confirmed as for others */
};

struct fd_timeouts {
    cress_time read, write;
};

struct fd_entry {
    struct list waits;            /* all-zero: never used */
    struct list line;             /* in its loop's `again` or `foreign`: (6) */
    _Atomic(cress_loop *) loop;   /* whose it is; NULL: nobody's yet */
    struct fd_timeouts *timeouts; /* NULL: none set */
    int fd;
    uint32_t generation;
    uint8_t flags;
    uint8_t poller_state;  /* the poller's own, */
    uint32_t poller_index; /* both */
};
_Static_assert(sizeof(struct fd_entry) <= 64, "more than a cache line for each descriptor");

struct fd_wait {
    struct list link;
    struct fd_entry *entry;
    int events;
    bool persistent; /* stays linked when it was told: a watcher's */
    /* events: what holds; or negative, -EBADF: it was closed. */
    void (*ready)(struct fd_wait *wait, int events);
};

enum { FD_CHUNK_SHIFT = 12, FD_CHUNK = 1 << FD_CHUNK_SHIFT, FD_CHUNKS = 8192 };

extern _Atomic(struct fd_entry *) cress__fd_chunks[FD_CHUNKS];

struct fd_entry *fds_make(int fd);

/* The entry of a number, NULL if there was none yet (or fd is no number at all). */
static inline struct fd_entry *fds_find(int fd)
{
    if (unlikely((unsigned)fd >= (unsigned)FD_CHUNK * FD_CHUNKS))
        return NULL;
    struct fd_entry *chunk =
        atomic_load_explicit(&cress__fd_chunks[fd >> FD_CHUNK_SHIFT], memory_order_acquire);
    return likely(chunk != NULL) ? &chunk[fd & (FD_CHUNK - 1)] : NULL;
}

/* The same, made if need be; NULL: no memory, or no such number. */
static inline struct fd_entry *fds_entry(int fd)
{
    struct fd_entry *entry = fds_find(fd);
    return likely(entry != NULL) ? entry : fds_make(fd);
}

/* Wait: fill events, ready (and persistent), then this. Without events: only for being closed.
 * 0; -EXDEV; what the poller's want says. */
int fds_wait(cress_loop *loop, int fd, struct fd_entry *entry, struct fd_wait *wait);

/* Wait no longer. */
void fds_unwait(cress_loop *loop, struct fd_wait *wait);

/* The poller: events came for fd, asked for under that generation. */
void fds_event(cress_loop *loop, int fd, uint32_t generation, int events);

/* The poller: the number means another file than those who wait for it now were told of; they get
 * -EBADF, and later events of the old file are dropped. */
void fds_replaced(struct fd_entry *entry);

/* All that the waits of an entry want. */
int fds_wanted(const struct fd_entry *entry);

/* Somebody waits for fd already. For one that is not ours: find out whether that was for another
 * file with this number, and if so, put an end to it. */
void fds_confirm(cress_loop *loop, struct fd_entry *entry);

/* Before each wait of the poller: ask again for waits that an event has left. */
void fds_rearm(cress_loop *loop);

enum { FDS_CHECK_EVERY = 1000 * 1000 * 1000, FDS_CHECK_MOST = 256 };

/* Before each wait of the poller as well: is it time to look whether files of others are gone? */
void fds_check(cress_loop *loop);

/* The number means something new that is ours: accepted, dialled, adopted. 0; -ENOMEM; -EXDEV */
int fds_adopt(int fd, unsigned flags);

/* Wake all who wait with -EBADF, and forget what is known. 0; -EXDEV: another loop's. */
int fds_forget(struct fd_entry *entry);

/* How long each wait of reads (writes) may last. 0; -ENOMEM; -EXDEV */
int fds_set_timeout(int fd, int directions, cress_time timeout);

/* The loop ends: its entries are nobody's any more. */
void fds_disown(cress_loop *loop);

/* In a child: the loop has a new poller, which is to know of all who wait. */
void fds_after_fork(cress_loop *loop);

/* In a child: the thread of that loop is not there. Its entries are nobody's; who waited is not
 * told. */
void fds_bury(const cress_loop *loop);

#endif
