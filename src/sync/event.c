/* event - a flag that can be waited for. */
#include "sync/line.h"

#include <cress/sync.h>

struct event {
    struct guard guard;
    struct line line;
    bool set;
};
_Static_assert(sizeof(struct event) <= sizeof(cress_event), "cress_event is too small");

static struct event *inside(const cress_event *e)
{
    return (struct event *)(uintptr_t)e;
}

int cress_event_init(cress_event *public, unsigned flags)
{
    struct event *e = inside(public);
    if (e == NULL || flags & ~(unsigned)CRESS_SHARED)
        return -EINVAL;
    *e = (struct event){ 0 };
    guard_init(&e->guard, flags);
    return 0;
}

int cress_event_set(cress_event *public)
{
    struct event *e = inside(public);
    int error = e != NULL ? guard_enter(&e->guard) : -EINVAL;
    if (error < 0)
        return error;
    e->set = true;
    line_grant_all(&e->line, &e->guard);
    guard_leave(&e->guard);
    return 0;
}

int cress_event_clear(cress_event *public)
{
    struct event *e = inside(public);
    int error = e != NULL ? guard_enter(&e->guard) : -EINVAL;
    if (error < 0)
        return error;
    e->set = false;
    guard_leave(&e->guard);
    return 0;
}

bool cress_event_is_set(const cress_event *public)
{
    struct event *e = inside(public);
    if (e == NULL || (guard_shared(&e->guard) && guard_lock(&e->guard) < 0))
        return false;
    bool set = e->set;
    guard_leave(&e->guard);
    return set;
}

/* It is set, but those who were woken by that have not run yet. In other threads there is no such
 * order. */
static bool others_first(const struct event *e)
{
    return line_has_granted(&e->line) && !guard_shared(&e->guard);
}

int cress_event_wait(cress_event *public, cress_time timeout)
{
    struct event *e = inside(public);
    if (e == NULL || timeout < 0)
        return -EINVAL;
    int error = wait_begins();
    if (error < 0 || (error = guard_enter(&e->guard)) < 0)
        return error;
    struct cress_hub *h;
    if (e->set && (likely(!others_first(e)) || timeout == 0 || closed())) {
        error = 0;
    } else if (timeout == 0) {
        error = -EAGAIN;
    } else if ((error = line_enter(&e->guard, &h)) < 0) {
        return error;
    } else if (!e->set) {
        struct waiting w;
        waiting_init(&w, "waiting for an event", NULL);
        error = line_wait(&e->line, &e->guard, &w, h, timeout);
    } else if (others_first(e)) {
        hub_yield(h, h->thread->current);
    }
    guard_leave(&e->guard);
    return error;
}

/* --- as a case ------------------------------------------------------------------------------- */

static int case_ready(cress_case *c, bool take)
{
    (void)take;
    struct event *e = c->object;
    int error = guard_enter(&e->guard);
    if (error < 0)
        return error;
    bool set = e->set;
    guard_leave(&e->guard);
    return set;
}

static int case_links(cress_case *c)
{
    struct event *e = c->object;
    int error = guard_enter(&e->guard);
    if (error < 0)
        return error;
    line_join_case(&e->line, &e->guard, c);
    if (guard_shared(&e->guard) && e->set)
        cress_case_fire(c);
    guard_leave(&e->guard);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    struct event *e = c->object;
    if (line_leave_case(&e->line, &e->guard, c) == 0)
        guard_leave(&e->guard);
}

cress_case cress_on_event(cress_event *event)
{
    static const cress_case_ops ops = { "event", case_ready, case_links, case_unlinks };
    return (cress_case){ .ops = event != NULL ? &ops : NULL, .object = event };
}
