/* st - State Threads, the peer that is closest to cress: coroutines and an event loop, in C.
 *
 * It has no call to yield. `yield` is here what its users write instead, a condition variable for
 * each thread: signal the next one, wait for one's own. That is the same ring of switches.
 * In `spawn_block` each thread sleeps for no time, which is how it lets others run. `spawn_park`,
 * a row that only cress has besides, shows the cheaper way of blocking once: a condition variable.
 */
#include "bench.h"
#include "peers/sockets.h"

#include <st.h>

static void setup(void)
{
    /* epoll, where it was built with it. Debian's was not: then it is select, which is no worse for
     * the few descriptors here. */
    st_set_eventsys(ST_EVENTSYS_ALT);
    if (st_init() < 0)
        bench_die("st_init");
}

static st_thread_t start(void *(*fn)(void *), void *arg, int joinable)
{
    st_thread_t t = st_thread_create(fn, arg, joinable, BENCH_STACK);
    if (t == NULL)
        bench_die("st_thread_create");
    return t;
}

/* The end of many threads: the last one tells main. */
static long running;
static st_cond_t all_ended;

static void ended(void)
{
    if (--running == 0)
        st_cond_signal(all_ended);
}

static void wait_for_all(void)
{
    while (running > 0)
        st_cond_wait(all_ended);
}

static bench_laps laps;
static st_cond_t *turns;

static void *yielder(void *arg)
{
    long i = (long)arg;
    st_cond_t mine = turns[i], next = turns[(i + 1) % laps.n];
    while (!laps.done) {
        if (i == 0)
            bench_lap(&laps);
        st_cond_signal(next);
        st_cond_wait(mine);
    }
    st_cond_signal(next);
    ended();
    return NULL;
}

static void yield(const char *name, long n)
{
    setup();
    bench_laps_init(&laps, n, 2000000);
    all_ended = st_cond_new();
    turns = calloc((size_t)n, sizeof *turns);
    for (long i = 0; i < n; i++)
        turns[i] = st_cond_new();
    running = n;
    /* Backwards, so that all but the first wait already when it starts the ring: a signal to a
     * condition variable that nobody waits on is lost. */
    for (long i = n - 1; i > 0; i--) {
        start(yielder, (void *)i, 0);
        st_usleep(0);
    }
    start(yielder, (void *)0, 0);
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
        for (long i = 0; i < n; i++)
            st_thread_join(start(nothing, NULL, 1), NULL);
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

static void *nap_zero(void *arg)
{
    st_usleep(0);
    ended();
    return arg;
}

static st_cond_t gate;
static long arrived;

static void *wait_once(void *arg)
{
    arrived++;
    st_cond_wait(gate);
    ended();
    return arg;
}

static double many(long n, void *(*fn)(void *))
{
    double best[BENCH_REPEATS];
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        running = n;
        arrived = 0;
        for (long i = 0; i < n; i++)
            start(fn, NULL, 0);
        if (fn == wait_once) {
            while (arrived < n)
                st_usleep(0);
            st_cond_broadcast(gate);
        }
        wait_for_all();
        if (r >= 0)
            best[r] = (double)(bench_now() - before) / (double)n;
    }
    return bench_best(best, BENCH_REPEATS);
}

static void spawn_queued(const char *name, long n)
{
    setup();
    all_ended = st_cond_new();
    bench_print(name, many(n, end_only), "ns");
}

static void spawn_block(const char *name, long n)
{
    setup();
    all_ended = st_cond_new();
    bench_print(name, many(n, nap_zero), "ns");
}

static void spawn_park(const char *name, long n)
{
    setup();
    all_ended = st_cond_new();
    gate = st_cond_new();
    bench_print(name, many(n, wait_once), "ns");
}

__attribute__((noinline)) static void park_below_a_frame(void)
{
    char frame[BENCH_FRAME];
    memset(frame, 1, sizeof frame);
    bench_touch(frame);
    arrived++;
    st_cond_wait(gate);
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
    gate = st_cond_new();
    long before = bench_memory_kb();
    for (long i = 0; i < n; i++) {
        if (st_thread_create(parker, NULL, 0, BENCH_STACK) == NULL) {
            char reason[128];
            snprintf(reason, sizeof reason, "no thread after %ld: %s", i, strerror(errno));
            bench_cannot(name, reason);
            return;
        }
    }
    while (arrived < n)
        st_usleep(0);
    bench_print(name, (double)(bench_memory_kb() - before) / (double)n, "KB");
}

static void *sleeper(void *arg)
{
    uint32_t state = bench_nap_start((long)arg);
    for (int k = 0; k < BENCH_NAPS; k++)
        st_usleep((st_utime_t)bench_nap_ms(&state) * 1000);
    ended();
    return NULL;
}

