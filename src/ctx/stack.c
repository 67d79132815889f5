/* stack - slabs, guards, colours, and pages given back. The hot half is in stack.h. */
#define _GNU_SOURCE 1

#include "ctx/stack.h"

#include "base/alloc.h"
#include "base/sys.h"
#include "ctx/overflow.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, top) 0
#define VALGRIND_STACK_DEREGISTER(note) ((void)(note))
#endif
#ifdef CRESS_ASAN
#include <sanitizer/lsan_interface.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

_Static_assert(sizeof(struct stack) <= 32, "what a stack costs beside its pages");

#define COLOURS 31
#define COLOUR_STEP 64
#define COLOUR_ROOM ((COLOURS - 1) * COLOUR_STEP)

/* Slabs grow, so that a thread with few coroutines maps little and one with a million has only a
 * few hundred mappings (a process may have 65530).
 */
#define SLAB_FIRST ((size_t)1 << 20)
#define SLAB_LARGEST ((size_t)64 << 20)

/* Instrumented frames are two to three times as large: sanitizer builds take 4 times the pitch. */
#if defined(CRESS_ASAN) || defined(CRESS_TSAN)
#define SANITIZER_SHIFT 2
#else
#define SANITIZER_SHIFT 0
#endif

#define CANARY_SIZE 256

struct stack_slab {
    struct stack_slab *next;
    char *base;
    size_t size;
    uint32_t n_stacks;
    uint32_t n_used;    /* those before were handed out once, those from here on never */
    uint32_t n_protect; /* guards by mprotect, which count for the whole process */
    struct stack stacks[];
};

/* --- sizes --------------------------------------------------------------------------------- */

static size_t page_size(void)
{
#if defined(__x86_64__)
    return 4096;
#else
    return (size_t)sysconf(_SC_PAGESIZE); /* 4, 16 or 64 KiB */
#endif
}

size_t stack_guard_size(void)
{
    size_t page = page_size();
    return page > 16384 ? page : 16384;
}

/* Of class 0: where pages are 64 KiB, one for the guard and one to use. */
static unsigned pitch_shift(void)
{
    return page_size() > 32768 ? 17 : 16;
}

static size_t pitch_of(int size_class)
{
    return (size_t)1 << (pitch_shift() + (unsigned)size_class + SANITIZER_SHIFT);
}

int stack_class(size_t usable)
{
    if (usable > STACK_MAX_USABLE)
        return -1;
    size_t need = usable + stack_guard_size() + COLOUR_ROOM;
    unsigned shift = 64 - (unsigned)__builtin_clzl(need - 1);
    return shift > pitch_shift() ? (int)(shift - pitch_shift()) : 0;
}

/* --- guards -------------------------------------------------------------------------------- */

#ifdef CRESS_TESTING
enum stack_guard cress__stack_best_guard = STACK_LIGHT;
size_t cress__stack_map_limit;
#define BEST_GUARD cress__stack_best_guard
#define MAP_LIMIT cress__stack_map_limit
#else
#define BEST_GUARD STACK_LIGHT
#define MAP_LIMIT 0
#endif

/* Light guards are proved by use: emulators and sandboxes answer 0 to advice they do not know. A
 * system call that reads from a guarded page must say -EFAULT, and one that reads the page beside
 * it must not.
 *
 * 1 yes, 2 no, 0 not known: something else was in the way.
 */
static int prove_light(void)
{
    size_t page = page_size();
    int fds[2], answer = 0;
    char *p = sys_mmap(2 * page, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    if (p == NULL)
        return 0;
    int r = sys_madvise(p, page, MADV_GUARD_INSTALL);
    if (r == -EINVAL) {
        answer = 2;
    } else if (r == 0 && sys_pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0) {
        ssize_t guarded = sys_write(fds[1], p, 1);
        ssize_t beside = sys_write(fds[1], p + page, 1);
        if (beside == 1)
            answer = guarded == -EFAULT ? 1 : guarded == 1 ? 2 : 0;
        sys_close(fds[0]);
        sys_close(fds[1]);
    }
    sys_munmap(p, 2 * page);
    return answer;
}

static bool light_works(void)
{
#ifdef CRESS_ASAN
    /* The leak checker reads the slabs, page by page where the map says that it may. */
    return false;
#endif
    static atomic_int known; /* racing threads come to the same result */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        answer = cress__sys_disabled("guard") ? 2 : prove_light();
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 1;
}

static size_t max_map_count(void)
{
    static atomic_size_t known;
    size_t n = atomic_load_explicit(&known, memory_order_relaxed);
    if (n == 0) {
        char text[32];
        ssize_t length = -1;
        int fd = sys_open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            length = sys_read(fd, text, sizeof text - 1);
            sys_close(fd);
        }
        text[length > 0 ? length : 0] = '\0';
        n = strtoul(text, NULL, 10);
        if (n == 0)
            n = 65530; /* the kernel's default */
        atomic_store_explicit(&known, n, memory_order_relaxed);
    }
    return n;
}

