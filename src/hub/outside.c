#include "hub/outside.h"

#include "base/alloc.h"
#include "base/step.h"
#include "base/sys.h"
#include "hub/hub.h"

#include <errno.h>

void outside_init(struct outside *outside)
{
    list_init(&outside->errands);
    atomic_init(&outside->kept, 1);
    atomic_init(&outside->door, DOOR_SHUT);
}

void outside_open(struct outside *outside)
{
    atomic_store(&outside->door, DOOR_OPEN);
}

/* --- the door -------------------------------------------------------------------------------- */

/* Through a door that is so far open. */
static int enter(struct cress_hub *h, enum door door)
{
    step_writes(&h->outside.in_door);
    atomic_fetch_add(&h->outside.in_door, 1);
    step_reads(&h->outside.door);
    if (atomic_load(&h->outside.door) >= (int)door) /* (1) */
        return 0;
    outside_leave(h);
    return -EOWNERDEAD;
}

int outside_enter(struct cress_hub *h)
{
    return enter(h, DOOR_AJAR);
}

void outside_leave(struct cress_hub *h)
{
    step_writes(&h->outside.in_door);
    atomic_fetch_sub(&h->outside.in_door, 1);
}

int outside_find(struct cress_hub *h)
{
    loops_refresh(); /* in a child process, those of threads that are not there are no more */
    uint64_t mask = fork_lock();
    int error = loop_lives(&h->loop) ? enter(h, DOOR_OPEN) : -EOWNERDEAD;
    fork_unlock(mask);
    return error;
}

void hub_keep(struct cress_hub *h)
{
    atomic_fetch_add_explicit(&h->outside.kept, 1, memory_order_relaxed);
}

void hub_unkeep(struct cress_hub *h)
{
    step_writes(&h->outside.kept);
    if (atomic_fetch_sub_explicit(&h->outside.kept, 1, memory_order_acq_rel) == 1)
        cress__free(h);
}

bool hub_has_ended(const struct cress_hub *h)
{
    step_reads(&h->outside.door);
    return atomic_load(&h->outside.door) == DOOR_SHUT;
}

/* Who is in it does a few stores, and perhaps wakes the loop. */
static void wait_for_door(struct cress_hub *h)
{
    step_reads(&h->outside.in_door);
    while (atomic_load(&h->outside.in_door) > 0) {
        step_waits(&h->outside.in_door);
        sys_sched_yield();
    }
}

/* --- errands --------------------------------------------------------------------------------- */

static void come(struct notice *notice)
{
    struct errand *e = container_of(notice, struct errand, notice);
    if (!list_linked(&e->node))
        return; /* lost in a child process */
    errand_end(e);
    e->back(e);
}

void errand_begin(struct errand *e, struct cress_hub *h, bool counted)
{
    e->notice.next = NULL;
    atomic_init(&e->notice.sent, false);
    e->notice.come = come;
    e->hub = h;
    e->counted = counted;
    h->loop.refs += counted;
    list_push(&h->outside.errands, &e->node);
}

void errand_end(struct errand *e)
{
    list_remove(&e->node);
    e->hub->loop.refs -= e->counted;
}

bool errand_done(struct errand *e)
{
    struct cress_hub *h = e->hub;
    if (e->lent) {
        step_writes(&h->outside.in_door);
        atomic_fetch_add(&h->outside.in_door, 1); /* (3): also when it is shut */
    } else if (outside_enter(h) < 0) {
        return false;
    }
    notice_send(&e->notice, &h->loop);
    outside_leave(h);
    return true;
}

/* --- the end --------------------------------------------------------------------------------- */

static void close_door(struct cress_hub *h, enum door door)
{
    step_writes(&h->outside.door);
    atomic_store(&h->outside.door, (int)door);
    wait_for_door(h);
    notices_take(&h->loop);
}

void outside_end_begins(struct cress_hub *h)
{
    close_door(h, DOOR_AJAR);
}

void outside_shut(struct cress_hub *h)
{
    close_door(h, DOOR_SHUT);
}

static bool something_lent(const struct cress_hub *h)
{
    const struct list *errands = &h->outside.errands;
    for (const struct list *n = errands->next; n != errands; n = n->next)
        if (container_of(n, const struct errand, node)->lent)
            return true;
    return false;
}

void outside_lose_errands(struct cress_hub *h, bool in_child)
{
    struct list *errands = &h->outside.errands;
    while (!list_empty(errands)) {
        struct errand *e = container_of(errands->next, struct errand, node);
        errand_end(e);
        e->lost(e, in_child);
    }
}

void outside_end(struct cress_hub *h)
{
    while (something_lent(h))
        loop_wait_told(&h->loop);
    wait_for_door(h);
    outside_lose_errands(h, false);
}

void outside_after_fork(struct cress_hub *h)
{
    atomic_store(&h->outside.in_door, 0); /* (4) */
    notices_take(&h->loop);               /* what had come before */
}
