/* <cress/base.h>: time that cannot overflow, names of errors, and an errno that is left alone. */
#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <limits.h>
#include <time.h>

static void the_clock_is_the_monotonic_one(void **state)
{
    (void)state;
    struct timespec t;
    cress_time before = cress_now();
    clock_gettime(CLOCK_MONOTONIC, &t);
    cress_time between = (cress_time)t.tv_sec * 1000000000 + t.tv_nsec, after = cress_now();
    CHECK_LE(before, between);
    CHECK_LE(between, after);
}

static void deadlines_and_what_is_left_of_them_do_not_overflow(void **state)
{
    (void)state;
    cress_time now = cress_now();
    CHECK_EQ(cress_deadline(CRESS_FOREVER), CRESS_FOREVER);
    CHECK_EQ(cress_deadline(CRESS_FOREVER - 1), CRESS_FOREVER);
    CHECK_EQ(cress_deadline(CRESS_FOREVER - now), CRESS_FOREVER); /* a little later than now */
    CHECK_GE(cress_deadline(CRESS_MS(5)), now + CRESS_MS(5));
    CHECK_LT(cress_deadline(CRESS_MS(5)), now + CRESS_SECONDS(60));
    CHECK_EQ(cress_left(CRESS_FOREVER), CRESS_FOREVER);
    CHECK_EQ(cress_left(now), 0);
    CHECK_EQ(cress_left(0), 0);
    CHECK_EQ(cress_left(INT64_MIN), 0); /* the difference does not fit */
    CHECK_GT(cress_left(now + CRESS_SECONDS(60)), 0);
    CHECK_LE(cress_left(now + CRESS_SECONDS(60)), CRESS_SECONDS(60));
    CHECK_GT(cress_left(CRESS_FOREVER - 1), CRESS_SECONDS(60));
    CHECK_LT(cress_left(CRESS_FOREVER - 1), CRESS_FOREVER);
}

static void units_are_nanoseconds(void **state)
{
    (void)state;
    CHECK_EQ(CRESS_US(3), 3000);
    CHECK_EQ(CRESS_MS(3), 3000000);
    CHECK_EQ(CRESS_SECONDS(3), 3000000000);
    CHECK_EQ(CRESS_SECONDS(9000000000), 9000000000000000000);
}

static void errors_have_their_symbolic_names(void **state)
{
    (void)state;
    CHECK_STR(cress_error_name(-ECANCELED), "ECANCELED");
    CHECK_STR(cress_error_name(ECANCELED), "ECANCELED");
    CHECK_STR(cress_error_name(-ETIMEDOUT), "ETIMEDOUT");
    CHECK_STR(cress_error_name(-EAGAIN), "EAGAIN");
    CHECK_STR(cress_error_name(99999), "?");
    CHECK_STR(cress_error_name(INT_MIN), "?");
    CHECK_STR(cress_error_name(INT_MAX), "?");
}

static void the_version_is_the_one_it_was_built_with(void **state)
{
    (void)state;
    CHECK_EQ(cress_version(), CRESS_VERSION);
    CHECK_EQ(CRESS_VERSION,
             CRESS_VERSION_MAJOR * 10000 + CRESS_VERSION_MINOR * 100 + CRESS_VERSION_PATCH);
}

static void *body(void *arg, void *value)
{
    (void)arg;
    return value;
}

#define kept() CHECK_EQ(errno, 4711) /* after each call, so that it is known which one it was */

static void errno_is_left_alone(void **state)
{
    (void)state;
    cress_loop *loop;
    cress_loop_options options = CRESS_LOOP_OPTIONS_INIT;
    cress_coro *co;
    cress_watch_io io = { 0 };
    errno = 4711;
    CHECK_EQ(cress_deadline(1) > 0, true);
    kept();
    CHECK_STR(cress_error_name(99999), "?");
    kept();
    CHECK_EQ(cress_loop_new(&options, &loop), 0);
    kept();
    CHECK_EQ(cress_watch_io_init(&io, loop, 12345, CRESS_IN, (cress_watch_fn)(uintptr_t)1, NULL),
             0);
    kept();
    CHECK_EQ(cress_watch_start(&io.watch), -EBADF);
    kept();
    CHECK_EQ(cress_loop_free(loop), 0);
    kept();
    CHECK_EQ(cress_coro_new(NULL, body, NULL, &co), 0);
    kept();
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
    kept();
    CHECK_EQ(cress_coro_free(co), 0);
    kept();
    char c;
    CHECK_EQ(cress_recv(-1, &c, 1, 0), -EBADF);
    kept();
    CHECK_EQ(cress_sleep(1), 0);
    kept();
    CHECK_EQ(cress_hub_destroy(0), 0);
    kept();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_is_the_monotonic_one),
        cmocka_unit_test(deadlines_and_what_is_left_of_them_do_not_overflow),
        cmocka_unit_test(units_are_nanoseconds),
        cmocka_unit_test(errors_have_their_symbolic_names),
        cmocka_unit_test(the_version_is_the_one_it_was_built_with),
        cmocka_unit_test(errno_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL); /* the thread keeps its record to its end */
}
