#include "base/blocks.h"

#include "base/sys.h"

enum { FIRST_SLAB = 64 * 1024, LARGEST_SLAB = 1024 * 1024, HEADER = 64 };

/* At the start of its memory, blocks from HEADER on. */
struct blocks_slab {
    struct blocks_slab *next;
    size_t size;
};

noinline struct block *blocks_grow(struct blocks *b)
{
    if (b->fresh == NULL || (size_t)(b->end - b->fresh) < b->size) {
        size_t size = b->slabs == NULL                ? FIRST_SLAB
                      : b->slabs->size < LARGEST_SLAB ? b->slabs->size * 2
                                                      : LARGEST_SLAB;
        struct blocks_slab *slab = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_NORESERVE);
        if (slab == NULL)
            return NULL;
        slab->next = b->slabs;
        slab->size = size;
        b->slabs = slab;
        b->fresh = (char *)slab + HEADER;
        b->end = (char *)slab + size;
    }
    struct block *block = (struct block *)(void *)b->fresh;
    b->fresh += b->size;
    return block;
}

void blocks_done(struct blocks *b)
{
    while (b->slabs != NULL) {
        struct blocks_slab *slab = b->slabs;
        b->slabs = slab->next;
        sys_munmap(slab, slab->size);
    }
    b->free = NULL;
    b->fresh = b->end = NULL;
}

void blocks_each(struct blocks *b, void (*fn)(void *block, void *arg), void *arg)
{
    for (struct blocks_slab *slab = b->slabs; slab != NULL; slab = slab->next) {
        char *end = (char *)slab + slab->size;
        if (slab == b->slabs && b->fresh < end)
            end = b->fresh;
        for (char *p = (char *)slab + HEADER; p + b->size <= end; p += b->size)
            if (((struct block *)(void *)p)->used != NULL)
                fn(p, arg);
    }
}
