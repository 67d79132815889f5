/* coro - life of a coroutine: birth, switch, throw, end. See coro.h for the states. */
#include "coro/coro.h"

#include "base/alloc.h"
#include "base/closed.h"
#include "base/options.h"
#include "coro/jump.h"
#include "coro/thread.h"

#include <errno.h>
#include <string.h>

enum {
    /* Where the user area begins: behind the coroutine, aligned to 16. */
    USER_OFFSET = (sizeof(struct raw_coro) + 15) / 16 * 16,
    MAX_STACK = 1 << 30,
    DEFAULT_STACK = 46 * 1024,
    MAX_USER = 1 << 20,
};

static inline void *user_area(const cress_coro *co)
{
    const struct raw_coro *raw = coro_raw(co);
    return raw != NULL && raw->user_size > 0 ? (char *)(uintptr_t)raw + USER_OFFSET : NULL;
}

/* --- birth ----------------------------------------------------------------------------------- */

int cress_coro_new(const cress_coro_options *options, cress_coro_fn fn, void *arg, cress_coro **out)
{
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    if (options_take(&o, sizeof o, options) < 0)
        return -EINVAL;
    size_t stack_size = o.stack_size > 0 ? o.stack_size : DEFAULT_STACK;
    if (fn == NULL || out == NULL || stack_size > MAX_STACK || o.user_size > MAX_USER ||
        o.top_size > stack_size / 2)
        return -EINVAL;
    struct thread *t = thread_self();
    if (t == NULL)
        return -ENOMEM;
    cress_coro *parent = o.parent != NULL ? o.parent : t->current;
    if (parent->thread != t)
        return -EXDEV;

    struct raw_coro *raw = cress__aligned_alloc(CACHE_LINE, USER_OFFSET + o.user_size);
    if (raw == NULL)
        return -ENOMEM;
    coro_init(&raw->co, t, CORO_RAW);
    raw->co.stack_class = (uint8_t)stack_class(o.stack_size);
    raw->co.top_size = (uint32_t)((o.top_size + 15) & ~(size_t)15);
    raw->parent = parent;
    raw->fn = fn;
    raw->arg = arg;
    raw->on_exit = o.on_exit;
    raw->user_size = (uint32_t)o.user_size;
    raw->freed = false;
    memset((char *)raw + USER_OFFSET, 0, o.user_size);
    list_push(&t->raw, &raw->link);
    cress__thread_ref(t);
    parent->refs++;
    *out = &raw->co;
    return 0;
}

/* --- death ----------------------------------------------------------------------------------- */

static cress_coro *parent_of(const cress_coro *co)
{
    const struct raw_coro *raw = coro_raw(co);
    return raw != NULL ? raw->parent : NULL;
}

/* The parent to go on with instead of co: ended ones are passed over. */
static cress_coro *living_parent(const cress_coro *co)
{
    cress_coro *p = parent_of(co);
    while (p != NULL && p->state == CORO_ENDED)
        p = parent_of(p);
    return p != NULL ? p : &co->thread->native;
}

void coro_release(cress_coro *co)
{
    /* Up the chain of parents, as far as it was held by this. */
    while (co != NULL && --co->refs == 0) {
        struct thread *t = co->thread;
        /* (3): and with the last coroutine of a thread that has ended its native one goes too. */
        cress_coro *parent = parent_of(co) != &t->native ? parent_of(co) : NULL;
        struct raw_coro *raw = coro_raw(co);
        if (raw == NULL) {
            t->free_block(co);
        } else {
            if (!atomic_load(&t->dead)) /* its list ended with it */
                list_remove(&raw->link);
            cress__free(raw);
            cress__thread_unref(t);
        }
        co = parent;
    }
}

/* Whether the hub has something to clear away after it. */
static inline bool used_hub(const cress_coro *co)
{
    return co->extra != NULL || co->scope != NULL;
}

void coro_lose(cress_coro *co)
{
    if (co->stack != NULL)
        ctx_forget(&co->ctx);
    co->stack = NULL;
    co->state = CORO_ENDED;
}

