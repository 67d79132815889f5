/** @file cress/offload.h
 * Blocking work: what waits in the kernel or computes for long, done by another thread while the
 * hub goes on.
 *
 *     static int look_up(void *arg)
 *     {
 *         struct query *q = arg;
 *         return getaddrinfo(q->host, q->port, NULL, &q->found);
 *     }
 *     ...
 *     int error = cress_offload(look_up, &query);
 *
 * Threads: workers are made when there is work for them, and end when there was none for a while.
 * They have a name that ps(1) and debuggers show, and block all signals but those that a thread
 * raises itself. What runs in them has no greenlet and no hub: a call of cress that waits blocks
 * the worker alone (it makes a hub there, which ends after the call).
 *
 * fork(2): in the child there are no workers. What the parent's still do, and what they had not
 * begun, is not done there; new jobs get new threads. A job's function that forks is the child's
 * only thread: when it returns, the child exits.
 */
#ifndef CRESS_OFFLOAD_H
#define CRESS_OFFLOAD_H

#include <cress/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Call fn(arg) in a worker thread of the process, and wait until it has returned. The hub goes on
 * meanwhile. There are cress_offload_size() workers at most; any number of calls may wait for them.
 *
 * Cancelled before a worker has begun with it: -ECANCELED, and fn is never called. From then on
 * nothing cancels it, for arg may lie on the caller's stack: the cancellation meets the next call.
 * The end of the hub waits for it, too. Where there is nobody to go on meanwhile, in a thread that
 * has no hub and in a worker, fn is called directly.
 *
 * Switches. A cancellation point. Any thread.
 *
 * @return what fn returned; -ECANCELED; -EAGAIN, there is no worker, and the system has no thread
 *         for one; -EINVAL, fn is NULL; -EPERM, in a callback
 */
CRESS_API int cress_offload(int (*fn)(void *arg), void *arg);

/** Have at most so many workers, 10 unless this is called. It is one number for all threads; a
 * child process begins with that of its parent. More are made as calls need them, those that wait
 * already included; workers above the number end with the call that they have.
 *
 * Never switches. Any thread, with a hub or without, callbacks too.
 *
 * @return 0; -EINVAL, threads is 0: calls would wait for ever
 */
CRESS_API int cress_offload_set_size(size_t threads);

/** How many workers there may be. Never switches. Any thread. */
CRESS_API size_t cress_offload_size(void);

#ifdef __cplusplus
}
#endif

#endif
