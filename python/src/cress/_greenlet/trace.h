/* trace - the function of settrace(), which is told of every switch: ("switch" or "throw",
 * (origin, target)), in the target, just after it came. One for each thread. */
#ifndef CRESS_GREENLET_TRACE_H
#define CRESS_GREENLET_TRACE_H

#include "home.h"

/* Tell it that the one that runs now was switched to from origin, bringing value (NULL: an
 * exception). Gives value back, or NULL and the function's own exception: then it is not told of
 * any more. */
PyObject *trace_tell(struct home *h, PyGreenlet *origin, PyObject *value);

PyObject *trace_get(PyObject *module, PyObject *unused);
PyObject *trace_set(PyObject *module, PyObject *function);

#endif
