/* alloc - the one way to memory from the heap.
 *
 * Everything goes through these, so that tests can make the n-th allocation fail and count what is
 * still alive. Large ranges for stacks come from mmap, see sys.h.
 */
#ifndef CRESS_BASE_ALLOC_H
#define CRESS_BASE_ALLOC_H

#include <stddef.h>

/* As malloc, calloc, realloc, free; NULL when there is none. */
void *cress__malloc(size_t size);
void *cress__calloc(size_t n, size_t size);
/* As aligned_alloc, for any size. */
void *cress__aligned_alloc(size_t alignment, size_t size);
void *cress__realloc(void *old, size_t size);
void cress__free(void *p);

#ifdef CRESS_TESTING
/* How many blocks are alive. */
size_t cress__alloc_live(void);
#endif

#endif
