/** @file cress/coro.h
 * Raw coroutines: stackful, symmetric, without any scheduler.
 *
 * A coroutine is a function with a stack of its own that can stop in the middle and let another
 * one go on. Whoever runs may switch to any other coroutine of the same thread, passing a value;
 * nothing here decides who comes next. Greenlets (cress/greenlet.h) are coroutines that the hub
 * schedules; language bindings build on this page alone.
 *
 *     NEW       -> RUNNING    first switch: only now a stack is bound
 *     RUNNING   -> SUSPENDED  it switches to another one
 *     SUSPENDED -> RUNNING    another one switches to it
 *     RUNNING   -> ENDED      its function returns, or cress_coro_exit()
 *     NEW       -> ENDED      thrown at before it ran, or abandoned
 *     SUSPENDED -> ENDED      abandoned
 *
 * A coroutine belongs to the thread that made it. The thread's own stack is a coroutine too,
 * cress_coro_native(), adopted at the first call of this page.
 */
#ifndef CRESS_CORO_H
#define CRESS_CORO_H

#include <cress/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A coroutine. Opaque. */
typedef struct cress_coro cress_coro;

/** The body of a coroutine. arg is what cress_coro_new() was given, value what the first switch
 * brought. What it returns goes to the successor, usually the parent, as the value of its switch.
 */
typedef void *(*cress_coro_fn)(void *arg, void *value);

/** Chooses who runs when self has ended. Called on the stack of self as its last act; must not
 * switch. *value and *error are what the successor's switch is about to give; both may be changed
 * (*error != 0 makes that switch fail with it). Returns a coroutine of this thread that can be
 * switched to, or NULL for the parent, or where that has ended, the next parent up.
 */
typedef cress_coro *(*cress_coro_exit_fn)(cress_coro *self, void **value, int *error);

/** Where a coroutine is in its life. */
typedef enum cress_coro_state {
    CRESS_CORO_NEW,
    CRESS_CORO_RUNNING,
    CRESS_CORO_SUSPENDED,
    CRESS_CORO_ENDED
} cress_coro_state;

/** How a stack is protected against running over its end. */
typedef enum cress_guard {
    CRESS_GUARD_NONE,     /**< not at all: the thread's own stack, which the system guards */
    CRESS_GUARD_CANARY,   /**< a pattern below the stack, checked when the stack is given back */
    CRESS_GUARD_MPROTECT, /**< inaccessible pages, each a mapping of its own */
    CRESS_GUARD_LIGHT     /**< inaccessible pages inside one mapping, Linux 6.13 or newer */
} cress_guard;

/** What cress_coro_new() may be told. Start with CRESS_CORO_OPTIONS_INIT. */
typedef struct cress_coro_options {
    size_t size;        /**< set by CRESS_CORO_OPTIONS_INIT */
    size_t stack_size;  /**< usable bytes at least; 0: 46 KiB. Rounded up to what a pitch of 2^k
                            holds beside guard and colour. At most 1 GiB */
    size_t user_size;   /**< bytes of zeroed memory kept with the coroutine, cress_coro_user() */
    size_t top_size;    /**< bytes reserved at the top of its stack, cress_coro_top(); at most half
                            of stack_size */
    cress_coro *parent; /**< NULL: the coroutine that runs now */
    cress_coro_exit_fn on_exit; /**< NULL: the parent is the successor */
} cress_coro_options;

/** The start of every cress_coro_options. */
#define CRESS_CORO_OPTIONS_INIT CRESS__SIZED(cress_coro_options)

/** Make a coroutine that has not started. Needs no stack yet.
 *
 * Never switches. Any thread; the coroutine is this thread's. fn and arg are the caller's; the
 * coroutine is freed by cress_coro_free().
 *
 * @return 0; -EINVAL, fn or out is NULL or an option is out of bounds; -EXDEV, the parent is
 *         another thread's; -ENOMEM
 */
CRESS_API int cress_coro_new(const cress_coro_options *options, cress_coro_fn fn, void *arg,
                             cress_coro **out);

