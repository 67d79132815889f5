/* A server, its clients and its end, with each call failing once: whoever is refused is told,
 * nobody hangs, and nothing stays open.
 */
#include "support/sweep.h"
#include "hub/apart.h"
#include "io/pairs.h"

#include <stdio.h>

enum { CLIENTS = 3 };

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_LT(error, 0);
    CHECK(sweep_met_fault());
}

static int answer(int fd, const cress_address *peer, void *arg)
{
    (void)arg;
    CHECK(peer->length > 0);
    char data[64];
    cress_timeout limit = { 0 };
    int error = cress_timeout_start(&limit, CRESS_SECONDS(3));
    CHECK(error == 0 || sweep_met_fault());
    ssize_t n;
    while ((n = cress_recv(fd, data, sizeof data, 0)) > 0)
        if ((n = cress_sendall(fd, data, (size_t)n, NULL)) < 0)
            break;
    CHECK(!cress_timeout_stop(&limit) || sweep_met_fault());
    CHECK(n >= 0 || n == -ECANCELED || sweep_met_fault());
    return (int)n;
}

static void *ask(void *arg)
{
    char text[CRESS_ADDRESS_TEXT], c = 0;
    cress_address at;
    CHECK_EQ(cress_server_address(arg, &at), 0);
    CHECK_EQ(cress_address_format(&at, text, sizeof text), 0);
    int fd = cress_dial(text, CRESS_SECONDS(2), NULL);
    CHECK(fd >= 0 || sweep_met_fault());
    if (fd < 0)
        return NULL;
    CHECK(cress_fd_set_timeout(fd, CRESS_IN, CRESS_SECONDS(2)) == 0 || sweep_met_fault());
    int error = cress_sendall(fd, "?", 1, NULL);
    if (error == 0)
        error = (int)cress_recv(fd, &c, 1, 0);
    CHECK((error == 1 && c == '?') || sweep_met_fault());
    CHECK_EQ(cress_close(fd), 0);
    return NULL;
}

static const char *where;
static cress_server_options options;

/* Served, stopped, started again. */
static void serve(void)
{
    cress_set_error_hook(ignore, NULL);
    cress_server *server;
    int error = cress_server_new(where, answer, NULL, &options, &server);
    CHECK(error == 0 || sweep_met_fault());
    for (int round = 0; round < 2 && error == 0; round++) {
        int refused = cress_server_start(server);
        CHECK(refused == 0 || sweep_met_fault());
        cress_greenlet *clients[CLIENTS];
        for (int i = 0; i < CLIENTS && refused == 0; i++) {
            clients[i] = cress_spawn(ask, server);
            CHECK(clients[i] != NULL || sweep_met_fault());
        }
        for (int i = 0; i < CLIENTS && refused == 0; i++) {
            if (clients[i] != NULL)
                CHECK(cress_join(clients[i], CRESS_FOREVER) == 0 || sweep_met_fault());
            cress_unref(clients[i]);
        }
        int stopped = cress_server_stop(server, CRESS_SECONDS(1));
        CHECK(stopped == 0 || sweep_met_fault());
    }
    if (error == 0) {
        CHECK_GE(cress_run(CRESS_SECONDS(5)), 0);
        CHECK_EQ(cress_server_handlers(server), 0);
        CHECK_EQ(cress_server_free(server), 0);
    }
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(1)), 0);
}

static void a_server_over_tcp(void)
{
    where = "tcp:127.0.0.1:0";
    options = (cress_server_options)CRESS_SERVER_OPTIONS_INIT;
    options.max_handlers = 2;
    apart(serve);
}

static void a_server_over_a_unix_socket(void)
{
    static char text[64];
    snprintf(text, sizeof text, "unix:@cress-faults-%d", (int)getpid());
    where = text;
    options = (cress_server_options)CRESS_SERVER_OPTIONS_INIT;
    apart(serve);
}

static void given(void)
{
    cress_set_error_hook(ignore, NULL);
    int fd = cress_listen("tcp:127.0.0.1:0", NULL);
    CHECK(fd >= 0 || sweep_met_fault());
    if (fd < 0)
        return;
    options = (cress_server_options)CRESS_SERVER_OPTIONS_INIT;
    options.has_fd = true;
    options.listen_fd = fd;
    cress_server *server;
    int error = cress_server_new(NULL, answer, NULL, &options, &server);
    CHECK(error == 0 || sweep_met_fault());
    if (error == 0 && cress_server_start(server) == 0) {
        cress_greenlet *client = cress_spawn(ask, server);
        if (client != NULL)
            CHECK(cress_join(client, CRESS_FOREVER) == 0 || sweep_met_fault());
        cress_unref(client);
        CHECK(cress_server_stop(server, 0) == 0 || sweep_met_fault());
        CHECK_GE(cress_run(CRESS_SECONDS(5)), 0);
    }
    if (error == 0)
        CHECK_EQ(cress_server_free(server), 0);
    else
        CHECK_EQ(cress_close(fd), 0); /* it is still ours */
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(1)), 0);
}

static void a_server_on_a_given_listener(void)
{
    apart(given);
}

int main(void)
{
    return FAULT_SWEEP(a_server_over_tcp) + FAULT_SWEEP(a_server_over_a_unix_socket) +
           FAULT_SWEEP(a_server_on_a_given_listener);
}
