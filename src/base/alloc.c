#include "base/alloc.h"

#include "base/fault.h"

#include <stdlib.h>

/* C11 wants the size to be a multiple of the alignment, a power of two. */
static void *aligned(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
}

#ifdef CRESS_TESTING

#include <stdatomic.h>

bool (*cress__fault_hook)(const char *what);

static atomic_size_t live;

size_t cress__alloc_live(void)
{
    return atomic_load(&live);
}

static void *count(void *p)
{
    if (p != NULL)
        atomic_fetch_add(&live, 1);
    return p;
}

void *cress__malloc(size_t size)
{
    return fault("malloc") ? NULL : count(malloc(size));
}

void *cress__calloc(size_t n, size_t size)
{
    return fault("calloc") ? NULL : count(calloc(n, size));
}

void *cress__aligned_alloc(size_t alignment, size_t size)
{
    return fault("aligned_alloc") ? NULL : count(aligned(alignment, size));
}

void *cress__realloc(void *old, size_t size)
{
    if (fault("realloc"))
        return NULL;
    void *p = realloc(old, size);
    return old == NULL ? count(p) : p;
}

void cress__free(void *p)
{
    if (p != NULL)
        atomic_fetch_sub(&live, 1);
    free(p);
}

#else

void *cress__malloc(size_t size)
{
    return malloc(size);
}

void *cress__calloc(size_t n, size_t size)
{
    return calloc(n, size);
}

void *cress__aligned_alloc(size_t alignment, size_t size)
{
    return aligned(alignment, size);
}

void *cress__realloc(void *old, size_t size)
{
    return realloc(old, size);
}

void cress__free(void *p)
{
    free(p);
}

#endif
