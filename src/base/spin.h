/* spin - how long to look out for what another processor is about to do, before sleeping.
 *
 * To sleep and be woken costs some microseconds on both sides, looking out less than one, if it
 * comes. Whether it does is learnt: each time it came the next look-out may take as long as any;
 * each time it did not, half as long, down to nothing, which is tried again after a number of
 * sleeps. So at most SPIN_MAX looks, a few microseconds, are spent before a sleep, and next to none
 * where the other side takes longer, or where there is but one processor.
 */
#ifndef CRESS_BASE_SPIN_H
#define CRESS_BASE_SPIN_H

#include "base/step.h"

#include <stdint.h>

enum {
    SPIN_MAX = 1024, /* looks */
    SPIN_AGAIN = 32, /* sleeps without any */
};

/* All-zero: nothing learnt yet. */
struct spin {
    uint8_t halved; /* so often */
    uint8_t slept;  /* without looking out */
};

/* How many times to look now. */
static inline unsigned spin_begin(struct spin *s)
{
    if (step_by_step())
        return 0;
    if (SPIN_MAX >> s->halved == 0 && ++s->slept >= SPIN_AGAIN) {
        s->slept = 0;
        return SPIN_MAX;
    }
    return SPIN_MAX >> s->halved;
}

/* Whether it came. */
static inline void spin_end(struct spin *s, bool came)
{
    if (came)
        s->halved = 0;
    else if (SPIN_MAX >> s->halved > 0)
        s->halved++;
}

#endif
