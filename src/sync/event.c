/* event - a flag that can be waited for. */
#include "sync/line.h"

#include <cress/sync.h>

struct event {
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
    int error = e != NULL ? line_init_check(&e->line, flags, 0) : -EINVAL;
    if (error == 0)
        *e = (struct event){ 0 };
    return error;
}

int cress_event_set(cress_event *public)
{
    struct event *e = inside(public);
    int error = e != NULL ? line_check(&e->line) : -EINVAL;
    if (error < 0)
        return error;
    e->set = true;
    line_grant_all(&e->line);
    return 0;
}

int cress_event_clear(cress_event *public)
{
    struct event *e = inside(public);
    int error = e != NULL ? line_check(&e->line) : -EINVAL;
    if (error == 0)
        e->set = false;
    return error;
}

bool cress_event_is_set(const cress_event *public)
{
    return public != NULL && inside(public)->set;
}

static void dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    line_leave(&((struct event *)w->object)->line, &w->place);
}

int cress_event_wait(cress_event *public, cress_time timeout)
{
    struct event *e = inside(public);
    if (e == NULL || timeout < 0)
        return -EINVAL;
    int error = wait_begins();
    if (error < 0)
        return error;
    if (e->set && (likely(!line_has_granted(&e->line)) || timeout == 0 || closed()))
        return line_check(&e->line);
    if (timeout == 0)
        return (error = line_check(&e->line)) < 0 ? error : -EAGAIN;
    struct cress_hub *h;
    if ((error = line_enter(&e->line, &h)) < 0)
        return error;
    if (e->set) { /* those who were woken by that come first */
        hub_yield(h, h->thread->current);
        return 0;
    }
    struct waiting w;
    waiting_init(&w, e, "waiting for an event", dropped);
    return line_wait(&e->line, &w, h, timeout);
}

/* --- as a case ------------------------------------------------------------------------------- */

static int case_ready(cress_case *c, bool take)
{
    (void)take;
    struct event *e = c->object;
    int error = line_check(&e->line);
    return error < 0 ? error : e->set;
}

static int case_links(cress_case *c)
{
    line_join_case(&((struct event *)c->object)->line, c);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    line_leave(&((struct event *)c->object)->line, place_of_case(c));
}

cress_case cress_on_event(cress_event *event)
{
    static const cress_case_ops ops = { "event", case_ready, case_links, case_unlinks };
    return (cress_case){ .ops = event != NULL ? &ops : NULL, .object = event };
}
