/* Others get their turn beside a greenlet that does not wait, whatever it does between its calls.
 * Time is the test's own and passes only where somebody computes, so lateness is exact. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "io/pairs.h"

#include <errno.h>
#include <stdio.h>

/* One that never waits: its calls, and how long it computes between them. */
struct busy {
    const char *name;
    void (*call)(struct busy *b);
    cress_time computes; /* in each round */
    int fds[2];
};

static bool over;
static cress_time late;

static void *runs_on(void *arg)
{
    struct busy *b = arg;
    for (int round = 0; !over; round++) {
        CHECK_LT(round, 1000000);
        clock_pass(b->computes);
        b->call(b);
    }
    return NULL;
}

static void *sleeps(void *arg)
{
    cress_time due = cress_now() + CRESS_MS(10);
    CHECK_EQ(cress_sleep(CRESS_MS(10)), 0);
    late = cress_now() - due;
    over = true;
    return arg;
}

static void yields(struct busy *b)
{
    (void)b;
    CHECK_EQ(cress_yield(), 0);
}

static void transfers(struct busy *b)
{
    char byte = 'x';
    CHECK_EQ(cress_write(b->fds[0], &byte, 1), 1);
    CHECK_EQ(cress_read(b->fds[1], &byte, 1), 1);
}

static void waits_for_what_is_ready(struct busy *b)
{
    CHECK_EQ(cress_wait_fd(b->fds[0], CRESS_OUT, CRESS_FOREVER), CRESS_OUT);
}

static void waits_for_cases(struct busy *b)
{
    cress_case ready = cress_on_fd(b->fds[0], CRESS_OUT);
    CHECK_EQ(cress_wait(&ready, 1, 1, CRESS_FOREVER, NULL), 1);
}

static void chooses(struct busy *b)
{
    cress_case ready = cress_on_fd(b->fds[0], CRESS_OUT);
    CHECK_EQ(cress_choose(&ready, 1, CRESS_FOREVER), 0);
}

/* A retry loop whose deadline has passed long ago. */
static void is_cancelled(struct busy *b)
{
    cress_timeout limit = { 0 };
    char byte;
    CHECK_EQ(cress_timeout_start(&limit, 0), 0);
    CHECK_EQ(cress_read(b->fds[0], &byte, 1), -ECANCELED);
    CHECK(cress_timeout_stop(&limit));
}

/* How late a timer is that starts together with it, after `before` yields in which no time passes
 * (in line with another one, since a yield alone is no switch). */
static cress_time lateness(struct busy *b, int before, int others)
{
    unix_pair(b->fds);
    over = false;
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0); /* what was before is forgotten */
    for (int i = 0; i < before; i++)
        CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_go(sleeps, NULL), 0);
    CHECK_EQ(cress_go(runs_on, b), 0);
    for (int i = 0; i < others; i++)
        CHECK_EQ(cress_go(runs_on, b), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_close(b->fds[0]), 0);
    CHECK_EQ(cress_close(b->fds[1]), 0);
    return late;
}

static void who_computes_long_between_its_yields_is_interrupted_at_once(void **state)
{
    (void)state;
    static const cress_time computes[] = { CRESS_US(200), CRESS_MS(1), CRESS_MS(5), CRESS_MS(20) };
    for (size_t i = 0; i < sizeof computes / sizeof computes[0]; i++)
        for (int others = 0; others < 10; others += 3) {
            struct busy b = { "yields", yields, computes[i], { -1, -1 } };
            /* Two ticks of the kernel and three steps until its time begins to count and has
             * passed, and then it is the turn of those in line. */
            CHECK_LE(lateness(&b, 0, others), CRESS_MS(9) + (3 + others + 1) * computes[i]);
        }
}

static void the_clock_is_read_ten_times_a_millisecond(void **state)
{
    (void)state;
    struct busy b = { "yields", yields, CRESS_US(40), { -1, -1 } };
    over = false;
    CHECK_EQ(cress_go(runs_on, &b), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(20)), 0); /* until they know how long the steps take */
    for (int i = 0; i < 10; i++) {
        cress_time due = cress_now() + CRESS_MS(1);
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK_LE(cress_now() - due, CRESS_US(400));
    }
    over = true;
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

static void *yields_without_computing(void *arg)
{
    for (int i = 0; i < 5000; i++)
        CHECK_EQ(cress_yield(), 0);
    return arg;
}

static void long_steps_after_many_short_ones_are_noticed_soon(void **state)
{
    (void)state;
    struct busy b = { "yields", yields, CRESS_MS(1), { -1, -1 } };
    CHECK_EQ(cress_go(yields_without_computing, NULL), 0);
    CHECK_LE(lateness(&b, 4000, 0), CRESS_MS(20));
}

static void calls_that_never_wait_let_others_run(void **state)
{
    (void)state;
    static const struct busy all[] = {
        { "transfers", transfers, CRESS_US(50), { -1, -1 } },
        { "waits_for_what_is_ready", waits_for_what_is_ready, CRESS_US(50), { -1, -1 } },
        { "waits_for_cases", waits_for_cases, CRESS_US(50), { -1, -1 } },
        { "chooses", chooses, CRESS_US(50), { -1, -1 } },
        { "is_cancelled", is_cancelled, CRESS_US(50), { -1, -1 } },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct busy b = all[i];
        cress_time t = lateness(&b, 0, 0), limit = CRESS_MS(10);
        if (t > limit)
            printf("        %s: late by %lld us\n", b.name, (long long)t / 1000);
        CHECK_LE(t, limit);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, clock_begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(who_computes_long_between_its_yields_is_interrupted_at_once),
        TEST(the_clock_is_read_ten_times_a_millisecond),
        TEST(long_steps_after_many_short_ones_are_noticed_soon),
        TEST(calls_that_never_wait_let_others_run),
    };
    return RUN_TESTS_APART(tests);
}
