/** @file cress/hub.h
 * The hub: one per thread, where coroutines meet the event loop.
 *
 * There is no call to start it. The first call of a thread that waits, spawns or arms something
 * makes its hub, and the thread's own stack becomes its main greenlet. Who blocks lets the next
 * ready one run; when nobody is ready, the one that blocked last waits for events.
 *
 * All that is to run stands in one first-in-first-out line: greenlets that were spawned or woken,
 * links, posted callbacks. Callbacks run in the hub's service greenlet, one after another; a call
 * that would block is refused there: -EPERM, and the error hook is told.
 *
 * Fairness: greenlets that never block cannot starve descriptors and timers. While they switch, the
 * loop is looked at without waiting about every half millisecond; where one has taken longer than
 * that, at its next switch (or a few switches later, where none had taken long before).
 */
#ifndef CRESS_HUB_H
#define CRESS_HUB_H

#include <cress/base.h>
#include <cress/coro.h>
#include <cress/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A hub. Opaque. */
typedef struct cress_hub cress_hub;
/** A greenlet. Opaque; see cress/greenlet.h. */
typedef struct cress_greenlet cress_greenlet;

/** This thread's hub, made if there is none.
 *
 * Never switches. Any thread.
 *
 * @return 0; -EINVAL, out is NULL; -EMFILE; -ENFILE; -ENOMEM
 */
CRESS_API int cress_hub_get(cress_hub **out);

/** This thread's hub, NULL when there is none. Never switches. Any thread. */
CRESS_API cress_hub *cress_hub_current(void);

/** End this thread's hub; done by itself when a thread other than the first one ends. Greenlets
 * that never ran are discarded. All others, daemons too, are killed and given grace to end; those
 * that do not are abandoned and named to the error hook, and so are raw coroutines that wait in it.
 * Functions that main deferred are called first, and all watchers stopped. Timers and descriptors
 * are forgotten, not closed. Posted callbacks run while a greenlet has its grace, then no more.
 *
 * What greenlets spawn in their grace runs, so that clean-up can have help: it is killed in turn
 * when all those that were killed before it have ended, and the grace is one for all. From other
 * threads nothing new comes any more: who calls on this hub, or spawns there, is told -EOWNERDEAD
 * as soon as the grace begins, and who joins one of its greenlets when that has not ended by itself
 * or killed. What other threads have begun for one of its greenlets, by cress_offload() or
 * cress_call_on(), is waited for, after the grace and however long it takes.
 *
 * The next call that needs one makes a new hub. The end of a thread gives a second of grace.
 *
 * Switches. Only from the main greenlet.
 *
 * @param grace  how long killed greenlets may take; CRESS_FOREVER is allowed; 0: not one turn
 * @return 0; > 0, that many were abandoned; -EINVAL, negative; -EPERM, not in the main greenlet
 */
CRESS_API int cress_hub_destroy(cress_time grace);

/** The loop of a hub, for watchers. It is run by the hub: cress_loop_run() says -EBUSY.
 *
 * Never switches. The hub's thread. NULL for another thread's.
 */
CRESS_API cress_loop *cress_hub_loop(cress_hub *hub);

/** From the main greenlet: let everything run until there is nothing left that could, or the
 * timeout elapsed. As gevent.wait() without objects: what counts as left are greenlets that are not
 * daemons, referenced watchers and timers, what other threads do for this hub (offloaded calls,
 * jobs, calls on other hubs, joins of their greenlets), and holds. Can be called again and again.
 *
 * Switches. A cancellation point (of a scope around it). Main greenlet only.
 *
 * @return 0, nothing is left; > 0, that many greenlets are blocked for ever, waiting for what
 *         nobody can do any more; -ETIMEDOUT; -EAGAIN, timeout is 0 and something is left;
 *         -ECANCELED; -EINVAL, negative; -EPERM, not the main greenlet; -EMFILE and -ENOMEM as
 *         cress_hub_get()
 */
CRESS_API int cress_run(cress_time timeout);

/* --- for other threads ---------------------------------------------------------------------- */

