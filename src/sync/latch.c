/* latch - a count that can be waited for to become zero. */
#include "sync/line.h"

#include <cress/sync.h>

struct latch {
    struct guard guard;
    struct line line;
    size_t count;
};
_Static_assert(sizeof(struct latch) <= sizeof(cress_latch), "cress_latch is too small");

static struct latch *inside(const cress_latch *l)
{
    return (struct latch *)(uintptr_t)l;
}

int cress_latch_init(cress_latch *public, size_t count, unsigned flags)
{
    struct latch *l = inside(public);
    if (l == NULL || flags & ~(unsigned)CRESS_SHARED)
        return -EINVAL;
    *l = (struct latch){ .count = count };
    guard_init(&l->guard, flags);
    return 0;
}

size_t cress_latch_count(const cress_latch *public)
{
    struct latch *l = inside(public);
    if (l == NULL || (guard_shared(&l->guard) && guard_lock(&l->guard) < 0))
        return 0;
    size_t count = l->count;
    guard_leave(&l->guard);
    return count;
}

int cress_latch_add(cress_latch *public, size_t n)
{
    struct latch *l = inside(public);
    int error = l != NULL ? guard_enter(&l->guard) : -EINVAL;
    if (error < 0)
        return error;
    if (n > SIZE_MAX - l->count)
        error = -EOVERFLOW;
    else
        l->count += n;
    guard_leave(&l->guard);
    return error;
}

int cress_latch_count_down(cress_latch *public, size_t n)
{
    struct latch *l = inside(public);
    int error = l != NULL ? guard_enter(&l->guard) : -EINVAL;
    if (error < 0)
        return error;
    if (n > l->count)
        error = -EINVAL;
    else
        l->count -= n;
    if (l->count == 0)
        line_grant_all(&l->line, &l->guard);
    guard_leave(&l->guard);
    return error;
}

int cress_latch_wait(cress_latch *public, cress_time timeout)
{
    struct latch *l = inside(public);
    if (l == NULL || timeout < 0)
        return -EINVAL;
    int error = wait_begins();
    if (error < 0 || (error = guard_enter(&l->guard)) < 0)
        return error;
    struct cress_hub *h;
    if (l->count > 0 && timeout > 0) {
        if ((error = line_enter(&l->guard, &h)) < 0)
            return error;
        if (l->count > 0) { /* others may have run */
            struct waiting w;
            waiting_init(&w, "waiting at a latch", NULL);
            error = line_wait(&l->line, &l->guard, &w, h, timeout);
        }
    } else if (l->count > 0) {
        error = -EAGAIN;
    }
    guard_leave(&l->guard);
    return error;
}
