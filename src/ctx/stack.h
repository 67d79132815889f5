/* stack - where the stacks of contexts come from: a pool for each thread, without locks.
 *
 * Stacks lie in slabs, large mappings without huge pages and without reserved memory, at a pitch of
 * 2^k bytes (the class); 64 KiB is the default and the least. Within its pitch, from low to high:
 *
 *     | guard 16 KiB | usable, grows down from top | colour |
 *
 * The colour moves the top of the i-th stack down by 64 * ((i * 5) mod 31) bytes: frames at equal
 * depth on page-aligned stacks would otherwise share a few sets of the L1 cache, which makes a
 * switch among 1000 of them 2.5 times slower.
 *
 * What is known of a stack lies in an array beside the slab, never in the stack itself, so that an
 * idle stack costs no page and free stacks can give theirs back.
 *
 * (1) The pool never reads, writes, advises or unmaps the memory of a stack during stack_put(), so
 *     it can be called on the stack that is put back, as long as nothing is taken from the pool
 *     before that stack is left. (Reading the canary below it, where there is no guard, is the
 *     exception.)
 * (2) The free list of a class is last in, first out; stacks whose pages were given back are at its
 *     end, in one piece.
 * (3) For want of a guard no stack is refused: the next weaker guard is taken.
 */
#ifndef CRESS_CTX_STACK_H
#define CRESS_CTX_STACK_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef CRESS_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* The weaker the smaller; the values of the public cress_guard. */
enum stack_guard { STACK_UNGUARDED, STACK_CANARY, STACK_MPROTECT, STACK_LIGHT };

struct stack {
    struct stack *next; /* in the free list */
    char *low;          /* lowest usable byte */
    char *top;          /* coloured, 16-aligned: the stack grows down from here */
    uint32_t note;      /* the name valgrind has for it */
    uint8_t size_class;
    uint8_t guard; /* enum stack_guard */
    uint16_t unused;
};

#define STACK_CLASSES 16 /* pitches 64 KiB to 2 GiB, usable up to 1 GiB */
#define STACK_MAX_USABLE ((size_t)1 << 30)

/* The stacks of one class. */
struct stack_shelf {
    struct stack *free;
    uint32_t n_free;
    uint32_t low_water;       /* the least n_free since the last stack_age() */
    uint32_t n_empty;         /* as of then: how many at the end of the list own no pages */
    struct stack_slab *fresh; /* the one with stacks that were never handed out, or NULL */
    size_t slab_size;         /* of the next one */
};

struct stack_pool {
    struct stack_shelf shelf[STACK_CLASSES];
    struct stack_slab *slabs;
    uint32_t n_made; /* numbers the stacks for their colour */
};

void stack_pool_init(struct stack_pool *pool);

/* Unmaps everything; no stack of the pool may be in use, nor the running one. */
void stack_pool_done(struct stack_pool *pool);

/* The class for that many usable bytes, 0 meaning the default; -1 when they are too many. */
int stack_class(size_t usable);

/* Take a stack of a class from a new or growing slab. NULL: no memory. */
struct stack *cress__stack_fresh(struct stack_pool *pool, int size_class);

/* Check the canary; reports and aborts when it is damaged. */
void cress__stack_check(const struct stack *s);

static inline struct stack *stack_get_class(struct stack_pool *pool, int size_class)
{
    struct stack_shelf *shelf = &pool->shelf[size_class];
    struct stack *s = shelf->free;
    if (unlikely(s == NULL))
        return cress__stack_fresh(pool, size_class);
    shelf->free = s->next;
    if (--shelf->n_free < shelf->low_water)
        shelf->low_water = shelf->n_free;
#ifdef CRESS_ASAN
    /* Its last owner may have left frames without returning from them. */
    __asan_unpoison_memory_region(s->low, (size_t)(s->top - s->low));
#endif
    return s;
}

/* Take a stack with at least that many usable bytes, 0 meaning the default (46 KiB).
 * NULL: no memory, or more than STACK_MAX_USABLE asked for.
 */
static inline struct stack *stack_get(struct stack_pool *pool, size_t usable)
{
    int size_class = likely(usable == 0) ? 0 : stack_class(usable);
    return likely(size_class >= 0) ? stack_get_class(pool, size_class) : NULL;
}

/* Put a stack back into the pool it came from; it is the next to be handed out. May be called while
 * still running on it, just before the last switch: see (1).
 */
static inline void stack_put(struct stack_pool *pool, struct stack *s)
{
    struct stack_shelf *shelf = &pool->shelf[s->size_class];
    if (unlikely(s->guard == STACK_CANARY))
        cress__stack_check(s);
    s->next = shelf->free;
    shelf->free = s;
    shelf->n_free++;
}

/* How it is guarded: an enum stack_guard. */
static inline int stack_guard(const struct stack *s)
{
    return s->guard;
}

/* Bytes of guard below each stack. */
size_t stack_guard_size(void);

/* Whether address lies in the guard of s: what a fault there means. */
static inline bool stack_guards(const struct stack *s, const void *address)
{
    return (const char *)address < s->low && (const char *)address >= s->low - stack_guard_size();
}

/* A period (about a second) is over: of the free stacks that nobody needed during all of it, half
 * give their pages back, the coldest first; a few hundred at a time, so that the caller is not held
 * up. Returns how many.
 */
size_t stack_age(struct stack_pool *pool);

/* All free stacks give their pages back. Returns how many did. */
size_t stack_trim_all(struct stack_pool *pool);

/* Give back the whole pages below sp of a stack that rests. Returns the bytes of address space. */
ssize_t stack_trim(struct stack *s, char *sp);

/* The most bytes below top that can have been in use since its pages were last given back. */
size_t stack_peak(const struct stack *s);

#ifdef CRESS_TESTING
/* The best guard that may be used, and how many mappings guards may cost (0: what the system
 * allows). */
extern enum stack_guard cress__stack_best_guard;
extern size_t cress__stack_map_limit;
#endif

#endif
