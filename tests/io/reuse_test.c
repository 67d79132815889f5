/* Descriptors that others close and whose numbers come again, behind cress's back and with its
 * help: never a hang, and never the wrong one that is woken.
 */
#include "support/test.h"
#include "hub/apart.h"
#include "io/pairs.h"
#include "loop/on_poll.h"
#include "loop/loop.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>

enum { LIMIT = 20 }; /* seconds for each scenario */

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

struct call {
    int fd;
    ssize_t result;
    char data[16];
};

static void *reads(void *arg)
{
    struct call *c = arg;
    c->result = cress_read(c->fd, c->data, sizeof c->data - 1);
    return NULL;
}

static void *writes(void *arg)
{
    struct call *c = arg;
    c->result = cress_write(c->fd, "late", 4);
    return NULL;
}

static void *waits(void *arg)
{
    struct call *c = arg;
    c->result = cress_wait_fd(c->fd, CRESS_IN, CRESS_FOREVER);
    return NULL;
}

static cress_greenlet *begin_call(cress_fn fn, struct call *c, int fd)
{
    *c = (struct call){ .fd = fd, .result = 12345 };
    cress_greenlet *g = cress_spawn(fn, c);
    CHECK_EQ(cress_yield(), 0);
    CHECK(cress_started(g)); /* it waits */
    return g;
}

static ssize_t end_call(cress_greenlet *g, const struct call *c)
{
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
    cress_unref(g);
    return c->result;
}

/* --- how the number comes again -------------------------------------------------------------- */

enum kind { BY_SOCKET, BY_ACCEPT, BY_PIPE, BY_DUP2, BY_DUP2_OVER, KINDS };
static const char *kind_names[] = { "socket", "accept", "pipe", "close and dup2", "dup2" };

static int raw_listener(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof *address;
    *address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK_EQ(bind(fd, (struct sockaddr *)address, length), 0);
    CHECK_EQ(listen(fd, 5), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return fd;
}

/* Close number and let it mean a new, readable file; returns the end to write into. */
static int replace(int number, enum kind kind)
{
    int fds[2] = { -1, -1 }, other = -1;
    struct sockaddr_in address;
    switch (kind) {
    case BY_SOCKET:
        close(number);
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        break;
    case BY_ACCEPT:
        other = raw_listener(&address);
        fds[1] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQ(connect(fds[1], (struct sockaddr *)&address, sizeof address), 0);
        close(number);
        fds[0] = accept(other, NULL, NULL);
        close(other);
        break;
    case BY_PIPE:
        close(number);
        CHECK_EQ(pipe(fds), 0);
        break;
    case BY_DUP2:
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        close(number);
        CHECK_EQ(dup2(fds[0], number), number);
        close(fds[0]);
        fds[0] = number;
        break;
    case BY_DUP2_OVER:
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        CHECK_EQ(dup2(fds[0], number), number);
        close(fds[0]);
        fds[0] = number;
        break;
    case KINDS:
        break;
    }
    CHECK_EQ(fds[0], number); /* the kernel gives the lowest free one */
    return fds[1];
}

/* A new reader on the number gets the new file's data, although the old file's come first. */
static void new_reader_is_served(int number, int new_peer, int old_peer)
{
    struct call new;
    cress_greenlet *g = begin_call(reads, &new, number);
    if (old_peer >= 0)
        CHECK_EQ(send(old_peer, "old", 3, MSG_NOSIGNAL | MSG_DONTWAIT) == 3 || errno == EPIPE, 1);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(write(new_peer, "new", 3), 3);
    CHECK_EQ(end_call(g, &new), 3);
    CHECK_STR(new.data, "new");
}

static void with_nobody_waiting(enum kind kind)
{
    int old[2];
    unix_pair(old);
    CHECK_EQ(cress_wait_fd(old[0], CRESS_IN, CRESS_US(10)), -ETIMEDOUT); /* it is known now */
    int peer = replace(old[0], kind);
    new_reader_is_served(old[0], peer, old[1]);
    CHECK_EQ(cress_close(old[0]), 0);
    close(old[1]);
    close(peer);
}

static void with_one_waiting(enum kind kind, cress_fn who, bool keep_duplicate)
{
    int old[2];
    unix_pair(old);
    if (who == writes)
        fill(old[0]);
    int duplicate = keep_duplicate ? dup(old[0]) : -1;
    struct call call;
    cress_greenlet *g = begin_call(who, &call, old[0]);
    int peer = replace(old[0], kind);
    new_reader_is_served(old[0], peer, old[1]);
    CHECK_EQ(end_call(g, &call), -EBADF);
    CHECK_EQ(cress_close(old[0]), 0);
    close(old[1]);
    close(peer);
    if (keep_duplicate)
        close(duplicate);
}

static void a_number_that_comes_again_serves_the_new_file(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        printf("        by %s\n", kind_names[kind]);
        with_nobody_waiting(kind);
        with_one_waiting(kind, reads, false);
        with_one_waiting(kind, writes, false);
        with_one_waiting(kind, waits, false);
        with_one_waiting(kind, reads, true);
        with_one_waiting(kind, writes, true);
    }
}

