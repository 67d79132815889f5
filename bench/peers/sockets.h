/* sockets.h - connected pairs for the echo rows, all options the same for every peer.
 *
 * Blocking, as made: a peer that wants them otherwise says so itself when it takes them over.
 */
#ifndef BENCH_SOCKETS_H
#define BENCH_SOCKETS_H

#include "bench.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static inline void bench_socketpair(int fd[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
        bench_die("socketpair");
}

static inline void bench_tcp_pair(int fd[2])
{
    struct sockaddr_in a;
    socklen_t length = sizeof a;
    int one = 1;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || fd[0] < 0 || bind(listener, (struct sockaddr *)&a, length) < 0 ||
        listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&a, &length) < 0 ||
        connect(fd[0], (struct sockaddr *)&a, length) < 0)
        bench_die("a TCP connection");
    fd[1] = accept(listener, NULL, NULL);
    if (fd[1] < 0)
        bench_die("accept");
    close(listener);
    for (int i = 0; i < 2; i++)
        setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

#endif
