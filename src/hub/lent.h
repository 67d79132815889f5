/* lent - a greenlet waits while another thread does something for it, on memory of its frame.
 *
 *     asked -> taken back   [cancelled, or dropped: nothing has happened, and nothing will]
 *     asked -> begun        [the other thread; from here on nothing cancels the wait]
 *     begun -> done         [its errand has come back]
 *
 * (1) take_back() and the other thread's beginning exclude each other: one of them is too late.
 * (2) A cancellation that comes too late has not been told: it meets the next call.
 * (3) When its greenlet is dropped what has begun goes on: the end of the hub waits for the errand.
 *     In a child process nobody has begun anything.
 */
#ifndef CRESS_HUB_LENT_H
#define CRESS_HUB_LENT_H

#include "hub/park.h"

struct lent {
    struct errand errand;
    struct wait_info info;
    bool (*take_back)(struct lent *lent); /* false: it has begun */
    void (*over)(struct lent *lent);      /* its greenlet was dropped, and nobody has it any more */
    bool uncounted;                       /* whoever asks sees to what keeps cress_run() going */
    cress_coro *co;                       /* who waits; NULL: dropped */
    bool done;
};

/* Before the other thread is asked; take_back, over and uncounted are set, over may be NULL. what:
 * in a few words. */
void lent_begin(struct lent *lent, struct cress_hub *h, const char *what);

/* It could not be asked. */
void lent_undo(struct lent *lent);

/* Wait. 0, it is done; or an error, and it was taken back. */
int lent_wait(struct lent *lent, struct cress_hub *h);

#endif
