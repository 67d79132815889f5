/* Timeouts, shields, throws, deferred functions, names and links with each call failing once: what
 * was begun is left again, what was thrown is destroyed, and what was deferred is called. */
#include "support/sweep.h"
#include "hub/apart.h"

#include <cress.h>

#include <errno.h>

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_LT(error, 0);
    CHECK(sweep_met_fault());
}

static bool fine(int error)
{
    CHECK(error == 0 || (error == -ENOMEM || error == -EMFILE || error == -ENFILE));
    CHECK(error == 0 || sweep_met_fault());
    return error == 0;
}

static int cleaned, destroyed, links, discards;

static int clean(void *arg)
{
    (void)arg;
    fine(cress_sleep(CRESS_US(50))); /* under its own shield */
    cleaned++;
    return 0;
}

/* A scope that could not be begun cuts nothing short; one that was does, unless the wait itself
 * has failed. */
static void *timed(void *arg)
{
    int *deferred = arg;
    *deferred += fine(cress_defer(clean, NULL));
    cress_timeout t = { 0 };
    bool begun = fine(cress_timeout_start(&t, CRESS_US(100)));
    int error = cress_sleep(begun ? CRESS_SECONDS(100) : CRESS_US(100));
    if (begun && error == -ECANCELED)
        CHECK(cress_cancel_cause() == &t);
    else
        fine(error);
    CHECK_EQ(cress_timeout_stop(&t), begun && error == -ECANCELED);
    return NULL;
}

static void *shielded(void *arg)
{
    int *deferred = arg;
    *deferred += fine(cress_defer(clean, NULL));
    *deferred += fine(cress_defer(clean, NULL));
    int error = cress_park(CRESS_SECONDS(100));
    if (error != -ECANCELED)
        fine(error);
    cress_shield shield = { 0 };
    if (fine(cress_shield_begin(&shield, CRESS_SECONDS(5)))) {
        fine(cress_sleep(CRESS_US(50)));
        CHECK_EQ(cress_shield_end(&shield), 0);
    }
    return NULL;
}

static void *never(void *arg)
{
    CHECK(arg == NULL);
    return NULL;
}

static void discard(void *arg)
{
    CHECK(arg == NULL);
    discards++;
}

static void destroy(cress_token *token)
{
    (void)token;
    destroyed++;
}

static int linked(cress_greenlet *g, void *arg)
{
    (void)arg;
    CHECK(cress_ready(g));
    links++;
    return 0;
}

/* A deferred function that was under way when its own wait failed has still been called. */
static void scopes(void)
{
    cress_set_error_hook(ignore, NULL);
    int deferred = 0, thrown = 0, added = 0, made = 0;
    cleaned = destroyed = links = discards = 0;
    cress_token token = { .destroy = destroy };
    cress_link_node nodes[3] = { 0 };
    cress_greenlet *gs[3] = { cress_spawn(timed, &deferred), cress_spawn(shielded, &deferred),
                              NULL };
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.delay = CRESS_SECONDS(100);
    o.on_discard = discard;
    made += fine(cress_spawn_with(&o, never, NULL, &gs[2]));
    for (int i = 0; i < 3; i++)
        if (gs[i] != NULL) {
            fine(cress_set_name(gs[i], "named"));
            added += fine(cress_link(gs[i], &nodes[i], linked, NULL));
        }
    fine(cress_yield());
    if (gs[1] != NULL && !cress_ready(gs[1]))
        thrown += fine(cress_throw(gs[1], &token));
    for (int i = 0; i < 3; i++)
        if (gs[i] != NULL && i > 0)
            fine(cress_kill(gs[i], CRESS_SECONDS(10)));
    fine(cress_joinall(gs, 3, CRESS_SECONDS(10), NULL, NULL));
    CHECK_GE(cress_run(CRESS_SECONDS(10)), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(gs[i] == NULL || cress_ready(gs[i]));
        cress_unref(gs[i]);
    }
    CHECK_EQ(cleaned, deferred);
    CHECK_EQ(destroyed, thrown);
    CHECK_EQ(links, added);
    CHECK_EQ(discards, made);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
}

static void scopes_of_all_kinds(void)
{
    apart(scopes);
}

int main(void)
{
    return FAULT_SWEEP(scopes_of_all_kinds);
}
