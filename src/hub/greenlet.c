#include "hub/greenlet.h"

#include "base/options.h"
#include "base/step.h"
#include "hub/extra.h"
#include "hub/hub.h"
#include "hub/marks.h"
#include "hub/park.h"
#include "hub/shared.h"

#include <errno.h>
#include <stdlib.h>

/* --- life ------------------------------------------------------------------------------------ */

cress_fn greenlet_begin(cress_coro *co, void **arg)
{
    struct cress_greenlet *g = greenlet_of_block(co);
    greenlet_set_flags(g, g->flags | GREENLET_STARTED);
    struct hub_extra *x = co->extra;
    if (unlikely(x != NULL)) {
        x->deferred = NULL; /* where on_discard was */
        marks_begin(co, cress_name(g));
    }
    *arg = g->value;
    return g->fn;
}

void greenlet_discard(const struct cress_greenlet *g)
{
    const struct hub_extra *x = greenlet_coro(g)->extra;
    if (x == NULL || x->on_discard == NULL)
        return;
    cress__closed++; /* it may stand on the stack of anybody */
    x->on_discard(g->value);
    cress__closed--;
}

void greenlet_finish(struct cress_hub *h, struct cress_greenlet *g, cress_outcome_kind outcome,
                     void *value, int error)
{
    g->ended = ++h->ended;
    if (outcome == CRESS_FAILED)
        g->error = error;
    else
        g->value = value;
    step_writes(&g->outcome);
    __atomic_store_n(&g->outcome, (uint8_t)outcome, __ATOMIC_RELEASE);
    h->alive -= !(g->flags & GREENLET_DAEMON);
    while (g->links != NULL) { /* (3) */
        struct greenlet_link *link = container_of(g->links, struct greenlet_link, node);
        greenlet_unlink(g, link);
        link->fire(link);
    }
    if (unlikely(greenlet_is_shared(g)))
        shared_tell_end(g);
    if (outcome == CRESS_FAILED)
        hub_report(h, g, "greenlet failed", error);
    if (unlikely(h->alive < h->look_below))
        hub_look_at_end(h, g);
}

cress_coro *greenlet_end(cress_coro *self, void **value, int *error)
{
    struct cress_hub *h = self->thread->hub;
    struct cress_greenlet *g = greenlet_of_block(self);
    if (unlikely(self->extra != NULL)) {
        timer_remove(&h->loop.timers, &((struct hub_extra *)self->extra)->timer);
        marks_end(self, cress_name(g));
    }
    if (*error == 0)
        greenlet_set_flags(g, g->flags | GREENLET_HAS_VALUE);
    if (unlikely(self == h->main_co)) /* it has forked, see fork.c */
        exit(*error != 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    cress_outcome_kind outcome = *error != 0                ? CRESS_FAILED
                                 : g->flags & GREENLET_TOLD ? CRESS_KILLED
                                                            : CRESS_RETURNED;
    greenlet_finish(h, g, outcome, *value, *error);
    *value = NULL;
    *error = 0;
    cress_coro *next = hub_next(h, self);
    /* One that cannot go on here needs a stack of its own, and may not get it. */
    if (unlikely(next->state == CORO_NEW &&
                 (self->stack == NULL || next->stack_class != self->stack->size_class)))
        next = hub_start(h, next, self);
    return next;
}

struct cress_greenlet *greenlet_new(struct cress_hub *h, cress_fn fn, void *arg)
{
    struct thread *t = h->thread;
    struct greenlet_block *b = blocks_get(&t->blocks);
    if (unlikely(b == NULL))
        return NULL;
    coro_init(&b->co, t, CORO_GREENLET);
    b->greenlet = (struct cress_greenlet){ .fn = fn, .value = arg, .refs = 1, .id = ++h->next_id };
    h->alive++;
    h->spawns++;
    return &b->greenlet;
}

static noinline void free_extra(struct cress_greenlet *g)
{
    cress_coro *co = greenlet_coro(g);
    struct thread *t = co->thread;
    struct hub_extra *x = co->extra;
    if ((g->flags & GREENLET_HAS_VALUE) && g->outcome != CRESS_FAILED && x->value_free != NULL) {
        cress__closed++; /* it may stand on the stack of anybody */
        x->value_free(g->value);
        cress__closed--;
    }
    if (atomic_load_explicit(&t->dead, memory_order_relaxed))
        return; /* its pool goes with the thread's record */
    /* Its hub may have ended, and this be the thread's next one, where the slot is another's. */
    if (x->slot != 0 && t->hub != NULL && g->id > t->hub->main.id)
        slot_release(t->hub, x->slot);
    extra_drop(co);
}

/* The block may still be the parent of raw coroutines, which count in the coroutine's refs: the
 * last of these gives it back then. */
static inline void release_unshared(struct cress_greenlet *g)
{
    if (--g->refs > 0)
        return;
    if (unlikely(greenlet_coro(g)->extra != NULL))
        free_extra(g);
    coro_release(greenlet_coro(g));
}

void greenlet_release(struct cress_greenlet *g)
{
    if (likely(!greenlet_is_shared(g))) {
        release_unshared(g);
        return;
    }
    step_writes(&g->refs);
    if (__atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) == 0)
        shared_free_handle(g);
}

