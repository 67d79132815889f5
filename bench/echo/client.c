/* client - the other end of the demo: many connections, one message in flight on each.
 *
 *     client PORT CONNECTIONS SIZE        connects to 127.0.0.1 and prints "connected N", then
 *     "round TRIPS" on its stdin          sends TRIPS messages on each connection, each when the
 *                                         answer to the one before is complete, and prints
 *     "round NS MESSAGES P50 P99 WRONG"   wall time, messages, latencies in ns, bad answers
 *     end of its stdin                    closes all and ends with 0
 *
 * It must not be the bottleneck, so it does what the fastest server does: edge-triggered epoll,
 * one registration for each connection, and no second read when the answer is complete. (One byte
 * more than the answer is asked for, so a server that sends too much is seen.)
 *
 * Each message is different: its bytes come from the connection, the number of the trip and the
 * position, so an answer that is late, doubled or somebody else's is a wrong answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024, LARGEST = 4096, FINE = 5, BUCKETS = 64 << FINE };

typedef struct {
    int fd;
    uint32_t left;     /* trips of this round that are not answered yet */
    uint32_t received; /* bytes of the current answer */
    uint64_t trip;     /* counted over all rounds */
    int64_t sent_at;
    char *answer;
} connection;

static connection *connections;
static size_t connection_count;
static size_t message_size;
static int epoll_fd;
static uint64_t histogram[BUCKETS];
static uint64_t wrong;

static void die(const char *what)
{
    fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A histogram with 32 buckets for each power of two: 3 % wide, and no sample is ever dropped. */
static void record(int64_t ns)
{
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;
    unsigned shift = 0;
    while (value >> shift >= 2u << FINE)
        shift++;
    uint64_t index = ((uint64_t)shift << FINE) + (value >> shift);
    histogram[index < BUCKETS ? index : BUCKETS - 1]++;
}

static uint64_t percentile(double share, uint64_t total)
{
    uint64_t seen = 0, wanted = (uint64_t)((double)total * share);
    for (uint64_t i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > wanted) {
            if (i < 2u << FINE)
                return i;
            uint64_t shift = (i >> FINE) - 1;
            return (i - (shift << FINE)) << shift;
        }
    }
    return 0;
}

/* The bytes of one message: a stream of splitmix64 that starts at the connection and the trip. */
static void fill(char *message, size_t number, uint64_t trip)
{
    uint64_t state = (uint64_t)number * 0x9e3779b97f4a7c15u + trip * 0xd1b54a32d192ed03u;
    for (size_t i = 0; i < message_size; i += 8) {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        memcpy(message + i, &z, message_size - i < 8 ? message_size - i : 8);
    }
}

static void send_next(connection *c)
{
    char message[LARGEST];
    fill(message, (size_t)(c - connections), c->trip);
    c->received = 0;
    c->sent_at = now();
    /* one message in flight: the socket's buffer always has room for it */
    ssize_t n = send(c->fd, message, message_size, MSG_NOSIGNAL);
    if (n != (ssize_t)message_size)
        die("send");
}

/* Take what has come. True when this connection has finished its round. */
static bool take_answer(connection *c)
{
    while (c->received < message_size) {
        ssize_t n = recv(c->fd, c->answer + c->received, message_size + 1 - c->received, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0)
            die("recv");
        if (n == 0) {
            fprintf(stderr, "client: the server closed a connection\n");
            exit(1);
        }
        c->received += (uint32_t)n;
    }
    record(now() - c->sent_at);
    char expected[LARGEST];
    fill(expected, (size_t)(c - connections), c->trip);
    if (c->received != message_size || memcmp(expected, c->answer, message_size) != 0)
        wrong++;
    c->trip++;
    if (--c->left == 0)
        return true;
    send_next(c);
    return false;
}

/* An event for a connection that has finished: left over from an answer that came in pieces. */
static void expect_silence(connection *c)
{
    char byte;
    if (recv(c->fd, &byte, 1, 0) < 0 && errno == EAGAIN)
        return;
    fprintf(stderr, "client: the server spoke unasked, or closed\n");
    exit(1);
}

static void run_round(uint32_t trips)
{
    static struct epoll_event events[EVENTS];
    size_t busy = trips > 0 ? connection_count : 0;
    memset(histogram, 0, sizeof histogram);
    wrong = 0;

    int64_t start = now();
    for (size_t i = 0; i < connection_count && trips > 0; i++) {
        connections[i].left = trips;
        send_next(&connections[i]);
    }
    while (busy > 0) {
        int n = epoll_wait(epoll_fd, events, EVENTS, 20000);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        if (n == 0) {
            fprintf(stderr, "client: no answer for 20 s on %zu connections\n", busy);
            exit(1);
        }
        for (int i = 0; i < n; i++) {
            connection *c = events[i].data.ptr;
            if (c->left == 0)
                expect_silence(c);
            else if (take_answer(c))
                busy--;
        }
    }
    int64_t elapsed = now() - start;
    uint64_t messages = (uint64_t)connection_count * trips;
    printf("round %lld %llu %llu %llu %llu\n", (long long)elapsed, (unsigned long long)messages,
           (unsigned long long)percentile(0.50, messages),
           (unsigned long long)percentile(0.99, messages), (unsigned long long)wrong);
    fflush(stdout);
}

static void connect_all(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    for (size_t i = 0; i < connection_count; i++) {
        connection *c = &connections[i];
        c->answer = malloc(message_size + 1);
        if (c->answer == NULL)
            die("malloc");
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0)
            die("socket");
        if (connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0)
            die("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
            die("fcntl");
        struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.ptr = c };
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
            die("epoll_ctl");
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    char line[64];
    if (argc != 4) {
        fprintf(stderr, "usage: client PORT CONNECTIONS SIZE\n");
        return 2;
    }
    connection_count = (size_t)atol(argv[2]);
    message_size = (size_t)atol(argv[3]);
    if (connection_count < 1 || message_size < 1 || message_size > LARGEST) {
        fprintf(stderr, "client: at least one connection, 1 to %d bytes\n", LARGEST);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    connections = calloc(connection_count, sizeof *connections);
    if (connections == NULL)
        die("calloc");
    connect_all(atoi(argv[1]));
    printf("connected %zu\n", connection_count);
    fflush(stdout);

    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned trips;
        if (sscanf(line, "round %u", &trips) != 1) {
            fprintf(stderr, "client: what is \"%s\"?\n", line);
            return 2;
        }
        run_round(trips);
    }
    return 0;
}
