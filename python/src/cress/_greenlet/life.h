/* life - how greenlets come into being, and what becomes of one that nobody refers to.
 *
 * A greenlet that nobody refers to can never be switched to again, so the clean-up code of its
 * frames would never run. It is told to end: GreenletExit is thrown at it, in its own thread. The
 * same for one that only its own frames refer to, which the garbage collector finds.
 *
 * (1) One that does not end of that lives on, and its `survivor` is set: what its frames refer to
 *     is not shown to the collector any more, so that it is not found again.
 */
#ifndef CRESS_GREENLET_LIFE_H
#define CRESS_GREENLET_LIFE_H

#include "home.h"

/* The inside for an object that has none. NULL: an exception is set. */
struct green *green_alloc(PyGreenlet *self);

/* Throw GreenletExit at a suspended one of this thread, and come back here when it has ended or
 * switches away. What it fails with is reported, not raised. */
void green_kill(struct home *h, struct green *g);

/* End one that is suspended and whose thread has ended: it will not run again. */
void green_abandon(struct green *g);

/* Its thread vanished while it ran. */
void green_lose(struct green *g);

/* It has ended by itself: give back what it ran on. */
void green_bury(struct home *h, struct green *g);

/* The home of this main greenlet has ended: the home's reference to it goes. */
void green_forget_main(struct green *g);

/* Whether it has ended, or can never run again because its thread has. */
bool green_is_dead(struct green *g);

/* The slots of the type. */
void green_dealloc(PyObject *object);
void green_finalize(PyObject *object);
int green_traverse(PyObject *object, visitproc visit, void *arg);
int green_clear(PyObject *object);

#endif
