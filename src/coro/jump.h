/* jump - the switch with everything that goes with it.
 *
 * Inline, since the hub's yield and cress_coro_switch() are measured in nanoseconds: what a plain
 * C program pays on top of the assembly are two tests and two stores.
 */
#ifndef CRESS_CORO_JUMP_H
#define CRESS_CORO_JUMP_H

#include "coro/thread.h"

/* leave of one, enter of the other, on the stack that is left. */
void coro_run_hooks(struct thread *t, cress_coro *from, cress_coro *to);

/* Leave the running coroutine, which has set its own state, for one that has a stack. Returns when
 * somebody switches back, with the value that one passed. */
static inline void *coro_jump(struct thread *t, cress_coro *self, cress_coro *to, void *value)
{
    if (unlikely(t->hooks != NULL))
        coro_run_hooks(t, self, to);
    t->current = to;
    to->state = CORO_RUNNING;
    struct eh_globals *eh = t->eh;
    if (likely(eh == NULL))
        return ctx_switch(&self->ctx, &to->ctx, value);

    /* Kept in this frame while away: a coroutine that has not started begins with none. */
    struct eh_globals mine = *eh;
    *eh = (struct eh_globals){ 0 };
    value = ctx_switch(&self->ctx, &to->ctx, value);
    *eh = mine;
    return value;
}

#endif
