/** @file cress/loop.h
 * The event loop and its watchers: callbacks when a descriptor is ready, a time has come, ...
 *
 * The loop knows no greenlets. By itself, cress_loop_new() and cress_loop_run(), it calls the
 * callbacks directly, and a call that would block is refused there (-EPERM). Each hub owns a loop
 * too, cress_hub_loop(): there the callbacks run in the hub's service greenlet, one after another.
 *
 * One turn of a loop: prepare watchers; wait for events (not at all when something is ready, an
 * idle watcher is active, or nothing could ever come); what was ready; check watchers; read the
 * clock; timers, by deadline and then by the order in which they were started; idle watchers, if
 * there was nothing else. What became ready in one turn is called by priority, highest first, then
 * in that order. A watcher that a callback stops is not called any more, even when it was ready;
 * one that a callback starts waits until the loop looks next: so what a prepare watcher starts
 * takes part in this very turn. Callbacks posted (cress_post()) run in between, first in first out,
 * at most those that were there when the turn began, so that one that posts itself again starves
 * nobody.
 *
 * A hub's loop has turns when the hub finds nobody to run, and now and then while it is busy; then
 * prepare watchers are called with what was found, in front of it. The clock, and what other
 * threads have sent, a busy hub looks at in between too.
 *
 * fork(2): in the child, the loop of the thread that forked goes on with all its watchers, at its
 * first use and with descriptors of its own; what the parent waits for is not touched. Fork
 * watchers are called then. Child watchers are stopped, for a parent's children are not its
 * child's; signals that came before are the parent's. Loops of other threads are not there any
 * more: nothing may be done with them, their descriptors are closed. What was ready or on its way
 * when the process forked is called in both.
 *
 * A watcher is the caller's memory. It must be all-zero or freshly initialised before its init
 * function, and neither moved nor freed while it is active. Its fields are private.
 */
#ifndef CRESS_LOOP_H
#define CRESS_LOOP_H

#include <cress/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A loop. Opaque. */
typedef struct cress_loop cress_loop;

/** A callback that can be posted: the caller's memory, its fields private. All-zero is valid. */
typedef struct cress_callback {
    uintptr_t words[6];
} cress_callback;

/** What all watchers have in common; the first member of each kind. */
typedef struct cress_watch {
    uintptr_t words[14];
} cress_watch;

/** Called when a watcher's event came. events: CRESS_IN, ... for io; the signal number, the wait
 * status for those; 0 otherwise. A negative result goes to the error hook of the loop and changes
 * nothing else.
 */
typedef int (*cress_watch_fn)(cress_watch *watch, int events, void *arg);

/** Events of descriptors, the numbers of poll(2). @{ */
#define CRESS_IN 0x001     /**< POLLIN: reading does not block */
#define CRESS_PRI 0x002    /**< POLLPRI: urgent data */
#define CRESS_OUT 0x004    /**< POLLOUT: writing does not block */
#define CRESS_ERR 0x008    /**< POLLERR: always told */
#define CRESS_HUP 0x010    /**< POLLHUP: always told */
#define CRESS_NVAL 0x020   /**< POLLNVAL: not open; always told */
#define CRESS_RDHUP 0x2000 /**< POLLRDHUP: the peer sends nothing more */
/** @} */

/** What cress_loop_new() may be told. Start with CRESS_LOOP_OPTIONS_INIT. */
typedef struct cress_loop_options {
    size_t size;        /**< set by CRESS_LOOP_OPTIONS_INIT */
    const char *poller; /**< "epoll", "poll"; NULL: $CRESS_POLLER, else the best */
} cress_loop_options;

/** The start of every cress_loop_options. */
#define CRESS_LOOP_OPTIONS_INIT CRESS__SIZED(cress_loop_options)

/** How cress_loop_run() runs. */
typedef enum cress_run_mode {
    CRESS_RUN_DEFAULT, /**< until nothing referenced is active, or cress_loop_break() */
    CRESS_RUN_ONCE,    /**< one turn, waiting for something to happen */
    CRESS_RUN_NOWAIT   /**< one turn, without waiting */
} cress_run_mode;

/** Make a loop, for use without a hub.
 *
 * Never switches. Any thread; the loop is this thread's.
 *
 * @return 0; -EINVAL, also for a poller that does not exist; -EMFILE; -ENFILE; -ENOMEM
 */