/* Whether the caller may end co: its thread, or anybody once that has ended. */
static int check_owner(const cress_coro *co)
{
    bool dead = atomic_load(&co->thread->dead);
    if (co->thread != cress__thread && !dead)
        return -EXDEV;
    if (co->kind != CORO_RAW || (co == co->thread->current && !dead))
        return -EBUSY;
    /* What waited in the hub of a thread that has ended waits for nothing. */
    return (co->state == CORO_RUNNING || co->state == CORO_PARKED) && !dead ? -EBUSY : 0;
}

int cress_coro_abandon(cress_coro *co)
{
    if (co == NULL)
        return -EINVAL;
    int error = check_owner(co);
    if (error < 0)
        return error;
    coro_abandon(co);
    return 0;
}

void coro_abandon(cress_coro *co)
{
    struct thread *t = co->thread;
    if (used_hub(co) && !atomic_load(&t->dead))
        t->hub_forget(co);
    struct stack *stack = co->stack;
    coro_lose(co);
    /* Those of a thread that has ended go all at once. */
    if (stack != NULL && !atomic_load(&t->dead))
        stack_put(&t->stacks, stack);
}

int cress_coro_free(cress_coro *co)
{
    if (co == NULL)
        return 0;
    int error = cress_coro_abandon(co);
    if (error < 0)
        return error;
    coro_raw(co)->freed = true;
    coro_release(co);
    return 0;
}

/* Whether it can be switched to by hand. A greenlet that has not started is the hub's to start. */
static bool switchable(const cress_coro *co)
{
    return co->state == CORO_SUSPENDED || (co->state == CORO_NEW && co->kind == CORO_RAW);
}

/* --- the end of one that runs ---------------------------------------------------------------- */

/* Who goes on after co, and with what. */
static cress_coro *successor_of(struct thread *t, cress_coro *co, void **value, int *error)
{
    if (co->kind == CORO_GREENLET)
        return t->hub_end(co, value, error); /* the hub's choice needs no second look */
    cress_coro *next = NULL;
    cress_coro_exit_fn on_exit = coro_raw(co)->on_exit;
    if (on_exit != NULL) {
        cress__closed++;
        next = on_exit(co, value, error);
        cress__closed--;
    }
    if (next == NULL)
        next = living_parent(co);
    /* One that waits in the hub cannot be given anything: then the hub says who runs. */
    if (!switchable(next)) {
        *value = NULL;
        *error = 0;
        next = t->hub_successor(t->hub);
    }
    return next;
}

/* A new coroutine that is thrown at ends without having run; so do the ones after it that are new
 * too. Gives the first that can really go on. */
static cress_coro *pass_error_on(struct thread *t, cress_coro *next, void **value, int *error)
{
    while (*error != 0 && next->state == CORO_NEW) {
        cress_coro *ended = next;
        ended->state = CORO_ENDED;
        next = successor_of(t, ended, value, error);
        if (ended->kind == CORO_GREENLET)
            t->hub_dispose(ended);
    }
    return next;
}

noinline void coro_call_hooks(struct thread *t, cress_coro *from, cress_coro *to)
{
    const cress_switch_hooks *hooks = t->hooks;
    cress__closed++;
    hooks->leave(from, user_area(from));
    hooks->enter(to, user_area(to));
    cress__closed--;
}

noinline void *coro_jump_with_exceptions(struct thread *t, cress_coro *self, cress_coro *to,
                                         void *value)
{
    t->current = to;
    to->state = CORO_RUNNING;
    int error_number = *t->errno_at;
    /* Kept in this frame while away: a coroutine that has not started begins with none. */
    struct eh_globals mine = *t->eh;
    *t->eh = (struct eh_globals){ 0 };
    value = ctx_switch(&self->ctx, &to->ctx, value);
    *t->eh = mine;
    *t->errno_at = error_number;
    return value;
}