static void sleepers(const char *name, long n)
{
    setup();
    n = bench_steps(n);
    all_ended = st_cond_new();
    double before = bench_cpu_ms();
    running = n;
    for (long i = 0; i < n; i++)
        start(sleeper, (void *)i, 0);
    wait_for_all();
    bench_print(name, bench_cpu_ms() - before, "ms");
}

static bench_laps trips;

static void *answer(void *arg)
{
    st_netfd_t fd = arg;
    char buffer[4096];
    ssize_t n;
    while ((n = st_read(fd, buffer, sizeof buffer, ST_UTIME_NO_TIMEOUT)) > 0)
        if (st_write(fd, buffer, (size_t)n, ST_UTIME_NO_TIMEOUT) != n)
            break;
    st_netfd_close(fd);
    ended();
    return NULL;
}

static void *ask(void *arg)
{
    st_netfd_t fd = arg;
    char message[BENCH_MESSAGE] = "12345678901234567890123456789012";
    char back[BENCH_MESSAGE];
    while (!trips.done) {
        bench_lap(&trips);
        if (st_write(fd, message, sizeof message, ST_UTIME_NO_TIMEOUT) != BENCH_MESSAGE ||
            st_read_fully(fd, back, sizeof back, ST_UTIME_NO_TIMEOUT) != BENCH_MESSAGE ||
            memcmp(message, back, sizeof back) != 0)
            bench_die("echo");
    }
    st_netfd_close(fd);
    ended();
    return NULL;
}

static void echo(const char *name, long connections, void (*pair)(int fd[2]))
{
    setup();
    all_ended = st_cond_new();
    bench_laps_init(&trips, 1, 100000);
    running = 2 * connections;
    for (long i = 0; i < connections; i++) {
        int fd[2];
        pair(fd);
        start(answer, st_netfd_open_socket(fd[1]), 0);
        start(ask, st_netfd_open_socket(fd[0]), 0);
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

/* Two condition variables, which is what it has. */
static st_cond_t own[2];
static long left;

static void *plays(void *arg)
{
    long i = (long)arg;
    while (left-- > 0) {
        st_cond_wait(own[i]);
        st_cond_signal(own[1 - i]);
    }
    st_cond_signal(own[1 - i]);
    ended();
    return NULL;
}

static double round_trips(long n)
{
    left = 2 * n;
    running = 2;
    for (long i = 0; i < 2; i++)
        start(plays, (void *)i, 0);
    st_usleep(0);
    int64_t before = bench_now();
    st_cond_signal(own[0]);
    wait_for_all();
    return bench_each(before, n);
}

static void sem_pingpong(const char *name, long n)
{
    setup();
    all_ended = st_cond_new();
    own[0] = st_cond_new();
    own[1] = st_cond_new();
    bench_repeat(name, n, round_trips);
}

static st_mutex_t mutex;

static double lock_unlock(long n)
{
    int64_t before = bench_now();
    for (long i = 0; i < n; i++) {
        st_mutex_lock(mutex);
        st_mutex_unlock(mutex);
    }
    return bench_each(before, n);
}

static void mutex_free(const char *name, long n)
{
    setup();
    mutex = st_mutex_new();
    bench_repeat(name, n, lock_unlock);
}

static double broadcast(long n)
{
    running = n;
    arrived = 0;
    for (long i = 0; i < n; i++)
        start(wait_once, NULL, 0);
    while (arrived < n)
        st_usleep(0);
    int64_t before = bench_now();
    st_cond_broadcast(gate);
    wait_for_all();
    return bench_each(before, n);
}

static void event_10000(const char *name, long n)
{
    setup();
    all_ended = st_cond_new();
    gate = st_cond_new();
    bench_repeat(name, n, broadcast);
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "yield_2", yield, 2 },
        { "yield_1000", yield, 1000 },
        { "yield_10000", yield, 10000 },
        { "spawn_join", spawn_join, 200000 },
        { "spawn_queued_10000", spawn_queued, 10000 },
        { "spawn_block_10000", spawn_block, 10000 },
        { "spawn_park_10000", spawn_park, 10000 },
        { "sem_pingpong", sem_pingpong, 1000000 },
        { "mutex_free", mutex_free, 20000000 },
        { "event_10000", event_10000, 10000 },
        { "parked_100000", parked, 100000 },
        { "parked_1000000", parked, 1000000 },
        { "sleepers_100000", sleepers, 100000 },
        { "echo_socketpair", echo_socketpair, 1 },
        { "echo_tcp_100", echo_tcp, 100 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
