/* Accepting and connecting, and what can go wrong there. */
#include "support/test.h"
#include "hub/apart.h"
#include "io/pairs.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>

enum { LIMIT = 20 };

static int end(void **state)
{
    (void)state;
    stop_counting();
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

struct call {
    int fd;
    const cress_address *to;
    int result;
};

static void *connects(void *arg)
{
    struct call *c = arg;
    c->result = cress_connect(c->fd, (const struct sockaddr *)&c->to->storage, c->to->length);
    return NULL;
}

static void *accepts(void *arg)
{
    struct call *c = arg;
    c->result = cress_accept(c->fd, NULL, NULL);
    return NULL;
}

static cress_greenlet *begin_call(cress_fn fn, struct call *c, int fd, const cress_address *to)
{
    *c = (struct call){ .fd = fd, .to = to, .result = 12345 };
    cress_greenlet *g = cress_spawn(fn, c);
    CHECK_EQ(cress_yield(), 0);
    return g;
}

static int end_call(cress_greenlet *g, const struct call *c)
{
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
    cress_unref(g);
    return c->result;
}

static cress_address local(int fd)
{
    cress_address at;
    CHECK_EQ(cress_address_local(fd, &at), 0);
    return at;
}

/* --- accept ---------------------------------------------------------------------------------- */

static void accept_waits_and_tells_the_peer(void **state)
{
    (void)state;
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    cress_address at = local(listener);
    struct call call;
    cress_greenlet *g = begin_call(accepts, &call, listener, NULL);
    CHECK_EQ(call.result, 12345);
    CHECK_EQ(cress_accept(listener, NULL, NULL), -EBUSY);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(cress_connect(client, (struct sockaddr *)&at.storage, at.length), 0);
    CHECK_GE(end_call(g, &call), 0);
    CHECK_EQ(cress_close(call.result), 0);
    CHECK_EQ(fcntl(client, F_GETFL) & O_NONBLOCK, 0); /* put back after the connect */
    CHECK_EQ(cress_close(client), 0);

    client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(client, (struct sockaddr *)&at.storage, at.length), 0);
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    int fd = cress_accept(listener, (struct sockaddr *)&peer, &length);
    CHECK_GE(fd, 0);
    cress_address mine = local(client);
    CHECK_EQ(length, sizeof peer);
    CHECK_EQ(peer.sin_port, ((struct sockaddr_in *)(void *)&mine.storage)->sin_port);
    CHECK_EQ(cress_close(fd), 0);
    CHECK_EQ(cress_close(client), 0);
    CHECK_EQ(cress_close(listener), 0);
}

static void accept_on_a_blocking_listener_of_others(void **state)
{
    (void)state;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK_EQ(bind(listener, (struct sockaddr *)&any, sizeof any), 0);
    CHECK_EQ(listen(listener, 5), 0);
    cress_address at = local(listener);
    struct call call;
    cress_greenlet *g = begin_call(accepts, &call, listener, NULL);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(call.result, 12345); /* this thread does not block */
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(client, (struct sockaddr *)&at.storage, at.length), 0);
    int fd = end_call(g, &call);
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(listener, F_GETFL) & O_NONBLOCK, 0);
    /* It was seen to be TCP: a short read is followed by no try. */
    char data[8];
    CHECK_EQ(send(client, "abc", 3, 0), 3);
    CHECK_EQ(cress_recv(fd, data, sizeof data, 0), 3);
    count_calls();
    CHECK_EQ(cress_fd_set_timeout(fd, CRESS_OUT, 1), 0);
    CHECK_EQ(cress_fd_set_timeout(fd, CRESS_OUT, CRESS_FOREVER), 0);
    CHECK_EQ(shutdown(client, SHUT_WR), 0);
    CHECK_EQ(cress_recv(fd, data, sizeof data, 0), 0);
    stop_counting();
    CHECK_EQ(calls_of("recvfrom"), 1);
    CHECK_EQ(cress_close(fd), 0);
    CHECK_EQ(cress_close(client), 0);
    CHECK_EQ(cress_close(listener), 0);
}

