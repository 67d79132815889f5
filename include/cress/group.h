/** @file cress/group.h
 * Groups of greenlets: spawned, joined and killed together; and pools, which are groups of at most
 * so many.
 *
 *     cress_pool pool = { { 0 } };
 *     cress_pool_init(&pool, 10, 0);
 *     for (size_t i = 0; i < n; i++)
 *         cress_pool_spawn(&pool, fetch, urls[i], CRESS_FOREVER, NULL);   // waits while it is full
 *     cress_group_join(&pool, CRESS_FOREVER);
 *
 * A member leaves when it has ended. A pool is a cress_group, and what is said of groups holds for
 * it. Members are of one thread. A group keeps a little memory for each member it had at once,
 * until cress_group_done().
 *
 * Structured groups (CRESS_STRUCTURED): the first member that fails has all others killed, also
 * those that are spawned before cress_group_join() has said its error; a join that is cancelled
 * kills the members, waits for them and then says -ECANCELED. So none outlives the join.
 */
#ifndef CRESS_GROUP_H
#define CRESS_GROUP_H

#include <cress/base.h>
#include <cress/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A group: the caller's memory, its fields private. All-zero: an empty group without a bound. */
typedef struct cress_group {
    uintptr_t words[28];
} cress_group;

/** A group of at most so many. */
typedef cress_group cress_pool;

/** For cress_group_init(): see above. */
enum { CRESS_STRUCTURED = 16 };
/** As the size of a pool: no bound. */
#define CRESS_UNBOUNDED SIZE_MAX

/** Make an empty group without a bound. What was in the memory before is not looked at: a group
 * that has been used has to be given back first (cress_group_done()). flags: CRESS_STRUCTURED.
 *
 * Never switches. Any thread. @return 0; -EINVAL
 */
CRESS_API int cress_group_init(cress_group *group, unsigned flags);

/** Give its memory back: it is as new. NULL is allowed.
 *
 * Never switches. The hub's thread. @return 0; -EBUSY, it has members, or somebody waits; -EXDEV
 */
CRESS_API int cress_group_done(cress_group *group);

/** Spawn a greenlet as a member, waiting while a pool is full. One that is spawned while the group
 * is being killed is killed before it runs.
 *
 * Switches only if it is a pool and full; then it is a cancellation point. The hub's thread.
 *
 * @param out  a reference of yours; NULL: none is wanted
 * @return 0; -ECANCELED; -EDEADLK, main, and the pool stays full for ever; -EINVAL; -EPERM, waiting
 *         in a callback; -EXDEV; -ENOMEM; -EMFILE
 */
CRESS_API int cress_group_spawn(cress_group *group, cress_fn fn, void *arg, cress_greenlet **out);

/** The same with options and a limit for waiting.
 *
 * @return as cress_group_spawn() and cress_spawn_with(); -ETIMEDOUT; -EAGAIN, timeout is 0
 */
CRESS_API int cress_group_spawn_with(cress_group *group, const cress_spawn_options *options,
                                     cress_fn fn, void *arg, cress_time timeout,
                                     cress_greenlet **out);

/** Make a greenlet a member, waiting while a pool is full. One that has ended does not become one.
 * Otherwise as cress_group_spawn_with(); -EALREADY, it is a member. */
CRESS_API int cress_group_add(cress_group *group, cress_greenlet *g, cress_time timeout);

/** Let a member go, without ending it.
 *
 * Never switches. The hub's thread. @return 0; -ENOENT, it is no member; -EINVAL; -EXDEV
 */
CRESS_API int cress_group_discard(cress_group *group, cress_greenlet *g);

/** Whether g is a member. Never switches. The hub's thread. */
CRESS_API bool cress_group_has(const cress_group *group, const cress_greenlet *g);

/** How many members there are. Never switches. The hub's thread. */
CRESS_API size_t cress_group_size(const cress_group *group);

/** Wait until there are no members.
 *
 * Switches unless there are none. A cancellation point. The hub's thread.
 *
 * @return 0; -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -EDEADLK, the caller is a member, or
 *         main waits for ever; -EINVAL; -EPERM; -EXDEV; -EMFILE, -ENOMEM; of a structured group
 *         the error of the first member that failed
 */
CRESS_API int cress_group_join(cress_group *group, cress_time timeout);

/** Kill all members, and with a timeout other than 0 wait until there are none; those that are
 * spawned meanwhile are killed too.
 *
 * Switches if it waits; then it is a cancellation point. The hub's thread. A member that calls it
 * is killed as well.
 *
 * @return 0; -ETIMEDOUT; -ECANCELED; -EINVAL; -EPERM, waiting in a callback; -EXDEV; -ENOMEM
 */
CRESS_API int cress_group_kill(cress_group *group, cress_time timeout);

/* --- doing things in a group ----------------------------------------------------------------- */

/** Call fn(arg) in a new member and wait for it. When the caller is a member itself it calls fn
 * directly: so a full pool does not wait for itself. A cancelled call leaves the member running.
 *
 * Switches. A cancellation point. The hub's thread.
 *
 * @param value  NULL; or what it returned, written on success only
 * @param error  NULL; or 0 or its error, as cress_get()
 * @return 0; otherwise as cress_group_spawn()
 */
