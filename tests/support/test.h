/* test - what a test program of the suite includes, and how its main() ends.
 *
 *     #include "support/test.h"
 *
 *     static void a_closed_queue_refuses_puts(void **state) { ... }
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {
 *             cmocka_unit_test(a_closed_queue_refuses_puts),
 *         };
 *         return RUN_TESTS(tests);
 *     }
 *
 * RUN_TESTS also fails when the tests together left a file descriptor open or a block of the
 * library's memory allocated. A program whose hub lives on to the end destroys it in its last test
 * or hands its own tear-down to cmocka_run_group_tests and goes without.
 */
#ifndef SUPPORT_TEST_H
#define SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/check.h"

#define RUN_TESTS(tests) tests_left(cmocka_run_group_tests(tests, tests_begin, NULL))

/** Group set-up: remember what is open and allocated. */
int tests_begin(void **state);

/** failed, plus what is left now that was not there at tests_begin. */
int tests_left(int failed);

#endif
