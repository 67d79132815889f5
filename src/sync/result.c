/* result - a value or an error that comes later, perhaps from the end of a greenlet. */
#include "sync/line.h"

#include <cress/sync.h>

struct result {
    struct guard guard;
    struct line line;
    void *value;
    int32_t error; /* 0: there is a value */
    bool there;
    struct cress_greenlet *followed; /* a reference; it may have ended */
    struct greenlet_link link;       /* to its end */
};
_Static_assert(sizeof(struct result) <= sizeof(cress_result), "cress_result is too small");

static struct result *inside(const cress_result *r)
{
    return (struct result *)(uintptr_t)r;
}

/* It follows a greenlet of another thread, and only that may have it follow no more. */
static bool follows_elsewhere(const struct result *r)
{
    return r->followed != NULL && greenlet_any_coro(r->followed)->thread != cress__thread;
}

/* Begin to change it. */
static int enter(struct result *r)
{
    if (r == NULL)
        return -EINVAL;
    return !guard_shared(&r->guard) && follows_elsewhere(r) ? -EXDEV : guard_enter(&r->guard);
}

/* It follows nobody any more. Returns whom it did, to be released. */
static struct cress_greenlet *unfollow(struct result *r)
{
    struct cress_greenlet *g = r->followed;
    r->followed = NULL;
    if (g != NULL && greenlet_linked(&r->link))
        greenlet_unlink(g, &r->link);
    return g;
}

int cress_result_init(cress_result *public, unsigned flags)
{
    struct result *r = inside(public);
    if (r == NULL || flags & ~(unsigned)CRESS_SHARED)
        return -EINVAL;
    *r = (struct result){ 0 };
    guard_init(&r->guard, flags);
    return 0;
}

int cress_result_clear(cress_result *public)
{
    struct result *r = inside(public);
    int error = enter(r);
    if (error < 0)
        return error;
    if (follows_elsewhere(r)) {
        guard_leave(&r->guard);
        return -EXDEV;
    }
    struct cress_greenlet *before = unfollow(r);
    r->there = false;
    r->value = NULL;
    r->error = 0;
    guard_leave(&r->guard);
    if (before != NULL)
        greenlet_release(before);
    return 0;
}

static int set(struct result *r, void *value, int error)
{
    int refused = enter(r);
    if (refused < 0)
        return refused;
    r->value = value;
    r->error = error;
    r->there = true;
    line_grant_all(&r->line, &r->guard);
    guard_leave(&r->guard);
    return 0;
}

int cress_result_set(cress_result *public, void *value)
{
    return set(inside(public), value, 0);
}

int cress_result_set_error(cress_result *public, int error)
{
    return error < 0 ? set(inside(public), NULL, error) : -EINVAL;
}

static void take_over(struct greenlet_link *link)
{
    struct result *r = container_of(link, struct result, link);
    set(r, cress_value(r->followed), cress_error(r->followed));
}

int cress_result_follow(cress_result *public, cress_greenlet *g)
{
    struct result *r = inside(public);
    int error = g != NULL ? enter(r) : -EINVAL;
    if (error < 0)
        return error;
    if (follows_elsewhere(r) || greenlet_any_coro(g)->thread != cress__thread) {
        guard_leave(&r->guard);
        return -EXDEV;
    }
    greenlet_ref(g);
    struct cress_greenlet *before = unfollow(r);
    r->followed = g;
    r->link = (struct greenlet_link){ .fire = take_over };
    guard_leave(&r->guard);
    if (before != NULL)
        greenlet_release(before);
    if (g->outcome == CRESS_ALIVE)
        greenlet_link(g, &r->link);
    else
        take_over(&r->link);
    return 0;
}

bool cress_result_ready(const cress_result *public)
{
    struct result *r = inside(public);
    if (r == NULL || (guard_shared(&r->guard) && guard_lock(&r->guard) < 0))
        return false;
    bool there = r->there;
    guard_leave(&r->guard);
    return there;
}

int cress_result_wait(cress_result *result, cress_time timeout)
{
    return cress_result_get(result, timeout, NULL, NULL);
}

int cress_result_get(cress_result *public, cress_time timeout, void **value, int *error)
{
    struct result *r = inside(public);
    if (r == NULL || timeout < 0)
        return -EINVAL;
    int failed = wait_begins();
    if (failed < 0 || (failed = enter(r)) < 0)
        return failed;
    struct cress_hub *h;
    if (!r->there && timeout > 0) {
        if ((failed = line_enter(&r->guard, &h)) < 0)
            return failed;
        if (!r->there) { /* others may have run */
            struct waiting w;
            waiting_init(&w, "waiting for a result", NULL);
            failed = line_wait(&r->line, &r->guard, &w, h, timeout);
        }
    } else if (!r->there) {
        failed = -EAGAIN;
    }
    if (failed == 0 && value != NULL)
        *value = r->value;
    if (failed == 0 && error != NULL)
        *error = r->error;
    guard_leave(&r->guard);
    return failed;
}

/* --- as a case ------------------------------------------------------------------------------- */

static void fill_in(cress_case *c)
{
    const struct result *r = c->object;
    c->result = r->error;
    c->data = r->value;
}

static int case_ready(cress_case *c, bool take)
{
    (void)take;
    struct result *r = c->object;
    int error = enter(r);
    if (error < 0)
        return error;
    bool there = r->there;
    if (there)
        fill_in(c);
    guard_leave(&r->guard);
    return there;
}

static int case_links(cress_case *c)
{
    struct result *r = c->object;
    int error = enter(r);
    if (error < 0)
        return error;
    line_join_case(&r->line, &r->guard, c);
    if (guard_shared(&r->guard) && r->there)
        cress_case_fire(c);
    guard_leave(&r->guard);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    struct result *r = c->object;
    if (line_leave_case(&r->line, &r->guard, c) < 0)
        return;
    if (c->ready) /* perhaps chosen when it was set, without being asked */
        fill_in(c);
    guard_leave(&r->guard);
}

cress_case cress_on_result(cress_result *result)
{
    static const cress_case_ops ops = { "result", case_ready, case_links, case_unlinks };
    return (cress_case){ .ops = result != NULL ? &ops : NULL, .object = result };
}
