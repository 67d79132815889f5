/* sleepers - the processor time of 100 000 greenlets that sleep three times, 1 to 1000 ms each. */
#include "bench.h"

#include <cress.h>

static long running;
static cress_coro *home;

static void *sleeper(void *arg)
{
    uint32_t state = bench_nap_start((long)arg);
    for (int k = 0; k < BENCH_NAPS; k++)
        if (cress_sleep(CRESS_MS(bench_nap_ms(&state))) < 0)
            bench_die("cress_sleep");
    if (--running == 0)
        cress_unpark(home);
    return NULL;
}

static void sleepers(const char *name, long n)
{
    n = bench_steps(n);
    home = cress_coro_native();
    double before = bench_cpu_ms();
    running = n;
    for (long i = 0; i < n; i++)
        if (cress_go(sleeper, (void *)i) < 0)
            bench_die("cress_go");
    if (cress_park(CRESS_FOREVER) < 0 || running != 0)
        bench_die("cress_park");
    bench_print(name, bench_cpu_ms() - before, "ms");
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "sleepers_100000", sleepers, 100000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
