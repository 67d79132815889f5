/** @file cress/chan.h
 * Channels: values handed from one greenlet to another, without a buffer in between or with one.
 *
 * An item is a pointer, or, with item_size, so many bytes that are copied; as in cress/queue.h.
 *
 * Without a buffer a send and a receive meet: both always let others run, the receiver goes on
 * first and then the sender (but not in a shared one, whose two sides run at the same time).
 * All-zero is such a channel, of pointers. With a buffer a send waits only when that is full, a
 * receive only when it is empty. Its memory comes from the heap.
 *
 * Sends and receives can be cases of cress_choose(), of which exactly one takes effect; two choices
 * can meet each other.
 *
 * Cancellation, threads and fork(2) as in cress/sync.h: sends and receives are cancelled only when
 * they would have to wait.
 */
#ifndef CRESS_CHAN_H
#define CRESS_CHAN_H

#include <cress/base.h>
#include <cress/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A channel: the caller's memory, its fields private. */
typedef struct cress_chan {
    uintptr_t words[24];
} cress_chan;

/** Make an open, empty channel. What was in the memory before is not looked at: a channel that has
 * been used has to be given back first (cress_chan_done()).
 *
 * Never switches. Any thread.
 *
 * @param capacity   of the buffer, in items; 0: none
 * @param item_size  bytes of an item; 0: pointers
 * @param flags      CRESS_SHARED
 * @return 0; -EINVAL
 */
CRESS_API int cress_chan_init(cress_chan *chan, size_t capacity, size_t item_size, unsigned flags);

/** Forget what is in the buffer and give its memory back: it is as new, and all-zero. NULL is
 * allowed.
 *
 * Never switches. The hub's thread. @return 0; -EBUSY, somebody waits
 */
CRESS_API int cress_chan_done(cress_chan *chan);

/** Send an item.
 *
 * Switches always without a buffer, else only if that is full. A cancellation point if it has to
 * wait. The hub's thread. The item stays the caller's if it fails.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0 (which never switches); -ECANCELED; -EPIPE, it is
 *         closed; -EDEADLK, main, and nobody can receive; -EINVAL; -EPERM, waiting in a callback;
 *         -EXDEV; -ENOMEM; -EMFILE
 */
CRESS_API int cress_chan_send(cress_chan *chan, const void *item, cress_time timeout);

/** Send if somebody waits to receive, or the buffer has room. Never switches. The hub's thread,
 * callbacks too. @return as cress_chan_send() */
CRESS_API int cress_chan_try_send(cress_chan *chan, const void *item);

/** Receive an item.
 *
 * Switches always without a buffer, else only if that is empty. A cancellation point if it has to
 * wait. The hub's thread.
 *
 * @param item  where it goes; written on success only
 * @return as cress_chan_send(); -EPIPE, it is closed and empty
 */
CRESS_API int cress_chan_recv(cress_chan *chan, void *item, cress_time timeout);

/** Receive if somebody waits to send, or something is in the buffer. Never switches. The hub's
 * thread, callbacks too. @return as cress_chan_recv() */
CRESS_API int cress_chan_try_recv(cress_chan *chan, void *item);

/** Close it: sends give -EPIPE, also those that wait, and so do receives once the buffer is empty.
 * A second time does nothing.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_chan_close(cress_chan *chan);

/** How many items are in the buffer; 0 for NULL. Never switches. Any thread. */
CRESS_API size_t cress_chan_size(const cress_chan *chan);

/** A case: something can be received; cress_choose() receives it, to where item points. result: 0;
 * -EPIPE, closed and empty. */
CRESS_API cress_case cress_on_chan_recv(cress_chan *chan, void *item);

/** A case: something can be sent; cress_choose() sends item, which, if items are not pointers, must
 * stay until then. result: 0; -EPIPE, closed. */
CRESS_API cress_case cress_on_chan_send(cress_chan *chan, const void *item);

#ifdef __cplusplus
}
#endif

#endif
