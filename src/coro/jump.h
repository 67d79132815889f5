/* jump - the switch with everything that goes with it.
 *
 * Inline, since the hub's yield and cress_coro_switch() are measured in nanoseconds: what a plain
 * C program pays on top of the assembly are a test, keeping errno, and two stores.
 */
#ifndef CRESS_CORO_JUMP_H
#define CRESS_CORO_JUMP_H

#include "coro/thread.h"

/* The switch hooks: leave of one, enter of the other, on the stack that is left. */
void coro_call_hooks(struct thread *t, cress_coro *from, cress_coro *to);

/* The same in a program with C++ exceptions. */
void *coro_jump_with_exceptions(struct thread *t, cress_coro *self, cress_coro *to, void *value);

/* Leave the running coroutine, which has set its own state, for one that has a stack. Returns when
 * somebody switches back, with the value that one passed. */
static always_inline void *coro_jump(struct thread *t, cress_coro *self, cress_coro *to,
                                     void *value)
{
    if (unlikely(t->extras)) {
        if (t->hooks != NULL)
            coro_call_hooks(t, self, to);
        if (unlikely(t->eh != NULL))
            return coro_jump_with_exceptions(t, self, to, value);
    }
    t->current = to;
    to->state = CORO_RUNNING;
    int error_number = *t->errno_at;
    value = ctx_switch(&self->ctx, &to->ctx, value);
    *t->errno_at = error_number;
    return value;
}

#endif
