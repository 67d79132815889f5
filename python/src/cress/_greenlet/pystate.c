/* pystate - the one file that knows versions of CPython. What is exchanged, by version:
 *
 *                                  3.8   3.9   3.10  3.11  3.12  3.13  3.14
 *     frame (an object)            x     x     x
 *     cframe                                   x     x     x
 *       its use_tracing                        x     x
 *     current_frame                                              x     x
 *     data stack, 3 pointers                         x     x     x     x
 *     recursion_depth              x     x     x
 *     recursion_limit - remaining                    x     x     x     x
 *     c_recursion_remaining                                x     x
 *     c_stack_..., 3 addresses                                         x
 *     exc_info                     x     x     x     x     x     x     x
 *     context                      x     x     x     x     x     x     x
 *     trash nesting                x     x     x     x     x
 *     delete_later                                               x     x
 *
 * 3.14 was written from its headers and has not been tried.
 *
 * Never exchanged: tracing and its functions, the exception in flight, async_exc, dict.
 *
 * Frames. Up to 3.10 a frame is an object, and each that runs is held by one reference from the C
 * stack. Since 3.11 frames are structures on a stack of their own, the data stack, in chunks of 16
 * KiB. The first chunk of a greenlet lies at the top of its C stack, just above the first C frame:
 * one grows up and the other one down from the same page, so a greenlet that did little costs one
 * page. CPython adds and frees further chunks by itself; the first it never frees, because nothing
 * lies at the very beginning of it.
 *
 *     low                                                     high
 *     | guard |          <- C frames | data stack -> | colour |
 *                                    ^ here, in the middle of a page
 *
 * What frames refer to is shown to the garbage collector, so that a suspended greenlet that only
 * its own variables refer to is found. Of the values that an expression is being computed from,
 * those of the innermost Python frame above each C call are not known, and not shown: what only
 * they refer to counts as referred to from outside, and is kept. That is always safe.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Before the inner headers, which other versions may not have. */
#if PY_VERSION_HEX < 0x03080000 || \
    (PY_VERSION_HEX >= 0x030F0000 && !defined(CRESS_GREENLET_UNKNOWN_PYTHON))
#error "cress.greenlet knows CPython 3.8 to 3.14: go through the table above for this version"
#endif
#ifdef PYPY_VERSION
#error "cress.greenlet is for CPython: PyPy has greenlets of its own"
#endif
#ifdef Py_GIL_DISABLED
#error "cress.greenlet does not support free-threaded Python: it relies on the GIL"
#endif

#if PY_VERSION_HEX >= 0x030B0000
#define Py_BUILD_CORE 1
#undef _PyGC_FINALIZED /* which pycore_gc.h defines again */
#include <internal/pycore_frame.h>
#include <internal/pycore_pystate.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe.h>
#include <internal/pycore_stackref.h>
#include <internal/pycore_tstate.h>
#endif
#undef Py_BUILD_CORE
#endif
#if PY_VERSION_HEX < 0x030B0000
#include <frameobject.h>
#endif

#include "pystate.h"

#include <stddef.h>
#include <string.h>

#define FROM(minor) (PY_VERSION_HEX >= (0x03000000 | (minor) << 16))
#define BEFORE(minor) (!FROM(minor))

#if FROM(10) && BEFORE(11)
typedef CFrame c_frame;
#elif FROM(11) && BEFORE(13)
typedef _PyCFrame c_frame;
#endif

struct pystate {
    PyObject *context;
    _PyErr_StackItem *exc_info; /* the innermost; the outermost of a greenlet is its exc_state */
    _PyErr_StackItem exc_state;
    int depth; /* of calls, however this version counts them */
#if BEFORE(13)
    int trash_nesting;
#endif
#if BEFORE(11)
    PyFrameObject *frame; /* not owned */
#else
    _PyStackChunk *chunk;
    PyObject **chunk_top;
    PyObject **chunk_limit;
#endif
#if FROM(13)
    PyObject *delete_later;
#endif
#if FROM(12) && BEFORE(14)
    int c_depth_left;
#endif
#if FROM(10) && BEFORE(13)
    c_frame *cframe;
    c_frame root; /* the outermost, as the thread has one */
#elif FROM(13)
    struct _PyInterpreterFrame *frame;
#endif
#if FROM(14)
    uintptr_t stack_top, stack_soft_limit, stack_hard_limit;
#endif
};