CRESS_API int cress_loop_new(const cress_loop_options *options, cress_loop **out);

/** Free a loop made by cress_loop_new(). Watchers that are still active are stopped. NULL is
 * allowed.
 *
 * Never switches. The loop's thread. @return 0; -EBUSY, it runs, or is a hub's; -EXDEV
 */
CRESS_API int cress_loop_free(cress_loop *loop);

/** Run the callbacks of a loop without a hub.
 *
 * Blocks the thread; not for a hub's own loop. Callbacks may not call blocking functions: those
 * give -EPERM.
 *
 * @return > 0, referenced watchers are still active or something is ready; 0, none; -EINVAL;
 *         -EBUSY, it runs already, or is a hub's; -EXDEV; -EMFILE, -ENFILE, -ENOMEM: in a child
 *         process, where it could not be made anew
 */
CRESS_API int cress_loop_run(cress_loop *loop, cress_run_mode mode);

/** Let cress_loop_run() return after the callback that runs.
 *
 * Never switches. The loop's thread. @return 0; -EINVAL, it does not run; -EXDEV
 */
CRESS_API int cress_loop_break(cress_loop *loop);

/** The loop's reading of the clock, made once a turn; 0 of NULL. The loop's thread. */
CRESS_API cress_time cress_loop_now(cress_loop *loop);

/** Read the clock again: for callbacks that computed long before they start a timer with an
 * absolute deadline. (Relative timeouts need no such call: they count from the next reading.)
 *
 * Never switches. The loop's thread. @return the reading; 0 of NULL
 */
CRESS_API cress_time cress_loop_update(cress_loop *loop);

/** How many referenced watchers are active; 0 of NULL. On a hub's loop, greenlets that wait for a
 * descriptor or a time count too. Never switches. The loop's thread. */
CRESS_API size_t cress_loop_active(const cress_loop *loop);

/** The poller in use: "epoll", "poll"; NULL of NULL. Never switches. Any thread. */
CRESS_API const char *cress_loop_poller(const cress_loop *loop);

/** A descriptor that becomes readable when the loop has something to do; with the timeout of
 * cress_loop_timeout() it can sit in somebody else's loop. Not to be read from or written to.
 *
 * Readable when an event has come for a watcher, or another thread has sent something; edges may be
 * spurious: then a turn finds nothing.
 *
 * Never switches. The loop's thread. @return it; -EINVAL; -ENOTSUP, this poller has none; -EXDEV;
 *         -EMFILE, -ENFILE, -ENOMEM, in a child process
 */
CRESS_API int cress_loop_fd(const cress_loop *loop);

/** How long the loop may be left alone: 0 when something is due, CRESS_FOREVER when no timer runs
 * (and of NULL).
 *
 * Never switches. The loop's thread.
 */
CRESS_API cress_time cress_loop_timeout(cress_loop *loop);

/** Called with errors that have nowhere else to go. watch: whose callback failed (which may have
 * freed it: then only its address is left), or NULL. */
typedef void (*cress_loop_error_fn)(cress_loop *loop, cress_watch *watch, const char *context,
                                    int error, void *arg);

/** Set the error hook of a loop without a hub; fn = NULL: one line to stderr. (A hub's loop reports
 * to the hub's.)
 *
 * Never switches. The loop's thread. @return 0; -EINVAL; -EBUSY, a hub's loop; -EXDEV
 */
CRESS_API int cress_loop_set_error_hook(cress_loop *loop, cress_loop_error_fn fn, void *arg);

/* --- what all watchers share --------------------------------------------------------------- */

/** Start a watcher that was initialised. Started twice is started once.
 *
 * Never switches. The loop's thread; so for all calls of this group.
 *
 * @return 0; -EINVAL, not initialised; -EBADF, its fd is not open; -EPERM, its fd is of a kind that
 *         cannot be waited for (a regular file); -ECHILD, no child of ours; -ENOMEM; -ENOSPC;
 *         -EXDEV; -EMFILE, -ENFILE, in a child process
 */
CRESS_API int cress_watch_start(cress_watch *watch);

