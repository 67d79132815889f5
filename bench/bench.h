/* bench.h - what the bench programs of cress and of its peers share: rows, clocks, memory.
 *
 * A program is a table of rows. Called with the names of rows it measures those, without any all
 * of them, and prints for each
 *
 *     name<TAB>value<TAB>unit              or, where the peer cannot do it,
 *     name<TAB>-<TAB>the reason
 *
 * and nothing else on stdout. Each row runs in a process of its own, forked before any library is
 * set up, so that no row inherits another one's stacks, caches or timers. The process is pinned to
 * one core, the last one it may use; rows that say so have two.
 *
 * --quick makes every row smaller; it shows that the programs run, its figures mean nothing.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE /* sched_setaffinity; a compiler for C++ has it set */
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BENCH_REPEATS = 5,      /* the best of these is a row's value */
    BENCH_MESSAGE = 32,     /* bytes of one echoed message */
    BENCH_NAPS = 3,         /* sleeps of one sleeper */
    BENCH_FRAME = 512,      /* bytes of the frame above a parked greenlet */
    BENCH_STACK = 64 * 1024 /* for peers whose stacks have a size to choose */
};

typedef struct {
    const char *name;
    void (*run)(const char *name, long n);
    long n;
} bench_row;

static bool bench_quick;

static inline int64_t bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* User and system time of the process so far, in milliseconds. */
static inline double bench_cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static inline void bench_print(const char *name, double value, const char *unit)
{
    printf("%s\t%.4g\t%s\n", name, value, unit);
    fflush(stdout);
}

static inline void bench_cannot(const char *name, const char *reason)
{
    printf("%s\t-\t%s\n", name, reason);
    fflush(stdout);
}

static inline void bench_die(const char *what)
{
    perror(what);
    exit(1);
}

/* error: what a call of cress gave. */
static inline void bench_need(int error, const char *what)
{
    if (error < 0) {
        errno = -error;
        bench_die(what);
    }
}

/* A number of steps, or a fiftieth of it with --quick. */
static inline long bench_steps(long n)
{
    long small = n / 50;
    return !bench_quick ? n : small > 0 ? small : 1;
}

static inline double bench_best(const double *values, int n)
{
    double best = values[0];
    for (int i = 1; i < n; i++)
        if (values[i] < best)
            best = values[i];
    return best;
}

static inline double bench_each(int64_t since, long n)
{
    return (double)(bench_now() - since) / (double)n;
}

/* The best of the repeats of one measurement, which gives ns for one of its n; the first one warms
 * up. */
static inline void bench_repeat(const char *name, long n, double (*measure)(long n))
{
    double best[BENCH_REPEATS];
    n = bench_steps(n);
    for (int r = -1; r < BENCH_REPEATS; r++) {
        double ns = measure(n);
        if (r >= 0)
            best[r] = ns;
    }
    bench_print(name, bench_best(best, BENCH_REPEATS), "ns");
}

/* A field of /proc/self/status or /proc/meminfo, in KB. */
static inline long bench_field_kb(const char *path, const char *field)
{
    char line[256];
    long value = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        bench_die(path);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
            value = atol(line + strlen(field) + 1);
    fclose(file);
    return value;
}

/* What this process occupies: its resident pages, and the page tables for them. */
static inline long bench_memory_kb(void)
{
    return bench_field_kb("/proc/self/status", "VmRSS") +
           bench_field_kb("/proc/self/status", "VmPTE");
}

/* False, and the row is answered, when the machine has no room for n greenlets of that size. */
static inline bool bench_room(const char *name, long n, long kb_each)
{
    char reason[128];
    long available = bench_field_kb("/proc/meminfo", "MemAvailable");
    if (available / kb_each > n)
        return true;
    snprintf(reason, sizeof reason, "not run: it takes up to %ld MB, %ld MB are available",
             n / 1024 * kb_each, available / 1024);
    bench_cannot(name, reason);
    return false;
}

