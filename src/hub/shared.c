#include "hub/shared.h"

#include "base/alloc.h"
#include "base/step.h"
#include "hub/park.h"

#include <errno.h>

/* Numbers of their own, apart from those of hubs. */
static _Atomic uint64_t made;

/* --- life ------------------------------------------------------------------------------------ */

static void free_half(struct shared *s)
{
    step_writes(&s->holders);
    if (atomic_fetch_sub(&s->holders, 1) > 1)
        return;
    struct thread *t = s->block.co.thread;
    pthread_mutex_destroy(&s->lock);
    hub_unkeep(s->hub);
    cress__free(s);
    cress__thread_unref(t);
}

void shared_free_handle(struct cress_greenlet *g)
{
    struct shared *s = shared_of(g);
    if ((g->flags & GREENLET_HAS_VALUE) && g->outcome != CRESS_FAILED &&
        s->extra.value_free != NULL) {
        cress__closed++; /* it may stand on the stack of anybody */
        s->extra.value_free(g->value);
        cress__closed--;
    }
    free_half(s);
}

void shared_free_coro(cress_coro *co)
{
    free_half((struct shared *)(void *)co);
}

/* It takes part in its hub from now on. */
static void begin(struct shared *s)
{
    struct cress_hub *h = s->hub;
    h->alive++;
    h->spawns++;
    list_push(&h->shared, &s->node);
    greenlet_enter(h, &s->block.greenlet, s->delay);
}

/* In a child process one of the parent's begins, too: to be dropped like all others. */
static void started(struct notice *notice)
{
    begin(container_of(notice, struct shared, start));
}

void shared_take_part(struct cress_greenlet *g)
{
    const struct shared *s = shared_of(g);
    if (!list_linked(&s->node)) /* (4) */
        notices_take(&s->hub->loop);
}

static void kill_asked(struct notice *notice);

/* Its hub lives. */
static void init(struct shared *s, struct cress_hub *h, const cress_spawn_options *o, cress_fn fn,
                 void *arg)
{
    cress_coro *co = &s->block.co;
    struct thread *t = h->thread;
    coro_init(co, t, CORO_GREENLET);
    co->stack_class = (uint8_t)stack_class(o->stack_size);
    co->extra = &s->extra;
    s->block.greenlet = (struct cress_greenlet){
        .fn = fn,
        .value = arg,
        .refs = 1,
        .id = GREENLET_SHARED | atomic_fetch_add(&made, 1),
        .flags = o->daemon ? GREENLET_DAEMON : 0,
    };
    list_init(&s->node);
    s->hub = h;
    s->start = (struct notice){ .come = started };
    s->kill = (struct notice){ .come = kill_asked };
    s->kill_now = (struct callback){ .arg = NULL };
    atomic_init(&s->kill_asked, false);
    s->delay = o->delay;
    s->forks = cress__forks;
    atomic_init(&s->holders, 2);
    s->orphan = s->ended = false;
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->far);
    hub_keep(h);
    cress__thread_ref(t);
}

/* What the options ask for, before anything is asked of another hub: it calls functions of the
 * user's. */
static struct shared *new_with_options(const cress_spawn_options *o)
{
    struct shared *s = cress__aligned_alloc(CACHE_LINE, sizeof *s);
    if (s == NULL)
        return NULL;
    s->extra = (struct hub_extra){ .co = &s->block.co };
    timer_init(&s->extra.timer, park_time_out);
    if (greenlet_apply(&s->extra, o) == 0)
        return s;
    cress__free(s);
    return NULL;
}

int shared_spawn(const cress_spawn_options *o, cress_fn fn, void *arg, struct cress_greenlet **out)
{
    struct cress_hub *h = o->hub;
    int error = h != NULL ? 0 : hub_get(&h);
    if (error < 0)
        return error;
    bool here = h == hub_current();
    if (out != NULL && !o->shared)
        return -EXDEV; /* of no use here */
    struct shared *s = new_with_options(o);
    if (s == NULL)
        return -ENOMEM;
    if (!here && (error = outside_find(h)) < 0) {
        extra_end_locals(&s->extra, true);
        cress__free(s);
        return error;
    }
    init(s, h, o, fn, arg);
    struct cress_greenlet *g = &s->block.greenlet;
    if (out != NULL) {
        g->refs++;
        *out = g;
    }
    if (here) {
        begin(s);
    } else {
        notice_send(&s->start, &h->loop);
        outside_leave(h);
    }
    return 0;
}

void shared_let_go(struct cress_greenlet *g)
{
    struct shared *s = shared_of(g);
    struct cress_hub *h = s->hub;
    if (!runnode_queued(&s->kill_now.node))
        list_remove(&s->node); /* (4) */
    if (s->extra.slot != 0)
        slot_release(h, s->extra.slot);
    s->extra.slot = 0;
    extra_end_locals(&s->extra, true); /* it has never run, else it has none */
    timer_remove(&h->loop.timers, &s->extra.timer);
    coro_release(&s->block.co); /* (3) */
    greenlet_release(g);
}

/* --- its end, for other threads -------------------------------------------------------------- */

static void lock(struct shared *s)
{
    step_locks(&s->lock);
    pthread_mutex_lock(&s->lock);
}

static void unlock(struct shared *s)
{
    pthread_mutex_unlock(&s->lock);
    step_unlocks(&s->lock);
}

static void free_far(struct far_link *far)
{
    hub_unkeep(far->errand.hub);
    cress__free(far);
}

/* One of the two references; free_far() is for who has both. */
static void release_far(struct far_link *far)
{
    step_writes(&far->refs);
    if (atomic_fetch_sub(&far->refs, 1) == 1)
        free_far(far);
}

