#include "switch.h"

#include "life.h"
#include "pystate.h"
#include "stacks.h"
#include "trace.h"

#include <errno.h>

static PyObject *name_run; /* "run", interned */

static void start_undone(struct home *h, struct green *g);
static void *green_main(void *arg, void *value);
static cress_coro *green_heir(cress_coro *co, void **value, int *error);

/* --- arguments become one value --------------------------------------------------------------- */

/* What a switch with these gives on the other side. Takes both. */
static PyObject *single_value(PyObject *args, PyObject *kwargs)
{
    PyObject *value;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) == 0)
        Py_CLEAR(kwargs);
    if (kwargs == NULL) {
        if (PyTuple_GET_SIZE(args) != 1)
            return args;
        value = new_ref(PyTuple_GET_ITEM(args, 0));
        Py_DECREF(args);
        return value;
    }
    if (PyTuple_GET_SIZE(args) == 0) {
        Py_DECREF(args);
        return kwargs;
    }
    value = PyTuple_Pack(2, args, kwargs);
    Py_DECREF(args);
    Py_DECREF(kwargs);
    return value;
}

/* GreenletExit as an outcome is a value. */
static PyObject *exit_is_value(PyObject *result)
{
    if (result != NULL || !PyErr_ExceptionMatches(green_exit))
        return result;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value != NULL ? value : new_ref(Py_None);
}

/* --- the switch itself ----------------------------------------------------------------------- */

/* (2) */
static inline PyObject *arrived(struct home *h, PyObject *value)
{
    struct green *origin = h->origin;
    PyGreenlet *self = origin->self;
    h->origin = NULL;
    if (origin->state == GREEN_ENDED)
        green_bury(h, origin);
    if (h->trace != NULL)
        value = trace_tell(h, self, value);
    Py_DECREF(self);
    return value;
}

/* cress would not switch: the exception for that. */
static void set_error(int error)
{
    if (error == -ENOMEM)
        PyErr_NoMemory();
    else if (error == -EPERM)
        PyErr_SetString(green_error, "cannot switch here");
    else
        PyErr_Format(green_error, "cannot switch: %s", cress_error_name(error));
}

PyObject *switch_to(struct home *h, struct green *g, PyObject *value)
{
    struct green *self = h->current;
    if (g == self)
        return h->trace != NULL ? trace_tell(h, self->self, value) : value;
    Py_INCREF(g->self); /* home.current's; what that had goes to origin */
    h->origin = self;
    void *brought = NULL;
    int error = cress_coro_switch(g->co, value, &brought);
    if (error < 0) {
        h->origin = NULL;
        if (cress_coro_get_state(g->co) == CRESS_CORO_NEW)
            start_undone(h, g);
        Py_DECREF(g->self);
        Py_XDECREF(value);
        set_error(error);
        return NULL;
    }
    return arrived(h, brought);
}

/* --- where a switch goes --------------------------------------------------------------------- */

/* The thread that g belongs to: its own, or that in which it would be started. */
static struct home *home_of(const struct green *g)
{
    while (g != NULL && g->home == NULL)
        g = g->parent != NULL ? g->parent->green : NULL;
    return g != NULL ? g->home : NULL;
}

static int check_home(const struct home *h, const struct green *g)
{
    const struct home *home = home_of(g);
    if (home == h)
        return 0;
    if (home == NULL)
        PyErr_SetString(green_error, "cannot switch to a garbage collected greenlet");
    else if (!home->alive)
        PyErr_SetString(green_error,
                        "cannot switch to a different thread (which happens to have exited)");
    else
        PyErr_Format(green_error,
                     "Cannot switch to a different thread\n\tCurrent:  %R\n\tExpected: %R",
                     h->current->self, home->current->self);
    return -1;
}

static struct green *parent_of(const struct green *g)
{
    return g->parent != NULL ? g->parent->green : NULL;
}