static void an_event_of_the_old_file_wakes_nobody(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        int old[2];
        unix_pair(old);
        int duplicate = dup(old[0]); /* keeps the file, and its registration, alive */
        CHECK_EQ(cress_wait_fd(old[0], CRESS_IN, CRESS_US(10)), -ETIMEDOUT);
        int peer = replace(old[0], kind);
        struct call call;
        cress_greenlet *g = begin_call(waits, &call, old[0]);
        CHECK_EQ(write(old[1], "old", 3), 3);
        CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
        CHECK(!cress_ready(g));
        CHECK_EQ(write(peer, "new", 3), 3);
        CHECK_EQ(end_call(g, &call), CRESS_IN);
        CHECK_EQ(cress_close(old[0]), 0);
        close(old[1]);
        close(peer);
        close(duplicate);
    }
}

static void a_writer_of_the_new_file_does_not_disturb_nor_wait_for_the_old_one(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        if (kind == BY_PIPE)
            continue; /* its first end is not for writing */
        int old[2];
        unix_pair(old);
        fill(old[0]);
        struct call before, after;
        cress_greenlet *g = begin_call(writes, &before, old[0]);
        int peer = replace(old[0], kind);
        fill(old[0]);
        cress_greenlet *h = begin_call(writes, &after, old[0]);
        char data[65536];
        while (recv(peer, data, sizeof data, MSG_DONTWAIT) > 0)
            ;
        CHECK_EQ(end_call(h, &after), 4);
        CHECK_EQ(end_call(g, &before), -EBADF);
        CHECK_EQ(cress_close(old[0]), 0);
        close(old[1]);
        close(peer);
    }
}

static void a_raw_close_is_found_out_by_the_next_user(void **state)
{
    (void)state;
    int old[2];
    unix_pair(old);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, old[0]);
    close(old[0]);
    char c;
    CHECK_EQ(cress_recv(old[0], &c, 1, 0), -EBADF);
    CHECK_EQ(end_call(g, &call), -EBADF);
    CHECK_EQ(cress_close(old[0]), -EBADF);
    close(old[1]);
}

static void adopting_the_new_file_ends_the_waits_for_the_old_one(void **state)
{
    (void)state;
    int old[2];
    unix_pair(old);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, old[0]);
    int peer = replace(old[0], BY_SOCKET);
    CHECK_EQ(cress_fd_adopt(old[0], 0), 0);
    CHECK_EQ(end_call(g, &call), -EBADF);
    new_reader_is_served(old[0], peer, old[1]);
    CHECK_EQ(cress_close(old[0]), 0);
    close(old[1]);
    close(peer);
}

static void what_cress_accepts_is_new_whatever_the_number_was(void **state)
{
    (void)state;
    int old[2];
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    cress_address at;
    CHECK_EQ(cress_address_local(listener, &at), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(client, (struct sockaddr *)&at.storage, at.length), 0);
    unix_pair(old);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, old[0]);
    close(old[0]);
    CHECK_EQ(cress_accept(listener, NULL, NULL), old[0]);
    CHECK_EQ(end_call(g, &call), -EBADF);
    new_reader_is_served(old[0], client, old[1]);
    CHECK_EQ(cress_close(old[0]), 0);
    CHECK_EQ(cress_close(listener), 0);
    close(old[1]);
    close(client);
}

/* --- cress_close ----------------------------------------------------------------------------- */

static void close_wakes_whoever_waits_before_the_number_comes_again(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int old[2], new[2];
        unix_pair(old);
        fill(old[0]);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(old[0], 0), 0);
        struct call reader, writer;
        cress_greenlet *r = begin_call(reads, &reader, old[0]);
        cress_greenlet *w = begin_call(writes, &writer, old[0]);
        CHECK_EQ(cress_close(old[0]), 0);
        CHECK_EQ(reader.result, 12345); /* it did not switch */
        unix_pair(new);
        CHECK_EQ(new[0], old[0]);
        CHECK_EQ(write(new[1], "new", 3), 3);
        CHECK_EQ(end_call(r, &reader), -EBADF);
        CHECK_EQ(end_call(w, &writer), -EBADF);
        char data[8];
        CHECK_EQ(recv(new[0], data, sizeof data, MSG_DONTWAIT), 3); /* untouched */
        close(old[1]);
        close_pair(new);
    }
}

static void a_reader_that_was_woken_sees_a_close_that_came_before_its_turn(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int old[2], new[2];
        unix_pair(old);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(old[0], 0), 0);
        struct call call;
        cress_greenlet *g = begin_call(reads, &call, old[0]);
        CHECK_EQ(write(old[1], "old", 3), 3);
        loop_look(cress_hub_loop(cress_hub_current()), 0); /* it stands in the line now */
        CHECK_EQ(call.result, 12345);
        CHECK_EQ(cress_close(old[0]), 0);
        unix_pair(new);
        CHECK_EQ(new[0], old[0]);
        CHECK_EQ(write(new[1], "new", 3), 3);
        CHECK_EQ(end_call(g, &call), -EBADF);
        char data[8];
        CHECK_EQ(recv(new[0], data, sizeof data, MSG_DONTWAIT), 3); /* untouched */
        close(old[1]);
        close_pair(new);
    }
}

