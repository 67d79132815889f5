#include "loop/notice.h"

#include "base/step.h"
#include "loop/loop.h"

/* Whether it was not there yet. */
static bool link_it(struct notice *n, cress_loop *loop)
{
    step_writes(&n->sent);
    if (atomic_exchange_explicit(&n->sent, true, memory_order_acq_rel)) /* (1) */
        return false;
    struct notice *head = atomic_load_explicit(&loop->noticed, memory_order_relaxed);
    step_writes(&loop->noticed);
    do
        n->next = head;
    while (!atomic_compare_exchange_weak(&loop->noticed, &head, n));
    return true;
}

void notice_send(struct notice *n, cress_loop *loop)
{
    if (link_it(n, loop))
        loop_wake_mt(loop);
}

void notice_send_later(struct notice *n, cress_loop *loop)
{
    if (link_it(n, loop))
        loop_wake_later(loop);
}

void notices_take(cress_loop *loop)
{
    step_reads(&loop->noticed);
    if (atomic_load_explicit(&loop->noticed, memory_order_relaxed) == NULL)
        return;
    step_writes(&loop->noticed);
    struct notice *newest = atomic_exchange_explicit(&loop->noticed, NULL, memory_order_acquire);
    struct notice *oldest = NULL;
    while (newest != NULL) {
        struct notice *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct notice *next = oldest->next;
        step_writes(&oldest->sent);
        atomic_exchange_explicit(&oldest->sent, false, memory_order_acq_rel); /* (1), (2) */
        oldest->come(oldest);
        oldest = next;
    }
}

void notice_end(struct notice *n, cress_loop *loop)
{
    step_reads(&n->sent);
    if (atomic_load_explicit(&n->sent, memory_order_relaxed))
        notices_take(loop);
}

void notice_after_fork(struct notice *n)
{
    if (atomic_exchange_explicit(&n->sent, false, memory_order_acq_rel))
        n->come(n);
}
