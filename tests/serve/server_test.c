/* The server: who is served, when it pauses, how it ends, and that nothing stays open. */
#include "support/test.h"
#include "support/fds.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/told.h"
#include "base/compiler.h"
#include "base/fault.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 20 };

static int end(void **state)
{
    (void)state;
    cress__fault_hook = NULL;
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(1)), 0);
    return 0;
}

static int clocked_end(void **state)
{
    end(state);
    return clock_end(state);
}

/* --- servers and clients --------------------------------------------------------------------- */

/* A name of its own for each server. */
static const char *somewhere(void)
{
    static char text[64];
    static int number;
    snprintf(text, sizeof text, "unix:@cress-server-%d-%d", (int)getpid(), number++);
    return text;
}

static cress_server *make(const char *address, cress_handler handler, void *arg,
                          const cress_server_options *options)
{
    cress_server *server;
    CHECK_EQ(cress_server_new(address, handler, arg, options, &server), 0);
    CHECK_EQ(cress_server_start(server), 0);
    return server;
}

/* A client is a plain blocking socket, whose kernel has connected it before the server is asked. */
static int try_client(const cress_server *server)
{
    cress_address at;
    CHECK_EQ(cress_server_address(server, &at), 0);
    int fd = socket(at.storage.ss_family, SOCK_STREAM, 0);
    CHECK_GE(fd, 0);
    if (connect(fd, (struct sockaddr *)&at.storage, at.length) == 0)
        return fd;
    int error = -errno;
    CHECK_EQ(close(fd), 0);
    return error;
}

static int client(const cress_server *server)
{
    int fd = try_client(server);
    CHECK_GE(fd, 0);
    return fd;
}

/* All that can happen now, happens. */
static void let_run(void)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(cress_idle(), 0);
}

/* What a client has got: a byte, 0 for the end, or why not. */
static int got(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);
    return n > 0 ? c : n < 0 ? -errno : 0;
}

static void shut_down(cress_server *server)
{
    CHECK_EQ(cress_server_stop(server, 0), 0);
    CHECK_EQ(cress_server_free(server), 0);
}

static int echo(int fd, const cress_address *peer, void *arg)
{
    (void)peer, (void)arg;
    char data[512];
    ssize_t n;
    while ((n = cress_recv(fd, data, sizeof data, 0)) > 0)
        if ((n = cress_sendall(fd, data, (size_t)n, NULL)) < 0)
            break;
    return (int)n;
}

/* What handlers did. */
struct seen {
    int begun, ended, last; /* the result of the last one's wait */
    cress_time ended_at;
};

/* Sits there until the client goes, or it is cancelled. */
static int sits(int fd, const cress_address *peer, void *arg)
{
    (void)peer;
    struct seen *seen = arg;
    char c;
    seen->begun++;
    seen->last = (int)cress_recv(fd, &c, 1, 0);
    seen->ended++;
    seen->ended_at = clock_time;
    return seen->last;
}

/* --- serving --------------------------------------------------------------------------------- */

static int tells_the_peer(int fd, const cress_address *peer, void *arg)
{
    cress_address other;
    CHECK_EQ(cress_address_peer(fd, &other), 0);
    CHECK_EQ(other.length, peer->length);
    CHECK_MEM(&other.storage, &peer->storage, peer->length);
    CHECK_STR(cress_name(cress_current()), arg);
    CHECK_EQ(cress_send(fd, "p", 1, 0), 1);
    return 0;
}

static void connections_are_served_over_tcp_and_unix_and_the_peer_is_told(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "unix:/tmp/cress-server-%d", (int)getpid());
    const char *addresses[] = { "tcp:127.0.0.1:0", "tcp:[::1]:0", ":0", path, somewhere() };
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        int listener = cress_listen(addresses[i], NULL);
        if (listener < 0) {
            CHECK_EQ(i, 1);
            printf("        skipped: no IPv6 here: %s\n", cress_error_name(listener));
            continue;
        }
        CHECK_EQ(cress_close(listener), 0);
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.name = i % 2 == 0 ? NULL : "a name of its own";
        const char *name = i % 2 == 0 ? "server" : o.name;
        cress_server *server = make(addresses[i], tells_the_peer, (void *)(uintptr_t)name, &o);
        cress_address at;
        CHECK_EQ(cress_server_address(server, &at), 0);
        char text[CRESS_ADDRESS_TEXT];
        CHECK_EQ(cress_address_format(&at, text, sizeof text), 0);
        for (int k = 0; k < 3; k++) {
            int fd = cress_dial(text, CRESS_SECONDS(LIMIT), NULL);
            CHECK_GE(fd, 0);
            char c = 0;
            CHECK_EQ(cress_recv(fd, &c, 1, 0), 1);
            CHECK_EQ(c, 'p');
            CHECK_EQ(cress_recv(fd, &c, 1, 0), 0); /* closed after the handler */
            CHECK_EQ(cress_close(fd), 0);
        }
        shut_down(server);
    }
    CHECK_EQ(unlink(path + strlen("unix:")), 0); /* it stays, as with listen */
}

enum { CROWD = 200 };

static void *be_client(void *arg)
{
    int fd = client(arg);
    CHECK_EQ(cress_fd_adopt(fd, 0), 0);
    char out[300], in[300];
    for (int i = 0; i < 5; i++) {
        memset(out, fd + i, sizeof out);
        CHECK_EQ(cress_sendall(fd, out, sizeof out, NULL), 0);
        CHECK_EQ(cress_recvall(fd, in, sizeof in, NULL), 0);
        CHECK_MEM(in, out, sizeof in);
    }
    CHECK_EQ(cress_close(fd), 0);
    return NULL;
}

static void two_hundred_come_at_once_and_go(void **state)
{
    (void)state;
    cress_server *server = make("tcp:127.0.0.1:0", echo, NULL, NULL);
    for (int round = 0; round < 3; round++) {
        cress_greenlet *clients[CROWD];
        for (int i = 0; i < CROWD; i++)
            clients[i] = cress_spawn(be_client, server);
        for (int i = 0; i < CROWD; i++) {
            CHECK_EQ(cress_join(clients[i], CRESS_SECONDS(LIMIT)), 0);
            cress_unref(clients[i]);
        }
        CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
        let_run();
        CHECK_EQ(cress_server_handlers(server), 0);
    }
    shut_down(server);
}

static void *stops(void *arg)
{
    CHECK_EQ(cress_server_stop(arg, CRESS_SECONDS(1)), 0);
    return NULL;
}

static void serving_for_ever_ends_when_another_greenlet_has_stopped_it(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    for (int begun = 0; begun < 2; begun++) {
        cress_server *server;
        CHECK_EQ(cress_server_new(somewhere(), sits, &seen, NULL, &server), 0);
        if (begun)
            CHECK_EQ(cress_server_start(server), 0);
        cress_greenlet *g = cress_spawn_later(CRESS_SECONDS(100), stops, server);
        CHECK_EQ(cress_server_serve_forever(server), 0);
        CHECK_EQ(cress_server_free(server), 0); /* nobody is inside any more */
        CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
        cress_unref(g);
    }
}

static void *serves_forever(void *arg)
{
    return (void *)(intptr_t)cress_server_serve_forever(arg);
}

static void serving_for_ever_lasts_until_the_handlers_have_ended(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    cress_greenlet *serving[2] = { cress_spawn(serves_forever, server),
                                   cress_spawn(serves_forever, server) };
    int fd = client(server);
    let_run();
    cress_greenlet *g = cress_spawn(stops, server); /* with a second of grace */
    let_run();
    CHECK_EQ(seen.begun - seen.ended, 1);
    CHECK(!cress_ready(serving[0]) && !cress_ready(serving[1]));
    CHECK_EQ(cress_server_start(server), -EALREADY);
    CHECK_EQ(cress_server_free(server), -EBUSY);
    CHECK_EQ(send(fd, "x", 1, 0), 1);
    let_run();
    CHECK_EQ(seen.ended, 1);
    for (int i = 0; i < 2; i++) {
        CHECK(cress_ready(serving[i]));
        CHECK(cress_value(serving[i]) == NULL);
        cress_unref(serving[i]);
    }
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(close(fd), 0);
}

