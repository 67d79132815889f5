/* The pool of stacks: sizes, colours, order, reuse, and pages given back. */
#define _GNU_SOURCE 1

#include "support/test.h"

#include "base/alloc.h"
#include "ctx/stack.h"
#include "memory.h"

#include <stdlib.h>

enum { MANY = 2000 };

static struct stack_pool pool;
static struct stack *stacks[MANY];

static int begin(void **state)
{
    (void)state;
    stack_pool_init(&pool);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stack_pool_done(&pool);
    return 0;
}

/* Take n of the default class, as new ones each with one page in use. */
static void take(int n)
{
    for (int i = 0; i < n; i++) {
        stacks[i] = stack_get(&pool, 0);
        CHECK(stacks[i] != NULL);
        stacks[i]->top[-1] = 1;
    }
}

/* Back in reverse, so that stacks[0] is on top of the free list and stacks[n - 1] at its end. */
static void put_all(int n)
{
    while (n > 0)
        stack_put(&pool, stacks[--n]);
}

static bool owns_pages(const struct stack *s)
{
    return pages_resident(s->low, s->top) > 0;
}

static int owners(int n)
{
    int owning = 0;
    for (int i = 0; i < n; i++)
        owning += owns_pages(stacks[i]);
    return owning;
}

/* --- shapes -------------------------------------------------------------------------------- */

static size_t usable(const struct stack *s)
{
    return (size_t)(s->top - s->low);
}

static void a_stack_has_at_least_the_bytes_asked_for(void **state)
{
    (void)state;
    for (int round = 0; round < 31; round++) { /* whatever the colour */
        for (size_t size = 1; size <= (size_t)8 << 20; size = size * 3 + 1) {
            struct stack *s = stack_get(&pool, size);
            CHECK(s != NULL);
            CHECK_GE(usable(s), size);
            CHECK_EQ((uintptr_t)s->top % 64, 0);
        }
        for (size_t pitch = 65536; pitch <= (size_t)4 << 20; pitch *= 2) { /* what just fits */
            CHECK_GE(usable(stack_get(&pool, pitch)), pitch);
            CHECK_GE(usable(stack_get(&pool, pitch - 1)), pitch - 1);
            CHECK_GE(usable(stack_get(&pool, pitch - 16384)), pitch - 16384);
            CHECK_GE(usable(stack_get(&pool, pitch - 18304)), pitch - 18304);
        }
        struct stack *s = stack_get(&pool, 0);
        CHECK_GE(usable(s), 46 << 10);
    }
}

static void sizes_fall_into_classes_of_powers_of_two(void **state)
{
    (void)state;
    CHECK_EQ(stack_class(0), 0);
    CHECK_EQ(stack_class(1), 0);
    CHECK_EQ(stack_class(46 << 10), 0);
    for (int k = 1; k < STACK_CLASSES - 2; k++) {
        /* Half of the pitch is too much for the class below, and easily enough for this one. */
        size_t size = (size_t)32768 << k;
        CHECK_LE(stack_class(size), k);
        CHECK_GE(stack_class(size + 16384), stack_class(size));
        CHECK_EQ(stack_class(2 * size - 1), stack_class(2 * size));
        CHECK_EQ(stack_class(4 * size), stack_class(2 * size) + 1);
    }
    CHECK_EQ(stack_class(STACK_MAX_USABLE), STACK_CLASSES - 1);
    CHECK_EQ(stack_class(STACK_MAX_USABLE + 1), -1);
    CHECK_EQ(stack_class(SIZE_MAX), -1);
    CHECK(stack_get(&pool, STACK_MAX_USABLE + 1) == NULL);
    CHECK(stack_get(&pool, SIZE_MAX) == NULL);
}

static void the_largest_stack_can_be_used_at_both_ends(void **state)
{
    (void)state;
    struct stack *s = stack_get(&pool, STACK_MAX_USABLE);
    CHECK(s != NULL);
    CHECK_GE(usable(s), STACK_MAX_USABLE);
    s->low[0] = 1;
    s->top[-1] = 1;
    CHECK_EQ(stack_peak(s), usable(s));
}

static void tops_take_31_colours_in_turn(void **state)
{
    (void)state;
    unsigned long colours = 0;
    take(62);
    uintptr_t pitch = (uintptr_t)(stacks[1]->low - stacks[0]->low);
    CHECK_EQ(pitch & (pitch - 1), 0);
    for (uintptr_t i = 0; i < 62; i++) {
        char *end = stacks[i]->low - stack_guard_size() + pitch;
        CHECK_EQ(end - stacks[i]->top, 64 * (i * 5 % 31));
        colours |= 1ul << (end - stacks[i]->top) / 64;
    }
    CHECK_EQ(colours, (1ul << 31) - 1);
}

