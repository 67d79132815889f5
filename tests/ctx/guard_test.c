/* Guards: light ones proved by use, and what stands in for them. */
#define _GNU_SOURCE 1

#include "support/test.h"

#include "ctx/ctx.h"
#include "ctx/overflow.h"
#include "ctx/stack.h"
#include "memory.h"
#include "support/child.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { MANY = 4096 };

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
    cress__stack_best_guard = STACK_LIGHT;
    cress__stack_map_limit = 0;
    return 0;
}

static void take(int n)
{
    for (int i = 0; i < n; i++) {
        stacks[i] = stack_get(&pool, 0);
        CHECK(stacks[i] != NULL);
        stacks[i]->top[-1] = 1;
    }
}

/* The kernel refuses all of the guard, and nothing beside it. */
static void check_guarded(const struct stack *s)
{
    const char *guard = s->low - stack_guard_size();
    CHECK_EQ(kernel_reads(guard), -EFAULT);
    CHECK_EQ(kernel_reads(guard + stack_guard_size() / 2), -EFAULT);
    CHECK_EQ(kernel_reads(s->low - 1), -EFAULT);
    CHECK_EQ(kernel_reads(s->low), 1);
    CHECK_EQ(kernel_reads(s->top - 1), 1);
    CHECK(stack_guards(s, guard));
    CHECK(stack_guards(s, s->low - 1));
    CHECK(!stack_guards(s, s->low));
    CHECK(!stack_guards(s, guard - 1));
}

static bool light_guards_exist(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    bool exist = madvise(p, 4096, 102) == 0 && kernel_reads(p) == -EFAULT;
    munmap(p, 8192);
#ifdef CRESS_ASAN
    exist = false; /* not used there: the leak checker would run into them */
#endif
    return exist && getenv("CRESS_DISABLE") == NULL;
}

#define NEEDS_LIGHT_GUARDS                                                                  \
    do {                                                                                    \
        if (!light_guards_exist()) {                                                        \
            printf("skipped: no light guards here (kernel before 6.13, emulated, ASan, or " \
                   "disabled)\n");                                                          \
            skip();                                                                         \
        }                                                                                   \
    } while (0)

/* --- which guard: once per process, so each in a process of its own, and before all others -- */

static void in_child(void (*function)(void *))
{
    struct child_result result;
    child_run(function, NULL, 20000, &result);
    if (result.signal != 0 || result.status != 0 || result.timed_out)
        fail_msg("%s: %s", child_words(&result), result.error);
}

static void takes_one_with_guards_disabled(void *argument)
{
    (void)argument;
    setenv("CRESS_DISABLE", "uring,guard", 1);
    take(1);
    CHECK_EQ(stack_guard(stacks[0]), STACK_MPROTECT);
    check_guarded(stacks[0]);
}

static void light_guards_can_be_switched_off(void **state)
{
    (void)state;
    in_child(takes_one_with_guards_disabled);
}

static const char *in_the_way;

static void takes_two_with_something_in_the_way(void *argument)
{
    (void)argument;
    /* The first mmap is for the slab, the first madvise about huge pages. */
    int which = in_the_way[0] == 'm' ? 2 : 1;
    calls_fail(in_the_way, which, which);
    take(1);
    CHECK_GE(calls_end(), which);
    CHECK_EQ(stack_guard(stacks[0]), STACK_MPROTECT);
    check_guarded(stacks[0]);
    take(1);
    CHECK_EQ(stack_guard(stacks[0]), STACK_LIGHT);
    check_guarded(stacks[0]);
}

static void a_proof_that_could_not_be_made_is_made_later(void **state)
{
    (void)state;
    NEEDS_LIGHT_GUARDS;
    static const char *const names[] = { "mmap", "madvise", "pipe2", "write" };
    for (int i = 0; i < 4; i++) {
        in_the_way = names[i];
        in_child(takes_two_with_something_in_the_way);
    }
}

/* --- light --------------------------------------------------------------------------------- */