static void serving_for_ever_under_a_timeout_stops_the_server(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    cress_timeout limit = { 0 };
    CHECK_EQ(cress_timeout_start(&limit, CRESS_MS(30)), 0);
    CHECK_EQ(cress_server_serve_forever(server), -ECANCELED);
    CHECK(cress_timeout_stop(&limit));
    CHECK_EQ(try_client(server), -ECONNREFUSED);
    let_run();
    CHECK_EQ(seen.ended, 1);
    CHECK_EQ(seen.last, -ECANCELED);
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(close(fd), 0);
}

static int served; /* what who was killed has got */

static void *is_killed_serving(void *arg)
{
    served = cress_server_serve_forever(arg);
    return NULL;
}

/* The next server has the memory of the first: it is to notice nothing. */
static void who_serves_may_be_killed_and_the_server_freed_before_its_turn(void **state)
{
    (void)state;
    cress_server *server = make(somewhere(), echo, NULL, NULL);
    cress_greenlet *serving = cress_spawn(is_killed_serving, server);
    let_run();
    CHECK_EQ(cress_kill(serving, 0), 0);
    shut_down(server);
    cress_server *next = make(somewhere(), echo, NULL, NULL);
    CHECK_EQ(cress_join(serving, CRESS_FOREVER), 0);
    CHECK_EQ(served, -ECANCELED);
    CHECK_EQ(close(client(next)), 0);
    shut_down(next);
    cress_unref(serving);
}

static void a_started_server_is_no_deadlock_and_keeps_run_going(void **state)
{
    (void)state;
    cress_server *server = make(somewhere(), echo, NULL, NULL);
    CHECK_EQ(cress_run(CRESS_SECONDS(50)), -ETIMEDOUT);
    CHECK_EQ(cress_server_stop_accepting(server), 0); /* though nobody can come now */
    CHECK_EQ(cress_run(CRESS_SECONDS(50)), -ETIMEDOUT);
    CHECK_EQ(cress_server_stop(server, 0), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_server_free(server), 0);
}

/* --- stopping -------------------------------------------------------------------------------- */

static void stop_closes_the_listener_first_and_waits_for_handlers(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    let_run();
    cress_greenlet *g = cress_spawn(stops, server);
    let_run();
    CHECK_EQ(try_client(server), -ECONNREFUSED);
    CHECK_EQ(seen.ended, 0);
    CHECK(!cress_ready(g));
    CHECK_EQ(cress_sleep(CRESS_MS(999)), 0);
    CHECK_EQ(send(fd, "x", 1, 0), 1); /* just in time */
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(seen.last, 1);
    CHECK_EQ(got(fd), 0);
    cress_unref(g);
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(close(fd), 0);
}

static void who_has_not_ended_within_grace_is_killed_and_waited_for(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    for (cress_time grace = 0; grace <= CRESS_MS(70); grace += CRESS_MS(70)) {
        cress_server *server = make(somewhere(), sits, &seen, NULL);
        int fds[3];
        for (int i = 0; i < 3; i++)
            fds[i] = client(server);
        let_run();
        CHECK_EQ(cress_server_handlers(server), 3);
        cress_time begun = clock_time;
        CHECK_EQ(cress_server_stop(server, grace), 0);
        CHECK_EQ(seen.ended_at - begun, grace);
        CHECK_EQ(seen.last, -ECANCELED);
        CHECK_EQ(cress_server_handlers(server), 0);
        CHECK_EQ(cress_server_free(server), 0);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(got(fds[i]), 0);
            CHECK_EQ(close(fds[i]), 0);
        }
    }
    CHECK_EQ(seen.ended, 6);
}

/* Cleans up for 40 ms though it was killed. */
static int lingers(int fd, const cress_address *peer, void *arg)
{
    sits(fd, peer, arg);
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_SECONDS(1)), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(40)), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    ((struct seen *)arg)->ended_at = clock_time;
    return 0;
}

static void *stops_and_frees(void *arg)
{
    CHECK_EQ(cress_server_stop(arg, CRESS_FOREVER), 0);
    return (void *)(intptr_t)cress_server_free(arg);
}

/* Both are woken by one end; the first one finds the other inside still. */
static void who_stops_it_last_may_free_it(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    let_run();
    cress_greenlet *g[2];
    for (int i = 0; i < 2; i++)
        g[i] = cress_spawn(stops_and_frees, server);
    let_run();
    CHECK_EQ(close(fd), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_join(g[i], CRESS_FOREVER), 0);
        CHECK_EQ((intptr_t)cress_value(g[i]), i == 0 ? -EBUSY : 0);
        cress_unref(g[i]);
    }
}

static void a_handler_that_cleans_up_is_waited_for(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), lingers, &seen, NULL);
    int fd = client(server);
    let_run();
    cress_time begun = clock_time;
    CHECK_EQ(cress_server_stop(server, CRESS_MS(10)), 0);
    CHECK_EQ(clock_time - begun, CRESS_MS(50));
    CHECK_EQ(seen.ended_at, clock_time);
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(close(fd), 0);
}

static void a_stop_that_is_cancelled_kills_the_handlers_at_once(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    let_run();
    cress_timeout limit = { 0 };
    cress_time begun = clock_time;
    CHECK_EQ(cress_timeout_start(&limit, CRESS_MS(30)), 0);
    CHECK_EQ(cress_server_stop(server, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_timeout_stop(&limit));
    CHECK_EQ(cress_server_free(server), -EBUSY); /* the handler has still to find out */
    let_run();
    CHECK_EQ(seen.ended_at - begun, CRESS_MS(30));
    CHECK_EQ(seen.last, -ECANCELED);
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(close(fd), 0);
}

struct stopper {
    cress_server *server;
    cress_time grace;
    int results[2], n;
    struct seen seen;
};

/* Sits there; one that gets a byte stops its server. */
static int stops_its_server(int fd, const cress_address *peer, void *arg)
{
    struct stopper *s = arg;
    if (sits(fd, peer, &s->seen) <= 0)
        return 0;
    int result = cress_server_stop(s->server, s->grace);
    s->results[s->n++] = result;
    CHECK_EQ(cress_server_free(s->server), -EBUSY);
    return 0;
}

static void a_handler_may_stop_its_server(void **state)
{
    (void)state;
    struct stopper s = { .grace = CRESS_MS(20) };
    s.server = make(somewhere(), stops_its_server, &s, NULL);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = client(s.server);
    let_run();
    CHECK_EQ(send(fds[1], "x", 1, 0), 1);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(s.n, 1);
    CHECK_EQ(s.results[0], 0);
    CHECK_EQ(s.seen.ended, 3);
    CHECK_EQ(s.seen.last, -ECANCELED); /* the others */
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(got(fds[i]), 0);
        CHECK_EQ(close(fds[i]), 0);
    }
    CHECK_EQ(cress_server_free(s.server), 0);
}

static void two_handlers_that_stop_it_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct stopper s = { .grace = CRESS_FOREVER };
    s.server = make(somewhere(), stops_its_server, &s, NULL);
    int fds[2];
    for (int i = 0; i < 2; i++)
        fds[i] = client(s.server);
    let_run();
    CHECK_EQ(send(fds[0], "x", 1, 0), 1);
    let_run();
    CHECK_EQ(s.n, 0);
    CHECK_EQ(send(fds[1], "x", 1, 0), 1);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(s.n, 2);
    CHECK_EQ(s.results[0], 0);
    CHECK_EQ(s.results[1], 0);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
    CHECK_EQ(cress_server_free(s.server), 0);
}

static int wakes_main(cress_watch *watch, int events, void *arg)
{
    (void)events;
    CHECK_EQ(cress_watch_stop(watch), 0);
    return cress_unpark(arg);
}

/* Main is woken before the connection is accepted, in the same turn: it runs before the handler. */
static void a_handler_that_has_not_begun_closes_its_fd_too(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
    o.has_fd = true;
    o.listen_fd = cress_listen(somewhere(), NULL);
    cress_server *server = make(NULL, sits, &seen, &o);
    cress_watch_io first = { 0 };
    CHECK_EQ(cress_watch_io_init(&first, cress_hub_loop(cress_hub_current()), o.listen_fd, CRESS_IN,
                                 wakes_main, cress_greenlet_coro(cress_main())),
             0);
    CHECK_EQ(cress_watch_set_priority(&first.watch, 2), 0);
    CHECK_EQ(cress_watch_start(&first.watch), 0);
    int fd = client(server);
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    CHECK_EQ(cress_server_handlers(server), 1);
    CHECK_EQ(got(fd), -EAGAIN);
    CHECK_EQ(cress_server_stop(server, 0), 0);
    CHECK_EQ(seen.begun, 0);
    CHECK_EQ(got(fd), 0);
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(close(fd), 0);
}

