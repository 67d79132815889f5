/* waiter - a place for one value and for one who waits for it, once.
 *
 *     EMPTY -> WOKEN [wake, throw]     WOKEN -> TAKEN [wait]
 *
 * (1) `co` is set exactly while somebody waits in cress_waiter_wait().
 * (2) `hub` is set exactly while somebody waits, there or by a case: then only that hub's thread
 *     may wake it.
 */
#ifndef CRESS_HUB_WAITER_H
#define CRESS_HUB_WAITER_H

#include "base/list.h"
#include "hub/hub.h"

#include <cress/waiter.h>

enum waiter_state { WAITER_EMPTY, WAITER_WOKEN, WAITER_TAKEN };

struct waiter {
    cress_coro *co;
    struct cress_hub *hub;
    void *value;
    struct list cases; /* who looks, see wait.c; all-zero: nobody ever */
    int32_t error;     /* 0: there is a value */
    uint8_t state;
};
_Static_assert(sizeof(struct waiter) <= sizeof(cress_waiter), "cress_waiter is too small");

static inline struct waiter *waiter_inside(cress_waiter *w)
{
    return (struct waiter *)(void *)w;
}

/* One that waited does not any more. */
static inline void waiter_left(struct waiter *w)
{
    if (w->co == NULL && !list_linked(&w->cases))
        w->hub = NULL;
}

/* Take what it was woken with: 0, and value; -EALREADY; or what was thrown. */
int waiter_take(struct waiter *w, void **value);

#endif
