/* offload - a greenlet waits while a worker does something for it.
 *
 *     in the queue -> taken back   [cancelled, or dropped: nothing has happened]
 *     in the queue -> running      [from here on the greenlet waits, cancelled or not]
 *     running -> done              [its errand comes back]
 *
 * The loan is a local variable of the waiting call, and what is done may use others of its frame.
 * So a hub that ends waits for what runs.
 */
#ifndef CRESS_HUB_OFFLOAD_H
#define CRESS_HUB_OFFLOAD_H

#include "hub/park.h"
#include "hub/workers.h"

struct loan {
    struct job job; /* run is the caller's */
    struct errand errand;
    struct wait_info info;
    struct workers *workers;
    cress_coro *co; /* NULL: dropped */
    unsigned forks;
    bool done;
};

/* Have loan->job.run called by one of the workers, and wait. The caller may block here. 0;
 * -ECANCELED, it was not called; or what workers_put() says. */
int offload_wait(struct workers *workers, struct loan *loan, struct cress_hub *h);

#endif
