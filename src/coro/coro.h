/* coro - the coroutine itself, and the one place where one becomes another.
 *
 *     NEW       -> RUNNING    [coro_start, or taking a stack over in coro_main]
 *     RUNNING   -> SUSPENDED  [cress_coro_switch]    RUNNING -> PARKED   [the hub]
 *     SUSPENDED -> RUNNING    [cress_coro_switch]    PARKED  -> RUNNING  [the hub]
 *     RUNNING   -> ENDED      [coro_finish]
 *     NEW, SUSPENDED -> ENDED [cress_coro_abandon; cress_coro_throw at a new one]
 *
 * (1) A stack is bound exactly in RUNNING, SUSPENDED and PARKED. The native coroutine has none of
 *     ours.
 * (2) PARKED is the hub's SUSPENDED: nobody else may switch to it.
 * (3) `refs` counts the owner (the user, or the hub for a greenlet's) and each child's `parent`.
 *     An ended coroutine stays as a link of the chain of parents until it is dropped. Of a native
 *     coroutine it counts nothing: that lives as long as its thread's record.
 *
 * The first cache line is what the hub's switch touches.
 */
#ifndef CRESS_CORO_CORO_H
#define CRESS_CORO_CORO_H

#include "base/list.h"
#include "base/runq.h"
#include "ctx/ctx.h"

#include <cress/coro.h>

#include <stdint.h>

struct thread;
struct stack;
struct scope;
struct wait_info;

enum coro_state { CORO_NEW, CORO_SUSPENDED, CORO_PARKED, CORO_RUNNING, CORO_ENDED };

enum coro_kind {
    CORO_RAW,      /* cress_coro_new() made it */
    CORO_SERVICE,  /* so too, for a hub: nobody else's to switch to */
    CORO_GREENLET, /* the first part of a greenlet's block */
    CORO_NATIVE,   /* the thread's own stack; lies in the thread's record */
};

struct cress_coro {
    struct thread *thread; /* first: marks the block as used, see base/blocks.h */
    struct runnode node;   /* in the ready queue */
    struct ctx ctx;        /* where it is, while it does not run */
    uint8_t state;         /* enum coro_state */
    uint8_t flags;         /* the hub's: see hub/park.h */
    uint8_t kind;          /* enum coro_kind */
    uint8_t stack_class;   /* see ctx/stack.h */
    int32_t wake;          /* what its switch or its wait gives: 0, or why not */
    struct scope *scope;   /* the innermost scope, the hub's affair */
    union {
        const struct wait_info *info; /* what it waits for, while it is parked */
        const void *cause;            /* the hub's: why its last call was cancelled */
    };

    struct stack *stack;
    void *extra; /* the hub's: what few need; NULL for most. See hub/extra.h */
    uint32_t refs;
    uint32_t top_size; /* reserved at the stack's top */
};

/* One that cress_coro_new() made. All of a thread are in a list, so that the end of a hub finds
 * those that wait in it; greenlets are found in their pool. The user area follows. */
struct raw_coro {
    struct cress_coro co;
    struct list link; /* in thread.raw */
    cress_coro *parent;
    cress_coro_fn fn;
    void *arg;
    cress_coro_exit_fn on_exit;
    uint32_t user_size;
    bool freed; /* its owner gave it up: only its children refer to it */
};

_Static_assert(offsetof(struct cress_coro, ctx) - offsetof(struct cress_coro, node) ==
                   offsetof(struct runq, valid),
               "runq.valid stands where ctx.sp does");

/* The rest of a raw coroutine; NULL for the other kinds. */
static inline struct raw_coro *coro_raw(const cress_coro *co)
{
    return co->kind <= CORO_SERVICE ? (struct raw_coro *)(uintptr_t)co : NULL;
}

/* Prepare one in memory of the caller's, whose content does not matter. */
static inline void coro_init(cress_coro *co, struct thread *t, enum coro_kind kind)
{
    co->thread = t;
    co->node = (struct runnode){ 0 };
    co->ctx = (struct ctx){ 0 };
    co->state = CORO_NEW;
    co->flags = 0;
    co->kind = (uint8_t)kind;
    co->stack_class = 0;
    co->wake = 0;
    co->scope = NULL;
    co->stack = NULL;
    co->extra = NULL;
    co->refs = 1;
    co->top_size = 0;
}

/* One reference less; with the last one it is freed, and lets go of its parent. */
void coro_release(cress_coro *co);

/* Bind a stack to a new coroutine, ready to be switched to. 0 or -ENOMEM. */
int coro_start(struct thread *t, cress_coro *co);

/* End the running coroutine from deep inside its frames. */
_Noreturn void coro_leave(struct thread *t, void *value, int error);

/* End a raw coroutine that does not run, where it is. */
void coro_abandon(cress_coro *co);

/* The same when others may have to do with its frames still: the stack is used no more before the
 * end of its thread. */
void coro_lose(cress_coro *co);

/* From a signal handler: if address lies in the guard of the coroutine that runs, write a line that
 * says so. */
bool coro_locate_overflow(struct thread *t, const void *address, char *line, size_t size);

#endif