static int stop_in_callback(void *arg)
{
    return cress_server_stop(arg, CRESS_FOREVER) == -EPERM ? 0 : -EINVAL;
}

static int stop_idle_in_callback(void *arg)
{
    return cress_server_stop(arg, CRESS_FOREVER);
}

static int serve_in_callback(void *arg)
{
    return cress_server_serve_forever(arg) == -EPERM ? 0 : -EINVAL;
}

static void a_callback_may_stop_only_what_need_not_be_waited_for(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    let_run();
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, stop_in_callback, server), 0);
    let_run();
    CHECK_EQ(told.count, 1); /* of the attempt to wait */
    CHECK_EQ(told.lines[0].error, -EPERM);
    CHECK_EQ(cress_server_start(server), -EALREADY); /* nothing was done */
    CHECK_EQ(seen.ended, 0);
    CHECK_EQ(close(fd), 0);
    let_run();
    CHECK_EQ(cress_post(NULL, &node, stop_idle_in_callback, server), 0);
    let_run();
    CHECK_EQ(told.count, 1);
    CHECK_EQ(try_client(server), -ECONNREFUSED);
    CHECK_EQ(cress_post(NULL, &node, serve_in_callback, server), 0);
    let_run();
    CHECK_EQ(told.count, 2);
    CHECK_EQ(try_client(server), -ECONNREFUSED); /* nor started */
    CHECK_EQ(cress_server_free(server), 0);
}

/* --- again ----------------------------------------------------------------------------------- */

static void it_starts_again_on_the_same_port(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "unix:/tmp/cress-server-%d", (int)getpid());
    const char *addresses[] = { "tcp:127.0.0.1:0", ":0", path, somewhere() };
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        cress_server *server = make(addresses[i], echo, NULL, NULL);
        cress_address first, next;
        CHECK_EQ(cress_server_address(server, &first), 0);
        for (int k = 0; k < 3; k++) {
            CHECK_EQ(cress_server_start(server), -EALREADY);
            int fd = client(server);
            let_run();
            CHECK_EQ(cress_server_stop(server, 0), 0);
            CHECK_EQ(try_client(server), -ECONNREFUSED);
            CHECK_EQ(cress_server_address(server, &next), 0); /* where it was */
            CHECK_EQ(cress_server_start(server), 0);
            CHECK_EQ(cress_server_address(server, &next), 0);
            CHECK_EQ(next.length, first.length);
            CHECK_MEM(&next.storage, &first.storage, first.length);
            CHECK_EQ(close(fd), 0);
        }
        CHECK_EQ(be_client(server), 0);
        shut_down(server);
    }
    unlink(path + strlen("unix:"));
}

static void who_comes_while_accepting_is_stopped_waits_in_the_backlog(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make("tcp:127.0.0.1:0", sits, &seen, NULL);
    CHECK_EQ(cress_server_stop_accepting(server), 0);
    CHECK_EQ(cress_server_stop_accepting(server), 0);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = client(server); /* the port stays */
    let_run();
    CHECK_EQ(seen.begun, 0);
    CHECK_EQ(cress_server_start_accepting(server), 0);
    let_run();
    CHECK_EQ(seen.begun, 3);
    CHECK_EQ(cress_server_stop_accepting(server), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(send(fds[i], "x", 1, 0), 1); /* handlers are not concerned */
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        let_run();
        CHECK_EQ(got(fds[i]), 0);
        CHECK_EQ(close(fds[i]), 0);
    }
    CHECK_EQ(seen.ended, 3);
    CHECK_EQ(cress_server_stop(server, 0), 0);
    CHECK_EQ(cress_server_stop_accepting(server), -EINVAL);
    CHECK_EQ(cress_server_start_accepting(server), -EINVAL);
    CHECK_EQ(cress_server_start(server), 0); /* what was held is forgotten */
    int fd = client(server);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    let_run();
    CHECK_EQ(seen.begun, 4);
    shut_down(server);
    CHECK_EQ(close(fd), 0);
}

static void a_bound_on_handlers_makes_connections_wait(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
    o.max_handlers = 2;
    cress_server *server = make(somewhere(), sits, &seen, &o);
    int fds[6];
    for (int i = 0; i < 6; i++)
        fds[i] = client(server);
    for (int i = 0; i < 6; i++) {
        let_run();
        CHECK_EQ(seen.begun, i + 2 < 6 ? i + 2 : 6);
        CHECK_EQ(cress_server_handlers(server), i + 2 <= 6 ? 2 : 1);
        cress_time now = clock_time;
        CHECK_EQ(close(fds[i]), 0);
        let_run();
        CHECK_EQ(clock_time, now); /* there is room: at once */
        CHECK_EQ(seen.ended, i + 1);
    }
    CHECK_EQ(seen.begun, 6);
    CHECK_EQ(cress_server_handlers(server), 0);
    shut_down(server);
}

static void *reads(void *arg)
{
    char c;
    return (void *)cress_recv(*(int *)arg, &c, 1, 0);
}

/* --- failing --------------------------------------------------------------------------------- */

static struct {
    const char *what;
    int left, n;
    cress_time at[32];
} faulty;

static bool fails(const char *what)
{
    if (faulty.what == NULL || strcmp(what, faulty.what) != 0 || faulty.left == 0)
        return false;
    faulty.left--;
    if (faulty.n < 32)
        faulty.at[faulty.n++] = clock_time;
    return true;
}

static void fail_next(const char *what, int times)
{
    faulty.what = what;
    faulty.left = times;
    faulty.n = 0;
    cress__fault_hook = fails;
}

static void check_pauses(cress_time first)
{
    cress_time pause = CRESS_MS(10);
    for (int i = 0; i < faulty.n; i++) {
        CHECK_EQ(faulty.at[i], first);
        first += pause;
        pause = pause * 2 < CRESS_SECONDS(1) ? pause * 2 : CRESS_SECONDS(1);
    }
}

static void without_descriptors_accepting_pauses_ever_longer_and_goes_on(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    for (int round = 0; round < 2; round++) { /* a success begins anew */
        fail_next("accept4", 9);
        cress_time begun = clock_time;
        told.count = 0;
        int fd = client(server);
        CHECK_EQ(cress_sleep(CRESS_SECONDS(5)), 0);
        CHECK_EQ(faulty.n, 9); /* after 0 10 30 70 150 310 630 1270 2270 ms */
        check_pauses(begun);
        CHECK_EQ(told.count, 9);
        CHECK_EQ(told.lines[0].error, -EMFILE);
        CHECK_STR(told.lines[0].context, "server: accept");
        CHECK_EQ(seen.begun, round + 1);
        CHECK_EQ(close(fd), 0);
        let_run();
    }
    shut_down(server);
}

static void a_listener_that_cannot_be_asked_for_again_is_asked_for_later(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    const char *poller = cress_loop_poller(cress_hub_loop(cress_hub_current()));
    if (strcmp(poller, "epoll") != 0) {
        printf("        skipped: nothing can fail there with %s\n", poller);
        return;
    }
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int first = client(server);
    let_run();
    CHECK_EQ(seen.begun, 1);
    CHECK_EQ(cress_server_stop_accepting(server), 0);
    fail_next("epoll_ctl", 1);
    CHECK_EQ(cress_server_start_accepting(server), 0); /* it is tried again by itself */
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.lines[0].error, -ENOMEM);
    int second = client(server);
    CHECK_EQ(cress_sleep(CRESS_MS(10) - 1), 0);
    CHECK_EQ(seen.begun, 1);
    CHECK_EQ(cress_sleep(2), 0);
    let_run();
    CHECK_EQ(seen.begun, 2);
    shut_down(server);
    CHECK_EQ(close(first), 0);
    CHECK_EQ(close(second), 0);
}