static void close_ends_waits_also_of_a_file_that_lives_on(void **state)
{
    (void)state;
    int old[2], new[2];
    unix_pair(old);
    CHECK_EQ(cress_fd_adopt(old[0], 0), 0);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, old[0]);
    int duplicate = dup(old[0]);
    CHECK_EQ(cress_close(old[0]), 0);
    CHECK_EQ(end_call(g, &call), -EBADF);
    unix_pair(new);
    CHECK_EQ(new[0], old[0]);
    CHECK_EQ(cress_fd_adopt(new[0], 0), 0);
    g = begin_call(waits, &call, new[0]);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(write(old[1], "old", 3), 3); /* the old file is not told any more */
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    }
    CHECK(!cress_ready(g));
    /* Nor is the poller: it would be woken for nothing, again and again. */
    struct pollfd poller = { .fd = cress_loop_fd(cress_hub_loop(cress_hub_current())),
                             .events = POLLIN };
    if (!only_on_epoll("the poller has no descriptor to look at"))
        CHECK_GE(poller.fd, 0);
    CHECK_EQ(write(old[1], "old", 3), 3);
    CHECK_EQ(poll(&poller, 1, 0), 0);
    CHECK_EQ(write(new[1], "new", 3), 3);
    CHECK_EQ(end_call(g, &call), CRESS_IN);
    close(duplicate);
    close(old[1]);
    close_pair(new);
}

static void *accepts(void *arg)
{
    struct call *c = arg;
    c->result = cress_accept(c->fd, NULL, NULL);
    return NULL;
}

static void close_ends_an_accept(void **state)
{
    (void)state;
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    struct call call;
    cress_greenlet *g = begin_call(accepts, &call, listener);
    CHECK_EQ(cress_close(listener), 0);
    CHECK_EQ(end_call(g, &call), -EBADF);
}

static void close_tells_what_is_no_fd(void **state)
{
    (void)state;
    CHECK_EQ(cress_close(-1), -EBADF);
    CHECK_EQ(cress_close(4000), -EBADF);
    CHECK_EQ(cress_close(INT32_MAX), -EBADF);
    char c;
    CHECK_EQ(cress_recv(-1, &c, 1, 0), -EBADF);
    CHECK_EQ(cress_read(4000, &c, 1), -EBADF);
    CHECK_EQ(cress_write(INT32_MAX, &c, 1), -EBADF);
    CHECK_EQ(cress_accept(-1, NULL, NULL), -EBADF);
    CHECK_EQ(cress_wait_fd(4000, CRESS_IN, 1), -EBADF);
    CHECK_EQ(cress_wait_fd(-1, CRESS_IN, 1), -EBADF);
    CHECK_EQ(cress_shutdown(-1, SHUT_RD), -EBADF);
    CHECK_EQ(cress_fd_adopt(-1, 0), -EBADF);
    CHECK_EQ(cress_fd_release(4000), -EBADF);
    CHECK_EQ(cress_fd_set_timeout(4000, CRESS_IN, 1), -EBADF);
}

static void close_forgets_timeouts(void **state)
{
    (void)state;
    int old[2], new[2];
    unix_pair(old);
    CHECK_EQ(cress_fd_set_timeout(old[0], CRESS_IN, 0), 0); /* nobody ever waits for it */
    CHECK_EQ(cress_close(old[0]), 0);
    unix_pair(new);
    CHECK_EQ(new[0], old[0]);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, new[0]);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK(!cress_ready(g)); /* waits: the timeout was the old one's */
    CHECK_EQ(write(new[1], "x", 1), 1);
    CHECK_EQ(end_call(g, &call), 1);
    close(old[1]);
    close_pair(new);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(a_number_that_comes_again_serves_the_new_file),
        TEST(an_event_of_the_old_file_wakes_nobody),
        TEST(a_writer_of_the_new_file_does_not_disturb_nor_wait_for_the_old_one),
        TEST(a_raw_close_is_found_out_by_the_next_user),
        TEST(adopting_the_new_file_ends_the_waits_for_the_old_one),
        TEST(what_cress_accepts_is_new_whatever_the_number_was),
        TEST(close_wakes_whoever_waits_before_the_number_comes_again),
        TEST(a_reader_that_was_woken_sees_a_close_that_came_before_its_turn),
        TEST(close_ends_waits_also_of_a_file_that_lives_on),
        TEST(close_ends_an_accept),
        TEST(close_tells_what_is_no_fd),
        TEST(close_forgets_timeouts),
    };
    return RUN_TESTS_APART(tests);
}