/** Give up a coroutine that is new or has ended. A suspended one is abandoned first. NULL is
 * allowed. Its parentage ends: children of it count as children of its parent.
 *
 * Never switches, runs nothing. The coroutine's thread, or any one when that has ended.
 *
 * @return 0; -EBUSY, it runs, waits in a hub, or is a thread's own stack; -EXDEV
 */
CRESS_API int cress_coro_free(cress_coro *co);

/** End a coroutine where it is, without running it any further: no clean-up code of its frames
 * runs, whatever they own is the caller's affair. Its stack is given back. (One that is suspended
 * when its thread ends keeps its stack, since others may have pointers to what lies there: the
 * stacks of such a thread go when all its coroutines have been freed.)
 *
 * Never switches. The coroutine's thread, or any one when that has ended.
 *
 * @return 0, also when it has ended already; -EBUSY as for cress_coro_free(); -EXDEV
 */
CRESS_API int cress_coro_abandon(cress_coro *co);

/** Let another coroutine run, and wait until somebody switches back.
 *
 * value is what the other side's switch gives (or its function's second argument). What comes
 * back is stored in *result, unless result is NULL. Switching to oneself returns value at once.
 * Always switches otherwise. Not a cancellation point. Only between coroutines of this thread.
 *
 * @return 0; -EINVAL, to is NULL; -ESRCH, it has ended; -EBUSY, it waits in a hub or is a greenlet
 *         that the hub has to start; -EXDEV, another thread's; -EPERM, called where a switch is
 *         not allowed: a hook, an exit function; -ENOMEM, no memory for its stack; or whatever was
 *         thrown at the caller while it was away
 */
CRESS_API int cress_coro_switch(cress_coro *to, void *value, void **result);

/** As cress_coro_switch(), but the other side's switch gives error (a negative number). A
 * coroutine that has not started ends at once without running, and its successor gets the error.
 *
 * @return as cress_coro_switch(); -EINVAL also when error is not negative
 */
CRESS_API int cress_coro_throw(cress_coro *to, int error, void **result);

/** End the coroutine that runs, leaving its frames as longjmp(3) does, as if its function had
 * returned value (and, where error is not 0, the successor's switch gives that). Does not return.
 * The thread's own stack cannot be left so.
 *
 * @return only on failure: -EPERM, on the thread's own stack, in a greenlet (cress_exit() is for
 *         those), in a hook or an exit function
 */
CRESS_API int cress_coro_exit(void *value, int error);

/** The coroutine that runs; the thread's own stack counts as one. NULL only when there is no
 * memory to adopt it.
 *
 * Never switches. Any thread.
 */
CRESS_API cress_coro *cress_coro_current(void);

/** The coroutine that is this thread's own stack, adopted at the first call. It has no parent
 * and does not end. NULL when there is no memory.
 *
 * Never switches. Any thread.
 */
CRESS_API cress_coro *cress_coro_native(void);

/** The parent; NULL for a thread's own stack and for greenlets. Never switches. The coroutine's
 * thread. */
CRESS_API cress_coro *cress_coro_parent(const cress_coro *co);

/** Set the parent.
 *
 * Never switches. The coroutine's thread.
 *
 * @return 0; -EINVAL, it would be its own ancestor, one of both is NULL, or co a greenlet or a
 *         thread's own stack; -EXDEV, parent is another thread's
 */
CRESS_API int cress_coro_set_parent(cress_coro *co, cress_coro *parent);

/** Where it is in its life. Never switches. The coroutine's thread. */
CRESS_API cress_coro_state cress_coro_get_state(const cress_coro *co);

/** The user area asked for with user_size, aligned to 16 bytes, zeroed when made; NULL when none
 * was asked for. It is kept until cress_coro_free().
 *
 * Never switches. Any thread.
 */
CRESS_API void *cress_coro_user(const cress_coro *co);

/** The bytes reserved with top_size, aligned to 16, not zeroed; NULL when none were asked for or
 * while no stack is bound: it exists from the enter hook of the first switch until the end.
 *
 * Never switches. The coroutine's thread.
 */
