/* offload - a greenlet waits while a worker does something for it. See lent.h: the loan is a local
 * variable of the waiting call, and what is done may use others of its frame.
 */
#ifndef CRESS_HUB_OFFLOAD_H
#define CRESS_HUB_OFFLOAD_H

#include "hub/lent.h"
#include "hub/workers.h"

struct loan {
    struct job job; /* run is the caller's */
    struct lent lent;
    struct workers *workers;
};

/* Have loan->job.run called by one of the workers. The caller may block here. 0, lent_wait() comes
 * next; -ECANCELED; or what workers_put() says. */
int offload_begin(struct workers *workers, struct loan *loan, struct cress_hub *h);

#endif