/* Make g, which is NEW, ACTIVE: what it runs, with what, and the coroutine for it. Looking for
 * what it runs runs code, in which somebody may do the same.
 *
 * 1, and has taken args and kwargs and says what it runs; 0, it is not NEW any more; -1: an
 * exception is set instead of the one that was, if any.
 */
static int start(struct home *h, struct green *g, PyObject *args, PyObject *kwargs,
                 PyObject **callable)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *run = PyObject_GetAttr((PyObject *)g->self, name_run);
    int r = run == NULL || check_home(h, g) < 0 ? -1 : g->state == GREEN_NEW ? 1 : 0;
    if (r > 0) {
        cress_coro_options options = CRESS_CORO_OPTIONS_INIT;
        options.stack_size = stacks_usable();
        options.user_size = sizeof(struct user) + pystate_size;
        options.top_size = pystate_top_size;
        options.parent = h->main->co;
        options.on_exit = green_heir;
        int error = cress_coro_new(&options, green_main, g, &g->co);
        if (error < 0) {
            set_error(error);
            r = -1;
        }
    }
    if (r > 0) {
        ((struct user *)cress_coro_user(g->co))->green = g;
        g->fresh = true;
        home_ref(h);
        home_link(h, g);
        g->home = h;
        g->state = GREEN_ACTIVE;
        g->args = args;
        g->kwargs = kwargs;
        *callable = run;
        run = NULL;
    }
    Py_XDECREF(run);
    if (r >= 0) {
        PyErr_Restore(type, value, traceback);
    } else {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    }
    return r;
}

/* There was no stack for it: as if it had not been started. */
static void start_undone(struct home *h, struct green *g)
{
    cress_coro_free(g->co);
    g->co = NULL;
    home_unlink(h, g);
    home_unref(h);
    g->home = NULL;
    g->state = GREEN_NEW;
    Py_CLEAR(g->args);
    Py_CLEAR(g->kwargs);
}

/* Who goes on when somebody switches to g: g itself, or where that has ended, a parent; started, if
 * it had not been. Takes args and kwargs, args NULL meaning the exception that is set, and says
 * what to bring. NULL: an exception is set.
 */
static struct green *destination(struct home *h, struct green *g, PyObject *args, PyObject *kwargs,
                                 PyObject **value)
{
    while (check_home(h, g) == 0) {
        if (g->state == GREEN_ENDED) {
            g = parent_of(g);
            continue;
        }
        if (g->state == GREEN_ACTIVE) {
            *value = args != NULL ? single_value(args, kwargs) : NULL;
            return g;
        }
        PyGreenlet *self = g->self;
        Py_INCREF(self);
        int r = start(h, g, args, kwargs, value);
        Py_DECREF(self); /* not the last one: whoever brought us here has it, or its child does */
        if (r > 0) {
            if (args == NULL)
                Py_CLEAR(*value);
            return g;
        }
        if (r < 0)
            break;
    }
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return NULL;
}

/* --- the life of one that was started -------------------------------------------------------- */

/* Who goes on after g, and what that is given: its parent, and where that cannot be, its parent
 * with the exception why. Parents may be moved to another thread until they start: where all have
 * been, the main greenlet is told. */
static struct green *choose_heir(struct home *h, struct green *g, PyObject *result,
                                 PyObject **value)
{
    for (struct green *p = parent_of(g); p != NULL; p = parent_of(p)) {
        PyObject *args = result != NULL ? PyTuple_Pack(1, result) : NULL;
        Py_CLEAR(result);
        struct green *heir = destination(h, p, args, NULL, value);
        if (heir != NULL)
            return heir;
    }
    *value = NULL;
    return h->main;
}

/* The body of every coroutine: from a first switch to an end, of which what it returns is brought
 * to the heir. */
