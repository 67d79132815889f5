/* bell - how one who waits is told by another thread, whether it has a hub or not.
 *
 * A coroutine of a hub is told by a notice, which wakes it in its hub's thread. A thread that has
 * no hub sleeps on a word of the bell. The bell is a local variable of who waits.
 *
 * (1) It is rung while its object's guard is entered, and only while its place is in the object's
 *     line. So who has left the line, and the guard, is never rung for any more. The system call
 *     that ends a sleep is made when the guard has been left; it looks at no bell.
 * (2) Then it is ended, before its memory goes: a notice that was sent is taken then, so that no
 *     stale one meets the next wait of the coroutine.
 * (3) Whether the wait has got what it waits for is said by the place, under the guard, not by the
 *     bell. So that decides against a timeout or a cancellation that comes at the same time, and
 *     one that comes too late has not been told to anybody: it meets the next call.
 * (4) Who waits may be woken by another thread at any time, so it counts in loop.refs meanwhile, as
 *     who waits for a descriptor; unless it is a daemon.
 */
#ifndef CRESS_SYNC_BELL_H
#define CRESS_SYNC_BELL_H

#include "hub/park.h"
#include "loop/notice.h"

struct bell {
    struct notice notice;
    struct cress_hub *hub; /* NULL: a thread without one */
    cress_coro *co;        /* who waits; NULL: it was dropped */
    atomic_uint rung;      /* for a thread without a hub */
    bool counted;          /* in loop.refs */
};

void bell_begin(struct bell *bell, struct cress_hub *h);
void bell_ring(struct bell *bell);

/* Wait until it is rung. 0; -ETIMEDOUT; -ECANCELED; -ENOMEM. It may be for nothing. */
int bell_wait(struct bell *bell, const struct wait_info *info, cress_time timeout);

void bell_end(struct bell *bell);

/* The same for one whose coroutine will not run any more. */
void bell_drop(struct bell *bell);

#endif
