/* type - greenlet.greenlet as Python sees it: its attributes and methods. */
#include "object.h"

#include "home.h"
#include "life.h"
#include "pystate.h"
#include "switch.h"

#include <stddef.h>

static struct green *green_of(PyObject *object)
{
    return ((PyGreenlet *)object)->green;
}

/* --- run and parent -------------------------------------------------------------------------- */

int green_set_run(PyGreenlet *self, PyObject *run)
{
    struct green *g = self->green;
    if (g->state != GREEN_NEW) {
        PyErr_SetString(PyExc_AttributeError, "run cannot be set after the start of the greenlet");
        return -1;
    }
    PyObject *old = g->run;
    g->run = new_xref(run);
    Py_XDECREF(old);
    return 0;
}

int green_set_parent(PyGreenlet *self, PyObject *parent)
{
    struct green *g = self->green;
    if (parent == NULL) {
        PyErr_SetString(PyExc_AttributeError, "can't delete attribute");
        return -1;
    }
    if (!is_greenlet(parent)) {
        PyErr_Format(PyExc_TypeError, "parent must be a greenlet, not %s",
                     Py_TYPE(parent)->tp_name);
        return -1;
    }
    if (green_is_main(g)) {
        PyErr_SetString(PyExc_AttributeError, "cannot set the parent of a main greenlet");
        return -1;
    }
    struct home *home = NULL;
    for (struct green *p = green_of(parent); p != NULL; p = p->parent ? p->parent->green : NULL) {
        if (p == g) {
            PyErr_SetString(PyExc_ValueError, "cyclic parent chain");
            return -1;
        }
        if (home == NULL)
            home = p->home;
    }
    if (home == NULL) {
        PyErr_SetString(PyExc_ValueError, "parent must not be garbage collected");
        return -1;
    }
    if (g->state == GREEN_ACTIVE && g->home != home) {
        PyErr_SetString(PyExc_ValueError, "parent cannot be on a different thread");
        return -1;
    }
    PyGreenlet *old = g->parent;
    g->parent = (PyGreenlet *)new_ref(parent);
    Py_XDECREF(old);
    return 0;
}

static PyObject *type_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return (PyObject *)green_new(type);
}

static int type_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = { "run", "parent", NULL };
    PyObject *run = NULL, *parent = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:greenlet", names, &run, &parent))
        return -1;
    if (run != NULL && green_set_run((PyGreenlet *)self, run) < 0)
        return -1;
    if (parent != NULL && parent != Py_None)
        return green_set_parent((PyGreenlet *)self, parent);
    return 0;
}

static PyObject *get_run(PyObject *self, void *unused)
{
    (void)unused;
    struct green *g = green_of(self);
    if (g->state != GREEN_NEW || g->run == NULL) {
        PyErr_SetString(PyExc_AttributeError, "run");
        return NULL;
    }
    return new_ref(g->run);
}

static int set_run(PyObject *self, PyObject *run, void *unused)
{
    (void)unused;
    return green_set_run((PyGreenlet *)self, run);
}

static PyObject *get_parent(PyObject *self, void *unused)
{
    (void)unused;
    PyGreenlet *parent = green_of(self)->parent;
    return new_ref(parent != NULL ? (PyObject *)parent : Py_None);
}

static int set_parent(PyObject *self, PyObject *parent, void *unused)
{
    (void)unused;
    return green_set_parent((PyGreenlet *)self, parent);
}

/* --- how it is ------------------------------------------------------------------------------- */

static PyObject *get_dead(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(green_is_dead(green_of(self)));
}

static int type_bool(PyObject *self)
{
    return !green_is_dead(green_of(self)) && green_of(self)->state == GREEN_ACTIVE;
}

/* ACTIVE, and not the one that runs in its thread; which may have ended. */
static bool is_suspended(const struct green *g)
{
    return g->state == GREEN_ACTIVE && g->home->current != g;
}

static PyObject *get_frame(PyObject *self, void *unused)
{
    (void)unused;
    struct green *g = green_of(self);
    PyObject *frame = NULL;
    if (is_suspended(g)) {
        frame = pystate_frame(green_py(g), PyThreadState_Get());
        if (frame == NULL && PyErr_Occurred())
            return NULL;
    }
    return frame != NULL ? frame : new_ref(Py_None);
}

/* Where its context is now. NULL: an exception is set. */
static PyObject **context_of(struct green *g)
{
    if (g->state != GREEN_ACTIVE || g->fresh)
        return &g->context;
    if (g->home->current != g)
        return pystate_context(green_py(g));
    if (g->home == home_here)
        return pystate_current_context(g->home->tstate);
    PyErr_SetString(PyExc_ValueError,
                    "cannot get context of a greenlet that is running in a different thread");
    return NULL;
}

static PyObject *get_context(PyObject *self, void *unused)
{
    (void)unused;
    PyObject **context = context_of(green_of(self));
    if (context == NULL)
        return NULL;
    return new_ref(*context != NULL ? *context : Py_None);
}

static int set_context(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "can't delete context attribute");
        return -1;
    }
    if (value != Py_None && !PyContext_CheckExact(value)) {
        PyErr_SetString(PyExc_TypeError, "greenlet context must be a contextvars.Context or None");
        return -1;
    }
    PyObject **context = context_of(green_of(self));
    if (context == NULL)
        return -1;
    PyObject *old = *context;
    *context = value != Py_None ? new_ref(value) : NULL;
    pystate_context_changed(PyThreadState_Get());
    Py_XDECREF(old);
    return 0;
}