static void *green_main(void *arg, void *value)
{
    struct green *g = arg;
    struct home *h = g->home;
    PyObject *result = arrived(h, value);
    if (result != NULL) {
        /* What it runs, which may be another one than what was set: letting go of that may run
         * code. It and the arguments stay where the garbage collector sees them. */
        PyObject *set = g->run;
        g->run = result;
        Py_XDECREF(set);
        result = PyObject_Call(g->run, g->args, g->kwargs);
    }

    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    Py_CLEAR(g->args);
    Py_CLEAR(g->kwargs);
    Py_CLEAR(g->run);
    PyErr_Restore(type, error, traceback);
    result = exit_is_value(result);

    g->state = GREEN_ENDED;
    PyObject *brought;
    struct green *heir = choose_heir(h, g, result, &brought);
    Py_INCREF(heir->self);
    h->heir = heir;
    h->origin = g;
    return brought;
}

/* cress asks who goes on after co. */
static cress_coro *green_heir(cress_coro *co, void **value, int *error)
{
    struct home *h = home_here;
    struct green *heir = h->heir, *self = ((struct user *)cress_coro_user(co))->green;
    if (self == h->origin)
        return heir->co;

    /* The heir was to start and there is no memory for its stack: it ends without having run, and
     * who was started before it hears of that. Nothing may run here, so what is not needed any
     * more is seen to later. */
    (void)error;
    self->state = GREEN_ENDED;
    if (*value != NULL && self->run == NULL)
        self->run = *value; /* what it was to run, let go of later */
    else
        Py_XDECREF((PyObject *)*value); /* not the last reference: it is `run` */
    *value = NULL;
    PyErr_NoMemory();
    *error = 0;
    do
        heir = parent_of(heir);
    while (heir->state != GREEN_ACTIVE);
    h->heir = heir;
    Py_INCREF(heir->self);
    if (home_doom(h, self->self))
        Py_DECREF(self->self); /* its own reference there now stands for that of `current` */
    return heir->co;
}

/* --- what Python calls ----------------------------------------------------------------------- */

PyObject *green_switch(struct green *g, PyObject *args, PyObject *kwargs)
{
    struct home *h = home_get();
    PyObject *value;
    if (h == NULL) {
        Py_DECREF(args);
        Py_XDECREF(kwargs);
        return NULL;
    }
    struct green *to = destination(h, g, args, kwargs, &value);
    return to != NULL ? switch_to(h, to, value) : NULL;
}

/* Set the exception that throw() was given. -1: another one is set, since that was none. */
static int set_exception(PyObject *type, PyObject *value, PyObject *traceback)
{
    if (traceback == Py_None)
        traceback = NULL;
    if (traceback != NULL && !PyTraceBack_Check(traceback)) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback object");
        return -1;
    }
    if (PyExceptionInstance_Check(type)) {
        if (value != NULL && value != Py_None) {
            PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
            return -1;
        }
        value = type;
        type = PyExceptionInstance_Class(value);
    } else if (!PyExceptionClass_Check(type)) {
        PyErr_Format(PyExc_TypeError, "exceptions must be classes, or instances, not %s",
                     Py_TYPE(type)->tp_name);
        return -1;
    }
    Py_INCREF(type);
    Py_XINCREF(value);
    Py_XINCREF(traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyErr_Restore(type, value, traceback);
    return 0;
}

PyObject *green_throw(struct green *g, PyObject *type, PyObject *value, PyObject *traceback)
{
    struct home *h = home_get();
    if (h == NULL || set_exception(type, value, traceback) < 0)
        return NULL;
    PyObject *args = NULL;
    if (g->state == GREEN_ENDED) { /* then GreenletExit is what it would have ended with: a value */
        PyObject *result = exit_is_value(NULL);
        if (result != NULL) {
            args = PyTuple_Pack(1, result);
            Py_DECREF(result);
            if (args == NULL)
                return NULL;
        }
    }
    PyObject *brought;
    struct green *to = destination(h, g, args, NULL, &brought);
    return to != NULL ? switch_to(h, to, brought) : NULL;
}

int switch_ready(void)
{
    name_run = PyUnicode_InternFromString("run");
    return name_run != NULL ? 0 : -1;
}
