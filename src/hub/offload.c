#include "hub/offload.h"

#include "hub/scope.h"

#include <cress/offload.h>

#include <errno.h>

/* --- a loan ---------------------------------------------------------------------------------- */

static void done(struct job *job)
{
    errand_done(&container_of(job, struct loan, job)->lent.errand);
}

static bool take_back(struct lent *lent)
{
    struct loan *loan = container_of(lent, struct loan, lent);
    return workers_take_back(loan->workers, &loan->job);
}

int offload_begin(struct workers *workers, struct loan *loan, struct cress_hub *h)
{
    int error = scope_point(h, h->thread->current);
    if (error < 0)
        return error;
    loan->job.done = done;
    loan->workers = workers;
    loan->lent.take_back = take_back;
    lent_begin(&loan->lent, h, "for an offloaded call");
    if (unlikely((error = workers_put(workers, &loan->job)) < 0))
        lent_undo(&loan->lent);
    return error;
}

/* --- for everybody --------------------------------------------------------------------------- */

/* As many as gevent has. They wait for disks and name servers, not for processors. */
enum { OFFLOAD_THREADS = 10 };

static struct workers offload_workers = { WORKERS_INIT, .most = OFFLOAD_THREADS, .refs = 1,
                                          .idle_time = CRESS_SECONDS(10), .name = "cress-offload" };

struct call {
    struct loan loan;
    int (*fn)(void *arg);
    void *arg;
    int result;
};

static void call(struct job *job)
{
    struct call *c = container_of(job, struct call, loan.job);
    c->result = c->fn(c->arg);
}

int cress_offload(int (*fn)(void *arg), void *arg)
{
    if (fn == NULL)
        return -EINVAL;
    if (!closed() && (hub_current() == NULL || workers_inside(NULL)))
        return fn(arg); /* nobody else would run meanwhile */
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    struct call c = { .loan.job.run = call, .fn = fn, .arg = arg };
    if ((error = offload_begin(&offload_workers, &c.loan, h)) == 0)
        error = lent_wait(&c.loan.lent, h);
    return error < 0 ? error : c.result;
}

/* Not 0: who waits for a worker that nobody lets come could not be told, for its hub does not know
 * what other threads are about to do. */
int cress_offload_set_size(size_t threads)
{
    return threads > 0 ? workers_resize(&offload_workers, threads) : -EINVAL;
}

size_t cress_offload_size(void)
{
    return workers_count(&offload_workers).most;
}
