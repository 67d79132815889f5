/* duel - a call that somebody else makes for us is cancelled just when it may begin. Either it ran,
 * and its result is there, or it is cancelled, and never runs. */
#ifndef CRESS_TESTS_HUB_DUEL_H
#define CRESS_TESTS_HUB_DUEL_H

#include "support/test.h"

#include <cress/greenlet.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

enum { DUELS = 10000 };

/* The call: it has fn called with arg, and says what fn said. */
typedef int duel_call(int (*fn)(void *arg), void *arg, void *data);

struct duel {
    duel_call *call;
    void *data;
    atomic_int begun;
    int said;
};

static int duel_fn(void *arg)
{
    atomic_fetch_add(&((struct duel *)arg)->begun, 1);
    return 1;
}

static void *duel_greenlet(void *arg)
{
    struct duel *d = arg;
    d->said = d->call(duel_fn, d, d->data);
    return NULL;
}

/* When it is cancelled creeps up to the moment in which it begins: later each time it was too
 * early, else earlier; in turns of an empty loop. */
static void duel(duel_call *call, void *data)
{
    int ran = 0, delay = 0;
    for (int i = 0; i < DUELS; i++) {
        struct duel d = { .call = call, .data = data };
        cress_greenlet *g = cress_spawn(duel_greenlet, &d);
        CHECK_EQ(cress_yield(), 0);
        for (volatile int wait = delay; wait > 0; wait--)
            continue;
        CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
        CHECK_EQ(d.said, atomic_load(&d.begun) ? 1 : -ECANCELED);
        ran += d.said == 1;
        delay += d.said == 1 ? -delay / 8 : 100;
        cress_unref(g);
    }
    printf("%d of %d ran\n", ran, DUELS);
}

#endif
