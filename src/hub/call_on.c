/* call_on - a function that is called in a greenlet of another thread's hub, while one of ours
 * waits.
 *
 *     ASKED -> BEGUN       [its greenlet runs; or will never run, and says so]
 *     ASKED -> CANCELLED   [the caller, which leaves]
 *
 * (1) Whoever changes the state from ASKED decides; so a cancelled call is never made.
 * (2) The call lies on the heap, for a cancelled one has still to be found by the other hub: one
 *     reference of the caller's, one of the other's.
 * (3) The other hub answers when its greenlet has ended, however that came.
 */
#include "base/alloc.h"
#include "base/step.h"
#include "hub/lent.h"
#include "hub/scope.h"

#include <errno.h>

enum state { ASKED, BEGUN, CANCELLED };

struct call {
    struct notice request; /* to the other hub */
    struct lent lent;      /* and back */
    struct greenlet_link link;
    struct cress_greenlet *g; /* that makes the call */
    struct cress_hub *on;
    int (*fn)(void *arg);
    void *arg;
    int result;
    bool returned;
    unsigned forks;
    atomic_uint state, refs;
};

static void release(struct call *call)
{
    step_writes(&call->refs);
    if (atomic_fetch_sub(&call->refs, 1) == 1)
        cress__free(call);
}

/* (1): false, the other side was first. */
static bool decide(struct call *call, unsigned state)
{
    unsigned asked = ASKED;
    step_writes(&call->state);
    return atomic_compare_exchange_strong(&call->state, &asked, state);
}

/* --- in the other hub ------------------------------------------------------------------------ */

static void answer(struct call *call, int result)
{
    call->result = result;
    errand_done(&call->lent.errand);
}

static void *make_call(void *arg)
{
    struct call *call = arg;
    if (decide(call, BEGUN)) {
        call->result = call->fn(call->arg);
        call->returned = true;
    }
    return NULL;
}

/* What is said when fn has not returned. Before it runs, only the end of its hub kills it. */
static int without_result(const struct call *call, bool begun)
{
    switch ((cress_outcome_kind)call->g->outcome) {
    case CRESS_FAILED: /* by cress_exit_error(), or without a stack */
        return call->g->error;
    case CRESS_KILLED:
        return !begun || hub_has_ended(call->on) ? -EOWNERDEAD : -ECANCELED;
    default:
        return 0; /* cress_exit() */
    }
}

static void greenlet_ended(struct greenlet_link *link)
{
    struct call *call = container_of(link, struct call, link);
    step_reads(&call->state);
    bool begun = atomic_load(&call->state) == BEGUN;
    if (begun || decide(call, BEGUN)) /* (3) */
        answer(call, call->returned ? call->result : without_result(call, begun));
    release(call);
}

static void requested(struct notice *notice)
{
    struct call *call = container_of(notice, struct call, request);
    if (call->forks != cress__forks) /* it was made in the parent */
        return;
    struct cress_hub *h = call->on;
    step_reads(&call->state);
    if (atomic_load(&call->state) == ASKED &&
        (call->g = greenlet_new(h, make_call, call)) != NULL) {
        call->link.fire = greenlet_ended;
        greenlet_link(call->g, &call->link);
        runq_push(&h->loop.ready, &greenlet_coro(call->g)->node);
        return;
    }
    if (decide(call, BEGUN))
        answer(call, -ENOMEM);
    release(call);
}

/* --- in the caller's ------------------------------------------------------------------------- */

static bool take_back(struct lent *lent)
{
    return decide(container_of(lent, struct call, lent), CANCELLED);
}

/* The caller is gone. In a child process the other side is, too. */
static void over(struct lent *lent)
{
    struct call *call = container_of(lent, struct call, lent);
    if (call->forks != cress__forks)
        cress__free(call);
    else
        release(call);
}

static int wait_for_answer(struct call *call, struct cress_hub *h)
{
    lent_begin(&call->lent, h, "calling on another hub");
    notice_send(&call->request, &call->on->loop);
    outside_leave(call->on);
    int error = lent_wait(&call->lent, h);
    if (error == 0)
        error = call->result;
    release(call);
    return error;
}

int cress_call_on(cress_hub *hub, int (*fn)(void *arg), void *arg)
{
    if (hub == NULL || fn == NULL)
        return -EINVAL;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    if (hub == h)
        return fn(arg);
    if ((error = scope_point(h, h->thread->current)) < 0)
        return error;
    struct call *call = cress__calloc(1, sizeof *call);
    if (call == NULL)
        return -ENOMEM;
    if ((error = outside_find(hub)) < 0) {
        cress__free(call);
        return error;
    }
    *call = (struct call){
        .request.come = requested,
        .lent = { .take_back = take_back, .over = over },
        .on = hub,
        .fn = fn,
        .arg = arg,
        .forks = cress__forks,
    };
    atomic_init(&call->state, ASKED);
    atomic_init(&call->refs, 2);
    return wait_for_answer(call, h);
}
