/* Dialling and listening: every kind of address, every option; an error leaves nothing open. */
#include "support/test.h"
#include "support/fds.h"
#include "hub/apart.h"
#include "io/pairs.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct fds before;

static int begin(void **state)
{
    (void)state;
    fds_mark(&before);
    return 0;
}

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(fds_leaked(&before), 0);
    return 0;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;
    CHECK_EQ(getsockopt(fd, level, name, &value, &length), 0);
    return value != 0;
}

/* Why this machine has no IPv6, NULL if it has. */
static const char *no_v6(void)
{
    int fd = cress_listen("tcp:[::1]:0", NULL);
    if (fd < 0)
        return cress_error_name(fd);
    CHECK_EQ(cress_close(fd), 0);
    return NULL;
}

#define NEEDS_V6()                                                  \
    do {                                                            \
        if (no_v6() != NULL) {                                      \
            printf("        skipped: no IPv6 here: %s\n", no_v6()); \
            skip();                                                 \
        }                                                           \
    } while (0)

struct dialled {
    const char *to;
    const cress_dial_options *options;
    int fd;
};

static void *dials(void *arg)
{
    struct dialled *d = arg;
    d->fd = cress_dial(d->to, CRESS_SECONDS(20), d->options);
    return NULL;
}

static unsigned port_of(int fd)
{
    cress_address at;
    CHECK_EQ(cress_address_local(fd, &at), 0);
    return at.storage.ss_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)(const void *)&at.storage)->sin6_port)
               : ntohs(((const struct sockaddr_in *)(const void *)&at.storage)->sin_port);
}

/* Accept from `listener` what is dialled with `to`, send a word, close both. */
static void meet(int listener, const char *to)
{
    struct dialled d = { .to = to };
    cress_greenlet *g = cress_spawn(dials, &d);
    int fd = cress_accept(listener, NULL, NULL);
    CHECK_GE(fd, 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_GE(d.fd, 0);
    char data[8] = "";
    CHECK_EQ(cress_send(d.fd, "word", 4, 0), 4);
    CHECK_EQ(cress_recvall(fd, data, 4, NULL), 0);
    CHECK_STR(data, "word");
    CHECK_EQ(cress_close(fd), 0);
    CHECK_EQ(cress_close(d.fd), 0);
}

static void meet_at_port(const char *where, const char *format)
{
    char to[64];
    int listener = cress_listen(where, NULL);
    CHECK_GE(listener, 0);
    snprintf(to, sizeof to, format, port_of(listener));
    CHECK_NE(port_of(listener), 0); /* port 0: the system chose */
    meet(listener, to);
    CHECK_EQ(cress_close(listener), 0);
}

static void tcp_over_ipv4(void **state)
{
    (void)state;
    meet_at_port("tcp:127.0.0.1:0", "tcp:127.0.0.1:%u");
    meet_at_port("127.0.0.1:0", "127.0.0.1:%u");
    meet_at_port("tcp:localhost:0", "tcp:localhost:%u");
    meet_at_port("tcp:0.0.0.0:0", "tcp:127.0.0.1:%u");
    meet_at_port(":0", ":%u");
    meet_at_port("tcp::0", "tcp:127.0.0.1:%u");
}

static void tcp_over_ipv6(void **state)
{
    (void)state;
    NEEDS_V6();
    meet_at_port("tcp:[::1]:0", "tcp:[::1]:%u");
    meet_at_port("tcp:[::]:0", "tcp:[::1]:%u");
    meet_at_port(":0", "tcp:[::1]:%u"); /* all addresses: both families */
}

static void localhost_falls_back_from_one_family_to_the_other(void **state)
{
    (void)state;
    meet_at_port("tcp:127.0.0.1:0", "localhost:%u");
    NEEDS_V6();
    meet_at_port("tcp:[::1]:0", "localhost:%u");
    meet_at_port("tcp:[::1]:0", ":%u");
}

static void only_v6_means_that(void **state)
{
    (void)state;
    NEEDS_V6();
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.only_v6 = true;
    int listener = cress_listen(":0", &o);
    CHECK_GE(listener, 0);
    char to[64];
    snprintf(to, sizeof to, "tcp:127.0.0.1:%u", port_of(listener));
    CHECK_EQ(cress_dial(to, CRESS_SECONDS(5), NULL), -ECONNREFUSED);
    snprintf(to, sizeof to, "tcp:[::1]:%u", port_of(listener));
    meet(listener, to);
    CHECK_EQ(cress_close(listener), 0);
}

static void nodelay_and_keepalive_are_set_unless_refused(void **state)
{
    (void)state;
    for (int off = 0; off < 2; off++) {
        cress_listen_options lo = CRESS_LISTEN_OPTIONS_INIT;
        cress_dial_options options = CRESS_DIAL_OPTIONS_INIT;
        lo.delay = options.delay = options.no_keep_alive = off;
        int listener = cress_listen("tcp:127.0.0.1:0", &lo);
        char to[64];
        snprintf(to, sizeof to, "tcp:127.0.0.1:%u", port_of(listener));
        struct dialled d = { .to = to, .options = &options };
        cress_greenlet *g = cress_spawn(dials, &d);
        int fd = cress_accept(listener, NULL, NULL);
        CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
        cress_unref(g);
        CHECK_EQ(option(d.fd, IPPROTO_TCP, TCP_NODELAY), !off);
        CHECK_EQ(option(d.fd, SOL_SOCKET, SO_KEEPALIVE), !off);
        CHECK_EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), !off);
        CHECK_EQ(option(listener, SOL_SOCKET, SO_REUSEADDR), 1);
        CHECK_EQ(cress_close(fd), 0);
        CHECK_EQ(cress_close(d.fd), 0);
        CHECK_EQ(cress_close(listener), 0);
    }
}

