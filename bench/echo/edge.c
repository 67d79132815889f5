/* edge - an echo server on edge-triggered epoll, with the short-read rule. The demo's (c).
 *
 * Each connection is registered once, for both directions, and never again. Edge-triggered epoll
 * speaks only when something arrives, so a loop must know when a socket is drained. The careful
 * way is to read until EAGAIN, one more system call for each message. The short-read rule saves
 * it: a TCP socket that gave less than was asked for is empty, and what comes later is a new edge.
 *
 * (1) Not so once the peer has finished or failed: data and FIN that came together give no second
 *     edge. After RDHUP, HUP or ERR the connection reads on until end of file or an error.
 * (2) A connection that could not send all it has does not read: `drained` stays false until the
 *     rest is out, and the edge of the room that appears brings it back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 4096, EVENTS = 1024 };

typedef struct {
    int fd;
    bool finished; /* (1) an edge said RDHUP, HUP or ERR: short reads mean nothing any more */
    bool drained;
    uint32_t start, end; /* the bytes of buffer that still have to go out */
    char buffer[BUFFER];
} connection;

static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void close_connection(connection *c)
{
    close(c->fd);
    free(c);
}

/* 1: all of it is out; 0: the socket is full, an edge will follow; -1: give up. */
static int send_rest(connection *c)
{
    while (c->start < c->end) {
        ssize_t n = send(c->fd, c->buffer + c->start, c->end - c->start, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN ? 0 : -1;
        }
        c->start += (uint32_t)n;
    }
    return 1;
}

static void serve(connection *c, uint32_t events)
{
    if (events & EPOLLIN)
        c->drained = false;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        c->finished = true;
        c->drained = false;
    }
    for (;;) {
        if (c->start < c->end) {
            int sent = send_rest(c);
            if (sent < 0)
                break;
            if (sent == 0)
                return; /* (2) */
        }
        if (c->drained)
            return;
        ssize_t n = recv(c->fd, c->buffer, BUFFER, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                break;
            c->drained = true;
            return;
        }
        if (n == 0)
            break;
        c->drained = n < BUFFER && !c->finished; /* (1) */
        c->start = 0;
        c->end = (uint32_t)n;
    }
    close_connection(c);
}

static void accept_all(int listener)
{
    for (;;) {
        int one = 1;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            die("accept");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connection *c = malloc(sizeof *c);
        if (c == NULL)
            die("malloc");
        c->fd = fd;
        c->finished = false;
        c->drained = true;
        c->start = c->end = 0;
        struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.ptr = c };
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
            die("epoll_ctl");
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
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e) < 0)
        die("epoll_ctl");

    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(listener);
            else
                serve(events[i].data.ptr, events[i].events);
        }
    }
}
