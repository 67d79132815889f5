/* Each call of making greenlets on another hub and waiting for them that can fail, fails once. */
#include "support/sweep.h"
#include "hub/apart.h"
#include "hub/server.h"

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

static void *serves(void *arg)
{
    struct server *s = arg;
    while (cress_hub_hold(NULL) < 0)
        CHECK(sweep_met_fault());
    s->hub = cress_hub_current();
    sem_post(&s->ready);
    cress_run(CRESS_FOREVER);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    return NULL;
}

static atomic_int runs, discards;

static void discard(void *arg)
{
    CHECK_STR(arg, "arg");
    atomic_fetch_add(&discards, 1);
}

static void *runs_once(void *arg)
{
    CHECK_STR(arg, "arg");
    atomic_fetch_add(&runs, 1);
    cress_yield();
    return NULL;
}

static int calls;

static int called(cress_greenlet *g, void *arg)
{
    (void)g, (void)arg;
    calls++;
    return 0;
}

static void spawn_some(void)
{
    cress_set_error_hook(ignore, NULL);
    struct server s = { 0 };
    pthread_t thread;
    CHECK_EQ(sem_init(&s.ready, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, serves, &s), 0);
    sem_take(&s.ready);
    atomic_store(&runs, 0);
    atomic_store(&discards, 0);
    calls = 0;
    int made = 0, links = 0;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = s.hub;
    o.shared = true;
    o.on_discard = discard;
    for (int i = 0; i < 3; i++) {
        cress_greenlet *g = NULL;
        cress_link_node node = { { 0 } };
        int error = cress_spawn_with(&o, runs_once, "arg", &g);
        fine(error);
        if (error < 0)
            continue;
        made++;
        if (i == 1)
            fine(cress_kill(g, 0));
        error = cress_link(g, &node, called, NULL);
        fine(error);
        links += error == 0;
        cress_case c = cress_on_greenlet(g);
        ssize_t waited = cress_wait(&c, 1, 1, CRESS_SECONDS(5), NULL);
        fine(waited == 1 ? 0 : (int)waited);
        while ((error = cress_joinall(&g, 1, CRESS_SECONDS(5), NULL, NULL)) < 0)
            fine(error);
        while (calls < links)
            CHECK(cress_yield() == 0 || sweep_met_fault());
        cress_unref(g);
    }
    while (cress_call_on(s.hub, server_release, NULL) < 0)
        CHECK(sweep_met_fault());
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&runs) + atomic_load(&discards), made);
}

static void greenlets_are_made_elsewhere(void)
{
    apart(spawn_some);
}

int main(void)
{
    return FAULT_SWEEP(greenlets_are_made_elsewhere);
}
