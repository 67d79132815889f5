/* offload - what other threads do for a hub: calls in workers, calls on another hub. */
#include "bench.h"

#include <cress.h>

#include <pthread.h>
#include <semaphore.h>

static int calls;

static int work(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    return 0;
}

static long left;

static void *offloads(void *arg)
{
    while (left > 0) {
        left--;
        bench_need(cress_offload(work, arg), "cress_offload");
    }
    return NULL;
}

static int at_once;

static double round_trips(long n)
{
    left = n;
    int64_t before = bench_now();
    for (int i = 0; i < at_once; i++)
        bench_need(cress_go(offloads, NULL), "cress_go");
    cress_run(CRESS_FOREVER);
    return bench_each(before, n);
}

static void measure(const char *name, int cores, int calls_at_once, long n)
{
    bench_cores(cores);
    at_once = calls_at_once;
    bench_repeat(name, n, round_trips);
}

static void offload(const char *name, long n)
{
    measure(name, 1, 1, n);
}

static void offload_cores(const char *name, long n)
{
    measure(name, 2, 1, n);
}

static void offload_100(const char *name, long n)
{
    measure(name, 1, 100, n);
}

static void offload_100_cores(const char *name, long n)
{
    measure(name, 2, 100, n);
}

/* --- pools ----------------------------------------------------------------------------------- */

static void *same(void *arg)
{
    return arg;
}

static double map(long n)
{
    cress_threadpool *pool;
    void **args = calloc((size_t)n, sizeof *args), **results = calloc((size_t)n, sizeof *results);
    bench_need(cress_threadpool_new(NULL, &pool), "cress_threadpool_new");
    int64_t before = bench_now();
    bench_need(cress_threadpool_map(pool, same, args, (size_t)n, results), "cress_threadpool_map");
    double ns = bench_each(before, n);
    bench_need(cress_threadpool_free(pool), "cress_threadpool_free");
    free(args);
    free(results);
    return ns;
}

static void threadpool_map(const char *name, long n)
{
    bench_repeat(name, n, map);
}

/* --- another hub ----------------------------------------------------------------------------- */

static cress_hub *server;
static sem_t ready;

static void *serve(void *arg)
{
    bench_need(cress_hub_get(&server), "cress_hub_get");
    cress_hub_hold(NULL);
    sem_post(&ready);
    cress_run(CRESS_FOREVER);
    return arg;
}

static double calls_there(long n)
{
    int64_t before = bench_now();
    for (long i = 0; i < n; i++)
        bench_need(cress_call_on(server, work, NULL), "cress_call_on");
    return bench_each(before, n);
}

static void call_on(const char *name, long n)
{
    pthread_t thread;
    sem_init(&ready, 0, 0);
    if (pthread_create(&thread, NULL, serve, NULL) != 0)
        bench_die("pthread_create");
    sem_wait(&ready);
    bench_repeat(name, n, calls_there);
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "offload", offload, 100000 },
        { "offload_two_cores", offload_cores, 50000 },
        { "offload_100", offload_100, 200000 },
        { "offload_100_two_cores", offload_100_cores, 200000 },
        { "threadpool_map", threadpool_map, 100000 },
        { "call_on", call_on, 50000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
