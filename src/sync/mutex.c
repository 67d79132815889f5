#include "sync/mutex.h"

bool holder_is_gone(const struct holder *holder)
{
    if (likely(holder->forks == cress__forks))
        return false;
    closed(); /* whoever forked becomes main now, if it has not yet */
    const struct thread *t = cress__thread;
    const struct cress_hub *h = hub_current();
    return holder->co != (h != NULL ? h->main_co : t != NULL ? &t->native : NULL);
}

int cress_mutex_init(cress_mutex *public, unsigned flags)
{
    struct mutex *m = mutex_inside(public);
    int error =
        m != NULL ? line_init_check(&m->line, flags, CRESS_RECURSIVE | CRESS_FAIR) : -EINVAL;
    if (error < 0)
        return error;
    if (m->owner.co != NULL && !holder_is_gone(&m->owner))
        return -EBUSY;
    *m = (struct mutex){ .flags = flags };
    return 0;
}

/* It is free: for the first who waits. */
static inline void pass_on(struct mutex *m)
{
    struct place *p = line_first(&m->line);
    if (p != NULL)
        line_grant(&m->line, p); /* no cases here */
}

/* Take it if it is free: 0; -EAGAIN; -EDEADLK; -EOVERFLOW; -EXDEV. */
static int take(struct mutex *m, struct thread *t)
{
    if (m->owner.co != NULL && holder_is_gone(&m->owner)) {
        m->owner.co = NULL;
        m->depth = 0;
    }
    if (m->owner.co == t->current) {
        if (!(m->flags & CRESS_RECURSIVE))
            return -EDEADLK;
        if (m->depth == UINT32_MAX)
            return -EOVERFLOW;
        m->depth++;
        return 0;
    }
    if (m->owner.co != NULL)
        return m->owner.thread != t ? -EXDEV : -EAGAIN;
    int error = line_check(&m->line);
    if (error < 0)
        return error;
    if (line_has_granted(&m->line)) {
        if (m->flags & CRESS_FAIR)
            return -EAGAIN;
        line_revoke(&m->line);
    }
    holder_set(&m->owner, t);
    return 0;
}

static void dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    struct mutex *m = w->object;
    line_leave(&m->line, &w->place);
    if (w->place.granted)
        pass_on(m);
}

static noinline int lock_slowly(struct mutex *m, cress_time timeout)
{
    if (m == NULL || timeout < 0)
        return -EINVAL;
    struct thread *t = thread_self();
    if (t == NULL)
        return -ENOMEM;
    int error = take(m, t);
    if (error != -EAGAIN || timeout == 0)
        return error;
    struct cress_hub *h;
    if ((error = line_enter(&m->line, &h)) < 0)
        return error;
    if (unlikely((error = take(m, t)) != -EAGAIN)) /* others have run */
        return error;
    struct waiting w;
    waiting_init(&w, m, "locking a mutex", dropped);
    error = line_wait(&m->line, &w, h, timeout);
    if (error == 0)
        holder_set(&m->owner, t);
    return error;
}

int cress_mutex_lock(cress_mutex *public, cress_time timeout)
{
    struct mutex *m = mutex_inside(public);
    struct thread *t = cress__thread;
    if (likely(m != NULL && m->owner.co == NULL && m->line.hub == NULL && t != NULL &&
               timeout >= 0)) {
        holder_set(&m->owner, t);
        return 0;
    }
    return lock_slowly(m, timeout);
}

int cress_mutex_try_lock(cress_mutex *mutex)
{
    return cress_mutex_lock(mutex, 0);
}

static inline bool owned(const struct mutex *m)
{
    const struct thread *t = cress__thread;
    return t != NULL && m->owner.co == t->current;
}

bool cress_mutex_owned(const cress_mutex *public)
{
    return public != NULL && owned(mutex_inside(public));
}

int cress_mutex_unlock(cress_mutex *public)
{
    struct mutex *m = mutex_inside(public);
    if (unlikely(m == NULL))
        return -EINVAL;
    if (unlikely(!owned(m)))
        return -EPERM;
    if (unlikely(m->depth > 0)) {
        m->depth--;
        return 0;
    }
    m->owner.co = NULL;
    if (unlikely(m->line.hub != NULL))
        pass_on(m);
    return 0;
}

/* --- for conditions -------------------------------------------------------------------------- */

uint32_t mutex_give_up(struct mutex *m)
{
    uint32_t depth = m->depth;
    m->depth = 0;
    m->owner.co = NULL;
    pass_on(m);
    return depth;
}

int mutex_take_again(struct mutex *m, struct cress_hub *h, uint32_t depth)
{
    struct thread *t = h->thread;
    if (take(m, t) < 0) {
        struct waiting w;
        waiting_init(&w, m, "locking a mutex again", dropped);
        int error = line_wait_firmly(&m->line, &w, h);
        if (error < 0)
            return error;
        holder_set(&m->owner, t);
    }
    m->depth = depth;
    return 0;
}
