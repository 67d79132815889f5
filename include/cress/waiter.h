/** @file cress/waiter.h
 * The two primitives that all waiting is made of; for drivers and bindings.
 *
 * Park and unpark belong to a coroutine; a waiter is a place of its own, to which one value is
 * handed over once. Neither needs memory from the heap.
 */
#ifndef CRESS_WAITER_H
#define CRESS_WAITER_H

#include <cress/base.h>
#include <cress/coro.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Wait until somebody calls cress_unpark() for the coroutine that runs. An unpark that came before
 * is not lost: then this returns at once, having taken it. Any coroutine of the hub's thread may
 * park, a raw one too.
 *
 * Switches unless an unpark was there. A cancellation point. Any thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0 and no unpark was there; -ECANCELED; -EDEADLK, main,
 *         and nothing can wake it; -EINVAL; -EPERM, in a callback; -EMFILE, -ENOMEM, no hub
 */
CRESS_API int cress_park(cress_time timeout);

/** Let a coroutine go on that waits in cress_park(), or let its next cress_park() return at once.
 * Unparks do not add up.
 *
 * Never switches. The coroutine's thread, callbacks too.
 *
 * @return 0; -EINVAL; -ESRCH, it has ended; -EXDEV
 */
CRESS_API int cress_unpark(cress_coro *co);

/** A place where one coroutine waits, once, for one value: the caller's memory, its fields private.
 * All-zero is valid. */
typedef struct cress_waiter {
    uintptr_t words[8];
} cress_waiter;

/** Make it empty, also again, so that it can be used once more. What was in the memory before is
 * not looked at: nobody may be waiting.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_waiter_init(cress_waiter *waiter);

/** Wait until it is woken and take the value. What was handed over before is taken at once. value
 * may be NULL and is written on success only. After a timeout or a cancellation it can be waited
 * for again.
 *
 * Switches unless it has been woken. A cancellation point. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EBUSY, somebody else waits;
 *         -EALREADY, its value has been taken; -EDEADLK; -EINVAL; -EPERM; -EXDEV; or what was
 *         thrown
 */
CRESS_API int cress_waiter_wait(cress_waiter *waiter, cress_time timeout, void **value);

/** Hand a value over. Never switches. The hub's thread, callbacks too.
 *
 * @return 0; -EINVAL; -EALREADY, it was woken before; -EXDEV
 */
CRESS_API int cress_waiter_wake(cress_waiter *waiter, void *value);

/** Have the wait give a negative error instead. Otherwise as cress_waiter_wake(). */
CRESS_API int cress_waiter_throw(cress_waiter *waiter, int error);

#ifdef __cplusplus
}
#endif

#endif