/* Guards by mprotect, in the whole process. */
static atomic_size_t n_protected;

/* Each such guard costs two mappings, itself and the stack that it cuts off from the others. Half
 * of what the process may have stays for everybody else: at the limit even malloc fails.
 */
static bool protect(char *p, size_t size)
{
    size_t limit = (MAP_LIMIT ? MAP_LIMIT : max_map_count()) / 2;
    if (2 * (atomic_fetch_add(&n_protected, 1) + 1) <= limit &&
        sys_mprotect(p, size, PROT_NONE) == 0)
        return true;
    atomic_fetch_sub(&n_protected, 1);
    return false;
}

/* (3) */
static enum stack_guard guard(char *p, size_t size)
{
    if (BEST_GUARD >= STACK_LIGHT && light_works() && sys_madvise(p, size, MADV_GUARD_INSTALL) == 0)
        return STACK_LIGHT;
    if (BEST_GUARD >= STACK_MPROTECT && protect(p, size))
        return STACK_MPROTECT;
    return STACK_CANARY;
}

/* The canary is the zeroes that untouched memory reads as: they need not be written, and reading
 * them maps the one page of zeroes that all processes share, so that it costs no memory.
 */
void cress__stack_check(const struct stack *s)
{
    const char *canary = s->low - CANARY_SIZE;
    uint64_t word, all = 0;
    for (size_t i = 0; i < CANARY_SIZE; i += sizeof word) {
        memcpy(&word, canary + i, sizeof word);
        all |= word;
    }
    if (likely(all == 0))
        return;

    if (!overflow_tell(s->low - 1)) {
        char line[128];
        int n =
            snprintf(line, sizeof line, "cress: stack overflow: written below the stack %p to %p\n",
                     (void *)s->low, (void *)s->top);
        sys_write(2, line, (size_t)n);
    }
    abort();
}

/* --- slabs --------------------------------------------------------------------------------- */

void stack_pool_init(struct stack_pool *pool)
{
    memset(pool, 0, sizeof *pool);
}

void stack_pool_done(struct stack_pool *pool)
{
    struct stack_slab *slab, *next;
    for (slab = pool->slabs; slab != NULL; slab = next) {
        next = slab->next;
        for (uint32_t i = 0; i < slab->n_used; i++)
            VALGRIND_STACK_DEREGISTER(slab->stacks[i].note);
#ifdef CRESS_ASAN
        /* The next owner of these addresses must not find our red zones. */
        __asan_unpoison_memory_region(slab->base, slab->size);
        __lsan_unregister_root_region(slab->base, slab->size);
#endif
        sys_munmap(slab->base, slab->size);
        atomic_fetch_sub(&n_protected, slab->n_protect);
        cress__free(slab);
    }
    stack_pool_init(pool);
}

/* When memory is short, or address space is (RLIMIT_AS), a smaller slab may still be had. */
static struct stack_slab *slab_new(struct stack_pool *pool, int size_class)
{
    struct stack_shelf *shelf = &pool->shelf[size_class];
    size_t pitch = pitch_of(size_class);
    size_t size = shelf->slab_size ? shelf->slab_size : SLAB_FIRST;
    if (size < pitch)
        size = pitch;

    struct stack_slab *slab;
    char *base;
    for (;; size /= 2) {
        slab = cress__malloc(sizeof *slab + size / pitch * sizeof slab->stacks[0]);
        base = slab ? sys_mmap(size, PROT_READ | PROT_WRITE, MAP_NORESERVE | MAP_STACK) : NULL;
        if (base != NULL)
            break;
        cress__free(slab);
        if (size == pitch)
            return NULL;
    }

    /* One huge page would make 32 idle stacks cost 2 MiB. A kernel without them says -EINVAL. */
    sys_madvise(base, size, MADV_NOHUGEPAGE);
#ifdef CRESS_ASAN
    __lsan_register_root_region(base, size); /* what a resting coroutine owns is not leaked */
#endif
    *slab = (struct stack_slab){
        .next = pool->slabs, .base = base, .size = size, .n_stacks = (uint32_t)(size / pitch)
    };
    pool->slabs = slab;
    shelf->fresh = slab;
    shelf->slab_size = size < SLAB_LARGEST ? 2 * size : size;
    return slab;
}

struct stack *cress__stack_fresh(struct stack_pool *pool, int size_class)
{
    struct stack_shelf *shelf = &pool->shelf[size_class];
    struct stack_slab *slab = shelf->fresh ? shelf->fresh : slab_new(pool, size_class);
    if (slab == NULL)
        return NULL;