static void a_stop_ends_the_pause_too(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    fail_next("accept4", 5);
    int fd = client(server);
    CHECK_EQ(cress_sleep(CRESS_MS(100)), 0); /* in the pause of 80 ms */
    CHECK_EQ(cress_server_stop_accepting(server), 0);
    CHECK_EQ(cress_server_start_accepting(server), 0); /* not sooner for that */
    let_run();
    CHECK_EQ(faulty.n, 4);
    CHECK_EQ(cress_server_stop(server, 0), 0);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(10)), 0);
    CHECK_EQ(faulty.n, 4);
    CHECK_EQ(cress_server_start(server), 0);
    int other = client(server);
    cress_time begun = clock_time;
    CHECK_EQ(cress_sleep(CRESS_SECONDS(1)), 0);
    CHECK_EQ(faulty.n, 5);
    CHECK_EQ(faulty.at[4], begun);
    CHECK_EQ(seen.begun, 1);
    shut_down(server);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(close(other), 0);
}

/* Each failing spawn costs the connection that was accepted for it, and is a pause. */
static void a_spawn_that_fails_closes_its_connection_and_pauses(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = client(server);
    fail_next("malloc", 4);
    cress_time begun = clock_time;
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.lines[0].error, -ENOMEM);
    CHECK_EQ(got(fds[0]), 0);
    CHECK_EQ(got(fds[1]), -EAGAIN); /* waits */
    CHECK_EQ(cress_sleep(CRESS_SECONDS(1)), 0);
    check_pauses(begun);
    CHECK_EQ(told.count, 4);
    CHECK_EQ(seen.begun, 1);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(got(fds[i]), i < 4 ? 0 : -EAGAIN);
        CHECK_EQ(close(fds[i]), 0);
    }
    let_run();
    shut_down(server);
}

/* Without a stack it is noticed only when the handler's turn comes: those that were accepted
 * together go together, and are one failure. */
static void handlers_that_get_no_stack_close_their_connections_and_are_one_pause(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct seen seen = { 0 };
    cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
    o.stack_size = 200 * 1024; /* a class of which there is no stack yet */
    cress_server *server = make(somewhere(), sits, &seen, &o);
    int fds[3];
    fail_next("mmap", 1000);
    for (int i = 0; i < 2; i++)
        fds[i] = client(server);
    let_run();
    CHECK_EQ(told.count, 2);
    CHECK_EQ(told.lines[1].error, -ENOMEM);
    CHECK_EQ(got(fds[0]), 0);
    CHECK_EQ(got(fds[1]), 0);
    fds[2] = client(server);
    CHECK_EQ(cress_sleep(CRESS_MS(10) - 1), 0);
    CHECK_EQ(told.count, 2);
    CHECK_EQ(cress_sleep(2), 0);
    let_run();
    CHECK_EQ(told.count, 3);
    CHECK_EQ(got(fds[2]), 0);
    fail_next(NULL, 0);
    CHECK_EQ(close(fds[2]), 0);
    fds[2] = client(server);
    CHECK_EQ(cress_sleep(CRESS_MS(20) - 1), 0); /* the second pause */
    CHECK_EQ(seen.begun, 0);
    CHECK_EQ(cress_sleep(2), 0);
    let_run();
    CHECK_EQ(seen.begun, 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(close(fds[i]), 0);
    let_run();
    shut_down(server);
}

static void a_listener_that_somebody_closes_ends_the_serving_and_not_the_handlers(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    for (int how = 0; how < 3; how++) {
        struct seen seen = { 0 };
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.has_fd = true;
        o.listen_fd = cress_listen(how < 2 ? "tcp:127.0.0.1:0" : somewhere(), NULL);
        cress_server *server = make(NULL, sits, &seen, &o);
        cress_greenlet *serving = cress_spawn(serves_forever, server);
        int fd = client(server), spare = -1;
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK_EQ(seen.begun, 1);
        if (how == 0) {
            CHECK_EQ(cress_close(o.listen_fd), 0);
            spare = dup2(fd, o.listen_fd); /* the number is another file's at once */
        } else {
            CHECK_EQ(shutdown(o.listen_fd, SHUT_RDWR), 0);
        }
        CHECK_EQ(cress_join(serving, CRESS_SECONDS(LIMIT)), 0);
        int error = how == 0 ? -EBADF : -EINVAL;
        CHECK_EQ((intptr_t)cress_value(serving), error);
        cress_unref(serving);
        CHECK_EQ(told.count, how + 1);
        CHECK_EQ(told.lines[how].error, error);
        CHECK_EQ(cress_server_handlers(server), 1);
        CHECK_EQ(cress_server_stop_accepting(server), -EINVAL);
        if (how == 0) {
            CHECK_EQ(fcntl(spare, F_GETFD), 0); /* not ours to close */
            CHECK_EQ(close(spare), 0);
        }
        CHECK_EQ(cress_server_start(server), 0); /* on the same port */
        CHECK_EQ(close(client(server)), 0);
        shut_down(server);
        CHECK_EQ(seen.last, -ECANCELED);
        CHECK_EQ(close(fd), 0);
    }
}

enum { CLOSED, NULL_DEVICE, SOCKET, GONE };

/* Behind the back of cress, with close(2) or by another file. */
static void lose_listener(int fd, int how, int pair[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int file = how == NULL_DEVICE ? open("/dev/null", O_RDWR) : dup(pair[0]);
    CHECK_GE(file, 0);
    if (how == CLOSED)
        CHECK_EQ(close(fd), 0);
    else
        CHECK_EQ(dup2(file, fd), fd);
    CHECK_EQ(close(file), 0);
}

/* What has the number now is as if cress had never seen it. */
static void check_strangers(int fd, int how, const int pair[2])
{
    CHECK_EQ(fcntl(fd, F_GETFD) >= 0, how != CLOSED);
    if (how == SOCKET) {
        cress_greenlet *g = cress_spawn(reads, &fd);
        let_run();
        CHECK(!cress_ready(g));
        CHECK_EQ(send(pair[1], "x", 1, 0), 1);
        CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
        CHECK(cress_value(g) == (void *)1);
        cress_unref(g);
    }
    if (how != CLOSED)
        CHECK_EQ(cress_close(fd), 0);
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
}

static void a_listener_that_is_lost_in_a_pause_ends_the_serving(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    for (int how = 0; how < GONE; how++) {
        struct seen seen = { 0 };
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.has_fd = true;
        o.listen_fd = cress_listen("tcp:127.0.0.1:0", NULL);
        o.max_handlers = 1;
        cress_server *server = make(NULL, sits, &seen, &o);
        cress_greenlet *serving = cress_spawn(serves_forever, server);
        int fd = client(server), pair[2];
        let_run();
        CHECK_EQ(seen.begun, 1); /* and no more */
        lose_listener(o.listen_fd, how, pair);
        cress_time begun = clock_time;
        CHECK_EQ(close(fd), 0);
        let_run();
        CHECK(cress_ready(serving));
        CHECK_EQ(clock_time, begun);
        CHECK_EQ((intptr_t)cress_value(serving), -EBADF);
        cress_unref(serving);
        CHECK_EQ(told.count, how + 1);
        CHECK_EQ(told.lines[how].error, -EBADF);
        CHECK_STR(told.lines[how].context, "server: the listener has failed");
        check_strangers(o.listen_fd, how, pair);
        CHECK_EQ(cress_server_start(server), 0); /* on the same port */
        fd = client(server);
        let_run();
        CHECK_EQ(seen.begun, 2);
        shut_down(server);
        CHECK_EQ(close(fd), 0);
    }
}

/* At once where the poller tells, else when it is used next. */
static void a_listener_that_is_lost_while_it_is_waited_for_ends_the_serving(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    bool polls = strcmp(cress_loop_poller(cress_hub_loop(cress_hub_current())), "poll") == 0;
    for (int how = 0; how < GONE; how++) {
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.has_fd = true;
        o.listen_fd = cress_listen("tcp:127.0.0.1:0", NULL);
        cress_server *server = make(NULL, echo, NULL, &o);
        cress_greenlet *serving = cress_spawn(serves_forever, server);
        let_run();
        int pair[2];
        lose_listener(o.listen_fd, how, pair);
        let_run();
        CHECK(cress_ready(serving) || how == SOCKET || !polls);
        if (!cress_ready(serving)) {
            CHECK_EQ(cress_server_stop_accepting(server), 0);
            CHECK_EQ(cress_server_start_accepting(server), 0);
            let_run();
        }
        CHECK(cress_ready(serving));
        CHECK_EQ((intptr_t)cress_value(serving), -EBADF);
        cress_unref(serving);
        CHECK_EQ(told.count, how + 1);
        CHECK_EQ(told.lines[how].error, -EBADF);
        check_strangers(o.listen_fd, how, pair);
        CHECK_EQ(cress_server_start(server), 0);
        CHECK_EQ(close(client(server)), 0);
        shut_down(server);
    }
}

/* At a stop nobody has noticed yet; nor when the hub, which would have, is gone. */
static void a_listener_that_is_lost_unnoticed_is_not_closed_again(void **state)
{
    (void)state;
    for (int hub_ends = 0; hub_ends < 2; hub_ends++)
        for (int how = hub_ends ? NULL_DEVICE : CLOSED; how < GONE; how++) {
            cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
            o.has_fd = true;
            o.listen_fd = cress_listen("tcp:127.0.0.1:0", NULL);
            cress_server *server = make(NULL, echo, NULL, &o);
            int pair[2];
            if (hub_ends)
                CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(1)), 0);
            lose_listener(o.listen_fd, how, pair);
            if (hub_ends)
                CHECK_EQ(cress_server_start(server), 0);
            CHECK_EQ(cress_server_stop(server, 0), 0);
            check_strangers(o.listen_fd, how, pair);
            CHECK_EQ(cress_server_free(server), 0);
        }
}

