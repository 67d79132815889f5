/* How much stack greenlets used, by their names. */
#include "support/test.h"
#include "base/fault.h"
#include "hub/apart.h"

#include <cress.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    LITTLE = 1024,
    MUCH = 24 * 1024, /* of the 46 KiB that each has */
    EXACT = 8 * 1024, /* what the figure may be above: two pages, */
    FRAMES = 8 * 1024 /* and what cress's own frames need where they are instrumented */
};

static int begin(void **state)
{
    (void)state;
    cress_stack_marks_enable(true);
    return 0;
}

static int end(void **state)
{
    (void)state;
    cress_stack_marks_enable(false);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

/* Write so much of the stack. */
__attribute__((noinline)) static void use(size_t bytes)
{
    char frame[bytes];
    memset(frame, 'x', bytes);
    __asm__ volatile("" : : "r"(frame) : "memory");
}

static void *uses(void *bytes)
{
    use((size_t)bytes);
    return NULL;
}

static void *uses_later(void *bytes)
{
    cress_yield();
    return uses(bytes);
}

static void run(const char *name, cress_fn fn, size_t bytes)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    cress_greenlet *g;
    o.name = name;
    CHECK_EQ(cress_spawn_with(&o, fn, (void *)bytes, &g), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static cress_stack_mark mark_of(const char *name)
{
    static cress_stack_mark marks[CRESS_STACK_MARKS_MAX + 1];
    ssize_t n = cress_stack_marks(marks, sizeof marks / sizeof *marks);
    for (ssize_t i = 0; i < n; i++)
        if (strcmp(marks[i].name, name) == 0)
            return marks[i];
    return (cress_stack_mark){ 0 };
}

static void check_peak(const cress_stack_mark *mark, size_t used)
{
    CHECK_GE(mark->peak, used);
    CHECK_LE(mark->peak, used + EXACT + FRAMES);
}

static void a_greenlet_that_ends_leaves_its_peak_under_its_name(void **state)
{
    (void)state;
    run("worker", uses, MUCH);
    cress_stack_mark mark = mark_of("worker");
    check_peak(&mark, MUCH);
    CHECK_EQ(mark.ended, 1);
    CHECK_GE(mark.stack_size, 46 * 1024);
    CHECK_LT(mark.peak, mark.stack_size);
    CHECK_EQ(cress_stack_marks(NULL, 0), 1);
}

static void of_several_the_deepest_counts_and_what_it_had(void **state)
{
    (void)state;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.name = "worker";
    o.stack_size = 200 * 1024;
    run("worker", uses, LITTLE);
    CHECK_EQ(cress_spawn_with(&o, uses, (void *)(size_t)(100 * 1024), NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    run("worker", uses, MUCH);
    cress_stack_mark mark = mark_of("worker");
    check_peak(&mark, 100 * 1024);
    CHECK_GE(mark.stack_size, 200 * 1024);
    CHECK_EQ(mark.ended, 3);
}

static void what_earlier_owners_of_the_stack_used_is_not_its_own(void **state)
{
    (void)state;
    run(NULL, uses, MUCH);
    run("modest", uses, LITTLE);
    cress_stack_mark mark = mark_of("modest");
    check_peak(&mark, LITTLE);
    run("greedy", uses, MUCH);
    run("modest", uses_later, LITTLE);
    mark = mark_of("modest");
    check_peak(&mark, LITTLE);
    CHECK_EQ(mark.ended, 2);
}

static void *names_itself(void *arg)
{
    char name[] = "a name that is longer than the 31 bytes that are kept";
    CHECK_EQ(cress_set_name(cress_current(), name), 0);
    memset(name, 0, sizeof name);
    return uses(arg);
}

static void one_that_names_itself_counts_under_a_copy_of_that_name(void **state)
{
    (void)state;
    run(NULL, uses, MUCH);
    run("first name", names_itself, LITTLE);
    cress_stack_mark mark = mark_of("a name that is longer than the ");
    check_peak(&mark, LITTLE);
    CHECK_EQ(mark.ended, 1);
    CHECK_EQ(mark_of("first name").ended, 0);
}

static void *waits(void *arg)
{
    cress_sleep(CRESS_US(10));
    return uses(arg);
}

static void those_without_a_name_and_those_that_never_ran_do_not_count(void **state)
{
    (void)state;
    run(NULL, uses, MUCH);
    run("", uses, MUCH);
    run(NULL, waits, MUCH); /* has a timer, and no name */
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.name = "never";
    o.delay = CRESS_FOREVER;
    CHECK_EQ(cress_spawn_with(&o, uses, NULL, NULL), 0);
    CHECK_EQ(cress_set_name(cress_main(), "main has a stack of its own"), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(cress_stack_marks(NULL, 0), 0);
}

static void names_come_in_their_order_and_no_more_than_asked_for_are_written(void **state)
{
    (void)state;
    run("c", uses, LITTLE);
    run("a", uses, LITTLE);
    run("b", uses, LITTLE);
    cress_stack_mark marks[4];
    memset(marks, 'x', sizeof marks);
    CHECK_EQ(cress_stack_marks(marks, 2), 3);
    CHECK_STR(marks[0].name, "c");
    CHECK_STR(marks[1].name, "a");
    CHECK_EQ(marks[2].name[0], 'x');
    CHECK_EQ(cress_stack_marks(marks, 4), 3);
    CHECK_STR(marks[2].name, "b");
    CHECK_EQ(marks[3].name[0], 'x');
    CHECK_EQ(cress_stack_marks(NULL, 1), -EINVAL);
}

static void names_beyond_the_limit_count_together(void **state)
{
    (void)state;
    enum { TOO_MANY = 100 };
    char name[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < CRESS_STACK_MARKS_MAX + TOO_MANY; i++) {
            snprintf(name, sizeof name, "%d", i);
            run(name, uses, i == CRESS_STACK_MARKS_MAX + 5 ? MUCH : LITTLE);
        }
    CHECK_EQ(cress_stack_marks(NULL, 0), CRESS_STACK_MARKS_MAX + 1);
    for (int i = 0; i < CRESS_STACK_MARKS_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        CHECK_EQ(mark_of(name).ended, 2);
    }
    cress_stack_mark others = mark_of(CRESS_STACK_MARKS_OTHERS);
    CHECK_EQ(others.ended, 2 * TOO_MANY);
    check_peak(&others, MUCH);
}

static void nothing_is_kept_while_it_is_off_and_starting_again_begins_anew(void **state)
{
    (void)state;
    run("one", uses, LITTLE);
    cress_stack_marks_enable(true); /* it is on: no new start */
    CHECK_EQ(mark_of("one").ended, 1);
    cress_stack_marks_enable(false);
    run("two", uses, LITTLE);
    CHECK_EQ(cress_stack_marks(NULL, 0), 1);
    CHECK_EQ(mark_of("one").ended, 1); /* still to be read */
    cress_stack_marks_enable(true);
    CHECK_EQ(cress_stack_marks(NULL, 0), 0);
    run("one", uses, LITTLE);
    CHECK_EQ(mark_of("one").ended, 1);
}

enum { THREADS = 4, EACH = 100 };

static void in_a_thread(void)
{
    for (int i = 0; i < EACH; i++) {
        run("shared", uses_later, LITTLE);
        run(i % 2 ? "odd" : "even", uses, LITTLE);
    }
}

static void all_threads_count_in_one_place(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    void (*fn)(void) = in_a_thread;
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, apart_call, &fn), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(cress_stack_marks(NULL, 0), 3);
    CHECK_EQ(mark_of("shared").ended, THREADS * EACH);
    CHECK_EQ(mark_of("odd").ended + mark_of("even").ended, THREADS * EACH);
}

static bool madvise_fails(const char *what)
{
    return strcmp(what, "madvise") == 0;
}

static void where_pages_cannot_be_given_back_it_still_counts(void **state)
{
    (void)state;
    run(NULL, uses, MUCH);
    cress__fault_hook = madvise_fails;
    run("unlucky", uses, LITTLE);
    cress__fault_hook = NULL;
    cress_stack_mark mark = mark_of("unlucky");
    CHECK_EQ(mark.ended, 1);
    CHECK_GE(mark.peak, MUCH); /* somebody else's */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_greenlet_that_ends_leaves_its_peak_under_its_name),
        TEST(of_several_the_deepest_counts_and_what_it_had),
        TEST(what_earlier_owners_of_the_stack_used_is_not_its_own),
        TEST(one_that_names_itself_counts_under_a_copy_of_that_name),
        TEST(those_without_a_name_and_those_that_never_ran_do_not_count),
        TEST(names_come_in_their_order_and_no_more_than_asked_for_are_written),
        TEST(names_beyond_the_limit_count_together),
        TEST(nothing_is_kept_while_it_is_off_and_starting_again_begins_anew),
        TEST(all_threads_count_in_one_place),
        TEST(where_pages_cannot_be_given_back_it_still_counts),
    };
    return RUN_TESTS_APART(tests);
}
