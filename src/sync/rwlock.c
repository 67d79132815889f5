/* rwlock - many readers or one writer, in the order in which they come.
 *
 * What is granted is held from then on, before the greenlet has run: nobody barges in.
 *
 * (1) `writer` and `readers` count granted places too; not both are set.
 * (2) The first that waits cannot have it: it writes, or somebody writes.
 */
#include "sync/mutex.h"

enum kind { READS, WRITES };

struct rwlock {
    struct guard guard;
    struct line line;
    struct holder writer; /* its thread is that of the readers as well */
    uint32_t readers;
    unsigned forks; /* when readers were last counted */
};
_Static_assert(sizeof(struct rwlock) <= sizeof(cress_rwlock), "cress_rwlock is too small");

static struct rwlock *inside(cress_rwlock *l)
{
    return (struct rwlock *)(void *)l;
}

/* In a child process: who of its readers are here cannot be told, so it takes none of them over. */
static void refresh(struct rwlock *l)
{
    if (l->writer.co != NULL && holder_is_gone(&l->writer))
        l->writer.co = NULL;
    if (l->forks != cress__forks) {
        closed();
        l->forks = cress__forks;
        l->readers = 0;
    }
}

int cress_rwlock_init(cress_rwlock *public, unsigned flags)
{
    struct rwlock *l = inside(public);
    if (l == NULL || flags != 0)
        return -EINVAL;
    *l = (struct rwlock){ .forks = cress__forks };
    return 0;
}

static bool may(const struct rwlock *l, uint8_t kind)
{
    return l->writer.co == NULL && (kind == READS || l->readers == 0);
}

static void hold(struct rwlock *l, uint8_t kind, cress_coro *co)
{
    l->writer.thread = co->thread;
    l->writer.forks = cress__forks;
    if (kind == READS)
        l->readers++;
    else
        l->writer.co = co;
}

static void pass_on(struct rwlock *l)
{
    struct place *p;
    while ((p = line_first(&l->line)) != NULL && may(l, p->kind)) {
        hold(l, p->kind, p->co);
        line_grant(&l->line, &l->guard, p);
    }
}

static void let_go(struct rwlock *l, uint8_t kind)
{
    if (kind == READS)
        l->readers--;
    else
        l->writer.co = NULL;
    pass_on(l);
}

static bool held_elsewhere(const struct rwlock *l, const struct thread *t)
{
    return (l->writer.co != NULL || l->readers > 0) && l->writer.thread != t;
}

/* 0; -EAGAIN; -EDEADLK; -EXDEV. */
static int take(struct rwlock *l, uint8_t kind, struct thread *t)
{
    refresh(l);
    if (l->writer.co == t->current)
        return -EDEADLK;
    if (held_elsewhere(l, t))
        return -EXDEV;
    int error = guard_enter(&l->guard);
    if (error < 0)
        return error;
    if (line_first(&l->line) != NULL || !may(l, kind))
        return -EAGAIN;
    hold(l, kind, t->current);
    return 0;
}

static void dropped(struct waiting *w)
{
    struct rwlock *l = container_of(w->guard, struct rwlock, guard);
    if (!w->place.granted)
        pass_on(l);
    else if (l->forks == cress__forks) /* in a child process nobody holds it any more */
        let_go(l, w->place.kind);
}

static int lock(cress_rwlock *public, uint8_t kind, cress_time timeout)
{
    struct rwlock *l = inside(public);
    if (l == NULL || timeout < 0)
        return -EINVAL;
    struct thread *t = thread_self();
    if (t == NULL)
        return -ENOMEM;
    int error = take(l, kind, t);
    if (error != -EAGAIN || timeout == 0)
        return error;
    struct cress_hub *h;
    if ((error = line_enter(&l->guard, &h)) < 0)
        return error;
    if ((error = take(l, kind, t)) != -EAGAIN) /* others have run */
        return error;
    struct waiting w;
    waiting_init(&w, kind == READS ? "locking for reading" : "locking for writing", dropped);
    w.place.kind = kind;
    error = line_wait(&l->line, &l->guard, &w, h, timeout);
    if (error < 0)
        pass_on(l); /* (2): those behind may have waited for this one only */
    return error;
}

int cress_rwlock_rdlock(cress_rwlock *lock_, cress_time timeout)
{
    return lock(lock_, READS, timeout);
}

int cress_rwlock_wrlock(cress_rwlock *lock_, cress_time timeout)
{
    return lock(lock_, WRITES, timeout);
}

int cress_rwlock_try_rdlock(cress_rwlock *lock_)
{
    return lock(lock_, READS, 0);
}

int cress_rwlock_try_wrlock(cress_rwlock *lock_)
{
    return lock(lock_, WRITES, 0);
}

int cress_rwlock_unlock(cress_rwlock *public)
{
    struct rwlock *l = inside(public);
    int error = l != NULL ? guard_enter(&l->guard) : -EINVAL;
    if (error < 0)
        return error;
    const struct thread *t = cress__thread;
    if (l->writer.co != NULL && (t == NULL || l->writer.co != t->current))
        return -EPERM;
    if (l->writer.co == NULL && l->readers == 0)
        return -EPERM;
    if (held_elsewhere(l, t))
        return -EXDEV;
    if (l->writer.co == NULL && l->forks != cress__forks)
        refresh(l);
    else
        let_go(l, l->writer.co != NULL ? WRITES : READS);
    return 0;
}