static void stops_and_frees_it(cress_hub *hub, cress_greenlet *g, const char *context, int error,
                               void *arg)
{
    (void)hub, (void)g, (void)context;
    cress_server **server = arg;
    CHECK_LT(error, 0);
    CHECK_EQ(cress_server_stop(*server, CRESS_FOREVER), 0);
    CHECK_EQ(cress_server_free(*server), 0);
    *server = NULL;
}

static void the_error_hook_may_stop_the_server_and_free_it(void **state)
{
    (void)state;
    enum { ACCEPT, SPAWN, WATCH, LISTENER, FAILURES };
    static const char *const points[] = { "accept4", "malloc", "epoll_ctl", NULL };
    cress_server *server;
    struct seen seen = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, stops_and_frees_it, &server), 0);
    for (int i = 0; i < FAILURES; i++) {
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.has_fd = true;
        o.listen_fd = cress_listen(somewhere(), NULL);
        server = make(NULL, sits, &seen, &o);
        int fd = i == ACCEPT || i == SPAWN ? client(server) : -1;
        if (i == LISTENER)
            CHECK_EQ(shutdown(o.listen_fd, SHUT_RDWR), 0);
        else if (i == WATCH)
            CHECK_EQ(cress_server_stop_accepting(server), 0);
        fail_next(points[i], 1);
        if (i == WATCH)
            CHECK_EQ(cress_server_start_accepting(server), 0);
        let_run();
        cress__fault_hook = NULL;
        CHECK(server == NULL || i == WATCH); /* which fails with epoll only */
        if (server != NULL)
            shut_down(server);
        if (fd >= 0)
            CHECK_EQ(close(fd), 0);
    }
    CHECK_EQ(seen.begun, 0);
}

struct results {
    int next;
    int results[8];
};

static int returns(int fd, const cress_address *peer, void *arg)
{
    (void)fd, (void)peer;
    struct results *r = arg;
    return r->results[r->next++];
}

static void what_a_handler_returns_is_told_unless_the_peer_only_went_away(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    for (int inlined = 0; inlined < 2; inlined++) {
        struct results r = { .results = { -EIO, 0, -ECONNRESET, -EPIPE, -ECANCELED, 7, -ENOENT } };
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.inline_handlers = inlined;
        told.count = 0;
        cress_server *server = make(somewhere(), returns, &r, &o);
        for (int i = 0; i < 7; i++) {
            int fd = client(server);
            let_run();
            CHECK_EQ(r.next, i + 1);
            CHECK_EQ(got(fd), 0); /* closes its client, and the next one is served */
            CHECK_EQ(close(fd), 0);
        }
        CHECK_EQ(told.count, 2);
        CHECK_EQ(told.lines[0].error, -EIO);
        CHECK_EQ(told.lines[1].error, -ENOENT);
        CHECK_STR(told.lines[0].context, "server: handler");
        CHECK_STR(told.lines[0].name, inlined ? "" : "server");
        shut_down(server);
    }
}

enum { RETURNS, EXITS, FAILS, IS_KILLED, SPAWNS_A_READER, ENDS };

static int reader_fd;
static cress_greenlet *reader, *victim;

static int ends_somehow(int fd, const cress_address *peer, void *arg)
{
    (void)peer;
    char deep[64] = "";
    switch (*(int *)arg) {
    case EXITS:
        cress_exit(deep);
        break;
    case FAILS:
        cress_exit_error(-ESTALE);
        break;
    case IS_KILLED:
        victim = cress_ref(cress_current());
        return (int)cress_recv(fd, deep, sizeof deep, 0);
    case SPAWNS_A_READER:
        reader_fd = fd;
        reader = cress_spawn(reads, &reader_fd);
        return cress_yield();
    }
    return 0;
}

static void whatever_the_end_of_its_handler_an_fd_is_closed(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    int how;
    cress_server *server = make(somewhere(), ends_somehow, &how, NULL);
    for (how = 0; how < ENDS; how++) {
        int fd = client(server);
        let_run();
        if (how == IS_KILLED) {
            CHECK_EQ(got(fd), -EAGAIN);
            CHECK_EQ(cress_kill(victim, CRESS_FOREVER), 0);
            cress_unref(victim);
        }
        CHECK_EQ(got(fd), 0);
        CHECK_EQ(cress_server_handlers(server), 0);
        CHECK_EQ(close(fd), 0);
    }
    CHECK(cress_value(reader) == (void *)(intptr_t)-EBADF);
    cress_unref(reader);
    CHECK_EQ(told.count, 1); /* the one that failed */
    CHECK_EQ(told.lines[0].error, -ESTALE);
    shut_down(server);
}

enum { CLOSES, CLOSES_AND_OPENS, CLOSES_AND_ADOPTS, GIVES_AWAY, OWN_ENDS };

struct own_end {
    int how, fd; /* its fd, which is another file's when the handler ends */
};

static int ends_it_itself(int fd, const cress_address *peer, void *arg)
{
    (void)peer;
    struct own_end *own = arg;
    own->fd = fd;
    CHECK_EQ(own->how == GIVES_AWAY ? cress_fd_release(fd) : cress_close(fd), 0);
    if (own->how == CLOSES_AND_OPENS || own->how == CLOSES_AND_ADOPTS)
        CHECK_EQ(open("/dev/null", O_RDONLY), fd);
    if (own->how == CLOSES_AND_ADOPTS)
        CHECK_EQ(cress_fd_adopt(fd, 0), 0);
    return 0;
}

static void a_handler_may_close_its_fd_and_whose_the_number_is_then_keeps_it(void **state)
{
    (void)state;
    for (int inlined = 0; inlined < 2; inlined++) {
        struct own_end own;
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.inline_handlers = inlined;
        cress_server *server = make(somewhere(), ends_it_itself, &own, &o);
        for (own.how = 0; own.how < OWN_ENDS; own.how++) {
            int fd = client(server);
            let_run();
            CHECK_EQ(cress_server_handlers(server), 0);
            CHECK_EQ(fcntl(own.fd, F_GETFD) >= 0, own.how != CLOSES);
            CHECK_EQ(got(fd), own.how == GIVES_AWAY ? -EAGAIN : 0);
            if (own.how != CLOSES)
                CHECK_EQ(cress_close(own.fd), 0);
            CHECK_EQ(close(fd), 0);
        }
        shut_down(server);
    }
}

/* --- inline handlers ------------------------------------------------------------------------- */

static struct stopper inline_stopper;

static int inline_handler(int fd, const cress_address *peer, void *arg)
{
    struct seen *seen = arg;
    char c = 0;
    (void)peer;
    CHECK(cress_current() == NULL);
    seen->begun++;
    seen->last = (int)cress_recv(fd, &c, 1, 0);
    if (c == 's') {
        CHECK_EQ(cress_server_handlers(inline_stopper.server), 1);
        CHECK_EQ(cress_server_stop(inline_stopper.server, CRESS_FOREVER), 0);
        CHECK_EQ(cress_server_free(inline_stopper.server), -EBUSY);
    }
    return 0;
}