const size_t pystate_size = sizeof(struct pystate);

/* With 1 MiB nearly all recursions end with a RecursionError at the usual limit of 1000, as they do
 * on a thread's 8 MiB: a level of the greediest common one, sorted() with a key function that
 * sorts, takes 5 KB, others 0.4 to 1.1 KB; the parser of source text alone goes 0.8 MB deep. */
const size_t pystate_stack_size = 1024 << 10;

#if BEFORE(11)
const size_t pystate_top_size = 0;
#else
/* Down from the end of the last page, its colour of up to 1920 bytes included, the data stack
 * begins at 1480 to 3400 bytes in a page: that much for the first C frames, and the rest of the
 * page for the first Python frames. */
const size_t pystate_top_size = 5 * 4096 - 3400;
#endif

/* --- one goes, another one comes -------------------------------------------------------------- */

void pystate_save(struct pystate *s, PyThreadState *t)
{
    s->context = t->context;
    s->exc_info = t->exc_info;
#if BEFORE(11)
    s->depth = t->recursion_depth;
    s->frame = t->frame;
#else
#if BEFORE(12)
    s->depth = t->recursion_limit - t->recursion_remaining;
#else
    s->depth = t->py_recursion_limit - t->py_recursion_remaining;
#endif
    s->chunk = t->datastack_chunk;
    s->chunk_top = t->datastack_top;
    s->chunk_limit = t->datastack_limit;
#endif

#if BEFORE(12)
    s->trash_nesting = t->trash_delete_nesting;
#elif BEFORE(13)
    s->trash_nesting = t->trash.delete_nesting;
#else
    s->delete_later = t->delete_later;
    t->delete_later = NULL;
#endif
#if FROM(12) && BEFORE(14)
    s->c_depth_left = t->c_recursion_remaining;
#endif

#if FROM(10) && BEFORE(13)
    s->cframe = t->cframe;
#elif FROM(13)
    s->frame = t->current_frame;
#endif
#if FROM(14)
    _PyThreadStateImpl *impl = (_PyThreadStateImpl *)t;
    s->stack_top = impl->c_stack_top;
    s->stack_soft_limit = impl->c_stack_soft_limit;
    s->stack_hard_limit = impl->c_stack_hard_limit;
#endif
}

void pystate_load(struct pystate *s, PyThreadState *t)
{
    t->context = s->context;
    t->context_ver++;
    s->context = NULL;
    t->exc_info = s->exc_info;
#if BEFORE(11)
    t->recursion_depth = s->depth;
    t->frame = s->frame;
#else
#if BEFORE(12)
    t->recursion_remaining = t->recursion_limit - s->depth;
#else
    t->py_recursion_remaining = t->py_recursion_limit - s->depth;
#endif
    t->datastack_chunk = s->chunk;
    t->datastack_top = s->chunk_top;
    t->datastack_limit = s->chunk_limit;
#endif

#if BEFORE(12)
    t->trash_delete_nesting = s->trash_nesting;
#elif BEFORE(13)
    t->trash.delete_nesting = s->trash_nesting;
#else
    t->delete_later = s->delete_later;
    s->delete_later = NULL;
#endif
#if FROM(12) && BEFORE(14)
    t->c_recursion_remaining = s->c_depth_left;
#endif

#if FROM(10) && BEFORE(12) /* whether the thread is traced is the thread's affair */
    s->cframe->use_tracing = t->cframe->use_tracing;
#endif
#if FROM(10) && BEFORE(13)
    t->cframe = s->cframe;
#elif FROM(13)
    t->current_frame = s->frame;
#endif
#if FROM(14)
    _PyThreadStateImpl *impl = (_PyThreadStateImpl *)t;
    impl->c_stack_top = s->stack_top;
    impl->c_stack_soft_limit = s->stack_soft_limit;
    impl->c_stack_hard_limit = s->stack_hard_limit;
#endif
}

