/* Children with a limit, and the count of what is open: what the sweep and others stand on. */
#include "support/test.h"
#include "support/child.h"
#include "support/fds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void return_quietly(void *unused)
{
    (void)unused;
}

static void write_and_exit(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5000; i++) {
        fputc('.', stderr);
    }
    fputs("the end", stderr);
    exit(3);
}

/* With a child of its own that would outlive it. */
static void hang(void *pipe_end)
{
    if (fork() == 0) {
        pause();
    }
    close(*(int *)pipe_end);
    pause();
}

static void leave_a_pipe_open(void *unused)
{
    (void)unused;
    struct fds before;
    int ends[2];
    fds_mark(&before);
    if (pipe(ends) != 0) {
        exit(9);
    }
    close(ends[0]);
    exit((int)fds_leaked(&before));
}

static void a_child_that_returns_ends_with_zero(void **state)
{
    (void)state;
    struct child_result result;
    child_run(return_quietly, NULL, 5000, &result);
    assert_false(result.timed_out);
    assert_int_equal(result.signal, 0);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.error, "");
}

static void status_and_the_end_of_stderr_are_kept(void **state)
{
    (void)state;
    struct child_result result;
    child_run(write_and_exit, NULL, 5000, &result);
    assert_int_equal(result.status, 3);
    size_t length = strlen(result.error);
    assert_int_equal(length, sizeof result.error - 1);
    assert_string_equal(result.error + length - 8, ".the end");
}

static void a_child_that_hangs_is_killed_and_its_children_too(void **state)
{
    (void)state;
    struct child_result result;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    child_run(hang, &ends[1], 100, &result);
    assert_true(result.timed_out);
    assert_int_equal(result.signal, SIGKILL);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* the end: no process holds the other side */
    close(ends[0]);
}

static void an_fd_left_open_is_counted_and_named(void **state)
{
    (void)state;
    struct child_result result;
    child_run(leave_a_pipe_open, NULL, 5000, &result);
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.error, "was left open: pipe:["));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_returns_ends_with_zero),
        cmocka_unit_test(status_and_the_end_of_stderr_are_kept),
        cmocka_unit_test(a_child_that_hangs_is_killed_and_its_children_too),
        cmocka_unit_test(an_fd_left_open_is_counted_and_named),
    };
    return RUN_TESTS(tests);
}
