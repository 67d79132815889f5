#include "hub/hub.h"

#include "base/alloc.h"
#include "base/sys.h"
#include "ctx/overflow.h"
#include "hub/extra.h"
#include "hub/scope.h"
#include "hub/shared.h"
#include "hub/wait.h"

#include <stdlib.h>
#include <string.h>

/* --- callbacks: the service greenlet --------------------------------------------------------- */

/* Runs callbacks as long as one is first in line, then leaves like anybody who blocks. */
static void *serve(void *arg, void *value)
{
    (void)value;
    struct cress_hub *h = arg;
    static const struct wait_info info = { .what = "callbacks" };
    for (;;) {
        const struct runnode *node = h->loop.ready.head.next;
        if (node == &h->loop.ready.head || node->fn == NULL || h->budget <= 0) {
            h->service->info = &info;
            hub_switch(h, h->service);
            continue;
        }
        h->budget--;
        h->steps--; /* a callback is no switch */
        h->callbacks++;
        loop_run_callback(&h->loop);
    }
    return NULL;
}

/* --- picking --------------------------------------------------------------------------------- */

/* How many steps until the next tick, from what the last ones took. */
static void adapt(struct cress_hub *h, cress_time took)
{
    if (took > TICK_NS) {
        cress_time fit = h->quantum * (cress_time)TICK_NS / took;
        h->quantum = fit > 1 ? (int32_t)fit : 1;
    } else if (took < TICK_NS / 2 && h->quantum < QUANTUM_MAX) {
        h->quantum *= 2;
    }
}

/* After a time there are stacks that nobody needed during all of it: some of them give their pages
 * back. */
static void age_stacks(struct cress_hub *h, cress_time now)
{
    if (now - h->last_age < AGE_NS)
        return;
    h->last_age = now;
    h->aged_spawns = h->spawns;
    h->cold_stacks = stack_age(&h->thread->stacks) > 0;
}

