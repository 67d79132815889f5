/* closed - whether this thread is in a place where nothing may switch or block: a callback, a
 * switch hook, an exit function. They nest, so it is a count.
 */
#ifndef CRESS_BASE_CLOSED_H
#define CRESS_BASE_CLOSED_H

#include "base/compiler.h"

#include <stdbool.h>

/* A bit beside the count. In a child process everything is closed at first: whoever is about to
 * switch or to wait comes by here then, and lets go of what was the parent's.
 */
#define CLOSED_FORKED (1u << 31)

extern thread_local_fast unsigned cress__closed;
extern void (*cress__closed_forked)(void); /* the hub's */

bool cress__closed_slowly(void);

/* Whether this is such a place. Where it is asked often, looking at the word itself is enough for
 * "no". */
static inline bool closed(void)
{
    return unlikely(cress__closed != 0) && cress__closed_slowly();
}

#endif
