/* sync - how greenlets hand things to each other: semaphores, locks, channels, queues, events,
 * choices, pools.
 */
#include "bench.h"

#include <cress.h>

static void spawn(cress_fn fn, void *arg)
{
    bench_need(cress_go(fn, arg), "cress_go");
}

/* --- two who take turns ---------------------------------------------------------------------- */

static cress_sem turns[2];
static long left;

/* Both run the same code: else each return of theirs is predicted to be the other's. */
static void *plays(void *arg)
{
    cress_sem *mine = arg, *others = mine == turns ? mine + 1 : turns;
    while (left-- > 0) {
        bench_need(cress_sem_acquire(mine, CRESS_FOREVER), "acquire");
        cress_sem_release(others);
    }
    return NULL;
}

static double sem_round_trip(long n)
{
    left = 2 * n;
    for (int i = 0; i < 2; i++) {
        bench_need(cress_sem_init(&turns[i], 0, 0), "cress_sem_init");
        spawn(plays, &turns[i]);
    }
    cress_yield();
    int64_t before = bench_now();
    cress_sem_release(&turns[0]);
    cress_run(CRESS_FOREVER);
    return bench_each(before, n);
}

static void sem_pingpong(const char *name, long n)
{
    bench_repeat(name, n, sem_round_trip);
}

static double lock_unlock(long n)
{
    static cress_mutex m;
    int64_t before = bench_now();
    for (long i = 0; i < n; i++) {
        cress_mutex_lock(&m, CRESS_FOREVER);
        cress_mutex_unlock(&m);
    }
    return bench_each(before, n);
}

static void mutex_free(const char *name, long n)
{
    bench_repeat(name, n, lock_unlock);
}

static double take_give(long n)
{
    static cress_sem s;
    cress_sem_init(&s, 1, 0);
    int64_t before = bench_now();
    for (long i = 0; i < n; i++) {
        cress_sem_acquire(&s, CRESS_FOREVER);
        cress_sem_release(&s);
    }
    return bench_each(before, n);
}

static void sem_free(const char *name, long n)
{
    bench_repeat(name, n, take_give);
}

/* Each has the mutex while it lets the other one run, so that each lock waits. */
static cress_mutex contended;

static void *locks(void *arg)
{
    for (long i = (long)arg; i > 0; i--) {
        bench_need(cress_mutex_lock(&contended, CRESS_FOREVER), "lock");
        cress_yield();
        cress_mutex_unlock(&contended);
    }
    return NULL;
}

static double hand_over(long n)
{
    bench_need(cress_mutex_init(&contended, CRESS_FAIR), "mutex");
    int64_t before = bench_now();
    for (int i = 0; i < 2; i++)
        spawn(locks, (void *)(n / 2));
    cress_run(CRESS_FOREVER);
    return bench_each(before, n);
}

static void mutex_handoff(const char *name, long n)
{
    bench_repeat(name, n, hand_over);
}

/* --- items ----------------------------------------------------------------------------------- */

static cress_chan chan;

static void *sends(void *arg)
{
    for (long i = (long)arg; i > 0; i--)
        bench_need(cress_chan_send(&chan, (void *)i, CRESS_FOREVER), "send");
    return NULL;
}

static double through_chan(long n)
{
    void *item;
    spawn(sends, (void *)n);
    int64_t before = bench_now();
    for (long i = 0; i < n; i++)
        bench_need(cress_chan_recv(&chan, &item, CRESS_FOREVER), "recv");
    double ns = bench_each(before, n);
    cress_run(CRESS_FOREVER);
    return ns;
}

static void chan_unbuffered(const char *name, long n)
{
    bench_repeat(name, n, through_chan);
}

static void chan_buffered(const char *name, long n)
{
    bench_need(cress_chan_init(&chan, 100, 0, 0), "chan");
    bench_repeat(name, n, through_chan);
}

static cress_queue queue;
static int producers;