/* Where no stack can be had for one, the next in its line is told instead. */
static cress_coro *startable(struct thread *t, cress_coro *next, void **value, int *error)
{
    while (next->state == CORO_NEW && coro_start(t, next) < 0) {
        *error = -ENOMEM;
        next = pass_error_on(t, next, value, error);
    }
    return next;
}

/* The switch that has no way back. co may be gone afterwards and its stack is in the pool before
 * the last step on it is done, so what the step needs is copied to this frame. */
static always_inline _Noreturn void jump_last(struct thread *t, cress_coro *co, cress_coro *next,
                                              void *value)
{
    struct ctx left = co->ctx;
    struct stack *stack = co->stack;
    co->stack = NULL;
    stack_put(&t->stacks, stack);
    if (co->kind == CORO_GREENLET)
        t->hub_dispose(co);
    ctx_switch_last(&left, &next->ctx, value);
}

/* End co, which runs. Either returns the coroutine that takes its stack over, with its first value,
 * or leaves for good. `deep`: frames that never return stand between here and coro_main(), so
 * that nobody can take the stack over.
 *
 * Inline, like the switch itself: the processor remembers what is called, and when that is left for
 * good predicts the next return of whoever goes on wrongly. */
static always_inline cress_coro *coro_finish(struct thread *t, cress_coro *co, void **value,
                                             int error, bool deep)
{
    cress_coro *next = successor_of(t, co, value, &error);
    co->state = CORO_ENDED; /* so that what is passed on below does not come back to it */
    if (unlikely(used_hub(co) && co->kind == CORO_RAW))
        t->hub_forget(co);
    if (unlikely(error != 0))
        next = pass_error_on(t, next, value, &error);
    bool take_over = !deep && next->state == CORO_NEW && next->top_size == co->top_size &&
                     next->stack_class == co->stack->size_class;
    if (!take_over)
        next = startable(t, next, value, &error);

    if (unlikely(t->extras)) {
        if (take_over)
            next->stack = co->stack; /* enter may ask for cress_coro_top() */
        if (t->hooks != NULL)
            coro_call_hooks(t, co, next);
        if (t->eh != NULL)
            *t->eh = (struct eh_globals){ 0 };
    }
    if (next->state == CORO_SUSPENDED) /* the hub's choice has a reason of its own */
        next->wake = error;
    t->current = next;
    next->state = CORO_RUNNING;
    if (!take_over)
        jump_last(t, co, next, *value);

    next->stack = co->stack;
    next->ctx = co->ctx;
    co->stack = NULL;
    if (co->kind == CORO_GREENLET)
        t->hub_dispose(co);
    return next;
}

/* The first frame of every stack of ours. One coroutine after another may live on it. */
static void coro_main(void *value)
{
    struct thread *t = cress__thread;
    cress_coro *co = t->current;
    for (;;) {
        if (co->kind == CORO_GREENLET) {
            coro_body fn = t->hub_begin(co, &value);
            value = fn(value);
            if (unlikely(used_hub(co)))
                t->hub_clear(co);
        } else {
            value = coro_raw(co)->fn(coro_raw(co)->arg, value);
        }
        co = coro_finish(t, co, &value, 0, false);
    }
}

_Noreturn void coro_leave(struct thread *t, void *value, int error)
{
    coro_finish(t, t->current, &value, error, true);
    __builtin_unreachable();
}

int cress_coro_exit(void *value, int error)
{
    struct thread *t = cress__thread;
    if (t == NULL || t->current->kind != CORO_RAW || closed())
        return -EPERM;
    coro_leave(t, value, error);
}

/* --- switching ------------------------------------------------------------------------------- */

int coro_start(struct thread *t, cress_coro *co)
{
    struct stack *stack = stack_get_class(&t->stacks, co->stack_class);
    if (stack == NULL)
        return -ENOMEM;
    co->stack = stack;
    ctx_make(&co->ctx, stack->low, stack->top - co->top_size, coro_main);
    co->state = CORO_SUSPENDED;
    return 0;
}

