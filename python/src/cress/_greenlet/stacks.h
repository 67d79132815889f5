/* stacks - how large the stacks of greenlets are, and when they give pages back.
 *
 * A stack takes address space of its size and pages as far as it was touched. One that was deep
 * once and rests now would keep them; so after each full garbage collection those that have
 * rested since the one before give back what lies below, a bounded number each time.
 */
#ifndef CRESS_GREENLET_STACKS_H
#define CRESS_GREENLET_STACKS_H

#include "home.h"

/* Bytes of a stack that calls may use, for those that are started from now on. */
size_t stacks_usable(void);

/* Free a coroutine that will not run again, its thread's affair or not. */
void stacks_free(cress_coro *co);

/* This thread uses greenlets now: overflows of their stacks are to be reported by name. */
void stacks_thread_begin(void);

PyObject *stacks_size(PyObject *module, PyObject *args);   /* stack_size([bytes]) */
PyObject *stacks_trim(PyObject *module, PyObject *unused); /* trim() */

PyObject *stacks_rest(PyObject *module, PyObject *unused); /* _rest(), after a full collection */

/* Take the size from the environment. 0; -1: an exception is set. */
int stacks_ready(void);

#endif
