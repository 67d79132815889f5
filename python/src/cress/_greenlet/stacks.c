#include "stacks.h"

#include "pystate.h"

#include <stdlib.h>

enum {
    LEAST = 64 << 10,
    MOST = 1 << 30,
    /* Of each stack's place: the guard below and the colour above, which shifts its top. */
    NOT_USABLE = 16384 + 1920 + 64,
};

static size_t size; /* of a place, a power of two takes no more than it says */

size_t stacks_usable(void)
{
    return size - NOT_USABLE;
}

void stacks_thread_begin(void)
{
    cress_stack_report(true); /* without memory for its own stack there is no report */
}

/* Coroutines whose Python state has ended but whose thread may be about to: only then can another
 * thread free them. */
static cress_coro **waiting;
static size_t n_waiting, waiting_room;

void stacks_free(cress_coro *co)
{
    size_t kept = 0;
    for (size_t i = 0; i < n_waiting; i++)
        if (cress_coro_free(waiting[i]) < 0)
            waiting[kept++] = waiting[i];
    n_waiting = kept;
    if (cress_coro_free(co) == 0)
        return;
    if (n_waiting == waiting_room) {
        size_t room = 2 * waiting_room + 8;
        cress_coro **more = realloc(waiting, room * sizeof *waiting);
        if (more == NULL)
            return; /* kept for ever */
        waiting = more;
        waiting_room = room;
    }
    waiting[n_waiting++] = co;
}

static int set_size(Py_ssize_t bytes)
{
    if (bytes < LEAST || bytes > MOST) {
        PyErr_Format(PyExc_ValueError, "a stack has %d to %d bytes, not %zd", LEAST, MOST, bytes);
        return -1;
    }
    size = (size_t)bytes;
    return 0;
}

PyObject *stacks_size(PyObject *module, PyObject *args)
{
    Py_ssize_t bytes = 0, old = (Py_ssize_t)size;
    (void)module;
    if (!PyArg_ParseTuple(args, "|n:stack_size", &bytes))
        return NULL;
    if (PyTuple_GET_SIZE(args) > 0 && set_size(bytes) < 0)
        return NULL;
    return PyLong_FromSsize_t(old);
}

static bool give_back(struct green *g)
{
    g->rest = RESTED;
    return cress_coro_trim(g->co) > 0;
}

PyObject *stacks_trim(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    struct home *h = home_get();
    if (h == NULL)
        return NULL;
    size_t stacks = cress_stack_trim();
    for (struct green *g = h->started; g != NULL; g = g->next)
        if (g != h->current && g->rest < RESTED)
            stacks += give_back(g);
    return PyLong_FromSize_t(stacks);
}

/* A system call each: some at a time, since somebody waits for the collection to end. */
PyObject *stacks_rest(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    struct home *h = home_here;
    size_t most = 1000, stacks = 0;
    for (struct green *g = h != NULL ? h->started : NULL; g != NULL && most > 0; g = g->next) {
        if (g == h->current || g->rest == RESTED)
            continue;
        if (g->rest > 0) {
            stacks += give_back(g);
            most--;
        } else {
            g->rest = 1;
        }
    }
    return PyLong_FromSize_t(stacks);
}

int stacks_ready(void)
{
    if (size != 0)
        return 0;
    size = pystate_stack_size;
    const char *text = getenv("CRESS_GREENLET_STACK");
    if (text == NULL || *text == '\0')
        return 0;
    char *end;
    long kilobytes = strtol(text, &end, 10);
    if (*end != '\0' || kilobytes <= 0 || kilobytes > MOST / 1024) {
        PyErr_Format(PyExc_ImportError, "CRESS_GREENLET_STACK=%s: a number of KiB is wanted", text);
        return -1;
    }
    return set_size((Py_ssize_t)kilobytes * 1024);
}
