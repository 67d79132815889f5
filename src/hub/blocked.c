/* blocked - who waits for what: to be looked through by users, and the report of a deadlock. */
#include "hub/park.h"

#include <errno.h>
#include <stdio.h>

/* A walk over all who wait: main, greenlets, raw coroutines. */
struct walk {
    int (*fn)(const cress_blocked *blocked, void *arg);
    void *arg;
    int result; /* of fn; other than 0: it has had enough */
};

static void visit(struct walk *walk, cress_coro *co)
{
    if (!(co->flags & CORO_WAITING) || walk->result != 0)
        return;
    cress_blocked blocked = { .coro = co,
                              .greenlet = greenlet_of(co),
                              .what = co->info->what,
                              .numbered = co->info->numbered,
                              .number = co->info->number,
                              .target = (cress_greenlet *)(uintptr_t)co->info->target };
    walk->result = walk->fn(&blocked, walk->arg);
}

static void visit_block(void *block, void *walk)
{
    visit(walk, &((struct greenlet_block *)block)->co);
}

static int walk_all(struct cress_hub *h, int (*fn)(const cress_blocked *blocked, void *arg),
                    void *arg)
{
    struct walk walk = { .fn = fn, .arg = arg };
    visit(&walk, &h->thread->native);
    hub_each_greenlet(h, visit_block, &walk);
    const struct list *raw = &h->thread->raw;
    for (const struct list *n = raw->next; n != raw; n = n->next)
        visit(&walk, (cress_coro *)(uintptr_t)&container_of(n, struct raw_coro, link)->co);
    return walk.result;
}

int cress_hub_blocked(cress_hub *hub, cress_blocked_fn fn, void *arg)
{
    if (hub == NULL || fn == NULL)
        return -EINVAL;
    return hub == hub_current() ? walk_all(hub, fn, arg) : -EXDEV;
}

static int report(const cress_blocked *blocked, void *arg)
{
    struct cress_hub *h = arg;
    char text[160], target[64] = "";
    if (blocked->coro->flags & CORO_DAEMON && blocked->greenlet != &h->main)
        return 0; /* it is meant to wait for ever */
    if (blocked->target != NULL)
        greenlet_label(blocked->target, target, sizeof target);
    if (blocked->numbered)
        snprintf(text, sizeof text, "deadlock: waits for ever, %s %ld", blocked->what,
                 blocked->number);
    else
        snprintf(text, sizeof text, "deadlock: waits for ever, %s%s%s", blocked->what,
                 blocked->target != NULL ? " " : "", target);
    hub_report(h, blocked->greenlet, text, -EDEADLK);
    return 0;
}

void hub_report_deadlock(struct cress_hub *h)
{
    walk_all(h, report, h);
}
