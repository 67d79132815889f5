#include "capi.h"

#include "switch.h"

/* Checks what extensions pass, which are compiled without knowing us. */
static bool is_valid(PyGreenlet *self)
{
    if (self != NULL && is_greenlet((PyObject *)self))
        return true;
    PyErr_BadArgument();
    return false;
}

static PyGreenlet *api_new(PyObject *run, PyGreenlet *parent)
{
    PyGreenlet *self = green_new(&PyGreenlet_Type);
    if (self == NULL)
        return NULL;
    if ((run != NULL && run != Py_None && green_set_run(self, run) < 0) ||
        (parent != NULL && green_set_parent(self, (PyObject *)parent) < 0))
        Py_CLEAR(self);
    return self;
}

static PyObject *api_throw(PyGreenlet *self, PyObject *type, PyObject *value, PyObject *traceback)
{
    if (!is_valid(self))
        return NULL;
    return green_throw(self->green, type, value, traceback);
}

static PyObject *api_switch(PyGreenlet *self, PyObject *args, PyObject *kwargs)
{
    if (!is_valid(self))
        return NULL;
    args = args != NULL ? new_ref(args) : PyTuple_New(0);
    if (args == NULL)
        return NULL;
    if (!PyTuple_Check(args) || (kwargs != NULL && !PyDict_Check(kwargs))) {
        Py_DECREF(args);
        PyErr_BadArgument();
        return NULL;
    }
    return green_switch(self->green, args, new_xref(kwargs));
}

static int api_set_parent(PyGreenlet *self, PyGreenlet *parent)
{
    return is_valid(self) ? green_set_parent(self, (PyObject *)parent) : -1;
}

static int api_is_main(PyGreenlet *self)
{
    return is_valid(self) ? green_is_main(self->green) : -1;
}

static int api_is_started(PyGreenlet *self)
{
    return is_valid(self) ? self->green->state != GREEN_NEW : -1;
}

static int api_is_active(PyGreenlet *self)
{
    return is_valid(self) ? self->green->state == GREEN_ACTIVE : -1;
}

static PyGreenlet *api_parent(PyGreenlet *self)
{
    return is_valid(self) ? (PyGreenlet *)new_xref((PyObject *)self->green->parent) : NULL;
}

/* The order is greenlet.h's, for ever. Functions and objects lie in one array there. */
#define ENTRY(x) ((void *)(uintptr_t)(x))

PyObject *capi_capsule(void)
{
    static void *table[12];
    table[0] = &PyGreenlet_Type;
    table[1] = green_error;
    table[2] = green_exit;
    table[3] = ENTRY(api_new);
    table[4] = ENTRY(green_current);
    table[5] = ENTRY(api_throw);
    table[6] = ENTRY(api_switch);
    table[7] = ENTRY(api_set_parent);
    table[8] = ENTRY(api_is_main);
    table[9] = ENTRY(api_is_started);
    table[10] = ENTRY(api_is_active);
    table[11] = ENTRY(api_parent);
    return PyCapsule_New(table, "greenlet._C_API", NULL);
}
