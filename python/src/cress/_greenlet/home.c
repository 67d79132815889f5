#include "home.h"

#include "life.h"
#include "pystate.h"
#include "stacks.h"
#include "switch.h"

#include <stdlib.h>
#include <string.h>

__thread struct home *home_here __attribute__((tls_model("initial-exec")));

static const char capsule_name[] = "cress.greenlet home";
static size_t n_homes;
static __thread uint64_t ended; /* the Python state of this thread whose home has ended, by id */

/* --- the hooks: what runs is exchanged with every switch ------------------------------------- */

static void leave(cress_coro *co, void *user)
{
    struct home *h = home_here;
    (void)co;
    pystate_save(user != NULL ? user_py(user) : h->main_py, h->tstate);
}

static void enter(cress_coro *co, void *user)
{
    struct home *h = home_here;
    struct green *g = h->main;
    struct pystate *py = h->main_py;
    if (user != NULL) {
        g = ((struct user *)user)->green;
        py = user_py(user);
        if (g->fresh) {
            g->fresh = false;
            pystate_init(py, h->tstate, cress_coro_top(co), stacks_usable());
            *pystate_context(py) = g->context;
            g->context = NULL;
        }
    }
    pystate_load(py, h->tstate);
    g->rest = 0;
    h->current = g; /* (2) */
}

/* In a signal handler, for a process that is about to end. */
static size_t describe(const cress_coro *co, void *user, char *text, size_t size)
{
    size_t length;
    (void)co;
    PyObject *run = ((struct user *)user)->green->run;
    const char *name = pystate_function_name(run, &length);
    if (name == NULL) {
        name = run != NULL ? Py_TYPE(run)->tp_name : "?";
        length = strlen(name);
    }
    size_t at = 0;
    const char *const parts[] = { "the greenlet of ", name };
    for (int i = 0; i < 2; i++) {
        size_t n = i == 0 ? strlen(parts[0]) : length;
        n = n < size - at ? n : size - at;
        memcpy(text + at, parts[i], n);
        at += n;
    }
    return at;
}

static const cress_switch_hooks hooks = { .leave = leave, .enter = enter, .describe = describe };

/* --- the beginning ---------------------------------------------------------------------------- */

void home_ref(struct home *h)
{
    h->refs++;
}

void home_unref(struct home *h)
{
    if (h != NULL && --h->refs == 0)
        free(h);
}

static void home_end(PyObject *capsule);

/* (1) */
static int hang_in(struct home *h)
{
    /* Asked after its end, the state would make a dictionary that nobody lets go. */
    PyObject *dict = pystate_id(h->tstate) != ended ? PyThreadState_GetDict() : NULL;
    if (dict == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this thread's Python state has ended");
        return -1;
    }
    PyObject *capsule = PyCapsule_New(h, capsule_name, home_end);
    if (capsule == NULL)
        return -1;
    int r = PyDict_SetItemString(dict, capsule_name, capsule);
    if (r < 0)
        PyCapsule_SetDestructor(capsule, NULL);
    Py_DECREF(capsule);
    return r;
}

static struct green *make_main(struct home *h)
{
    PyGreenlet *self = (PyGreenlet *)PyType_GenericAlloc(&PyGreenlet_Type, 0);
    struct green *g = self != NULL ? green_alloc(self) : NULL;
    cress_coro *native = cress_coro_native();
    h->main_py = calloc(1, pystate_size);
    if (g == NULL || h->main_py == NULL || native == NULL) {
        free(h->main_py);
        Py_XDECREF(self);
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return NULL;
    }
    g->state = GREEN_ACTIVE;
    g->home = h;
    g->co = native;
    home_ref(h);
    return g;
}

struct home *home_make(void)
{
    struct home *h = calloc(1, sizeof *h);
    if (h == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    h->tstate = PyThreadState_Get();
    h->refs = 1;
    h->main = make_main(h);
    if (h->main == NULL || hang_in(h) < 0 || cress_coro_set_hooks(&hooks) < 0) {
        if (h->main != NULL) {
            free(h->main_py);
            green_forget_main(h->main);
        }
        home_unref(h);
        return NULL;
    }
    h->current = h->main;
    Py_INCREF(h->current->self);
    h->alive = true;
    home_here = h;
    n_homes++;
    stacks_thread_begin();
    return h;
}

size_t home_count(void)
{
    return n_homes;
}

/* --- those that were started here ------------------------------------------------------------ */

void home_link(struct home *h, struct green *g)
{
    g->before = NULL;
    g->next = h->started;
    if (g->next != NULL)
        g->next->before = g;
    h->started = g;
}

void home_unlink(struct home *h, struct green *g)
{
    if (g->next != NULL)
        g->next->before = g->before;
    if (g->before != NULL)
        g->before->next = g->next;
    else
        h->started = g->next;
    g->next = g->before = NULL;
}

bool home_doom(struct home *h, PyGreenlet *self)
{
    if (h->n_doomed == h->doomed_room) {
        size_t room = 2 * h->doomed_room + 8;
        PyGreenlet **doomed = realloc(h->doomed, room * sizeof(PyGreenlet *));
        if (doomed == NULL)
            return false;
        h->doomed = doomed;
        h->doomed_room = room;
    }
    Py_INCREF(self);
    h->doomed[h->n_doomed++] = self;
    return true;
}

void home_see_to_doomed(struct home *h)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    while (h->n_doomed > 0)
        Py_DECREF(h->doomed[--h->n_doomed]);
    PyErr_Restore(type, value, traceback);
}

/* --- the end --------------------------------------------------------------------------------- */

/* The thread's Python state is being cleared: see (1), (4) and (5). */
static void home_end(PyObject *capsule)
{
    struct home *h = PyCapsule_GetPointer(capsule, capsule_name);
    if (home_here == h) {
        if (h->current == h->main && !pystate_finalizing())
            home_see_to_doomed(h);
        cress_coro_set_hooks(NULL);
        home_here = NULL;
        ended = pystate_id(h->tstate);
    }
    h->alive = false;
    n_homes--;
    if (h->current != h->main)
        green_lose(h->current); /* (5) */
    while (h->n_doomed > 0)
        Py_DECREF(h->doomed[--h->n_doomed]);
    free(h->doomed);
    h->doomed = NULL;
    Py_CLEAR(h->trace);
    PyGreenlet *last = h->current->self;
    h->current = NULL;
    Py_DECREF(last);
    green_forget_main(h->main);
    free(h->main_py);
    home_unref(h);
}
