/** @file cress/sync.h
 * Events, results, semaphores, locks: how greenlets wait for each other.
 *
 * All of them are the caller's memory, a fixed number of words whose fields are private. All-zero
 * is valid, so they can be static and are there before any hub or thread is; an init is needed only
 * for memory that is not all-zero, and for what differs from that. As with pthread_mutex_init(3) an
 * init does not look at what was there before: nobody may be waiting for the object or hold it,
 * except in the parent of this process. Nothing is to be freed. An object must stay until all calls
 * that wait on it have returned; who has waited in vain or not may then free it, also if it is
 * shared.
 *
 * Waiting needs no memory from the heap. Those who wait stand in one line, first in, first out.
 * What is set or released never switches: those who are woken run when their turn comes.
 *
 * Cancellation: event and result waits are cancellation points like all waits. The others
 * (acquire, lock, ...) are cancelled only when they would have to wait, so that clean-up can take
 * what is free. A call to whom something was handed over returns success, though its greenlet was
 * killed meanwhile: the cancellation meets its next call. So no unit, lock or value is lost.
 *
 * Threads: an object belongs to the hub of whoever waits on it, until nobody waits; while it does,
 * a call from another thread says -EXDEV. Before and after, it may be used from any one thread at a
 * time.
 *
 * One that was initialised CRESS_SHARED may be used by all threads at once: by coroutines of any
 * hub, and by threads that have none, which need none for it (a coroutine of such a thread blocks
 * the thread). What is said below of the hub's thread does not hold for it, and it never says
 * -EXDEV, unless that is said. It costs two atomic operations for each call, and no signal handler
 * may use it. Who waits for it keeps the hub going as who waits for a descriptor does: another
 * thread may help, so main is not told -EDEADLK. A call to whom something was handed over while its
 * time ran out or its greenlet was killed has got it, whichever thread did which.
 *
 * fork(2): in the child all that waited but the greenlet that forked are gone from the lines. Locks
 * that others held are free. A shared object that nobody waited for, and that no other thread was
 * using at that moment, can be used in the child as well, and who gets a shared mutex that another
 * thread held is told -EOWNERDEAD; any other shared object says -EOWNERDEAD until it is initialised
 * anew.
 */
#ifndef CRESS_SYNC_H
#define CRESS_SYNC_H

#include <cress/base.h>
#include <cress/hub.h>
#include <cress/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How an object is made. Not each knows each. */
enum {
    CRESS_BOUNDED = 1,   /**< a semaphore never counts further than it began */
    CRESS_FAIR = 2,      /**< who has waited longest comes first; nobody can barge in */
    CRESS_RECURSIVE = 4, /**< its owner can lock it again */
    CRESS_SHARED = 8     /**< used by several threads, see above */
};

/* --- events ---------------------------------------------------------------------------------- */

/** A flag that can be waited for. All-zero: not set. */
typedef struct cress_event {
    uintptr_t words[8];
} cress_event;

/** Make it not set. flags: CRESS_SHARED.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_event_init(cress_event *event, unsigned flags);

/** Set it: all who wait are woken, in the order in which they came, also if it is cleared before
 * they run.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_event_set(cress_event *event);

/** Clear it: who waits from now on waits for the next set. Otherwise as cress_event_set(). */
CRESS_API int cress_event_clear(cress_event *event);

/** Whether it is set; NULL is not. Never switches. Any thread. */
CRESS_API bool cress_event_is_set(const cress_event *event);

/** Wait until it is set. If it is, but others that were woken by that have not run yet, let them
 * run first (unless it is shared).
 *
 * Switches unless it is set. A cancellation point. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EDEADLK, main, and nothing can set it;
 *         -EINVAL; -EPERM, in a callback; -EXDEV; -EMFILE, -ENOMEM, no hub, or no memory for the
 *         first limit
 */
CRESS_API int cress_event_wait(cress_event *event, cress_time timeout);

