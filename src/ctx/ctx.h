/* ctx - a place where a thread's execution can stand still, and the step from one to another.
 *
 * A context is a stack and one word, the stack pointer; everything else that a switch keeps lies
 * above that pointer, on the stack that rests. What a switch keeps is what the ABI lets a function
 * call keep: the callee-saved registers and the control half of the floating-point environment
 * (rounding, masks). The sticky flags of fetestexcept(3) belong to the thread, not to the context:
 * keeping them would cost a 50 ns reload whenever two contexts computed different things.
 *
 * (1) A context is switched to only while it rests: after ctx_make(), or inside its ctx_switch().
 * (2) All contexts that switch among each other belong to one thread, which has called ctx_adopt()
 *     before anything else here.
 * (3) The function that a context was made with never returns.
 *
 * The sanitizers and the unwinder see every step: see ctx.c and the .S files. Not here: where
 * stacks come from (stack.h), who may switch to whom (src/coro).
 */
#ifndef CRESS_CTX_CTX_H
#define CRESS_CTX_CTX_H

#include "base/compiler.h"

#ifdef CRESS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CRESS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct ctx {
    void *sp; /* while it rests; of ucontext.c: where its ucontext_t is */
#ifdef CRESS_ASAN
    const void *low;
    size_t size;
    void *fake; /* its frames for use-after-return, while it rests */
#endif
#ifdef CRESS_TSAN
    void *fiber;
#endif
};

/* Make c stand for the stack that this thread runs on. Contexts made from now on start with the
 * floating-point control that the thread has now.
 */
void ctx_adopt(struct ctx *c);

/* Prepare c so that the first switch to it calls entry with the value of that switch, on the stack
 * from low up to top (16-aligned). entry never returns. Writes a few words below top, and nothing
 * else of the stack.
 */
void ctx_make(struct ctx *c, char *low, char *top, void (*entry)(void *value));

/* c, which rests, will not run again. For one that ended by ctx_switch_last() there is no need. */
void ctx_forget(struct ctx *c);

/* The stack pointer of c, which rests: nothing below it is alive. */
char *ctx_sp(const struct ctx *c);

/* Push what must be kept, store the stack pointer in *save, take the other one, and return value on
 * that side: inline, or in aarch64.S or ucontext.c.
 */
#if defined(__x86_64__) && !defined(CRESS_CTX_UCONTEXT)
#include "ctx/switch_x86_64.h"
#else
void *cress__ctx_switch(void **save, void *to, void *value) __attribute__((visibility("hidden")));
#define ctx_swap cress__ctx_switch
#endif

/* Rest in from, go on in to, whose switch returns value; return the value of the switch that comes
 * back.
 */
static always_inline void *ctx_switch(struct ctx *from, struct ctx *to, void *value)
{
#ifdef CRESS_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
#ifdef CRESS_ASAN
    __sanitizer_start_switch_fiber(&from->fake, to->low, to->size);
#endif
    value = ctx_swap(&from->sp, to->sp, value);
#ifdef CRESS_ASAN
    __sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
    return value;
}

/* Go on in to for good: from has ended. Its stack may have been put back already (stack_put). */
static always_inline _Noreturn void ctx_switch_last(struct ctx *from, struct ctx *to, void *value)
{
#ifdef CRESS_TSAN
    void *ended = from->fiber;
    __tsan_switch_to_fiber(to->fiber, 0);
    __tsan_destroy_fiber(ended); /* from here on nothing is instrumented before to goes on */
#endif
#ifdef CRESS_ASAN
    __sanitizer_start_switch_fiber(NULL, to->low, to->size);
#endif
    ctx_swap(&from->sp, to->sp, value);
    __builtin_unreachable();
}

#endif