/** Call fn(arg) in a new greenlet of another thread's hub, and wait until it has returned. fn may
 * wait there; both hubs go on meanwhile, so two that call each other at the same time are served.
 * On the caller's own hub fn is called directly.
 *
 * Cancelled before that greenlet has begun: -ECANCELED, and fn is never called. From then on
 * nothing cancels the call, for arg may lie on the caller's stack: the cancellation meets the next
 * call; and the end of the caller's hub waits for it.
 *
 * The other hub serves while its main greenlet waits for whatever, or is in cress_run(): see
 * cress_hub_hold(). That somebody may call does not keep a hub from finding that nothing can wake
 * its main any more (-EDEADLK), but what is called does: its greenlet is one of that hub's.
 *
 * The pointer may be that of a hub which ends or has ended. (It may also be that of a newer one by
 * then: memory is used again, as thread numbers are.)
 *
 * Switches. A cancellation point. Any thread; the caller's hub is made if need be.
 *
 * @return what fn returned; 0 or its error if it called cress_exit() or cress_exit_error();
 *         -ECANCELED; -EOWNERDEAD, that hub ends or has ended, before fn was called or while it
 *         waited; -EINVAL; -EPERM, in a callback; -ENOMEM; -EMFILE
 */
CRESS_API int cress_call_on(cress_hub *hub, int (*fn)(void *arg), void *arg);

/** Keep a hub going although it has nothing to do itself, for what other threads will have it do:
 * cress_run() does not return, and waiting for ever is no deadlock. A thread that serves others:
 *
 *     cress_hub_hold(NULL);
 *     cress_run(CRESS_FOREVER);      // until somebody has cress_hub_release() called here
 *
 * Holds add up.
 *
 * Never switches. The hub's thread; hub = NULL: this thread's, made if need be.
 *
 * @return 0; -EXDEV; -EMFILE, -ENOMEM as cress_hub_get()
 */
CRESS_API int cress_hub_hold(cress_hub *hub);

/** Take one hold back. From another thread: have a function that does called here, by
 * cress_call_on() or cress_post_mt().
 *
 * Never switches. The hub's thread; hub = NULL: this thread's. @return 0; -EINVAL, it is not held;
 * -EXDEV
 */
CRESS_API int cress_hub_release(cress_hub *hub);

/* --- callbacks ------------------------------------------------------------------------------- */

/** What a callback does. A negative result goes to the error hook. */
typedef int (*cress_callback_fn)(void *arg);

/** Have fn(arg) called by the hub's service greenlet, after all that is ready now. The node is in
 * use until the call begins (so the callback may post it again) or cress_unpost().
 *
 * Never switches. The hub's thread; hub = NULL: this thread's, made if need be.
 *
 * @return 0; -EINVAL, node or fn is NULL; -EALREADY, the node is posted; -EXDEV; -EMFILE, -ENOMEM
 *         when a hub had to be made
 */
CRESS_API int cress_post(cress_hub *hub, cress_callback *node, cress_callback_fn fn, void *arg);

/** Take a posted callback back: it does not run.
 *
 * Never switches. The hub's thread. @return 0; -ENOENT, it is not posted; -EXDEV
 */
CRESS_API int cress_unpost(cress_callback *node);

/** As cress_post(), from any thread, with a node that no other thread touches until it ran. Wakes
 * the hub if it sleeps. That one may come does not keep a hub from finding that nothing can wake
 * its main any more (-EDEADLK). Callbacks of one thread run in the order in which they were
 * posted, and cannot be taken back. The hub must not be destroyed meanwhile.
 *
 * Never switches, needs no lock and no memory. Any thread.
 *
 * @return 0; -EINVAL; -EALREADY
 */
CRESS_API int cress_post_mt(cress_hub *hub, cress_callback *node, cress_callback_fn fn, void *arg);

/* --- errors ---------------------------------------------------------------------------------- */

/** Gets the errors that have nowhere else to go: of callbacks, of greenlets that failed.
 * greenlet may be NULL; context says in a few words where it happened. Called in the hub's thread;
 * must not block.
 */
typedef void (*cress_error_fn)(cress_hub *hub, cress_greenlet *greenlet, const char *context,
                               int error, void *arg);

/** Set the error hook of one hub; fn = NULL: the process's default again.
 *
 * Never switches. The hub's thread; hub = NULL: this thread's, made if need be.
 *
 * @return 0; -EXDEV; -EMFILE, -ENOMEM as cress_hub_get()
 */
CRESS_API int cress_hub_set_error_hook(cress_hub *hub, cress_error_fn fn, void *arg);

/** Set the default for hubs that have no hook of their own; fn = NULL: one line to stderr.
 *
 * Never switches. Any thread, before hubs of other threads run.
 */