static void light_guards_are_proved_by_use(void **state)
{
    (void)state;
    NEEDS_LIGHT_GUARDS;
    take(MANY);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(stack_guard(stacks[i]), STACK_LIGHT);
    for (int i = 0; i < MANY; i += 64)
        check_guarded(stacks[i]);
    check_guarded(stacks[MANY - 1]);
}

static void a_slab_with_light_guards_is_one_mapping(void **state)
{
    (void)state;
    NEEDS_LIGHT_GUARDS;
    take(1);
    calls_count("mmap");
    take(MANY);
    size_t slabs = (size_t)calls_end() + 1;
    CHECK_LE(slabs, 30);
    size_t pitch = (size_t)(stacks[1]->low - stacks[0]->low), mappings = 0;
    char *low = stacks[0]->low - stack_guard_size(), *high = low;
    for (int i = 0; i < MANY; i++) {
        if (stacks[i]->low - stack_guard_size() != high) {
            mappings += mappings_in(low, high);
            low = stacks[i]->low - stack_guard_size();
        }
        high = stacks[i]->low - stack_guard_size() + pitch;
    }
    mappings += mappings_in(low, high);
    CHECK_LE(mappings, slabs);
}

static void guards_survive_when_pages_are_given_back(void **state)
{
    (void)state;
    take(64);
    int kind = stack_guard(stacks[0]);
    for (int i = 0; i < 64; i++)
        stack_put(&pool, stacks[i]);
    CHECK_EQ(stack_trim_all(&pool), 64);
    for (int i = 0; i < 64; i++) {
        CHECK_EQ(stack_guard(stacks[i]), kind);
        CHECK_EQ(pages_resident(stacks[i]->low, stacks[i]->top), 0);
        check_guarded(stacks[i]);
    }
    stack_trim(stacks[0], stacks[0]->top);
    check_guarded(stacks[0]);
}

static void a_light_guard_that_fails_is_replaced(void **state)
{
    (void)state;
    NEEDS_LIGHT_GUARDS;
    take(1);
    calls_fail("madvise", 1, 1);
    take(2);
    CHECK_EQ(calls_end(), 2);
    CHECK_EQ(stack_guard(stacks[0]), STACK_MPROTECT);
    CHECK_EQ(stack_guard(stacks[1]), STACK_LIGHT);
    check_guarded(stacks[0]);
    check_guarded(stacks[1]);
}

/* --- mprotect ------------------------------------------------------------------------------ */

static void guards_by_mprotect_stand_in(void **state)
{
    (void)state;
    cress__stack_best_guard = STACK_MPROTECT;
    take(100);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(stack_guard(stacks[i]), STACK_MPROTECT);
        check_guarded(stacks[i]);
    }
}

static int count(int n, int kind)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found += stack_guard(stacks[i]) == kind;
    return found;
}

static void guards_by_mprotect_take_half_of_the_mappings_at_most(void **state)
{
    (void)state;
    cress__stack_best_guard = STACK_MPROTECT;
    cress__stack_map_limit = 400; /* each guard makes two, so 100 guards make 200 */
    take(300);
    CHECK_EQ(count(300, STACK_MPROTECT), 100);
    CHECK_EQ(count(300, STACK_CANARY), 200);

    /* They count for the process, and what a pool had is there again when it has gone. */
    struct stack_pool other;
    stack_pool_init(&other);
    CHECK_EQ(stack_guard(stack_get(&other, 0)), STACK_CANARY);
    stack_pool_done(&pool);
    CHECK_EQ(stack_guard(stack_get(&other, 0)), STACK_MPROTECT);
    stack_pool_done(&other);
    take(300);
    CHECK_EQ(count(300, STACK_MPROTECT), 100);
}

static void twenty_thousand_guards_leave_the_process_its_mappings(void **state)
{
    (void)state;
    cress__stack_best_guard = STACK_MPROTECT;
    for (int i = 0; i < 20000; i++)
        CHECK(stack_get(&pool, 0) != NULL);
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    munmap(p, 4096);
}

static void a_guard_by_mprotect_that_fails_is_replaced(void **state)
{
    (void)state;
    cress__stack_best_guard = STACK_MPROTECT;
    cress__stack_map_limit = 16; /* 4 guards */
    calls_fail("mprotect", 1, 3);
    take(10);
    calls_end();
    CHECK_EQ(count(3, STACK_CANARY), 3);
    CHECK_EQ(count(10, STACK_MPROTECT), 4); /* the failed ones are not counted */
}