/* --- the beginning and the end ---------------------------------------------------------------- */

#if FROM(12) && BEFORE(14)
#if BEFORE(13)
#define C_DEPTH_LIMIT C_RECURSION_LIMIT
#else
#define C_DEPTH_LIMIT Py_C_RECURSION_LIMIT
#endif
/* How many C calls a stack has room for, at 1000 bytes each; 64 KiB are for what is called without
 * being counted. (The greediest, see above, counts for two: 2600 each would make that an error too,
 * and structures of 400 levels as well, of which json takes a thousand elsewhere.) Below 200 the
 * trash can of 3.13 would never be emptied. */
static int c_depth(size_t stack_size)
{
    size_t depth = stack_size > 65536 ? (stack_size - 65536) / 1000 : 0;
    return depth < 200 ? 200 : depth > C_DEPTH_LIMIT ? C_DEPTH_LIMIT : (int)depth;
}
#endif

void pystate_init(struct pystate *s, PyThreadState *t, void *top, size_t stack_size)
{
    memset(s, 0, sizeof *s);
    s->exc_info = &s->exc_state;
    (void)top;
    (void)stack_size;
    /* The depth goes on from that of who starts it: greenlets that start each other without end
     * come to a RecursionError, as with functions that call each other. */
#if BEFORE(11)
    s->depth = t->recursion_depth;
#else
    _PyStackChunk *chunk = top;
    chunk->previous = NULL;
    chunk->size = pystate_top_size;
    chunk->top = 1;
    s->chunk = chunk;
    s->chunk_top = &chunk->data[1];
    s->chunk_limit = (PyObject **)(void *)((char *)top + pystate_top_size);
#if BEFORE(12)
    s->depth = t->recursion_limit - t->recursion_remaining;
#else
    s->depth = t->py_recursion_limit - t->py_recursion_remaining;
#endif
#endif
#if FROM(12) && BEFORE(14)
    s->c_depth_left = c_depth(stack_size);
#endif
#if FROM(10) && BEFORE(13)
    s->root.previous = &t->root_cframe;
    s->cframe = &s->root;
#endif
#if FROM(14)
    /* What lies between the two limits is for handling the error. */
    s->stack_top = (uintptr_t)top;
    s->stack_hard_limit = (uintptr_t)top + pystate_top_size - stack_size + 16384;
    s->stack_soft_limit = s->stack_hard_limit + 16384;
#endif
}

static void clear_exceptions(struct pystate *s)
{
#if BEFORE(11)
    Py_CLEAR(s->exc_state.exc_type);
    Py_CLEAR(s->exc_state.exc_traceback);
#endif
    Py_CLEAR(s->exc_state.exc_value);
}

void pystate_done(struct pystate *s, PyThreadState *t)
{
    clear_exceptions(s); /* one that was handled leaves None behind */
    Py_CLEAR(s->context);
#if FROM(13)
    if (s->delete_later != NULL && t->delete_later == NULL) {
        t->delete_later = s->delete_later; /* the next one to come by empties it */
        s->delete_later = NULL;
    }
#else
    (void)t;
#endif
}

void pystate_set_refcount(PyObject *o, Py_ssize_t n)
{
#if BEFORE(9)
    Py_REFCNT(o) = n;
#else
    Py_SET_REFCNT(o, n);
#endif
}

bool pystate_is_tracked(PyObject *o)
{
#if BEFORE(9)
    return _PyObject_GC_IS_TRACKED(o);
#else
    return PyObject_GC_IsTracked(o);
#endif
}

/* --- frames ----------------------------------------------------------------------------------- */

#if BEFORE(11)

/* Those of generators belong to the generators. */
static bool is_ours(const PyFrameObject *f)
{
    return f->f_gen == NULL;
}

/* Each frame is referred to once by the C call that runs it. The collector knows a frame object
 * only when somebody else has it too; for the others we show what they refer to in their place. */
