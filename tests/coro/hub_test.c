/* Raw coroutines and hooks where the hub switches: cress's own blocking calls. */
#include "loop/clock.h"

#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- hooks on every switch inside blocking calls (what a binding lives on) -------------------- */

static cress_coro *inside; /* by what the hooks said */
static int left, entered;

static void on_leave(cress_coro *co, void *user)
{
    (void)user;
    CHECK_EQ(co, inside);
    CHECK_EQ(cress_yield(), -EPERM); /* must not block */
    inside = NULL;
    left++;
}

static void on_enter(cress_coro *co, void *user)
{
    (void)user;
    CHECK_EQ(inside, NULL);
    inside = co;
    entered++;
}

static const cress_switch_hooks hooks = { .leave = on_leave, .enter = on_enter };

static void silent(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
}

static int sockets[2];

static void check_inside(void)
{
    CHECK_EQ(cress_coro_current(), inside);
    CHECK_EQ(left, entered);
}

static void *waits_in_every_way(void *arg)
{
    check_inside();
    for (int i = 0; i < 3; i++) {
        int before = left;
        CHECK_EQ(cress_yield(), 0);
        CHECK_GT(left, before);
        check_inside();
        before = left;
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK_GT(left, before);
        check_inside();
    }
    if (arg == NULL) {
        char c;
        int before = left;
        CHECK_EQ(cress_recv(sockets[0], &c, 1, 0), 1);
        CHECK_GT(left, before);
        check_inside();
    } else {
        CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
        CHECK_EQ(cress_send(sockets[1], "x", 1, 0), 1);
        check_inside();
    }
    return arg;
}

static int from_callback(void *arg)
{
    check_inside(); /* the service greenlet's turn is told like any other */
    CHECK_EQ(cress_current(), NULL);
    *(int *)arg += 1;
    return 0;
}

static void hooks_see_the_switches_of_blocking_calls(void **state)
{
    (void)state;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
    cress_set_error_hook(silent, NULL);
    inside = cress_coro_current();
    left = entered = 0;
    CHECK_EQ(cress_coro_set_hooks(&hooks), 0);
    int calls = 0;
    cress_callback callback = { 0 };
    cress_greenlet *g[2];
    g[0] = cress_spawn(waits_in_every_way, NULL);
    g[1] = cress_spawn(waits_in_every_way, sockets);
    CHECK_EQ(cress_post(NULL, &callback, from_callback, &calls), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_join(g[i], CRESS_FOREVER), 0);
        check_inside();
        cress_unref(g[i]);
    }
    CHECK_EQ(calls, 1);
    for (int i = 0; i < 20; i++) /* ends, and take-overs of stacks by the next */
        CHECK_EQ(cress_go(waits_in_every_way, sockets), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    check_inside();
    CHECK_EQ(cress_coro_set_hooks(NULL), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    cress_set_error_hook(NULL, NULL);
    close(sockets[0]);
    close(sockets[1]);
}

/* --- raw coroutines that block ---------------------------------------------------------------- */

static char told[64];

static void *sleeps_raw(void *arg, void *value)
{
    strcat(told, "r1 ");
    CHECK_EQ(cress_current(), NULL); /* a raw one is no greenlet */
    CHECK_EQ(cress_sleep(CRESS_MS(10)), 0);
    strcat(told, "r2 ");
    return arg != NULL ? arg : value;
}

static void *runs_raw(void *arg)
{
    cress_coro *co;
    void *result = NULL;
    CHECK_EQ(cress_coro_new(NULL, sleeps_raw, told, &co), 0);
    strcat(told, "g1 ");
    CHECK_EQ(cress_coro_switch(co, NULL, &result), 0); /* back only when the raw one has ended */
    strcat(told, "g2 ");
    CHECK_EQ(result, told);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_ENDED);
    CHECK_EQ(cress_coro_free(co), 0);
    return arg;
}