static void accept_without_fds_says_so_and_keeps_the_connection(void **state)
{
    (void)state;
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    cress_address at = local(listener);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(client, (struct sockaddr *)&at.storage, at.length), 0);
    struct rlimit old, none;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    int lowest = dup(0);
    close(lowest);
    none = old;
    none.rlim_cur = (rlim_t)lowest;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    int refused = cress_accept(listener, NULL, NULL), again = cress_accept(listener, NULL, NULL);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    CHECK_EQ(refused, -EMFILE);
    CHECK_EQ(again, -EMFILE);
    int fd = cress_accept(listener, NULL, NULL);
    CHECK_GE(fd, 0);
    CHECK_EQ(cress_close(fd), 0);
    CHECK_EQ(cress_close(client), 0);
    CHECK_EQ(cress_close(listener), 0);
}

static void what_does_not_listen_is_told_at_once(void **state)
{
    (void)state;
    int pipes[2], pair[2];
    CHECK_EQ(pipe(pipes), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int udp = socket(AF_INET, SOCK_DGRAM, 0), idle = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(cress_accept(pipes[0], NULL, NULL), -ENOTSOCK);
    CHECK_EQ(cress_accept(pipes[1], NULL, NULL), -ENOTSOCK);
    CHECK_EQ(cress_accept(pair[0], NULL, NULL), -EINVAL);
    CHECK_EQ(cress_accept(udp, NULL, NULL), -EOPNOTSUPP);
    CHECK_EQ(cress_accept(idle, NULL, NULL), -EINVAL);
    int all[] = { pipes[0], pipes[1], pair[0], pair[1], udp, idle };
    for (int i = 0; i < 6; i++)
        CHECK_EQ(cress_close(all[i]), 0);
}

static void a_connection_that_went_away_is_skipped(void **state)
{
    (void)state;
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    cress_address at = local(listener);
    struct call call;
    cress_greenlet *g = begin_call(accepts, &call, listener, NULL);
    struct linger now = { 1, 0 };
    int gone = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(setsockopt(gone, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    CHECK_EQ(connect(gone, (struct sockaddr *)&at.storage, at.length), 0);
    close(gone); /* a reset, before it is accepted */
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(client, (struct sockaddr *)&at.storage, at.length), 0);
    int fd = end_call(g, &call); /* Linux accepts it all the same; others say ECONNABORTED */
    CHECK_GE(fd, 0);
    CHECK_EQ(cress_close(fd), 0);
    CHECK_EQ(cress_close(client), 0);
    CHECK_EQ(cress_close(listener), 0);
}

/* --- connect --------------------------------------------------------------------------------- */

static void connect_to_nobody_is_refused(void **state)
{
    (void)state;
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    cress_address at = local(listener);
    CHECK_EQ(cress_close(listener), 0);
    for (int adopted = 0; adopted < 2; adopted++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fd, CRESS_FD_STREAM_TCP), 0);
        CHECK_EQ(cress_connect(fd, (struct sockaddr *)&at.storage, at.length), -ECONNREFUSED);
        CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, adopted ? O_NONBLOCK : 0);
        CHECK_EQ(fcntl(fd, F_GETFD) >= 0, 1); /* it stays the caller's */
        CHECK_EQ(cress_close(fd), 0);
    }
    CHECK_EQ(cress_connect(-1, (struct sockaddr *)&at.storage, at.length), -EBADF);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(cress_connect(fd, (struct sockaddr *)&at.storage, 1), -EINVAL);
    CHECK_EQ(cress_close(fd), 0);
}

static void a_listener_that_accepts_late_is_no_obstacle(void **state)
{
    (void)state;
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.backlog = 5;
    int listener = cress_listen("tcp:127.0.0.1:0", &o), fds[5];
    cress_address at = local(listener);
    for (int i = 0; i < 5; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQ(cress_connect(fds[i], (struct sockaddr *)&at.storage, at.length), 0);
        CHECK_EQ(cress_send(fds[i], "x", 1, 0), 1);
    }
    for (int i = 0; i < 5; i++) {
        char c;
        int fd = cress_accept(listener, NULL, NULL);
        CHECK_EQ(cress_recv(fd, &c, 1, 0), 1);
        CHECK_EQ(cress_close(fd), 0);
        CHECK_EQ(cress_close(fds[i]), 0);
    }
    CHECK_EQ(cress_close(listener), 0);
}

