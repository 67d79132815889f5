/* switch - from one greenlet to another: values and exceptions on their way.
 *
 * What a switch brings is a PyObject *; NULL means the exception that is set in the thread, which
 * no switch exchanges. The first switch to a greenlet brings what it is to call, with the arguments
 * in the greenlet itself, or an exception, and then nothing is called.
 *
 *     who switches                        who goes on
 *     destination(): who that is
 *     switch_to():   origin = self
 *       leave hook: state put away
 *       enter hook: state taken up, current = the other
 *       the stack pointer changes  --->  arrived(): what the origin left behind is cleared away,
 *                                        the trace function is told
 *
 * (1) Between the setting of `origin` and arrived() no Python code runs.
 * (2) arrived() is the first thing on the other side, in switch_to() and in green_main().
 */
#ifndef CRESS_GREENLET_SWITCH_H
#define CRESS_GREENLET_SWITCH_H

#include "home.h"

/* Let g go on, which is ACTIVE in this thread, and wait until somebody switches back. Takes value,
 * gives what came. */
PyObject *switch_to(struct home *h, struct green *g, PyObject *value);

/* g.switch(*args, **kwargs). Takes both; kwargs may be NULL. */
PyObject *green_switch(struct green *g, PyObject *args, PyObject *kwargs);

/* g.throw(type, value, traceback): value and traceback may be NULL. */
PyObject *green_throw(struct green *g, PyObject *type, PyObject *value, PyObject *traceback);

/* Once, before anything else here. 0; -1: an exception is set. */
int switch_ready(void);

#endif
