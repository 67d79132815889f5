/* mutex - what a condition needs of a mutex, and what all locks do after fork(2).
 *
 * Free, a mutex is like a semaphore of one unit: unlock grants it to the first who waits, and until
 * that one runs anybody may barge in (unless it is fair).
 *
 * (1) While `owner` is NULL, at most one place is granted; none only if nobody waits.
 * (2) A shared one that is held is in the list of its owner's thread, so that the end of the thread
 *     or of its hub finds it: then it is free, and the next who gets it is told, once. Only that
 *     thread touches the list.
 */
#ifndef CRESS_SYNC_MUTEX_H
#define CRESS_SYNC_MUTEX_H

#include "base/fork.h"
#include "sync/line.h"

#include <cress/sync.h>

/* Who holds a lock. In a child process all that others held is free. */
struct holder {
    cress_coro *co;        /* NULL: nobody */
    struct thread *thread; /* of co; not looked into */
    unsigned forks;        /* when it was taken */
};

struct mutex {
    struct guard guard;
    struct line line;
    struct holder owner;
    struct mutex *next_held; /* see (2) */
    uint32_t depth;          /* so often more than once */
    uint32_t flags;
};
_Static_assert(sizeof(struct mutex) <= sizeof(cress_mutex), "cress_mutex is too small");

static inline struct mutex *mutex_inside(const cress_mutex *m)
{
    return (struct mutex *)(uintptr_t)m;
}

/* Whether the holder is in another process: then nobody holds it here. A fork leaves nobody but who
 * called it, which is main from then on. */
bool holder_is_gone(const struct holder *holder);

static inline void holder_set(struct holder *holder, struct thread *t)
{
    holder->co = t->current;
    holder->forks = cress__forks;
    holder->thread = t;
}

/* Give it up altogether, however deep it is; and take it again, at that depth, as soon as possible:
 * 0; -EOWNERDEAD with it; or -EDEADLK without it. h may be NULL for a shared one. */
uint32_t mutex_give_up(struct mutex *m);
int mutex_take_again(struct mutex *m, struct cress_hub *h, uint32_t depth);

#endif
