/* error - where errors go that have nowhere else to go, and the report of a deadlock. */
#include "base/sys.h"
#include "hub/hub.h"
#include "hub/park.h"

#include <stdio.h>

static cress_error_fn default_fn;
static void *default_arg;

static void to_stderr(const cress_greenlet *g, const char *context, int error)
{
    char who[64] = "";
    if (g != NULL)
        greenlet_label(g, who, sizeof who);
    cress__sys_complain(who, g != NULL ? ": " : "", context, error);
}

void hub_report(struct cress_hub *h, struct cress_greenlet *g, const char *context, int error)
{
    if (h != NULL && h->error_fn != NULL)
        h->error_fn(h, g, context, error, h->error_arg);
    else if (default_fn != NULL)
        default_fn(h, g, context, error, default_arg);
    else
        to_stderr(g, context, error);
}

void cress_set_error_hook(cress_error_fn fn, void *arg)
{
    default_fn = fn;
    default_arg = arg;
}

int cress_hub_set_error_hook(cress_hub *hub, cress_error_fn fn, void *arg)
{
    int error = hub_get(&(struct cress_hub *){ NULL });
    if (error < 0)
        return error;
    if (hub != NULL && hub != hub_current())
        return -EXDEV;
    hub = hub_current();
    hub->error_fn = fn;
    hub->error_arg = arg;
    return 0;
}

/* --- the report of a deadlock ---------------------------------------------------------------- */

static void describe_wait(const struct wait_info *info, char *text, size_t size)
{
    char target[64] = "";
    if (info->target != NULL)
        greenlet_label(info->target, target, sizeof target);
    if (info->numbered)
        snprintf(text, size, "deadlock: waits for ever, %s %ld", info->what, info->number);
    else
        snprintf(text, size, "deadlock: waits for ever, %s%s%s", info->what,
                 info->target != NULL ? " " : "", target);
}

static void report_blocked(struct cress_hub *h, cress_coro *co, struct cress_greenlet *g)
{
    char text[160];
    describe_wait(co->info, text, sizeof text);
    hub_report(h, g, text, -EDEADLK);
}

static void report_block(void *block, void *hub)
{
    struct greenlet_block *b = block;
    if ((b->co.flags & CORO_WAITING) && !(b->greenlet.flags & GREENLET_DAEMON))
        report_blocked(hub, &b->co, &b->greenlet);
}

void hub_report_deadlock(struct cress_hub *h)
{
    cress_coro *main = &h->thread->native;
    if (main->flags & CORO_WAITING)
        report_blocked(h, main, &h->main);
    blocks_each(&h->thread->blocks, report_block, h);
}
