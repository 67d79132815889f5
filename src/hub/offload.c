#include "hub/offload.h"

#include "hub/scope.h"

#include <cress/offload.h>

#include <errno.h>

/* --- a loan ---------------------------------------------------------------------------------- */

static void done(struct job *job)
{
    errand_done(&container_of(job, struct loan, job)->errand);
}

static void back(struct errand *errand)
{
    struct loan *loan = container_of(errand, struct loan, errand);
    loan->done = true;
    if (loan->co != NULL)
        hub_grant(errand->hub, loan->co);
}

static bool take_back(struct loan *loan)
{
    if (!workers_take_back(loan->workers, &loan->job))
        return false;
    errand_end(&loan->errand);
    return true;
}

/* What runs is waited for by the end of the hub. In a child process nothing runs. */
static void dropped(const struct wait_info *info)
{
    struct loan *loan = container_of((struct wait_info *)(uintptr_t)info, struct loan, info);
    loan->co = NULL;
    if (loan->done)
        return;
    if (loan->forks != cress__forks)
        errand_end(&loan->errand);
    else
        take_back(loan);
}

int offload_wait(struct workers *workers, struct loan *loan, struct cress_hub *h)
{
    cress_coro *self = h->thread->current;
    int error = scope_point(h, self);
    if (error < 0)
        return error;
    loan->job.done = done;
    loan->errand.lent = true;
    loan->errand.back = back;
    loan->errand.lost = NULL;
    loan->info = (struct wait_info){ .what = "for an offloaded call", .unlink = dropped };
    loan->workers = workers;
    loan->co = self;
    loan->forks = cress__forks;
    loan->done = false;
    errand_begin(&loan->errand, h, !(self->flags & CORO_DAEMON));
    if ((error = workers_put(workers, &loan->job)) < 0) {
        errand_end(&loan->errand);
        return error;
    }
    hub_park_untold(h, self, &loan->info);
    if (likely(loan->done))
        return 0;
    if (take_back(loan))
        return scope_woken(self);
    loan->info.firm = true;
    while (!loan->done)
        hub_park_untold(h, self, &loan->info);
    return 0;
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
    error = offload_wait(&offload_workers, &c.loan, h);
    return error < 0 ? error : c.result;
}