static void a_connection_can_come_from_a_chosen_address(void **state)
{
    (void)state;
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    char to[64];
    snprintf(to, sizeof to, "tcp:127.0.0.1:%u", port_of(listener));
    cress_dial_options o = CRESS_DIAL_OPTIONS_INIT;
    o.local = "tcp:127.0.0.2:0";
    int fd = cress_dial(to, CRESS_SECONDS(5), &o);
    CHECK_GE(fd, 0);
    cress_address at;
    CHECK_EQ(cress_address_local(fd, &at), 0);
    CHECK_EQ(((const struct sockaddr_in *)(const void *)&at.storage)->sin_addr.s_addr,
             htonl(0x7f000002));
    CHECK_EQ(cress_close(fd), 0);
    o.local = "nonsense";
    CHECK_EQ(cress_dial(to, CRESS_SECONDS(5), &o), -EINVAL);
    o.local = "tcp:1.2.3.4:0"; /* not ours */
    CHECK_EQ(cress_dial(to, CRESS_SECONDS(5), &o), -EADDRNOTAVAIL);
    CHECK_EQ(cress_close(listener), 0);
}

static void what_cannot_be_dialled_is_told_and_leaves_nothing_open(void **state)
{
    (void)state;
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    char to[64];
    snprintf(to, sizeof to, "tcp:127.0.0.1:%u", port_of(listener));
    cress_dial_options bad = { 0 };
    CHECK_EQ(cress_dial(to, CRESS_SECONDS(5), &bad), -EINVAL);
    CHECK_EQ(cress_dial(to, -1, NULL), -EINVAL);
    CHECK_EQ(cress_dial(NULL, 1, NULL), -EINVAL);
    CHECK_EQ(cress_dial("nonsense", 1, NULL), -EINVAL);
    CHECK_EQ(cress_dial("tcp:no.such.name:1", 1, NULL), -ENOENT);
    CHECK_EQ(cress_dial("unix:/no/such/path", 1, NULL), -ENOENT);
    CHECK_EQ(cress_close(listener), 0);
    CHECK_EQ(cress_dial(to, CRESS_SECONDS(5), NULL), -ECONNREFUSED);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(fds_leaked(&before), 0);
}

