/** @file cress/greenlet.h
 * Greenlets: functions that the hub runs at the same time as others, on one thread.
 *
 * Write plain blocking code and spawn one greenlet for each thing that happens at once. A greenlet
 * runs until it calls something that waits; only such a call switches, and this reference says of
 * each whether it can. Greenlets start in the order in which they were spawned.
 *
 * A greenlet ends by returning from its function, by cress_exit() or cress_exit_error(), or by
 * finding out (-ECANCELED) that it was killed and returning.
 *
 * References: cress_spawn() gives one; it keeps the memory, not the greenlet running. Give it back
 * with cress_unref(). The hub holds one of its own until the greenlet has ended and its links ran.
 *
 * Threads: a greenlet is its hub's thread's; from any other one calls for it say -EXDEV, or
 * -EOWNERDEAD once its hub has ended, and its references are not even to be counted there before
 * that thread has ended. One that was spawned as `shared` is for all: any thread may cress_join(),
 * cress_get() and cress_joinall() it, cress_kill() and cress_killall() it, cress_link() and
 * cress_unlink() it, wait for it as a case, count its references, and ask cress_started() to
 * cress_error(), cress_id() and cress_name() (which nobody may set meanwhile). A thread without a
 * hub gets one when it waits. A wait from elsewhere needs memory, and counts like a wait for a
 * descriptor, against deadlocks and in cress_run(). If the hub of a shared greenlet ends before the
 * greenlet does, those that wait for it elsewhere say -EOWNERDEAD; killing it then does nothing, as
 * with any that has ended. value_free is called in the thread that drops the
 * last reference.
 */
#ifndef CRESS_GREENLET_H
#define CRESS_GREENLET_H

#include <cress/base.h>
#include <cress/coro.h>
#include <cress/hub.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The body of a greenlet; its result is the greenlet's value. */
typedef void *(*cress_fn)(void *arg);

/** How a greenlet ended. */
typedef enum cress_outcome_kind {
    CRESS_ALIVE,    /**< not yet */
    CRESS_RETURNED, /**< its function returned, or cress_exit() */
    CRESS_FAILED,   /**< cress_exit_error() */
    CRESS_KILLED    /**< killed, told so by a call, and did not cress_cancel_ack() it; or never ran.
                         A kill that no call has told of came too late: then it returned. */
} cress_outcome_kind;

/* --- beginning ------------------------------------------------------------------------------- */

/** Spawn a greenlet: fn(arg) runs as soon as the caller waits for something, after all that were
 * ready before.
 *
 * Never switches. Any thread; the greenlet is this thread's hub's. arg stays the caller's.
 *
 * @return a reference of yours; NULL: no memory, or no hub could be made; the reason goes to the
 *         error hook
 */
CRESS_API cress_greenlet *cress_spawn(cress_fn fn, void *arg);

/** As cress_spawn(), but it becomes ready after delay only.
 *
 * @return as cress_spawn(); NULL also for a negative delay
 */
CRESS_API cress_greenlet *cress_spawn_later(cress_time delay, cress_fn fn, void *arg);

/** What cress_spawn_with() may be told. Start with CRESS_SPAWN_OPTIONS_INIT. */
typedef struct cress_spawn_options {
    size_t size;       /**< set by CRESS_SPAWN_OPTIONS_INIT */
    const char *name;  /**< copied (31 bytes of it at most); NULL: none */
    size_t stack_size; /**< usable bytes at least; 0: 46 KiB */
    cress_time delay;  /**< becomes ready after that only */
    /** called instead of fn when it never runs: by who kills it, by the end of its hub, or when no
     * stack can be had for it (it has failed with -ENOMEM then); must not block */
    void (*on_discard)(void *arg);
    void (*value_free)(void *value); /**< called with what its function returned, killed or not,
                                          when the last reference goes; must not block */
    cress_time defer_limit;          /**< how long its deferred functions may take in all; 0: 5 s */
    cress_hub *hub;                  /**< where it starts; NULL: this thread's */
    bool daemon;  /**< does not keep cress_run() going, nor count against a deadlock */
    bool any_hub; /**< another hub may start it if this one is busy: reserved */
    bool shared;  /**< may be joined, killed and linked from other threads, see above */
    bool inherit; /**< begins with those values of its spawner that are inherited, cress/key.h */
} cress_spawn_options;