static void *other_greenlet(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
    strcat(told, "o ");
    return arg;
}

static void a_raw_coroutine_may_block_while_its_parent_greenlet_waits_for_it(void **state)
{
    (void)state;
    told[0] = '\0';
    CHECK_EQ(cress_go(runs_raw, NULL), 0);
    CHECK_EQ(cress_go(other_greenlet, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(told, "g1 r1 o r2 g2 ");
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void main_may_wait_for_a_raw_coroutine_that_blocks(void **state)
{
    (void)state;
    told[0] = '\0';
    runs_raw(NULL);
    CHECK_STR(told, "g1 r1 r2 g2 ");
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static cress_coro *raw;

static void *hands_back_then_blocks(void *arg, void *value)
{
    CHECK_EQ(cress_coro_switch(cress_coro_parent(cress_coro_current()), value, NULL), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(3)), 0);
    strcat(told, "raw ");
    return arg; /* its parent sleeps in the hub and cannot be given anything */
}

static void *parent_that_sleeps(void *arg)
{
    CHECK_EQ(cress_coro_new(NULL, hands_back_then_blocks, NULL, &raw), 0);
    CHECK_EQ(cress_coro_switch(raw, NULL, NULL), 0);
    CHECK_EQ(cress_coro_parent(raw), cress_greenlet_coro(cress_current()));
    CHECK_EQ(cress_sleep(CRESS_MS(20)), 0);
    strcat(told, "parent ");
    return arg;
}

static void *resumes_raw(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(cress_park(0), -EAGAIN);
    /* It leaves by hand, and nobody switches back: the hub abandons it in the end. */
    CHECK_EQ(cress_coro_switch(raw, NULL, NULL), 0);
    CHECK(false); /* nobody comes back */
    return arg;
}

static void one_whose_parent_waits_in_the_hub_may_end(void **state)
{
    (void)state;
    told[0] = '\0';
    cress_set_error_hook(silent, NULL); /* the one that left by hand is abandoned in the end */
    cress_greenlet *parent = cress_spawn(parent_that_sleeps, NULL);
    CHECK_EQ(cress_go(resumes_raw, NULL), 0);
    CHECK_EQ(cress_join(parent, CRESS_FOREVER), 0);
    CHECK_STR(told, "raw parent ");
    CHECK_EQ(cress_coro_get_state(raw), CRESS_CORO_ENDED);
    CHECK_EQ(cress_coro_free(raw), 0);
    cress_unref(parent);
    CHECK_EQ(cress_hub_destroy(0), 1);
    cress_set_error_hook(NULL, NULL);
}

static void *stays(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    return arg;
}

static void the_coroutine_of_a_greenlet_is_the_hubs(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(stays, NULL);
    cress_coro *co = cress_greenlet_coro(g);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_coro_switch(co, NULL, NULL), -EBUSY);
        CHECK_EQ(cress_coro_throw(co, -EIO, NULL), -EBUSY);
        CHECK_EQ(cress_coro_abandon(co), -EBUSY);
        CHECK_EQ(cress_coro_free(co), -EBUSY);
        CHECK_EQ(cress_coro_get_state(co), i == 0 ? CRESS_CORO_NEW : CRESS_CORO_SUSPENDED);
        CHECK_EQ(cress_yield(), 0);
    }
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_ENDED);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), -ESRCH);
    cress_unref(g);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static int begin(void **state)
{
    (void)state;
    clock_take_over();
    return 0;
}

static int done(void **state)
{
    (void)state;
    clock_give_back();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hooks_see_the_switches_of_blocking_calls),
        TEST(a_raw_coroutine_may_block_while_its_parent_greenlet_waits_for_it),
        TEST(main_may_wait_for_a_raw_coroutine_that_blocks),
        TEST(one_whose_parent_waits_in_the_hub_may_end),
        TEST(the_coroutine_of_a_greenlet_is_the_hubs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
