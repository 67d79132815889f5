#include "hub/scope.h"

#include <errno.h>

static struct scope_block *block_of(struct scope *s)
{
    return container_of(s, struct scope_block, scope);
}

static struct scope *scope_of(cress_token *token)
{
    return (struct scope *)(void *)token->words;
}

static cress_token *token_of(struct scope *s)
{
    return container_of((uintptr_t *)(void *)s, cress_token, words[0]);
}

/* --- who cancels ----------------------------------------------------------------------------- */

enum verdict { NOTHING, KILL, SCOPE };

/* What cancels co's calls now: a kill comes first, then the outermost timeout that is over, then
 * the first throw. */
static enum verdict find(const cress_coro *co, struct scope **found)
{
    struct scope *over = NULL, *token = NULL;
    for (struct scope *s = co->scope; s != NULL; s = s->outer) {
        if (s->kind == SCOPE_SHIELD && !s->over) { /* (2) */
            *found = over;
            return over != NULL ? SCOPE : NOTHING;
        }
        if (s->kind == SCOPE_TIMEOUT && s->over)
            over = s;
        else if (s->kind == SCOPE_TOKEN && !s->over && token == NULL)
            token = s;
    }
    if (co->flags & CORO_KILLED)
        return KILL;
    *found = over != NULL ? over : token;
    return *found != NULL ? SCOPE : NOTHING;
}

/* Whether nothing needs to be looked at: see (1). */
static bool quiet(const cress_coro *co)
{
    if (co->flags & CORO_KILLED)
        return false;
    for (const struct scope *s = co->scope; s != NULL; s = s->outer)
        if (s->kind == SCOPE_TOKEN || (s->kind == SCOPE_TIMEOUT && s->over))
            return false;
    return true;
}

static void unchain(struct scope *s)
{
    struct scope **at = &s->co->scope;
    while (*at != s)
        at = &(*at)->outer;
    *at = s->outer;
    s->co = NULL;
}

static void destroy_token(struct scope *s)
{
    cress_token *token = token_of(s);
    unchain(s);
    if (token->destroy != NULL) {
        cress__closed++;
        token->destroy(token);
        cress__closed--;
    }
}

/* (5) */
static void destroy_delivered(cress_coro *self)
{
    struct scope *s = self->scope;
    while (s != NULL && s->kind != SCOPE_TOKEN)
        s = s->outer;
    if (s != NULL && s->over)
        destroy_token(s);
}

static const void *cause_of(cress_coro *self, enum verdict verdict, struct scope *s)
{
    if (verdict == KILL)
        return greenlet_of(self);
    return s->kind == SCOPE_TOKEN ? (const void *)token_of(s) : block_of(s)->handle;
}

/* When so many calls were cancelled by one cause that is reported, once: a loop ignores it. */
enum { TOO_OFTEN = 1000 };

static int deliver(struct cress_hub *h, cress_coro *self, enum verdict verdict, struct scope *s)
{
    struct cress_greenlet *g = greenlet_of(self);
    uint32_t told;
    if (verdict == KILL) {
        greenlet_set_flags(g, g->flags | GREENLET_TOLD);
        told = g->told < UINT16_MAX ? ++g->told : UINT16_MAX;
    } else {
        s->over = true;
        told = ++s->told;
    }
    self->flags |= CORO_CAUSE;
    self->cause = cause_of(self, verdict, s);
    if (told == TOO_OFTEN)
        hub_report(h, g, "goes on although its calls are cancelled", -ECANCELED);
    return -ECANCELED;
}

static bool told_before(const cress_coro *self, enum verdict verdict, const struct scope *s)
{
    return (verdict == KILL ? greenlet_of(self)->told : s->told) > 0;
}

static int point(struct cress_hub *h, cress_coro *self, bool yielded)
{
    if (closed()) /* a callback on its stack: not its own call */
        return 0;
    destroy_delivered(self);
    struct scope *s = NULL;
    enum verdict verdict = find(self, &s);
    if (verdict != NOTHING && !yielded && told_before(self, verdict, s)) {
        hub_yield(h, self);
        verdict = find(self, &s);
    }
    if (verdict != NOTHING) {
        deliver(h, self, verdict, s);
        hub_ran_on(h); /* here only: who has waited may stand in lists, and nobody may run then */
        return -ECANCELED;
    }
    if (quiet(self))
        self->flags &= (uint8_t)~CORO_ALARM;
    return 0;
}

