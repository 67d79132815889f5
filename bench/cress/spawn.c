/* spawn - making greenlets: one at a time with join, 10 000 that never block, 10 000 that yield,
 * 10 000 that park.
 *
 * The last one of many wakes main, the way the peers do it, so none of them keeps 10 000 handles.
 */
#include "bench.h"

#include <cress.h>

static void *nothing(void *arg)
{
    return arg;
}

static void spawn_join(const char *name, long n)
{
    double best[BENCH_REPEATS];
    n = bench_steps(n);
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        for (long i = 0; i < n; i++) {
            cress_greenlet *g = cress_spawn(nothing, NULL);
            if (g == NULL || cress_join(g, CRESS_FOREVER) < 0)
                bench_die("cress_spawn or cress_join");
            cress_unref(g);
        }
        if (r >= 0)
            best[r] = (double)(bench_now() - before) / (double)n;
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
}

static long running;
static cress_coro *home;

static void ended(void)
{
    if (--running == 0)
        cress_unpark(home);
}

static void *end_only(void *arg)
{
    ended();
    return arg;
}

static void *yield_once(void *arg)
{
    cress_yield();
    ended();
    return arg;
}

static cress_coro **parked;
static long arrived;

static void *park_once(void *arg)
{
    parked[arrived++] = cress_coro_current();
    cress_park(CRESS_FOREVER);
    ended();
    return arg;
}

static void many(const char *name, long n, cress_fn fn)
{
    double best[BENCH_REPEATS];
    home = cress_coro_native();
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        running = n;
        for (long i = 0; i < n; i++)
            if (cress_go(fn, NULL) < 0)
                bench_die("cress_go");
        if (fn == park_once) {
            while (arrived < n)
                cress_yield();
            while (arrived > 0)
                cress_unpark(parked[n - arrived--]);
        }
        if (cress_park(CRESS_FOREVER) < 0 || running != 0)
            bench_die("cress_park");
        if (r >= 0)
            best[r] = (double)(bench_now() - before) / (double)n;
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
}

static void spawn_queued(const char *name, long n)
{
    many(name, n, end_only);
}

static void spawn_block(const char *name, long n)
{
    many(name, n, yield_once);
}

static void spawn_park(const char *name, long n)
{
    parked = calloc((size_t)n, sizeof(cress_coro *));
    if (parked == NULL)
        bench_die("calloc");
    many(name, n, park_once);
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "spawn_join", spawn_join, 200000 },
        { "spawn_queued_10000", spawn_queued, 10000 },
        { "spawn_block_10000", spawn_block, 10000 },
        { "spawn_park_10000", spawn_park, 10000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
