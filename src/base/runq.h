/* runq - the line of what is to run: coroutines and callbacks, first in, first out.
 *
 * A node with a function is a callback; one without belongs to a coroutine. Doubly linked, because
 * a posted callback can be taken back, and what is killed before it ran leaves the line.
 *
 * (1) A node is in at most one line, at most once: `next` is NULL outside.
 *
 * Test builds can seed the order (runq_seed): push then puts a coroutine at a random place behind
 * the first callback from the end, so that orders which happen never otherwise are tried too.
 */
#ifndef CRESS_BASE_RUNQ_H
#define CRESS_BASE_RUNQ_H

#include "base/compiler.h"

#include <stdbool.h>

typedef int (*runnode_fn)(void *arg);

struct runnode {
    struct runnode *next, *prev;
    runnode_fn fn; /* NULL: a coroutine */
};

struct runq {
    struct runnode head; /* the ring's head; never popped */
    /* Where a coroutine has its stack pointer behind the node. Who fetches ahead along the line
     * does not look whether it is at the end; to fetch a wild address costs a page walk, 7 ns. */
    void *valid;
};

/* Of the head: so that "is a coroutine first?" is one comparison, also when nothing is. */
int cress__runq_end(void *arg);

static inline void runq_init(struct runq *q)
{
    q->head.next = q->head.prev = &q->head;
    q->head.fn = cress__runq_end;
    q->valid = q;
}

static inline bool runq_empty(const struct runq *q)
{
    return q->head.next == &q->head;
}

static inline bool runnode_queued(const struct runnode *node)
{
    return node->next != NULL;
}

static inline void runq_insert(struct runnode *at, struct runnode *node)
{
    invariant(node->next == NULL); /* (1) */
    struct runnode *last = at->prev;
    node->next = at;
    node->prev = last;
    last->next = node;
    at->prev = node;
}

#ifdef CRESS_TESTING
extern unsigned cress__runq_seed;
struct runnode *cress__runq_place(struct runq *q);
static inline void runq_push(struct runq *q, struct runnode *node)
{
    runq_insert(cress__runq_seed != 0 && node->fn == NULL ? cress__runq_place(q) : &q->head, node);
}
#else
static inline void runq_push(struct runq *q, struct runnode *node)
{
    runq_insert(&q->head, node);
}
#endif

static inline void runq_push_front(struct runq *q, struct runnode *node)
{
    runq_insert(q->head.next, node);
}

/* Take out; not for a node that is in no line. */
static inline void runq_remove(struct runnode *node)
{
    invariant(node->next != NULL);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = NULL;
}

#endif
