/* pystate - what CPython keeps for the code that runs, and how to put it away.
 *
 * A thread's PyThreadState describes one line of execution: its frames, the exceptions that are
 * being handled, its context, how deep it is. When another greenlet goes on in the same thread, all
 * that has to be exchanged. What belongs to the thread itself stays: tracing and profiling, the
 * exception that is in flight, which travels with a switch.
 *
 * pystate.c is the only file that knows versions of Python, and all that it knows is behind this
 * page. To support a new one, see the table there.
 */
#ifndef CRESS_GREENLET_PYSTATE_H
#define CRESS_GREENLET_PYSTATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

struct pystate;

/* Bytes of a pystate; bytes that it wants at the top of a new stack; the default for the whole. */
extern const size_t pystate_size, pystate_top_size, pystate_stack_size;

/* The state of code that is about to begin on a stack of that size, with top as above. */
void pystate_init(struct pystate *s, PyThreadState *t, void *top, size_t stack_size);

/* Exchange what runs: put the thread's state away, and take another one's up. */
void pystate_save(struct pystate *s, PyThreadState *t);
void pystate_load(struct pystate *s, PyThreadState *t);

/* Its code has returned. What it leaves behind goes. */
void pystate_done(struct pystate *s, PyThreadState *t);

/* Its code will never go on: let go of what its frames refer to, as far as that can be known, and
 * leave frame objects that others have in a state in which they can be looked at.
 */
void pystate_abandon(struct pystate *s);

/* For the garbage collector: what the state owns, and what its frames do. */
int pystate_visit(struct pystate *s, visitproc visit, void *arg);

/* The innermost frame of a state that was put away: a new reference; NULL: none, or with an
 * exception set.
 */
PyObject *pystate_frame(struct pystate *s, PyThreadState *t);

/* Where the contextvars.Context is: of a state, and of the code that runs. */
PyObject **pystate_context(struct pystate *s);
PyObject **pystate_current_context(PyThreadState *t);

/* The context that runs was exchanged: caches of it are out of date. */
void pystate_context_changed(PyThreadState *t);

/* Code in between is not traced or profiled. */
void pystate_tracing_off(PyThreadState *t);
void pystate_tracing_on(PyThreadState *t);

/* What older versions have under other names. */
void pystate_set_refcount(PyObject *object, Py_ssize_t n);
bool pystate_is_tracked(PyObject *object);

/* No two states of a process have the same, nor 0. */
uint64_t pystate_id(PyThreadState *t);

/* Whether this is the first interpreter of the process. */
bool pystate_in_main_interpreter(void);

/* Whether the interpreter is being taken down. */
bool pystate_finalizing(void);

/* Of a suspended greenlet's run function, as far as it can be read without the interpreter, in a
 * signal handler: a text that ends at `length`, or NULL. */
const char *pystate_function_name(PyObject *run, size_t *length);

#endif
