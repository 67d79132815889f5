/* greenlet - a coroutine that the hub runs, with an end that others can wait for.
 *
 *     NEW -> READY     [spawn]               READY   -> RUNNING [its turn in the line]
 *     RUNNING -> ENDED [greenlet_end]        RUNNING -> PARKED and back: see hub/park.h
 *
 * A greenlet is one block of two cache lines: the coroutine, and this. What few of them need is
 * elsewhere, see extra.h. The main greenlet lies in the hub instead, on top of the thread's native
 * coroutine.
 *
 * (1) `refs` counts the users' references, plus one of the hub until it has ended.
 * (2) `value` is the argument until it has started, what it returned when it has ended.
 * (3) A link is in `links` until the end takes it out, in order, before it fires.
 * (4) Those that other threads may have to do with are made and freed elsewhere, see shared.h. Of
 *     them, and only of them, refs, flags and outcome are looked at by several threads.
 */
#ifndef CRESS_HUB_GREENLET_H
#define CRESS_HUB_GREENLET_H

#include "base/list.h"
#include "coro/coro.h"

#include <cress/greenlet.h>

#include <stdint.h>

struct cress_hub;
struct hub_extra;

enum greenlet_flags {
    GREENLET_MAIN = 1,
    GREENLET_DAEMON = 2,
    GREENLET_STARTED = 4,
    GREENLET_TOLD = 8,       /* it was killed and a call has said so */
    GREENLET_HAS_VALUE = 16, /* its function returned */
    GREENLET_AWAITED = 32    /* the end of its hub has killed it and waits for it */
};

/* Of the number: see (4). */
#define GREENLET_SHARED ((uint64_t)1 << 63)

struct cress_greenlet {
    union {
        cress_fn fn;    /* until it has started */
        uint64_t ended; /* when it has: its number among those of its hub */
    };
    union {
        void *value; /* see (2) */
        int error;   /* when it has failed */
    };
    struct list *links; /* a ring, from the first one on; NULL: none */
    uint64_t id;
    uint32_t refs;
    uint8_t outcome; /* cress_outcome_kind */
    uint8_t flags;
    uint16_t told; /* so many calls have failed because of the kill */
};

struct greenlet_block {
    struct cress_coro co;
    struct cress_greenlet greenlet;
};
#if !defined(CRESS_ASAN) && !defined(CRESS_TSAN) /* whose contexts are larger */
_Static_assert(sizeof(struct greenlet_block) == 2 * CACHE_LINE, "a greenlet is two cache lines");
#endif

/* Something to be told of the end: a local variable of who joins, or inside a link node. */
struct greenlet_link {
    struct list node;
    void (*fire)(struct greenlet_link *link);
};

static inline cress_coro *greenlet_coro(const struct cress_greenlet *g)
{
    return (cress_coro *)(void *)((char *)g - offsetof(struct greenlet_block, greenlet));
}

/* Of a greenlet's coroutine. */
static inline struct cress_greenlet *greenlet_of_block(const cress_coro *co)
{
    return &((struct greenlet_block *)(uintptr_t)co)->greenlet;
}

/* The same where it may be main; and back, NULL for what is no greenlet. */
cress_coro *greenlet_any_coro(const struct cress_greenlet *g);
struct cress_greenlet *greenlet_of(const cress_coro *co);

static inline bool greenlet_is_shared(const struct cress_greenlet *g)
{
    return (g->id & GREENLET_SHARED) != 0;
}

/* Whose it is: 0, this thread's; 1, another's and shared, see shared.h; -EXDEV, another's;
 * -EOWNERDEAD, that of a hub which has ended. */
int greenlet_elsewhere(const struct cress_greenlet *g);

static inline cress_outcome_kind greenlet_outcome(const struct cress_greenlet *g)
{
    return (cress_outcome_kind)__atomic_load_n(&g->outcome, __ATOMIC_ACQUIRE);
}

static inline void greenlet_set_flags(struct cress_greenlet *g, unsigned flags)
{
    __atomic_store_n(&g->flags, (uint8_t)flags, __ATOMIC_RELAXED);
}

/* One reference more. */
static inline void greenlet_ref(struct cress_greenlet *g)
{
    if (greenlet_is_shared(g))
        __atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED);
    else
        g->refs++;
}

/* Add a link at the end; take one out, which is linked. */
static inline void greenlet_link(struct cress_greenlet *g, struct greenlet_link *link)
{
    if (g->links == NULL)
        list_init(g->links = &link->node);
    else
        list_insert_before(g->links, &link->node);
}

static inline void greenlet_unlink(struct cress_greenlet *g, struct greenlet_link *link)
{
    if (g->links == &link->node)
        g->links = link->node.next != &link->node ? link->node.next : NULL;
    list_remove(&link->node);
    link->node.next = NULL; /* alone in the ring it points to itself, too */
}

static inline bool greenlet_linked(const struct greenlet_link *link)
{
    return link->node.next != NULL;
}

/* Make one that is in no line yet, with one reference, the hub's. NULL: no memory. */
struct cress_greenlet *greenlet_new(struct cress_hub *h, cress_fn fn, void *arg);

/* One reference less; the last one frees it. */
void greenlet_release(struct cress_greenlet *g);

/* The hub's reference, when it has ended. */
void greenlet_let_go(struct cress_greenlet *g);

/* The options that need more than the block. extra may be NULL. 0; -ENOMEM. */
int greenlet_apply(struct hub_extra *extra, const cress_spawn_options *options);

/* A new one is counted, and becomes ready; after delay. */
void greenlet_enter(struct cress_hub *h, struct cress_greenlet *g, cress_time delay);

/* It will never run: its argument goes back to who knows how to free it. */
void greenlet_discard(const struct cress_greenlet *g);

/* The beginning and the end of every greenlet: what the coroutine layer calls. */
cress_fn greenlet_begin(cress_coro *co, void **arg);
cress_coro *greenlet_end(cress_coro *self, void **value, int *error);

/* A greenlet leaves its function, on whichever way: the scopes that it left open are stopped, and
 * what it deferred is called. Switches if that does. */
void greenlet_clear(cress_coro *self);

/* It is abandoned: what it deferred is not called. */
void greenlet_drop_deferred(struct cress_greenlet *g);

/* Kill one that is alive: at once if it has not started. */
void greenlet_kill(struct cress_hub *h, struct cress_greenlet *g);

/* cress_join() with a reference that it gives back, also when who waits is dropped. */
int greenlet_join_given(struct cress_greenlet *g, cress_time timeout);

/* It is over: tell those who wait. The running one's own end comes here through greenlet_end(). */
void greenlet_finish(struct cress_hub *h, struct cress_greenlet *g, cress_outcome_kind outcome,
                     void *value, int error);

/* The last reference to a greenlet's coroutine is gone: its block is free. */
void greenlet_free_block(cress_coro *co);

/* A slot is free for others; slot counts from 1. */
void slot_release(struct cress_hub *h, uint32_t slot);

void greenlet_init_main(struct cress_hub *h);

/* As much of text as fits, terminated; its length. Signal-safe, as greenlet_label() is. */
size_t label_copy(const char *from, char *text, size_t size);

/* The name for reports: its name, or "greenlet" and its number. */
size_t greenlet_label(const struct cress_greenlet *g, char *text, size_t size);

#endif
