/** @file cress/scope.h
 * Timeouts, shields, cancellation: one mechanism, the scope.
 *
 * Each greenlet carries a chain of scopes: itself, which is over when it has been killed, and each
 * cress_timeout it has started, over when its time has passed. A scope that is over stays over:
 * every cancellation point inside returns -ECANCELED until the scope is left. So an ignored result
 * cannot lose a kill. The first cancellation point in a scope that is over returns at once; each
 * further one lets others run first.
 *
 *     cress_timeout limit = {0};
 *     cress_timeout_start(&limit, CRESS_SECONDS(2));
 *     ssize_t n = talk_to(fd);                     // several blocking calls
 *     if (cress_timeout_stop(&limit))              // true: this limit cut one of them short
 *         n = -ETIMEDOUT;
 *
 * A call whose effect has happened reports the effect; the cancellation meets the next call. When
 * several scopes are over, the kill comes first, then the outermost.
 */
#ifndef CRESS_SCOPE_H
#define CRESS_SCOPE_H

#include <cress/base.h>
#include <cress/hub.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A scope with a deadline: the caller's memory, in a frame of the greenlet that starts it, its
 * fields private. All-zero is valid. */
typedef struct cress_timeout {
    uintptr_t words[4];
} cress_timeout;

/** Begin a scope that is over after the given time. Ones that are started inside are stopped no
 * later. 0: it is over at once, at the next cancellation point. CRESS_FOREVER: it never is.
 *
 * Never switches. Any thread, in a greenlet or a raw coroutine.
 *
 * @return 0; -EALREADY, it is started; -EINVAL, negative or NULL; -EPERM, in a callback; -EMFILE,
 *         -ENOMEM, no hub
 */
CRESS_API int cress_timeout_start(cress_timeout *timeout, cress_time after);

/** End the scope; in any order, and no error when it is not started.
 *
 * Never switches. The greenlet that started it.
 *
 * @return true when a call returned -ECANCELED because of this scope
 */
CRESS_API bool cress_timeout_stop(cress_timeout *timeout);

/** Whether the scope is started and its time has not come. Never switches. Its thread. */
CRESS_API bool cress_timeout_pending(const cress_timeout *timeout);

/** Hides the scopes around it: the caller's memory, its fields private. All-zero is valid. */
typedef struct cress_shield {
    uintptr_t words[4];
} cress_shield;

/** From here to cress_shield_end() the scopes opened before do not cancel, a kill included: for
 * clean-up that has to block. At the latest after limit they do again. Scopes started inside
 * work as ever.
 *
 * Never switches. In a greenlet or a raw coroutine.
 *
 * @return 0; -EALREADY; -EINVAL, negative or NULL; -EPERM, in a callback; -EMFILE, -ENOMEM, no hub
 */
CRESS_API int cress_shield_begin(cress_shield *shield, cress_time limit);

/** End a shield. Shields end in reverse order.
 *
 * Never switches. The greenlet that began it. @return 0; -EINVAL, not the innermost one
 */
CRESS_API int cress_shield_end(cress_shield *shield);

/** The greenlet that runs goes on although it was killed: its own scope is whole again. A later
 * kill is a new one.
 *
 * Never switches. In a greenlet. @return 0; -EINVAL, it was not killed; -EPERM, in a callback
 */
CRESS_API int cress_cancel_ack(void);

/** Why the call of this greenlet that has just returned -ECANCELED did so: the address of the
 * cress_timeout or cress_token, or of its own cress_greenlet when it was killed; NULL when
 * -ECANCELED came from the kernel. It is forgotten when the greenlet next waits.
 *
 * Never switches. Any thread.
 */
CRESS_API const void *cress_cancel_cause(void);

/** Something thrown at a greenlet with cress_throw(): the thrower's memory until destroy, if given,
 * is called with it; exactly once, delivered or not. Delivered, that is at the receiver's next
 * cancellation point, so that what caught it can look at it first; otherwise at its end. It must
 * not block. */
typedef struct cress_token {
    void (*destroy)(struct cress_token *token);
    void *value;
    uintptr_t words[4];
} cress_token;

/** Make one cancellation point of g return -ECANCELED with the token as its cause: the one it
 * waits in, else the next. Several throws queue in order. Unlike a kill it does not stay. A shield
 * holds it back like the scopes around it.
 *
 * Never switches. g's thread, also if it is shared: the token is that thread's, and its destructor
 * is called there. What works from any thread is cress_kill().
 *
 * @return 0; -EINVAL; -ESRCH, g has ended (the token is not taken); -EALREADY, the token is under
 *         way; -EXDEV
 */
CRESS_API int cress_throw(cress_greenlet *g, cress_token *token);

#ifdef __cplusplus
}
#endif

#endif
