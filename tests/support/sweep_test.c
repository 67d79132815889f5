/* The sweep itself: it finds every kind of wrong outcome, at the right point, and no other. */
#include "support/test.h"
#include "support/child.h"
#include "support/sweep.h"
#include "base/alloc.h"
#include "base/sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two blocks and an fd, all given back whatever fails. */
static void careful(void)
{
    void *a = cress__malloc(1);
    int fd = sys_eventfd2(0, 0);
    void *b = fd < 0 ? NULL : cress__malloc(1);
    CHECK((a != NULL && fd >= 0 && b != NULL) || sweep_met_fault());
    cress__free(b);
    if (fd >= 0) {
        sys_close(fd);
    }
    cress__free(a);
}

static void forgets_a_block(void)
{
    void *a = cress__malloc(1);
    void *b = cress__malloc(1);
    if (b == NULL) {
        return;
    }
    cress__free(a);
    cress__free(b);
}

static void forgets_an_fd(void)
{
    int fd = sys_eventfd2(0, 0);
    void *a = cress__malloc(1);
    if (a == NULL) {
        return;
    }
    cress__free(a);
    if (fd >= 0) {
        sys_close(fd);
    }
}

static void does_not_look(void)
{
    char *a = cress__malloc(1);
    *a = 1;
    cress__free(a);
}

static void waits_for_ever(void)
{
    void *a = cress__malloc(1);
    while (a == NULL) {
        sys_poll(NULL, 0, NULL);
    }
    cress__free(a);
}

static void ends_the_process(void)
{
    void *a = cress__malloc(1);
    if (a == NULL) {
        exit(0);
    }
    cress__free(a);
}

static void leaks_always(void)
{
    void *volatile a = cress__malloc(1);
    (void)a;
}

static void meets_nothing(void) {}

/* The second try hides what one failure does. */
static void tries_twice(void)
{
    char *a = cress__malloc(1);
    if (a == NULL) {
        a = cress__malloc(1);
    }
    *a = 1;
    cress__free(a);
}

struct sweep_case {
    void (*scenario)(void);
    int wrong;
    const char *says;
};

static void sweep_in_child(void *argument)
{
    const struct sweep_case *c = argument;
    if (strstr(c->says, "did not end in time") != NULL)
        sweep_limit_ms = 200; /* no need to wait for that long */
    exit(fault_sweep("case", c->scenario));
}

static void sweep_pairs_in_child(void *argument)
{
    static const char *const points[] = { "malloc", NULL };
    const struct sweep_case *c = argument;
    exit(fault_sweep_pairs("case", c->scenario, points));
}

static void sweep_and_expect(void (*how)(void *), struct sweep_case *c)
{
    struct child_result result;
    child_run(how, c, 30000, &result);
    assert_int_equal(result.signal, 0);
    assert_int_equal(result.status, c->wrong);
    if (strstr(result.error, c->says) == NULL) {
        fail_msg("\"%s\" is missing in: %s", c->says, result.error);
    }
}

static void a_scenario_that_gives_everything_back_passes(void **state)
{
    (void)state;
    sweep_and_expect(sweep_in_child, &(struct sweep_case){ careful, 0, "" });
}

static void each_wrong_outcome_is_told_with_its_point(void **state)
{
    (void)state;
    struct sweep_case cases[] = {
        { forgets_a_block, 1, "point 2 (malloc) failed: 0 fds and 1 blocks of memory left" },
        { forgets_an_fd, 1, "point 2 (malloc) failed: 1 fds and 0 blocks of memory left" },
        { waits_for_ever, 1, "point 1 (malloc) failed: the scenario did not end in time" },
        { ends_the_process, 1, "exit status 0 in the middle of it" },
        { leaks_always, 1, "case: without any fault: 0 fds and 1 blocks of memory left" },
        { meets_nothing, 1, "nothing to fail" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sweep_and_expect(sweep_in_child, &cases[i]);
    }
}

static void a_crash_is_told_with_its_point(void **state)
{
    (void)state;
    /* Sanitizers end the process in their own way: no signal in the text. */
    sweep_and_expect(
        sweep_in_child,
        &(struct sweep_case){ does_not_look, 1, "point 1 (malloc) failed: the scenario ended " });
}

static void a_pair_finds_what_one_failure_does_not(void **state)
{
    (void)state;
    sweep_and_expect(sweep_in_child, &(struct sweep_case){ tries_twice, 0, "" });
    sweep_and_expect(
        sweep_pairs_in_child,
        &(struct sweep_case){ tries_twice, 1, "point 1 (malloc) failed and the next (malloc): " });
}

static void a_pair_counts_only_the_points_named(void **state)
{
    (void)state;
    sweep_and_expect(sweep_pairs_in_child, &(struct sweep_case){ careful, 0, "" });
    sweep_and_expect(sweep_pairs_in_child,
                     &(struct sweep_case){ forgets_an_fd, 1, "point 1 (malloc) failed: 1 fds" });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scenario_that_gives_everything_back_passes),
        cmocka_unit_test(each_wrong_outcome_is_told_with_its_point),
        cmocka_unit_test(a_crash_is_told_with_its_point),
        cmocka_unit_test(a_pair_finds_what_one_failure_does_not),
        cmocka_unit_test(a_pair_counts_only_the_points_named),
    };
    return RUN_TESTS(tests);
}
