/* cmocka.h - the words of cmocka our tests use, for builds that cannot have cmocka.
 *
 * Debian has the library for the machine it runs on only; the cross-built tests of ctx and coro
 * include this instead. Same names, same meaning: a failed assertion leaves the test by longjmp,
 * the others still run, and the number of failed tests is returned.
 */
#ifndef CRESS_CROSS_CMOCKA_H
#define CRESS_CROSS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    CMFixtureFunction setup_func;
    CMFixtureFunction teardown_func;
    void *initial_state;
};

#define cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, state) \
    {                                                                       \
#f, f, setup, teardown, state                                       \
    }
#define cmocka_unit_test_setup_teardown(f, setup, teardown) \
    cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, NULL)
#define cmocka_unit_test_setup(f, setup) cmocka_unit_test_setup_teardown(f, setup, NULL)
#define cmocka_unit_test_teardown(f, teardown) cmocka_unit_test_setup_teardown(f, NULL, teardown)
#define cmocka_unit_test_prestate(f, state) \
    cmocka_unit_test_prestate_setup_teardown(f, NULL, NULL, state)
#define cmocka_unit_test(f) cmocka_unit_test_setup_teardown(f, NULL, NULL)

enum cross_end { CROSS_FAILED = 1, CROSS_SKIPPED = 2 };

static jmp_buf cross_end;

/* Not every program uses every word. */
#define CROSS_UNUSED __attribute__((unused))

CROSS_UNUSED static _Noreturn void cross_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

CROSS_UNUSED static _Noreturn void cross_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: error: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    longjmp(cross_end, CROSS_FAILED);
}

CROSS_UNUSED static _Noreturn void cross_skip(const char *file, int line)
{
    fprintf(stderr, "%s:%d: skipped\n", file, line);
    longjmp(cross_end, CROSS_SKIPPED);
}

CROSS_UNUSED static void cross_numbers(const char *file, int line, const char *text, int holds,
                                       long long left, long long right)
{
    if (!holds) {
        cross_fail(file, line, "%s: %lld (%#llx), %lld (%#llx)", text, left,
                   (unsigned long long)left, right, (unsigned long long)right);
    }
}

CROSS_UNUSED static void cross_strings(const char *file, int line, const char *text, int same,
                                       const char *left, const char *right)
{
    if ((strcmp(left, right) == 0) != same) {
        cross_fail(file, line, "%s: \"%s\", \"%s\"", text, left, right);
    }
}

CROSS_UNUSED static int cross_one(const struct CMUnitTest *test)
{
    void *state = test->initial_state;
    printf("[ RUN      ] %s\n", test->name);
    int how = setjmp(cross_end);
    if (how == 0) {
        if (test->setup_func != NULL && test->setup_func(&state) != 0) {
            fprintf(stderr, "%s: set-up failed\n", test->name);
            return 1;
        }
        test->test_func(&state);
    }
    if (test->teardown_func != NULL && test->teardown_func(&state) != 0) {
        fprintf(stderr, "%s: tear-down failed\n", test->name);
        how = CROSS_FAILED;
    }
    printf("[ %s ] %s\n",
           how == 0               ? "      OK"
           : how == CROSS_SKIPPED ? " SKIPPED"
                                  : "  FAILED",
           test->name);
    return how == CROSS_FAILED;
}

CROSS_UNUSED static int cross_run(const struct CMUnitTest *tests, size_t count,
                                  CMFixtureFunction setup, CMFixtureFunction teardown)
{
    void *state = NULL;
    if (setup != NULL && setup(&state) != 0) {
        fprintf(stderr, "the group's set-up failed\n");
        return 1;
    }
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        failed += cross_one(&tests[i]);
        fflush(stdout);
    }
    if (teardown != NULL && teardown(&state) != 0) {
        fprintf(stderr, "the group's tear-down failed\n");
        failed++;
    }
    printf("%zu tests, %d failed\n", count, failed);
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown) \
    cross_run(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
    ((void)(name), cmocka_run_group_tests(tests, setup, teardown))

#define CROSS_NUMBERS(a, sign, b)                                                             \
    do {                                                                                      \
        long long cross_a = (long long)(a), cross_b = (long long)(b);                         \
        cross_numbers(__FILE__, __LINE__, #a " " #sign " " #b, cross_a sign cross_b, cross_a, \
                      cross_b);                                                               \
    } while (0)

#define assert_true(x) cross_numbers(__FILE__, __LINE__, #x, !!(x), 0, 1)
#define assert_false(x) cross_numbers(__FILE__, __LINE__, "!(" #x ")", !(x), 1, 0)
#define assert_int_equal(a, b) CROSS_NUMBERS(a, ==, b)
#define assert_int_not_equal(a, b) CROSS_NUMBERS(a, !=, b)
#define assert_ptr_equal(a, b) CROSS_NUMBERS(a, ==, b)
#define assert_ptr_not_equal(a, b) CROSS_NUMBERS(a, !=, b)
#define assert_null(p) CROSS_NUMBERS(p, ==, 0)
#define assert_non_null(p) CROSS_NUMBERS(p, !=, 0)
#define assert_in_range(x, low, high)                                  \
    do {                                                               \
        unsigned long long cross_x = (unsigned long long)(x);          \
        cross_numbers(__FILE__, __LINE__, #x " in " #low " to " #high, \
                      cross_x >= (unsigned long long)(low) &&          \
                          cross_x <= (unsigned long long)(high),       \
                      (long long)(x), (long long)(high));              \
    } while (0)
#define assert_not_in_range(x, low, high)                                                      \
    do {                                                                                       \
        unsigned long long cross_x = (unsigned long long)(x);                                  \
        cross_numbers(__FILE__, __LINE__, #x " not in " #low " to " #high,                     \
                      cross_x<(unsigned long long)(low) || cross_x>(unsigned long long)(high), \
                      (long long)(x), (long long)(high));                                      \
    } while (0)
#define assert_return_code(x, error) \
    cross_numbers(__FILE__, __LINE__, #x " >= 0", (long long)(x) >= 0, (long long)(x), error)
#define assert_string_equal(a, b) cross_strings(__FILE__, __LINE__, #a " == " #b, 1, a, b)
#define assert_string_not_equal(a, b) cross_strings(__FILE__, __LINE__, #a " != " #b, 0, a, b)
#define assert_memory_equal(a, b, size) \
    cross_numbers(__FILE__, __LINE__, #a " == " #b, memcmp(a, b, size) == 0, 0, 0)
#define assert_memory_not_equal(a, b, size) \
    cross_numbers(__FILE__, __LINE__, #a " != " #b, memcmp(a, b, size) != 0, 0, 0)

#define fail() cross_fail(__FILE__, __LINE__, "fail()")
#define fail_msg(...) cross_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip() cross_skip(__FILE__, __LINE__)
#define print_message printf
#define print_error(...) fprintf(stderr, __VA_ARGS__)

#endif