/** Stop it: its callback is not called any more, even for what is ready now. Its memory is the
 * caller's again. Stopping one that is not active is no error.
 *
 * @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_watch_stop(cress_watch *watch);

/** Whether it is started; not so of NULL. */
CRESS_API bool cress_watch_active(const cress_watch *watch);

/** Whether its callback is about to be called; not so of NULL. */
CRESS_API bool cress_watch_pending(const cress_watch *watch);

/** Whether it keeps its loop running while it is active; true at first. Can be changed any time.
 *
 * @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_watch_set_ref(cress_watch *watch, bool ref);

/** As set with cress_watch_set_ref(); false of NULL. */
CRESS_API bool cress_watch_ref(const cress_watch *watch);

/** The order among watchers that are ready in one turn: -2 to 2, higher ones first; 0 at first.
 *
 * @return 0; -EINVAL, out of range; -EBUSY, it is active; -EXDEV
 */
CRESS_API int cress_watch_set_priority(cress_watch *watch, int priority);

/** As set with cress_watch_set_priority(); 0 of NULL. */
CRESS_API int cress_watch_priority(const cress_watch *watch);

/** Behave as if its event had come: the callback is called in this turn, or the next.
 *
 * @return 0; -EINVAL, not active; -EXDEV
 */
CRESS_API int cress_watch_feed(cress_watch *watch, int events);

/** The loop it was initialised for; NULL before, after that loop's end, and of NULL. */
CRESS_API cress_loop *cress_watch_loop(const cress_watch *watch);

/* --- the kinds ------------------------------------------------------------------------------- */

/** Watches a descriptor. */
typedef struct cress_watch_io {
    cress_watch watch;
    uintptr_t words[8];
} cress_watch_io;

/** Watch fd for events (CRESS_IN, CRESS_OUT, CRESS_PRI, CRESS_RDHUP), level-triggered: called once
 * a turn as long as one of them holds. fd stays the caller's; stop the watcher before closing it.
 * Several watchers, and greenlets, may wait for the same fd. The callback gets what holds, with
 * CRESS_ERR and CRESS_HUP; and CRESS_NVAL once when it is closed all the same, by cress_close().
 *
 * Never switches. The loop's thread. @return 0; -EINVAL, no or unknown events, NULL, or active;
 *         -EBADF, negative; -EXDEV
 */
CRESS_API int cress_watch_io_init(cress_watch_io *watch, cress_loop *loop, int fd, int events,
                                  cress_watch_fn fn, void *arg);

/** Watches the clock. */
typedef struct cress_watch_timer {
    cress_watch watch;
    uintptr_t words[12];
} cress_watch_timer;

/** Call fn once after the given time and then, unless repeat is 0, again every repeat: at multiples
 * of it from the first call, never drifting; those that were missed are left out.
 *
 * Never switches. The loop's thread. @return 0; -EINVAL, a negative time, NULL, or active; -EXDEV
 */
CRESS_API int cress_watch_timer_init(cress_watch_timer *watch, cress_loop *loop, cress_time after,
                                     cress_time repeat, cress_watch_fn fn, void *arg);

/** Start it, or start it over, with a new first time: cheap, for what is put off again and again.
 *
 * @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_watch_timer_again(cress_watch_timer *watch, cress_time after);

/** Watches for a signal. */
typedef struct cress_watch_signal {
    cress_watch watch;
    uintptr_t words[6];
} cress_watch_signal;

/** Call fn in the loop after a signal came: once for each time that the handler was called (the
 * system joins what comes before that), one call a turn. Any number of watchers in any number of
 * loops and threads may watch one signal; each is told. From cress_watch_start() on none is lost.
 *
 * A handler is installed while at least one watcher is active, and what was there before is put
 * back afterwards; no signal is blocked for it. The handler of before is not called meanwhile, but
 * that of SIGCHLD is. Watching SIGCHLD reaps nobody.
 *
 * Never switches. The loop's thread. @return 0; -EINVAL, not a signal that can be caught, or one
 *         the processor raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL), NULL, or active; -EXDEV
 */
CRESS_API int cress_watch_signal_init(cress_watch_signal *watch, cress_loop *loop, int signal,
                                      cress_watch_fn fn, void *arg);

/** Watches for the end of a child process. */
typedef struct cress_watch_child {
    cress_watch watch;
    uintptr_t words[12];
} cress_watch_child;

