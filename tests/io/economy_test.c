/* What I/O costs, and that the short cuts that make it cheap never lead to a wait for nothing.
 *
 * After a short read from a TCP socket of its own cress knows it to be empty, and skips the try
 * that would say so. That must not be believed where it is wrong: what came together with data
 * gives no later edge.
 */
#include "support/test.h"
#include "hub/apart.h"
#include "io/pairs.h"

#include <netinet/in.h>
#include <stdio.h>

enum { LIMIT = 20 };

static int end(void **state)
{
    (void)state;
    stop_counting();
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

/* --- counts ---------------------------------------------------------------------------------- */

enum { MESSAGES = 1000, SIZE = 32 };

static void *serves(void *arg)
{
    char data[4096];
    ssize_t n;
    while ((n = cress_recv(*(int *)arg, data, sizeof data, 0)) > 0)
        CHECK_EQ(cress_sendall(*(int *)arg, data, (size_t)n, NULL), 0);
    return NULL;
}

static void an_echoed_message_costs_two_calls_and_the_polls(void **state)
{
    (void)state;
    int fds[2];
    tcp_pair(fds);
    cress_greenlet *g = cress_spawn(serves, &fds[1]);
    CHECK_EQ(cress_yield(), 0);
    cress_hub_counts a = CRESS_HUB_COUNTS_INIT, b = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &a), 0);
    count_calls();
    for (int i = 0; i < MESSAGES; i++) {
        char data[SIZE] = { (char)i }, back[SIZE + 1];
        CHECK_EQ(cress_send(fds[0], data, SIZE, 0), SIZE);
        CHECK_EQ(cress_recv(fds[0], back, sizeof back, 0), SIZE);
        CHECK_MEM(data, back, SIZE);
    }
    stop_counting();
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &b), 0);
    /* Both ends are here: two messages moved each round. The client's first read may be a try. */
    CHECK_EQ(calls_of("sendto"), 2 * MESSAGES);
    CHECK_LE(calls_of("recvfrom"), 2 * MESSAGES + 2);
    CHECK_LE(calls_of("epoll_ctl"), 2); /* registered once */
    CHECK_LE(calls_of("epoll_wait"), 2 * MESSAGES + 10);
    CHECK_LE(b.polls - a.polls, 2 * MESSAGES + 10);
    CHECK_EQ(calls_of("fcntl") + calls_of("getsockopt") + calls_of("poll"), 0);
    CHECK_EQ(calls_of("malloc") + calls_of("calloc") + calls_of("realloc") + calls_of("mmap"), 0);
    printf("        %d messages: %d sends, %d reads, %d polls\n", 2 * MESSAGES, calls_of("sendto"),
           calls_of("recvfrom"), calls_of("epoll_wait"));
    CHECK_EQ(cress_shutdown(fds[0], SHUT_WR), 0);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
    cress_unref(g);
    close_pair(fds);
}

static void an_fd_of_others_costs_one_call_more_for_each_wait(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    cress_greenlet *g = cress_spawn(serves, &fds[1]);
    CHECK_EQ(cress_yield(), 0);
    count_calls();
    for (int i = 0; i < 100; i++) {
        char data[SIZE] = { 0 };
        CHECK_EQ(cress_send(fds[0], data, SIZE, 0), SIZE);
        CHECK_EQ(cress_recv(fds[0], data, SIZE, 0), SIZE);
    }
    stop_counting();
    CHECK_LE(calls_of("epoll_ctl"), 2 * 100 + 4);
    CHECK_LE(calls_of("recvfrom"), 4 * 100 + 4);
    CHECK_EQ(calls_of("fcntl"), 0);
    CHECK_EQ(cress_shutdown(fds[0], SHUT_WR), 0);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
    cress_unref(g);
    close_pair(fds);
}

static void a_connection_that_never_blocks_is_never_registered(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fds[2];
        unix_pair(fds);
        if (adopted) {
            CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
            CHECK_EQ(cress_fd_adopt(fds[1], 0), 0);
        }
        count_calls();
        for (int i = 0; i < 500; i++) {
            char data[SIZE] = { 0 };
            CHECK_EQ(cress_send(fds[0], data, SIZE, 0), SIZE);
            CHECK_EQ(cress_recv(fds[1], data, SIZE, 0), SIZE);
        }
        close_pair(fds);
        stop_counting();
        CHECK_EQ(calls_of("epoll_ctl"), 0);
        CHECK_EQ(calls_of("sendto"), 500);
        CHECK_EQ(calls_of("recvfrom"), 500);
    }
}

static bool over;
static int turns;

static void *counts_turns(void *arg)
{
    while (!over) {
        turns++;
        CHECK_EQ(cress_yield(), 0);
    }
    return arg;
}

