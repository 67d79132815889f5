/* home - what is kept for each thread that uses greenlets: who runs, and who waits to.
 *
 * (1) A home begins with the first use of greenlets in a thread and ends with the thread's Python
 *     state: it hangs in the dictionary of that, whose end takes it along, in the dying thread.
 *     What else was in the dictionary may run code after that: it gets no second home, which nobody
 *     would end. Greenlets may outlive a home: they count in `refs`.
 * (2) `current` changes in the enter hook and nowhere else, so that it says who runs whatever makes
 *     the switch. It owns a reference to the object of whom it names.
 * (3) What ends in another thread than its own is put into `doomed` of its home, and is seen to by
 *     that thread when it next comes by.
 * (4) Of a home that has ended no greenlet runs again. Those that are suspended then and that
 *     somebody refers to stay as they are, their frames can be looked at; when they go, what their
 *     frames refer to is let go without running them.
 * (5) A home may be ended by another thread, while a greenlet of it runs: in a child process, where
 *     the other threads are gone, and at the end of the interpreter, where daemon threads stand
 *     still. That greenlet is lost.
 */
#ifndef CRESS_GREENLET_HOME_H
#define CRESS_GREENLET_HOME_H

#include "object.h"

struct home {
    PyThreadState *tstate;
    struct green *main;
    struct pystate *main_py;
    struct green *current; /* (2) */
    struct green *origin; /* who has just switched, until the one who came took note of it; owned */
    struct green *heir;   /* who goes on after `origin`, which ends */
    PyObject *trace;      /* of settrace(); NULL: none */
    struct green *started; /* all ACTIVE ones but main */
    PyGreenlet **doomed;   /* (3), owned */
    size_t n_doomed, doomed_room;
    size_t refs; /* one by each greenlet that was started here, and one while it lasts */
    bool alive;
};

extern __thread struct home *home_here __attribute__((tls_model("initial-exec")));

/* Make one for this thread. NULL: an exception is set. */
struct home *home_make(void);

/* (3) */
void home_see_to_doomed(struct home *h);

/* This thread's. NULL: an exception is set. May run code. */
static inline struct home *home_get(void)
{
    struct home *h = home_here;
    if (h == NULL)
        return home_make();
    if (h->n_doomed > 0)
        home_see_to_doomed(h);
    return h;
}

/* Leave the end of a suspended greenlet to its own thread. false: no memory. */
bool home_doom(struct home *h, PyGreenlet *self);

void home_ref(struct home *h);
void home_unref(struct home *h);

/* g has been started here, or has ended. */
void home_link(struct home *h, struct green *g);
void home_unlink(struct home *h, struct green *g);

/* What lies in the user area of each coroutine of ours. A thread's own has none. */
struct user {
    struct green *green;
    /* pystate follows */
};

static inline struct pystate *user_py(struct user *user)
{
    return (struct pystate *)(void *)(user + 1);
}

/* What the interpreter keeps for it: ACTIVE, and not running. */
static inline struct pystate *green_py(const struct green *g)
{
    return g != g->home->main ? user_py(cress_coro_user(g->co)) : g->home->main_py;
}

/* How many there are, for tests. */
size_t home_count(void);

#endif
