#include "sync/mutex.h"

enum { OWNER_DIED = 1u << 31 }; /* in `flags`: whoever gets it next is told */

bool holder_is_gone(const struct holder *holder)
{
    if (likely(holder->forks == cress__forks))
        return false;
    closed(); /* whoever forked becomes main now, if it has not yet */
    const struct thread *t = cress__thread;
    const struct cress_hub *h = hub_current();
    return holder->co != (h != NULL ? h->main_co : t != NULL ? &t->native : NULL);
}

/* It is free: for the first who waits. */
static inline void pass_on(struct mutex *m)
{
    struct place *p = line_first(&m->line);
    if (p != NULL)
        line_grant(&m->line, &m->guard, p); /* no cases here */
}

/* --- those that a thread holds --------------------------------------------------------------- */

static void held_remove(struct mutex *m, struct thread *t)
{
    struct mutex **at = (struct mutex **)(void *)&t->held;
    while (*at != NULL && *at != m)
        at = &(*at)->next_held;
    if (*at != NULL)
        *at = m->next_held;
}

static void owner_died(struct mutex *m)
{
    m->owner.co = NULL;
    m->depth = 0;
    m->flags |= OWNER_DIED;
}

/* Whether a coroutine is there still when the hub of its thread has ended: main, or a raw one. */
static bool survives(const struct thread *t, const cress_coro *co)
{
    if (co == &t->native)
        return true;
    for (const struct list *n = t->raw.next; n != &t->raw; n = n->next)
        if (&container_of(n, struct raw_coro, link)->co == co)
            return co->state != CORO_ENDED;
    return false;
}

/* The thread ends, or its hub: those whose owner ends with it are free. */
static void held_end(struct thread *t, bool thread_ends)
{
    struct mutex *next = t->held;
    for (struct mutex *m; (m = next) != NULL;) {
        next = m->next_held;
        if (!thread_ends && survives(t, m->owner.co))
            continue;
        held_remove(m, t);
        if (guard_lock(&m->guard) < 0)
            continue;
        owner_died(m);
        pass_on(m);
        guard_unlock(&m->guard);
    }
}

static noinline void held_add(struct mutex *m, struct thread *t)
{
    m->next_held = t->held;
    t->held = m;
    t->held_end = held_end;
}

/* The caller has it now: 0 or -EOWNERDEAD. */
static inline int obtain(struct mutex *m, struct thread *t)
{
    holder_set(&m->owner, t);
    if (likely(!guard_shared(&m->guard)))
        return 0;
    held_add(m, t);
    bool died = m->flags & OWNER_DIED;
    m->flags &= ~(unsigned)OWNER_DIED;
    return died ? -EOWNERDEAD : 0;
}

/* It was held in the parent of this process. */
static void forget_owner(struct mutex *m, struct thread *t)
{
    if (!guard_shared(&m->guard)) {
        m->owner.co = NULL;
        m->depth = 0;
        return;
    }
    if (m->owner.thread == t)
        held_remove(m, t);
    owner_died(m);
}

/* --- the calls ------------------------------------------------------------------------------- */

int cress_mutex_init(cress_mutex *public, unsigned flags)
{
    struct mutex *m = mutex_inside(public);
    unsigned known = CRESS_RECURSIVE | CRESS_FAIR | CRESS_SHARED;
    if (m == NULL || flags & ~known)
        return -EINVAL;
    if (cress__thread != NULL)
        held_remove(m, cress__thread); /* in a child process it may be there still */
    *m = (struct mutex){ .flags = flags };
    guard_init(&m->guard, flags);
    return 0;
}

