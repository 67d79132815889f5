/* Each call of the hub that can fail, fails once: making it, spawn, sleep, join, its end. */
#include "support/sweep.h"
#include "hub/apart.h"

#include <cress.h>

#include <errno.h>

/* What the reports of failing are good for is told elsewhere. */
static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_LT(error, 0);
    CHECK(sweep_met_fault());
}

static void fine(int error)
{
    CHECK(error == 0 || sweep_met_fault());
    CHECK(error == 0 || error == -ENOMEM || error == -EMFILE || error == -ENFILE);
}

static void *sleeps(void *arg)
{
    fine(cress_sleep(CRESS_US(100)));
    return arg;
}

static void make_and_end(void)
{
    cress_set_error_hook(ignore, NULL);
    cress_hub *hub = NULL;
    int error = cress_hub_get(&hub);
    fine(error);
    CHECK_EQ(error == 0, hub != NULL);
    CHECK_EQ(error == 0, cress_hub_current() != NULL);
    fine(cress_hub_get(&hub)); /* what failed can be tried again */
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void hub_made_and_ended(void)
{
    apart(make_and_end);
}

static void spawn_and_join(void)
{
    cress_set_error_hook(ignore, NULL);
    cress_greenlet *g = cress_spawn(sleeps, "value");
    if (g != NULL) {
        void *value = NULL;
        int failed = 0;
        int error = cress_get(g, CRESS_FOREVER, &value, &failed);
        fine(error);
        if (error == 0)
            fine(failed);
        if (error == 0 && failed == 0)
            CHECK_STR(value, "value");
        cress_unref(g);
    }
    CHECK(g != NULL || sweep_met_fault());
    CHECK_GE(cress_hub_destroy(CRESS_FOREVER), 0);
}

static void greenlet_spawned_and_joined(void)
{
    apart(spawn_and_join);
}

static void *joins(void *arg)
{
    fine(cress_join(arg, CRESS_FOREVER));
    return NULL;
}

static int discards;

static void discard(void *arg)
{
    CHECK_STR(arg, "arg");
    discards++;
}

static int runs;

static void *runs_once(void *arg)
{
    CHECK_STR(arg, "arg");
    runs++;
    return NULL;
}

static int calls;

static int call(void *arg)
{
    (void)arg;
    calls++;
    return 0;
}

static void many_of_all_kinds(void)
{
    cress_set_error_hook(ignore, NULL);
    discards = runs = calls = 0;
    int made = 0, posted = 0;
    cress_greenlet *first = cress_spawn(sleeps, NULL);
    for (int i = 0; i < 5; i++) {
        cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
        o.name = i % 2 == 0 ? "named" : NULL;
        o.stack_size = (size_t)(i + 1) << 16;
        o.on_discard = discard;
        o.delay = i * CRESS_US(50);
        cress_greenlet *g = NULL;
        int error = cress_spawn_with(&o, runs_once, "arg", &g);
        fine(error);
        CHECK_EQ(error == 0, g != NULL);
        made += error == 0;
        if (g != NULL && cress_slot(g) == UINT32_MAX)
            CHECK(sweep_met_fault());
        cress_unref(g);
    }
    if (first != NULL) {
        fine(cress_go(joins, first));
        cress_unref(first);
    }
    cress_callback node = { 0 };
    int error = cress_post(NULL, &node, call, NULL);
    fine(error);
    posted += error == 0;
    error = cress_run(CRESS_SECONDS(5));
    fine(error);
    if (error < 0)
        fine(cress_run(CRESS_SECONDS(5)));
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    CHECK_EQ(runs + discards, made); /* each argument has found somebody */
    CHECK_EQ(calls, posted);
}

static void greenlets_of_all_kinds(void)
{
    apart(many_of_all_kinds);
}

int main(void)
{
    return FAULT_SWEEP(hub_made_and_ended) + FAULT_SWEEP(greenlet_spawned_and_joined) +
           FAULT_SWEEP(greenlets_of_all_kinds);
}
