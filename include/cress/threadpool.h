/** @file cress/threadpool.h
 * Pools of threads: blocking work of one kind, for so many threads at most.
 *
 *     cress_job *job;
 *     int error = cress_threadpool_spawn(pool, compress, copy, free, CRESS_FOREVER, &job);
 *     ...
 *     error = cress_job_get(job, CRESS_SECONDS(5), &value);
 *     cress_job_free(job);
 *
 * A job has an argument of its own: who waits for it may go away, be killed or run out of time; the
 * job goes on, and what it returns is discarded. For a call whose argument lies with the caller
 * there is cress_offload(), see cress/offload.h; what is said there of threads, signals and fork(2)
 * holds for pools, too.
 *
 * A job keeps cress_run() going until it has ended, unless a daemon greenlet has put it in; then
 * only while somebody who is no daemon waits for it, or for its pool. What is queued in a pool of
 * size 0 keeps nobody: who waits for it in main is told -EDEADLK when nothing else is left.
 */
#ifndef CRESS_THREADPOOL_H
#define CRESS_THREADPOOL_H

#include <cress/base.h>
#include <cress/greenlet.h>
#include <cress/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- pools ----------------------------------------------------------------------------------- */

/** Threads of its own for jobs of one kind. It belongs to the hub's thread that made it. Opaque. */
typedef struct cress_threadpool cress_threadpool;

/** A job that has been put into a pool. Opaque. */
typedef struct cress_job cress_job;

/** What cress_threadpool_new() may be told. Start with CRESS_THREADPOOL_OPTIONS_INIT. */
typedef struct cress_threadpool_options {
    size_t size;        /**< set by CRESS_THREADPOOL_OPTIONS_INIT */
    const char *name;   /**< of the threads (15 bytes of it); NULL: "cress-pool" */
    size_t threads;     /**< at most so many; 0: 10 */
    size_t max_threads; /**< what cress_threadpool_set_size() may raise it to; 0: 1024 */
    size_t stack_size;  /**< bytes of stack of a thread; 0: as all threads have */
    cress_time idle;    /**< a thread without a job ends after that; 0: 10 s */
} cress_threadpool_options;

/** The start of every cress_threadpool_options. */
#define CRESS_THREADPOOL_OPTIONS_INIT CRESS__SIZED(cress_threadpool_options)

/** Make a pool. No thread is started yet.
 *
 * Never switches. Any thread; the pool is this thread's hub's.
 *
 * @return 0; -EINVAL, out is NULL, size is not set, idle is negative, threads above max_threads;
 *         -ENOMEM; -EMFILE
 */
CRESS_API int cress_threadpool_new(const cress_threadpool_options *options, cress_threadpool **out);

/** Give a pool up. Jobs that are in it run to their end, queued ones too (where the size was 0 a
 * thread is started for them); nobody has to wait for that. Their handles stay good.
 *
 * Never switches. The hub's thread, or any once that hub has ended. NULL is allowed.
 *
 * @return 0; -EBUSY, somebody waits for room in it, to join it, or in a map; -EAGAIN, there is no
 *         thread for the queued jobs of one whose size is 0, and the system has none; -EXDEV; after
 *         any of these but 0 the pool is as it was
 */
CRESS_API int cress_threadpool_free(cress_threadpool *pool);

/** Have fn(arg) called by a worker. As many jobs may wait in the queue as there are threads; when
 * there are more the caller waits for room, those who came first first.
 *
 * On success arg is the job's; after any error it is the caller's. What fn returns is for
 * cress_job_get(), unless the job is given up before: then discard is called with it, once, by the
 * worker or by who gives the job up. discard may be NULL, and must be callable in any thread, as
 * free(3) is.
 *
 * Switches only if there is no room. A cancellation point if it waits. The hub's thread.
 *
 * @param out  a handle, to be given to cress_job_free(); NULL: the job is given up at once
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0 and there is no room, or no thread could be started
 *         and there is none; -ECANCELED; -EDEADLK, main waits for room, the size is 0, and nobody
 *         can raise it; -EINVAL; -EPERM, waiting in a callback; -EXDEV, also from a worker;
 *         -EOWNERDEAD, the pool's hub has ended; -ENOMEM
 */
CRESS_API int cress_threadpool_spawn(cress_threadpool *pool, cress_fn fn, void *arg,
                                     void (*discard)(void *value), cress_time timeout,
                                     cress_job **out);

