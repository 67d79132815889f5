/* pthreads - threads of the kernel, all on one core: what green threads are measured against.
 *
 * Stacks of 64 KB, the size that the green peers get too; the default would only reserve more.
 * The memory row shows what the process has; the kernel's own part (16 KB of kernel stack and
 * some 10 KB more for each thread) is in no figure of a process, so it is not in the row either.
 * In the row of the sleepers the first threads have ended before the last ones are made: there are
 * never 100 000 at once, or the row could not be done at all.
 */
#include "bench.h"
#include "peers/sockets.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static pthread_attr_t detached, joinable;
static sem_t all_ended, gate;
static atomic_long running, arrived;

static void setup(void)
{
    pthread_attr_init(&detached);
    pthread_attr_init(&joinable);
    pthread_attr_setstacksize(&detached, BENCH_STACK);
    pthread_attr_setstacksize(&joinable, BENCH_STACK);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sem_init(&all_ended, 0, 0);
    sem_init(&gate, 0, 0);
}

/* False, and the row is answered, when the system has no more threads for us. */
static bool start(const char *name, long i, void *(*fn)(void *), void *arg)
{
    pthread_t t;
    int error = pthread_create(&t, &detached, fn, arg);
    if (error == 0)
        return true;
    char reason[128];
    snprintf(reason, sizeof reason, "no thread after %ld: %s", i, strerror(error));
    bench_cannot(name, reason);
    return false;
}

static void ended(void)
{
    if (atomic_fetch_sub(&running, 1) == 1)
        sem_post(&all_ended);
}

/* Steps of all threads together, because the kernel does not let them go in turn. Who does the last
 * step of a segment keeps the time. */
static bench_laps laps;
static atomic_long steps;

static bool count_step(void)
{
    if ((atomic_fetch_add(&steps, 1) + 1) % laps.laps_each == 0 && !laps.done)
        bench_lap_end(&laps);
    return !laps.done;
}

static atomic_bool go;

static void *yielder(void *arg)
{
    atomic_fetch_add(&arrived, 1);
    while (!atomic_load(&go))
        sched_yield();
    while (count_step())
        sched_yield();
    ended();
    return arg;
}

static void yield(const char *name, long n)
{
    setup();
    bench_laps_init(&laps, 1, 200000);
    running = n;
    for (long i = 0; i < n; i++)
        if (!start(name, i, yielder, NULL))
            return;
    while (arrived < n)
        sched_yield();
    go = true;
    sem_wait(&all_ended);
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
            pthread_t t;
            if (pthread_create(&t, &joinable, nothing, NULL) != 0)
                bench_die("pthread_create");
            pthread_join(t, NULL);
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
    sched_yield();
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
            if (!start(name, i, fn, NULL))
                return;
        sem_wait(&all_ended);
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
    atomic_fetch_add(&arrived, 1);
    sem_wait(&gate);
    bench_touch(frame);
}

static void *parker(void *arg)
{
    park_below_a_frame();
    return arg;
}

static void parked(const char *name, long n)
{
    setup();
    n = bench_steps(n);
    long before = bench_memory_kb();
    for (long i = 0; i < n; i++)
        if (!start(name, i, parker, NULL))
            return;
    while (arrived < n)
        sched_yield();
    bench_print(name, (double)(bench_memory_kb() - before) / (double)n, "KB");
}

static void *sleeper(void *arg)
{
    uint32_t state = bench_nap_start((long)arg);
    for (int k = 0; k < BENCH_NAPS; k++) {
        uint32_t ms = bench_nap_ms(&state);
        struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
        nanosleep(&t, NULL);
    }
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
        if (!start(name, i, sleeper, (void *)i))
            return;
    sem_wait(&all_ended);
    bench_print(name, bench_cpu_ms() - before, "ms");
}

