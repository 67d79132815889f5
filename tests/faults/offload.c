/* Each call of offloading and of thread pools that can fail, fails once: threads, memory, hubs. */
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

static void fine(int error)
{
    CHECK(error >= 0 || sweep_met_fault());
    CHECK(error >= 0 || error == -ENOMEM || error == -EMFILE || error == -ENFILE ||
          error == -EAGAIN);
}

static int one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 1;
}

static atomic_int calls;
static int said;

static void *offloads(void *arg)
{
    int error = cress_offload(one, &calls);
    fine(error);
    said += error == 1;
    return arg;
}

static void offload_some(void)
{
    cress_set_error_hook(ignore, NULL);
    atomic_store(&calls, said = 0);
    for (int i = 0; i < 3; i++)
        fine(cress_go(offloads, NULL));
    fine(cress_run(CRESS_SECONDS(5)));
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&calls), said); /* what failed was not called */
}

static void calls_are_offloaded(void)
{
    apart(offload_some);
}

static atomic_int made, discards;

static void discard(void *value)
{
    CHECK_STR(value, "value");
    atomic_fetch_add(&discards, 1);
}

static void *makes(void *arg)
{
    atomic_fetch_add(&made, 1);
    return arg;
}

static int got;

static void *submits(void *arg)
{
    cress_threadpool *pool = arg;
    cress_job *job;
    void *value;
    int error = cress_threadpool_spawn(pool, makes, "value", discard, CRESS_SECONDS(5), &job);
    fine(error);
    if (error == 0) {
        error = cress_job_get(job, CRESS_SECONDS(5), &value);
        fine(error);
        got += error == 0;
        cress_job_free(job);
    }
    error = cress_threadpool_apply(pool, makes, "value", discard, &value);
    fine(error);
    got += error == 0;
    return NULL;
}

static void use_a_pool(void)
{
    cress_set_error_hook(ignore, NULL);
    atomic_store(&made, 0);
    atomic_store(&discards, 0);
    got = 0;
    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    cress_threadpool *pool = NULL;
    o.threads = 1;
    int error = cress_threadpool_new(&o, &pool);
    fine(error);
    if (error == 0) {
        for (int i = 0; i < 4; i++)
            fine(cress_go(submits, pool));
        void *args[3] = { "value", "value", "value" }, *results[3];
        error = cress_threadpool_map(pool, makes, args, 3, results);
        fine(error);
        for (int i = 0; i < 3; i++)
            got += results[i] != NULL;
        fine(cress_run(CRESS_SECONDS(5)));
        CHECK_EQ(cress_threadpool_join(pool, CRESS_SECONDS(5)), 0);
        error = cress_threadpool_set_size(pool, 0);
        cress_threadpool_counts counts = CRESS_THREADPOOL_COUNTS_INIT;
        SOON(cress_threadpool_stats(pool, &counts) == 0 && counts.threads == 0);
        CHECK_EQ(cress_threadpool_free(pool), 0);
    }
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&made), got + atomic_load(&discards)); /* each value has found somebody */
}

static void a_pool_is_used(void)
{
    apart(use_a_pool);
}

int main(void)
{
    return FAULT_SWEEP(calls_are_offloaded) + FAULT_SWEEP(a_pool_is_used);
}