void greenlet_let_go(struct cress_greenlet *g)
{
    if (likely(!greenlet_is_shared(g)))
        release_unshared(g);
    else
        shared_let_go(g);
}

/* The last reference to a greenlet's coroutine is gone. */
void greenlet_free_block(cress_coro *co)
{
    struct thread *t = co->thread;
    if (unlikely(greenlet_is_shared(greenlet_of_block(co))))
        shared_free_coro(co);
    else if (unlikely(atomic_load_explicit(&t->dead, memory_order_relaxed)))
        cress__thread_unref(t);
    else
        blocks_put(&t->blocks, co);
}

void greenlet_init_main(struct cress_hub *h)
{
    h->main = (struct cress_greenlet){ .refs = 1, .flags = GREENLET_MAIN | GREENLET_STARTED };
    h->main.id = ++h->next_id;
}

cress_coro *greenlet_any_coro(const struct cress_greenlet *g)
{
    if (!greenlet_is_shared(g) && g->flags & GREENLET_MAIN)
        return &container_of((struct cress_greenlet *)(uintptr_t)g, struct cress_hub, main)
                    ->thread->native;
    return greenlet_coro(g);
}

int greenlet_elsewhere(const struct cress_greenlet *g)
{
    const struct thread *t = greenlet_any_coro(g)->thread;
    if (likely(t == cress__thread))
        return 0;
    if (greenlet_is_shared(g))
        return 1;
    if (atomic_load(&t->dead) || g->id < atomic_load(&t->hub_first))
        return -EOWNERDEAD;
    return -EXDEV;
}

struct cress_greenlet *greenlet_of(const cress_coro *co)
{
    if (likely(co->kind == CORO_GREENLET))
        return greenlet_of_block(co);
    return co->kind == CORO_NATIVE && co->thread->hub != NULL ? &co->thread->hub->main : NULL;
}

/* --- spawning -------------------------------------------------------------------------------- */

static inline int spawn(cress_fn fn, void *arg, struct cress_greenlet **out)
{
    struct cress_hub *h;
    int error = hub_get(&h);
    if (unlikely(error < 0))
        return error;
    if (unlikely(fn == NULL))
        return -EINVAL;
    struct cress_greenlet *g = greenlet_new(h, fn, arg);
    if (unlikely(g == NULL))
        return -ENOMEM;
    runq_push(&h->loop.ready, &greenlet_coro(g)->node);
    *out = g;
    return 0;
}

int cress_go(cress_fn fn, void *arg)
{
    struct cress_greenlet *g;
    return spawn(fn, arg, &g);
}