/* The naps of sleeper number i, 1 to 1000 ms, the same for every peer: an xorshift from a seed. */
static inline uint32_t bench_nap_start(long i)
{
    return (uint32_t)i * 2654435761u + 1u;
}

static inline uint32_t bench_nap_ms(uint32_t *state)
{
    uint32_t x = *state != 0 ? *state : 1u;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return 1 + x % 1000;
}

/* The laps of a row in which n greenlets yield in turn. The first of them keeps the time: it calls
 * bench_lap() before each of its yields, and all go on until it has ended the row. */
typedef struct {
    long n, laps_each, lap;
    int segment;
    int64_t start;
    double ns[BENCH_REPEATS];
    bool pause; /* a segment has ended: the moment to let another ring turn, then bench_resume() */
    bool done;
} bench_laps;

static inline void bench_laps_init(bench_laps *l, long n, long switches)
{
    memset(l, 0, sizeof *l);
    l->n = n;
    l->laps_each = bench_steps(switches) / n;
    if (l->laps_each < 2)
        l->laps_each = 2;
    l->segment = -1; /* the first segment warms up and is not counted */
    l->start = bench_now();
}

static inline void bench_lap_end(bench_laps *l)
{
    int64_t now = bench_now();
    if (l->segment >= 0)
        l->ns[l->segment] = (double)(now - l->start) / (double)(l->laps_each * l->n);
    l->segment++;
    l->lap = 0;
    l->done = l->segment == BENCH_REPEATS;
    l->pause = true;
    l->start = bench_now();
}

static inline void bench_resume(bench_laps *l)
{
    l->pause = false;
    l->start = bench_now();
}

static inline void bench_lap(bench_laps *l)
{
    if (l->lap++ == l->laps_each) {
        bench_lap_end(l);
        l->lap = 1;
    }
}

/* Wide enough that the compiler cannot drop it: for the frame above a parked greenlet. */
static inline void bench_touch(void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* The last n cores of those that the process may use. */
static inline void bench_cores(int n)
{
    static cpu_set_t allowed;
    static bool known;
    if (!known && sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    known = true;
    cpu_set_t some;
    CPU_ZERO(&some);
    for (size_t i = CPU_SETSIZE; i-- > 0 && n > 0;)
        if (CPU_ISSET(i, &allowed)) {
            CPU_SET(i, &some);
            n--;
        }
    sched_setaffinity(0, sizeof some, &some);
}

static inline int bench_main(const bench_row *rows, int argc, char **argv)
{
    struct rlimit files;
    int first = 1, failed = 0;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    bench_cores(1);
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        bench_quick = true;
        first = 2;
    }
    for (int i = first; i < argc; i++) {
        bool known = false;
        for (const bench_row *row = rows; row->name != NULL; row++)
            known = known || strcmp(row->name, argv[i]) == 0;
        if (!known) {
            fprintf(stderr, "%s: no row %s; there are:", argv[0], argv[i]);
            for (const bench_row *row = rows; row->name != NULL; row++)
                fprintf(stderr, " %s", row->name);
            fprintf(stderr, "\n");
            return 2;
        }
    }
    for (const bench_row *row = rows; row->name != NULL; row++) {
        bool wanted = first == argc;
        for (int i = first; i < argc; i++)
            wanted = wanted || strcmp(row->name, argv[i]) == 0;
        if (!wanted)
            continue;
        pid_t child = fork();
        if (child < 0)
            bench_die("fork");
        if (child == 0) {
            row->run(row->name, row->n);
            fflush(stdout);
            _exit(0); /* a peer's exit handlers are no part of a row */
        }
        int status = 0;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
        if (status != 0) {
            if (WIFSIGNALED(status))
                fprintf(stderr, "%s: row %s ended by signal %d\n", argv[0], row->name,
                        WTERMSIG(status));
            failed = 1;
        }
    }
    return failed;
}

#endif