/** The start of every cress_spawn_options. */
#define CRESS_SPAWN_OPTIONS_INIT CRESS__SIZED(cress_spawn_options)

/** Spawn with options. out = NULL: no reference is wanted (as cress_go()).
 *
 * On another thread's hub it starts when that hub comes to it; its name, what it inherits and its
 * options are fixed here. Without shared it is that hub's alone, and no reference can be had. If
 * that hub ends before it runs, on_discard is called there.
 *
 * Never switches. Any thread.
 *
 * @return 0; -EINVAL, fn is NULL, size is not set, a time is negative, a stack larger than 1 GiB;
 *         -ENOMEM, -EMFILE; -EXDEV, a reference is wanted to one of another hub that is not shared;
 *         -EOWNERDEAD, that hub has ended (arg is the caller's; the pointer may be any, as in
 *         cress_call_on()); -ENOTSUP, any_hub: reserved for later
 */
CRESS_API int cress_spawn_with(const cress_spawn_options *options, cress_fn fn, void *arg,
                               cress_greenlet **out);

/** Spawn and forget: the cheapest way. What fn returns is lost.
 *
 * Never switches. Any thread. @return 0; -EINVAL, fn is NULL; -ENOMEM; -EMFILE
 */
CRESS_API int cress_go(cress_fn fn, void *arg);

/* --- waiting for the end --------------------------------------------------------------------- */

/** Wait until g has ended. Any number of greenlets may join the same one. Says nothing of how it
 * ended.
 *
 * Switches unless g has ended. A cancellation point. g's thread, or any if it is shared.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0 and it is alive; -ECANCELED; -EDEADLK, g is the
 *         caller, or main waits and nothing can ever wake it; -EINVAL; -EPERM, in a callback;
 *         -EXDEV; -EOWNERDEAD, g was ended by the end of its hub; -ENOMEM, -EMFILE
 */
CRESS_API int cress_join(cress_greenlet *g, cress_time timeout);

/** As cress_join(), and tell how it ended. value and error may be NULL and are written on success
 * only. The value is the greenlet's: it lives as long as the reference.
 *
 * @param error  0; what cress_exit_error() was given; -ECANCELED, it was killed
 * @return as cress_join()
 */
CRESS_API int cress_get(cress_greenlet *g, cress_time timeout, void **value, int *error);

/** How cress_joinall() waits. Start with CRESS_JOIN_OPTIONS_INIT. */
typedef struct cress_join_options {
    size_t size;      /**< set by CRESS_JOIN_OPTIONS_INIT */
    size_t count;     /**< until so many have ended; 0: all */
    bool raise_error; /**< until one has failed: its error is the result */
} cress_join_options;

/** The start of every cress_join_options. */
#define CRESS_JOIN_OPTIONS_INIT CRESS__SIZED(cress_join_options)

/** Wait until all of n greenlets have ended, or as many as the options say. Duplicates and NULLs
 * are fine. With raise_error, the result is the error of the one that failed first in time (of one
 * hub: the times of two are not compared).
 *
 * Switches unless enough have ended. A cancellation point. Their thread, or any for shared ones.
 *
 * @param ended  if not NULL: how many had ended, always written
 * @return 0; -ETIMEDOUT; -EAGAIN; -ECANCELED; -EDEADLK, the caller is among those that must end, or
 *         as cress_join(); -EINVAL; -EPERM; -EXDEV; -EOWNERDEAD, one was ended by the end of its
 *         hub; -ENOMEM, -EMFILE; or a greenlet's error
 */
CRESS_API int cress_joinall(cress_greenlet *const *gs, size_t n, cress_time timeout,
                            const cress_join_options *options, size_t *ended);

/* --- ending ---------------------------------------------------------------------------------- */