static void inline_handlers_are_callbacks(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct seen seen = { 0 };
    cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
    o.inline_handlers = true;
    cress_server *server = inline_stopper.server = make(somewhere(), inline_handler, &seen, &o);
    cress_hub_counts before = { .size = sizeof before }, after = before;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &before), 0);
    int fd = client(server);
    CHECK_EQ(send(fd, "x", 1, 0), 1);
    let_run();
    CHECK_EQ(seen.last, 1); /* what need not wait works */
    CHECK_EQ(got(fd), 0);
    CHECK_EQ(close(fd), 0);
    fd = client(server);
    let_run();
    CHECK_EQ(seen.last, -EPERM); /* what would is refused, and told */
    CHECK_EQ(told.count, 1);
    CHECK_EQ(got(fd), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &after), 0);
    CHECK_EQ(after.spawns, before.spawns);
    fd = client(server);
    int next = client(server);
    CHECK_EQ(send(fd, "s", 1, 0), 1);
    let_run();
    CHECK_EQ(seen.begun, 3); /* the one behind it is not served any more */
    CHECK_EQ(try_client(server), -ECONNREFUSED);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(close(next), 0);
    CHECK_EQ(cress_server_free(server), 0);
}

/* --- clients --------------------------------------------------------------------------------- */

/* Sends more than fits, to one who never reads. */
static int talks(int fd, const cress_address *peer, void *arg)
{
    (void)peer, (void)arg;
    static char data[1 << 20];
    cress_timeout limit = { 0 };
    CHECK_EQ(cress_timeout_start(&limit, CRESS_SECONDS(2)), 0);
    int error = 0;
    while (error == 0)
        error = cress_sendall(fd, data, sizeof data, NULL);
    if (cress_timeout_stop(&limit))
        return 0;
    return error;
}

static int waits_a_second(int fd, const cress_address *peer, void *arg)
{
    cress_timeout limit = { 0 };
    CHECK_EQ(cress_timeout_start(&limit, CRESS_SECONDS(1)), 0);
    int result = sits(fd, peer, arg);
    CHECK(cress_timeout_stop(&limit) == (result == -ECANCELED));
    return result;
}

static void a_silent_client_meets_its_handlers_limit(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), waits_a_second, &seen, NULL);
    int silent = client(server), talking = client(server);
    let_run();
    cress_time begun = clock_time;
    CHECK_EQ(send(talking, "x", 1, 0), 1);
    let_run();
    CHECK_EQ(seen.last, 1);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(3)), 0);
    CHECK_EQ(seen.ended, 2);
    CHECK_EQ(seen.last, -ECANCELED);
    CHECK_EQ(seen.ended_at - begun, CRESS_SECONDS(1));
    CHECK_EQ(got(silent), 0);
    CHECK_EQ(close(silent), 0);
    CHECK_EQ(close(talking), 0);
    shut_down(server);
}

static void a_client_that_never_reads_meets_its_handlers_limit(void **state)
{
    (void)state;
    cress_server *server = make(somewhere(), talks, NULL, NULL);
    int fd = client(server);
    let_run();
    CHECK_EQ(cress_server_handlers(server), 1);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(3)), 0);
    CHECK_EQ(cress_server_handlers(server), 0);
    CHECK_EQ(close(fd), 0);
    fd = client(server);
    let_run();
    CHECK_EQ(close(fd), 0); /* or goes, unread */
    let_run();
    CHECK_EQ(cress_server_handlers(server), 0);
    shut_down(server);
}

static void clients_that_vanish_or_close_half_leave_nothing(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    cress_server *server = make("tcp:127.0.0.1:0", echo, NULL, NULL);
    struct fds before;
    fds_mark(&before);
    for (int i = 0; i < 200; i++) {
        int fd = client(server);
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        char c = 0;
        if (i % 4 >= 2)
            CHECK_EQ(send(fd, "x", 1, 0), 1);
        if (i % 2 == 1) {
            CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        } else {
            CHECK_EQ(shutdown(fd, SHUT_WR), 0);
            while (i % 4 == 2 && recv(fd, &c, 1, MSG_DONTWAIT) < 0)
                CHECK_EQ(cress_sleep(CRESS_US(100)), 0); /* what it sent is answered still */
            CHECK_EQ(c, i % 4 == 2 ? 'x' : 0);
        }
        if (i % 3 == 0)
            let_run(); /* else it is gone before it is accepted */
        CHECK_EQ(close(fd), 0);
    }
    for (int i = 0; i < 1000 && (i < 5 || cress_server_handlers(server) > 0); i++)
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(cress_server_handlers(server), 0);
    CHECK_EQ(fds_leaked(&before), 0);
    CHECK_EQ(told.count, 0);
    CHECK_EQ(be_client(server), 0);
    shut_down(server);
}

/* --- fork ------------------------------------------------------------------------------------ */

/* The child ends by this, so that neither its exit handlers nor cmocka have a say. */
enum { CHILD_OK = 7 };

/* The parent waits without letting its hub run. */
static void check_child(pid_t child)
{
    int status = -1;
    CHECK_GT(child, 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), CHILD_OK);
}

/* One that is not cress's: whoever accepts it has to be this process. */
static void check_served(cress_server *server)
{
    int fd = client(server);
    CHECK_EQ(send(fd, "x", 1, 0), 1);
    let_run();
    CHECK_EQ(got(fd), 'x');
    CHECK_EQ(close(fd), 0);
    let_run();
}

static int served_fds[2], served_n;

static int echoes(int fd, const cress_address *peer, void *arg)
{
    if (served_n < 2)
        served_fds[served_n++] = fd;
    return echo(fd, peer, arg);
}

/* In a child process ThreadSanitizer no longer sees that coroutines, which it takes for threads,
 * run one after the other: it ignores synchronisation in the one that forked. */
static void needs_children(void)
{
#ifdef CRESS_TSAN
    printf("        skipped: ThreadSanitizer loses the order of coroutines in a child process\n");
    skip();
#endif
}

enum { LOOKS, WAITS, STOPS, FREES, CHILDREN };

static void in_the_child(cress_server *server, int what)
{
    struct fds before;
    fds_mark(&before);
    if (what == LOOKS)
        CHECK_EQ(cress_server_handlers(server), 0);
    if (what == WAITS)
        let_run();
    if (what == FREES)
        CHECK_EQ(cress_server_free(server), -EBUSY); /* it is started still */
    if (what != STOPS) {
        for (int i = 0; i < 2; i++)
            CHECK_EQ(fcntl(served_fds[i], F_GETFD), -1);
        CHECK_EQ(cress_server_handlers(server), 0);
        CHECK_EQ(cress_server_start(server), -EALREADY);
        check_served(server);
        CHECK_EQ(cress_server_handlers(server), 0);
        CHECK_EQ(fds_leaked(&before), 0);
    }
    CHECK_EQ(cress_server_stop(server, CRESS_FOREVER), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(fcntl(served_fds[i], F_GETFD), -1);
    CHECK_EQ(cress_server_start(server), -EADDRINUSE); /* it is the parent's */
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    _exit(CHILD_OK);
}

static void a_child_serves_on_without_the_parents_connections_and_stops(void **state)
{
    (void)state;
    needs_children();
    cress_server *server = make("tcp:127.0.0.1:0", echoes, NULL, NULL);
    int fds[2];
    served_n = 0;
    for (int i = 0; i < 2; i++)
        fds[i] = client(server);
    let_run();
    CHECK_EQ(served_n, 2);
    for (int what = 0; what < CHILDREN; what++) {
        pid_t child = fork();
        if (child == 0)
            in_the_child(server, what);
        check_child(child);
        CHECK_EQ(cress_server_handlers(server), 2);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(send(fds[i], "y", 1, 0), 1);
            CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
            let_run();
            CHECK_EQ(got(fds[i]), 'y');
        }
        check_served(server);
    }
    for (int i = 0; i < 2; i++)
        CHECK_EQ(close(fds[i]), 0);
    shut_down(server);
}

