/* workers - threads that run jobs, first in, first out: what offload and thread pools are made of.
 *
 *     put -> queued -> run, done           [a worker]
 *            queued -> not there           [workers_take_back, if no worker has it yet]
 *
 * A thread is started when there are more jobs in the queue than threads that wait for one. It ends
 * when it has had nothing to do for the idle time, or there are more than there shall be.
 *
 * (1) All but `forks` is under the lock, which is held for a few lines, and never while a job runs;
 *     but also while a thread is made. So one that is counted is there: nobody leaves his job to a
 *     thread that then cannot be made.
 * (2) `idle` counts the threads that wait, also those that were woken and have not run yet: their
 *     jobs are in the queue as long.
 * (3) With the queue not empty there is a thread, unless there shall be none.
 * (4) In a child process there are no threads, and the queue is empty: see `forks`. A thread that
 *     has forked is the child's only one; when its job has returned, the process ends.
 * (5) One thread is woken at a time, and wakes the next one before it begins with its job, if there
 *     is more: where jobs are short, it will have taken them all before. `waking` is set from then
 *     until some thread has come out of its wait; each of those looks into the queue.
 */
#ifndef CRESS_HUB_WORKERS_H
#define CRESS_HUB_WORKERS_H

#include "base/helper.h"

#include <cress/base.h>

#include <pthread.h>
#include <stdatomic.h>

struct job {
    struct job *next;
    void (*run)(struct job *job);  /* the user's part; may take long */
    void (*done)(struct job *job); /* then this: the last that the worker has to do with it */
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, *last;     /* the queue */
    size_t queued, idle, threads; /* see (2) */
    bool waking;                  /* see (5) */
    size_t most;                  /* threads there shall be */
    size_t refs;                  /* of who uses them; 0: threads end when the queue is empty */
    void (*gone)(struct workers *workers); /* no refs, no threads: not touched any more */
    cress_time idle_time;
    size_t stack_size;
    char name[HELPER_NAME];
    atomic_uint forks; /* the count of forks that all this is of */
};

/* Field by field by the caller, for a constant; the rest by this. */
#define WORKERS_INIT .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER

/* Put a job at the end of the queue. 0; or -EAGAIN and its kind: no thread could be started, and
 * none is there. */
int workers_put(struct workers *workers, struct job *job);

/* Take one out of the queue. false: it has begun, or is over. */
bool workers_take_back(struct workers *workers, struct job *job);

/* Have at most so many threads. 0; or why none could be started, though some jobs wait. */
int workers_resize(struct workers *workers, size_t most);

/* One more who uses them, one less. */
void workers_ref(struct workers *workers);
void workers_unref(struct workers *workers);

/* Whether this is a thread of theirs; NULL: of any. */
bool workers_inside(const struct workers *workers);

struct workers_counts {
    size_t most, threads, idle, queued;
};

struct workers_counts workers_count(struct workers *workers);

#endif
