/* uv - libuv's work queue: a function in one of its threads, and a callback when it has returned.
 *
 * Its threads are as many as cress has, by UV_THREADPOOL_SIZE.
 */
#include "bench.h"

#include <uv.h>

static long left;
static int calls;

static void work(uv_work_t *request)
{
    (void)request;
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

static void queue(uv_work_t *request);

static void done(uv_work_t *request, int status)
{
    if (status < 0)
        bench_die("uv_queue_work");
    if (left > 0)
        queue(request);
}

static void queue(uv_work_t *request)
{
    left--;
    if (uv_queue_work(uv_default_loop(), request, work, done) < 0)
        bench_die("uv_queue_work");
}

static int at_once;

static double round_trips(long n)
{
    static uv_work_t requests[100];
    left = n;
    int64_t before = bench_now();
    for (int i = 0; i < at_once && left > 0; i++)
        queue(&requests[i]);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return bench_each(before, n);
}

static void measure(const char *name, int cores, int calls_at_once, long n)
{
    bench_cores(cores);
    setenv("UV_THREADPOOL_SIZE", "10", 1);
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

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "offload", offload, 100000 },
        { "offload_two_cores", offload_cores, 50000 },
        { "offload_100", offload_100, 200000 },
        { "offload_100_two_cores", offload_100_cores, 200000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
