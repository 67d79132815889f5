// fiber - Boost.Fiber: fibers with a scheduler, in C++, without I/O of its own.
//
// launch::post queues a fiber as spawn does; launch::dispatch would run it at once. Stacks come
// from a pool where fibers come and go, as its documentation advises, and from the plain allocator
// in the memory row, where a pool would only round up.
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <vector>

namespace fibers = boost::fibers;

namespace
{

struct group {
    long running = 0;
    fibers::mutex lock;
    fibers::condition_variable all_ended;

    void ended()
    {
        if (--running == 0)
            all_ended.notify_one();
    }
    void wait()
    {
        std::unique_lock<fibers::mutex> held(lock);
        while (running > 0)
            all_ended.wait(held);
    }
};

fibers::pooled_fixedsize_stack &pool()
{
    static fibers::pooled_fixedsize_stack stacks(BENCH_STACK);
    return stacks;
}

template <typename F> fibers::fiber spawn(F &&f)
{
    return fibers::fiber(fibers::launch::post, std::allocator_arg, pool(), std::forward<F>(f));
}

void yield(const char *name, long n)
{
    static bench_laps laps;
    bench_laps_init(&laps, n, 2000000);
    group all;
    all.running = n;
    for (long i = 0; i < n; i++)
        spawn([i, &all] {
            while (!laps.done) {
                if (i == 0)
                    bench_lap(&laps);
                boost::this_fiber::yield();
            }
            all.ended();
        }).detach();
    all.wait();
    bench_print(name, bench_best(laps.ns, BENCH_REPEATS), "ns");
}

void spawn_join(const char *name, long n)
{
    double best[BENCH_REPEATS];
    n = bench_steps(n);
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        for (long i = 0; i < n; i++)
            spawn([] {}).join();
        if (r >= 0)
            best[r] = static_cast<double>(bench_now() - before) / static_cast<double>(n);
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
}

template <typename F> void many(const char *name, long n, F body)
{
    double best[BENCH_REPEATS];
    for (int r = -1; r < BENCH_REPEATS; r++) {
        group all;
        int64_t before = bench_now();
        all.running = n;
        for (long i = 0; i < n; i++)
            spawn([&all, body] {
                body();
                all.ended();
            }).detach();
        all.wait();
        if (r >= 0)
            best[r] = static_cast<double>(bench_now() - before) / static_cast<double>(n);
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
}

void spawn_queued(const char *name, long n)
{
    many(name, n, [] {});
}

void spawn_block(const char *name, long n)
{
    many(name, n, [] { boost::this_fiber::yield(); });
}

fibers::mutex gate_lock;
fibers::condition_variable gate;
long arrived;

__attribute__((noinline)) void park_below_a_frame()
{
    char frame[BENCH_FRAME];
    std::memset(frame, 1, sizeof frame);
    bench_touch(frame);
    arrived++;
    std::unique_lock<fibers::mutex> held(gate_lock);
    gate.wait(held);
    bench_touch(frame);
}

void parked(const char *name, long n)
{
    if (!bench_room(name, n, 12))
        return;
    n = bench_steps(n);
    fibers::fixedsize_stack stacks(BENCH_STACK);
    long before = bench_memory_kb();
    for (long i = 0; i < n; i++)
        fibers::fiber(fibers::launch::post, std::allocator_arg, stacks, park_below_a_frame)
            .detach();
    while (arrived < n)
        boost::this_fiber::yield();
    bench_print(name, static_cast<double>(bench_memory_kb() - before) / static_cast<double>(n),
                "KB");
}

void sleepers(const char *name, long n)
{
    n = bench_steps(n);
    group all;
    double before = bench_cpu_ms();
    all.running = n;
    for (long i = 0; i < n; i++)
        spawn([i, &all] {
            uint32_t state = bench_nap_start(i);
            for (int k = 0; k < BENCH_NAPS; k++)
                boost::this_fiber::sleep_for(std::chrono::milliseconds(bench_nap_ms(&state)));
            all.ended();
        }).detach();
    all.wait();
    bench_print(name, bench_cpu_ms() - before, "ms");
}

void echo(const char *name, long)
{
    bench_cannot(name, "Boost.Fiber has no I/O of its own");
}

// --- handing things over

template <typename F> void repeat(const char *name, long n, F &&measure)
{
    double best[BENCH_REPEATS];
    n = bench_steps(n);
    for (int r = -1; r < BENCH_REPEATS; r++) {
        int64_t before = bench_now();
        measure(n);
        if (r >= 0)
            best[r] = static_cast<double>(bench_now() - before) / static_cast<double>(n);
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
}

void sem_pingpong(const char *name, long n)
{
    repeat(name, n, [](long rounds) {
        fibers::mutex lock;
        fibers::condition_variable own[2];
        long left = 2 * rounds;
        int whose = 0;
        auto plays = [&](int me) {
            std::unique_lock<fibers::mutex> held(lock);
            while (left > 0) {
                own[me].wait(held, [&] { return whose == me; });
                whose = 1 - me;
                left--;
                own[1 - me].notify_one();
            }
        };
        auto a = spawn([&] { plays(0); }), b = spawn([&] { plays(1); });
        a.join();
        b.join();
    });
}

void mutex_free(const char *name, long n)
{
    fibers::mutex lock;
    repeat(name, n, [&](long times) {
        while (times-- > 0) {
            lock.lock();
            lock.unlock();
        }
    });
}

void mutex_handoff(const char *name, long n)
{
    repeat(name, n, [](long times) {
        fibers::mutex lock;
        auto locks = [&, times] {
            for (long i = 0; i < times / 2; i++) {
                lock.lock();
                boost::this_fiber::yield();
                lock.unlock();
            }
        };
        auto a = spawn(locks), b = spawn(locks);
        a.join();
        b.join();
    });
}

template <typename C> void through(C &channel, long n, long producers)
{
    for (long p = 0; p < producers; p++)
        spawn([&channel, n, producers] {
            for (long i = 0; i < n / producers; i++)
                channel.push(i);
        }).detach();
    long item;
    for (long i = 0; i < n - n % producers; i++)
        channel.pop(item);
}

void chan_unbuffered(const char *name, long n)
{
    repeat(name, n, [](long times) {
        fibers::unbuffered_channel<long> channel;
        through(channel, times, 1);
    });
}

/* Its size is a power of two. */
void chan_buffered(const char *name, long n)
{
    repeat(name, n, [](long times) {
        fibers::buffered_channel<long> channel(128);
        through(channel, times, 1);
    });
}

void queue_1(const char *name, long n)
{
    chan_buffered(name, n);
}

void queue_100(const char *name, long n)
{
    repeat(name, n, [](long times) {
        fibers::buffered_channel<long> channel(128);
        through(channel, times, 100);
    });
}

} // namespace

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "yield_2", yield, 2 },
        { "yield_1000", yield, 1000 },
        { "yield_10000", yield, 10000 },
        { "spawn_join", spawn_join, 200000 },
        { "spawn_queued_10000", spawn_queued, 10000 },
        { "spawn_block_10000", spawn_block, 10000 },
        { "sem_pingpong", sem_pingpong, 500000 },
        { "mutex_free", mutex_free, 10000000 },
        { "mutex_handoff", mutex_handoff, 500000 },
        { "chan_unbuffered", chan_unbuffered, 500000 },
        { "chan_buffered", chan_buffered, 1000000 },
        { "queue_1", queue_1, 1000000 },
        { "queue_100", queue_100, 1000000 },
        { "parked_100000", parked, 100000 },
        { "parked_1000000", parked, 1000000 },
        { "sleepers_100000", sleepers, 100000 },
        { "echo_socketpair", echo, 1 },
        { "echo_tcp_100", echo, 100 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
