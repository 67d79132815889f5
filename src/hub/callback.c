/* callback - posting callbacks into the line, from here and from other threads. */
#include "hub/hub.h"

#include <errno.h>

/* Under way from another thread: in no line yet, but taken. */
static struct runnode on_the_way;

static int post(struct callback *c, cress_callback_fn fn, void *arg, struct cress_hub *h)
{
    if (c->node.next != NULL)
        return -EALREADY;
    c->node.fn = fn;
    c->arg = arg;
    c->loop = &h->loop;
    return 0;
}

int cress_post(cress_hub *hub, cress_callback *node, cress_callback_fn fn, void *arg)
{
    if (node == NULL || fn == NULL)
        return -EINVAL;
    if (hub != NULL && hub != hub_current())
        return -EXDEV;
    struct cress_hub *h;
    int error = hub_get(&h);
    if (error < 0)
        return error;
    struct callback *c = (struct callback *)(void *)node;
    if ((error = post(c, fn, arg, h)) == 0)
        runq_push(&h->loop.ready, &c->node);
    return error;
}

int cress_unpost(cress_callback *node)
{
    struct callback *c = (struct callback *)(void *)node;
    if (node == NULL || c->node.next == NULL || c->node.next == &on_the_way)
        return -ENOENT;
    if (!loop_mine(c->loop))
        return -EXDEV;
    runq_remove(&c->node);
    return 0;
}

int cress_post_mt(cress_hub *hub, cress_callback *node, cress_callback_fn fn, void *arg)
{
    if (hub == NULL || node == NULL || fn == NULL)
        return -EINVAL;
    struct callback *c = (struct callback *)(void *)node;
    int error = post(c, fn, arg, hub);
    if (error < 0)
        return error;
    c->node.next = &on_the_way;
    loop_post_mt(&hub->loop, c);
    return 0;
}