static void *answer(void *arg)
{
    int fd = *(int *)arg;
    char buffer[4096];
    ssize_t n;
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
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
    while (count_step()) {
        if (send(a->fd[0], message, sizeof message, MSG_NOSIGNAL) != BENCH_MESSAGE ||
            recv(a->fd[0], back, sizeof back, MSG_WAITALL) != BENCH_MESSAGE ||
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
    bench_laps_init(&laps, 1, 100000);
    running = 2 * connections;
    pair_of *pairs = calloc((size_t)connections, sizeof *pairs);
    for (long i = 0; i < connections; i++)
        make(pairs[i].fd);
    for (long i = 0; i < connections; i++)
        if (!start(name, i, answer, &pairs[i].fd[1]) || !start(name, i, ask, &pairs[i]))
            return;
    sem_wait(&all_ended);
    bench_print(name, bench_best(laps.ns, BENCH_REPEATS), "ns");
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

static sem_t own[2];

static void *plays(void *arg)
{
    long i = (long)arg;
    while (atomic_fetch_sub(&arrived, 1) > 0) {
        sem_wait(&own[i]);
        sem_post(&own[1 - i]);
    }
    sem_post(&own[1 - i]);
    ended();
    return NULL;
}

static double round_trips(long n)
{
    atomic_store(&arrived, 2 * n);
    atomic_store(&running, 2);
    for (long i = 0; i < 2; i++) {
        sem_init(&own[i], 0, 0);
        if (!start("sem_pingpong", i, plays, (void *)i))
            return 0;
    }
    int64_t before = bench_now();
    sem_post(&own[0]);
    sem_wait(&all_ended);
    return bench_each(before, n);
}

static void sem_pingpong(const char *name, long n)
{
    setup();
    bench_repeat(name, n, round_trips);
}

/* Two threads that hand an item to each other and back, with a mutex and a condition, on two cores.
 * A semaphore or a channel is the same here. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t come;
    void *item;
} slots[2] = { { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL },
               { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL } };

static void put(int i)
{
    pthread_mutex_lock(&slots[i].mutex);
    slots[i].item = slots;
    pthread_cond_signal(&slots[i].come);
    pthread_mutex_unlock(&slots[i].mutex);
}

static void get(int i)
{
    pthread_mutex_lock(&slots[i].mutex);
    while (slots[i].item == NULL)
        pthread_cond_wait(&slots[i].come, &slots[i].mutex);
    slots[i].item = NULL;
    pthread_mutex_unlock(&slots[i].mutex);
}

static void *answers(void *arg)
{
    for (long i = (long)arg; i > 0; i--) {
        get(0);
        put(1);
    }
    return NULL;
}

static double between_threads(long n)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, answers, (void *)n) != 0)
        bench_die("pthread_create");
    int64_t before = bench_now();
    for (long i = 0; i < n; i++) {
        put(0);
        get(1);
    }
    double ns = bench_each(before, n);
    pthread_join(thread, NULL);
    return ns;
}

static void threads_pingpong(const char *name, long n)
{
    bench_cores(2);
    bench_repeat(name, n, between_threads);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *idles(void *arg)
{
    sem_wait(&gate);
    return arg;
}

/* In a process with threads: without, the library spares the locked instructions. */
static double lock_unlock(long n)
{
    int64_t before = bench_now();
    for (long i = 0; i < n; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return bench_each(before, n);
}

static void mutex_free(const char *name, long n)
{
    setup();
    if (start(name, 0, idles, NULL))
        bench_repeat(name, n, lock_unlock);
}

static double take_give(long n)
{
    int64_t before = bench_now();
    for (long i = 0; i < n; i++) {
        sem_wait(&own[0]);
        sem_post(&own[0]);
    }
    return bench_each(before, n);
}

static void sem_free(const char *name, long n)
{
    setup();
    sem_init(&own[0], 0, 1);
    if (start(name, 0, idles, NULL))
        bench_repeat(name, n, take_give);
}

static void *locks(void *arg)
{
    for (long i = (long)arg; i > 0; i--) {
        pthread_mutex_lock(&mutex);
        sched_yield();
        pthread_mutex_unlock(&mutex);
    }
    ended();
    return NULL;
}

static double hand_over(long n)
{
    atomic_store(&running, 2);
    int64_t before = bench_now();
    for (long i = 0; i < 2; i++)
        if (!start("mutex_handoff", i, locks, (void *)(n / 2)))
            return 0;
    sem_wait(&all_ended);
    return bench_each(before, n);
}

static void mutex_handoff(const char *name, long n)
{
    setup();
    bench_repeat(name, n, hand_over);
}

/* A queue of 100 as it is in every book. */
static pthread_cond_t room = PTHREAD_COND_INITIALIZER, items = PTHREAD_COND_INITIALIZER;
static long in_queue, producers;

static void *fills(void *arg)
{
    for (long i = (long)arg; i > 0; i--) {
        pthread_mutex_lock(&mutex);
        while (in_queue == 100)
            pthread_cond_wait(&room, &mutex);
        in_queue++;
        pthread_cond_signal(&items);
        pthread_mutex_unlock(&mutex);
    }
    ended();
    return NULL;
}

static double through_queue(long n)
{
    n -= n % producers;
    atomic_store(&running, producers);
    int64_t before = bench_now();
    for (long i = 0; i < producers; i++)
        if (!start("queue", i, fills, (void *)(n / producers)))
            return 0;
    for (long i = 0; i < n; i++) {
        pthread_mutex_lock(&mutex);
        while (in_queue == 0)
            pthread_cond_wait(&items, &mutex);
        in_queue--;
        pthread_cond_signal(&room);
        pthread_mutex_unlock(&mutex);
    }
    double ns = bench_each(before, n);
    sem_wait(&all_ended);
    return ns;
}

static void queue_1(const char *name, long n)
{
    setup();
    producers = 1;
    bench_repeat(name, n, through_queue);
}

static void queue_100(const char *name, long n)
{
    setup();
    producers = 100;
    bench_repeat(name, n, through_queue);
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
        { "sem_pingpong", sem_pingpong, 100000 },
        { "threads_sem", threads_pingpong, 50000 },
        { "threads_chan", threads_pingpong, 50000 },
        { "sem_free", sem_free, 10000000 },
        { "mutex_free", mutex_free, 20000000 },
        { "mutex_handoff", mutex_handoff, 100000 },
        { "queue_1", queue_1, 500000 },
        { "queue_100", queue_100, 500000 },
        { "parked_100000", parked, 100000 },
        { "parked_1000000", parked, 1000000 },
        { "sleepers_100000", sleepers, 100000 },
        { "echo_socketpair", echo_socketpair, 1 },
        { "echo_tcp_100", echo_tcp, 100 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
