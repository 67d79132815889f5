/* barrier - where a number of greenlets wait for each other. */
#include "sync/line.h"

#include <cress/sync.h>

struct barrier {
    struct guard guard;
    struct line line;
    uint32_t n, here; /* of this round */
};
_Static_assert(sizeof(struct barrier) <= sizeof(cress_barrier), "cress_barrier is too small");

static struct barrier *inside(cress_barrier *b)
{
    return (struct barrier *)(void *)b;
}

int cress_barrier_init(cress_barrier *public, uint32_t n, unsigned flags)
{
    struct barrier *b = inside(public);
    if (b == NULL || n == 0 || flags != 0)
        return -EINVAL;
    *b = (struct barrier){ .n = n };
    return 0;
}

/* If not all have come, it has not come either. */
static void dropped(struct waiting *w)
{
    if (!w->place.granted)
        container_of(w->guard, struct barrier, guard)->here--;
}

int cress_barrier_wait(cress_barrier *public, cress_time timeout)
{
    struct barrier *b = inside(public);
    if (b == NULL || b->n == 0 || timeout < 0)
        return -EINVAL;
    int error = guard_enter(&b->guard);
    if (error < 0)
        return error;
    if (b->here + 1 < b->n) {
        if (timeout == 0)
            return -EAGAIN;
        struct cress_hub *h;
        if ((error = line_enter(&b->guard, &h)) < 0)
            return error;
        if (b->here + 1 < b->n) { /* others may have run */
            struct waiting w;
            waiting_init(&w, "waiting at a barrier", dropped);
            b->here++;
            error = line_wait(&b->line, &b->guard, &w, h, timeout);
            dropped(&w);
            return error;
        }
    }
    b->here = 0;
    line_grant_all(&b->line, &b->guard);
    return 1;
}
