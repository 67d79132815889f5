/* guard - who may use an object.
 *
 * An object belongs to the hub of those who wait for it, as long as anybody does: calls of other
 * threads are refused. One that was made CRESS_SHARED may be used by all threads, with hub and
 * without, one at a time: then the guard is a lock, which is held for a few dozen instructions.
 *
 *     unshared:  nobody's -> a hub's [guard_joined, the first who waits]
 *                a hub's -> nobody's [guard_left, the last one]
 *     shared:    free -> held [guard_enter]    held -> free [guard_leave]
 *                held -> held, somebody sleeps until it is free [guard_enter of another thread]
 *
 * (1) `hub` is set exactly while there is somebody in one of the object's lines; all of them wait
 *     in that hub. So the common case, nobody, is one comparison. Of a shared object it is a mark
 *     that is no hub, for ever, so that every call takes the way that is not common.
 * (2) `lines` counts the object's lines in which there is somebody.
 * (3) The lock is not held when anything switches, nor while anything of the user's runs, but for
 *     what a queue compares and drops with.
 * (4) The lock knows in which process it was used last. In a child process those who waited in the
 *     parent are not there, nor is, perhaps, who held the lock: an object that was in use when the
 *     process forked is not whole there, and says -EOWNERDEAD until it is initialised anew. One
 *     that nobody waited for, and nobody held, is as good as new.
 * (5) The exchange that frees the lock is the last that touches the object: whoever has it next may
 *     free its memory. What may still come is a wake-up for that address, which harms nobody.
 */
#ifndef CRESS_SYNC_GUARD_H
#define CRESS_SYNC_GUARD_H

#include "base/fork.h"
#include "hub/park.h"

#include <cress/sync.h>

#include <errno.h>

struct guard {
    struct cress_hub *hub; /* (1) */
    atomic_uint word;      /* of the lock: how it is, and above that in which process */
    uint16_t lines;        /* (2) */
};

#define GUARD_SHARED ((struct cress_hub *)(uintptr_t)1)

static inline bool guard_shared(const struct guard *g)
{
    return g->hub == GUARD_SHARED;
}

/* Of a shared object. 0; -EOWNERDEAD, see (4). */
int guard_lock(struct guard *g);
void guard_unlock(struct guard *g);

/* A call begins to use an object: 0, -EXDEV or -EOWNERDEAD. In a child process those leave their
 * lines now that are not there any more. */
static inline int guard_enter(struct guard *g)
{
    if (likely(g->hub == NULL))
        return 0;
    if (unlikely(guard_shared(g)))
        return guard_lock(g);
    closed();
    return g->hub == NULL || g->hub == hub_current() ? 0 : -EXDEV;
}

/* It has done with it. */
static inline void guard_leave(struct guard *g)
{
    if (unlikely(guard_shared(g)))
        guard_unlock(g);
}

/* Somebody of that hub is in a line where nobody was. */
static inline void guard_joined(struct guard *g, struct cress_hub *h)
{
    g->lines++;
    if (likely(!guard_shared(g))) /* else others read it meanwhile */
        g->hub = h;
}

/* Nobody is any more. */
static inline void guard_left(struct guard *g)
{
    if (--g->lines == 0 && likely(!guard_shared(g)))
        g->hub = NULL;
}

/* A call would have to wait for a shared object: may it? 0, and its hub, which is NULL for a thread
 * without one; -EPERM in a callback; -ECANCELED; -EOWNERDEAD. Others have run when it says 0: look
 * again. When it says no, the object has been left. */
int guard_wait_shared(struct guard *g, struct cress_hub **h);

/* That of a new object, which is made of whatever was in the memory; the rest is set before it. */
void guard_init(struct guard *g, unsigned flags);

/* Whether somebody waits. */
bool guard_busy(const struct guard *g);

#endif