CRESS_API void *cress_coro_top(const cress_coro *co);

/* --- hooks --------------------------------------------------------------------------------- */

/** Called on every switch of a thread, those inside cress's own blocking calls included, so that
 * a binding can carry state of its own: leave with the coroutine that goes, enter with the one that
 * comes. Both run on the stack of the one that leaves, leave first. Of one that ends, leave is
 * called as its last act. When a greenlet ends and the next one takes over its stack, both are
 * called all the same. They must not switch or block; user is cress_coro_user().
 */
typedef struct cress_switch_hooks {
    void (*leave)(cress_coro *co, void *user);
    void (*enter)(cress_coro *co, void *user);
    /** Or NULL. Writes what a raw coroutine is, for the report of a stack overflow, and returns the
     * length; no more than size bytes. Called in a signal handler, on another stack. */
    size_t (*describe)(const cress_coro *co, void *user, char *text, size_t size);
} cress_switch_hooks;

/** Set the hooks of this thread; NULL removes them. The structure is not copied and must live as
 * long as it is set.
 *
 * Never switches. Any thread, for itself.
 *
 * @return 0; -EINVAL, leave or enter is NULL; -ENOMEM
 */
CRESS_API int cress_coro_set_hooks(const cress_switch_hooks *hooks);

/* --- stacks -------------------------------------------------------------------------------- */

/** What cress_coro_stack() tells. */
typedef struct cress_stack_info {
    void *low;         /**< lowest usable address */
    void *high;        /**< first address above the usable part */
    void *sp;          /**< where it is now: of the caller's frame, or where it was suspended */
    size_t guard_size; /**< bytes of guard below low */
    cress_guard guard; /**< how it is guarded */
} cress_stack_info;

/** Tell the bounds of a coroutine's stack, of the thread's own one as the system reports it.
 *
 * Never switches. The coroutine's thread. Out is written on success only.
 *
 * @return 0; -EINVAL, NULL; -ENOENT, no stack is bound now; -EXDEV
 */
CRESS_API int cress_coro_stack(const cress_coro *co, cress_stack_info *out);

/** Bytes of stack in use by the running coroutine at the call. Never switches. Any thread. */
CRESS_API size_t cress_stack_used(void);

/** The most bytes of its stack that can have been in use so far: found by looking at what was
 * written, so it needs no preparation, and includes what earlier owners of the same stack used.
 * 0 while no stack is bound and for a thread's own stack.
 *
 * Never switches. The coroutine's thread.
 */
CRESS_API size_t cress_coro_stack_peak(const cress_coro *co);

/** Give the pages of a suspended coroutine that lie below its stack pointer back to the system:
 * for one that did deep work once and now waits long.
 *
 * Never switches. The coroutine's thread.
 *
 * @return the bytes of address space given back, or -EBUSY, not suspended; -EXDEV
 */
CRESS_API ssize_t cress_coro_trim(cress_coro *co);

/** Give the pages of all stacks that this thread keeps for reuse back to the system. A hub does so
 * by itself in part: about once a second, half of those that were not needed meanwhile.
 *
 * Never switches. Any thread, for itself. @return how many stacks were emptied
 */
CRESS_API size_t cress_stack_trim(void);

/** Whether stack overflows are reported: a signal handler for SIGSEGV that, for a fault in a guard,
 * writes one line with the coroutine's name to stderr and then lets the signal take its course. It
 * is set up for a thread together with its first hub, if SIGSEGV is at its default then; this call
 * sets it up at once, also chained in front of somebody else's handler, or (on = false) takes it
 * back, and keeps the hubs from setting it up.
 *
 * Never switches. Any thread; the handler is the process's, the alternate stack this thread's.
 *
 * @return 0; -ENOMEM, or what sigaction(2), sigaltstack(2) say
 */
CRESS_API int cress_stack_report(bool on);

#ifdef __cplusplus
}
#endif

#endif
