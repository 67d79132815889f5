/* blocks - a pool of blocks of one size, for what is made and dropped all the time.
 *
 * Cut from slabs that are mapped as needed and never given back before the end, so that a block is
 * one step from the last one dropped, and all that live can be enumerated without a list of them.
 *
 * (1) The first word of a block is NULL exactly while it is free or newer than ever used; the
 *     owner must keep something else there (a greenlet's coroutine: its thread).
 * (2) The second word of a free block links it to the next free one.
 */
#ifndef CRESS_BASE_BLOCKS_H
#define CRESS_BASE_BLOCKS_H

#include "base/compiler.h"

struct blocks_slab;

struct block {
    void *used;
    struct block *next;
};

struct blocks {
    struct block *free;
    size_t size; /* of a block; 0: not set up */
    size_t live;
    struct blocks_slab *slabs;
    char *fresh, *end; /* never used yet, of the newest slab */
};

struct block *blocks_grow(struct blocks *b);
void blocks_done(struct blocks *b);

/* A block, its content undefined; NULL: no memory. */
static inline void *blocks_get(struct blocks *b)
{
    struct block *block = b->free;
    if (likely(block != NULL))
        b->free = block->next;
    else if ((block = blocks_grow(b)) == NULL)
        return NULL;
    b->live++;
    return block;
}

static inline void blocks_put(struct blocks *b, void *p)
{
    struct block *block = p;
    block->used = NULL;
    block->next = b->free;
    b->free = block;
    b->live--;
}

/* Call fn with each live block. fn may drop the block it is given. */
void blocks_each(struct blocks *b, void (*fn)(void *block, void *arg), void *arg);

#endif