/** Call fn once when the child pid has ended, also if that was before the start; events is its wait
 * status as of waitpid(2), and it has been reaped just now. Only this child is ever waited for.
 * Should somebody else have reaped it, events is -ECHILD. Several watchers of one loop may watch
 * one child.
 *
 * Uses a pidfd; where that cannot be had, SIGCHLD as cress_watch_signal_init() does.
 *
 * Never switches. The loop's thread. @return 0; -EINVAL, pid < 1, NULL, or active; -EXDEV.
 *         cress_watch_start() gives -ECHILD when it is no child of ours
 */
CRESS_API int cress_watch_child_init(cress_watch_child *watch, cress_loop *loop, pid_t pid,
                                     cress_watch_fn fn, void *arg);

/** Lets other threads and signal handlers call into the loop. */
typedef struct cress_watch_async {
    cress_watch watch;
    uintptr_t words[6];
} cress_watch_async;

/** Call fn in the loop after cress_watch_async_send().
 *
 * Never switches. The loop's thread. @return 0; -EINVAL, NULL, or active; -EXDEV
 */
CRESS_API int cress_watch_async_init(cress_watch_async *watch, cress_loop *loop, cress_watch_fn fn,
                                     void *arg);

/** Have the callback called soon. Sends that come before the callback coalesce; after the last send
 * there is always one call more, which sees what was written before that send. The watcher must be
 * active and stay so until this returns: a send to one that is stopped is lost, or a bad access.
 *
 * Never switches. Any thread, signal handlers too. @return 0; -EINVAL, NULL or never initialised
 */
CRESS_API int cress_watch_async_send(cress_watch_async *watch);

/** Watches what stat(2) tells of a path. */
typedef struct cress_watch_stat {
    cress_watch watch;
    uintptr_t words[10];
} cress_watch_stat;

/** Call fn when what stat(2) tells of path has changed since the start or the last call, when it
 * appears, and when it goes; its folder need not exist. Being read (st_atime) is no change. Noticed
 * at once where inotify(7) sees it, and looked for every interval besides (0: 5 s; at least 100 ms;
 * CRESS_FOREVER: not).
 *
 * cress_watch_start() copies path, and gives -ENOMEM; until then it must stay as it is.
 *
 * Never switches. The loop's thread. @return 0; -EINVAL, also an empty path; -EXDEV
 */
CRESS_API int cress_watch_stat_init(cress_watch_stat *watch, cress_loop *loop, const char *path,
                                    cress_time interval, cress_watch_fn fn, void *arg);

/** Called when there is nothing else to do, before the loop looks for events, after it has. @{ */
typedef struct cress_watch_idle {
    cress_watch watch;
    uintptr_t words[2];
} cress_watch_idle;
typedef struct cress_watch_prepare {
    cress_watch watch;
    uintptr_t words[2];
} cress_watch_prepare;
typedef struct cress_watch_check {
    cress_watch watch;
    uintptr_t words[2];
} cress_watch_check;
/** @} */

/** Call fn every turn in which nothing else is ready (prepare and check watchers aside); while it
 * is active the loop does not wait.
 *
 * Never switches. The loop's thread. @return 0; -EINVAL, NULL, or active; -EXDEV
 */
CRESS_API int cress_watch_idle_init(cress_watch_idle *watch, cress_loop *loop, cress_watch_fn fn,
                                    void *arg);

/** Call fn in every turn before the loop looks for events. As cress_watch_idle_init() otherwise. */
CRESS_API int cress_watch_prepare_init(cress_watch_prepare *watch, cress_loop *loop,
                                       cress_watch_fn fn, void *arg);

/** Call fn in every turn after the loop has looked. As cress_watch_idle_init() otherwise. */
CRESS_API int cress_watch_check_init(cress_watch_check *watch, cress_loop *loop, cress_watch_fn fn,
                                     void *arg);

/** Watches for fork(2). */
typedef struct cress_watch_fork {
    cress_watch watch;
    uintptr_t words[2];
} cress_watch_fork;

/** Call fn in a child process, in the loop's first turn there. As cress_watch_idle_init()
 * otherwise.
 */
CRESS_API int cress_watch_fork_init(cress_watch_fork *watch, cress_loop *loop, cress_watch_fn fn,
                                    void *arg);

#ifdef __cplusplus
}
#endif

#endif
