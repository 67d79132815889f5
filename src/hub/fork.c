/* fork - what a hub does in a child process.
 *
 * Whoever forked, greenlet, callback or main, is the child's main. All others are dropped without
 * running: taken out of what they waited for and of the line; nobody is told, nothing of theirs is
 * called, and their frames stay as they were. Callbacks and watchers go on in both processes.
 *
 *     fork(2)                        hub_in_child: note who there is, and close (base/closed.h)
 *     the first switch or wait       hub_after_fork, by closed()
 *     ... or use of the loop         hub_on_fork, by loop_refresh()
 *
 * So fork and exec costs nothing, and greenlets that the child spawns at once are its own.
 */
#include "base/closed.h"
#include "hub/extra.h"
#include "hub/scope.h"
#include "hub/shared.h"
#include "hub/wait.h"

static void hub_in_child(void)
{
    struct cress_hub *h = hub_current();
    if (h == NULL)
        return;
    h->fork_id = h->next_id;
    cress__closed |= CLOSED_FORKED;
}

static void hub_after_fork(void)
{
    struct cress_hub *h = hub_current();
    if (h != NULL)
        loop_refresh(&h->loop);
}

void hub_attend_forks(void)
{
    uint64_t mask = fork_lock();
    cress__fork_hooks[FORK_HUB] = hub_in_child;
    cress__closed_forked = hub_after_fork;
    fork_unlock(mask);
}

static void drop_coro(struct cress_hub *h, cress_coro *co)
{
    hub_unwait(h, co);
    scope_drop(co);
    if (co->extra != NULL)
        extra_end_locals(co->extra, false);
    coro_lose(co);
}

static void drop_greenlet(void *block, void *hub)
{
    struct cress_hub *h = hub;
    struct greenlet_block *b = block;
    struct cress_greenlet *g = &b->greenlet;
    if (b->co.state == CORO_ENDED || &b->co == h->main_co)
        return;
    if (greenlet_is_shared(g) ? shared_of(g)->forks == cress__forks : g->id > h->fork_id) {
        h->alive += !(g->flags & GREENLET_DAEMON);
        return;
    }
    greenlet_drop_deferred(g);
    drop_coro(h, &b->co);
    g->outcome = CRESS_KILLED;
    g->value = NULL;
    while (g->links != NULL)
        greenlet_unlink(g, container_of(g->links, struct greenlet_link, node));
    greenlet_let_go(g);
}

void hub_on_fork(struct cress_loop *loop)
{
    struct cress_hub *h = (struct cress_hub *)(void *)loop;
    struct thread *t = h->thread;
    cress__closed &= ~CLOSED_FORKED;
    outside_after_fork(h);
    h->main_co = t->current;
    iwaits_end(h, h->main_co, true);
    h->look_below = 0;
    if (h->ending && h->main_co != &t->native) { /* that is the parent's main's */
        h->ending = false;
        outside_open(&h->outside);
    }
    h->alive = 0; /* counted anew: main does not count */
    hub_each_greenlet(h, drop_greenlet, h);
    for (struct list *n = t->raw.next, *next; n != &t->raw; n = next) {
        next = n->next;
        cress_coro *co = &container_of(n, struct raw_coro, link)->co;
        if (co->state == CORO_PARKED && co->kind == CORO_RAW)
            drop_coro(h, co);
    }
    if (h->main_co != &t->native) {
        hub_unwait(h, &t->native);
        scope_drop(&t->native);
    }
    outside_lose_errands(h, true);
    shared_after_fork(h);
}