/** Have fn(arg) called by a worker and wait for what it returns. Needs no room: the caller waits
 * anyhow. In a worker of this pool fn is called directly, so that a full pool does not wait for
 * itself.
 *
 * A cancelled call gives the job up: it runs all the same, and what fn returns is discarded. That
 * holds whenever this gives -ECANCELED. So it is with -EDEADLK, but that the job waits until the
 * pool has threads again, or is freed.
 *
 * With 0, -ECANCELED and -EDEADLK arg is the job's: fn has been called with it, or will be. With
 * all other errors it is the caller's: fn is never called.
 *
 * Switches. A cancellation point. The hub's thread, and the pool's workers.
 *
 * @param value  NULL, then what fn returned is discarded; written on success only
 * @return 0; -ECANCELED; -EDEADLK, main waits, the pool has no threads, and nobody can raise its
 *         size; -EAGAIN, no thread could be started and there is none; -EINVAL; -EPERM, in a
 *         callback; -EXDEV; -EOWNERDEAD; -ENOMEM
 */
CRESS_API int cress_threadpool_apply(cress_threadpool *pool, cress_fn fn, void *arg,
                                     void (*discard)(void *value), void **value);

/** Have fn called with each of n args, in their order, by as many workers as the pool has, and wait
 * for all. Other jobs of the pool have their turns between them. In a worker of this pool fn is
 * called directly.
 *
 * After an error no more of them are begun, and those that run are waited for, as cress_offload()
 * does: so the args are the caller's again whenever this returns, and the results that are not NULL
 * are his, too.
 *
 * Switches. A cancellation point. The hub's thread, and the pool's workers.
 *
 * @param results  NULL; or n values in the order of the args, always written, NULL for what did not
 *                 run
 * @return 0; otherwise the first error, of those of cress_threadpool_apply(): some did not run
 */
CRESS_API int cress_threadpool_map(cress_threadpool *pool, cress_fn fn, void *const *args, size_t n,
                                   void **results);

/** Wait until no job is left, queued or running.
 *
 * Switches unless there is none. A cancellation point. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EDEADLK, main waits, the pool has no
 *         threads, and nobody can raise its size; -EINVAL; -EPERM, in a callback; -EXDEV;
 *         -EOWNERDEAD
 */
CRESS_API int cress_threadpool_join(cress_threadpool *pool, cress_time timeout);

/** Have at most so many threads. With 0 no job is begun. Threads above the number end with the job
 * that they have. Who waits for room is let in as it allows.
 *
 * Never switches. The hub's thread, callbacks too.
 *
 * @return 0; -EINVAL, above max_threads; -EAGAIN, the size is set, but jobs wait for a thread that
 *         the system does not have; -EXDEV; -EOWNERDEAD
 */
CRESS_API int cress_threadpool_set_size(cress_threadpool *pool, size_t threads);

/** What cress_threadpool_stats() tells. */
typedef struct cress_threadpool_counts {
    size_t size;    /**< set by CRESS_THREADPOOL_COUNTS_INIT */
    size_t most;    /**< at most so many threads */
    size_t threads; /**< alive now */
    size_t idle;    /**< of these, waiting for a job */
    size_t queued;  /**< jobs that have not begun */
    size_t jobs;    /**< jobs of which the hub does not know yet that they have ended */
} cress_threadpool_counts;

/** The start of every cress_threadpool_counts. */
#define CRESS_THREADPOOL_COUNTS_INIT CRESS__SIZED(cress_threadpool_counts)

/** Look at a pool. Never switches. The hub's thread. @return 0; -EINVAL, size is not set; -EXDEV;
 * -EOWNERDEAD */
CRESS_API int cress_threadpool_stats(cress_threadpool *pool, cress_threadpool_counts *out);

/* --- jobs ------------------------------------------------------------------------------------ */

/** Wait until the job has ended, and tell what it returned, which is the caller's from then on.
 * Further calls tell the same. value may be NULL and is written on success only.
 *
 * Switches unless it has ended. A cancellation point; the job goes on. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EDEADLK, main waits, the pool has no
 *         threads, and nobody can raise its size; -EINVAL; -EPERM, in a callback; -EXDEV;
 *         -EOWNERDEAD, the pool's hub has ended; or in a child process, the job is the parent's
 */
CRESS_API int cress_job_get(cress_job *job, cress_time timeout, void **value);

/** Whether it has ended, and a get would return at once. NULL has not. Never switches. The hub's
 * thread. */
CRESS_API bool cress_job_ready(const cress_job *job);

/** Give the handle back. What the job returns or has returned is discarded if nobody got it.
 * Nobody may wait for it. NULL is allowed.
 *
 * Never switches. Any thread, one at a time.
 */
CRESS_API void cress_job_free(cress_job *job);

/** A case: the job has ended. NULL: never. The hub's thread: elsewhere the wait gives -EXDEV, and
 * -EOWNERDEAD when the pool's hub has ended. */
CRESS_API cress_case cress_on_job(cress_job *job);

#ifdef __cplusplus
}
#endif

#endif
