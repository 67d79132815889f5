/* echo - messages of 32 bytes answered over a socketpair, and over 100 TCP connections at once.
 *
 * Both ends are greenlets of this process, so a round trip is two messages and their switches.
 */
#include "bench.h"
#include "peers/sockets.h"

#include <cress.h>

static bench_laps trips;
static long running;
static cress_coro *home;

typedef struct {
    int fd[2];
} pair_of;

static void ended(int fd)
{
    cress_close(fd);
    if (--running == 0)
        cress_unpark(home);
}

static void *answer(void *arg)
{
    int fd = ((pair_of *)arg)->fd[1];
    char buffer[4096];
    ssize_t n;
    while ((n = cress_recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (cress_sendall(fd, buffer, (size_t)n, NULL) < 0)
            break;
    ended(fd);
    return NULL;
}

/* With a buffer that the answer does not fill: then a TCP socket is known to be empty after. */
static int read_answer(int fd, char *buffer, size_t size)
{
    size_t got = 0;
    while (got < BENCH_MESSAGE) {
        ssize_t n = cress_recv(fd, buffer + got, size - got, 0);
        if (n <= 0)
            return -1;
        got += (size_t)n;
    }
    return 0;
}

static void *ask(void *arg)
{
    pair_of *a = arg;
    char message[BENCH_MESSAGE] = "12345678901234567890123456789012";
    char back[4096];
    while (!trips.done) {
        bench_lap(&trips);
        if (cress_sendall(a->fd[0], message, sizeof message, NULL) < 0 ||
            read_answer(a->fd[0], back, sizeof back) < 0 ||
            memcmp(message, back, sizeof message) != 0)
            bench_die("echo");
    }
    ended(a->fd[0]);
    return NULL;
}

static void echo(const char *name, long connections, void (*make)(int fd[2]), unsigned flags)
{
    home = cress_coro_native();
    bench_laps_init(&trips, 1, 100000);
    running = 2 * connections;
    pair_of *pairs = calloc((size_t)connections, sizeof *pairs);
    for (long i = 0; i < connections; i++) {
        make(pairs[i].fd);
        for (int k = 0; k < 2; k++)
            if (cress_fd_adopt(pairs[i].fd[k], flags) < 0)
                bench_die("cress_fd_adopt");
        if (cress_go(answer, &pairs[i]) < 0 || cress_go(ask, &pairs[i]) < 0)
            bench_die("cress_go");
    }
    if (cress_park(CRESS_FOREVER) < 0 || running != 0)
        bench_die("cress_park");
    bench_print(name, bench_best(trips.ns, BENCH_REPEATS), "ns");
}

static void echo_socketpair(const char *name, long n)
{
    echo(name, n, bench_socketpair, 0);
}

static void echo_tcp(const char *name, long n)
{
    echo(name, n, bench_tcp_pair, CRESS_FD_STREAM_TCP);
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "echo_socketpair", echo_socketpair, 1 },
        { "echo_tcp_100", echo_tcp, 100 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