/* All that is not the plain case; also says why it cannot be done. */
static noinline int switch_slowly(cress_coro *to, void *value, int error, void **result)
{
    if (to == NULL || error > 0)
        return -EINVAL;
    struct thread *t = thread_self();
    if (t == NULL)
        return -ENOMEM;
    if (to->thread != t)
        return -EXDEV;
    if (closed())
        return -EPERM;
    cress_coro *self = t->current;
    if (to->state == CORO_ENDED)
        return -ESRCH;
    if (to != self && !switchable(to))
        return -EBUSY;
    if (to->state == CORO_NEW && error == 0 && coro_start(t, to) < 0)
        return -ENOMEM;
    self->state = CORO_SUSPENDED; /* so that an end below may come back to it */
    to = pass_error_on(t, to, &value, &error);
    to = startable(t, to, &value, &error);
    if (to != self) {
        to->wake = error;
        value = coro_jump(t, self, to, value);
        error = self->wake;
    }
    self->state = CORO_RUNNING;
    if (error != 0)
        return error;
    if (result != NULL)
        *result = value;
    return 0;
}

int cress_coro_switch(cress_coro *to, void *value, void **result)
{
    struct thread *t = cress__thread;
    if (unlikely(to == NULL || t == NULL || to->state != CORO_SUSPENDED || to->thread != t ||
                 cress__closed))
        return switch_slowly(to, value, 0, result);
    cress_coro *self = t->current;
    self->state = CORO_SUSPENDED;
    to->wake = 0;
    value = coro_jump(t, self, to, value);
    if (unlikely(self->wake != 0))
        return self->wake;
    if (result != NULL)
        *result = value;
    return 0;
}

int cress_coro_throw(cress_coro *to, int error, void **result)
{
    return error < 0 ? switch_slowly(to, NULL, error, result) : -EINVAL;
}

int cress_coro_set_hooks(const cress_switch_hooks *hooks)
{
    if (hooks != NULL && (hooks->leave == NULL || hooks->enter == NULL))
        return -EINVAL;
    struct thread *t = thread_self();
    if (t == NULL)
        return -ENOMEM;
    t->hooks = hooks;
    t->extras = hooks != NULL || t->eh != NULL;
    return 0;
}

/* --- looking --------------------------------------------------------------------------------- */

cress_coro *cress_coro_current(void)
{
    struct thread *t = thread_self();
    return t != NULL ? t->current : NULL;
}

cress_coro *cress_coro_native(void)
{
    struct thread *t = thread_self();
    return t != NULL ? &t->native : NULL;
}

cress_coro *cress_coro_parent(const cress_coro *co)
{
    cress_coro *p = parent_of(co);
    while (p != NULL && coro_raw(p) != NULL && coro_raw(p)->freed)
        p = parent_of(p);
    return p;
}

int cress_coro_set_parent(cress_coro *co, cress_coro *parent)
{
    if (co == NULL || parent == NULL || co->kind != CORO_RAW)
        return -EINVAL;
    if (parent->thread != co->thread)
        return -EXDEV;
    for (const cress_coro *p = parent; p != NULL; p = parent_of(p))
        if (p == co)
            return -EINVAL;
    parent->refs++;
    cress_coro *old = coro_raw(co)->parent;
    coro_raw(co)->parent = parent;
    coro_release(old);
    return 0;
}

cress_coro_state cress_coro_get_state(const cress_coro *co)
{
    switch ((enum coro_state)co->state) {
    case CORO_NEW:
        return CRESS_CORO_NEW;
    case CORO_RUNNING:
        return CRESS_CORO_RUNNING;
    case CORO_SUSPENDED:
    case CORO_PARKED:
        return CRESS_CORO_SUSPENDED;
    case CORO_ENDED:
        break;
    }
    return CRESS_CORO_ENDED;
}

void *cress_coro_user(const cress_coro *co)
{
    return user_area(co);
}

void *cress_coro_top(const cress_coro *co)
{
    return co->top_size > 0 && co->stack != NULL ? co->stack->top - co->top_size : NULL;
}
