#include "base/runq.h"

int cress__runq_end(void *arg)
{
    (void)arg;
    return 0; /* never called: the head is not a callback */
}

#ifdef CRESS_TESTING

unsigned cress__runq_seed;

/* Before which node the next one goes: among the last few, not past a callback, whose order against
 * the others is promised. */
struct runnode *cress__runq_place(struct runq *q)
{
    cress__runq_seed = cress__runq_seed * 1103515245u + 12345u;
    unsigned back = (cress__runq_seed >> 16) % 4;
    struct runnode *at = &q->head;
    while (back-- > 0 && at->prev != &q->head && at->prev->fn == NULL)
        at = at->prev;
    return at;
}

#endif