cress_greenlet *cress_spawn(cress_fn fn, void *arg)
{
    struct cress_greenlet *g;
    int error = spawn(fn, arg, &g);
    if (unlikely(error < 0)) {
        hub_report(hub_current(), NULL, "spawn", error);
        return NULL;
    }
    g->refs++;
    return g;
}

/* The delay of a greenlet that starts later is over. */
static void start_now(struct timer *timer)
{
    struct hub_extra *x = container_of(timer, struct hub_extra, timer);
    struct cress_hub *h = x->co->thread->hub;
    h->loop.refs -= x->counted;
    x->counted = false;
    x->timer.fire = park_time_out; /* from now on that is what it is for */
    runq_push(&h->loop.ready, &x->co->node);
}

int greenlet_apply(struct hub_extra *x, const cress_spawn_options *o)
{
    if (x == NULL)
        return -ENOMEM;
    if (o->name != NULL)
        label_copy(o->name, x->name, sizeof x->name);
    x->on_discard = o->on_discard;
    x->defer_limit = o->defer_limit;
    x->value_free = o->value_free;
    if (o->delay > 0)
        x->timer.fire = start_now;
    const struct thread *t = cress__thread; /* the spawner's */
    const struct hub_extra *mine = t != NULL ? t->current->extra : NULL;
    if (!o->inherit || mine == NULL || mine->locals == NULL)
        return 0;
    return mine->locals->inherit(mine->locals, &x->locals);
}

void greenlet_enter(struct cress_hub *h, struct cress_greenlet *g, cress_time delay)
{
    cress_coro *co = greenlet_coro(g);
    bool daemon = g->flags & GREENLET_DAEMON;
    if (daemon) {
        co->flags |= CORO_DAEMON;
        h->alive--;
    }
    if (delay == 0) {
        runq_push(&h->loop.ready, &co->node);
        return;
    }
    struct hub_extra *x = co->extra;
    if (delay != CRESS_FOREVER)
        timer_start(&h->loop.timers, &x->timer, delay);
    x->counted = !daemon && delay != CRESS_FOREVER;
    h->loop.refs += x->counted;
}

int cress_spawn_with(const cress_spawn_options *options, cress_fn fn, void *arg,
                     cress_greenlet **out)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    if (options_take(&o, sizeof o, options) < 0)
        return -EINVAL;
    if (fn == NULL || o.delay < 0 || o.defer_limit < 0 || o.stack_size > STACK_MAX_USABLE)
        return -EINVAL;
    if (o.any_hub)
        return -ENOTSUP; /* reserved */
    if (o.shared || (o.hub != NULL && o.hub != hub_current()))
        return shared_spawn(&o, fn, arg, out);
    struct cress_hub *h;
    int error = hub_get(&h);
    if (error < 0)
        return error;
    struct cress_greenlet *g = greenlet_new(h, fn, arg);
    if (g == NULL)
        return -ENOMEM;
    cress_coro *co = greenlet_coro(g);
    if ((o.name != NULL || o.on_discard != NULL || o.value_free != NULL || o.delay > 0 ||
         o.defer_limit > 0 || o.inherit) &&
        (error = greenlet_apply(extra_get(co), &o)) < 0) {
        h->alive--;
        co->state = CORO_ENDED;
        greenlet_release(g);
        return error;
    }
    co->stack_class = (uint8_t)stack_class(o.stack_size);
    if (o.daemon)
        g->flags |= GREENLET_DAEMON;
    greenlet_enter(h, g, o.delay);
    if (out != NULL) {
        g->refs++;
        *out = g;
    }
    return 0;
}

cress_greenlet *cress_spawn_later(cress_time delay, cress_fn fn, void *arg)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.delay = delay;
    struct cress_greenlet *g;
    int error = cress_spawn_with(&o, fn, arg, &g);
    if (error == 0)
        return g;
    hub_report(hub_current(), NULL, "spawn", error);
    return NULL;
}

