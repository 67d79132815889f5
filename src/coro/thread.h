/* thread - what cress keeps for each thread: who runs, the stacks, the hooks.
 *
 * (1) `current` is the coroutine on whose stack the thread stands, but between its being set and
 *     the switch a few instructions later (hooks run before).
 * (2) The record outlives its thread as long as coroutines of it exist: they still point to it,
 *     and may be freed from any thread then. `refs` counts raw ones, plus one while the thread
 *     lives; greenlets, made too often for an atomic counter, are added when it ends.
 * (3) Only the thread itself touches the record while it lives; afterwards only `refs`.
 *
 * The hub hangs itself in with `hub` and the functions, since this layer knows no hub.
 */
#ifndef CRESS_CORO_THREAD_H
#define CRESS_CORO_THREAD_H

#include "base/blocks.h"
#include "base/compiler.h"
#include "coro/coro.h"
#include "ctx/stack.h"

#include <cress/coro.h>

#include <stdatomic.h>

struct cress_hub;

/* libstdc++'s exceptions in flight, per thread: the first two words of __cxa_eh_globals. A
 * greenlet that blocks in a catch block must find its own again. */
struct eh_globals {
    void *caught;
    unsigned int uncaught;
};

typedef void *(*coro_body)(void *arg); /* what a greenlet runs */

struct thread {
    cress_coro *current;
    int *errno_at; /* this thread's errno: each coroutine finds its own again after a switch */
    const cress_switch_hooks *hooks;
    struct eh_globals *eh; /* NULL in a program without C++ */
    bool extras;           /* hooks or eh: a switch has more to do */
    struct cress_hub *hub;
    _Atomic uint64_t
        hub_first; /* its first greenlet's number: lower ones' hub has ended. Any thread */
    struct stack_pool stacks;
    struct blocks blocks;     /* of greenlets */
    struct blocks hub_extras; /* of what few coroutines need of the hub */
    struct list raw;          /* raw coroutines that have not been freed */
    struct cress_coro native;

    /* A greenlet begins: what it runs. coro_main() calls that itself: if another function did,
     * it would be one more return that the processor predicts wrongly. */
    coro_body (*hub_begin)(cress_coro *co, void **arg);
    void (*hub_clear)(cress_coro *co); /* it has returned, and has something to clear away */
    /* The end of a greenlet: who comes next. Like a raw coroutine's on_exit. */
    cress_coro *(*hub_end)(cress_coro *co, void **value, int *error);
    void (*hub_done)(struct cress_hub *hub);             /* the thread ends */
    cress_coro *(*hub_successor)(struct cress_hub *hub); /* the one to go on is busy */
    void (*hub_dispose)(cress_coro *co);                 /* a greenlet's: last touch of it */
    /* Writes a coroutine's name for the report of an overflow. Signal-safe. */
    size_t (*hub_describe)(const cress_coro *co, char *text, size_t size);
    void (*hub_forget)(cress_coro *co); /* drops what it has from the hub, `extra` */
    void (*free_block)(cress_coro *co); /* nobody refers to a greenlet's any more */

    void *held; /* locks that are shared between threads, which sync/mutex.c knows */
    void (*held_end)(struct thread *t, bool thread_ends); /* NULL: there never were any */

    _Atomic size_t refs;
    atomic_bool dead;
    bool stacks_kept; /* some were suspended when it ended: unmapped when the last is freed */
};

extern thread_local_fast struct thread *cress__thread;

/* This thread's record, made if there is none; NULL: no memory. */
struct thread *cress__thread_make(void);

static inline struct thread *thread_self(void)
{
    struct thread *t = cress__thread;
    return likely(t != NULL) ? t : cress__thread_make();
}

void cress__thread_ref(struct thread *t);
void cress__thread_unref(struct thread *t);

#endif