/* A unix listener whose backlog is full: connect(2) says EAGAIN, with nothing to poll for. */
static int full_listener(cress_address *at, int held[2])
{
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.backlog = 1;
    char text[64];
    snprintf(text, sizeof text, "unix:@cress-full-%d", (int)getpid());
    int listener = cress_listen(text, &o);
    CHECK_GE(listener, 0);
    *at = local(listener);
    for (int i = 0; i < 2; i++) {
        held[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        CHECK_EQ(connect(held[i], (struct sockaddr *)&at->storage, at->length), 0);
    }
    return listener;
}

static void a_full_unix_listener_is_waited_for(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        cress_address at;
        int held[2], listener = full_listener(&at, held);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fd, 0), 0);
        struct call call;
        cress_greenlet *g = begin_call(connects, &call, fd, &at);
        CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
        CHECK_EQ(call.result, 12345);
        int accepted = cress_accept(listener, NULL, NULL);
        CHECK_EQ(end_call(g, &call), 0);
        CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, adopted ? O_NONBLOCK : 0);
        CHECK_EQ(cress_close(fd), 0);
        CHECK_EQ(cress_close(accepted), 0);
        CHECK_EQ(cress_close(listener), 0);
        close_pair(held);
    }
}

static void a_full_unix_listener_is_waited_for_as_long_as_allowed(void **state)
{
    (void)state;
    cress_address at;
    int held[2], listener = full_listener(&at, held);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(cress_fd_set_timeout(fd, CRESS_OUT, CRESS_MS(5)), 0);
    cress_time start = cress_now();
    CHECK_EQ(cress_connect(fd, (struct sockaddr *)&at.storage, at.length), -ETIMEDOUT);
    CHECK_GE(cress_now() - start, CRESS_MS(5));
    CHECK_EQ(cress_fd_set_timeout(fd, CRESS_OUT, 0), 0);
    CHECK_EQ(cress_connect(fd, (struct sockaddr *)&at.storage, at.length), -EAGAIN);
    CHECK_EQ(cress_close(fd), 0);
    char text[CRESS_ADDRESS_TEXT];
    CHECK_EQ(cress_address_format(&at, text, sizeof text), 0);
    CHECK_EQ(cress_dial(text, CRESS_MS(5), NULL), -ETIMEDOUT);
    CHECK_EQ(cress_dial(text, 0, NULL), -EAGAIN);
    CHECK_EQ(cress_close(listener), 0);
    close_pair(held);
}

static void closing_an_fd_that_waits_for_a_full_listener_ends_that(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        cress_address at;
        int held[2], new[2], listener = full_listener(&at, held);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fd, 0), 0);
        struct call call;
        cress_greenlet *g = begin_call(connects, &call, fd, &at);
        CHECK_EQ(cress_close(fd), 0);
        new[0] = socket(AF_UNIX, SOCK_STREAM, 0); /* must not be the one that gets connected */
        CHECK_EQ(new[0], fd);
        new[1] = cress_accept(listener, NULL, NULL);
        CHECK_EQ(end_call(g, &call), -EBADF);
        cress_address peer;
        CHECK_EQ(cress_address_peer(new[0], &peer), -ENOTCONN);
        close_pair(new);
        CHECK_EQ(cress_close(listener), 0);
        close_pair(held);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(accept_waits_and_tells_the_peer),
        TEST(accept_on_a_blocking_listener_of_others),
        TEST(accept_without_fds_says_so_and_keeps_the_connection),
        TEST(what_does_not_listen_is_told_at_once),
        TEST(a_connection_that_went_away_is_skipped),
        TEST(connect_to_nobody_is_refused),
        TEST(a_listener_that_accepts_late_is_no_obstacle),
        TEST(a_full_unix_listener_is_waited_for),
        TEST(a_full_unix_listener_is_waited_for_as_long_as_allowed),
        TEST(closing_an_fd_that_waits_for_a_full_listener_ends_that),
    };
    return RUN_TESTS_APART(tests);
}
