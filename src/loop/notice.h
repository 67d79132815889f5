/* notice - how other threads and signal handlers tell a loop something, without lock or memory.
 *
 *     idle -> sent    [notice_send: whoever is first links it and wakes the loop]
 *     sent -> idle    [notices_take, in the loop's thread, which then calls `come`]
 *
 * (1) `sent` is set by an exchange and cleared by an exchange. Who sends while it is set relies on
 *     the call that is to come: the clearing exchange is later than his in the order of `sent`, so
 *     it reads his or one behind it, and by this chain of exchanges what he wrote before is seen by
 *     `come`. A plain store would clear it as well, but see nothing.
 * (2) It is cleared before `come` is called and after `next` was read: from then on it may be
 *     linked again. So after the last send there is always one call more.
 * (3) Sending is a few atomic operations and at most one write(2): async-signal-safe. It may
 *     interrupt itself or notices_take() at any point.
 *
 * Who ends one sees to it that nobody sends any more, then calls notice_end().
 */
#ifndef CRESS_LOOP_NOTICE_H
#define CRESS_LOOP_NOTICE_H

#include <cress/loop.h>

#include <stdatomic.h>

struct notice {
    struct notice *next; /* in the loop's `noticed` */
    atomic_bool sent;
    /* In the loop's thread: makes things ready, runs nothing of the user's. */
    void (*come)(struct notice *notice);
};

void notice_send(struct notice *notice, cress_loop *loop);

/* The same; a loop that sleeps is woken by the sender's wake_now(). Not for signal handlers. */
void notice_send_later(struct notice *notice, cress_loop *loop);

/* Call all that were sent, in their order. */
void notices_take(cress_loop *loop);

/* It is in no list any more. May call `come` of this and others. */
void notice_end(struct notice *notice, cress_loop *loop);

/* In a child, once the list was taken: one that a thread of the parent was about to link never will
 * be. It counts as sent. */
void notice_after_fork(struct notice *notice);

#endif
