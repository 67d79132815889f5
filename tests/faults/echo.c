/* A server and its clients in one hub, over TCP and over a unix socket, with each call failing
 * once: whatever fails, everybody comes to an end, and what arrives is what was sent.
 */
#include "support/sweep.h"
#include "hub/apart.h"
#include "io/pairs.h"

#include <stdio.h>

enum { CLIENTS = 2, ROUNDS = 3, SIZE = 48 };

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_LT(error, 0);
    CHECK(sweep_met_fault());
}

static const char *where;
static char reached[CRESS_ADDRESS_TEXT];
static int listener;

static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char data[256];
    ssize_t n;
    while ((n = cress_recv(fd, data, sizeof data, 0)) > 0)
        if (cress_sendall(fd, data, (size_t)n, NULL) < 0)
            break;
    CHECK(n >= 0 || sweep_met_fault());
    CHECK_EQ(cress_close(fd), 0);
    return NULL;
}

static void *serve(void *arg)
{
    for (;;) {
        int fd = cress_accept(listener, NULL, NULL);
        if (fd == -EBADF)
            return arg; /* closed: the end */
        if (fd < 0) {
            CHECK(sweep_met_fault());
            if (cress_sleep(CRESS_MS(1)) < 0)
                return arg;
        } else if (cress_go(serve_one, (void *)(intptr_t)fd) < 0) {
            CHECK(sweep_met_fault());
            CHECK_EQ(cress_close(fd), 0);
        }
    }
}

static void *be_client(void *arg)
{
    int number = (int)(intptr_t)arg;
    int fd = cress_dial(reached, CRESS_SECONDS(5), NULL);
    CHECK(fd >= 0 || sweep_met_fault());
    if (fd < 0)
        return NULL;
    if (cress_fd_set_timeout(fd, CRESS_IN, CRESS_SECONDS(2)) < 0)
        CHECK(sweep_met_fault());
    for (int i = 0; i < ROUNDS; i++) {
        char out[SIZE], in[SIZE];
        memset(out, number * ROUNDS + i, sizeof out);
        int error = i % 2 == 0 ? cress_sendall(fd, out, sizeof out, NULL)
                               : (int)cress_write(fd, out, sizeof out);
        if (error >= 0)
            error = cress_recvall(fd, in, sizeof in, NULL);
        CHECK(error >= 0 || sweep_met_fault());
        if (error < 0)
            break;
        CHECK_MEM(in, out, sizeof in);
    }
    CHECK_EQ(cress_close(fd), 0);
    return NULL;
}

static void echo(void)
{
    cress_set_error_hook(ignore, NULL);
    listener = cress_listen(where, NULL);
    CHECK(listener >= 0 || sweep_met_fault());
    if (listener < 0)
        return;
    cress_address at;
    if (cress_address_local(listener, &at) == 0) {
        CHECK_EQ(cress_address_format(&at, reached, sizeof reached), 0);
        cress_greenlet *clients[CLIENTS];
        int server = cress_go(serve, NULL);
        CHECK(server == 0 || sweep_met_fault());
        for (int i = 0; i < CLIENTS; i++)
            clients[i] = server == 0 ? cress_spawn(be_client, (void *)(intptr_t)i) : NULL;
        for (int i = 0; i < CLIENTS; i++) {
            if (clients[i] != NULL) {
                int error = cress_join(clients[i], CRESS_FOREVER);
                CHECK(error == 0 || sweep_met_fault());
            }
            cress_unref(clients[i]);
        }
    } else {
        CHECK(sweep_met_fault());
    }
    CHECK_EQ(cress_close(listener), 0);
    CHECK_GE(cress_run(CRESS_SECONDS(8)), 0); /* nobody hangs */
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void echo_over_tcp(void)
{
    where = "tcp:127.0.0.1:0";
    apart(echo);
}

static void echo_over_a_unix_socket(void)
{
    static char text[64];
    snprintf(text, sizeof text, "unix:@cress-faults-%d", (int)getpid());
    where = text;
    apart(echo);
}

/* Descriptors of others: pipes, sockets that block, files. */
static void *write_slowly(void *arg)
{
    int *fds = arg;
    for (int i = 0; i < 3; i++) {
        int error = cress_sleep(CRESS_US(100));
        if (error == 0)
            error = cress_sendall(fds[1], "pattern", 7, NULL);
        if (error < 0) {
            CHECK(sweep_met_fault());
            break;
        }
    }
    CHECK_EQ(cress_close(fds[1]), 0);
    return NULL;
}

static void read_from(int fds[2])
{
    char data[21];
    size_t got = 0;
    int error = cress_go(write_slowly, fds);
    if (error == 0) {
        error = cress_wait_fd(fds[0], CRESS_IN, CRESS_SECONDS(5));
        CHECK(error > 0 || sweep_met_fault());
        error = cress_recvall(fds[0], data, sizeof data, &got);
        CHECK(error == 0 || sweep_met_fault());
        for (size_t i = 0; i < got; i++)
            CHECK_EQ(data[i], "pattern"[i % 7]);
    } else {
        CHECK(sweep_met_fault());
        CHECK_EQ(cress_close(fds[1]), 0);
    }
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_GE(cress_run(CRESS_SECONDS(5)), 0);
}

static void others(void)
{
    cress_set_error_hook(ignore, NULL);
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    read_from(fds);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    read_from(fds);
    CHECK_GE(cress_hub_destroy(0), 0);
}

static void descriptors_of_others(void)
{
    apart(others);
}

int main(void)
{
    return FAULT_SWEEP(echo_over_tcp) + FAULT_SWEEP(echo_over_a_unix_socket) +
           FAULT_SWEEP(descriptors_of_others);
}
