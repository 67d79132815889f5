/* cond - waiting for a condition that a mutex protects. */
#include "sync/mutex.h"

struct cond {
    struct line line;
};
_Static_assert(sizeof(struct cond) <= sizeof(cress_cond), "cress_cond is too small");

static struct cond *inside(cress_cond *c)
{
    return (struct cond *)(void *)c;
}

int cress_cond_init(cress_cond *public, unsigned flags)
{
    struct cond *c = inside(public);
    int error = c != NULL ? line_init_check(&c->line, flags, 0) : -EINVAL;
    if (error == 0)
        *c = (struct cond){ 0 };
    return error;
}

static void dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    struct cond *c = w->object;
    line_leave(&c->line, &w->place);
}

int cress_cond_wait(cress_cond *public, cress_mutex *mutex, cress_time timeout)
{
    struct cond *c = inside(public);
    if (c == NULL || mutex == NULL || timeout < 0)
        return -EINVAL;
    if (!cress_mutex_owned(mutex))
        return -EPERM;
    int error = line_check(&c->line);
    if (error < 0)
        return error;
    if (timeout == 0)
        return -EAGAIN;
    struct cress_hub *h;
    if ((error = line_enter(&c->line, &h)) < 0)
        return error;
    struct mutex *m = mutex_inside(mutex);
    uint32_t depth = mutex_give_up(m);
    struct waiting w;
    waiting_init(&w, c, "waiting for a condition", dropped);
    error = line_wait(&c->line, &w, h, timeout);
    int failed = mutex_take_again(m, h, depth);
    return failed < 0 ? failed : error;
}

int cress_cond_signal(cress_cond *public)
{
    struct cond *c = inside(public);
    int error = c != NULL ? line_check(&c->line) : -EINVAL;
    if (error < 0)
        return error;
    struct place *p = line_first(&c->line);
    if (p != NULL)
        line_grant(&c->line, p);
    return 0;
}

int cress_cond_broadcast(cress_cond *public)
{
    struct cond *c = inside(public);
    int error = c != NULL ? line_check(&c->line) : -EINVAL;
    if (error == 0)
        line_grant_all(&c->line);
    return error;
}