/* greenlet says how much of the stack it has copied away; here that much of it is in use. */
static PyObject *get_stack_saved(PyObject *self, void *unused)
{
    (void)unused;
    struct green *g = green_of(self);
    cress_stack_info info;
    if (!is_suspended(g) || cress_coro_stack(g->co, &info) < 0)
        return PyLong_FromLong(0);
    return PyLong_FromSsize_t((char *)info.high - (char *)info.sp);
}

static PyObject *type_repr(PyObject *self)
{
    struct green *g = green_of(self);
    const char *name = Py_TYPE(self)->tp_name, *state;
    if (green_is_dead(g))
        return PyUnicode_FromFormat("<%s object at %p (otid=%p) %sdead>", name, self, g->home,
                                    g->home != NULL && !g->home->alive ? "(thread exited) " : "");
    if (g->state == GREEN_NEW)
        state = " pending";
    else if (home_here == NULL || home_here->current != g) /* as seen from this thread */
        state = " suspended active started";
    else
        state = " current active started";
    return PyUnicode_FromFormat("<%s object at %p (otid=%p)%s%s>", name, self, g->home, state,
                                green_is_main(g) ? " main" : "");
}

/* --- methods --------------------------------------------------------------------------------- */

/* The usual case, at most one value to one that is suspended, is made short. */
static PyObject *method_switch(PyObject *self, PyObject *const *values, Py_ssize_t n,
                               PyObject *names)
{
    struct green *g = green_of(self);
    if (n <= 1 && names == NULL && g->state == GREEN_ACTIVE) {
        struct home *h = home_get();
        if (h == NULL)
            return NULL;
        if (g->home == h && g->state == GREEN_ACTIVE)
            return switch_to(h, g, new_ref(n == 1 ? values[0] : green_empty_tuple));
    }
    PyObject *args = PyTuple_New(n), *kwargs = NULL;
    if (args == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < n; i++)
        PyTuple_SET_ITEM(args, i, new_ref(values[i]));
    if (names != NULL && PyTuple_GET_SIZE(names) > 0) {
        kwargs = PyDict_New();
        for (Py_ssize_t i = 0; kwargs != NULL && i < PyTuple_GET_SIZE(names); i++)
            if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(names, i), values[n + i]) < 0)
                Py_CLEAR(kwargs);
        if (kwargs == NULL) {
            Py_DECREF(args);
            return NULL;
        }
    }
    return green_switch(g, args, kwargs);
}

static PyObject *method_throw(PyObject *self, PyObject *args)
{
    PyObject *type = green_exit, *value = NULL, *traceback = NULL;
    if (!PyArg_ParseTuple(args, "|OOO:throw", &type, &value, &traceback))
        return NULL;
    return green_throw(green_of(self), type, value, traceback);
}

static PyObject *method_getstate(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyErr_Format(PyExc_TypeError, "cannot serialize '%s' object", Py_TYPE(self)->tp_name);
}

static PyMethodDef methods[] = {
    { "switch", (PyCFunction)(void (*)(void))method_switch, METH_FASTCALL | METH_KEYWORDS,
      "switch($self, /, *args, **kwargs)\n--\n\n"
      "Let this greenlet go on, and wait until somebody switches back.\n\n"
      "The first switch calls run(*args, **kwargs). In a greenlet that is suspended in a switch "
      "of\n"
      "its own, that returns the argument, where there is one and no keyword; else the tuple, the\n"
      "dictionary, or both in a tuple. A switch to a greenlet that has ended goes to its parent." },
    { "throw", method_throw, METH_VARARGS,
      "throw(type=GreenletExit, value=None, traceback=None)\n\n"
      "As switch(), but the other side's switch raises this exception." },
    { "__getstate__", method_getstate, METH_NOARGS, "A greenlet cannot be pickled or copied." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    { "__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL },
    { "run", get_run, set_run, "What the first switch calls; gone after that.", NULL },
    { "parent", get_parent, set_parent,
      "Who goes on when this greenlet has ended; None for the main one of a thread.", NULL },
    { "dead", get_dead, NULL, "Whether it has ended.", NULL },
    { "gr_frame", get_frame, NULL, "The innermost frame while it is suspended, else None.", NULL },
    { "gr_context", get_context, set_context,
      "Its contextvars.Context; None where nothing has been set in it.", NULL },
    { "_stack_saved", get_stack_saved, NULL,
      "Bytes of its stack in use while it is suspended, else 0.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyNumberMethods numbers = { .nb_bool = type_bool };

PyTypeObject PyGreenlet_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "greenlet.greenlet",
    .tp_doc = "greenlet(run=None, parent=None)\n--\n\n"
              "A function with a stack of its own, which can stop anywhere and let another go on.",
    .tp_basicsize = sizeof(PyGreenlet),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = type_new,
    .tp_init = type_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_dealloc = green_dealloc,
    .tp_finalize = green_finalize,
    .tp_free = PyObject_GC_Del,
    .tp_traverse = green_traverse,
    .tp_clear = green_clear,
    .tp_repr = type_repr,
    .tp_as_number = &numbers,
    .tp_methods = methods,
    .tp_getset = attributes,
    .tp_weaklistoffset = offsetof(PyGreenlet, weakreflist),
    .tp_dictoffset = offsetof(PyGreenlet, dict),
};

_Static_assert(sizeof(PyGreenlet) == sizeof(PyObject) + 3 * sizeof(void *),
               "other people's extensions know this size");
