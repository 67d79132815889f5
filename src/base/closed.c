#include "base/closed.h"

thread_local_fast unsigned cress__closed;
void (*cress__closed_forked)(void);

noinline bool cress__closed_slowly(void)
{
    if (cress__closed & CLOSED_FORKED) {
        cress__closed &= ~CLOSED_FORKED;
        if (cress__closed_forked != NULL)
            cress__closed_forked();
    }
    return cress__closed != 0;
}
