/** @file cress/wait.h
 * Waiting for several things at once, in the manner of poll(2): the caller's array says for what.
 *
 *     cress_case cases[] = { cress_on_greenlet(worker), cress_on_fd(fd, CRESS_IN) };
 *     size_t first;
 *     if (cress_wait(cases, 2, 1, CRESS_SECONDS(1), &first) == 1)
 *         ...                                        // cases[first] has happened
 *
 * The things may be shared between threads (cress/sync.h). A thread that waits here gets a hub.
 *
 * The builders are named cress_on_*, here and in the headers of the other things that can be waited
 * for.
 */
#ifndef CRESS_WAIT_H
#define CRESS_WAIT_H

#include <cress/base.h>
#include <cress/hub.h>
#include <cress/waiter.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cress_case cress_case;

/** How to wait for a kind of object; for kinds of your own, with cress_on(). All three are called
 * in the waiting greenlet or in callbacks of its hub and must not block.
 */
typedef struct cress_case_ops {
    const char *name; /**< for reports: what one waits for */
    /** Whether it has happened. With take, cress_choose() has chosen it: take the effect, set
     * c->result. @return 1, 0, or a negative error that ends the wait */
    int (*ready)(cress_case *c, bool take);
    /** From now on, call cress_case_fire(c) when it may have happened. @return 0 or an error */
    int (*link)(cress_case *c);
    /** No longer. Called exactly once for each successful link. */
    void (*unlink)(cress_case *c);
} cress_case_ops;

/** One thing to wait for. Filled by a builder; ready and result are set by the wait. */
struct cress_case {
    const cress_case_ops *ops; /**< NULL: never ready */
    void *object;              /**< what it is about */
    intptr_t number;           /**< the kind's own: an fd, ... */
    void *data;                /**< the kind's own: where to put or get an item, ... */
    int events;                /**< for fds: those asked for */
    int result;                /**< when ready: events, an exit status, or an error */
    bool ready;                /**< whether it has happened */
    uintptr_t core[4];         /**< private while waiting */
    uintptr_t words[12];       /**< zero at first; for the kind's own use while waiting */
};

/** As count: all of them. */
#define CRESS_ALL SIZE_MAX

/** When g has ended; result: its cress_error(). NULL: never. */
CRESS_API cress_case cress_on_greenlet(cress_greenlet *g);
/** When fd is ready; result: the events that hold, see cress/loop.h. */
CRESS_API cress_case cress_on_fd(int fd, int events);
/** After the given time, counted from the wait. */
CRESS_API cress_case cress_on_timer(cress_time after);
/** When the waiter has been woken; the value stays there to be taken. cress_choose() takes it:
 * result is 0 or the error, data the value. NULL: never. */
CRESS_API cress_case cress_on_waiter(cress_waiter *waiter);
/** Something of your own. */
CRESS_API cress_case cress_on(const cress_case_ops *ops, void *object);

/** Say that a case may have happened. The hub's thread, callbacks too; never switches. */
CRESS_API void cress_case_fire(cress_case *c);

/** Wait until count of the n cases have happened (at most n of them; 0 returns at once). Nothing is
 * taken: items stay in their queues. Duplicates are fine.
 *
 * Switches unless enough have happened (and once after 64 calls in a row that did not, to let
 * others run; so do the calls below). A cancellation point. The hub's thread. The cases stay the
 * caller's and are not used afterwards.
 *
 * @param ready  NULL, or room for as many indices as the result can be: which, in the order in
 *               which they happened
 * @return how many have happened, 0 included when the timeout elapsed; -ECANCELED; -EDEADLK;
 *         -EINVAL; -EPERM; -EXDEV, -EBADF and the like: what a kind says
 */
CRESS_API ssize_t cress_wait(cress_case *cases, size_t n, size_t count, cress_time timeout,
                             size_t *ready);

/** Wait until one of n cases can happen and let exactly that one take effect: one item taken, one
 * unit acquired, one value sent. Among several that can, each is chosen equally often; what is not
 * chosen is left as it was.
 *
 * Switches unless one can. A cancellation point. The hub's thread.
 *
 * @return its index; -ETIMEDOUT; -EAGAIN, timeout is 0; otherwise as cress_wait()
 */
CRESS_API int cress_choose(cress_case *cases, size_t n, cress_time timeout);

/** Goes through cases as they happen: the caller's memory, its fields private. */
typedef struct cress_iwait {
    uintptr_t words[20];
} cress_iwait;

/** Begin. The cases must live until it ends: by cress_iwait_done(), with the hub, or when whoever
 * began it leaves by cress_exit(); in a child process also when that is not who forked. Until then
 * what is waited for counts as if somebody waited all the time: cress_run() goes on for a
 * descriptor, a timer, or what other threads may do, and nothing is a deadlock.
 *
 * Never switches. The hub's thread.
 *
 * @return 0; -EINVAL; -EMFILE, -ENOMEM; -EXDEV, -EBADF and the like: what a kind says
 */
CRESS_API int cress_iwait_init(cress_iwait *iwait, cress_case *cases, size_t n);

/** The next that happens.
 *
 * Switches unless one has. A cancellation point. The hub's thread.
 *
 * @return its index; -ENOENT, all have been told; -ETIMEDOUT; -EAGAIN; -EINVAL, also when it has
 *         ended, by cress_iwait_done() or with its hub; otherwise as cress_wait()
 */
CRESS_API ssize_t cress_iwait_next(cress_iwait *iwait, cress_time timeout);

/** End, wherever it stands. Never switches. The hub's thread. */
CRESS_API void cress_iwait_done(cress_iwait *iwait);

#ifdef __cplusplus
}
#endif

#endif