/** A case: the event is set. */
CRESS_API cress_case cress_on_event(cress_event *event);

/* --- results --------------------------------------------------------------------------------- */

/** A value or an error that comes later, for any number of getters. All-zero: nothing has come. */
typedef struct cress_result {
    uintptr_t words[16];
} cress_result;

/** Make it empty. It must not follow a greenlet: see cress_result_clear(). flags: CRESS_SHARED.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_result_init(cress_result *result, unsigned flags);

/** Make it empty again: what it held is forgotten, and nobody is followed any more. Who waits goes
 * on waiting.
 *
 * Never switches. The hub's thread. @return 0; -EINVAL; -EXDEV, also where it follows a greenlet of
 *         another thread
 */
CRESS_API int cress_result_clear(cress_result *result);

/** Set the value and wake all getters; they see the value that is there when they run. It can be
 * set again, to something else. The value stays the caller's.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_result_set(cress_result *result, void *value);

/** Set a negative error instead of a value. Otherwise as cress_result_set(). */
CRESS_API int cress_result_set_error(cress_result *result, int error);

/** Set it to what becomes of g when that ends: its value, its error, or -ECANCELED when it was
 * killed. It follows one greenlet at a time, and holds a reference to it, so that the value lives,
 * until it follows another one or is cleared.
 *
 * Never switches. g's thread, also if it is shared.
 *
 * @return 0; -EINVAL; -EXDEV, also where it follows a greenlet of another thread
 */
CRESS_API int cress_result_follow(cress_result *result, cress_greenlet *g);

/** Whether something has come; NULL: no. Never switches. Any thread. */
CRESS_API bool cress_result_ready(const cress_result *result);

/** Wait until something has come.
 *
 * Switches unless it has. A cancellation point. The hub's thread. @return as cress_event_wait()
 */
CRESS_API int cress_result_wait(cress_result *result, cress_time timeout);

/** The same, and tell what came. value and error may be NULL and are written on success only.
 *
 * @param value  what was set; NULL for an error
 * @param error  0; or the error that was set, which is thus not taken for the call's own
 * @return as cress_event_wait()
 */
CRESS_API int cress_result_get(cress_result *result, cress_time timeout, void **value, int *error);

/** A case: something has come. result: the error or 0; data: the value. */
CRESS_API cress_case cress_on_result(cress_result *result);

/* --- semaphores ------------------------------------------------------------------------------ */

/** A number of units, to be acquired and released one by one. All-zero: none. */
typedef struct cress_sem {
    uintptr_t words[8];
} cress_sem;

/** Begin with so many units. flags: CRESS_BOUNDED, CRESS_FAIR, CRESS_SHARED.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_sem_init(cress_sem *sem, uint32_t units, unsigned flags);

/** Acquire a unit. Whoever comes while a unit is free takes it, also before one that was woken for
 * it and has not run yet, which then keeps its place; unless the semaphore is CRESS_FAIR.
 *
 * Switches only if there is none; then it is a cancellation point. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EDEADLK, main, and nothing can release
 *         one; -EINVAL; -EPERM, waiting in a callback; -EXDEV; -EMFILE, -ENOMEM as
 *         cress_event_wait()
 */
CRESS_API int cress_sem_acquire(cress_sem *sem, cress_time timeout);

/** Acquire a unit if one is free.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EAGAIN; -EINVAL; -EXDEV
 */
CRESS_API int cress_sem_try_acquire(cress_sem *sem);

/** Release a unit: whoever has waited longest is woken for it.
 *
 * Never switches. The hub's thread, callbacks too. Anybody may release.
 *
 * @return 0; -EINVAL; -EXDEV; -EOVERFLOW, more than CRESS_BOUNDED or the type allows: nothing is
 *         changed
 */
CRESS_API int cress_sem_release(cress_sem *sem);

/** How many units are free; 0 for NULL. Never switches. Any thread. */
CRESS_API uint32_t cress_sem_count(const cress_sem *sem);