void shared_tell_end(struct cress_greenlet *g)
{
    struct shared *s = shared_of(g);
    lock(s);
    s->ended = true;
    struct list *node;
    while ((node = list_pop(&s->far)) != NULL) {
        struct far_link *far = container_of(node, struct far_link, node);
        if (!errand_done(&far->errand))
            release_far(far); /* (6) */
    }
    unlock(s);
}

void shared_orphan(struct cress_greenlet *g)
{
    shared_of(g)->orphan = true;
}

int shared_ready(const struct cress_greenlet *g)
{
    const struct shared *s = shared_of(g);
    step_reads(&g->outcome);
    if (greenlet_outcome(g) != CRESS_ALIVE)
        return s->orphan ? -EOWNERDEAD : 1;
    return s->forks == cress__forks ? 0 : -EOWNERDEAD;
}

/* Whether it was linked still. */
static bool take_out(struct far_link *far)
{
    lock(far->of);
    bool linked = list_linked(&far->node);
    list_remove(&far->node);
    unlock(far->of);
    return linked;
}

static void far_came(struct errand *errand)
{
    struct far_link *far = container_of(errand, struct far_link, errand);
    far->came = true;
    if (far->fire != NULL)
        far->fire(far, false);
    else
        free_far(far);
}

/* In a child process nobody else has it. */
static void far_lost(struct errand *errand, bool in_child)
{
    struct far_link *far = container_of(errand, struct far_link, errand);
    bool both = in_child;
    if (far->fire != NULL) {
        if (!in_child)
            both = take_out(far);
        far->fire(far, true);
    }
    if (both)
        free_far(far);
    else
        release_far(far);
}

int far_link(struct cress_greenlet *g, struct cress_hub *h,
             void (*fire)(struct far_link *far, bool lost), void *arg, struct far_link **out)
{
    int ready = shared_ready(g);
    if (ready != 0)
        return ready;
    struct far_link *far = cress__calloc(1, sizeof *far);
    if (far == NULL)
        return -ENOMEM;
    struct shared *s = shared_of(g);
    far->of = s;
    far->fire = fire;
    far->arg = arg;
    far->forks = cress__forks;
    far->errand.back = far_came;
    far->errand.lost = far_lost;
    atomic_init(&far->refs, 2);
    list_init(&far->node);
    hub_keep(h);
    errand_begin(&far->errand, h, !(h->thread->current->flags & CORO_DAEMON));
    lock(s);
    bool ended = s->ended;
    if (!ended)
        list_push(&s->far, &far->node);
    unlock(s);
    if (ended) {
        errand_end(&far->errand);
        free_far(far);
        return shared_ready(g);
    }
    *out = far;
    return 0;
}

void far_drop(struct far_link *far)
{
    bool linked = !far->came && far->forks == cress__forks && take_out(far);
    if (linked)
        errand_end(&far->errand);
    if (linked || far->came)
        free_far(far);
    else
        far->fire = NULL; /* it is on the way */
}

/* --- a kill from another thread -------------------------------------------------------------- */

/* What is asked is done in the line: discarding calls functions of the user's. */
static int kill_now(void *arg)
{
    struct shared *s = arg;
    struct cress_greenlet *g = &s->block.greenlet;
    if (g->outcome != CRESS_ALIVE)
        list_remove(&s->node);
    else if (&s->block.co != s->hub->main_co) /* it has forked, else */
        greenlet_kill(s->hub, g);
    greenlet_release(g);
    return 0;
}

static void kill_asked(struct notice *notice)
{
    struct shared *s = container_of(notice, struct shared, kill);
    cress_coro *co = &s->block.co;
    step_writes(&s->kill_asked);
    atomic_store(&s->kill_asked, false);
    if (runnode_queued(&s->kill_now.node)) {
        greenlet_release(&s->block.greenlet); /* not the last: that one in the line has one */
        return;
    }
    if (co->state == CORO_NEW && runnode_queued(&co->node))
        runq_remove(&co->node); /* it does not run before */
    if (!list_linked(&s->node))
        list_push(&s->hub->shared, &s->node);
    s->kill_now = (struct callback){ .node.fn = kill_now, .arg = s };
    runq_push(&s->hub->loop.ready, &s->kill_now.node);
}

int shared_kill(struct cress_greenlet *g)
{
    struct shared *s = shared_of(g);
    int ready = shared_ready(g);
    if (ready != 0)
        return ready > 0 ? 0 : ready;
    if (outside_enter(s->hub) < 0)
        return shared_ready(g) > 0 ? 0 : -EOWNERDEAD;
    step_writes(&s->kill_asked);
    if (!atomic_exchange(&s->kill_asked, true)) {
        greenlet_ref(g);
        notice_send(&s->kill, &s->hub->loop);
    }
    outside_leave(s->hub);
    return 0;
}

/* --- the end of a hub, and fork -------------------------------------------------------------- */

void shared_end(struct cress_hub *h)
{
    struct list *node;
    while ((node = list_pop(&h->shared)) != NULL) {
        struct shared *s = container_of(node, struct shared, node);
        runq_remove(&s->kill_now.node);
        greenlet_release(&s->block.greenlet);
    }
}

void shared_after_fork(struct cress_hub *h)
{
    for (struct list *n = h->shared.next; n != &h->shared; n = n->next) {
        struct shared *s = container_of(n, struct shared, node);
        pthread_mutex_init(&s->lock, NULL); /* (5) */
        list_init(&s->far);
        s->forks = cress__forks;
    }
}