/** Kill g: its scope is over (see cress/scope.h), so whatever it waits for, and every further
 * cancellation point, gives -ECANCELED. One that never ran is discarded here and now. Killing one
 * that has ended does nothing. With a timeout other than 0, wait until it has ended.
 *
 * Switches if it waits; with timeout 0 never. A cancellation point if it waits. A greenlet that
 * kills itself gets -ECANCELED (timeout 0: 0, and -ECANCELED at its next cancellation point).
 * g's thread, or any if it is shared.
 *
 * @return 0; -ETIMEDOUT; -ECANCELED; -EINVAL, also for the main greenlet, which only ends with its
 *         thread (cress_throw() reaches it); -EPERM, waiting in a callback; -EXDEV; -EOWNERDEAD;
 *         waiting for a shared one: -ENOMEM, -EMFILE
 */
CRESS_API int cress_kill(cress_greenlet *g, cress_time timeout);

/** Kill n greenlets first, then wait for all of them. Duplicates and NULLs are fine; if the caller
 * is among them it is killed too, but not waited for.
 *
 * @return as cress_kill(), -EINVAL before anybody is killed; -ETIMEDOUT when some are still alive
 */
CRESS_API int cress_killall(cress_greenlet *const *gs, size_t n, cress_time timeout);

/** End the greenlet that runs, with a value. Frames are left as longjmp(3) does, after the deferred
 * functions have run. In the main greenlet it is exit(3) with the value as status.
 *
 * Does not return, but: -EPERM in a callback, and in a raw coroutine (cress_coro_exit() ends that).
 */
CRESS_API int cress_exit(void *value);

/** End the greenlet that runs, as failed with a negative error, which also goes to the error hook.
 * Otherwise as cress_exit().
 *
 * Does not return, but: -EPERM as there; -EINVAL, error is not negative.
 */
CRESS_API int cress_exit_error(int error);

/** Have fn(arg) called when the greenlet that runs ends, in whichever way; last in, first out. They
 * may block: they run under a shield of 5 s in all. A negative result goes to the error hook.
 *
 * Never switches. In a greenlet. @return 0; -EINVAL; -ENOMEM; -EPERM, in a callback
 */
CRESS_API int cress_defer(int (*fn)(void *arg), void *arg);

/* --- looking --------------------------------------------------------------------------------- */

/** Whether it has begun to run and has not ended. Never switches. So for all of this group; g's
 * thread unless said otherwise. Of NULL each says false, 0, NULL, "" or CRESS_ALIVE. */
CRESS_API bool cress_started(const cress_greenlet *g);
/** Whether it has ended; false inside it to the last, true in its links. */
CRESS_API bool cress_ready(const cress_greenlet *g);
/** Whether it has ended without failing; being killed counts as success. */
CRESS_API bool cress_successful(const cress_greenlet *g);
/** How it ended. */
CRESS_API cress_outcome_kind cress_outcome(const cress_greenlet *g);
/** What it returned; NULL before, and when it did not return. */
CRESS_API void *cress_value(const cress_greenlet *g);
/** 0; or what cress_get() says in error. */
CRESS_API int cress_error(const cress_greenlet *g);

/** A number that no other greenlet of the process ever has. Any thread. */
CRESS_API uint64_t cress_id(const cress_greenlet *g);
/** A small number that no other greenlet of its hub has; given when first asked for, reused when
 * the greenlet is freed, lowest first. UINT32_MAX: no memory, its hub has ended, or NULL. */
CRESS_API uint32_t cress_slot(cress_greenlet *g);
/** Its name; "" when it has none, "main" for the main greenlet. Valid until it is set again. */
CRESS_API const char *cress_name(const cress_greenlet *g);
/** Set the name, of which 31 bytes are kept. @return 0; -EINVAL; -ENOMEM; -EXDEV */
CRESS_API int cress_set_name(cress_greenlet *g, const char *name);

/** How much stack the greenlets of one name have used. */
typedef struct cress_stack_mark {
    char name[32];
    size_t peak;       /**< the most bytes of stack that one of them used */
    size_t stack_size; /**< how many that one had */
    uint64_t ended;    /**< how many of that name have ended */
    uint64_t reserved;
} cress_stack_mark;

