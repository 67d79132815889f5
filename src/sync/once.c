/* once - something to be done by the first who comes. */
#include "sync/mutex.h"

enum state { UNDONE, UNDER_WAY, DONE };

struct once {
    struct guard guard;
    struct line line;
    struct holder doer; /* while it is under way */
    uint8_t state;
};
_Static_assert(sizeof(struct once) <= sizeof(cress_once), "cress_once is too small");

static struct once *inside(const cress_once *o)
{
    return (struct once *)(uintptr_t)o;
}

bool cress_once_done(const cress_once *public)
{
    return public != NULL && inside(public)->state == DONE;
}

/* It failed, or who was to do it does not any more: the first who waits does it. */
static void pass_on(struct once *o)
{
    struct place *p = line_first(&o->line);
    if (p != NULL)
        line_grant(&o->line, &o->guard, p);
}

static void dropped(struct waiting *w)
{
    struct once *o = container_of(w->guard, struct once, guard);
    if (w->place.granted && o->state == UNDONE)
        pass_on(o);
}

static int do_it(struct once *o, struct thread *t, int (*fn)(void *arg), void *arg)
{
    o->state = UNDER_WAY;
    holder_set(&o->doer, t);
    int error = fn(arg);
    o->doer.co = NULL;
    if (error < 0) {
        o->state = UNDONE;
        pass_on(o);
        return error;
    }
    o->state = DONE;
    line_grant_all(&o->line, &o->guard);
    return 0;
}

/* 0: it is done; 1: it can be done; -EAGAIN: somebody is doing it; or an error. */
static int look(struct once *o, const struct thread *t)
{
    if (o->state == UNDER_WAY && holder_is_gone(&o->doer))
        o->state = UNDONE;
    if (o->state != UNDER_WAY)
        return o->state == UNDONE;
    if (o->doer.co == t->current)
        return -EDEADLK;
    return o->doer.thread != t ? -EXDEV : -EAGAIN;
}

int cress_once_run(cress_once *public, int (*fn)(void *arg), void *arg, cress_time timeout)
{
    struct once *o = inside(public);
    if (o == NULL || fn == NULL || timeout < 0)
        return -EINVAL;
    if (o->state == DONE)
        return 0;
    struct thread *t = thread_self();
    if (t == NULL)
        return -ENOMEM;
    cress_time deadline = cress_deadline(timeout), left = timeout;
    int error = look(o, t);
    while (error == -EAGAIN) {
        struct cress_hub *h;
        if (left == 0)
            return timeout == 0 ? -EAGAIN : -ETIMEDOUT;
        if ((error = line_enter(&o->guard, &h)) < 0)
            return error;
        if ((error = look(o, t)) != -EAGAIN)
            break;
        struct waiting w;
        waiting_init(&w, "waiting for what is done once", dropped);
        if ((error = line_wait(&o->line, &o->guard, &w, h, left)) < 0)
            return error;
        left = cress_left(deadline);
        error = look(o, t); /* somebody may have begun again */
    }
    return error == 1 ? do_it(o, t, fn, arg) : error;
}