noinline int scope_point_slowly(struct cress_hub *h, cress_coro *self)
{
    return point(h, self, false);
}

noinline int scope_point_after_yield(struct cress_hub *h, cress_coro *self)
{
    return point(h, self, true);
}

bool scope_is_over(const cress_coro *self)
{
    return self->flags & CORO_ALARM && find(self, &(struct scope *){ NULL }) != NOTHING;
}

static int cancelled(cress_coro *self)
{
    struct scope *s = NULL;
    enum verdict verdict = find(self, &s);
    return verdict != NOTHING ? deliver(self->thread->hub, self, verdict, s) : 0;
}

noinline int scope_waits_again(cress_coro *self, const struct wait_info *info)
{
    if (info->judges)
        return scope_is_over(self) ? -ECANCELED : 0;
    return cancelled(self);
}

/* Whoever is cancelled and out of time in one turn is told of the former. */
int scope_judge(cress_coro *self, int why)
{
    if (!(self->flags & CORO_ALARM) || (why != -ECANCELED && why != -ETIMEDOUT))
        return why;
    int error = cancelled(self);
    return error < 0 ? error : why;
}

noinline int scope_woken(cress_coro *self)
{
    return self->info->judges ? self->wake : scope_judge(self, self->wake);
}

void scope_alarm(cress_coro *co)
{
    co->flags |= CORO_ALARM;
    if ((co->flags & CORO_WAITING) && !co->info->firm && scope_is_over(co))
        hub_wake(co->thread->hub, co, -ECANCELED);
}

/* --- timeouts and shields -------------------------------------------------------------------- */

static void count(struct scope_block *b, bool on)
{
    b->scope.co->thread->hub->loop.refs += (size_t)on - (size_t)b->counted;
    b->counted = on;
}

void scope_count(cress_coro *self, bool on)
{
    for (struct scope *s = self->scope; s != NULL; s = s->outer)
        if (s->kind != SCOPE_TOKEN && timer_armed(&block_of(s)->timer))
            count(block_of(s), on);
}

static void time_is_over(struct timer *timer)
{
    struct scope_block *b = container_of(timer, struct scope_block, timer);
    count(b, false);
    b->scope.over = true;
    scope_alarm(b->scope.co);
}

static struct scope_block *begin(struct cress_hub *h, cress_coro *self, enum scope_kind kind,
                                 cress_time after)
{
    struct scope_block *b = blocks_get(&h->scopes);
    if (b == NULL)
        return NULL;
    if (b->timer.fire == NULL) /* never used yet: fresh memory is zero */
        timer_init(&b->timer, time_is_over);
    b->scope = (struct scope){ .co = self, .outer = self->scope, .kind = (uint8_t)kind };
    b->serial = ++h->next_serial;
    b->handle = NULL;
    b->counted = false;
    self->scope = &b->scope;
    if (after == 0) {
        b->scope.over = true;
        self->flags |= CORO_ALARM;
    } else if (after != CRESS_FOREVER) {
        timer_start(&h->loop.timers, &b->timer, after);
        count(b, !(self->flags & CORO_DAEMON));
    }
    return b;
}

static void end(struct cress_hub *h, struct scope_block *b)
{
    timer_stop(&h->loop.timers, &b->timer); /* (4) */
    count(b, false);
    unchain(&b->scope);
    b->serial = 0;
    blocks_put(&h->scopes, b);
}

/* The block of a handle; NULL: it is not begun, or no more. */
static struct scope_block *held(const void *public, struct cress_hub **out)
{
    const struct scope_handle *handle = public;
    struct cress_hub *h = *out = hub_current();
    if (handle == NULL || handle->block == NULL || h == NULL || handle->hub != h->main.id)
        return NULL;
    return handle->block->serial == handle->serial ? handle->block : NULL;
}

