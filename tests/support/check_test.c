/* The checks themselves: they fail when they must, and say where and why. */
#include "support/test.h"
#include "support/child.h"

#include <signal.h>
#include <string.h>

static void failing_number(void *unused)
{
    (void)unused;
    CHECK_EQ(-13, 7u);
}

static void failing_order(void *unused)
{
    (void)unused;
    CHECK_LT(UINT64_C(3), 2);
}

static void failing_sign(void *unused)
{
    (void)unused;
    CHECK_EQ(-1, 0xffffffffu);
}

static void failing_text(void *unused)
{
    (void)unused;
    CHECK_STR("1A 2A", NULL);
}

static void failing_bytes(void *unused)
{
    (void)unused;
    CHECK_MEM("abc", "abd", 3);
}

static void failing_truth(void *unused)
{
    CHECK(unused != NULL);
}

static void a_check_that_fails_prints_place_and_values_and_aborts(void **state)
{
    (void)state;
    static const struct {
        void (*function)(void *);
        const char *says[3];
    } cases[] = {
        { failing_number, { "failing_number: failed: -13 == 7u", "left  -13", "right 7" } },
        { failing_order, { "UINT64_C(3) < 2", "left  3", "right 2" } },
        { failing_sign, { "-1 == 0xffffffffu", "left  -1", "right 4294967295" } },
        { failing_text, { "failed: \"1A 2A\" == NULL", "left  \"1A 2A\"", "right \"(NULL)\"" } },
        { failing_bytes, { "byte 2 of 3", "'c'", "'d'" } },
        { failing_truth, { "check_test.c:", "failing_truth", "unused != NULL" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct child_result result;
        child_run(cases[i].function, NULL, 5000, &result);
        assert_int_equal(result.signal, SIGABRT);
        for (size_t k = 0; k < 3; k++) {
            if (strstr(result.error, cases[i].says[k]) == NULL) {
                fail_msg("\"%s\" is missing in: %s", cases[i].says[k], result.error);
            }
        }
    }
}

static void a_check_that_holds_is_silent(void **state)
{
    (void)state;
    int evaluated = 0;
    CHECK_EQ(++evaluated, 1);
    CHECK_EQ(evaluated, 1);
    CHECK_EQ(state, state);
    CHECK_EQ(INT64_MIN, INT64_MIN);
    CHECK_EQ(UINT64_MAX, UINT64_MAX);
    CHECK_NE(1, 2);
    CHECK_LT(-1, 0);
    CHECK_LE(-1, -1);
    CHECK_GT(true, false);
    CHECK_GE('b', 'a');
    CHECK_STR("a", "a");
    CHECK_STR(NULL, NULL);
    CHECK_MEM("ab", "ac", 1);
    CHECK(1.5 > 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_that_fails_prints_place_and_values_and_aborts),
        cmocka_unit_test(a_check_that_holds_is_silent),
    };
    return RUN_TESTS(tests);
}
