#include "hub/workers.h"

#include "base/clock.h"
#include "base/fork.h"
#include "hub/hub.h"

#include <errno.h>

static thread_local_fast struct workers *mine;

bool workers_inside(const struct workers *w)
{
    return mine != NULL && (w == NULL || w == mine);
}

/* --- the lock -------------------------------------------------------------------------------- */

/* (4): whatever state the lock was in, nobody holds it. */
static noinline void begin_anew(struct workers *w)
{
    uint64_t mask = fork_lock();
    if (atomic_load(&w->forks) != cress__forks) {
        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->work, NULL);
        w->first = NULL;
        w->queued = w->idle = w->threads = 0;
        w->waking = false;
        atomic_store(&w->forks, cress__forks);
    }
    fork_unlock(mask);
}

static inline void lock(struct workers *w)
{
    if (unlikely(atomic_load_explicit(&w->forks, memory_order_acquire) != cress__forks))
        begin_anew(w);
    pthread_mutex_lock(&w->lock);
}

static inline void unlock(struct workers *w)
{
    pthread_mutex_unlock(&w->lock);
}

/* Unlock; and if that was the last that anybody has to do with it, say so. */
static void unlock_and_leave(struct workers *w)
{
    bool gone = w->refs == 0 && w->threads == 0;
    unlock(w);
    if (gone)
        w->gone(w);
}

/* --- the queue ------------------------------------------------------------------------------- */

static void push(struct workers *w, struct job *job)
{
    job->next = NULL;
    if (w->first == NULL)
        w->first = job;
    else
        w->last->next = job;
    w->last = job;
    w->queued++;
}

static struct job *pop(struct workers *w)
{
    struct job *job = w->first;
    if (job != NULL) {
        w->first = job->next;
        w->queued--;
    }
    return job;
}

static bool take_out(struct workers *w, const struct job *job)
{
    struct job *before = NULL;
    for (struct job *at = w->first; at != NULL; before = at, at = at->next) {
        if (at != job)
            continue;
        if (before == NULL)
            w->first = job->next;
        else
            before->next = job->next;
        if (w->last == job)
            w->last = before;
        w->queued--;
        return true;
    }
    return false;
}

/* Whether a thread is to be woken for what is in the queue: one at a time, see (5). */
static inline bool has_to_wake(struct workers *w)
{
    bool wake = w->queued > 0 && w->idle > 0 && !w->waking;
    w->waking |= wake;
    return wake;
}

/* --- a thread -------------------------------------------------------------------------------- */

/* Wait for a job, at most for the idle time. false: it has passed. */
static bool wait_for_work(struct workers *w)
{
    struct timespec until;
    cress_time deadline = sys_now();
    if (__builtin_add_overflow(deadline, w->idle_time, &deadline))
        deadline = CRESS_FOREVER;
    until.tv_sec = deadline / CRESS_SECONDS(1);
    until.tv_nsec = deadline % CRESS_SECONDS(1);
    w->idle++;
    int error = pthread_cond_clockwait(&w->work, &w->lock, CLOCK_MONOTONIC, &until);
    w->idle--;
    w->waking = false;
    return error != ETIMEDOUT;
}

static void *work(void *arg)
{
    struct workers *w = mine = arg;
    unsigned forks = cress__forks;
    helper_name(w->name);
    lock(w);
    for (bool idle_too_long = false; w->threads <= w->most;) {
        struct job *job = pop(w);
        if (job != NULL) {
            bool wake = has_to_wake(w);
            unlock(w);
            if (wake)
                pthread_cond_signal(&w->work);
            job->run(job);
            if (cress__forks != forks)
                return NULL; /* (4) */
            job->done(job);
            if (unlikely(hub_current() != NULL)) /* the job has made it */
                cress_hub_destroy(GRACE_AT_END);
            lock(w);
            idle_too_long = false;
        } else if (w->refs == 0 || idle_too_long) {
            break;
        } else {
            idle_too_long = !wait_for_work(w);
        }
    }
    w->threads--;
    unlock_and_leave(w);
    return NULL;
}

/* One more. */
static int start_thread(struct workers *w)
{
    int error = helper_start(work, w, w->stack_size); /* locked: see (1) */
    w->threads += error == 0;
    return error;
}

/* --- for all --------------------------------------------------------------------------------- */

int workers_put(struct workers *w, struct job *job)
{
    lock(w);
    push(w, job);
    if (likely(w->queued <= w->idle)) {
        bool wake = has_to_wake(w);
        unlock(w); /* first: who is woken asks for it */
        if (wake)
            pthread_cond_signal(&w->work);
        return 0;
    }
    int error = w->threads < w->most ? start_thread(w) : 0;
    if (w->threads > 0)
        error = 0;
    if (error < 0)
        take_out(w, job); /* (3) */
    unlock(w);
    return error;
}

bool workers_take_back(struct workers *w, struct job *job)
{
    lock(w);
    bool taken = take_out(w, job);
    unlock(w);
    return taken;
}

int workers_resize(struct workers *w, size_t most)
{
    lock(w);
    w->most = most;
    pthread_cond_broadcast(&w->work); /* some may have to end */
    int error = 0;
    size_t n = w->queued > w->idle ? w->queued - w->idle : 0;
    for (; n > 0 && w->threads < w->most && error == 0; n--) {
        error = start_thread(w);
        unlock(w); /* let them begin, one after the other */
        lock(w);
    }
    if (w->threads > 0 || w->queued == 0)
        error = 0;
    unlock(w);
    return error;
}

void workers_ref(struct workers *w)
{
    lock(w);
    w->refs++;
    unlock(w);
}

void workers_unref(struct workers *w)
{
    lock(w);
    if (--w->refs == 0)
        pthread_cond_broadcast(&w->work);
    unlock_and_leave(w);
}

struct workers_counts workers_count(struct workers *w)
{
    lock(w);
    struct workers_counts counts = {
        .most = w->most, .threads = w->threads, .idle = w->idle, .queued = w->queued
    };
    unlock(w);
    return counts;
}
