/* cases - the kinds of things that this layer knows to wait for. */
#include "base/sys.h"
#include "hub/shared.h"
#include "hub/wait.h"
#include "hub/waiter.h"

#include <errno.h>
#include <limits.h>

#define WORDS(type) _Static_assert(sizeof(type) <= sizeof(((cress_case *)0)->words), "case.words")

/* What a kind keeps in the case while somebody waits. */
static void *words(cress_case *c)
{
    return c->words;
}

cress_case cress_on(const cress_case_ops *ops, void *object)
{
    return (cress_case){ .ops = ops, .object = object };
}

/* --- the end of a greenlet ------------------------------------------------------------------- */

struct on_greenlet {
    struct greenlet_link link;
    struct far_link *far; /* of another thread's; NULL: none */
    cress_case *c;
};
WORDS(struct on_greenlet);

static int greenlet_ready(cress_case *c, bool take)
{
    (void)take;
    const struct cress_greenlet *g = c->object;
    int where = greenlet_elsewhere(g);
    int ready = where < 0 ? where : where > 0 ? shared_ready(g) : g->outcome != CRESS_ALIVE;
    c->result = ready > 0 ? cress_error(g) : 0;
    return ready;
}

static void greenlet_fires(struct greenlet_link *link)
{
    cress_case_fire(container_of(link, struct on_greenlet, link)->c);
}

static void far_fires(struct far_link *far, bool lost)
{
    struct on_greenlet *on = far->arg;
    if (lost)
        on->far = NULL;
    else
        cress_case_fire(on->c);
}

static int greenlet_links(cress_case *c)
{
    struct cress_greenlet *g = c->object;
    struct on_greenlet *on = words(c);
    *on = (struct on_greenlet){ .link.fire = greenlet_fires, .c = c };
    if (greenlet_elsewhere(g) == 0) {
        greenlet_link(g, &on->link);
    } else {
        int error = far_link(g, case_hub(c), far_fires, on, &on->far);
        if (error < 0 && error != -EOWNERDEAD)
            return error;
        if (error != 0) /* meanwhile */
            cress_case_fire(c);
    }
    greenlet_ref(g);
    return 0;
}

static void greenlet_unlinks(cress_case *c)
{
    struct on_greenlet *on = words(c);
    if (on->far != NULL)
        far_drop(on->far);
    else if (greenlet_linked(&on->link))
        greenlet_unlink(c->object, &on->link);
    greenlet_release(c->object);
}

cress_case cress_on_greenlet(cress_greenlet *g)
{
    static const cress_case_ops ops = { "greenlet", greenlet_ready, greenlet_links,
                                        greenlet_unlinks };
    return (cress_case){ .ops = g != NULL ? &ops : NULL, .object = g };
}

/* --- a descriptor ---------------------------------------------------------------------------- */

struct on_fd {
    struct fd_wait wait;
    cress_case *c;
};
WORDS(struct on_fd);

enum { FD_EVENTS = CRESS_IN | CRESS_OUT | CRESS_PRI | CRESS_RDHUP };

/* What was seen is asked for again: it may have been taken by somebody else meanwhile. */
static int fd_ready(cress_case *c, bool take)
{
    (void)take;
    if (c->number < 0 || c->number > INT_MAX)
        return -EBADF;
    if (c->events == 0 || (c->events & ~FD_EVENTS) != 0)
        return -EINVAL;
    if (c->result < 0)
        return c->result; /* it was closed */
    struct pollfd p = { .fd = (int)c->number, .events = (short)c->events };
    int n;
    do
        n = sys_poll(&p, 1, &(struct timespec){ 0 });
    while (n == -EINTR);
    if (n <= 0)
        return n;
    c->result = p.revents;
    return p.revents & POLLNVAL ? -EBADF : 1;
}

static void fd_fires(struct fd_wait *wait, int events)
{
    cress_case *c = container_of(wait, struct on_fd, wait)->c;
    c->result = events < 0 ? events : 0;
    cress_case_fire(c);
}

static int fd_links(cress_case *c)
{
    struct cress_hub *h = case_hub(c);
    struct on_fd *on = words(c);
    struct fd_entry *entry = fds_entry((int)c->number);
    if (entry == NULL)
        return -ENOMEM;
    *on = (struct on_fd){ .wait = { .events = c->events, .ready = fd_fires }, .c = c };
    int error = fds_wait(&h->loop, (int)c->number, entry, &on->wait);
    if (error == 0)
        h->loop.refs += case_counts(c);
    return error;
}

static void fd_unlinks(cress_case *c)
{
    struct cress_hub *h = case_hub(c);
    fds_unwait(&h->loop, &((struct on_fd *)words(c))->wait);
    h->loop.refs -= case_counts(c);
}

cress_case cress_on_fd(int fd, int events)
{
    static const cress_case_ops ops = { "fd", fd_ready, fd_links, fd_unlinks };
    return (cress_case){ .ops = &ops, .number = fd, .events = events };
}

/* --- time ------------------------------------------------------------------------------------ */

struct on_timer {
    struct timer timer;
    cress_case *c;
    bool over;
};
WORDS(struct on_timer);

static int timer_ready(cress_case *c, bool take)
{
    (void)take;
    if (c->number < 0)
        return -EINVAL;
    return c->number == 0 || ((struct on_timer *)words(c))->over;
}

static void timer_fires(struct timer *timer)
{
    struct on_timer *on = container_of(timer, struct on_timer, timer);
    on->over = true;
    cress_case_fire(on->c);
}

static int timer_links(cress_case *c)
{
    struct cress_hub *h = case_hub(c);
    struct on_timer *on = words(c);
    on->c = c;
    timer_init(&on->timer, timer_fires);
    if (c->number == CRESS_FOREVER)
        return 0;
    timer_start(&h->loop.timers, &on->timer, c->number);
    h->loop.refs += case_counts(c);
    return 0;
}

static void timer_unlinks(cress_case *c)
{
    struct cress_hub *h = case_hub(c);
    timer_remove(&h->loop.timers, &((struct on_timer *)words(c))->timer);
    if (c->number != CRESS_FOREVER)
        h->loop.refs -= case_counts(c);
}

cress_case cress_on_timer(cress_time after)
{
    static const cress_case_ops ops = { "timer", timer_ready, timer_links, timer_unlinks };
    return (cress_case){ .ops = &ops, .number = after };
}

/* --- a waiter -------------------------------------------------------------------------------- */

WORDS(struct case_node);

static int waiter_ready(cress_case *c, bool take)
{
    struct waiter *w = c->object;
    if (w->hub != NULL && w->hub != case_hub(c))
        return -EXDEV;
    if (w->state == WAITER_EMPTY)
        return 0;
    if (take && w->co != NULL)
        return -EBUSY;
    if (take) {
        c->data = NULL;
        c->result = waiter_take(w, &c->data); /* no new cancellation point */
    }
    return 1;
}

static int waiter_links(cress_case *c)
{
    struct waiter *w = c->object;
    w->hub = case_hub(c);
    cases_add(&w->cases, words(c), c);
    return 0;
}

static void waiter_unlinks(cress_case *c)
{
    list_remove(&((struct case_node *)words(c))->node);
    waiter_left(c->object);
}

cress_case cress_on_waiter(cress_waiter *waiter)
{
    static const cress_case_ops ops = { "waiter", waiter_ready, waiter_links, waiter_unlinks };
    return (cress_case){ .ops = waiter != NULL ? &ops : NULL, .object = waiter };
}
