/* object - what a greenlet is made of, and the names of the states it goes through.
 *
 *     NEW    -> ACTIVE    [switch_to: its first switch]
 *     ACTIVE -> ENDED     [green_main: its function has returned]
 *     ACTIVE -> ENDED     [green_abandon: it can never run again]
 *     ACTIVE -> ENDED     [green_lose: its thread vanished while it ran]
 *
 * The object that Python sees has the 40 bytes of greenlet.h, which are compiled into other
 * people's extensions. All that is ours is behind its last pointer.
 *
 * (1) `home` is the thread that started it, for ever; NULL in NEW.
 * (2) `co` is there exactly in ACTIVE. A thread's own stack, the main greenlet, is ACTIVE from the
 *     beginning and has the native coroutine.
 * (3) What the interpreter keeps for an ACTIVE greenlet that does not run is in green_py(); for the
 *     one that runs in the PyThreadState; for one that was just started nowhere yet.
 * (4) Everything here is guarded by the GIL.
 */
#ifndef CRESS_GREENLET_OBJECT_H
#define CRESS_GREENLET_OBJECT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cress/coro.h>

#include <stdbool.h>

struct green;
struct home;
struct pystate;

typedef struct PyGreenlet {
    PyObject_HEAD PyObject *weakreflist;
    PyObject *dict;
    struct green *green;
} PyGreenlet;

/* Its stack has given back what it does not need. */
enum { RESTED = 2 };

enum green_state { GREEN_NEW, GREEN_ACTIVE, GREEN_ENDED };

struct green {
    PyGreenlet *self;   /* whose inside this is */
    PyGreenlet *parent; /* owned; NULL for a main greenlet */
    struct home *home;  /* (1), owned */
    cress_coro *co;     /* (2), owned but for a main greenlet's */
    PyObject *run;      /* what it runs or is going to */
    PyObject *args;     /* a tuple and maybe a dict, from its start until run is called */
    PyObject *kwargs;
    PyObject *context;  /* its contextvars.Context before it runs, or NULL */
    struct green *next; /* in home.started, in which all ACTIVE ones but main are */
    struct green *before;
    uint8_t state; /* enum green_state */
    bool fresh;    /* its coroutine has not run */
    bool survivor; /* was told to end and did not: its frames keep what they refer to */
    uint8_t rest;  /* since it was left: full collections seen, then RESTED */
};

extern PyTypeObject PyGreenlet_Type;
extern PyObject *green_error; /* greenlet.error */
extern PyObject *green_exit;  /* greenlet.GreenletExit */
extern PyObject *green_empty_tuple;

static inline bool is_greenlet(PyObject *object)
{
    return PyObject_TypeCheck(object, &PyGreenlet_Type);
}

/* The one that runs, a new reference. After the exit functions of atexit have been called there is
 * none: threads and modules go one by one. NULL: an exception is set. */
PyGreenlet *green_current(void);

/* Whether it has no parent because it is the stack of a thread. */
bool green_is_main(const struct green *g);

/* A new one of that type, a child of the one that runs. NULL: an exception is set. */
PyGreenlet *green_new(PyTypeObject *type);

/* Set what `run=` and `parent=` set. 0; -1: an exception is set. NULL for run deletes it. */
int green_set_run(PyGreenlet *self, PyObject *run);
int green_set_parent(PyGreenlet *self, PyObject *parent);

static inline PyObject *new_ref(PyObject *object)
{
    Py_INCREF(object);
    return object;
}

static inline PyObject *new_xref(PyObject *object)
{
    Py_XINCREF(object);
    return object;
}

#endif
