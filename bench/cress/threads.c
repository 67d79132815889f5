/* Two hubs, each in a thread of its own, hand something to each other and back. */
#include "bench.h"

#include <cress.h>

#include <pthread.h>

typedef void (*side_fn)(int me, long n);

struct side {
    side_fn fn;
    long n;
};

static void make_hub(void)
{
    cress_hub *hub;
    bench_need(cress_hub_get(&hub), "hub");
}

static void *other_side(void *arg)
{
    const struct side *side = arg;
    make_hub();
    side->fn(1, side->n);
    return NULL;
}

static double round_trips(side_fn fn, long n)
{
    struct side side = { fn, n };
    pthread_t thread;
    if (pthread_create(&thread, NULL, other_side, &side) != 0)
        bench_die("pthread_create");
    make_hub();
    fn(0, n / 10 + 1); /* the two find each other */
    int64_t before = bench_now();
    fn(0, n - n / 10 - 1);
    double ns = (double)(bench_now() - before) / (double)(n - n / 10 - 1);
    if (pthread_join(thread, NULL) != 0)
        bench_die("pthread_join");
    return ns;
}

static void repeat(const char *name, long n, side_fn fn)
{
    double ns[BENCH_REPEATS];
    bench_cores(2);
    for (int i = 0; i < BENCH_REPEATS; i++)
        ns[i] = round_trips(fn, bench_steps(n));
    bench_print(name, bench_best(ns, BENCH_REPEATS), "ns");
}

static cress_sem sems[2];

static void plays_units(int me, long n)
{
    for (long i = 0; i < n; i++) {
        if (me == 0)
            bench_need(cress_sem_release(&sems[0]), "release");
        bench_need(cress_sem_acquire(&sems[!me], CRESS_FOREVER), "acquire");
        if (me == 1)
            bench_need(cress_sem_release(&sems[1]), "release");
    }
}

static void threads_sem(const char *name, long n)
{
    bench_need(cress_sem_init(&sems[0], 0, CRESS_SHARED), "sem");
    bench_need(cress_sem_init(&sems[1], 0, CRESS_SHARED), "sem");
    repeat(name, n, plays_units);
}

static cress_chan chans[2];

static void plays_items(int me, long n)
{
    void *item = chans;
    for (long i = 0; i < n; i++) {
        if (me == 0)
            bench_need(cress_chan_send(&chans[0], item, CRESS_FOREVER), "send");
        bench_need(cress_chan_recv(&chans[!me], &item, CRESS_FOREVER), "receive");
        if (me == 1)
            bench_need(cress_chan_send(&chans[1], item, CRESS_FOREVER), "send");
    }
}

static void threads_chan(const char *name, long n)
{
    bench_need(cress_chan_init(&chans[0], 0, 0, CRESS_SHARED), "chan");
    bench_need(cress_chan_init(&chans[1], 0, 0, CRESS_SHARED), "chan");
    repeat(name, n, plays_items);
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "threads_sem", threads_sem, 100000 },
        { "threads_chan", threads_chan, 100000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