static int begin_with(void *public, enum scope_kind kind, cress_time after)
{
    struct scope_handle *handle = public;
    if (handle == NULL || after < 0)
        return -EINVAL;
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    if (held(handle, &h) != NULL)
        return -EALREADY;
    struct scope_block *b = begin(h, h->thread->current, kind, after);
    if (b == NULL)
        return -ENOMEM;
    b->handle = public;
    *handle = (struct scope_handle){ .block = b, .serial = b->serial, .hub = h->main.id };
    return 0;
}

int cress_timeout_start(cress_timeout *timeout, cress_time after)
{
    return begin_with(timeout, SCOPE_TIMEOUT, after);
}

bool cress_timeout_stop(cress_timeout *timeout)
{
    struct cress_hub *h;
    struct scope_block *b = held(timeout, &h);
    if (b == NULL)
        return false;
    bool told = b->scope.told > 0;
    end(h, b);
    return told;
}

bool cress_timeout_pending(const cress_timeout *timeout)
{
    const struct scope_block *b = held(timeout, &(struct cress_hub *){ NULL });
    return b != NULL && !b->scope.over;
}

int cress_shield_begin(cress_shield *shield, cress_time limit)
{
    return begin_with(shield, SCOPE_SHIELD, limit);
}

int cress_shield_end(cress_shield *shield)
{
    struct cress_hub *h;
    struct scope_block *b = held(shield, &h);
    if (b == NULL)
        return -EINVAL;
    for (const struct scope *s = b->scope.co->scope; s != &b->scope; s = s->outer)
        if (s->kind == SCOPE_SHIELD)
            return -EINVAL;
    end(h, b);
    return 0;
}

struct scope_block *scope_shield(struct cress_hub *h, cress_coro *self, cress_time limit)
{
    return begin(h, self, SCOPE_SHIELD, limit);
}

int scope_end(cress_coro *co)
{
    int open = 0;
    while (co->scope != NULL) {
        if (co->scope->kind == SCOPE_TOKEN) {
            destroy_token(co->scope);
        } else {
            open++;
            end(co->thread->hub, block_of(co->scope));
        }
    }
    return open;
}

void scope_drop(cress_coro *co)
{
    while (co->scope != NULL)
        if (co->scope->kind == SCOPE_TOKEN)
            unchain(co->scope);
        else
            end(co->thread->hub, block_of(co->scope));
}

/* --- throwing, and looking ------------------------------------------------------------------- */

int cress_throw(cress_greenlet *g, cress_token *token)
{
    if (g == NULL || token == NULL)
        return -EINVAL;
    cress_coro *co = greenlet_any_coro(g);
    int error = greenlet_elsewhere(g);
    if (error != 0)
        return error < 0 ? error : -EXDEV;
    if (co->state == CORO_ENDED || g->outcome != CRESS_ALIVE)
        return -ESRCH;
    struct scope *s = scope_of(token);
    if (s->co != NULL)
        return -EALREADY;
    struct scope **at = &co->scope;
    while (*at != NULL)
        at = &(*at)->outer;
    *s = (struct scope){ .co = co, .kind = SCOPE_TOKEN };
    *at = s;
    scope_alarm(co);
    return 0;
}

int cress_cancel_ack(void)
{
    struct cress_hub *h = hub_current();
    struct cress_greenlet *g = h != NULL ? greenlet_of(h->thread->current) : NULL;
    if (closed())
        return -EPERM;
    if (g == NULL || !(h->thread->current->flags & CORO_KILLED))
        return -EINVAL;
    h->thread->current->flags &= (uint8_t)~CORO_KILLED;
    greenlet_set_flags(g, g->flags & ~(unsigned)GREENLET_TOLD);
    g->told = 0;
    return 0;
}

void scope_forget_cause(void)
{
    const struct thread *t = cress__thread;
    if (t != NULL)
        t->current->flags &= (uint8_t)~CORO_CAUSE;
}

const void *cress_cancel_cause(void)
{
    const struct thread *t = cress__thread;
    return t != NULL && (t->current->flags & CORO_CAUSE) ? t->current->cause : NULL;
}
