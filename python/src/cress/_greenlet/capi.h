/* capi - the twelve functions and objects that other extensions use through greenlet.h. */
#ifndef CRESS_GREENLET_CAPI_H
#define CRESS_GREENLET_CAPI_H

#include "object.h"

/* The capsule "greenlet._C_API". NULL: an exception is set. */
PyObject *capi_capsule(void);

#endif
