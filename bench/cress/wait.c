/* wait - what a limit costs a wait that ends in the same turn.
 *
 * Two greenlets wake each other and wait, in turn: without a limit, with one of the call's own, and
 * inside a scope that is begun and stopped around each wait. The three take turns.
 */
#include "bench.h"

#include <cress.h>

enum kind { PLAIN, LIMIT, SCOPE, KINDS };

static cress_coro *players[2];
static enum kind kind;
static long left;

static void wait_once(void)
{
    cress_timeout scope = { 0 };
    if (kind == SCOPE && cress_timeout_start(&scope, CRESS_SECONDS(1)) < 0)
        bench_die("cress_timeout_start");
    if (cress_park(kind == LIMIT ? CRESS_SECONDS(1) : CRESS_FOREVER) < 0)
        bench_die("cress_park");
    if (kind == SCOPE && cress_timeout_stop(&scope))
        bench_die("cress_timeout_stop");
}

/* The first one waits before the second one wakes it: each park finds nobody's unpark there. */
static void *play(void *second)
{
    cress_coro *other = players[second == NULL];
    if (second == NULL && cress_park(CRESS_FOREVER) < 0)
        bench_die("cress_park");
    while (left-- > 0) {
        cress_unpark(other);
        wait_once();
    }
    cress_unpark(other);
    return NULL;
}

static double measure(long n)
{
    cress_greenlet *g[2];
    left = n;
    for (int i = 0; i < 2; i++)
        if ((g[i] = cress_spawn(play, i == 0 ? NULL : players)) == NULL)
            bench_die("cress_spawn");
    for (int i = 0; i < 2; i++)
        players[i] = cress_greenlet_coro(g[i]);
    int64_t before = bench_now();
    for (int i = 0; i < 2; i++) {
        if (cress_join(g[i], CRESS_FOREVER) < 0)
            bench_die("cress_join");
        cress_unref(g[i]);
    }
    return (double)(bench_now() - before) / (double)n;
}

static void waits(const char *name, long n)
{
    static const char *const rows[KINDS] = { "wait_plain", "wait_limit", "wait_scope" };
    double best[KINDS][BENCH_REPEATS];
    (void)name;
    n = bench_steps(n);
    for (int r = -1; r < BENCH_REPEATS; r++)
        for (kind = 0; kind < KINDS; kind++) {
            double ns = measure(n);
            if (r >= 0)
                best[kind][r] = ns;
        }
    for (int k = 0; k < KINDS; k++)
        bench_print(rows[k], bench_best(best[k], BENCH_REPEATS), "ns");
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "wait_limit", waits, 300000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