static void sixty_four_calls_that_succeed_yield_once(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    over = false;
    turns = 0;
    CHECK_EQ(cress_go(counts_turns, NULL), 0);
    CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, CRESS_US(1)), -ETIMEDOUT); /* begin to count anew */
    int before = turns;
    char c = 0;
    for (int i = 0; i < 63; i++)
        CHECK_EQ(cress_write(fds[i % 2], &c, 1), 1);
    CHECK_EQ(turns, before);
    CHECK_EQ(cress_write(fds[1], &c, 1), 1);
    CHECK_EQ(turns, before + 1);
    for (int i = 0; i < 640; i++)
        CHECK_EQ(i % 2 == 0 ? cress_send(fds[0], &c, 1, 0) : cress_recv(fds[1], &c, 1, 0), 1);
    CHECK_EQ(turns, before + 11);
    over = true;
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    close_pair(fds);
}

/* --- the short read -------------------------------------------------------------------------- */

struct reader {
    int fd, count; /* of reads */
    size_t got;
    char data[256];
    ssize_t last;
};

/* Read until the end or an error. */
static void *reads_all(void *arg)
{
    struct reader *r = arg;
    while ((r->last = cress_recv(r->fd, r->data + r->got, sizeof r->data - r->got, 0)) > 0) {
        r->got += (size_t)r->last;
        r->count++;
    }
    return NULL;
}

static cress_greenlet *begin_reading(struct reader *r, int fd)
{
    *r = (struct reader){ .fd = fd, .last = 12345 };
    return cress_spawn(reads_all, r);
}

static void end_reading(cress_greenlet *g, const struct reader *r, const char *expected, int last)
{
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
    cress_unref(g);
    CHECK_EQ(r->got, strlen(expected));
    CHECK_MEM(r->data, expected, r->got);
    CHECK_EQ(r->last, last);
}

/* waits: the reader is known to the poller before anything comes. */
static void data_and_fin(bool waits, bool apart_from_each_other)
{
    int fds[2];
    tcp_pair(fds);
    struct reader r;
    cress_greenlet *g = begin_reading(&r, fds[1]);
    if (waits)
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(send(fds[0], "abc", 3, 0), 3);
    if (apart_from_each_other)
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
    end_reading(g, &r, "abc", 0);
    close_pair(fds);
}

static void data_and_the_end_together_or_one_by_one(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++)
        for (int one_by_one = 0; one_by_one < 2; one_by_one++)
            data_and_fin(waits, one_by_one);
}

static void the_end_comes_between_the_event_and_the_read(void **state)
{
    (void)state;
    int fds[2];
    tcp_pair(fds);
    struct reader r;
    cress_greenlet *g = begin_reading(&r, fds[1]);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(send(fds[0], "ab", 2, 0), 2);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(send(fds[0], "cd", 2, 0), 2); /* while it is in the line, or waits, or has read */
    CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
    end_reading(g, &r, "abcd", 0);
    close_pair(fds);
}

static void a_reset_is_told(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        int fds[2];
        tcp_pair(fds);
        struct reader r;
        cress_greenlet *g = begin_reading(&r, fds[1]);
        if (waits)
            CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        struct linger now = { 1, 0 };
        CHECK_EQ(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
        CHECK_EQ(cress_close(fds[0]), 0);
        end_reading(g, &r, "", -ECONNRESET);
        CHECK_EQ(cress_send(fds[1], "x", 1, 0), -EPIPE);
        CHECK_EQ(cress_close(fds[1]), 0);
    }
}

static void urgent_data_stops_a_read_but_loses_nothing(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        int fds[2];
        tcp_pair(fds);
        struct reader r;
        cress_greenlet *g = begin_reading(&r, fds[1]);
        if (waits)
            CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK_EQ(send(fds[0], "ab", 2, 0), 2);
        CHECK_EQ(send(fds[0], "!", 1, MSG_OOB), 1);
        CHECK_EQ(send(fds[0], "cd", 2, 0), 2);
        CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
        CHECK_EQ(r.got, 4); /* the read stops at the mark, and goes on */
        CHECK_EQ(send(fds[0], "ef", 2, 0), 2);
        CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
        end_reading(g, &r, "abcdef", 0);
        close_pair(fds);
    }
}

static void reading_urgent_data_never_waits(void **state)
{
    (void)state;
    int fds[2];
    char data[8] = "";
    tcp_pair(fds);
    CHECK_EQ(cress_recv(fds[1], data, 1, MSG_OOB), -EINVAL); /* there is none: recv(2) */
    CHECK_EQ(send(fds[0], "abc", 3, 0), 3);
    CHECK_EQ(cress_recv(fds[1], data, sizeof data, 0), 3); /* short: it is empty */
    CHECK_EQ(cress_recv(fds[1], data, 1, MSG_OOB), -EINVAL);
    CHECK_EQ(send(fds[0], "!", 1, MSG_OOB), 1);
    CHECK_EQ(cress_wait_fd(fds[1], CRESS_PRI, CRESS_SECONDS(LIMIT)), CRESS_PRI);
    CHECK_EQ(cress_recv(fds[1], data, 1, MSG_OOB), 1);
    CHECK_EQ(data[0], '!');
    CHECK_EQ(cress_recv(fds[1], data, 1, MSG_ERRQUEUE), -EAGAIN);
    close_pair(fds);
}

