/* Waiting for several things with each call failing once: the right count or an error, and nothing
 * that is still waited for. */
#include "support/sweep.h"
#include "hub/apart.h"
#include "io/pairs.h"

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
    CHECK(sweep_met_fault());
}

static int fds[2];
static cress_waiter waiter;

static void *brings_all(void *arg)
{
    int error = cress_sleep(CRESS_US(100));
    CHECK(error == 0 || sweep_met_fault());
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(cress_waiter_wake(&waiter, arg), 0);
    return arg;
}

static cress_greenlet *begin(cress_case cases[4])
{
    char c;
    while (recv(fds[0], &c, 1, MSG_DONTWAIT) > 0)
        ;
    waiter = (cress_waiter){ { 0 } };
    cress_greenlet *g = cress_spawn(brings_all, &waiter);
    CHECK(g != NULL || sweep_met_fault());
    cases[0] = cress_on_fd(fds[0], CRESS_IN);
    cases[1] = cress_on_timer(CRESS_US(200));
    cases[2] = cress_on_greenlet(g);
    cases[3] = cress_on_waiter(&waiter);
    return g;
}

static void end(cress_greenlet *g)
{
    if (g != NULL) {
        int error = cress_join(g, CRESS_SECONDS(10));
        CHECK(error == 0 || sweep_met_fault());
        /* Without memory for its limit it was not waited for. */
        CHECK(cress_ready(g) || cress_run(CRESS_FOREVER) == 0);
    }
    cress_unref(g);
    CHECK_EQ(cress_loop_active(cress_hub_loop(cress_hub_current())), 0);
}

static void wait_for_all(void)
{
    cress_case cases[4];
    size_t ready[4];
    cress_greenlet *g = begin(cases);
    ssize_t n = cress_wait(cases, 4, g != NULL ? CRESS_ALL : 1, CRESS_SECONDS(10), ready);
    CHECK(n == (g != NULL ? 4 : 1) || (n < 0 && sweep_met_fault()));
    end(g);
}

static void choose_one(void)
{
    cress_case cases[4];
    cress_greenlet *g = begin(cases);
    int i = cress_choose(cases, 4, CRESS_SECONDS(10));
    CHECK((i >= 0 && i < 4) || sweep_met_fault());
    end(g);
}

static void go_through(void)
{
    cress_case cases[4];
    cress_iwait it;
    cress_greenlet *g = begin(cases);
    int error = cress_iwait_init(&it, cases, 4);
    CHECK(error == 0 || sweep_met_fault());
    ssize_t n = 0;
    for (int told = 0; error == 0 && n >= 0 && told < (g != NULL ? 4 : 1); told++) {
        n = cress_iwait_next(&it, CRESS_SECONDS(10));
        CHECK(n >= 0 || sweep_met_fault());
    }
    if (error == 0)
        cress_iwait_done(&it);
    end(g);
}

static void join_some(void)
{
    cress_case cases[4];
    cress_greenlet *all[2] = { NULL, begin(cases) };
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.raise_error = true;
    size_t ended;
    int error = cress_joinall(all, 2, CRESS_SECONDS(10), &o, &ended);
    CHECK(error == 0 || sweep_met_fault());
    CHECK_EQ(ended, all[1] != NULL && cress_ready(all[1]));
    end(all[1]);
}

static void waits(void)
{
    cress_hub *hub;
    cress_set_error_hook(ignore, NULL);
    if (cress_hub_get(&hub) < 0) {
        CHECK(sweep_met_fault());
        return;
    }
    unix_pair(fds);
    wait_for_all();
    choose_one();
    go_through();
    join_some();
    close_pair(fds);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
}

static void waits_of_all_kinds(void)
{
    apart(waits);
}

int main(void)
{
    return FAULT_SWEEP(waits_of_all_kinds);
}