/** A case: a unit is free; cress_choose() acquires it. */
CRESS_API cress_case cress_on_sem(cress_sem *sem);

/* --- locks ----------------------------------------------------------------------------------- */

/** A lock with an owner, which is a coroutine. All-zero: free. It is not released by its owner's
 * end, and then a later coroutine may be taken for its owner, as with a thread and a
 * pthread_mutex_t: defer the unlock. But a shared one is released by the end of its owner's hub or
 * thread, and whoever gets it next is told so. A shared one must not be given up as memory while it
 * is locked. */
typedef struct cress_mutex {
    uintptr_t words[10];
} cress_mutex;

/** Make it free. flags: CRESS_RECURSIVE, CRESS_FAIR, CRESS_SHARED.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_mutex_init(cress_mutex *mutex, unsigned flags);

/** Lock it. Whoever comes while it is free gets it, as with cress_sem_acquire().
 *
 * Switches only if somebody else has it; then it is a cancellation point. The hub's thread.
 *
 * @return 0; -EOWNERDEAD, the caller has it, but the hub or thread of who had it before has ended:
 *         what it protects may be half done; -EDEADLK, the caller has it (and it is not
 *         CRESS_RECURSIVE), or as cress_sem_acquire(); -EOVERFLOW, too deep; otherwise as
 *         cress_sem_acquire()
 */
CRESS_API int cress_mutex_lock(cress_mutex *mutex, cress_time timeout);

/** Lock it if it is free.
 *
 * Never switches. The hub's thread, callbacks too (which are one owner together).
 *
 * @return 0; -EAGAIN; -EOWNERDEAD as cress_mutex_lock(); -EDEADLK, the caller has it; -EINVAL;
 *         -EXDEV; -ENOMEM, the thread's record
 */
CRESS_API int cress_mutex_try_lock(cress_mutex *mutex);

/** Unlock it.
 *
 * Never switches. Any thread, callbacks too.
 *
 * @return 0; -EINVAL; -EPERM, the caller does not have it
 */
CRESS_API int cress_mutex_unlock(cress_mutex *mutex);

/** Whether the caller has it. Never switches. Any thread. */
CRESS_API bool cress_mutex_owned(const cress_mutex *mutex);

/** A lock for many readers or one writer. All-zero: free. First come, first served: readers that
 * come while a writer waits wait behind it. */
typedef struct cress_rwlock {
    uintptr_t words[10];
} cress_rwlock;

/** Make it free. flags: 0.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_rwlock_init(cress_rwlock *lock, unsigned flags);

/** Lock it for reading, beside other readers. A greenlet that locks it twice waits for itself if a
 * writer has come in between.
 *
 * Switches only if somebody writes or waits; then it is a cancellation point. The hub's thread.
 *
 * @return 0; -EDEADLK, the caller writes, or as cress_sem_acquire(); otherwise as
 *         cress_sem_acquire()
 */
CRESS_API int cress_rwlock_rdlock(cress_rwlock *lock, cress_time timeout);

/** Lock it for writing, alone. Otherwise as cress_rwlock_rdlock(); who has it for reading waits for
 * itself. */
CRESS_API int cress_rwlock_wrlock(cress_rwlock *lock, cress_time timeout);

/** Lock it for reading, if that needs no waiting. Never switches. The hub's thread, callbacks too.
 * @return 0; -EAGAIN; -EDEADLK; -EINVAL; -EXDEV */
CRESS_API int cress_rwlock_try_rdlock(cress_rwlock *lock);

/** The same for writing. */
CRESS_API int cress_rwlock_try_wrlock(cress_rwlock *lock);

/** Unlock it, as reader or as writer.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EPERM, it is not locked, or
 *         somebody else writes; -EXDEV
 */
CRESS_API int cress_rwlock_unlock(cress_rwlock *lock);

/** Waiting for a condition that a mutex protects. All-zero is valid. */
typedef struct cress_cond {
    uintptr_t words[6];
} cress_cond;