/* Whether there may be such stacks: then also a hub that sleeps looks after them. */
static bool may_age(const struct cress_hub *h)
{
    return h->cold_stacks || h->spawns != h->aged_spawns;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The loop is looked at with the hooks around. Where after asks for it, the service greenlet runs
 * first: a callback that does nothing goes to the head of the line. */
bool hub_look(struct cress_hub *h, cress_time timeout)
{
    const cress_poll_hooks *hooks = h->poll_hooks;
    if (hooks == NULL)
        return loop_look(&h->loop, timeout);
    hooks->before(h, timeout, h->poll_hooks_arg);
    bool came = loop_look(&h->loop, timeout);
    if (hooks->after(h, h->poll_hooks_arg) > 0 && !runnode_queued(&h->service_first.node)) {
        h->service_first.node.fn = nothing;
        runq_push_front(&h->loop.ready, &h->service_first.node);
        came = true;
    }
    return came;
}

static void begin_slice(struct cress_hub *h, int32_t steps)
{
    h->slice = h->budget = steps < h->left ? steps : h->left;
}

/* Something has been waited for: what runs now may be of quite another kind. */
static void begin_anew(struct cress_hub *h)
{
    h->steps = hub_steps(h);
    h->glanced = base_clock_coarse();
    h->last_tick = 0;
    h->left = h->quantum;
    begin_slice(h, 1);
}

/* The clock is read each quantum of steps, which adapts to how long they take. But they may become
 * longer at any time: so the coarse clock, which costs little, is glanced at every few steps, at
 * first after each one; where it has moved the clock is read at once. */
static noinline void hub_glance(struct cress_hub *h)
{
    h->steps = hub_steps(h);
    h->left -= h->slice - h->budget;
    cress_time coarse = base_clock_coarse();
    bool moved = coarse != h->glanced;
    if (!moved && h->left > 0) {
        begin_slice(h, h->slice < SLICE_MAX ? 2 * h->slice : SLICE_MAX);
        return;
    }
    h->glanced = coarse;
    cress_time now = loop_tick(&h->loop);
    if (h->last_tick > 0)
        adapt(h, now - h->last_tick);
    h->last_tick = now;
    h->left = h->quantum;
    begin_slice(h, moved ? 1 : SLICE_MAX);
    if (now - h->last_look >= LOOK_NS) {
        h->last_look = now;
        hub_look(h, 0);
        age_stacks(h, now);
    }
    /* Daemons may keep the line from ever being empty, and a watcher was the last that counted. */
    if (unlikely(hub_in_run(h) && !hub_counts(h)))
        hub_wake(h, h->main_co, RUN_AGAIN);
}

/* Nothing is ready and nothing will come. If main waits it is told; in its cress_run() that is what
 * it waits for. Where main itself left by cress_coro_switch(), it is the raw coroutine that waits
 * here that has to know. */
static void nothing_left(struct cress_hub *h, cress_coro *self)
{
    cress_coro *main = h->main_co;
    if (main == h->service) /* a callback that forked: it has returned, and nothing is left */
        exit(EXIT_SUCCESS);
    if (hub_in_run(h) && main->flags & CORO_WAITING) {
        hub_wake(h, main, 0);
        return;
    }
    hub_report_deadlock(h);
    if (hub_wake(h, main, -EDEADLK))
        return;
    const struct list *raw = &h->thread->raw;
    for (struct list *n = raw->next; n != raw; n = n->next)
        if (hub_wake(h, &container_of(n, struct raw_coro, link)->co, -EDEADLK))
            return;
    if (self != NULL)
        hub_wake(h, self, -EDEADLK);
}

/* The line is empty: wait for events, on the stack of who came here. */
static noinline void hub_idle(struct cress_hub *h, cress_coro *self)
{
    struct cress_loop *loop = &h->loop;
    cress_time timeout = loop_next(loop);
    if (timeout == 0 && !runq_empty(&loop->ready))
        return;
    if (unlikely(!list_empty(&h->idlers))) {
        if (!hub_look(h, 0))
            hub_wake(h, container_of(list_pop(&h->idlers), struct idler, node)->co, 0);
        return;
    }
    if (!loop_alive(loop) && !loop->embedded && !loop_told(loop)) {
        nothing_left(h, self);
        if (!runq_empty(&loop->ready))
            return;
    }
    if (timeout < AGE_NS || !may_age(h)) {
        hub_look(h, timeout);
    } else {
        hub_look(h, AGE_NS);
        age_stacks(h, base_clock());
    }
    begin_anew(h);
}

noinline void hub_breathe(struct cress_hub *h)
{
    h->io_run = h->ran_on = 0;
    if (closed())
        return;
    h->steps = hub_steps(h);
    h->left = 1; /* so many calls take longer than a quantum of steps */
    begin_slice(h, 1);
    hub_yield(h, h->thread->current);
}

noinline cress_coro *hub_pick(struct cress_hub *h, cress_coro *self)
{
    /* Here the choice is counted when it is made; hub_next() has counted a coroutine already. */
    h->steps -= h->loop.ready.head.next->fn == NULL;
    for (;;) {
        struct runnode *node = h->loop.ready.head.next;
        if (node == &h->loop.ready.head) {
            hub_idle(h, self);
        } else if (h->budget <= 0) {
            hub_glance(h);
        } else if (node->fn != NULL) {
            h->steps++;
            return h->service; /* (3) */
        } else {
            h->steps++;
            runq_remove(node);
            return container_of(node, cress_coro, node);
        }
    }
}

noinline cress_coro *hub_start(struct cress_hub *h, cress_coro *next, cress_coro *self)
{
    while (next->state == CORO_NEW && coro_start(h->thread, next) < 0) {
        struct cress_greenlet *g = greenlet_of_block(next);
        next->state = CORO_ENDED;
        greenlet_discard(g);
        greenlet_finish(h, g, CRESS_FAILED, NULL, -ENOMEM);
        greenlet_let_go(g);
        next = hub_next(h, self);
    }
    return next;
}

/* --- life ------------------------------------------------------------------------------------ */

/* Each hub numbers its greenlets from another start, so that no two of the process are equal. */
static _Atomic uint64_t hubs_made;
enum { HUB_ID_SHIFT = 40 };

static void loop_report(struct cress_loop *loop, cress_watch *watch, const char *context, int error)
{
    (void)watch;
    hub_report((struct cress_hub *)(void *)loop, NULL, context, error);
}

static cress_coro *successor(struct cress_hub *h)
{
    return hub_start(h, hub_next(h, NULL), NULL);
}

static void dispose(cress_coro *co)
{
    greenlet_let_go(greenlet_of_block(co));
}

void hub_each_greenlet(struct cress_hub *h, void (*fn)(void *block, void *arg), void *arg)
{
    blocks_each(&h->thread->blocks, fn, arg);
    for (struct list *n = h->shared.next, *next; n != &h->shared; n = next) {
        next = n->next;
        fn(&container_of(n, struct shared, node)->block, arg);
    }
}

static size_t describe(const cress_coro *co, char *text, size_t size)
{
    const struct cress_greenlet *g = greenlet_of(co);
    return g != NULL ? greenlet_label(g, text, size)
                     : label_copy("the service greenlet", text, size);
}

/* A greenlet that will not run on: never started, it is discarded; suspended, it is abandoned and
 * the hook is told its name. */
static void drop_greenlet(void *block, void *arg)
{
    struct cress_hub *h = arg;
    struct greenlet_block *b = block;
    struct cress_greenlet *g = &b->greenlet;
    if (b->co.state == CORO_ENDED)
        return;
    if (b->co.state == CORO_NEW) {
        greenlet_discard(g);
    } else {
        h->abandoned++;
        hub_report(h, g, "abandoned, since its hub ends", -ECANCELED);
        greenlet_drop_deferred(g);
    }
    coro_lose(&b->co);
    hub_unwait(h, &b->co);
    scope_end(&b->co);
    if (b->co.extra != NULL)
        extra_end_locals(b->co.extra, true);
    if (greenlet_is_shared(g))
        shared_orphan(g);
    greenlet_finish(h, g, CRESS_KILLED, NULL, -ECANCELED);
    greenlet_let_go(g);
}

/* A coroutine that is no greenlet, and has waited in the hub, ends. */
static void forget(cress_coro *co)
{
    hub_unwait(co->thread->hub, co);
    scope_end(co);
    if (co->extra != NULL)
        extra_drop(co);
}

/* Daemons are waited for now, too. Where one waits behind a shield that does not count yet. */
static void await(struct cress_hub *h, struct greenlet_block *b)
{
    struct cress_greenlet *g = &b->greenlet;
    if (b->co.flags & CORO_DAEMON) {
        h->alive++;
        greenlet_set_flags(g, g->flags & ~(unsigned)GREENLET_DAEMON);
        b->co.flags &= (uint8_t)~CORO_DAEMON;
        if (b->co.flags & CORO_WAITING)
            h->loop.refs++; /* for good: the loop ends with it */
    }
    greenlet_set_flags(g, g->flags | GREENLET_AWAITED);
    h->awaited++;
}

/* What has not started is discarded, all others find out. */
static void kill_block(void *block, void *arg)
{
    struct cress_hub *h = arg;
    struct greenlet_block *b = block;
    struct cress_greenlet *g = &b->greenlet;
    if (b->co.state == CORO_NEW && greenlet_is_shared(g))
        shared_orphan(g);
    bool begun = b->co.state != CORO_NEW && b->co.state != CORO_ENDED;
    if (b->co.state != CORO_ENDED)
        greenlet_kill(h, g); /* else it is the end of it */
    if (begun)
        await(h, b);
}

static bool kill_all(struct cress_hub *h)
{
    h->awaited = 0;
    hub_each_greenlet(h, kill_block, h);
    return h->awaited > 0;
}

/* All are killed and given time to end. What they spawn for that is left alone until they have
 * ended; then it is killed in turn. */
static void give_grace(struct cress_hub *h, cress_time grace)
{
    static const struct wait_info info = { .what = "the end of the others", .firm = true };
    cress_time deadline = cress_deadline(grace), left = grace;
    while (kill_all(h) && left > 0) {
        hub_run(h, &info, left);
        if (h->awaited > 0) /* nothing can happen any more, or the time is over */
            break;
        left = cress_left(deadline);
    }
}

/* Raw coroutines that wait in this hub would wait for ever. */
static void drop_raw(struct cress_hub *h)
{
    struct list *raw = &h->thread->raw;
    for (struct list *n = raw->next, *next; n != raw; n = next) {
        next = n->next;
        cress_coro *co = &container_of(n, struct raw_coro, link)->co;
        if (co != h->service)
            forget(co);
        if (co->state != CORO_PARKED || co == h->service)
            continue;
        h->abandoned++;
        hub_report(h, NULL, "a raw coroutine is abandoned, since its hub ends", -ECANCELED);
        coro_lose(co);
    }
}

/* What may hold on to a frame of one of them goes first. */
static void drop_all(struct cress_hub *h)
{
    iwaits_end(h, NULL, true);
    hub_each_greenlet(h, drop_greenlet, h);
    drop_raw(h);
}

static void end_hub(struct cress_hub *h)
{
    struct thread *t = h->thread;
    drop_all(h);
    if (t->held != NULL)
        t->held_end(t, false);
    forget(&t->native);
    outside_end(h);
    shared_end(h);
    h->service->kind = CORO_RAW;
    h->service->state = CORO_SUSPENDED;
    cress_coro_free(h->service);
    loop_done(&h->loop);
    blocks_done(&h->scopes);
    cress__free(h->slots);
    t->native.flags = 0;
    t->hub = NULL;
    atomic_store(&t->hub_first, UINT64_MAX);
    hub_unkeep(h);
}

int cress_hub_destroy(cress_time grace)
{
    if (grace < 0)
        return -EINVAL;
    struct cress_hub *h = hub_current();
    if (h == NULL)
        return 0;
    if (closed() || h->thread->current != &h->thread->native || h->main_co != &h->thread->native)
        return -EPERM;
    h->abandoned = 0;
    greenlet_clear(&h->thread->native);
    watch_end_all(&h->loop); /* they would use up the grace, and bring what is not killed */
    h->loop.refs -= h->holds;
    h->holds = 0;
    outside_end_begins(h);
    h->ending = true;
    give_grace(h, grace);
    outside_shut(h);
    drop_all(h);
    int abandoned = (int)h->abandoned;
    end_hub(h);
    return abandoned;
}

static void thread_ends(struct cress_hub *h)
{
    (void)h;
    cress_hub_destroy(GRACE_AT_END);
}

int cress_hub_get(cress_hub **out)
{
    return out != NULL ? hub_get(out) : -EINVAL;
}

cress_hub *cress_hub_current(void)
{
    return hub_current();
}

cress_loop *cress_hub_loop(cress_hub *hub)
{
    return hub != NULL && hub == hub_current() ? &hub->loop : NULL;
}

int cress_hub_hold(cress_hub *hub)
{
    if (hub != NULL && hub != hub_current())
        return -EXDEV;
    struct cress_hub *h;
    int error = hub_get(&h);
    if (error < 0)
        return error;
    h->holds++;
    h->loop.refs++;
    return 0;
}

int cress_hub_release(cress_hub *hub)
{
    struct cress_hub *h = hub_current();
    if (hub != NULL && hub != h)
        return -EXDEV;
    if (h == NULL || h->holds == 0)
        return -EINVAL;
    h->holds--;
    h->loop.refs--;
    return 0;
}

int cress_hub_set_poll_hooks(cress_hub *hub, const cress_poll_hooks *hooks, void *arg)
{
    if (hub == NULL || (hooks != NULL && (hooks->before == NULL || hooks->after == NULL)))
        return -EINVAL;
    if (hub != hub_current())
        return -EXDEV;
    hub->poll_hooks = hooks;
    hub->poll_hooks_arg = arg;
    return 0;
}

static void count_blocked(void *block, void *arg)
{
    const struct greenlet_block *b = block;
    *(size_t *)arg += (b->co.flags & CORO_WAITING) != 0;
}

static void count_alive(void *block, void *arg)
{
    const struct greenlet_block *b = block;
    *(size_t *)arg += b->co.state != CORO_ENDED;
}

int cress_hub_stats(cress_hub *hub, cress_hub_counts *out)
{
    if (hub == NULL || out == NULL || out->size == 0)
        return -EINVAL;
    if (hub != hub_current())
        return -EXDEV;
    cress_hub_counts counts = {
        .size = out->size,
        .switches = hub_steps(hub),
        .spawns = hub->spawns,
        .callbacks = hub->callbacks,
        .polls = hub->loop.polls,
        .waits = hub->loop.poll_waits,
        .events = hub->loop.events,
        .wakeups = atomic_load(&hub->loop.wakeups),
    };
    hub_each_greenlet(hub, count_alive, &counts.greenlets);
    hub_each_greenlet(hub, count_blocked, &counts.blocked);
    memcpy(out, &counts, out->size < sizeof counts ? out->size : sizeof counts);
    return 0;
}

noinline int cress__hub_make(struct cress_hub **out)
{
    struct thread *t = thread_self();
    if (t == NULL)
        return -ENOMEM;
    struct cress_hub *h = cress__calloc(1, sizeof *h);
    if (h == NULL)
        return -ENOMEM;
    int error;
    cress_coro_options options = CRESS_CORO_OPTIONS_INIT;
    options.parent = &t->native;
    if ((error = cress_coro_new(&options, serve, h, &h->service)) < 0)
        goto no_service;
    outside_init(&h->outside);
    const struct poller_ops *poller = poller_by_name(NULL);
    if ((error = poller != NULL ? loop_init(&h->loop, poller, true) : -EINVAL) < 0)
        goto no_loop;
    h->service->kind = CORO_SERVICE;
    h->loop.report = loop_report;
    h->thread = t;
    h->main_co = &t->native;
    h->loop.on_fork = hub_on_fork;
    hub_attend_forks();
    h->quantum = QUANTUM_MAX;
    list_init(&h->idlers);
    list_init(&h->iwaits);
    list_init(&h->shared);
    h->random = 0x9e3779b97f4a7c15;
    h->scopes.size = sizeof(struct scope_block);
    h->next_id = atomic_fetch_add(&hubs_made, 1) << HUB_ID_SHIFT;
    h->last_look = h->last_age = h->loop.timers.now;
    begin_anew(h);
    t->blocks.size = sizeof(struct greenlet_block);
    t->hub_extras.size = sizeof(struct hub_extra);
    greenlet_init_main(h);
    t->hub = h;
    atomic_store(&t->hub_first, h->main.id);
    t->hub_begin = greenlet_begin;
    t->hub_clear = greenlet_clear;
    t->hub_end = greenlet_end;
    t->hub_done = thread_ends;
    t->hub_successor = successor;
    t->hub_dispose = dispose;
    t->hub_forget = forget;
    t->free_block = greenlet_free_block;
    t->hub_describe = describe;
    overflow_report(true, true); /* best effort: a hub works without */
    outside_open(&h->outside);
    *out = h;
    return 0;
no_loop:
    cress_coro_free(h->service);
no_service:
    cress__free(h);
    return error;
}