static int visit_frames(struct pystate *s, visitproc visit, void *arg)
{
    for (PyFrameObject *f = s->frame; f != NULL; f = f->f_back) {
        if (!is_ours(f))
            continue;
        if (pystate_is_tracked((PyObject *)f)) {
            Py_VISIT(f);
        } else {
            int r = PyFrame_Type.tp_traverse((PyObject *)f, visit, arg);
            if (r != 0)
                return r;
        }
    }
    return 0;
}

/* The C calls that run them are gone, and with these a reference to each. Whoever else has one sees
 * it without variables. */
static void abandon_frames(struct pystate *s)
{
    PyFrameObject *f = s->frame;
    s->frame = NULL;
    Py_XINCREF(f);
    while (f != NULL) {
        PyFrameObject *back = f->f_back;
        Py_XINCREF(back); /* the frame may be the last to refer to it */
        if (is_ours(f)) {
            for (PyObject **p = f->f_localsplus; p < f->f_valuestack; p++)
                Py_CLEAR(*p);
            Py_DECREF(f);
        }
        Py_DECREF(f);
        f = back;
    }
}

PyObject *pystate_frame(struct pystate *s, PyThreadState *t)
{
    (void)t;
    Py_XINCREF(s->frame);
    return (PyObject *)s->frame;
}

#else /* FROM(11) */

typedef struct _PyInterpreterFrame frame;

static frame *innermost(const struct pystate *s)
{
#if BEFORE(13)
    return s->cframe->current_frame;
#else
    return s->frame;
#endif
}

/* Those of generators belong to the generators; others are only marks in the C stack. */
static bool is_ours(const frame *f)
{
    return f->owner == FRAME_OWNED_BY_THREAD;
}

static PyCodeObject *code_of(const frame *f)
{
#if BEFORE(13)
    return f->f_code;
#elif BEFORE(14)
    return (PyCodeObject *)f->f_executable;
#else
    return (PyCodeObject *)PyStackRef_AsPyObjectBorrow(f->f_executable);
#endif
}

#if BEFORE(14)
typedef PyObject *slot;
static PyObject *slot_object(slot s)
{
    return s;
}
#else
typedef _PyStackRef slot;
/* A slot of 3.14 may have borrowed what is in it, or be a number: then there is nothing to show. */
static PyObject *slot_object(slot s)
{
    return PyStackRef_IsNull(s) || !PyStackRef_RefcountOnObject(s) ? NULL
                                                                   : PyStackRef_AsPyObjectBorrow(s);
}
#endif

/* How many of its slots are known: all in use if it has called another Python function, else its
 * variables. */
static int known_slots(const frame *f)
{
    int locals = code_of(f)->co_nlocalsplus;
#if BEFORE(14)
    return f->stacktop > locals ? f->stacktop : locals;
#else
    return locals;
#endif
}

static int visit_frames(struct pystate *s, visitproc visit, void *arg)
{
    for (frame *f = innermost(s); f != NULL; f = f->previous) {
        if (!is_ours(f))
            continue;
        Py_VISIT(f->frame_obj);
        Py_VISIT(f->f_locals);
#if BEFORE(12)
        Py_VISIT(f->f_func);
#elif BEFORE(14)
        Py_VISIT(f->f_funcobj);
#endif
        for (int i = 0, n = known_slots(f); i < n; i++)
            Py_VISIT(slot_object(f->localsplus[i]));
    }
    return 0;
}

#if BEFORE(14)

/* Others have the object of this frame: move the frame into it, as CPython does when a function
 * returns whose frame somebody keeps. */
static void give_to_object(frame *f)
{
    PyFrameObject *owner = f->frame_obj;
    size_t size = (size_t)((char *)&f->localsplus[code_of(f)->co_nlocalsplus] - (char *)f);
    memcpy(owner->_f_frame_data, f, size);
    owner->f_frame = (frame *)(void *)owner->_f_frame_data;
    owner->f_frame->owner = FRAME_OWNED_BY_FRAME_OBJECT;
    owner->f_frame->previous = NULL;
    owner->f_frame->frame_obj = NULL;
    owner->f_frame->stacktop = code_of(f)->co_nlocalsplus;
    if (!pystate_is_tracked((PyObject *)owner))
        PyObject_GC_Track(owner);
    Py_DECREF(owner);
}

