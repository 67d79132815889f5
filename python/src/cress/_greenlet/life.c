#include "life.h"

#include "pystate.h"
#include "stacks.h"
#include "switch.h"

#include <stdlib.h>

struct green *green_alloc(PyGreenlet *self)
{
    struct green *g = calloc(1, sizeof *g);
    if (g == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    g->self = self;
    self->green = g;
    return g;
}

PyGreenlet *green_new(PyTypeObject *type)
{
    struct home *h = home_get();
    if (h == NULL)
        return NULL;
    if (PyType_HasFeature(type, Py_TPFLAGS_IS_ABSTRACT)) /* object() says what is missing */
        return (PyGreenlet *)PyBaseObject_Type.tp_new(type, green_empty_tuple, NULL);
    PyGreenlet *self = (PyGreenlet *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    struct green *g = green_alloc(self);
    if (g == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    g->parent = h->current->self;
    Py_INCREF(g->parent);
    return self;
}

bool green_is_main(const struct green *g)
{
    return g->home != NULL && g->home->main == g;
}

/* --- ends ------------------------------------------------------------------------------------ */

void green_bury(struct home *h, struct green *g)
{
    PyObject **context = pystate_context(green_py(g));
    g->context = *context;
    *context = NULL;
    pystate_done(green_py(g), h->tstate);
    home_unlink(h, g);
    cress_coro_free(g->co);
    g->co = NULL;
}

void green_abandon(struct green *g)
{
    struct home *h = g->home;
    g->state = GREEN_ENDED;
    pystate_abandon(green_py(g));
    Py_CLEAR(g->run);
    Py_CLEAR(g->args);
    Py_CLEAR(g->kwargs);
    home_unlink(h, g);
    stacks_free(g->co);
    g->co = NULL;
}

/* What the interpreter kept for it when it last stood still is out of date, and what it has on its
 * stack now is not known: both stay, and whatever its frames refer to. */
void green_lose(struct green *g)
{
    home_unlink(g->home, g);
    g->state = GREEN_ENDED;
    g->co = NULL;
}

bool green_is_dead(struct green *g)
{
    if (g->state == GREEN_ACTIVE && !g->home->alive)
        green_abandon(g);
    return g->state == GREEN_ENDED;
}

void green_forget_main(struct green *g)
{
    g->co = NULL;
    g->state = GREEN_ENDED;
    Py_DECREF(g->self);
}

void green_kill(struct home *h, struct green *g)
{
    PyGreenlet *parent = g->parent; /* where its end is to come to is here */
    g->parent = h->current->self;
    Py_INCREF(g->parent);
    PyErr_SetString(green_exit, "nobody refers to this greenlet any more");
    PyObject *result = switch_to(h, g, NULL);
    if (result != NULL)
        Py_DECREF(result);
    else
        PyErr_WriteUnraisable((PyObject *)g->self);
    PyGreenlet *here = g->parent;
    g->parent = parent;
    Py_XDECREF(here);
}

/* Tell it to end, as far as it can run. Whoever calls this holds a reference. */
static void end_suspended(struct green *g)
{
    if (green_is_dead(g) || g->state != GREEN_ACTIVE || green_is_main(g) || g->home->current == g)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (g->home != home_here) {
        home_doom(g->home, g->self);
    } else {
        green_kill(g->home, g);
        g->survivor = g->state == GREEN_ACTIVE; /* (1) */
    }
    PyErr_Restore(type, value, traceback);
}

void green_finalize(PyObject *object)
{
    struct green *g = ((PyGreenlet *)object)->green;
    if (g != NULL)
        end_suspended(g);
}

/* What PyObject_CallFinalizerFromDealloc() does, for a finalizer that may be needed more than once:
 * one that survives is told again when it is found again. Returns whether it lives on. */
static bool resurrected(PyObject *object)
{
    struct green *g = ((PyGreenlet *)object)->green;
    if (g->state != GREEN_ACTIVE)
        return false;
    pystate_set_refcount(object, 1);
    end_suspended(g);
    if (g->state == GREEN_ACTIVE && Py_REFCNT(object) == 1) {
        /* It switched away instead of ending, and nobody has it: it stays for ever. */
        Py_INCREF(object);
        PyObject *type, *value, *traceback, *file = PySys_GetObject("stderr");
        PyErr_Fetch(&type, &value, &traceback);
        if (file != NULL && file != Py_None) {
            Py_INCREF(file);
            if (PyFile_WriteString("GreenletExit did not kill ", file) < 0 ||
                PyFile_WriteObject(object, file, 0) < 0 || PyFile_WriteString("\n", file) < 0)
                PyErr_Clear();
            Py_DECREF(file);
        }
        PyErr_Restore(type, value, traceback);
    }
    Py_ssize_t refs = Py_REFCNT(object) - 1;
    pystate_set_refcount(object, refs);
    if (refs == 0)
        return false;
#ifdef Py_TRACE_REFS /* as if the last reference had never gone */
    _Py_NewReference(object);
    pystate_set_refcount(object, refs);
#endif
    if (!pystate_is_tracked(object))
        PyObject_GC_Track(object);
    /* The dealloc of a class that was made in Python lets go of it when this returns. */
    if (PyType_HasFeature(Py_TYPE(object), Py_TPFLAGS_HEAPTYPE))
        Py_INCREF(Py_TYPE(object));
    return true;
}

void green_dealloc(PyObject *object)
{
    PyGreenlet *self = (PyGreenlet *)object;
    struct green *g = self->green;
    if (g != NULL && resurrected(object))
        return;
    if (pystate_is_tracked(object))
        PyObject_GC_UnTrack(object);
    if (self->weakreflist != NULL)
        PyObject_ClearWeakRefs(object);
    Py_CLEAR(self->dict);
    if (g != NULL) {
        self->green = NULL;
        if (g->co != NULL && !green_is_main(g))
            stacks_free(g->co);
        Py_CLEAR(g->parent);
        Py_CLEAR(g->run);
        Py_CLEAR(g->args);
        Py_CLEAR(g->kwargs);
        Py_CLEAR(g->context);
        home_unref(g->home);
        free(g);
    }
    Py_TYPE(object)->tp_free(object);
}

/* --- for the garbage collector --------------------------------------------------------------- */

/* Whether what its frames refer to can be shown: it rests, and has not refused to end. */
static bool shows_frames(const struct green *g)
{
    return g->state == GREEN_ACTIVE && !green_is_main(g) && g->home->current != g && !g->survivor;
}

int green_traverse(PyObject *object, visitproc visit, void *arg)
{
    PyGreenlet *self = (PyGreenlet *)object;
    struct green *g = self->green;
    Py_VISIT(self->dict);
    if (g == NULL)
        return 0;
    Py_VISIT(g->parent);
    Py_VISIT(g->run);
    Py_VISIT(g->args);
    Py_VISIT(g->kwargs);
    Py_VISIT(g->context);
    if (shows_frames(g))
        return pystate_visit(green_py(g), visit, arg);
    return 0;
}

/* Of one that lives on nothing is taken away. */
int green_clear(PyObject *object)
{
    PyGreenlet *self = (PyGreenlet *)object;
    struct green *g = self->green;
    if (g == NULL || g->state == GREEN_ACTIVE)
        return 0;
    Py_CLEAR(self->dict);
    Py_CLEAR(g->parent);
    Py_CLEAR(g->run);
    Py_CLEAR(g->args);
    Py_CLEAR(g->kwargs);
    Py_CLEAR(g->context);
    return 0;
}
