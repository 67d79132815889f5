/* echo_select - an echo server as a readiness loop written by hand.
 *
 * One thread, level-triggered epoll, and a table of handlers: for each fd the function to call
 * when it is ready. What a blocking server keeps in its program counter ("I am in the middle of
 * writing the rest") has to live in data here, so each connection is a small state machine:
 *
 *     READING -> READING   [on_readable, all of it went out at once: the usual round trip]
 *     READING -> WRITING   [on_readable, the socket was full: watch for room, stop reading]
 *     WRITING -> READING   [on_writable, the rest is out]
 *     any     -> closed    [close_connection, end of file or an error]
 *
 * Compare examples/echo.c, which does the same and says so in a few lines. bench/demo runs this
 * file beside cress, so it is as good as such a loop gets: two system calls a message and one
 * epoll_wait for up to 1024 of them, no allocation after accept, and epoll_ctl only when a
 * connection changes its state.
 *
 *     echo_select [port]            without one the kernel chooses; prints "port N"
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 4096, EVENTS = 1024 };

typedef struct source source;

/* What the loop knows of an fd: whom to call. A connection's buffer is made with it, once. */
struct source {
    void (*handler)(source *s);
    int fd;
    uint32_t start, end; /* the bytes of buffer that still have to go out, while WRITING */
    char buffer[];
};

static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void on_readable(source *s);
static void on_writable(source *s);

static void watch(source *s, int operation, uint32_t events, void (*handler)(source *))
{
    struct epoll_event e = { .events = events, .data.ptr = s };
    s->handler = handler;
    if (epoll_ctl(epoll_fd, operation, s->fd, &e) < 0)
        die("epoll_ctl");
}

static void close_connection(source *s)
{
    close(s->fd); /* takes it out of the epoll set too: nobody else has a copy of this fd */
    free(s);
}

/* Send what is in the buffer. 1: all of it is out; 0: the socket is full; -1: give up. */
static int send_rest(source *s)
{
    while (s->start < s->end) {
        ssize_t n = send(s->fd, s->buffer + s->start, s->end - s->start, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN ? 0 : -1;
        }
        s->start += (uint32_t)n;
    }
    return 1;
}

/* One read for one event: whatever is left makes the fd ready again, level-triggered. */
static void on_readable(source *s)
{
    ssize_t n = recv(s->fd, s->buffer, BUFFER, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_connection(s);
        return;
    }
    s->start = 0;
    s->end = (uint32_t)n;
    int sent = send_rest(s);
    if (sent < 0)
        close_connection(s);
    else if (sent == 0)
        watch(s, EPOLL_CTL_MOD, EPOLLOUT, on_writable);
}

static void on_writable(source *s)
{
    int sent = send_rest(s);
    if (sent < 0)
        close_connection(s);
    else if (sent > 0)
        watch(s, EPOLL_CTL_MOD, EPOLLIN, on_readable);
}

static void on_connection(source *listener)
{
    for (;;) {
        int one = 1;
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            die("accept");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        source *s = malloc(sizeof *s + BUFFER);
        if (s == NULL)
            die("malloc");
        s->fd = fd;
        watch(s, EPOLL_CTL_ADD, EPOLLIN, on_readable);
    }
}

static int listen_on(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof a;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
        die("setsockopt");
    if (bind(fd, (struct sockaddr *)&a, length) < 0)
        die("bind");
    if (listen(fd, SOMAXCONN) < 0)
        die("listen");
    if (getsockname(fd, (struct sockaddr *)&a, &length) < 0)
        die("getsockname");
    printf("port %d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    source listener = { .fd = listen_on(argc > 1 ? atoi(argv[1]) : 0) };
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN, on_connection);

    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            source *s = events[i].data.ptr;
            s->handler(s);
        }
    }
}
