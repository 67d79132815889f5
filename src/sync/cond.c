/* cond - waiting for a condition that a mutex protects. */
#include "sync/mutex.h"

struct cond {
    struct guard guard;
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
    if (c == NULL || flags & ~(unsigned)CRESS_SHARED)
        return -EINVAL;
    *c = (struct cond){ 0 };
    guard_init(&c->guard, flags);
    return 0;
}

int cress_cond_wait(cress_cond *public, cress_mutex *mutex, cress_time timeout)
{
    struct cond *c = inside(public);
    struct mutex *m = mutex_inside(mutex);
    if (c == NULL || m == NULL || timeout < 0 || guard_shared(&c->guard) != guard_shared(&m->guard))
        return -EINVAL;
    if (!cress_mutex_owned(mutex))
        return -EPERM;
    int error = guard_enter(&c->guard);
    if (error < 0)
        return error;
    struct cress_hub *h;
    if (timeout == 0) {
        guard_leave(&c->guard);
        return -EAGAIN;
    }
    if ((error = line_enter(&c->guard, &h)) < 0)
        return error;
    /* Whoever signals from now on finds the guard entered, until we are in the line. */
    uint32_t depth = mutex_give_up(m);
    struct waiting w;
    waiting_init(&w, "waiting for a condition", NULL);
    error = line_wait(&c->line, &c->guard, &w, h, timeout);
    guard_leave(&c->guard);
    int failed = mutex_take_again(m, h, depth);
    return failed < 0 ? failed : error;
}

int cress_cond_signal(cress_cond *public)
{
    struct cond *c = inside(public);
    int error = c != NULL ? guard_enter(&c->guard) : -EINVAL;
    if (error < 0)
        return error;
    struct place *p = line_first(&c->line);
    if (p != NULL)
        line_grant(&c->line, &c->guard, p);
    guard_leave(&c->guard);
    return 0;
}

int cress_cond_broadcast(cress_cond *public)
{
    struct cond *c = inside(public);
    int error = c != NULL ? guard_enter(&c->guard) : -EINVAL;
    if (error < 0)
        return error;
    line_grant_all(&c->line, &c->guard);
    guard_leave(&c->guard);
    return 0;
}
