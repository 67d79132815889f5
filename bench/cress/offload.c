/* offload - what other threads do for a hub: calls in workers, calls on another hub. */
#include "bench.h"

#include <cress.h>

#include <pthread.h>
#include <semaphore.h>

static void need(int error, const char *what)
{
    if (error < 0) {
        errno = -error;
        bench_die(what);
    }
}

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
        need(cress_offload(work, arg), "cress_offload");
    }
    return NULL;
}

static double round_trips(int at_once, long n)
{
    left = n;
    int64_t before = bench_now();
    for (int i = 0; i < at_once; i++)
        need(cress_go(offloads, NULL), "cress_go");
    cress_run(CRESS_FOREVER);
    return (double)(bench_now() - before) / (double)n;
}

static void measure(const char *name, int cores, int at_once, long n)
{
    double best[BENCH_REPEATS];
    bench_cores(cores);
    n = bench_steps(n);
    for (int r = -1; r < BENCH_REPEATS; r++) {
        double ns = round_trips(at_once, n);
        if (r >= 0)
            best[r] = ns;
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
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

static void threadpool_map(const char *name, long n)
{
    cress_threadpool *pool;
    double best[BENCH_REPEATS];
    n = bench_steps(n);
    void **args = calloc((size_t)n, sizeof *args), **results = calloc((size_t)n, sizeof *results);
    need(cress_threadpool_new(NULL, &pool), "cress_threadpool_new");
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        need(cress_threadpool_map(pool, same, args, (size_t)n, results), "cress_threadpool_map");
        if (r >= 0)
            best[r] = (double)(bench_now() - before) / (double)n;
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
}

/* --- another hub ----------------------------------------------------------------------------- */

static cress_hub *server;
static sem_t ready;

static void *serve(void *arg)
{
    need(cress_hub_get(&server), "cress_hub_get");
    cress_hub_hold(NULL);
    sem_post(&ready);
    cress_run(CRESS_FOREVER);
    return arg;
}

static void call_on(const char *name, long n)
{
    pthread_t thread;
    double best[BENCH_REPEATS];
    n = bench_steps(n);
    sem_init(&ready, 0, 0);
    if (pthread_create(&thread, NULL, serve, NULL) != 0)
        bench_die("pthread_create");
    sem_wait(&ready);
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        for (long i = 0; i < n; i++)
            need(cress_call_on(server, work, NULL), "cress_call_on");
        if (r >= 0)
            best[r] = (double)(bench_now() - before) / (double)n;
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
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