/* --- looking --------------------------------------------------------------------------------- */

bool cress_started(const cress_greenlet *g)
{
    return g != NULL && __atomic_load_n(&g->flags, __ATOMIC_RELAXED) & GREENLET_STARTED &&
           greenlet_outcome(g) == CRESS_ALIVE;
}

bool cress_ready(const cress_greenlet *g)
{
    return g != NULL && greenlet_outcome(g) != CRESS_ALIVE;
}

bool cress_successful(const cress_greenlet *g)
{
    cress_outcome_kind outcome = cress_outcome(g);
    return outcome == CRESS_RETURNED || outcome == CRESS_KILLED;
}

cress_outcome_kind cress_outcome(const cress_greenlet *g)
{
    return g != NULL ? greenlet_outcome(g) : CRESS_ALIVE;
}

void *cress_value(const cress_greenlet *g)
{
    return cress_outcome(g) == CRESS_RETURNED ? g->value : NULL;
}

int cress_error(const cress_greenlet *g)
{
    cress_outcome_kind outcome = cress_outcome(g);
    return outcome == CRESS_FAILED ? g->error : outcome == CRESS_KILLED ? -ECANCELED : 0;
}

uint64_t cress_id(const cress_greenlet *g)
{
    return g != NULL ? g->id : 0;
}

cress_greenlet *cress_current(void)
{
    struct cress_hub *h = hub_current();
    return h != NULL ? greenlet_of(h->thread->current) : NULL;
}

cress_greenlet *cress_main(void)
{
    struct cress_hub *h = hub_current();
    return h != NULL ? greenlet_of(h->main_co) : NULL;
}

cress_coro *cress_greenlet_coro(cress_greenlet *g)
{
    return g != NULL ? greenlet_any_coro(g) : NULL;
}

cress_greenlet *cress_ref(cress_greenlet *g)
{
    if (g != NULL)
        greenlet_ref(g);
    return g;
}

void cress_unref(cress_greenlet *g)
{
    if (g != NULL)
        greenlet_release(g);
}

/* --- names ----------------------------------------------------------------------------------- */

const char *cress_name(const cress_greenlet *g)
{
    if (g == NULL)
        return "";
    const struct hub_extra *x = greenlet_any_coro(g)->extra;
    if (x != NULL && x->name[0] != '\0')
        return x->name;
    return !greenlet_is_shared(g) && g->flags & GREENLET_MAIN ? "main" : "";
}

int cress_set_name(cress_greenlet *g, const char *name)
{
    if (g == NULL || name == NULL)
        return -EINVAL;
    cress_coro *co = greenlet_any_coro(g);
    int error = greenlet_elsewhere(g);
    if (error != 0)
        return error < 0 ? error : -EXDEV;
    struct hub_extra *x = extra_get(co);
    if (x == NULL)
        return -ENOMEM;
    label_copy(name, x->name, sizeof x->name);
    if (co->state == CORO_RUNNING)
        marks_begin(co, name);
    return 0;
}

size_t label_copy(const char *from, char *text, size_t size)
{
    size_t n = 0;
    for (; from[n] != '\0' && n + 1 < size; n++)
        text[n] = from[n];
    text[n] = '\0';
    return n;
}

size_t greenlet_label(const struct cress_greenlet *g, char *text, size_t size)
{
    size_t n = label_copy("greenlet ", text, size);
    if (*cress_name(g) != '\0')
        return n + label_copy(cress_name(g), text + n, size - n);
    char digits[24];
    char *p = digits + sizeof digits;
    *--p = '\0';
    uint64_t id = g->id & ~GREENLET_SHARED;
    if (greenlet_is_shared(g))
        n += label_copy("shared ", text + n, size - n);
    do
        *--p = (char)('0' + id % 10);
    while ((id /= 10) > 0);
    return n + label_copy(p, text + n, size - n);
}
