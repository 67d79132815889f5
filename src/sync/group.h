/* group - greenlets that are spawned, joined and killed together.
 *
 * (1) A member's link is in its greenlet's list until that ends or it is discarded; only then it
 *     leaves the group and gives its slot back.
 * (2) n + reserved <= size, or nobody is let in: reserved counts those who were granted a slot and
 *     have not run. They keep their order; nobody barges in.
 * (3) While `killing`, and from the first error on until it has been told, whoever becomes a member
 *     is killed at once.
 */
#ifndef CRESS_SYNC_GROUP_H
#define CRESS_SYNC_GROUP_H

#include "sync/line.h"

#include <cress/group.h>

struct member;

/* A member has ended, or was discarded (g is alive then). It is no member any more. */
typedef void (*member_fn)(void *task, struct cress_greenlet *g);

struct group {
    struct list members; /* all-zero: none ever */
    size_t n, reserved;
    size_t spare; /* how far the size is below the highest number; all-zero: there is no bound */
    struct guard guard;
    struct line joiners, entrants;
    struct member *unused; /* records */
    uint32_t killing;
    int32_t error; /* of the first that failed, if structured */
    unsigned forks;
    uint32_t flags;
};
_Static_assert(sizeof(struct group) <= sizeof(cress_group), "cress_group is too small");

static inline struct group *group_inside(const cress_group *g)
{
    return (struct group *)(uintptr_t)g;
}

/* Whether this thread may use it. */
int group_check(struct group *group);

/* As cress_group_spawn_with(); ended(task) is called when it has left. */
int group_spawn(struct group *group, const cress_spawn_options *o, cress_fn fn, void *arg,
                cress_time timeout, member_fn ended, void *task, struct cress_greenlet **out);

bool group_has(const struct group *group, const struct cress_greenlet *g);

#endif