CRESS_API void cress_set_error_hook(cress_error_fn fn, void *arg);

/* --- embedding and hooks --------------------------------------------------------------------- */

/** A descriptor that becomes readable when the hub has something to do: for a foreign loop, which
 * then calls cress_hub_turn(). It tells what comes from outside: descriptors, timers, other
 * threads. Where code of the foreign loop itself makes something ready or starts a timer (it spawns
 * a greenlet, say), that code has to have a turn taken, too; also where it calls what may wait:
 * others may have run, or become ready, meanwhile. Asking for it marks the hub as embedded: what
 * waits for ever is no deadlock any more, since the foreign loop may end it.
 *
 * Never switches. The hub's thread; hub = NULL: this thread's, made if need be.
 *
 * @return the descriptor, the hub's; -EXDEV; -ENOTSUP, this poller has none; -EMFILE, -ENOMEM
 */
CRESS_API int cress_hub_fd(cress_hub *hub);

/** From the main greenlet: look for events without waiting and run all that is ready, each once,
 * then return.
 *
 * Switches. Main greenlet only. Out is written on success only.
 *
 * @param next  if not NULL: how long the foreign loop may wait before the next turn although the
 *              descriptor is not readable; 0 when more is ready, CRESS_FOREVER when no timer runs
 * @return how many greenlets and callbacks ran; -EPERM; -EMFILE, -ENOMEM
 */
CRESS_API ssize_t cress_hub_turn(cress_time *next);

/** Called around the one place where the hub waits for events: before with the time it is about to
 * wait (0: it only looks), after when it has events. They run no greenlets and must not block. A
 * positive result of after has the hub run its service greenlet before anything else.
 */
typedef struct cress_poll_hooks {
    void (*before)(cress_hub *hub, cress_time timeout, void *arg);
    int (*after)(cress_hub *hub, void *arg);
} cress_poll_hooks;

/** Set the poll hooks of a hub; NULL removes them. The structure is not copied.
 *
 * Never switches. The hub's thread. @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_hub_set_poll_hooks(cress_hub *hub, const cress_poll_hooks *hooks, void *arg);

/** One who waits, and for what. */
typedef struct cress_blocked {
    cress_coro *coro;         /**< the coroutine that waits */
    cress_greenlet *greenlet; /**< the greenlet; NULL: a raw coroutine */
    const char *what;         /**< in a few words: "reading fd" */
    bool numbered;            /**< whether there is a number */
    long number;              /**< the descriptor's, ... */
    cress_greenlet *target;   /**< whom it joins; NULL: nobody */
} cress_blocked;

/** Called for one who waits; what it is given lives as long as the call. Must not block, nor start
 * or end anybody. A result other than 0 ends the walk. */
typedef int (*cress_blocked_fn)(const cress_blocked *blocked, void *arg);

/** Go through all who wait in a hub: main first, then greenlets in no order, then raw
 * coroutines. For reports, and for collectors of garbage that look for what only waiters hold.
 *
 * Never switches. The hub's thread. @return 0; what fn returned that was not 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_hub_blocked(cress_hub *hub, cress_blocked_fn fn, void *arg);

/** What cress_hub_stats() tells: counts since the hub was made. */
typedef struct cress_hub_counts {
    size_t size;        /**< set by CRESS_HUB_COUNTS_INIT */
    uint64_t switches;  /**< coroutines switched to by the hub */
    uint64_t spawns;    /**< greenlets made */
    uint64_t callbacks; /**< callbacks run */
    uint64_t polls;     /**< looks at the poller */
    uint64_t waits;     /**< of these, with a timeout other than 0 */
    uint64_t events;    /**< events they brought */
    uint64_t wakeups;   /**< system calls made to wake this hub from other threads */
    size_t greenlets;   /**< alive now, without main and the service greenlet */
    size_t blocked;     /**< of these, waiting for something */
} cress_hub_counts;

/** The start of every cress_hub_counts. */
#define CRESS_HUB_COUNTS_INIT CRESS__SIZED(cress_hub_counts)

/** Read the counters of a hub.
 *
 * Never switches. The hub's thread. @return 0; -EINVAL, size is not set; -EXDEV
 */
CRESS_API int cress_hub_stats(cress_hub *hub, cress_hub_counts *out);

#ifdef __cplusplus
}
#endif

#endif
