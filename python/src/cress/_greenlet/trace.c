#include "trace.h"

#include "pystate.h"

PyObject *trace_tell(struct home *h, PyGreenlet *origin, PyObject *value)
{
    PyObject *type, *error, *traceback, *function = h->trace;
    PyErr_Fetch(&type, &error, &traceback);
    Py_INCREF(function);
    pystate_tracing_off(h->tstate);
    PyObject *result = PyObject_CallFunction(function, "s(OO)", value != NULL ? "switch" : "throw",
                                             origin, h->current->self);
    pystate_tracing_on(h->tstate);
    Py_DECREF(function);
    if (result != NULL) {
        Py_DECREF(result);
        PyErr_Restore(type, error, traceback);
        return value;
    }
    Py_CLEAR(h->trace);
    Py_XDECREF(value);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return NULL;
}

static PyObject *or_none(PyObject *function)
{
    return new_ref(function != NULL ? function : Py_None);
}

PyObject *trace_get(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    struct home *h = home_get();
    return h != NULL ? or_none(h->trace) : NULL;
}

PyObject *trace_set(PyObject *module, PyObject *function)
{
    (void)module;
    struct home *h = home_get();
    if (h == NULL)
        return NULL;
    PyObject *old = h->trace;
    h->trace = function != Py_None ? new_ref(function) : NULL;
    return old != NULL ? old : new_ref(Py_None);
}
