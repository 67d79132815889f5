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
    int error = s != NULL ? line_init_check(&s->line, flags, CRESS_BOUNDED | CRESS_FAIR) : -EINVAL;
    if (error == 0)
        *s = (struct sem){ .units = units,
                           .above = flags & CRESS_BOUNDED ? UINT32_MAX - units : 0,
                           .flags = flags };
    return error;
}

uint32_t cress_sem_count(const cress_sem *public)
{
    return public != NULL ? inside(public)->units + inside(public)->granted : 0;
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
        bool stays = p->co != NULL;
        if (line_grant(&s->line, p)) {
            s->granted += stays;
            return;
        }
    }
    s->units++;
}

static void dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    struct sem *s = w->object;
    line_leave(&s->line, &w->place);
    if (w->place.granted) {
        s->granted--;
        give(s);
    }
}

static noinline int acquire_slowly(struct sem *s, cress_time timeout)
{
    if (s == NULL || timeout < 0)
        return -EINVAL;
    int error = line_check(&s->line);
    if (error < 0)
        return error;
    if (take(s) == 0)
        return 0;
    if (timeout == 0)
        return -EAGAIN;
    struct cress_hub *h;
    if ((error = line_enter(&s->line, &h)) < 0)
        return error;
    if (unlikely(take(s) == 0)) /* what was dropped in a child process may have had it */
        return 0;
    struct waiting w;
    waiting_init(&w, s, "acquiring a semaphore", dropped);
    error = line_wait(&s->line, &w, h, timeout);
    if (error == 0)
        s->granted--;
    return error;
}

int cress_sem_acquire(cress_sem *public, cress_time timeout)
{
    struct sem *s = inside(public);
    if (likely(s != NULL && s->units > 0 && s->line.hub == NULL && timeout >= 0)) {
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
    int error = line_check(&s->line);
    if (error < 0)
        return error;
    if (s->units + s->granted >= UINT32_MAX - s->above)
        return -EOVERFLOW;
    give(s);
    return 0;
}

int cress_sem_release(cress_sem *public)
{
    struct sem *s = inside(public);
    if (likely(s != NULL && s->line.hub == NULL && s->units < ~s->above)) {
        s->units++;
        return 0;
    }
    return release_slowly(s);
}

/* --- as a case ------------------------------------------------------------------------------- */

static int case_ready(cress_case *c, bool takes)
{
    struct sem *s = c->object;
    int error = line_check(&s->line);
    if (error < 0)
        return error;
    return takes ? take(s) == 0 : s->units > 0 || (s->granted > 0 && !(s->flags & CRESS_FAIR));
}

static int case_links(cress_case *c)
{
    line_join_case(&((struct sem *)c->object)->line, c);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    struct sem *s = c->object;
    line_leave(&s->line, place_of_case(c));
    if (place_of_case(c)->granted && !c->ready) /* its choice is dropped */
        give(s);
}

cress_case cress_on_sem(cress_sem *sem)
{
    static const cress_case_ops ops = { "semaphore", case_ready, case_links, case_unlinks };
    return (cress_case){ .ops = sem != NULL ? &ops : NULL, .object = sem };
}