CRESS_API int cress_group_apply(cress_group *group, cress_fn fn, void *arg, void **value,
                                int *error);

/** Call fn for each of n args in members of the group, as many at once as it allows, and wait for
 * all. Cancelled, it kills those of its members that are left and waits for them.
 *
 * Switches. A cancellation point. The hub's thread.
 *
 * @param results  NULL; or n values in the order of the args, NULL for what failed
 * @param errors   NULL; or n errors, 0 for what did not
 * @return 0; the error of the first arg (in their order) whose member failed; -EDEADLK, from a
 *         member of a full pool; otherwise as cress_group_spawn()
 */
CRESS_API int cress_group_map(cress_group *group, cress_fn fn, void *const *args, size_t n,
                              void **results, int *errors);

/** Where cress_group_imap() has its items from. May wait.
 *
 * @return 1, *item is the next one; 0, there are no more; or a negative error, which ends it
 */
typedef int (*cress_source_fn)(void *arg, void **item);

/** How cress_group_imap() goes about it. Start with CRESS_IMAP_OPTIONS_INIT. */
typedef struct cress_imap_options {
    size_t size;  /**< set by CRESS_IMAP_OPTIONS_INIT */
    size_t ahead; /**< at most so many are begun and not fetched yet; 0: no bound */
} cress_imap_options;

/** The start of every cress_imap_options. */
#define CRESS_IMAP_OPTIONS_INIT CRESS__SIZED(cress_imap_options)

/** Goes through the results of a function of many items: the caller's memory, its fields
 * private. */
typedef struct cress_imap {
    uintptr_t words[4];
} cress_imap;

/** Begin: a greenlet of its own fetches items from the source and has fn called with each in a new
 * member of the group. Results are told in the order of the items.
 *
 * Never switches. The hub's thread. The group must live until they have ended.
 *
 * @return 0; -EINVAL; -EXDEV; -ENOMEM; -EMFILE
 */
CRESS_API int cress_group_imap(cress_group *group, cress_imap *imap, cress_fn fn,
                               cress_source_fn source, void *arg,
                               const cress_imap_options *options);

/** The same, and results are told as they come. */
CRESS_API int cress_group_imap_unordered(cress_group *group, cress_imap *imap, cress_fn fn,
                                         cress_source_fn source, void *arg,
                                         const cress_imap_options *options);

/** The next result. value and error may be NULL and are written on success only: a member that
 * failed has its error told in its place, and others follow.
 *
 * Switches unless it is there. A cancellation point. The hub's thread.
 *
 * @return 0; -ENOENT, that was all; the error of the source, once, after all results; -ETIMEDOUT;
 *         -EAGAIN, timeout is 0; -ECANCELED; -EINVAL; -EPERM; -EXDEV; -EDEADLK; -ENOMEM
 */
CRESS_API int cress_imap_next(cress_imap *imap, cress_time timeout, void **value, int *error);

/** End, wherever it stands: what is not finished is killed, and not waited for.
 *
 * Never switches. The hub's thread.
 */
CRESS_API void cress_imap_done(cress_imap *imap);

/* --- pools ----------------------------------------------------------------------------------- */

/** Make an empty pool for so many; 0 lets nobody in. flags as cress_group_init(), which otherwise
 * see. */
CRESS_API int cress_pool_init(cress_pool *pool, size_t size, unsigned flags);

/** As cress_group_spawn_with() without options. Who waits for room is let in in the order in which
 * they came. */
CRESS_API int cress_pool_spawn(cress_pool *pool, cress_fn fn, void *arg, cress_time timeout,
                               cress_greenlet **out);

/** Spawn if there is room. Never switches. The hub's thread, callbacks too. @return as
 * cress_pool_spawn(); -EAGAIN, it is full */
CRESS_API int cress_pool_try_spawn(cress_pool *pool, cress_fn fn, void *arg, cress_greenlet **out);

/** Add if there is room. Never switches. The hub's thread, callbacks too. @return as
 * cress_group_add(); -EAGAIN, it is full */
CRESS_API int cress_pool_try_add(cress_pool *pool, cress_greenlet *g);

/** Wait until there is room for one more, without taking it.
 *
 * Switches unless there is. A cancellation point if it waits. The hub's thread.
 *
 * @return 0; otherwise as cress_pool_spawn()
 */
CRESS_API int cress_pool_wait_available(cress_pool *pool, cress_time timeout);

/** How many more fit in. Never switches. The hub's thread. */
CRESS_API size_t cress_pool_available(const cress_pool *pool);

/** Set another size; members beyond it stay. Who waits is let in as it allows.
 *
 * Never switches. The hub's thread, callbacks too. @return 0; -EINVAL; -EXDEV
 */
CRESS_API int cress_pool_set_size(cress_pool *pool, size_t size);

#ifdef __cplusplus
}
#endif

#endif