static void abandon_frames(struct pystate *s)
{
    frame *f = innermost(s);
#if BEFORE(13)
    s->cframe = &s->root;
    s->root.current_frame = NULL;
#else
    s->frame = NULL;
#endif
    for (frame *back; f != NULL; f = back) {
        back = f->previous;
        if (!is_ours(f))
            continue;
        if (f->frame_obj != NULL) {
            give_to_object(f);
            continue;
        }
        for (int i = 0, n = known_slots(f); i < n; i++)
            Py_CLEAR(f->localsplus[i]);
        Py_CLEAR(f->f_locals);
        Py_DECREF(code_of(f));
#if BEFORE(12)
        Py_CLEAR(f->f_func);
#else
        Py_CLEAR(f->f_funcobj);
#endif
    }
    while (s->chunk->previous != NULL) {
        _PyStackChunk *chunk = s->chunk;
        PyObjectArenaAllocator arena;
        PyObject_GetArenaAllocator(&arena);
        s->chunk = chunk->previous;
        arena.free(arena.ctx, chunk, chunk->size);
    }
}

#else

/* Nothing that was not tried: what the frames refer to is kept for ever. */
static void abandon_frames(struct pystate *s)
{
    (void)s;
}

#endif

/* CPython makes the object only for the frame that runs: let it seem to. */
PyObject *pystate_frame(struct pystate *s, PyThreadState *t)
{
#if BEFORE(13)
    c_frame *running = t->cframe;
    t->cframe = s->cframe;
    PyObject *made = (PyObject *)PyThreadState_GetFrame(t);
    t->cframe = running;
#else
    frame *running = t->current_frame;
    t->current_frame = s->frame;
    PyObject *made = (PyObject *)PyThreadState_GetFrame(t);
    t->current_frame = running;
#endif
    return made;
}

#endif

void pystate_abandon(struct pystate *s)
{
    abandon_frames(s);
    clear_exceptions(s);
    Py_CLEAR(s->context);
}

int pystate_visit(struct pystate *s, visitproc visit, void *arg)
{
    Py_VISIT(s->context);
#if BEFORE(11)
    Py_VISIT(s->exc_state.exc_type);
    Py_VISIT(s->exc_state.exc_traceback);
#endif
    Py_VISIT(s->exc_state.exc_value);
    return visit_frames(s, visit, arg);
}

/* --- odds and ends ---------------------------------------------------------------------------- */

PyObject **pystate_context(struct pystate *s)
{
    return &s->context;
}

PyObject **pystate_current_context(PyThreadState *t)
{
    return &t->context;
}

void pystate_context_changed(PyThreadState *t)
{
    t->context_ver++;
}

void pystate_tracing_off(PyThreadState *t)
{
#if FROM(11)
    PyThreadState_EnterTracing(t);
#else
    t->tracing++;
#if FROM(10)
    t->cframe->use_tracing = 0;
#else
    t->use_tracing = 0;
#endif
#endif
}

void pystate_tracing_on(PyThreadState *t)
{
#if FROM(11)
    PyThreadState_LeaveTracing(t);
#else
    int on = t->c_tracefunc != NULL || t->c_profilefunc != NULL;
    t->tracing--;
#if FROM(10)
    t->cframe->use_tracing = on;
#else
    t->use_tracing = on;
#endif
#endif
}

uint64_t pystate_id(PyThreadState *t)
{
    return t->id;
}

bool pystate_in_main_interpreter(void)
{
    return PyThreadState_Get()->interp == PyInterpreterState_Main();
}

bool pystate_finalizing(void)
{
#if FROM(13)
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

const char *pystate_function_name(PyObject *run, size_t *length)
{
    if (run != NULL && PyMethod_Check(run))
        run = PyMethod_GET_FUNCTION(run);
    if (run == NULL || !PyFunction_Check(run))
        return NULL;
    PyObject *name = ((PyFunctionObject *)run)->func_qualname;
    if (!PyUnicode_IS_COMPACT_ASCII(name))
        return NULL;
    *length = (size_t)PyUnicode_GET_LENGTH(name);
    return PyUnicode_DATA(name);
}