static void a_child_takes_over_the_address_of_a_parent_that_has_stopped(void **state)
{
    (void)state;
    needs_children();
    cress_server *server = make("tcp:127.0.0.1:0", echo, NULL, NULL);
    int fd = client(server), gone[2];
    let_run();
    CHECK_EQ(pipe(gone), 0);
    pid_t child = fork();
    if (child == 0) {
        char c;
        CHECK_EQ(read(gone[0], &c, 1), 1);
        check_served(server); /* the listener is open here */
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(cress_server_stop(server, 0), 0);
            CHECK_EQ(cress_server_start(server), 0);
            check_served(server);
        }
        shut_down(server);
        _exit(CHILD_OK);
    }
    shut_down(server);
    CHECK_EQ(write(gone[1], "x", 1), 1);
    check_child(child);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(close(gone[i]), 0);
    CHECK_EQ(close(fd), 0);
}

static void a_child_has_room_for_as_many_handlers_as_are_allowed(void **state)
{
    (void)state;
    needs_children();
    cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
    o.max_handlers = 1;
    cress_server *server = make(somewhere(), echo, NULL, &o);
    int fd = client(server);
    let_run();
    CHECK_EQ(cress_server_handlers(server), 1);
    pid_t child = fork();
    if (child == 0) {
        check_served(server); /* nothing was called that would have told it */
        _exit(CHILD_OK);
    }
    check_child(child);
    CHECK_EQ(send(fd, "y", 1, 0), 1);
    let_run();
    CHECK_EQ(got(fd), 'y');
    shut_down(server);
    CHECK_EQ(close(fd), 0);
}

static void who_was_inside_in_the_parent_is_not_in_a_child(void **state)
{
    (void)state;
    needs_children();
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    cress_greenlet *serving = cress_spawn(serves_forever, server);
    let_run();
    cress_greenlet *stopping = cress_spawn(stops, server);
    let_run();
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(cress_server_start(server), 0);
        CHECK_EQ(close(client(server)), 0);
        let_run();
        CHECK_EQ(seen.begun, 2);
        shut_down(server);
        _exit(CHILD_OK);
    }
    check_child(child);
    CHECK_EQ(cress_server_free(server), -EBUSY);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(cress_join(stopping, CRESS_SECONDS(LIMIT)), 0);
    CHECK_EQ(cress_join(serving, CRESS_SECONDS(LIMIT)), 0);
    CHECK_EQ(seen.begun, 1);
    CHECK_EQ(seen.last, 0);
    cress_unref(stopping);
    cress_unref(serving);
    CHECK_EQ(cress_server_free(server), 0);
}

struct forker {
    cress_server *server;
    int other; /* the fd of another handler */
    bool inlined;
};

/* The first connection is only held, the second one's handler forks, further ones are echoed. */
static int forks(int fd, const cress_address *peer, void *arg)
{
    struct forker *f = arg;
    char c;
    if (f->other < 0 && !f->inlined) {
        f->other = fd;
        return (int)cress_recv(fd, &c, 1, 0);
    }
    if (cress_recv(fd, &c, 1, 0) != 1 || c != 'f')
        return cress_sendall(fd, &c, 1, NULL);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(cress_server_handlers(f->server), 1); /* this one */
        if (!f->inlined) {
            CHECK_EQ(fcntl(f->other, F_GETFD), -1);
            check_served(f->server);
        }
        CHECK_EQ(cress_server_stop(f->server, CRESS_FOREVER), 0);
        CHECK_EQ(cress_server_free(f->server), -EBUSY); /* as in any handler */
        CHECK_EQ(cress_send(fd, "c", 1, 0), 1);
        _exit(CHILD_OK);
    }
    check_child(child);
    CHECK_EQ(cress_send(fd, "p", 1, 0), 1);
    return peer->length > 0 ? 0 : -EINVAL;
}

static void a_handler_that_forks_goes_on_in_both(void **state)
{
    (void)state;
    needs_children();
    for (int inlined = 0; inlined < 2; inlined++) {
        struct forker f = { .other = -1, .inlined = inlined };
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.inline_handlers = inlined;
        f.server = make(somewhere(), forks, &f, &o);
        int held = inlined ? -1 : client(f.server);
        let_run();
        int fd = client(f.server);
        CHECK_EQ(send(fd, "f", 1, 0), 1);
        let_run();
        CHECK_EQ(got(fd), 'c');
        CHECK_EQ(got(fd), 'p');
        CHECK_EQ(got(fd), 0);
        CHECK_EQ(close(fd), 0);
        CHECK_EQ(cress_server_handlers(f.server), inlined ? 0 : 1);
        if (!inlined) {
            CHECK_EQ(got(held), -EAGAIN); /* nobody has shut it down */
            CHECK_EQ(close(held), 0);
        }
        check_served(f.server);
        shut_down(f.server);
    }
}

/* --- refused --------------------------------------------------------------------------------- */

static void what_makes_no_server_is_told(void **state)
{
    (void)state;
    cress_server *server = NULL;
    cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
    CHECK_EQ(cress_server_new("nonsense", echo, NULL, NULL, &server), -EINVAL);
    CHECK_EQ(cress_server_new("tcp:h:99999", echo, NULL, NULL, &server), -EINVAL);
    CHECK_EQ(cress_server_new(NULL, echo, NULL, NULL, &server), -EINVAL);
    CHECK_EQ(cress_server_new(":0", NULL, NULL, NULL, &server), -EINVAL);
    CHECK_EQ(cress_server_new(":0", echo, NULL, NULL, NULL), -EINVAL);
    o.size = 0;
    CHECK_EQ(cress_server_new(":0", echo, NULL, &o, &server), -EINVAL);
    o.size = sizeof o;
    o.stack_size = (size_t)1 << 40;
    CHECK_EQ(cress_server_new(":0", echo, NULL, &o, &server), -EINVAL);
    o.stack_size = 0;
    o.has_fd = true;
    int fd = o.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(cress_server_new(NULL, echo, NULL, &o, &server), -EINVAL); /* does not listen */
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);                       /* nor is it ours */
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(cress_server_new(NULL, echo, NULL, &o, &server), -EBADF);
    o.listen_fd = open("/dev/null", O_RDWR);
    CHECK_EQ(cress_server_new(NULL, echo, NULL, &o, &server), -ENOTSOCK);
    CHECK_EQ(close(o.listen_fd), 0);
    CHECK(server == NULL);
    CHECK_EQ(cress_server_start(NULL), -EINVAL);
    CHECK_EQ(cress_server_stop(NULL, 0), -EINVAL);
    CHECK_EQ(cress_server_serve_forever(NULL), -EINVAL);
    CHECK_EQ(cress_server_stop_accepting(NULL), -EINVAL);
    CHECK_EQ(cress_server_start_accepting(NULL), -EINVAL);
    CHECK_EQ(cress_server_address(NULL, NULL), -EINVAL);
    CHECK_EQ(cress_server_handlers(NULL), 0);
    CHECK_EQ(cress_server_free(NULL), 0);
}

static void what_cannot_be_started_is_told_and_can_be_tried_again(void **state)
{
    (void)state;
    cress_server *one = make("tcp:127.0.0.1:0", echo, NULL, NULL), *other;
    cress_address at;
    char text[CRESS_ADDRESS_TEXT];
    CHECK_EQ(cress_server_address(one, &at), 0);
    CHECK_EQ(cress_address_format(&at, text, sizeof text), 0);
    CHECK_EQ(cress_server_new(text, echo, NULL, NULL, &other), 0);
    CHECK_EQ(cress_server_address(other, &at), -EINVAL);
    CHECK_EQ(cress_server_stop(other, -1), -EINVAL);
    CHECK_EQ(cress_server_stop(other, 0), 0);
    CHECK_EQ(cress_server_start(other), -EADDRINUSE);
    CHECK_EQ(cress_server_serve_forever(other), -EADDRINUSE);
    CHECK_EQ(cress_server_free(one), -EBUSY);
    shut_down(one);
    CHECK_EQ(cress_server_start(other), 0);
    CHECK_EQ(be_client(other), 0);
    shut_down(other);
}

