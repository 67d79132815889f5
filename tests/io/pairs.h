/* pairs - connected descriptors for tests, and a count of the system calls made for them. */
#ifndef TESTS_IO_PAIRS_H
#define TESTS_IO_PAIRS_H

#include "base/fault.h"
#include "support/check.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Both ends foreign to cress and blocking, as a library makes them. */
static inline void unix_pair(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

struct pairs_dialled {
    cress_address to;
    int fd;
};

static inline void *pairs_dial(void *arg)
{
    struct pairs_dialled *d = arg;
    char text[CRESS_ADDRESS_TEXT];
    CHECK_EQ(cress_address_format(&d->to, text, sizeof text), 0);
    d->fd = cress_dial(text, CRESS_SECONDS(20), NULL);
    CHECK_GE(d->fd, 0);
    return NULL;
}

/* A TCP connection of cress's own; fds[0] was dialled, fds[1] accepted. */
static inline void tcp_pair(int fds[2])
{
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    CHECK_GE(listener, 0);
    struct pairs_dialled d;
    CHECK_EQ(cress_address_local(listener, &d.to), 0);
    cress_greenlet *g = cress_spawn(pairs_dial, &d);
    fds[1] = cress_accept(listener, NULL, NULL);
    CHECK_GE(fds[1], 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    fds[0] = d.fd;
    cress_unref(g);
    CHECK_EQ(cress_close(listener), 0);
}

static inline void close_pair(int fds[2])
{
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(cress_close(fds[1]), 0);
}

/* Write until nothing more goes in. */
static inline void fill(int fd)
{
    static char data[4096];
    while (send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
}

/* --- counting -------------------------------------------------------------------------------- */

static struct {
    const char *what;
    int count;
} pairs_counts[32];

static inline bool pairs_count(const char *what)
{
    int i = 0;
    while (pairs_counts[i].what != NULL && strcmp(pairs_counts[i].what, what) != 0)
        i++;
    CHECK_LT(i, 31);
    pairs_counts[i].what = what;
    pairs_counts[i].count++;
    return false;
}

static inline void count_calls(void)
{
    memset(pairs_counts, 0, sizeof pairs_counts);
    cress__fault_hook = pairs_count;
}

static inline void stop_counting(void)
{
    cress__fault_hook = NULL;
}

/* How often, since count_calls(). */
static inline int calls_of(const char *what)
{
    for (int i = 0; pairs_counts[i].what != NULL; i++)
        if (strcmp(pairs_counts[i].what, what) == 0)
            return pairs_counts[i].count;
    return 0;
}

#endif
