/* line - waiting in line between threads, and as a case. */
#include "sync/line.h"

#include <string.h>

bool line_grant_case(struct line *line, struct guard *g, struct place *p)
{
    line_leave(line, g, p);
    p->granted = case_choose(p->c);
    if (!p->granted)
        cress_case_fire(p->c);
    return p->granted;
}

static struct case_place *case_place_of(struct place *p)
{
    return container_of(p, struct case_place, place);
}

bool line_grant_shared(struct line *line, struct guard *g, struct place *p)
{
    if (p->c != NULL) {
        line_leave(line, g, p);
        p->granted = case_choose_shared(p->c);
        notice_send_later(&case_place_of(p)->notice, &case_hub(p->c)->loop);
        return p->granted;
    }
    line->next = p->node.next;
    p->granted = true;
    bell_ring(p->bell);
    return true;
}

/* The coroutine runs again before it knows, from the place, whether it has what it waits for. If
 * not, and it was cancelled meanwhile, that is told now: this may not switch, but call what is the
 * user's. */
static int told_why(struct guard *g, struct cress_hub *h, int error)
{
    if (h == NULL)
        return error;
    guard_leave(g);
    error = scope_judge(h->thread->current, error);
    int broken = guard_enter(g);
    return broken < 0 ? broken : error;
}

noinline int line_wait_shared(struct line *line, struct guard *g, struct waiting *w,
                              struct cress_hub *h, cress_time timeout)
{
    struct bell bell;
    cress_time deadline = cress_deadline(timeout), left = timeout;
    int error = 0;
    bell_begin(&bell, h);
    w->place.bell = &bell;
    w->info.judges = true;
    line_join(line, g, &w->place, h);
    while (!w->place.granted && error == 0) {
        if (left == 0) {
            error = -ETIMEDOUT;
            break;
        }
        guard_leave(g);
        error = bell_wait(&bell, &w->info, left);
        guard_lock(g);
        left = cress_left(deadline);
    }
    line_leave(line, g, &w->place);
    bell_end(&bell);
    return w->place.granted ? 0 : told_why(g, h, error);
}

void waiting_drop(const struct wait_info *info)
{
    struct waiting *w = container_of(info, struct waiting, info);
    bool shared = guard_shared(w->guard);
    int error = shared ? guard_lock(w->guard) : 0;
    if (error == 0)
        line_leave(w->line, w->guard, &w->place);
    if (shared)
        bell_drop(w->place.bell);
    if (error < 0)
        return; /* the object is not whole: nothing of it is to be touched */
    if (w->dropped != NULL)
        w->dropped(w);
    guard_leave(w->guard);
}

/* --- cases ----------------------------------------------------------------------------------- */

static void case_comes(struct notice *notice)
{
    cress_case_fire(container_of(notice, struct case_place, notice)->place.c);
}

void line_join_case_shared(struct line *line, struct guard *g, cress_case *c)
{
    struct case_place *p = (struct case_place *)(void *)c->words;
    if (!case_core(c)->linked) {
        memset(p, 0, sizeof *p);
        p->place.c = c;
        p->notice.come = case_comes;
        case_waits_shared(c);
        case_hub(c)->loop.refs += case_counts(c);
        case_hub(c)->loop.listeners++;
    }
    if (!list_linked(&p->place.node))
        line_join(line, g, &p->place, case_hub(c));
}

int line_leave_case_shared(struct line *line, struct guard *g, cress_case *c)
{
    struct case_place *p = (struct case_place *)(void *)c->words;
    int error = guard_lock(g);
    if (error == 0)
        line_leave(line, g, &p->place);
    case_hub(c)->loop.refs -= case_counts(c);
    case_hub(c)->loop.listeners--;
    notice_end(&p->notice, &case_hub(c)->loop);
    return error;
}
