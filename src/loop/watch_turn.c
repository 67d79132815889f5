/* watch_turn - watchers of the turn itself: prepare, check, idle; and of the first turn in a child.
 *
 * Nothing comes from outside, so there is nothing to start or stop: the loop calls those that stand
 * in its list for that part of the turn.
 */
#include "loop/watch.h"

static const struct watch_kind prepare = { .name = "prepare watcher", .part = PART_PREPARE };
static const struct watch_kind check = { .name = "check watcher", .part = PART_CHECK };
static const struct watch_kind idle = { .name = "idle watcher", .part = PART_IDLE };
static const struct watch_kind after_fork = { .name = "fork watcher", .part = PART_FORK };

int cress_watch_prepare_init(cress_watch_prepare *public, cress_loop *loop, cress_watch_fn fn,
                             void *arg)
{
    return watch_init(watch_of(public), &prepare, loop, fn, arg);
}

int cress_watch_check_init(cress_watch_check *public, cress_loop *loop, cress_watch_fn fn,
                           void *arg)
{
    return watch_init(watch_of(public), &check, loop, fn, arg);
}

int cress_watch_idle_init(cress_watch_idle *public, cress_loop *loop, cress_watch_fn fn, void *arg)
{
    return watch_init(watch_of(public), &idle, loop, fn, arg);
}

int cress_watch_fork_init(cress_watch_fork *public, cress_loop *loop, cress_watch_fn fn, void *arg)
{
    return watch_init(watch_of(public), &after_fork, loop, fn, arg);
}
