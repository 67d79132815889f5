/* latch - a count that can be waited for to become zero. */
#include "sync/line.h"

#include <cress/sync.h>

struct latch {
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
    int error = l != NULL ? line_init_check(&l->line, flags, 0) : -EINVAL;
    if (error == 0)
        *l = (struct latch){ .count = count };
    return error;
}

size_t cress_latch_count(const cress_latch *public)
{
    return public != NULL ? inside(public)->count : 0;
}

int cress_latch_add(cress_latch *public, size_t n)
{
    struct latch *l = inside(public);
    int error = l != NULL ? line_check(&l->line) : -EINVAL;
    if (error < 0)
        return error;
    if (n > SIZE_MAX - l->count)
        return -EOVERFLOW;
    l->count += n;
    return 0;
}

int cress_latch_count_down(cress_latch *public, size_t n)
{
    struct latch *l = inside(public);
    int error = l != NULL ? line_check(&l->line) : -EINVAL;
    if (error < 0)
        return error;
    if (n > l->count)
        return -EINVAL;
    l->count -= n;
    if (l->count == 0)
        line_grant_all(&l->line);
    return 0;
}

static void dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    line_leave(&((struct latch *)w->object)->line, &w->place);
}

int cress_latch_wait(cress_latch *public, cress_time timeout)
{
    struct latch *l = inside(public);
    if (l == NULL || timeout < 0)
        return -EINVAL;
    int error = wait_begins();
    if (error < 0 || (error = line_check(&l->line)) < 0)
        return error;
    if (l->count == 0)
        return 0;
    if (timeout == 0)
        return -EAGAIN;
    struct cress_hub *h;
    if ((error = line_enter(&l->line, &h)) < 0)
        return error;
    struct waiting w;
    waiting_init(&w, l, "waiting at a latch", dropped);
    return line_wait(&l->line, &w, h, timeout);
}
