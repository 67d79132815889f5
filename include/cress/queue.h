/** @file cress/queue.h
 * Queues: items handed from greenlets that put to greenlets that get.
 *
 * An item is a pointer, or, with item_size, so many bytes that are copied. A pointer goes in as it
 * is and comes out through the address of a pointer; of a queue by value both are addresses:
 *
 *     cress_queue_put(&q, job, CRESS_FOREVER);          struct point p = { 1, 2 };
 *     cress_queue_get(&q, &job, CRESS_FOREVER);         cress_queue_put(&points, &p, 0);
 *
 * All-zero is valid: pointers, first in, first out, without a bound. Room for items comes from the
 * heap and is given back by cress_queue_done(); waiting needs none.
 *
 * Those who put and those who get stand in two lines, first in, first out. An item is taken by a
 * getter at its turn, so a priority queue gives the best that is there then, and whoever comes
 * while there are items takes one at once; the getter keeps its place. A blocked put is let in as
 * soon as there is room. No item is lost or doubled when a greenlet is killed or out of time.
 *
 * Cancellation, threads and fork(2) as in cress/sync.h: puts and gets are cancelled only when they
 * would have to wait. Of a shared queue compare and drop are called by any of its threads, one at a
 * time, and must not use the queue.
 */
#ifndef CRESS_QUEUE_H
#define CRESS_QUEUE_H

#include <cress/base.h>
#include <cress/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A queue: the caller's memory, its fields private. */
typedef struct cress_queue {
    uintptr_t words[32];
} cress_queue;

/** Which item comes out first. */
typedef enum cress_queue_kind {
    CRESS_QUEUE_FIFO,     /**< the oldest */
    CRESS_QUEUE_LIFO,     /**< the newest */
    CRESS_QUEUE_PRIORITY, /**< the smallest; of equal ones the oldest */
    CRESS_QUEUE_SIMPLE    /**< the oldest; takes neither a bound nor joinable */
} cress_queue_kind;

/** What a queue is to be. Start with CRESS_QUEUE_OPTIONS_INIT. */
typedef struct cress_queue_options {
    size_t size;           /**< set by CRESS_QUEUE_OPTIONS_INIT */
    cress_queue_kind kind; /**< which item comes out first */
    size_t max;            /**< so many items at most; 0: no bound */
    size_t item_size;      /**< bytes of an item; 0: pointers */
    /** for CRESS_QUEUE_PRIORITY: < 0, 0, > 0 as strcmp(3), of two items: the pointers, or the
     * addresses of the bytes */
    int (*compare)(const void *a, const void *b);
    void (*drop)(void *item); /**< told of each item that is thrown away; must not block */
    bool joinable;            /**< counts tasks: cress_queue_task_done(), cress_queue_join() */
    bool shared;              /**< used by several threads, see cress/sync.h */
} cress_queue_options;

/** The start of every cress_queue_options. */
#define CRESS_QUEUE_OPTIONS_INIT CRESS__SIZED(cress_queue_options)

/** Make an empty queue. What was in the memory before is not looked at: a queue that has been used
 * has to be given back first (cress_queue_done()).
 *
 * Never switches. Any thread.
 *
 * @return 0; -EINVAL, size is not set, or the options do not fit together
 */
CRESS_API int cress_queue_init(cress_queue *queue, const cress_queue_options *options);

/** Throw the items away and give the memory back: it is as new, and all-zero. NULL is allowed.
 *
 * Never switches. The hub's thread. @return 0; -EBUSY, somebody waits
 */
CRESS_API int cress_queue_done(cress_queue *queue);

/** Put an item, waiting for room if need be. The item stays the caller's if it fails.
 *
 * Switches only if there is no room; then it is a cancellation point. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EPIPE, it is shut down; -EDEADLK,
 *         main, and nothing can make room; -EINVAL; -EPERM, waiting in a callback; -EXDEV; -ENOMEM;
 *         -EMFILE
 */
CRESS_API int cress_queue_put(cress_queue *queue, const void *item, cress_time timeout);

/** Put an item if there is room, or somebody is about to take one.
 *
 * Never switches. The hub's thread, callbacks too. @return as cress_queue_put()
 */
CRESS_API int cress_queue_try_put(cress_queue *queue, const void *item);

/** Get an item, waiting for one if need be.
 *
 * Switches only if there is none; then it is a cancellation point. The hub's thread.
 *
 * @param item  where it goes; written on success only
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EPIPE, it is shut down and empty;
 *         otherwise as cress_queue_put()
 */
CRESS_API int cress_queue_get(cress_queue *queue, void *item, cress_time timeout);

/** Get an item if there is one. Never switches. The hub's thread, callbacks too. */
CRESS_API int cress_queue_try_get(cress_queue *queue, void *item);

/** Look at the item that comes next, which stays. Otherwise as cress_queue_get(). */
CRESS_API int cress_queue_peek(cress_queue *queue, void *item, cress_time timeout);

/** How many items are there; 0 for NULL. Never switches. Any thread. */
CRESS_API size_t cress_queue_size(const cress_queue *queue);

/** Set another bound; 0: none. Those who wait for room are let in as it allows; what is there
 * already stays.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_queue_resize(cress_queue *queue, size_t max);

/** Of a joinable queue: a task that was got is done.
 *
 * Never switches. The hub's thread, callbacks too.
 *
 * @return 0; -EINVAL, not joinable, or more often than items were put; -EXDEV
 */
CRESS_API int cress_queue_task_done(cress_queue *queue);

/** Of a joinable queue: wait until all tasks that were put are done.
 *
 * Switches unless they are. A cancellation point. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EDEADLK; -EINVAL; -EPERM; -EXDEV;
 *         -EMFILE, -ENOMEM
 */
CRESS_API int cress_queue_join(cress_queue *queue, cress_time timeout);

/** Nothing more goes in: who puts gets -EPIPE, and so do getters once it is empty. now: the items
 * are thrown away at once, and their tasks are done. A second time does nothing (but now, where it
 * was not so before).
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_queue_shutdown(cress_queue *queue, bool now);

/** A case: there is an item. cress_choose() takes it, to where item points. result: 0; -EPIPE, it
 * is shut down and empty. */
CRESS_API cress_case cress_on_queue(cress_queue *queue, void *item);

#ifdef __cplusplus
}
#endif

#endif
