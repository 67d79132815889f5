/* result - a value or an error that comes later, perhaps from the end of a greenlet. */
#include "sync/line.h"

#include <cress/sync.h>

struct result {
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

/* Whether this thread may change it. */
static int check(const struct result *r)
{
    if (r == NULL)
        return -EINVAL;
    if (r->followed != NULL && greenlet_any_coro(r->followed)->thread != cress__thread)
        return -EXDEV;
    return line_check(&r->line);
}

static void unfollow(struct result *r)
{
    struct cress_greenlet *g = r->followed;
    if (g == NULL)
        return;
    r->followed = NULL;
    if (greenlet_linked(&r->link))
        greenlet_unlink(g, &r->link);
    greenlet_release(g);
}

int cress_result_init(cress_result *public, unsigned flags)
{
    struct result *r = inside(public);
    int error = check(r);
    if (error < 0 || (error = line_init_check(&r->line, flags, 0)) < 0)
        return error;
    unfollow(r);
    *r = (struct result){ 0 };
    return 0;
}

static void set(struct result *r, void *value, int error)
{
    r->value = value;
    r->error = error;
    r->there = true;
    line_grant_all(&r->line);
}

int cress_result_set(cress_result *public, void *value)
{
    int error = check(inside(public));
    if (error == 0)
        set(inside(public), value, 0);
    return error;
}

int cress_result_set_error(cress_result *public, int error)
{
    int refused = error < 0 ? check(inside(public)) : -EINVAL;
    if (refused == 0)
        set(inside(public), NULL, error);
    return refused;
}

static void take_over(struct greenlet_link *link)
{
    struct result *r = container_of(link, struct result, link);
    set(r, cress_value(r->followed), cress_error(r->followed));
}

int cress_result_follow(cress_result *public, cress_greenlet *g)
{
    struct result *r = inside(public);
    int error = g != NULL ? check(r) : -EINVAL;
    if (error < 0)
        return error;
    if (greenlet_any_coro(g)->thread != cress__thread)
        return -EXDEV;
    greenlet_ref(g);
    unfollow(r);
    r->followed = g;
    r->link = (struct greenlet_link){ .fire = take_over };
    if (g->outcome == CRESS_ALIVE)
        greenlet_link(g, &r->link);
    else
        take_over(&r->link);
    return 0;
}

bool cress_result_ready(const cress_result *public)
{
    return public != NULL && inside(public)->there;
}

static void dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    line_leave(&((struct result *)w->object)->line, &w->place);
}

int cress_result_wait(cress_result *public, cress_time timeout)
{
    struct result *r = inside(public);
    if (r == NULL || timeout < 0)
        return -EINVAL;
    int error = wait_begins();
    if (error < 0 || (error = line_check(&r->line)) < 0)
        return error;
    if (r->there)
        return 0;
    if (timeout == 0)
        return -EAGAIN;
    struct cress_hub *h;
    if ((error = line_enter(&r->line, &h)) < 0)
        return error;
    struct waiting w;
    waiting_init(&w, r, "waiting for a result", dropped);
    return line_wait(&r->line, &w, h, timeout);
}

int cress_result_get(cress_result *public, cress_time timeout, void **value, int *error)
{
    int failed = cress_result_wait(public, timeout);
    if (failed < 0)
        return failed;
    const struct result *r = inside(public);
    if (value != NULL)
        *value = r->value;
    if (error != NULL)
        *error = r->error;
    return 0;
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
    int error = line_check(&r->line);
    if (error < 0)
        return error;
    if (r->there)
        fill_in(c);
    return r->there;
}

static int case_links(cress_case *c)
{
    line_join_case(&((struct result *)c->object)->line, c);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    if (c->ready) /* perhaps chosen when it was set, without being asked */
        fill_in(c);
    line_leave(&((struct result *)c->object)->line, place_of_case(c));
}

cress_case cress_on_result(cress_result *result)
{
    static const cress_case_ops ops = { "result", case_ready, case_links, case_unlinks };
    return (cress_case){ .ops = result != NULL ? &ops : NULL, .object = result };
}
