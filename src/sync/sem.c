/* sem - a counting semaphore.
 *
 * A unit that is released while somebody waits is granted to the first of them, which is woken and
 * takes it at its turn. Until then anybody may barge in and take that unit (unless the semaphore is
 * fair): the last grant is revoked. So a greenlet that releases and acquires in a loop is not made
 * to switch each time.
 *
 * (1) `units` are free and granted to nobody. While there are any, nobody waits.
 * (2) `granted` counts the granted places in the line.
 */
#include "sync/line.h"

#include <cress/sync.h>

struct sem {
    struct guard guard;
    struct line line;
    uint32_t units, granted;
    uint32_t above; /* how far below the highest number the bound is; all-zero: there is none */
    uint32_t flags;
};
_Static_assert(sizeof(struct sem) <= sizeof(cress_sem), "cress_sem is too small");

static inline struct sem *inside(const cress_sem *s)
{
    return (struct sem *)(uintptr_t)s;
}

int cress_sem_init(cress_sem *public, uint32_t units, unsigned flags)
{
    struct sem *s = inside(public);
    unsigned known = CRESS_BOUNDED | CRESS_FAIR | CRESS_SHARED;
    if (s == NULL || flags & ~known)
        return -EINVAL;
    *s = (struct sem){ .units = units,
                       .above = flags & CRESS_BOUNDED ? UINT32_MAX - units : 0,
                       .flags = flags };
    guard_init(&s->guard, flags);
    return 0;
}

uint32_t cress_sem_count(const cress_sem *public)
{
    struct sem *s = inside(public);
    if (s == NULL || (guard_shared(&s->guard) && guard_lock(&s->guard) < 0))
        return 0;
    uint32_t units = s->units + s->granted;
    guard_leave(&s->guard);
    return units;
}

/* Take a unit that is there: 0, or -EAGAIN. */
static inline int take(struct sem *s)
{
    if (s->units > 0) {
        s->units--;
        return 0;
    }
    if (s->granted == 0 || s->flags & CRESS_FAIR)
        return -EAGAIN;
    s->granted--;
    line_revoke(&s->line);
    return 0;
}

/* A unit is there: for the first who waits. */
static inline void give(struct sem *s)
{
    struct place *p;
    while ((p = line_first(&s->line)) != NULL) {
        bool stays = p->c == NULL;
        if (line_grant(&s->line, &s->guard, p)) {
            s->granted += stays;
            return;
        }
    }
    s->units++;
}

static void dropped(struct waiting *w)
{
    struct sem *s = container_of(w->guard, struct sem, guard);
    if (w->place.granted) {
        s->granted--;
        give(s);
    }
}

static noinline int acquire_slowly(struct sem *s, cress_time timeout)
{
    if (s == NULL || timeout < 0)
        return -EINVAL;
    int error = guard_enter(&s->guard);
    if (error < 0)
        return error;
    error = take(s);
    struct cress_hub *h;
    if (error == 0 || timeout == 0) {
        guard_leave(&s->guard);
        return error;
    }
    if ((error = line_enter(&s->guard, &h)) < 0)
        return error;
    if ((error = take(s)) < 0) { /* else others have run, in another thread or a child process */
        struct waiting w;
        waiting_init(&w, "acquiring a semaphore", dropped);
        error = line_wait(&s->line, &s->guard, &w, h, timeout);
        if (error == 0)
            s->granted--;
    }
    guard_leave(&s->guard);
    return error;
}

int cress_sem_acquire(cress_sem *public, cress_time timeout)
{
    struct sem *s = inside(public);
    if (likely(s != NULL && s->guard.hub == NULL && s->units > 0 && timeout >= 0)) {
        s->units--;
        return 0;
    }
    return acquire_slowly(s, timeout);
}

int cress_sem_try_acquire(cress_sem *public)
{
    return cress_sem_acquire(public, 0);
}

static noinline int release_slowly(struct sem *s)
{
    if (s == NULL)
        return -EINVAL;
    int error = guard_enter(&s->guard);
    if (error < 0)
        return error;
    if (s->units + s->granted >= UINT32_MAX - s->above)
        error = -EOVERFLOW;
    else
        give(s);
    guard_leave(&s->guard);
    return error;
}

int cress_sem_release(cress_sem *public)
{
    struct sem *s = inside(public);
    if (likely(s != NULL && s->guard.hub == NULL && s->units < ~s->above)) {
        s->units++;
        return 0;
    }
    return release_slowly(s);
}

/* --- as a case ------------------------------------------------------------------------------- */

static bool some_free(const struct sem *s)
{
    return s->units > 0 || (s->granted > 0 && !(s->flags & CRESS_FAIR));
}

static int case_ready(cress_case *c, bool takes)
{
    struct sem *s = c->object;
    int error = guard_enter(&s->guard);
    if (error < 0)
        return error;
    bool ready = takes ? take(s) == 0 : some_free(s);
    guard_leave(&s->guard);
    return ready;
}

static int case_links(cress_case *c)
{
    struct sem *s = c->object;
    int error = guard_enter(&s->guard);
    if (error < 0)
        return error;
    line_join_case(&s->line, &s->guard, c);
    if (guard_shared(&s->guard) && some_free(s))
        cress_case_fire(c);
    guard_leave(&s->guard);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    struct sem *s = c->object;
    if (line_leave_case(&s->line, &s->guard, c) < 0)
        return;
    if (place_of_case(c)->granted && !c->ready) /* its choice is dropped */
        give(s);
    guard_leave(&s->guard);
}

cress_case cress_on_sem(cress_sem *sem)
{
    static const cress_case_ops ops = { "semaphore", case_ready, case_links, case_unlinks };
    return (cress_case){ .ops = sem != NULL ? &ops : NULL, .object = sem };
}