/* Take it if it is free: 0; -EOWNERDEAD; -EAGAIN; -EDEADLK; -EOVERFLOW; -EXDEV. */
static int take(struct mutex *m, struct thread *t)
{
    if (m->owner.co != NULL && holder_is_gone(&m->owner))
        forget_owner(m, t);
    if (m->owner.co == t->current) {
        if (!(m->flags & CRESS_RECURSIVE))
            return -EDEADLK;
        if (m->depth == UINT32_MAX)
            return -EOVERFLOW;
        m->depth++;
        return 0;
    }
    if (m->owner.co != NULL)
        return m->owner.thread != t && !guard_shared(&m->guard) ? -EXDEV : -EAGAIN;
    if (line_has_granted(&m->line)) {
        if (m->flags & CRESS_FAIR)
            return -EAGAIN;
        line_revoke(&m->line);
    }
    return obtain(m, t);
}

static void dropped(struct waiting *w)
{
    if (w->place.granted)
        pass_on(container_of(w->guard, struct mutex, guard));
}

static noinline int lock_slowly(struct mutex *m, cress_time timeout)
{
    if (m == NULL || timeout < 0)
        return -EINVAL;
    struct thread *t = thread_self();
    if (t == NULL)
        return -ENOMEM;
    int error = guard_enter(&m->guard);
    if (error < 0)
        return error;
    error = take(m, t);
    if (error == -EAGAIN && timeout > 0) {
        struct cress_hub *h;
        if ((error = line_enter(&m->guard, &h)) < 0)
            return error;
        if (likely((error = take(m, t)) == -EAGAIN)) { /* else others have run */
            struct waiting w;
            waiting_init(&w, "locking a mutex", dropped);
            error = line_wait(&m->line, &m->guard, &w, h, timeout);
            if (error == 0)
                error = obtain(m, t);
        }
    }
    guard_leave(&m->guard);
    return error;
}

int cress_mutex_lock(cress_mutex *public, cress_time timeout)
{
    struct mutex *m = mutex_inside(public);
    struct thread *t = cress__thread;
    if (likely(m != NULL && m->guard.hub == NULL && m->owner.co == NULL && t != NULL &&
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
    struct mutex *m = mutex_inside(public);
    if (m == NULL || (guard_shared(&m->guard) && guard_lock(&m->guard) < 0))
        return false;
    bool mine = owned(m);
    guard_leave(&m->guard);
    return mine;
}

static inline void let_go(struct mutex *m)
{
    if (unlikely(guard_shared(&m->guard)))
        held_remove(m, cress__thread);
    m->owner.co = NULL;
    pass_on(m);
}

static noinline int unlock_slowly(struct mutex *m)
{
    if (m == NULL)
        return -EINVAL;
    if (!guard_shared(&m->guard) && !owned(m))
        return -EPERM;
    int error = guard_enter(&m->guard);
    if (error < 0)
        return error;
    if (!owned(m))
        error = -EPERM;
    else if (m->depth > 0)
        m->depth--;
    else
        let_go(m);
    guard_leave(&m->guard);
    return error;
}

int cress_mutex_unlock(cress_mutex *public)
{
    struct mutex *m = mutex_inside(public);
    const struct thread *t = cress__thread;
    if (likely(m != NULL && m->guard.hub == NULL && m->depth == 0 && t != NULL &&
               m->owner.co == t->current)) {
        m->owner.co = NULL;
        return 0;
    }
    return unlock_slowly(m);
}

/* --- for conditions -------------------------------------------------------------------------- */

uint32_t mutex_give_up(struct mutex *m)
{
    uint32_t depth = m->depth;
    if (guard_enter(&m->guard) < 0)
        return depth;
    m->depth = 0;
    let_go(m);
    guard_leave(&m->guard);
    return depth;
}

int mutex_take_again(struct mutex *m, struct cress_hub *h, uint32_t depth)
{
    struct thread *t = cress__thread;
    int error = guard_enter(&m->guard);
    if (error < 0)
        return error;
    error = take(m, t);
    if (error < 0 && error != -EOWNERDEAD) {
        struct waiting w;
        waiting_init(&w, "locking a mutex again", dropped);
        error = line_wait_firmly(&m->line, &m->guard, &w, h);
        if (error == 0)
            error = obtain(m, t);
    }
    if (error == 0 || error == -EOWNERDEAD)
        m->depth = depth;
    guard_leave(&m->guard);
    return error;
}
