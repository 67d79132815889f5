/* end - how a greenlet ends: killed, by its own wish, and what it deferred. */
#include "base/alloc.h"
#include "hub/extra.h"
#include "hub/scope.h"
#include "hub/shared.h"
#include "hub/wait.h"

#include <errno.h>
#include <stdlib.h>

/* --- deferred functions ---------------------------------------------------------------------- */

struct deferred {
    struct deferred *before;
    int (*fn)(void *arg);
    void *arg;
};

#define DEFER_LIMIT CRESS_SECONDS(5)

int cress_defer(int (*fn)(void *arg), void *arg)
{
    if (fn == NULL)
        return -EINVAL;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    cress_coro *self = h->thread->current;
    if (greenlet_of(self) == NULL)
        return -EPERM;
    struct hub_extra *x = extra_get(self);
    struct deferred *d = x != NULL ? cress__malloc(sizeof *d) : NULL;
    if (d == NULL)
        return -ENOMEM;
    *d = (struct deferred){ .before = x->deferred, .fn = fn, .arg = arg };
    x->deferred = d;
    return 0;
}

static void call_deferred(struct cress_hub *h, cress_coro *self, struct hub_extra *x)
{
    cress_time limit = x->defer_limit > 0 ? x->defer_limit : DEFER_LIMIT;
    scope_shield(h, self, limit); /* without memory for it they run unprotected */
    while (x->deferred != NULL) {
        struct deferred *d = x->deferred;
        x->deferred = d->before; /* it may defer more */
        int error = d->fn(d->arg);
        cress__free(d);
        if (error < 0)
            hub_report(h, greenlet_of(self), "deferred function", error);
    }
    scope_end(self);
}

noinline void greenlet_clear(cress_coro *self)
{
    struct cress_hub *h = self->thread->hub;
    int open = scope_end(self);
#ifdef CRESS_TESTING
    if (open > 0)
        hub_report(h, greenlet_of(self), "left without stopping its scopes", -EBUSY);
#else
    (void)open;
#endif
    struct hub_extra *x = self->extra;
    if (x != NULL && x->deferred != NULL)
        call_deferred(h, self, x);
    if (x != NULL)
        extra_end_locals(x, true);
}

void greenlet_drop_deferred(struct cress_greenlet *g)
{
    struct hub_extra *x = greenlet_coro(g)->extra;
    while (x != NULL && (g->flags & GREENLET_STARTED) && x->deferred != NULL) {
        struct deferred *d = x->deferred;
        x->deferred = d->before;
        cress__free(d);
    }
}

/* --- by its own wish ------------------------------------------------------------------------- */

static int leave(void *value, int error)
{
    struct cress_hub *h;
    int refused = hub_enter(&h);
    if (refused < 0)
        return refused;
    cress_coro *self = h->thread->current;
    struct cress_greenlet *g = greenlet_of(self);
    if (g == NULL)
        return -EPERM;
    greenlet_clear(self);
    iwaits_end(h, self, false);
    if (self == h->main_co) {
        if (error < 0)
            hub_report(h, g, "main failed", error);
        exit(error < 0 ? EXIT_FAILURE : (int)(intptr_t)value);
    }
    coro_leave(h->thread, value, error);
}

int cress_exit(void *value)
{
    return leave(value, 0);
}

int cress_exit_error(int error)
{
    return error < 0 ? leave(NULL, error) : -EINVAL;
}

/* --- killed ---------------------------------------------------------------------------------- */

/* One that has not started ends here and now. */
static void discard(struct cress_hub *h, struct cress_greenlet *g)
{
    cress_coro *co = greenlet_coro(g);
    hub_unwait(h, co);
    co->state = CORO_ENDED;
    scope_end(co);
    greenlet_discard(g);
    greenlet_finish(h, g, CRESS_KILLED, NULL, -ECANCELED);
    greenlet_let_go(g);
}

void greenlet_kill(struct cress_hub *h, struct cress_greenlet *g)
{
    cress_coro *co = greenlet_coro(g);
    if (co->state == CORO_NEW) {
        if (greenlet_is_shared(g))
            shared_take_part(g);
        discard(h, g);
    } else if (!(co->flags & CORO_KILLED)) {
        co->flags |= CORO_KILLED;
        scope_alarm(co);
    }
}

/* Whether g may be killed from here: 1; 0, there is nothing to do; or an error. */
static int killable(const cress_greenlet *g)
{
    if (g == NULL)
        return -EINVAL;
    closed(); /* in a child process it may be about to be dropped */
    int where = greenlet_elsewhere(g);
    if (where < 0)
        return where;
    if (greenlet_outcome(g) != CRESS_ALIVE)
        return 0;
    if (where > 0)
        return 1;
    const cress_coro *co = greenlet_any_coro(g);
    return (!greenlet_is_shared(g) && g->flags & GREENLET_MAIN) || co == co->thread->hub->main_co
               ? -EINVAL
               : 1;
}

static int kill_anywhere(struct cress_hub *h, struct cress_greenlet *g)
{
    if (unlikely(greenlet_elsewhere(g) != 0))
        return shared_kill(g);
    greenlet_kill(h, g);
    return 0;
}

int cress_kill(cress_greenlet *g, cress_time timeout)
{
    int error = timeout < 0 ? -EINVAL : killable(g);
    if (error <= 0)
        return error;
    struct cress_hub *h = hub_current();
    if (timeout > 0 && (error = hub_enter(&h)) < 0)
        return error;
    cress_coro *self = h != NULL ? h->thread->current : NULL;
    bool waits = timeout > 0 && greenlet_coro(g) != self && !scope_is_over(self);
    greenlet_ref(g); /* its end may drop the caller's */
    error = kill_anywhere(h, g);
    if (error == 0 && waits)
        return greenlet_join_given(g, timeout);
    greenlet_release(g); /* before others run, and the caller may be dropped */
    return error == 0 && timeout > 0 ? scope_point(h, self) : error;
}

int cress_killall(cress_greenlet *const *gs, size_t n, cress_time timeout)
{
    if (timeout < 0 || (gs == NULL && n > 0))
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        int error = gs[i] != NULL ? killable(gs[i]) : 0;
        if (error < 0)
            return error;
    }
    struct cress_hub *h = hub_current();
    int error = timeout > 0 ? hub_enter(&h) : 0;
    if (error < 0)
        return error;
    const cress_coro *self = h != NULL ? h->thread->current : NULL;
    bool itself = false;
    for (size_t i = 0; i < n; i++)
        if (gs[i] != NULL && greenlet_outcome(gs[i]) == CRESS_ALIVE) {
            itself |= greenlet_coro(gs[i]) == self;
            kill_anywhere(h, gs[i]); /* one whose hub has ended is over */
        }
    if (timeout == 0)
        return 0;
    if (itself && (error = scope_point(h, h->thread->current)) < 0)
        return error;
    cress_time deadline = cress_deadline(timeout);
    for (size_t i = 0; i < n && error == 0; i++)
        if (gs[i] != NULL && greenlet_outcome(gs[i]) == CRESS_ALIVE &&
            greenlet_coro(gs[i]) != self) {
            cress_time left = cress_left(deadline);
            error = left > 0 ? cress_join(gs[i], left) : -ETIMEDOUT;
        }
    return error;
}