/* --- canary -------------------------------------------------------------------------------- */

static size_t resident_set(void)
{
    unsigned long mapped, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    CHECK(statm != NULL);
    CHECK_EQ(fscanf(statm, "%lu %lu", &mapped, &resident), 2);
    fclose(statm);
    return resident;
}

static void an_undamaged_canary_is_silent_and_costs_no_memory(void **state)
{
    (void)state;
    cress__stack_best_guard = STACK_CANARY;
    take(1000);
    CHECK_EQ(count(1000, STACK_CANARY), 1000);
    for (int i = 0; i < 10; i++)
        memset(stacks[i]->low, 0xff, (size_t)(stacks[i]->top - stacks[i]->low));
    size_t before = resident_set();
    for (int i = 0; i < 1000; i++)
        stack_put(&pool, stacks[i]);
#ifndef CRESS_TSAN /* which notes each word that was read */
    CHECK_LT(resident_set(), before + 500);
#else
    CHECK_LT(resident_set(), before + 5000);
#endif
}

static bool canary_named;

static bool names_the_coroutine(const void *address, char *line, size_t size)
{
    if (!canary_named || !stack_guards(stacks[0], address))
        return false;
    snprintf(line, size, "overflow of the coroutine at work\n");
    return true;
}

static size_t below;

static void damages_a_canary(void *argument)
{
    (void)argument;
    cress__stack_best_guard = STACK_CANARY;
    signal(SIGABRT, SIG_DFL);
    overflow_set_locate(names_the_coroutine);
    take(1);
    stacks[0]->low[-(ptrdiff_t)below] = 1;
    stack_put(&pool, stacks[0]);
}

static void a_damaged_canary_is_told_when_the_stack_is_put_back(void **state)
{
    (void)state;
    struct child_result result;
    canary_named = false;
    for (below = 1; below <= 256; below = below * 2 + 1) {
        child_run(damages_a_canary, NULL, 20000, &result);
        CHECK_EQ(result.signal, SIGABRT);
        CHECK(strstr(result.error, "cress: stack overflow") != NULL);
    }
    canary_named = true;
    below = 1;
    child_run(damages_a_canary, NULL, 20000, &result);
    CHECK_EQ(result.signal, SIGABRT);
    CHECK(strstr(result.error, "overflow of the coroutine at work\n") != NULL);
    CHECK(strstr(result.error, "cress: stack overflow") == NULL);
}

/* --- threads ------------------------------------------------------------------------------- */

static void *takes_stacks(void *argument)
{
    (void)argument;
    struct stack_pool own;
    stack_pool_init(&own);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 200; i++)
            CHECK(stack_get(&own, 0) != NULL);
        stack_pool_done(&own);
    }
    return NULL;
}

static void threads_count_their_guards_together(void **state)
{
    (void)state;
    cress__stack_best_guard = STACK_MPROTECT;
    cress__stack_map_limit = 1000;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, takes_stacks, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    take(300);
    CHECK_EQ(count(300, STACK_MPROTECT), 250);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(light_guards_can_be_switched_off),
        TEST(a_proof_that_could_not_be_made_is_made_later),
        TEST(light_guards_are_proved_by_use),
        TEST(a_slab_with_light_guards_is_one_mapping),
        TEST(guards_survive_when_pages_are_given_back),
        TEST(a_light_guard_that_fails_is_replaced),
        TEST(guards_by_mprotect_stand_in),
        TEST(guards_by_mprotect_take_half_of_the_mappings_at_most),
        TEST(twenty_thousand_guards_leave_the_process_its_mappings),
        TEST(a_guard_by_mprotect_that_fails_is_replaced),
        TEST(an_undamaged_canary_is_silent_and_costs_no_memory),
        TEST(a_damaged_canary_is_told_when_the_stack_is_put_back),
        TEST(threads_count_their_guards_together),
    };
    return RUN_TESTS(tests);
}
