/* greenlet - a coroutine that the hub runs, with an end that others can wait for.
 *
 *     NEW -> READY     [spawn]               READY   -> RUNNING [its turn in the line]
 *     RUNNING -> ENDED [greenlet_end]        RUNNING -> PARKED and back: see hub/park.h
 *
 * A greenlet is one block of four cache lines: the coroutine (two, and one for its timer), and
 * this. The main greenlet lies in the hub instead, on top of the thread's native coroutine.
 *
 * (1) `refs` counts the users' references, plus one of the hub until it has ended.
 * (2) `value` is the argument until it has started, what it returned when it has ended.
 * (3) A link is in `links` until the end takes it out, in order, before it fires.
 */
#ifndef CRESS_HUB_GREENLET_H
#define CRESS_HUB_GREENLET_H

#include "base/list.h"
#include "coro/coro.h"

#include <cress/greenlet.h>

#include <stdint.h>

struct cress_hub;

enum greenlet_flags {
    GREENLET_MAIN = 1,
    GREENLET_DAEMON = 2,
    GREENLET_STARTED = 4,
};

/* What few greenlets have. */
struct greenlet_extra {
    char name[32];
    void (*on_discard)(void *arg);
    void (*value_free)(void *value);
};

struct cress_greenlet {
    cress_fn fn;
    void *value;
    struct list links;
    uint64_t id;
    struct greenlet_extra *extra; /* NULL for most */
    uint32_t refs;
    uint32_t slot; /* counted from 1; 0: not asked for yet */
    int32_t error;
    uint8_t outcome; /* cress_outcome_kind */
    uint8_t flags;
};

struct greenlet_block {
    struct cress_coro co;
    struct cress_greenlet greenlet;
};

/* Something to be told of the end: a local variable of who joins, or inside a link node. */
struct greenlet_link {
    struct list node;
    void (*fire)(struct greenlet_link *link);
};

static inline cress_coro *greenlet_coro(const struct cress_greenlet *g)
{
    return (cress_coro *)(void *)((char *)g - offsetof(struct greenlet_block, greenlet));
}

/* Where the main greenlet's coroutine is another matter. */
cress_coro *greenlet_any_coro(const struct cress_greenlet *g);

/* Make one that is in no line yet, with one reference, the hub's. NULL: no memory. */
struct cress_greenlet *greenlet_new(struct cress_hub *h, cress_fn fn, void *arg);

/* One reference less; the last one frees it. */
void greenlet_release(struct cress_greenlet *g);

/* It will never run: its argument goes back to who knows how to free it. */
void greenlet_discard(const struct cress_greenlet *g);

/* It is over: tell those who wait. The running one's own end comes here through greenlet_end(). */
void greenlet_finish(struct cress_hub *h, struct cress_greenlet *g, cress_outcome_kind outcome,
                     void *value, int error);

/* The last reference to a greenlet's coroutine is gone: its block is free. */
void greenlet_free_block(cress_coro *co);

/* Its slot is free for others. */
void slot_release(struct cress_greenlet *g);

/* The main greenlet's part of a hub's life. */
void greenlet_init_main(struct cress_hub *h);
void greenlet_done_main(struct cress_hub *h);

/* As much of text as fits, terminated; its length. Signal-safe, as greenlet_label() is. */
size_t label_copy(const char *from, char *text, size_t size);

/* The name for reports: its name, or "greenlet" and its number. */
size_t greenlet_label(const struct cress_greenlet *g, char *text, size_t size);

#endif
