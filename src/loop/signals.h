/* signals - who in this process listens to which signal.
 *
 * One handler for all. It counts the delivery, then walks the listeners of its signal and sends
 * each a notice: nothing but atomic operations and writes to eventfds, so it may run in any thread,
 * at any point, also inside itself. It takes no lock, and no signal is ever blocked for it beyond
 * itself.
 *
 * (1) A list changes under fork_lock() and by one atomic store, so that a handler that walks it
 *     sees it before or after. A listener leaves it first; then whoever takes it out waits until no
 *     handler walks (`walking`), and only then its memory is the owner's again. Handlers never
 *     wait, so that ends soon.
 * (2) The handler is installed after the first listener is linked, and taken away before the last
 *     one is unlinked: no signal that it takes has nobody to hear it. What was there before is put
 *     back, unless somebody has replaced ours meanwhile.
 * (3) `seen` is read before a listener is linked, and compared after: what is delivered in between
 *     is told too. From then on each delivery tells.
 * (4) SIGCHLD belongs to everybody who has children: the handler that was there before is called as
 *     well, with the flags and the mask it was installed with.
 */
#ifndef CRESS_LOOP_SIGNALS_H
#define CRESS_LOOP_SIGNALS_H

#include "loop/notice.h"

struct listener {
    _Atomic(struct listener *) next;
    cress_loop *loop;
    struct notice notice;
    int signal;
    unsigned seen; /* deliveries; for the owner */
};

/* Whether there is such a signal, and watching for it makes sense: it can be caught, and is not one
 * that the processor raises, whose handler must not return. */
bool signals_known(int signal);

/* Fill signal, loop and notice.come. 0; -EINVAL, the system refuses; -ENOMEM. */
int signals_listen(struct listener *l);

/* Calls of `come` may happen in here, and none after. */
void signals_unlisten(struct listener *l);

/* How often it was delivered so far, modulo the size of a word. */
unsigned signals_delivered(int signal);

#endif
