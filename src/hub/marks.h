/* marks - how much stack greenlets used, by name: what tells users which stack_size to ask for.
 *
 * Kept only when asked for, and only of greenlets with a name. So the places that call this have a
 * look at `extra` first, which most greenlets do not have.
 *
 * (1) A stack has had other owners. When a greenlet with a name begins (or gives itself one), the
 *     pages below it are given back, so that what its end finds written there is its own; exact to
 *     the page or two that it stood on.
 * (2) One table for the process, of fixed size, under a lock that is held for a look-up.
 */
#ifndef CRESS_HUB_MARKS_H
#define CRESS_HUB_MARKS_H

#include "coro/coro.h"

#include <stdatomic.h>

extern atomic_bool cress__marks_on;

void cress__marks_begin(cress_coro *co);
void cress__marks_end(cress_coro *co, const char *name);

/* The running coroutine, which may have this name, begins. */
static inline void marks_begin(cress_coro *co, const char *name)
{
    if (unlikely(atomic_load_explicit(&cress__marks_on, memory_order_relaxed) && *name != '\0'))
        cress__marks_begin(co);
}

/* It ends, and still runs. */
static inline void marks_end(cress_coro *co, const char *name)
{
    if (unlikely(atomic_load_explicit(&cress__marks_on, memory_order_relaxed) && *name != '\0'))
        cress__marks_end(co, name);
}

#endif