/* An address that drops what comes: a listener whose backlog is full. */
static void dial_keeps_to_its_timeout(void **state)
{
    (void)state;
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.backlog = 1;
    int listener = cress_listen("tcp:127.0.0.1:0", &o), held[8], n = 0, error = 0;
    char to[64];
    snprintf(to, sizeof to, "tcp:127.0.0.1:%u", port_of(listener));
    cress_time start = 0;
    while (n < 8 && error == 0) {
        start = cress_now();
        held[n] = cress_dial(to, CRESS_MS(30), NULL);
        error = held[n] < 0 ? held[n] : 0;
        n += error == 0;
    }
    CHECK_EQ(error, -ETIMEDOUT);
    CHECK_GE(cress_now() - start, CRESS_MS(30));
    CHECK_EQ(cress_dial(to, 1, NULL), -ETIMEDOUT); /* also if it is over before it has begun */
    snprintf(to, sizeof to, "localhost:%u", port_of(listener));
    CHECK_EQ(cress_dial(to, CRESS_MS(5), NULL), -ETIMEDOUT); /* and tries no other address then */
    CHECK_EQ(cress_dial("tcp:127.0.0.1:1", 0, NULL) < 0, true);
    while (n > 0)
        CHECK_EQ(cress_close(held[--n]), 0);
    CHECK_EQ(cress_close(listener), 0);
}

static void who_is_killed_while_dialling_leaves_nothing_open(void **state)
{
    (void)state;
    char where[64];
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.backlog = 1;
    snprintf(where, sizeof where, "unix:@cress-dial-%d", (int)getpid());
    int listener = cress_listen(where, &o), held[2];
    for (int i = 0; i < 2; i++)
        CHECK_GE(held[i] = cress_dial(where, CRESS_SECONDS(5), NULL), 0);
    struct fds full;
    CHECK_EQ(cress_yield(), 0); /* the hub is there */
    fds_mark(&full);
    struct dialled d = { .to = where, .fd = 12345 };
    cress_greenlet *g = cress_spawn(dials, &d);
    CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
    CHECK_EQ(d.fd, 12345); /* the backlog is full: it waits */
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(d.fd, -ECANCELED);
    CHECK_EQ(fds_leaked(&full), 0);
    cress_unref(g);
    close_pair(held);
    CHECK_EQ(cress_close(listener), 0);
}

static void a_dialled_fd_has_no_timeout_left(void **state)
{
    (void)state;
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    char to[64], c;
    snprintf(to, sizeof to, "tcp:127.0.0.1:%u", port_of(listener));
    int fd = cress_dial(to, CRESS_MS(2000), NULL);
    CHECK_GE(fd, 0);
    count_calls();
    CHECK_EQ(cress_fd_set_timeout(fd, CRESS_IN, CRESS_FOREVER), 0);
    stop_counting();
    CHECK_EQ(calls_of("malloc"), 1); /* there were none kept */
    CHECK_EQ(cress_recv(fd, &c, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_EQ(cress_close(fd), 0);
    CHECK_EQ(cress_close(listener), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(tcp_over_ipv4),
        TEST(tcp_over_ipv6),
        TEST(localhost_falls_back_from_one_family_to_the_other),
        TEST(only_v6_means_that),
        TEST(nodelay_and_keepalive_are_set_unless_refused),
        TEST(a_connection_can_come_from_a_chosen_address),
        TEST(what_cannot_be_dialled_is_told_and_leaves_nothing_open),
        TEST(dial_keeps_to_its_timeout),
        TEST(who_is_killed_while_dialling_leaves_nothing_open),
        TEST(a_dialled_fd_has_no_timeout_left),
    };
    return RUN_TESTS_APART(tests);
}