/* --- order --------------------------------------------------------------------------------- */

static void the_stack_put_back_last_is_taken_first(void **state)
{
    (void)state;
    take(5);
    stack_put(&pool, stacks[3]);
    stack_put(&pool, stacks[1]);
    CHECK_EQ(stack_get(&pool, 0), stacks[1]);
    CHECK_EQ(stack_get(&pool, 0), stacks[3]);
    stack_put(&pool, stacks[0]);
    CHECK_EQ(stack_get(&pool, 46 << 10), stacks[0]);
}

static void a_stack_goes_back_to_its_own_class(void **state)
{
    (void)state;
    struct stack *small = stack_get(&pool, 0), *large = stack_get(&pool, 1 << 20);
    stack_put(&pool, small);
    stack_put(&pool, large);
    CHECK_EQ(stack_get(&pool, 0), small);
    CHECK_EQ(stack_get(&pool, 1 << 20), large);
}

static void a_stack_is_of_the_class_of_what_was_asked_for(void **state)
{
    (void)state;
    struct stack *small = stack_get(&pool, 0), *large = stack_get(&pool, 200 << 10);
    CHECK_EQ(small->size_class, stack_class(0));
    CHECK_EQ(small->size_class, stack_class(20000));
    CHECK_EQ(large->size_class, stack_class(200 << 10));
    CHECK(small->size_class != large->size_class);
    CHECK_EQ(stack_class(SIZE_MAX), -1);
}

static void reuse_asks_the_system_for_nothing(void **state)
{
    (void)state;
    take(100);
    calls_count(NULL);
    for (int round = 0; round < 10; round++) {
        put_all(100);
        for (int i = 0; i < 100; i++)
            CHECK_EQ(stack_get(&pool, 0), stacks[i]);
    }
    CHECK_EQ(calls_end(), 0);
}

