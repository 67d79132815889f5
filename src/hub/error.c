/* error - where errors go that have nowhere else to go. */
#include "base/closed.h"
#include "base/sys.h"
#include "hub/hub.h"

static cress_error_fn default_fn;
static void *default_arg;

static void to_stderr(const cress_greenlet *g, const char *context, int error)
{
    char who[64] = "";
    if (g != NULL)
        greenlet_label(g, who, sizeof who);
    cress__sys_complain(who, g != NULL ? ": " : "", context, error);
}

/* The hook is a callback like others, and may stand on the stack of anybody: it must not block.
 * What it does wrong itself is told without it. */
void hub_report(struct cress_hub *h, struct cress_greenlet *g, const char *context, int error)
{
    static thread_local_fast bool inside;
    bool own = h != NULL && h->error_fn != NULL;
    if (inside || (!own && default_fn == NULL)) {
        to_stderr(g, context, error);
        return;
    }
    inside = true;
    cress__closed++;
    if (own)
        h->error_fn(h, g, context, error, h->error_arg);
    else
        default_fn(h, g, context, error, default_arg);
    cress__closed--;
    inside = false;
}

void cress_set_error_hook(cress_error_fn fn, void *arg)
{
    default_fn = fn;
    default_arg = arg;
}

int cress_hub_set_error_hook(cress_hub *hub, cress_error_fn fn, void *arg)
{
    if (hub != NULL && hub != hub_current())
        return -EXDEV;
    int error = hub_get(&hub);
    if (error < 0)
        return error;
    hub->error_fn = fn;
    hub->error_arg = arg;
    return 0;
}