/** Make it new. flags: CRESS_SHARED, which its mutex must be too.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_cond_init(cress_cond *cond, unsigned flags);

/** Unlock the mutex, wait to be signalled, and lock it again, as deep as it was. It always returns
 * holding the mutex, whatever happened: nothing cancels the second part, nor is it limited.
 *
 * Switches. A cancellation point. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EPERM, the caller does not have the
 *         mutex, or in a callback; -EINVAL, also where one of the two is shared and the other is
 *         not; -EXDEV; -ENOMEM; -EOWNERDEAD of the mutex, whatever else happened; -EDEADLK, main,
 *         and nothing can signal it. (If it is the mutex that nobody can unlock any more: -EDEADLK
 *         without it.)
 */
CRESS_API int cress_cond_wait(cress_cond *cond, cress_mutex *mutex, cress_time timeout);

/** Wake who has waited longest. It is not remembered when nobody waits.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_cond_signal(cress_cond *cond);

/** Wake all who wait. Otherwise as cress_cond_signal(). */
CRESS_API int cress_cond_broadcast(cress_cond *cond);

/* --- meeting points -------------------------------------------------------------------------- */

/** Where a number of greenlets wait for each other, again and again. */
typedef struct cress_barrier {
    uintptr_t words[8];
} cress_barrier;

/** For n greenlets. flags: 0.
 *
 * Never switches. Any thread. @return 0; -EINVAL, also if n is 0
 */
CRESS_API int cress_barrier_init(cress_barrier *barrier, uint32_t n, unsigned flags);

/** Wait until n have come. Who is cancelled or out of time has not come.
 *
 * Switches unless it is the last one; then it is a cancellation point. The hub's thread.
 *
 * @return 1, the caller came last; 0; -EINVAL, not initialised; otherwise as cress_sem_acquire()
 */
CRESS_API int cress_barrier_wait(cress_barrier *barrier, cress_time timeout);

/** Something to be done once. All-zero: not done. */
typedef struct cress_once {
    uintptr_t words[10];
} cress_once;

/** Have fn(arg) called once: the first to come calls it, and others wait until it has returned. If
 * it fails, with a negative result, the next one who comes or waits calls it again. fn must
 * return: a greenlet that ends inside leaves it undone for ever.
 *
 * Switches if it waits, or fn does; waiting it is a cancellation point. The hub's thread.
 *
 * @param timeout  for waiting for others
 * @return 0; what fn failed with; -EDEADLK, from inside fn, or as cress_sem_acquire(); otherwise as
 *         cress_sem_acquire()
 */
CRESS_API int cress_once_run(cress_once *once, int (*fn)(void *arg), void *arg, cress_time timeout);

/** Whether it has been done; NULL: no. Never switches. Any thread. */
CRESS_API bool cress_once_done(const cress_once *once);

/** Counts down to zero, which can be waited for. All-zero: it is there. */
typedef struct cress_latch {
    uintptr_t words[8];
} cress_latch;

/** Begin with a count. flags: CRESS_SHARED.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_latch_init(cress_latch *latch, size_t count, unsigned flags);

/** Count up by n: so many more are to come.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EOVERFLOW; -EXDEV
 */
CRESS_API int cress_latch_add(cress_latch *latch, size_t n);

/** Count down by n; at zero all who wait are woken.
 *
 * Never switches. The hub's thread, callbacks too.
 *
 * @return 0; -EINVAL, it is not that high: nothing is changed; -EXDEV
 */
CRESS_API int cress_latch_count_down(cress_latch *latch, size_t n);

/** The count; 0 for NULL. Never switches. Any thread. */
CRESS_API size_t cress_latch_count(const cress_latch *latch);

/** Wait until the count is zero. Otherwise as cress_event_wait(). */
CRESS_API int cress_latch_wait(cress_latch *latch, cress_time timeout);

#ifdef __cplusplus
}
#endif

#endif