static size_t mapped_pages(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    CHECK(statm != NULL);
    CHECK_EQ(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    return pages;
}

static void one_stack_maps_little_and_many_take_few_mappings(void **state)
{
    (void)state;
    stack_put(&pool, stack_get(&pool, 0)); /* whatever is asked once per process */
    stack_pool_done(&pool);
    size_t before = mapped_pages();
    take(1);
    CHECK_LE(mapped_pages() - before, ((2 << 20) + 65536) / 4096);
    calls_count("mmap");
    for (int i = 1; i < 20000; i++)
        CHECK(stack_get(&pool, 0) != NULL);
    CHECK_LE(calls_end(), 100);
}

static void everything_is_unmapped_in_the_end(void **state)
{
    (void)state;
    struct stack_pool other;
    stack_pool_init(&other);
    stack_pool_done(&other); /* an empty one */
    size_t blocks = cress__alloc_live();
    for (int round = 0; round < 3; round++) {
        take(MANY);
        char *low = stacks[0]->low, *top = stacks[0]->top;
        CHECK_GE(mappings_in(low, top), 1);
        put_all(MANY / 2);
        stack_pool_done(&pool);
        CHECK_EQ(mappings_in(low, top), 0);
        CHECK_EQ(cress__alloc_live(), blocks);
    }
}

/* --- pages given back ---------------------------------------------------------------------- */

static void a_stack_put_back_keeps_its_pages(void **state)
{
    (void)state;
    take(1);
    memset(stacks[0]->low, 7, usable(stacks[0]));
    stack_put(&pool, stacks[0]);
    CHECK_EQ(stacks[0]->low[0], 7);
    CHECK_EQ(stacks[0]->top[-1], 7);
    stack_age(&pool); /* it was in use during the period that ends here */
    CHECK_EQ(stacks[0]->low[0], 7);
}

static void half_of_what_nobody_needed_for_a_period_gives_its_pages_back(void **state)
{
    (void)state;
    take(100);
    put_all(100);
    CHECK_EQ(stack_age(&pool), 0);
    CHECK_EQ(owners(100), 100);

    /* The second period: nothing happens. The coldest 50 go. */
    CHECK_EQ(stack_age(&pool), 50);
    CHECK_EQ(owners(50), 50);
    CHECK_EQ(owners(100), 50);

    CHECK_EQ(stack_age(&pool), 25);
    CHECK_EQ(owners(25), 25);
    CHECK_EQ(owners(100), 25);

    int left = 25;
    for (int i = 0; i < 10; i++)
        left -= (int)stack_age(&pool);
    CHECK_EQ(left, 0);
    CHECK_EQ(owners(100), 0);
    CHECK_EQ(stack_age(&pool), 0);
}

static void stacks_in_use_now_and_then_keep_their_pages(void **state)
{
    (void)state;
    take(100);
    put_all(100);
    for (int period = 0; period < 12; period++) {
        for (int i = 0; i < 30; i++)
            CHECK_EQ(stack_get(&pool, 0), stacks[i]);
        put_all(30);
        stack_age(&pool);
    }
    CHECK_EQ(owners(30), 30);
    CHECK_EQ(owners(100), 30);
}

static void stacks_used_again_own_pages_again(void **state)
{
    (void)state;
    take(10);
    put_all(10);
    CHECK_EQ(stack_trim_all(&pool), 10);
    CHECK_EQ(owners(10), 0);
    CHECK_EQ(stack_trim_all(&pool), 0);

    for (int i = 0; i < 4; i++) {
        CHECK_EQ(stack_get(&pool, 0), stacks[i]);
        CHECK_EQ(stacks[i]->top[-1], 0);
        stacks[i]->top[-1] = 1;
    }
    put_all(4);
    CHECK_EQ(stack_trim_all(&pool), 4);
    CHECK_EQ(owners(10), 0);
}

static void ageing_does_a_bounded_amount_at_a_time(void **state)
{
    (void)state;
    take(MANY);
    put_all(MANY);
    CHECK_EQ(stack_age(&pool), 0);
    CHECK_EQ(stack_age(&pool), 128 + MANY / 64);
    for (int i = 0; i < 60; i++)
        stack_age(&pool);
    CHECK_EQ(owners(MANY), 0);
}

static void neighbours_are_emptied_with_one_call(void **state)
{
    (void)state;
    take(64);
    put_all(64);
    stack_trim_all(&pool);
    for (int i = 0; i < 64; i++)
        CHECK_EQ(stack_get(&pool, 0), stacks[i]);
    for (int i = 0; i < 64; i++) /* the other order */
        stack_put(&pool, stacks[i]);
    calls_count("madvise");
    CHECK_EQ(stack_trim_all(&pool), 64);
    CHECK_LE(calls_end(), 8); /* one for each slab, and they are few */
}

/* A model beside it that knows for each stack whether it owns pages. */
static void random_use_never_loses_a_stack_or_a_page_count(void **state)
{
    (void)state;
    enum { N = 200 };
    struct stack *used[N];
    int n = 0;
    srand(7);
    for (int step = 0; step < 20000; step++) {
        int what = rand() % 100;
        if (what < 48 && n < N) {
            used[n] = stack_get(&pool, 0);
            CHECK(used[n] != NULL);
            for (int i = 0; i < n; i++)
                CHECK_NE(used[i], used[n]);
            used[n++]->top[-1] = 1;
        } else if (what < 97 && n > 0) {
            int i = rand() % n;
            stack_put(&pool, used[i]);
            used[i] = used[--n];
        } else if (what == 98) {
            stack_age(&pool);
        } else if (what == 99 && step % 10 == 0) {
            stack_trim_all(&pool);
            int owning = 0, free = 0;
            for (struct stack *s = pool.shelf[0].free; s != NULL; s = s->next, free++)
                owning += owns_pages(s);
            CHECK_EQ(owning, 0);
            CHECK_EQ(free, pool.shelf[0].n_free);
        }
    }
}

static void trimming_keeps_what_lies_above_the_stack_pointer(void **state)
{
    (void)state;
    take(1);
    struct stack *s = stacks[0];
    memset(s->low, 1, usable(s));
    char *sp = s->top - 6000;
    ssize_t bytes = stack_trim(s, sp);
    CHECK(bytes > 0);
    CHECK_EQ(bytes % sysconf(_SC_PAGESIZE), 0);
    CHECK_LE(s->low + bytes, sp);
    CHECK_GT(s->low + bytes + sysconf(_SC_PAGESIZE), sp);
    CHECK_EQ(pages_resident(s->low, s->low + bytes), 0);
    for (char *p = sp; p < s->top; p++)
        CHECK_EQ(*p, 1);

    CHECK_EQ(stack_trim(s, s->low + 100), 0);
    calls_fail("madvise", 1, 1);
    CHECK_LT(stack_trim(s, sp), 0);
    calls_end();
}

/* --- the peak ------------------------------------------------------------------------------ */

static void the_peak_is_where_the_lowest_byte_was_written(void **state)
{
    (void)state;
    struct stack *s = stack_get(&pool, 3 << 20);
    CHECK_EQ(stack_peak(s), 0);
    s->top[-1] = 1;
    CHECK_LE(stack_peak(s), 8);
    CHECK_GE(stack_peak(s), 1);
    s->top[-5000] = 1;
    CHECK_EQ(stack_peak(s), 5000);
    s->top[-100000] = 1; /* with untouched pages between */
    CHECK_EQ(stack_peak(s), 100000);
    s->top[-200000] = 0; /* a page in use without anything in it */
    CHECK_EQ(stack_peak(s), 100000);
    s->top[-2800000] = 1; /* beyond what is asked for in one call */
    CHECK_EQ(stack_peak(s), 2800000);
    CHECK_LE(pages_resident(s->low, s->top), 6);
}

static void the_peak_is_found_without_mincore(void **state)
{
    (void)state;
    take(1);
    stacks[0]->top[-20000] = 1;
    calls_fail("mincore", 1, 1000);
    CHECK_EQ(stack_peak(stacks[0]), 20000);
    CHECK_GE(calls_end(), 1);
}

static void the_peak_begins_anew_when_pages_are_given_back(void **state)
{
    (void)state;
    take(1);
    stacks[0]->top[-20000] = 1;
    stack_put(&pool, stacks[0]);
    CHECK_EQ(stack_peak(stacks[0]), 20000);
    stack_trim_all(&pool);
    CHECK_EQ(stack_peak(stacks[0]), 0);
}

/* --- no memory ----------------------------------------------------------------------------- */

static void without_memory_there_is_no_stack_and_no_harm(void **state)
{
    (void)state;
    static const char *const names[] = { "mmap", "malloc" };
    CHECK(stack_get(&pool, 0) != NULL);
    for (int i = 0; i < 2; i++) {
        for (size_t size = 1 << 20; size <= 64 << 20; size *= 8) {
            calls_fail(names[i], 1, 1000);
            CHECK(stack_get(&pool, size) == NULL);
            CHECK_GE(calls_end(), 1);
        }
    }
    for (size_t size = 1 << 20; size <= 64 << 20; size *= 8)
        CHECK(stack_get(&pool, size) != NULL);
}

static void a_smaller_slab_will_do(void **state)
{
    (void)state;
    take(1); /* what is asked once per process is asked */
    for (int failing = 1; failing <= 2; failing++) {
        stack_pool_done(&pool);
        calls_fail("mmap", 1, failing);
        struct stack *s = stack_get(&pool, 0);
        CHECK_EQ(calls_end(), failing + 1);
        CHECK(s != NULL);
        s->low[0] = s->top[-1] = 1;
        take(MANY);
        for (int i = 0; i < MANY; i++)
            CHECK_NE(stacks[i], s);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stack_has_at_least_the_bytes_asked_for),
        TEST(sizes_fall_into_classes_of_powers_of_two),
        TEST(the_largest_stack_can_be_used_at_both_ends),
        TEST(tops_take_31_colours_in_turn),
        TEST(the_stack_put_back_last_is_taken_first),
        TEST(a_stack_goes_back_to_its_own_class),
        TEST(a_stack_is_of_the_class_of_what_was_asked_for),
        TEST(reuse_asks_the_system_for_nothing),
        TEST(one_stack_maps_little_and_many_take_few_mappings),
        TEST(everything_is_unmapped_in_the_end),
        TEST(a_stack_put_back_keeps_its_pages),
        TEST(half_of_what_nobody_needed_for_a_period_gives_its_pages_back),
        TEST(stacks_in_use_now_and_then_keep_their_pages),
        TEST(stacks_used_again_own_pages_again),
        TEST(ageing_does_a_bounded_amount_at_a_time),
        TEST(neighbours_are_emptied_with_one_call),
        TEST(random_use_never_loses_a_stack_or_a_page_count),
        TEST(trimming_keeps_what_lies_above_the_stack_pointer),
        TEST(the_peak_is_where_the_lowest_byte_was_written),
        TEST(the_peak_is_found_without_mincore),
        TEST(the_peak_begins_anew_when_pages_are_given_back),
        TEST(without_memory_there_is_no_stack_and_no_harm),
        TEST(a_smaller_slab_will_do),
    };
    return RUN_TESTS(tests);
}