    size_t pitch = pitch_of(size_class), guard_size = stack_guard_size();
    char *base = slab->base + slab->n_used * pitch;
    size_t colour = COLOUR_STEP * ((size_t)pool->n_made++ * 5 % COLOURS);
    struct stack *s = &slab->stacks[slab->n_used++];
    if (slab->n_used == slab->n_stacks)
        shelf->fresh = NULL;

    *s = (struct stack){ .low = base + guard_size,
                         .top = base + pitch - colour,
                         .size_class = (uint8_t)size_class,
                         .guard = (uint8_t)guard(base, guard_size) };
    slab->n_protect += s->guard == STACK_MPROTECT;
    s->note = (uint32_t)VALGRIND_STACK_REGISTER(s->low, s->top);
    return s;
}

/* --- pages given back ---------------------------------------------------------------------- */

/* Of n stacks of the free list from s on. Neighbours go in one call: the guard between them
 * survives it, whichever it is.
 */
static size_t empty(struct stack *s, size_t n)
{
    size_t guard_size = stack_guard_size(), span = n ? pitch_of(s->size_class) - guard_size : 0;
    size_t run = 0, done = 0;
    char *low = NULL, *high = NULL; /* of a run of neighbours */

    for (; n > 0; n--, s = s->next) {
        char *from = s->low, *to = s->low + span;
        if (run > 0 && from == high + guard_size) {
            high = to;
        } else if (run > 0 && to + guard_size == low) {
            low = from;
        } else {
            if (run > 0 && sys_madvise(low, (size_t)(high - low), MADV_DONTNEED) == 0)
                done += run;
            run = 0;
            low = from;
            high = to;
        }
        run++;
    }
    if (run > 0 && sys_madvise(low, (size_t)(high - low), MADV_DONTNEED) == 0)
        done += run;
    return done;
}

/* Let the coldest n of the free stacks that own pages give them back, and begin a new period. */
static size_t shelf_empty(struct stack_shelf *shelf, uint32_t n)
{
    uint32_t keep = shelf->n_free - shelf->n_empty - n;
    struct stack *s = shelf->free;
    for (uint32_t i = 0; i < keep; i++)
        s = s->next;
    shelf->n_empty += n; /* (2) */
    shelf->low_water = shelf->n_free;
    return empty(s, n);
}

/* Of the empty ones at the end of the list those below the low-water mark are empty still. */
static void shelf_settle(struct stack_shelf *shelf)
{
    if (shelf->n_empty > shelf->low_water)
        shelf->n_empty = shelf->low_water;
}

/* Among 100 000 free stacks this takes up to 1 ms at a time, the walk included, which an idle hub
 * can spare, and 0.4 us for each stack; the last has given its pages back after a few minutes.
 */
size_t stack_age(struct stack_pool *pool)
{
    size_t done = 0;
    for (int size_class = 0; size_class < STACK_CLASSES; size_class++) {
        struct stack_shelf *shelf = &pool->shelf[size_class];
        shelf_settle(shelf);
        uint32_t cold = shelf->low_water - shelf->n_empty;
        uint32_t most = 128 + shelf->n_free / 64;
        uint32_t half = cold - cold / 2;
        done += shelf_empty(shelf, half < most ? half : most);
    }
    return done;
}

size_t stack_trim_all(struct stack_pool *pool)
{
    size_t done = 0;
    for (int size_class = 0; size_class < STACK_CLASSES; size_class++) {
        struct stack_shelf *shelf = &pool->shelf[size_class];
        shelf_settle(shelf);
        done += shelf_empty(shelf, shelf->n_free - shelf->n_empty);
    }
    return done;
}

ssize_t stack_trim(struct stack *s, char *sp)
{
    char *high = (char *)((uintptr_t)sp & ~(uintptr_t)(page_size() - 1));
    if (high <= s->low)
        return 0;
    int r = sys_madvise(s->low, (size_t)(high - s->low), MADV_DONTNEED);
    return r < 0 ? r : high - s->low;
}

/* What was never touched is zero and not resident. Pages that are not resident are passed over
 * unread, so that looking does not make them so. (A page that was swapped out counts as untouched;
 * where mincore(2) fails, everything is read.)
 */
size_t stack_peak(const struct stack *s)
{
    size_t page = page_size();
    unsigned char resident[512];
    char *p = s->low;
    while (p < s->top) {
        size_t pages = ((size_t)(s->top - p) + page - 1) / page;
        if (pages > sizeof resident)
            pages = sizeof resident;
        if (sys_mincore(p, pages * page, resident) < 0)
            memset(resident, 1, pages);
        for (size_t i = 0; i < pages; i++, p += page) {
            if (!(resident[i] & 1))
                continue;
            const uint64_t *end = (const uint64_t *)(void *)(p + page);
            if ((char *)end > s->top)
                end = (const uint64_t *)(void *)s->top;
            for (const uint64_t *w = (const uint64_t *)(void *)p; w < end; w++)
                if (*w != 0)
                    return (size_t)(s->top - (const char *)w);
        }
    }
    return 0;
}