static void *peeks_and_reads(void *arg)
{
    struct reader *r = arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cress_recv(r->fd, r->data, sizeof r->data, MSG_PEEK), 3);
    r->last = cress_recv(r->fd, r->data, sizeof r->data, 0);
    return NULL;
}

static void a_short_peek_empties_nothing(void **state)
{
    (void)state;
    int fds[2];
    tcp_pair(fds);
    CHECK_EQ(cress_wait_fd(fds[1], CRESS_IN, CRESS_US(10)), -ETIMEDOUT); /* it is registered */
    struct reader r = { .fd = fds[1] };
    CHECK_EQ(send(fds[0], "abc", 3, 0), 3);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0); /* and the event has gone by */
    cress_greenlet *g = cress_spawn(peeks_and_reads, &r);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT / 4)), 0);
    CHECK_EQ(r.last, 3);
    cress_unref(g);
    close_pair(fds);
}

/* A message that brings an fd ends a read early, with data left behind it. */
static void unix_sockets_may_read_short_with_data_left(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        int fds[2];
        unix_pair(fds);
        CHECK_EQ(cress_fd_adopt(fds[1], 0), 0);
        struct reader r;
        cress_greenlet *g = begin_reading(&r, fds[1]);
        if (waits)
            CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        char control[CMSG_SPACE(sizeof(int))] = { 0 };
        struct iovec iov = { (void *)(uintptr_t) "a", 1 };
        struct msghdr message = { .msg_iov = &iov,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof control };
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        *head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                  .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(head), &fds[0], sizeof(int));
        CHECK_EQ(sendmsg(fds[0], &message, 0), 1);
        CHECK_EQ(send(fds[0], "bc", 2, 0), 2);
        CHECK_EQ(sendmsg(fds[0], &message, 0), 1);
        CHECK_EQ(send(fds[0], "d", 1, 0), 1);
        CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
        CHECK_EQ(r.got, 5);
        CHECK_EQ(r.data[4], 'd');
        CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
        end_reading(g, &r, "abcad", 0);
        close_pair(fds);
    }
}

static int seen;

static int watch(cress_watch *w, int events, void *arg)
{
    (void)w, (void)arg;
    seen |= events;
    return 0;
}

static void a_watcher_beside_a_reader_loses_nothing(void **state)
{
    (void)state;
    int fds[2];
    tcp_pair(fds);
    cress_watch_io io = { 0 };
    CHECK_EQ(cress_watch_io_init(&io, cress_hub_loop(cress_hub_current()), fds[1], CRESS_IN, watch,
                                 NULL),
             0);
    struct reader r;
    cress_greenlet *g = begin_reading(&r, fds[1]);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(cress_watch_start(&io.watch), 0);
    seen = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(send(fds[0], "x", 1, 0), 1);
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK_EQ(r.got, i + 1);
    }
    CHECK_EQ(seen & CRESS_IN, CRESS_IN);
    CHECK_EQ(cress_watch_stop(&io.watch), 0);
    CHECK_EQ(send(fds[0], "y", 1, 0), 1);
    CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
    end_reading(g, &r, "xxxxxy", 0);
    close_pair(fds);
}

static void what_comes_for_an_adopted_tcp_socket_without_the_flag_is_read(void **state)
{
    (void)state;
    int fds[2];
    tcp_pair(fds);
    CHECK_EQ(cress_fd_adopt(fds[1], 0), 0);
    count_calls();
    struct reader r;
    cress_greenlet *g = begin_reading(&r, fds[1]);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(send(fds[0], "ab", 2, 0), 2);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
    end_reading(g, &r, "ab", 0);
    stop_counting();
    CHECK_EQ(calls_of("recvfrom"), 4); /* nothing, data, nothing, the end: no short cut */
    close_pair(fds);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(an_echoed_message_costs_two_calls_and_the_polls),
        TEST(an_fd_of_others_costs_one_call_more_for_each_wait),
        TEST(a_connection_that_never_blocks_is_never_registered),
        TEST(sixty_four_calls_that_succeed_yield_once),
        TEST(data_and_the_end_together_or_one_by_one),
        TEST(the_end_comes_between_the_event_and_the_read),
        TEST(a_reset_is_told),
        TEST(urgent_data_stops_a_read_but_loses_nothing),
        TEST(reading_urgent_data_never_waits),
        TEST(a_short_peek_empties_nothing),
        TEST(unix_sockets_may_read_short_with_data_left),
        TEST(a_watcher_beside_a_reader_loses_nothing),
        TEST(what_comes_for_an_adopted_tcp_socket_without_the_flag_is_read),
    };
    return RUN_TESTS_APART(tests);
}
