/* link - callbacks for the end of a greenlet. */
#include "hub/hub.h"
#include "hub/shared.h"

#include <errno.h>

enum link_place { IN_LIST, FAR, IN_LINE };

/* cress_link_node, as it is inside: in the list of its greenlet, and then in the line. */
struct link_node {
    union {
        struct greenlet_link link;
        struct far_link *far; /* of another thread's */
        struct runnode run;
    };
    struct link_node *self;   /* where a callback has its argument */
    struct cress_greenlet *g; /* a reference; NULL: not in use */
    cress_link_fn fn;
    void *arg;
    enum link_place place;
};
_Static_assert(sizeof(struct link_node) <= sizeof(cress_link_node), "cress_link_node is too small");
_Static_assert(offsetof(struct link_node, run) == offsetof(struct callback, node) &&
                   offsetof(struct link_node, self) == offsetof(struct callback, arg),
               "what the line knows of a callback");

static int run(void *arg)
{
    struct link_node *node = arg;
    struct cress_greenlet *g = node->g;
    node->g = NULL; /* free: fn may link it again */
    int error = node->fn(g, node->arg);
    if (error < 0)
        hub_report(hub_current(), g, "link", error);
    greenlet_release(g);
    return 0;
}

static void queue(struct link_node *node)
{
    node->run = (struct runnode){ .fn = run };
    node->place = IN_LINE;
    runq_push(&hub_current()->loop.ready, &node->run);
}

static void ended(struct greenlet_link *link)
{
    queue(container_of(link, struct link_node, link));
}

static void far_ended(struct far_link *far, bool lost)
{
    struct link_node *node = far->arg;
    if (!lost) {
        far_drop(far);
        queue(node);
        return;
    }
    struct cress_greenlet *g = node->g; /* this hub ends: it is free */
    node->g = NULL;
    greenlet_release(g);
}

int cress_link(cress_greenlet *g, cress_link_node *public, cress_link_fn fn, void *arg)
{
    if (g == NULL || public == NULL || fn == NULL)
        return -EINVAL;
    int where = greenlet_elsewhere(g);
    if (where < 0)
        return where;
    struct link_node *node = (struct link_node *)(void *)public;
    if (node->g != NULL)
        return -EALREADY;
    struct cress_hub *h;
    int error = hub_get(&h); /* that of an ended greenlet may have been another one */
    if (error < 0)
        return error;
    *node = (struct link_node){ .g = g, .self = node, .fn = fn, .arg = arg, .place = IN_LIST };
    if (where > 0) {
        struct far_link *far;
        error = far_link(g, h, far_ended, node, &far);
        if (error < 0 && error != -EOWNERDEAD) {
            node->g = NULL;
            return error;
        }
        greenlet_ref(g);
        if (error == 0) {
            node->place = FAR;
            node->far = far;
        } else {
            queue(node);
        }
        return 0;
    }
    greenlet_ref(g);
    if (g->outcome == CRESS_ALIVE) {
        node->link.fire = ended;
        greenlet_link(g, &node->link);
    } else {
        queue(node);
    }
    return 0;
}

void cress_unlink(cress_link_node *public)
{
    struct link_node *node = (struct link_node *)(void *)public;
    if (node == NULL || node->g == NULL)
        return;
    struct cress_greenlet *g = node->g;
    int where = greenlet_elsewhere(g);
    if (where < 0)
        return;
    switch (node->place) {
    case IN_LIST:
        greenlet_unlink(g, &node->link);
        break;
    case FAR:
        far_drop(node->far);
        break;
    case IN_LINE:
        if (runnode_queued(&node->run)) /* else the line has ended, with its hub */
            runq_remove(&node->run);
        break;
    }
    node->g = NULL;
    greenlet_release(g);
}
