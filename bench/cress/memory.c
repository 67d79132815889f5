/* memory - what a parked greenlet costs, and that its guard is there.
 *
 * Each has run, has a frame of 512 bytes in use, and waits in cress_park(). The row is what the
 * process grew by, resident pages and page tables, divided by their number: stacks, control blocks
 * and the pool's own books together.
 *
 * The guards of the first, the last and 100 random ones are proved by use: a write(2) from the
 * first and last byte of a guard must fail with EFAULT, and one from the lowest byte of the stack
 * above it must not. (It is the kernel that reads there, so nothing dies.)
 */
#include "bench.h"

#include <cress.h>

enum { PROOFS = 102 };

static long arrived;
static long proof_of[PROOFS]; /* the numbers of those whose guard is looked at, in order */
static int proofs;
static cress_coro *proved[PROOFS];

__attribute__((noinline)) static void park_below_a_frame(void)
{
    char frame[BENCH_FRAME];
    memset(frame, 1, sizeof frame);
    bench_touch(frame);
    arrived++;
    cress_park(CRESS_FOREVER);
    bench_touch(frame);
}

static void *parker(void *arg)
{
    cress_coro **mine = arg;
    if (mine != NULL)
        *mine = cress_coro_current();
    park_below_a_frame();
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

static void choose_proofs(long n)
{
    long drawn[PROOFS] = { 0, n - 1 };
    srand(7);
    for (int k = 2; k < PROOFS; k++)
        drawn[k] = rand() % n;
    qsort(drawn, PROOFS, sizeof drawn[0], by_size);
    for (int k = 0; k < PROOFS; k++)
        if (k == 0 || drawn[k] != drawn[k - 1])
            proof_of[proofs++] = drawn[k];
}

static long count_maps(void)
{
    long lines = 0;
    int c;
    FILE *file = fopen("/proc/self/maps", "r");
    if (file == NULL)
        bench_die("/proc/self/maps");
    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* Whether the system can read the byte at p. */
static bool readable(int to, const char *p)
{
    if (write(to, p, 1) == 1)
        return true;
    if (errno != EFAULT)
        bench_die("write");
    return false;
}

static bool guarded(const int pipe_fd[2], cress_coro *co, cress_guard *guard)
{
    char byte;
    cress_stack_info info;
    if (co == NULL || cress_coro_stack(co, &info) < 0)
        bench_die("cress_coro_stack");
    *guard = info.guard;
    const char *low = info.low;
    if (info.guard_size == 0 || readable(pipe_fd[1], low - info.guard_size) ||
        readable(pipe_fd[1], low - 1) || !readable(pipe_fd[1], low))
        return false;
    return read(pipe_fd[0], &byte, 1) == 1;
}

static void parked(const char *name, long n)
{
    static const char *const guard_names[] = { "none", "canary", "mprotect", "light" };
    char row[48], text[64];
    int pipe_fd[2];
    if (!bench_room(name, n, 8))
        return;
    n = bench_steps(n);
    if (pipe(pipe_fd) < 0)
        bench_die("pipe");
    choose_proofs(n);

    long maps = count_maps(), before = bench_memory_kb();
    int next = 0;
    for (long i = 0; i < n; i++) {
        bool mine = next < proofs && proof_of[next] == i;
        if (cress_go(parker, mine ? &proved[next++] : NULL) < 0)
            bench_die("cress_go");
    }
    while (arrived < n)
        cress_yield();
    double kb = (double)(bench_memory_kb() - before) / (double)n;
    maps = count_maps() - maps;

    bench_print(name, kb, "KB");
    int good = 0;
    cress_guard guard = CRESS_GUARD_NONE;
    for (int k = 0; k < proofs; k++)
        good += guarded(pipe_fd, proved[k], &guard);
    snprintf(row, sizeof row, "%s_guarded", name);
    snprintf(text, sizeof text, "%% of %d stacks asked, guard: %s", proofs, guard_names[guard]);
    bench_print(row, 100.0 * good / proofs, text);
    snprintf(row, sizeof row, "%s_maps", name);
    bench_print(row, (double)maps, "mappings more");
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "parked_100000", parked, 100000 },
        { "parked_1000000", parked, 1000000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