static void a_listener_that_is_given_is_the_servers(void **state)
{
    (void)state;
    for (int begun = 0; begun < 2; begun++) {
        cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
        o.has_fd = true;
        o.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQ(listen(o.listen_fd, 5), 0); /* blocking, of nobody so far */
        cress_server *server;
        CHECK_EQ(cress_server_new(NULL, echo, NULL, &o, &server), 0);
        CHECK_EQ(cress_server_stop(server, 0), 0); /* not started: it stays */
        CHECK_EQ(fcntl(o.listen_fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        if (begun) {
            CHECK_EQ(cress_server_start(server), 0);
            CHECK_EQ(be_client(server), 0);
            CHECK_EQ(cress_server_stop(server, 0), 0);
        }
        CHECK_EQ(cress_server_free(server), 0);
        CHECK_EQ(fcntl(o.listen_fd, F_GETFD), -1);
    }
}

static void *uses_a_foreign_server(void *arg)
{
    CHECK_EQ(cress_server_start(arg), -EXDEV);
    CHECK_EQ(cress_server_stop(arg, 0), -EXDEV);
    CHECK_EQ(cress_server_serve_forever(arg), -EXDEV);
    CHECK_EQ(cress_server_stop_accepting(arg), -EXDEV);
    CHECK_EQ(cress_server_start_accepting(arg), -EXDEV);
    CHECK_EQ(cress_server_free(arg), -EXDEV);
    CHECK(cress_hub_current() == NULL);
    return NULL;
}

static void a_server_is_its_threads(void **state)
{
    (void)state;
    cress_server *server = make(somewhere(), echo, NULL, NULL);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, uses_a_foreign_server, server), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(be_client(server), 0);
    shut_down(server);
}

static void a_server_outlives_its_hub_and_goes_on_in_the_next(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    let_run();
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(1)), 0);
    CHECK_EQ(seen.last, -ECANCELED);
    CHECK_EQ(got(fd), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(cress_server_handlers(server), 0);
    fd = client(server); /* the listener is open still */
    CHECK_EQ(cress_server_start(server), 0);
    let_run();
    CHECK_EQ(seen.begun, 2);
    CHECK_EQ(cress_hub_destroy(CRESS_SECONDS(1)), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(cress_server_stop(server, CRESS_FOREVER), 0);
    CHECK_EQ(cress_server_free(server), 0);
}

/* With no grace at all they are abandoned where they are. */
static void who_is_inside_when_the_hub_ends_leaves_a_server_that_works(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    CHECK_EQ(cress_go(serves_forever, server), 0);
    let_run();
    CHECK_EQ(cress_go(stops, server), 0);
    let_run();
    CHECK_EQ(seen.begun, 1);
    CHECK_EQ(cress_hub_destroy(0), 3);
    CHECK_EQ(told.count, 3);
    CHECK_EQ(cress_server_handlers(server), 0);
    CHECK_EQ(got(fd), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(cress_server_start(server), 0);
    fd = client(server);
    let_run();
    CHECK_EQ(seen.begun, 2);
    shut_down(server);
    CHECK_EQ(close(fd), 0);
}

/* Its second call yields before it says that it is cancelled. */
static void *is_cancelled_twice(void *arg)
{
    CHECK_EQ(cress_kill(cress_current(), 0), 0);
    CHECK_EQ(cress_server_stop(arg, CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(cress_server_stop(arg, CRESS_FOREVER), -ECANCELED);
    CHECK(false);
    return NULL;
}

static void who_yields_inside_when_the_hub_ends_leaves_it_too(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct seen seen = { 0 };
    cress_server *server = make(somewhere(), sits, &seen, NULL);
    int fd = client(server);
    let_run();
    CHECK_EQ(seen.begun, 1);
    CHECK_EQ(cress_go(is_cancelled_twice, server), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_server_free(server), -EBUSY);
    CHECK_EQ(cress_hub_destroy(0), 2);
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(close(fd), 0);
}

static void who_served_may_be_dropped_after_the_server_is_freed(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    cress_server *server = make(somewhere(), echo, NULL, NULL);
    CHECK_EQ(cress_go(serves_forever, server), 0);
    let_run();
    CHECK_EQ(cress_server_stop(server, 0), 0);
    CHECK_EQ(cress_server_free(server), 0);
    CHECK_EQ(cress_hub_destroy(0), 1); /* it has been woken, and had no turn since */
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    errno = 4321;
    cress_server *server = make(somewhere(), echo, NULL, NULL);
    CHECK_EQ(errno, 4321);
    CHECK_EQ(be_client(server), 0);
    errno = 4321;
    shut_down(server);
    CHECK_EQ(errno, 4321);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
#define CLOCKED(name) cmocka_unit_test_setup_teardown(name, clock_begin, clocked_end)
    const struct CMUnitTest tests[] = {
        TEST(connections_are_served_over_tcp_and_unix_and_the_peer_is_told),
        TEST(two_hundred_come_at_once_and_go),
        CLOCKED(serving_for_ever_ends_when_another_greenlet_has_stopped_it),
        CLOCKED(serving_for_ever_lasts_until_the_handlers_have_ended),
        CLOCKED(serving_for_ever_under_a_timeout_stops_the_server),
        TEST(who_serves_may_be_killed_and_the_server_freed_before_its_turn),
        CLOCKED(a_started_server_is_no_deadlock_and_keeps_run_going),
        CLOCKED(stop_closes_the_listener_first_and_waits_for_handlers),
        CLOCKED(who_has_not_ended_within_grace_is_killed_and_waited_for),
        CLOCKED(who_stops_it_last_may_free_it),
        CLOCKED(a_handler_that_cleans_up_is_waited_for),
        CLOCKED(a_stop_that_is_cancelled_kills_the_handlers_at_once),
        CLOCKED(a_handler_may_stop_its_server),
        CLOCKED(two_handlers_that_stop_it_do_not_wait_for_each_other),
        CLOCKED(a_handler_that_has_not_begun_closes_its_fd_too),
        TEST(a_callback_may_stop_only_what_need_not_be_waited_for),
        TEST(it_starts_again_on_the_same_port),
        TEST(who_comes_while_accepting_is_stopped_waits_in_the_backlog),
        CLOCKED(a_bound_on_handlers_makes_connections_wait),
        CLOCKED(without_descriptors_accepting_pauses_ever_longer_and_goes_on),
        CLOCKED(a_listener_that_cannot_be_asked_for_again_is_asked_for_later),
        CLOCKED(a_stop_ends_the_pause_too),
        CLOCKED(a_spawn_that_fails_closes_its_connection_and_pauses),
        CLOCKED(handlers_that_get_no_stack_close_their_connections_and_are_one_pause),
        TEST(a_listener_that_somebody_closes_ends_the_serving_and_not_the_handlers),
        CLOCKED(a_listener_that_is_lost_in_a_pause_ends_the_serving),
        CLOCKED(a_listener_that_is_lost_while_it_is_waited_for_ends_the_serving),
        TEST(a_listener_that_is_lost_unnoticed_is_not_closed_again),
        TEST(the_error_hook_may_stop_the_server_and_free_it),
        TEST(what_a_handler_returns_is_told_unless_the_peer_only_went_away),
        TEST(whatever_the_end_of_its_handler_an_fd_is_closed),
        TEST(a_handler_may_close_its_fd_and_whose_the_number_is_then_keeps_it),
        TEST(inline_handlers_are_callbacks),
        CLOCKED(a_silent_client_meets_its_handlers_limit),
        CLOCKED(a_client_that_never_reads_meets_its_handlers_limit),
        TEST(clients_that_vanish_or_close_half_leave_nothing),
        TEST(a_child_serves_on_without_the_parents_connections_and_stops),
        TEST(a_child_takes_over_the_address_of_a_parent_that_has_stopped),
        TEST(a_child_has_room_for_as_many_handlers_as_are_allowed),
        TEST(who_was_inside_in_the_parent_is_not_in_a_child),
        TEST(a_handler_that_forks_goes_on_in_both),
        TEST(what_makes_no_server_is_told),
        TEST(what_cannot_be_started_is_told_and_can_be_tried_again),
        TEST(a_listener_that_is_given_is_the_servers),
        TEST(a_server_is_its_threads),
        TEST(a_server_outlives_its_hub_and_goes_on_in_the_next),
        TEST(who_is_inside_when_the_hub_ends_leaves_a_server_that_works),
        TEST(who_yields_inside_when_the_hub_ends_leaves_it_too),
        TEST(who_served_may_be_dropped_after_the_server_is_freed),
        TEST(errno_is_left_alone),
    };
    return RUN_TESTS_APART(tests);
}
