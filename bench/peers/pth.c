/* pth - GNU Pth, the portable green threads of the nineties.
 *
 * Its scheduler looks at every waiting thread whenever one of them may have been woken, and keeps
 * its queues as sorted lists, so rows with very many threads may not end in any useful time; the
 * runner gives them up after its limit.
 */
#include "bench.h"
#include "peers/sockets.h"

#include <pth.h>

static pth_attr_t detached, joinable;
static pth_mutex_t lock = PTH_MUTEX_INIT;
static pth_cond_t all_ended = PTH_COND_INIT;
static long running, arrived;

static void setup(void)
{
    if (!pth_init())
        bench_die("pth_init");
    /* Otherwise each new thread goes before all others, and no queue forms. */
    pth_ctrl(PTH_CTRL_FAVOURNEW, 0);
    detached = pth_attr_new();
    joinable = pth_attr_new();
    pth_attr_set(detached, PTH_ATTR_JOINABLE, 0);
    pth_attr_set(joinable, PTH_ATTR_JOINABLE, 1);
    pth_attr_set(detached, PTH_ATTR_STACK_SIZE, (unsigned)BENCH_STACK);
    pth_attr_set(joinable, PTH_ATTR_STACK_SIZE, (unsigned)BENCH_STACK);
}

static void start(void *(*fn)(void *), void *arg)
{
    if (pth_spawn(detached, fn, arg) == NULL)
        bench_die("pth_spawn");
}

static void ended(void)
{
    if (--running == 0)
        pth_cond_notify(&all_ended, 0);
}

static void wait_for_all(void)
{
    pth_mutex_acquire(&lock, 0, NULL);
    while (running > 0)
        pth_cond_await(&all_ended, &lock, NULL);
    pth_mutex_release(&lock);
}

static bench_laps laps;

static void *yielder(void *arg)
{
    while (!laps.done) {
        if (arg != NULL)
            bench_lap(&laps);
        pth_yield(NULL);
    }
    ended();
    return NULL;
}

static void yield(const char *name, long n)
{
    setup();
    bench_laps_init(&laps, n, 100000);
    running = n;
    for (long i = 0; i < n; i++)
        start(yielder, i == 0 ? &laps : NULL);
    wait_for_all();
    bench_print(name, bench_best(laps.ns, BENCH_REPEATS), "ns");
}

static void *nothing(void *arg)
{
    return arg;
}

static void spawn_join(const char *name, long n)
{
    double best[BENCH_REPEATS];
    setup();
    n = bench_steps(n);
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        for (long i = 0; i < n; i++) {
            pth_t t = pth_spawn(joinable, nothing, NULL);
            if (t == NULL || !pth_join(t, NULL))
                bench_die("pth_spawn or pth_join");
        }
        if (r >= 0)
            best[r] = (double)(bench_now() - before) / (double)n;
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
}

static void *end_only(void *arg)
{
    ended();
    return arg;
}

static void *yield_once(void *arg)
{
    pth_yield(NULL);
    ended();
    return arg;
}

