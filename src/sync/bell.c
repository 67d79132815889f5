#include "sync/bell.h"

#include "base/spin.h"
#include "base/step.h"
#include "base/sys.h"

static void come(struct notice *notice)
{
    struct bell *bell = container_of(notice, struct bell, notice);
    if (bell->co != NULL)
        hub_wake(bell->hub, bell->co, 0);
}

void bell_begin(struct bell *bell, struct cress_hub *h)
{
    *bell = (struct bell){ .notice.come = come, .hub = h };
    if (h == NULL)
        return;
    bell->co = h->thread->current;
    bell->counted = !(bell->co->flags & CORO_DAEMON); /* (4) */
    h->loop.refs += bell->counted;
    h->loop.listeners++;
}

void bell_ring(struct bell *bell)
{
    if (bell->hub != NULL) {
        notice_send_later(&bell->notice, &bell->hub->loop);
        return;
    }
    step_writes(&bell->rung);
    atomic_store_explicit(&bell->rung, 1, memory_order_release);
    word_wake_later(&bell->rung);
}

/* Of this thread, without a hub. */
static thread_local_fast struct spin spin;

/* A thread without a hub waits with all that is on it. It looks out for a moment before it sleeps,
 * as a loop does. */
static int wait_alone(struct bell *bell, cress_time timeout)
{
    cress_time deadline = cress_deadline(timeout), left = timeout;
    bool rung = false;
    for (unsigned looks = spin_begin(&spin); looks > 0 && !rung; looks--) {
        cpu_relax();
        rung = atomic_load_explicit(&bell->rung, memory_order_relaxed) != 0;
    }
    spin_end(&spin, rung);
    for (;;) {
        step_writes(&bell->rung);
        if (atomic_exchange_explicit(&bell->rung, 0, memory_order_acquire) != 0)
            return 0;
        if (left == 0)
            return -ETIMEDOUT;
        sys_futex_wait(&bell->rung, 0, left);
        left = cress_left(deadline);
    }
}

int bell_wait(struct bell *bell, const struct wait_info *info, cress_time timeout)
{
    if (bell->hub == NULL)
        return wait_alone(bell, timeout);
    return hub_park_until(bell->hub, bell->co, info, timeout);
}

void bell_end(struct bell *bell)
{
    if (bell->hub == NULL)
        return;
    notice_end(&bell->notice, &bell->hub->loop); /* (2) */
    bell->hub->loop.refs -= bell->counted;
    bell->hub->loop.listeners--;
}

void bell_drop(struct bell *bell)
{
    bell->co = NULL;
    bell_end(bell);
}
