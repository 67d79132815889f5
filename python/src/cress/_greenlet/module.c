/* module - cress._greenlet: what is put together from the other files. */
#include "capi.h"
#include "home.h"
#include "pystate.h"
#include "stacks.h"
#include "switch.h"
#include "trace.h"

#include <time.h>

PyObject *green_error, *green_exit, *green_empty_tuple;

PyGreenlet *green_current(void)
{
    struct home *h = home_get();
    if (h == NULL)
        return NULL;
    if (pystate_finalizing()) {
        PyErr_SetString(PyExc_RuntimeError, "greenlet is being finalized");
        return NULL;
    }
    Py_INCREF(h->current->self);
    return h->current->self;
}

static PyObject *get_current(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return (PyObject *)green_current();
}

/* For tests of greenlet, which ask how its implementation is doing. */
static PyObject *count_threads(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromSize_t(home_count());
}

static PyMethodDef functions[] = {
    { "getcurrent", get_current, METH_NOARGS, "getcurrent()\n--\n\nThe greenlet that runs." },
    { "settrace", trace_set, METH_O,
      "settrace(callback, /)\n--\n\n"
      "Have callback(event, (origin, target)) called for each switch of this thread, the event\n"
      "being \"switch\" or \"throw\"; None: no more. Returns the one of before." },
    { "gettrace", trace_get, METH_NOARGS,
      "gettrace()\n--\n\nThe callback of settrace(), or None." },
    { "stack_size", stacks_size, METH_VARARGS,
      "stack_size([bytes])\n\n"
      "How much address space a greenlet's stack has, 64 KiB to 1 GiB; with an argument, those\n"
      "that are started from now on. Returns the size of before." },
    { "trim", stacks_trim, METH_NOARGS,
      "trim()\n--\n\n"
      "Give pages that this thread's stacks do not need now back to the system: of free stacks\n"
      "all, of suspended greenlets what lies below. Returns how many stacks did." },
    { "_rest", stacks_rest, METH_NOARGS,
      "Stacks that have rested since the full collection before give pages back. How many did." },
    { "_threads", count_threads, METH_NOARGS, "How many threads use greenlets." },
    { NULL, NULL, 0, NULL },
};

static int add(PyObject *module, const char *name, PyObject *object)
{
    if (object == NULL)
        return -1;
    int r = PyObject_SetAttrString(module, name, object);
    Py_DECREF(object);
    return r;
}

/* The functions and exceptions are attributes of the type too. */
static int fill_type(PyObject *module)
{
    static const char *const names[] = { "getcurrent", "settrace", "gettrace" };
    PyObject *dict = PyGreenlet_Type.tp_dict;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        PyObject *function = PyObject_GetAttrString(module, names[i]);
        PyObject *fixed = function != NULL ? PyStaticMethod_New(function) : NULL;
        int r = fixed != NULL ? PyDict_SetItemString(dict, names[i], fixed) : -1;
        Py_XDECREF(function);
        Py_XDECREF(fixed);
        if (r < 0)
            return -1;
    }
    return PyDict_SetItemString(dict, "error", green_error) < 0 ||
                   PyDict_SetItemString(dict, "GreenletExit", green_exit) < 0
               ? -1
               : 0;
}

/* Once in a process. */
static int ready(void)
{
    if (green_empty_tuple != NULL)
        return 0;
    if (stacks_ready() < 0 || switch_ready() < 0 || PyType_Ready(&PyGreenlet_Type) < 0)
        return -1;
    green_error =
        PyErr_NewExceptionWithDoc("greenlet.error", "A switch that cannot be.", NULL, NULL);
    green_exit = PyErr_NewExceptionWithDoc("greenlet.GreenletExit",
                                           "Ends a greenlet, and is what it gives its parent then.",
                                           PyExc_BaseException, NULL);
    green_empty_tuple = PyTuple_New(0);
    return green_error != NULL && green_exit != NULL && green_empty_tuple != NULL ? 0 : -1;
}

static int fill(PyObject *module)
{
    if (!pystate_in_main_interpreter()) {
        PyErr_SetString(PyExc_ImportError,
                        "cress.greenlet works in the main interpreter of a process only");
        return -1;
    }
    if (ready() < 0)
        return -1;
    if (add(module, "greenlet", new_ref((PyObject *)&PyGreenlet_Type)) < 0 ||
        add(module, "error", new_ref(green_error)) < 0 ||
        add(module, "GreenletExit", new_ref(green_exit)) < 0 ||
        add(module, "_C_API", capi_capsule()) < 0 || fill_type(module) < 0)
        return -1;
    PyType_Modified(&PyGreenlet_Type);
    return home_get() != NULL ? 0 : -1;
}

static PyModuleDef_Slot slots[] = {
    { Py_mod_exec, fill },
    { 0, NULL },
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cress._greenlet",
    .m_doc = "The compiled part of cress.greenlet.",
    .m_methods = functions,
    .m_slots = slots,
};

/* 3.8 would leave it hidden. */
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__greenlet(void);

PyMODINIT_FUNC PyInit__greenlet(void)
{
    return PyModuleDef_Init(&definition);
}
