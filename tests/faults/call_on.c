/* Each call of calling on another hub that can fail, fails once, on both sides. */
#include "support/sweep.h"
#include "hub/apart.h"
#include "hub/workers.h"

#include <cress.h>

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_LT(error, 0);
    CHECK(sweep_met_fault());
}

struct server {
    sem_t ready;
    cress_hub *hub;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    while (cress_hub_get(&s->hub) < 0 || cress_hub_hold(NULL) < 0)
        CHECK(sweep_met_fault());
    sem_post(&s->ready);
    cress_run(CRESS_FOREVER);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    return NULL;
}

static int one(void *arg)
{
    (*(int *)arg)++;
    return 1;
}

static int stop(void *arg)
{
    (void)arg;
    return cress_hub_release(NULL);
}

static void call_some(void)
{
    cress_set_error_hook(ignore, NULL);
    struct server s = { 0 };
    pthread_t thread;
    CHECK_EQ(sem_init(&s.ready, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, serve, &s), 0);
    sem_take(&s.ready);
    int calls = 0, said = 0;
    for (int i = 0; i < 3; i++) {
        int error = cress_call_on(s.hub, one, &calls);
        CHECK(error == 1 || sweep_met_fault());
        CHECK(error == 1 || error == -ENOMEM || error == -EMFILE);
        said += error == 1;
    }
    CHECK_EQ(calls, said);
    while (cress_call_on(s.hub, stop, NULL) < 0)
        CHECK(sweep_met_fault());
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
}

static void another_hub_is_called(void)
{
    apart(call_some);
}

int main(void)
{
    return FAULT_SWEEP(another_hub_is_called);
}