static void many(const char *name, long n, void *(*fn)(void *))
{
    double best[BENCH_REPEATS];
    setup();
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        running = n;
        for (long i = 0; i < n; i++)
            start(fn, NULL);
        wait_for_all();
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

__attribute__((noinline)) static void park_below_a_frame(void)
{
    char frame[BENCH_FRAME];
    memset(frame, 1, sizeof frame);
    bench_touch(frame);
    arrived++;
    pth_suspend(pth_self());
    pth_yield(NULL);
    bench_touch(frame);
}

static void *parker(void *arg)
{
    park_below_a_frame();
    return arg;
}

static void parked(const char *name, long n)
{
    if (!bench_room(name, n, 12))
        return;
    setup();
    n = bench_steps(n);
    long before = bench_memory_kb();
    for (long i = 0; i < n; i++)
        start(parker, NULL);
    while (arrived < n)
        pth_yield(NULL);
    bench_print(name, (double)(bench_memory_kb() - before) / (double)n, "KB");
}

static void *sleeper(void *arg)
{
    uint32_t state = bench_nap_start((long)arg);
    for (int k = 0; k < BENCH_NAPS; k++)
        pth_usleep(bench_nap_ms(&state) * 1000);
    ended();
    return NULL;
}

static void sleepers(const char *name, long n)
{
    setup();
    n = bench_steps(n);
    double before = bench_cpu_ms();
    running = n;
    for (long i = 0; i < n; i++)
        start(sleeper, (void *)i);
    wait_for_all();
    bench_print(name, bench_cpu_ms() - before, "ms");
}

static bench_laps trips;

static void *answer(void *arg)
{
    int fd = *(int *)arg;
    char buffer[4096];
    ssize_t n;
    while ((n = pth_read(fd, buffer, sizeof buffer)) > 0)
        if (pth_write(fd, buffer, (size_t)n) != n)
            break;
    close(fd);
    ended();
    return NULL;
}

typedef struct {
    int fd[2];
} pair_of;

static void *ask(void *arg)
{
    pair_of *a = arg;
    char message[BENCH_MESSAGE] = "12345678901234567890123456789012";
    char back[BENCH_MESSAGE];
    while (!trips.done) {
        bench_lap(&trips);
        /* 32 bytes come in one piece here; anything else would end the row, not falsify it */
        if (pth_write(a->fd[0], message, sizeof message) != BENCH_MESSAGE ||
            pth_read(a->fd[0], back, sizeof back) != BENCH_MESSAGE ||
            memcmp(message, back, sizeof back) != 0)
            bench_die("echo");
    }
    close(a->fd[0]);
    ended();
    return NULL;
}

static void echo(const char *name, long connections, void (*make)(int fd[2]))
{
    setup();
    bench_laps_init(&trips, 1, 20000);
    running = 2 * connections;
    pair_of *pairs = calloc((size_t)connections, sizeof *pairs);
    for (long i = 0; i < connections; i++) {
        make(pairs[i].fd);
        if (pairs[i].fd[1] >= FD_SETSIZE) {
            bench_cannot(name, "Pth waits with select: fds below 1024 only");
            return;
        }
    }
    for (long i = 0; i < connections; i++) {
        start(answer, &pairs[i].fd[1]);
        start(ask, &pairs[i]);
    }
    wait_for_all();
    bench_print(name, bench_best(trips.ns, BENCH_REPEATS), "ns");
}

static void echo_socketpair(const char *name, long n)
{
    echo(name, n, bench_socketpair);
}

static void echo_tcp(const char *name, long n)
{
    echo(name, n, bench_tcp_pair);
}

/* --- handing things over --------------------------------------------------------------------- */

static pth_cond_t turn = PTH_COND_INIT;
static long whose, left;

static void *plays(void *arg)
{
    long i = (long)arg;
    pth_mutex_acquire(&lock, 0, NULL);
    while (left > 0) {
        while (whose != i)
            pth_cond_await(&turn, &lock, NULL);
        whose = 1 - i;
        left--;
        pth_cond_notify(&turn, 1);
    }
    pth_mutex_release(&lock);
    ended();
    return NULL;
}

static double round_trips(long n)
{
    left = 2 * n;
    running = 2;
    int64_t before = bench_now();
    for (long i = 0; i < 2; i++)
        start(plays, (void *)i);
    wait_for_all();
    return bench_each(before, n);
}

static void sem_pingpong(const char *name, long n)
{
    setup();
    bench_repeat(name, n, round_trips);
}

static double lock_unlock(long n)
{
    int64_t before = bench_now();
    for (long i = 0; i < n; i++) {
        pth_mutex_acquire(&lock, 0, NULL);
        pth_mutex_release(&lock);
    }
    return bench_each(before, n);
}

static void mutex_free(const char *name, long n)
{
    setup();
    bench_repeat(name, n, lock_unlock);
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "yield_2", yield, 2 },
        { "yield_1000", yield, 1000 },
        { "yield_10000", yield, 10000 },
        { "spawn_join", spawn_join, 20000 },
        { "spawn_queued_10000", spawn_queued, 10000 },
        { "spawn_block_10000", spawn_block, 10000 },
        { "sem_pingpong", sem_pingpong, 20000 },
        { "mutex_free", mutex_free, 5000000 },
        { "parked_100000", parked, 100000 },
        { "parked_1000000", parked, 1000000 },
        { "sleepers_100000", sleepers, 100000 },
        { "echo_socketpair", echo_socketpair, 1 },
        { "echo_tcp_100", echo_tcp, 100 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