static void *fills(void *arg)
{
    for (long i = (long)arg; i > 0; i--)
        bench_need(cress_queue_put(&queue, (void *)i, CRESS_FOREVER), "put");
    return NULL;
}

static double through_queue(long n)
{
    void *item;
    n -= n % producers;
    for (int i = 0; i < producers; i++)
        spawn(fills, (void *)(n / producers));
    int64_t before = bench_now();
    for (long i = 0; i < n; i++)
        bench_need(cress_queue_get(&queue, &item, CRESS_FOREVER), "get");
    double ns = bench_each(before, n);
    cress_run(CRESS_FOREVER);
    return ns;
}

static void queue_of(const char *name, long n, int of)
{
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.max = 100;
    producers = of;
    bench_need(cress_queue_init(&queue, &o), "queue");
    bench_repeat(name, n, through_queue);
}

static void queue_1(const char *name, long n)
{
    queue_of(name, n, 1);
}

static void queue_100(const char *name, long n)
{
    queue_of(name, n, 100);
}

/* --- many ------------------------------------------------------------------------------------ */

static cress_event event;

static void *waits(void *arg)
{
    bench_need(cress_event_wait(&event, CRESS_FOREVER), "wait");
    return arg;
}

static double broadcast(long n)
{
    cress_event_clear(&event);
    for (long i = 0; i < n; i++)
        spawn(waits, NULL);
    cress_yield();
    int64_t before = bench_now();
    cress_event_set(&event);
    cress_run(CRESS_FOREVER);
    return bench_each(before, n);
}

static void event_10000(const char *name, long n)
{
    bench_repeat(name, n, broadcast);
}

enum { WAYS = 8 };
static cress_chan ways[WAYS];

static void *sends_all_ways(void *arg)
{
    for (long i = (long)arg; i > 0; i--)
        bench_need(cress_chan_send(&ways[i % WAYS], (void *)i, CRESS_FOREVER), "send");
    return NULL;
}

static double choose(long n)
{
    void *items[WAYS];
    spawn(sends_all_ways, (void *)n);
    int64_t before = bench_now();
    for (long i = 0; i < n; i++) {
        cress_case cases[WAYS];
        for (int k = 0; k < WAYS; k++)
            cases[k] = cress_on_chan_recv(&ways[k], &items[k]);
        bench_need(cress_choose(cases, WAYS, CRESS_FOREVER), "choose");
    }
    double ns = bench_each(before, n);
    cress_run(CRESS_FOREVER);
    return ns;
}

static void choose_8(const char *name, long n)
{
    bench_repeat(name, n, choose);
}

static void *same(void *arg)
{
    cress_yield();
    return arg;
}

static double map(long n)
{
    cress_pool pool = { { 0 } };
    void **args = calloc((size_t)n, sizeof *args), **results = calloc((size_t)n, sizeof *results);
    bench_need(cress_pool_init(&pool, 100, 0), "pool");
    int64_t before = bench_now();
    bench_need(cress_group_map(&pool, same, args, (size_t)n, results, NULL), "map");
    double ns = bench_each(before, n);
    bench_need(cress_group_done(&pool), "pool");
    free(args);
    free(results);
    return ns;
}

static void pool_map(const char *name, long n)
{
    bench_repeat(name, n, map);
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "sem_pingpong", sem_pingpong, 1000000 },
        { "sem_free", sem_free, 20000000 },
        { "mutex_free", mutex_free, 20000000 },
        { "mutex_handoff", mutex_handoff, 1000000 },
        { "chan_unbuffered", chan_unbuffered, 1000000 },
        { "chan_buffered", chan_buffered, 2000000 },
        { "queue_1", queue_1, 2000000 },
        { "queue_100", queue_100, 2000000 },
        { "event_10000", event_10000, 10000 },
        { "choose_8", choose_8, 300000 },
        { "pool_map", pool_map, 200000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