/** So many names are told apart; all further ones are CRESS_STACK_MARKS_OTHERS. */
#define CRESS_STACK_MARKS_MAX 512
#define CRESS_STACK_MARKS_OTHERS "(others)"

/** Keep, from now on, for each name the most stack that a greenlet of it has used: what to ask for
 * as stack_size. Starting forgets what was kept before; stopping (on = false) keeps it to be read.
 *
 * Counts greenlets that end while it is on, by the name they have then; those without a name, and
 * those that are abandoned, it does not. Exact to two pages for a greenlet that was named when it
 * was spawned, or names itself; another one's figure may include what earlier owners of its stack
 * used. Costs each greenlet with a name a few microseconds, all others nothing. Never switches. Any
 * thread, for the process.
 */
CRESS_API void cress_stack_marks_enable(bool on);

/** Copy what has been kept, the names in the order in which they first came: at most n marks.
 *
 * Never switches. Any thread.
 *
 * @return how many names there are, which may be more than n (0 only asks); -EINVAL, marks is NULL
 *         and n is not 0
 */
CRESS_API ssize_t cress_stack_marks(cress_stack_mark *marks, size_t n);

/** The greenlet that runs, no new reference; NULL in callbacks, in a raw coroutine, and when this
 * thread has no hub. Any thread. */
CRESS_API cress_greenlet *cress_current(void);
/** This thread's main greenlet, no new reference; NULL when this thread has no hub. Any thread. */
CRESS_API cress_greenlet *cress_main(void);
/** The coroutine below a greenlet, for cress_unpark(); NULL for NULL. It is the hub's: it can be
 * neither switched to nor freed. Any thread. */
CRESS_API cress_coro *cress_greenlet_coro(cress_greenlet *g);

/** One more reference. NULL is allowed. g's thread, or any if it is shared. @return g */
CRESS_API cress_greenlet *cress_ref(cress_greenlet *g);
/** Give a reference back. NULL is allowed. Never kills: an alive greenlet goes on. */
CRESS_API void cress_unref(cress_greenlet *g);

/* --- links ----------------------------------------------------------------------------------- */

/** A link: the caller's memory, its fields private. All-zero is valid. */
typedef struct cress_link_node {
    uintptr_t words[8];
} cress_link_node;

/** Called in the hub when g has ended. A negative result goes to the error hook. */
typedef int (*cress_link_fn)(cress_greenlet *g, void *arg);

/** Have fn(g, arg) called by this thread's hub after g has ended, in the order of the calls; if it
 * has ended already, in the next turn, never at once. The node is in use until the call begins. Of
 * a shared greenlet of another thread it is called when it was ended by the end of its hub, too.
 * When this thread's hub ends before, it is not called: cress_unlink() makes the node free.
 *
 * Never switches. g's thread, or any if it is shared.
 *
 * @return 0; -EINVAL; -EALREADY, the node is in use; -EXDEV; -EOWNERDEAD; -ENOMEM, -EMFILE
 */
CRESS_API int cress_link(cress_greenlet *g, cress_link_node *node, cress_link_fn fn, void *arg);

/** Take a link back; no error if it is not in use. Never switches. The thread that linked it. */
CRESS_API void cress_unlink(cress_link_node *node);

/* --- time ------------------------------------------------------------------------------------ */

/** Let others run for at least d. 0 is cress_yield(). Always switches, if there is anybody else.
 * A cancellation point. Any thread.
 *
 * @return 0; -ECANCELED; -EINVAL, negative; -EPERM, in a callback; -EDEADLK, main, for ever, and
 *         nothing can wake it; -EMFILE, -ENOMEM, no hub
 */
CRESS_API int cress_sleep(cress_time d);

/** Let all that is ready now run first, then go on. Otherwise as cress_sleep(). */
CRESS_API int cress_yield(void);

/** Wait until nothing else is ready: the loop has been looked at and all it brought has run.
 * Otherwise as cress_sleep(). */
CRESS_API int cress_idle(void);

#ifdef __cplusplus
}
#endif

#endif
