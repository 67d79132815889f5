/* poll and select: what the kernel says, in a greenlet; what ends a wait; what overlaps. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/told.h"
#include "io/pairs.h"
#include "base/sys.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>

enum { LIMIT = 20 };

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

/* One greenlet in cress_poll(). */
struct polled {
    struct pollfd fds[64];
    size_t n;
    cress_time timeout;
    int result;
    cress_greenlet *greenlet;
};

static void *polls(void *arg)
{
    struct polled *p = arg;
    p->result = cress_poll(p->fds, p->n, p->timeout);
    return NULL;
}

enum { WAITING = 12345 };

/* Begin with the descriptors in p->fds, and let it come to its wait. */
static void begin_poll(struct polled *p, size_t n, cress_time timeout)
{
    p->n = n;
    p->timeout = timeout;
    p->result = WAITING;
    p->greenlet = cress_spawn(polls, p);
    CHECK_EQ(cress_yield(), 0); /* it yields, too */
    CHECK_EQ(cress_yield(), 0);
}

static int end_poll(struct polled *p)
{
    CHECK_EQ(cress_join(p->greenlet, CRESS_SECONDS(LIMIT)), 0);
    cress_unref(p->greenlet);
    return p->result;
}

/* --- the answers are the kernel's ------------------------------------------------------------ */

enum { ZOO = 20, TYPES = 13 };

static const short asked[TYPES] = { 0,
                                    POLLIN,
                                    POLLOUT,
                                    POLLPRI,
                                    POLLIN | POLLOUT,
                                    POLLRDHUP,
                                    POLLRDNORM,
                                    POLLRDBAND,
                                    POLLWRNORM,
                                    POLLWRBAND,
                                    POLLIN | POLLPRI | POLLRDHUP,
                                    POLLERR | POLLHUP | POLLNVAL,
                                    (short)0xffff };

/* Descriptors in every state that poll knows of; how many of them are to be closed. */
static int make_zoo(int zoo[ZOO])
{
    int n = 0, p[2];
    CHECK_EQ(pipe(p), 0); /* nothing in it, room in it */
    zoo[n++] = p[0], zoo[n++] = p[1];
    CHECK_EQ(pipe(p), 0); /* nobody writes any more */
    CHECK_EQ(close(p[1]), 0);
    zoo[n++] = p[0];
    CHECK_EQ(pipe(p), 0); /* nobody reads any more */
    CHECK_EQ(close(p[0]), 0);
    zoo[n++] = p[1];
    CHECK_EQ(pipe(p), 0); /* full, and something to read */
    CHECK_EQ(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
    while (write(p[1], "x", 1) > 0)
        ;
    zoo[n++] = p[0], zoo[n++] = p[1];
    unix_pair(p);
    zoo[n++] = p[0], zoo[n++] = p[1];
    unix_pair(p);
    fill(p[0]);
    zoo[n++] = p[0], zoo[n++] = p[1];
    unix_pair(p); /* half closed */
    CHECK_EQ(shutdown(p[0], SHUT_WR), 0);
    zoo[n++] = p[0], zoo[n++] = p[1];
    tcp_pair(p);
    CHECK_EQ(send(p[0], "!", 1, MSG_OOB), 1);
    zoo[n++] = p[0], zoo[n++] = p[1];
    zoo[n++] = open("/dev/null", O_RDWR);
    zoo[n++] = open("/proc/self/exe", O_RDONLY);
    zoo[n++] = socket(AF_INET, SOCK_STREAM, 0); /* not connected */
    return n;
}

static void poll_says_what_the_kernel_says(void **state)
{
    (void)state;
    int zoo[ZOO], open_ones = make_zoo(zoo), n = open_ones;
    struct pollfd one[ZOO], other[ZOO];
    CHECK(cress_wait_fd(zoo[n - 4], CRESS_PRI, CRESS_SECONDS(LIMIT)) > 0); /* it has arrived */
    zoo[n++] = -1, zoo[n++] = 60000;
    for (int t = 0; t < TYPES; t++) {
        for (int i = 0; i < n; i++)
            one[i] = other[i] = (struct pollfd){ zoo[i], asked[t], 0x7fff };
        int found = poll(one, (nfds_t)n, 0);
        CHECK_EQ(cress_poll(other, (size_t)n, 0), found);
        CHECK_MEM(one, other, sizeof *one * (size_t)n);
        for (int i = 0; i < n; i++) /* and each alone, not only to look */
            CHECK_EQ(cress_poll(&other[i], 1, CRESS_US(10)), one[i].revents != 0);
        CHECK_MEM(one, other, sizeof *one * (size_t)n);
    }
    for (int i = 0; i < open_ones; i++)
        CHECK_EQ(cress_close(zoo[i]), 0);
}

static void select_says_what_the_kernel_says(void **state)
{
    (void)state;
    int zoo[ZOO], n = make_zoo(zoo);
    CHECK(cress_wait_fd(zoo[n - 4], CRESS_PRI, CRESS_SECONDS(LIMIT)) > 0);
    for (unsigned which = 0; which < 8; which++)
        for (int i = -1; i < n; i++) { /* all together, each alone */
            fd_set ask, one[3], other[3];
            FD_ZERO(&ask);
            for (int k = 0; k < n; k++)
                if (i < 0 || i == k)
                    FD_SET(zoo[k], &ask);
            for (int k = 0; k < 3; k++)
                one[k] = other[k] = ask;
            struct timeval now = { 0 };
            int found = select(FD_SETSIZE, which & 1 ? &one[0] : NULL, which & 2 ? &one[1] : NULL,
                               which & 4 ? &one[2] : NULL, &now);
            CHECK_EQ(cress_select(FD_SETSIZE, which & 1 ? &other[0] : NULL,
                                  which & 2 ? &other[1] : NULL, which & 4 ? &other[2] : NULL,
                                  i % 2 != 0 ? 0 : CRESS_US(10)),
                     found);
            CHECK_MEM(one, other, sizeof one);
        }
    for (int i = 0; i < n; i++)
        CHECK_EQ(cress_close(zoo[i]), 0);
}

/* --- how long -------------------------------------------------------------------------------- */

static void *counts_turns(void *arg)
{
    for (int *turns = arg; *turns >= 0;) {
        ++*turns;
        CHECK_EQ(cress_yield(), 0);
    }
    return NULL;
}

static void what_is_ready_is_told_without_a_wait_and_after_one_yield(void **state)
{
    (void)state;
    int fds[2], turns = 0;
    unix_pair(fds);
    struct pollfd p = { .fd = fds[0], .events = POLLOUT };
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    cress_greenlet *g = cress_spawn(counts_turns, &turns);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(turns, 1);
    CHECK_EQ(cress_poll(&p, 1, CRESS_FOREVER), 1);
    CHECK_EQ(turns, 2);
    CHECK_EQ(cress_poll(&p, 1, 0), 1);
    CHECK_EQ(turns, 3);
    CHECK_EQ(cress_select(fds[0] + 1, NULL, &set, NULL, CRESS_FOREVER), 1);
    CHECK_EQ(turns, 4);
    p.events = POLLIN;
    CHECK_EQ(cress_poll(&p, 1, 0), 0);
    CHECK_EQ(turns, 5);
    turns = -2;
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    close_pair(fds);
}

static void a_timeout_elapses_and_empties_the_answer(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    cress_time begun = clock_time;
    struct pollfd p = { .fd = fds[0], .events = POLLIN, .revents = 77 };
    CHECK_EQ(cress_poll(&p, 1, CRESS_MS(500)), 0);
    CHECK_EQ(clock_time - begun, CRESS_MS(500));
    CHECK_EQ(p.revents, 0);
    fd_set sets[3];
    for (int k = 0; k < 3; k++) {
        FD_ZERO(&sets[k]);
        FD_SET(fds[0], &sets[k]);
    }
    CHECK_EQ(cress_select(fds[0] + 1, &sets[0], NULL, &sets[2], CRESS_MS(250)), 0);
    CHECK_EQ(clock_time - begun, CRESS_MS(750));
    CHECK(!FD_ISSET(fds[0], &sets[0]) && FD_ISSET(fds[0], &sets[1]) && !FD_ISSET(fds[0], &sets[2]));
    /* nothing to wait for but the time */
    p.fd = -1;
    CHECK_EQ(cress_poll(&p, 1, CRESS_MS(1)), 0);
    CHECK_EQ(cress_poll(NULL, 0, CRESS_MS(1)), 0);
    CHECK_EQ(cress_select(0, NULL, NULL, NULL, CRESS_MS(1)), 0);
    CHECK_EQ(clock_time - begun, CRESS_MS(753));
    close_pair(fds);
}

static void a_negative_timeout_is_for_ever_in_poll_and_wrong_in_select(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct polled p = { .fds = { { .fd = fds[0], .events = POLLIN } } };
    begin_poll(&p, 1, -CRESS_SECONDS(5));
    CHECK_EQ(cress_sleep(CRESS_SECONDS(1000000)), 0);
    CHECK_EQ(p.result, WAITING);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(end_poll(&p), 1);
    fd_set set;
    FD_ZERO(&set);
    CHECK_EQ(cress_select(1, &set, NULL, NULL, -1), -EINVAL);
    CHECK_EQ(cress_select(1, &set, NULL, NULL, INT64_MIN), -EINVAL);
    close_pair(fds);
}

/* Somebody else takes what came; the wait goes on, and for no longer than it had left. */
static void *steals(void *arg)
{
    char c;
    return cress_read(*(int *)arg, &c, 1) == 1 ? arg : NULL;
}

static void what_somebody_else_took_is_waited_for_again(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fds[2];
        unix_pair(fds);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
        cress_greenlet *thief = cress_spawn(steals, &fds[0]);
        CHECK_EQ(cress_yield(), 0);
        struct polled p = { .fds = { { .fd = fds[0], .events = POLLIN } } };
        begin_poll(&p, 1, CRESS_SECONDS(LIMIT));
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(cress_join(thief, CRESS_SECONDS(LIMIT)), 0);
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK_EQ(p.result, WAITING);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(end_poll(&p), 1);
        CHECK_EQ(p.fds[0].revents, POLLIN);
        cress_unref(thief);
        close_pair(fds);
    }
}

/* --- cancelled ------------------------------------------------------------------------------- */

static void a_timeout_around_a_poll_cancels_it(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct pollfd p = { .fd = fds[0], .events = POLLIN };
    cress_timeout limit = { 0 };
    cress_time begun = clock_time;
    CHECK_EQ(cress_timeout_start(&limit, CRESS_MS(20)), 0);
    CHECK_EQ(cress_poll(&p, 1, CRESS_SECONDS(1)), -ECANCELED);
    CHECK_EQ(clock_time - begun, CRESS_MS(20));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    p.events = POLLOUT; /* the scope is over: not even what is ready */
    CHECK_EQ(cress_poll(&p, 1, 0), -ECANCELED);
    CHECK_EQ(cress_select(fds[0] + 1, NULL, &set, NULL, CRESS_FOREVER), -ECANCELED);
    CHECK(FD_ISSET(fds[0], &set));
    CHECK(cress_timeout_stop(&limit));
    CHECK_EQ(cress_poll(&p, 1, 0), 1);
    close_pair(fds);
}

static void a_kill_ends_a_poll_and_leaves_nothing_linked(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct polled p = { .fds = { { .fd = fds[0], .events = POLLIN } } };
    begin_poll(&p, 1, CRESS_FOREVER);
    CHECK_EQ(cress_kill(p.greenlet, CRESS_FOREVER), 0);
    CHECK_EQ(end_poll(&p), -ECANCELED);
    CHECK_EQ(cress_fd_release(fds[0]), 0);
    begin_poll(&p, 1, CRESS_FOREVER);
    CHECK_EQ(cress_kill(p.greenlet, 0), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1); /* too late */
    CHECK_EQ(end_poll(&p), -ECANCELED);
    close_pair(fds);
}

struct rival {
    int fd;
    cress_greenlet *other;
};

/* Waits for what another one waits for, takes it, and kills that one, which is already awake. */
static void *takes_and_kills(void *arg)
{
    struct rival *r = arg;
    struct pollfd p = { .fd = r->fd, .events = POLLIN };
    char c;
    CHECK_EQ(cress_poll(&p, 1, CRESS_SECONDS(LIMIT)), 1);
    CHECK_EQ(recv(r->fd, &c, 1, 0), 1);
    CHECK_EQ(cress_kill(r->other, 0), 0);
    return NULL;
}

static void who_is_killed_after_a_wake_for_nothing_waits_no_more(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fds[2];
        unix_pair(fds);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
        struct rival rival = { .fd = fds[0] };
        cress_greenlet *g = cress_spawn(takes_and_kills, &rival);
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        struct polled p = { .fds = { { .fd = fds[0], .events = POLLIN } } };
        begin_poll(&p, 1, CRESS_SECONDS(LIMIT));
        rival.other = p.greenlet;
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
        CHECK_EQ(end_poll(&p), -ECANCELED);
        cress_unref(g);
        close_pair(fds);
    }
}

/* --- what wakes ------------------------------------------------------------------------------ */

/* Do something to fds[1] that ends a wait for fds[0]. */
enum { WRITES, DRAINS, CLOSES, HALF_CLOSES, URGES, DEEDS };

static void act(int deed, int fds[2])
{
    char data[65536];
    switch (deed) {
    case WRITES:
        CHECK_EQ(send(fds[1], "x", 1, 0), 1);
        break;
    case DRAINS:
        while (recv(fds[1], data, sizeof data, MSG_DONTWAIT) > 0)
            ;
        break;
    case CLOSES:
        CHECK_EQ(close(fds[1]), 0);
        fds[1] = -1;
        break;
    case HALF_CLOSES:
        CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
        break;
    case URGES:
        CHECK_EQ(send(fds[1], "!", 1, MSG_OOB), 1);
        break;
    }
}

static void each_event_wakes_who_asked_for_it(void **state)
{
    (void)state;
    static const struct {
        short events;
        int deed;
        bool full; /* at first */
        bool tcp;
    } cases[] = {
        { POLLIN, WRITES, false, false },      { POLLRDNORM, WRITES, false, false },
        { POLLOUT, DRAINS, true, false },      { POLLWRNORM, DRAINS, true, false },
        { POLLWRBAND, DRAINS, true, false },   { 0, CLOSES, false, false },
        { POLLOUT, CLOSES, true, false },      { POLLRDHUP, HALF_CLOSES, false, false },
        { POLLIN, HALF_CLOSES, false, false }, { POLLPRI, URGES, false, true },
        { POLLRDHUP, CLOSES, false, true },    { POLLIN, WRITES, false, true },
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        int fds[2];
        if (cases[i / 2].tcp) {
            tcp_pair(fds);
            CHECK_EQ(cress_fd_release(fds[1]), 0); /* closed behind cress's back */
            if (i % 2 == 0)
                CHECK_EQ(cress_fd_release(fds[0]), 0);
        } else {
            unix_pair(fds);
            if (i % 2 == 1)
                CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
        }
        if (cases[i / 2].full)
            fill(fds[0]);
        struct polled p = { .fds = { { .fd = fds[0], .events = cases[i / 2].events } } };
        begin_poll(&p, 1, CRESS_SECONDS(LIMIT));
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK_EQ(p.result, WAITING);
        act(cases[i / 2].deed, fds);
        CHECK_EQ(end_poll(&p), 1);
        struct pollfd now = { .fd = fds[0], .events = cases[i / 2].events };
        CHECK_EQ(poll(&now, 1, 0), 1);
        CHECK_EQ(p.fds[0].revents, now.revents);
        CHECK_EQ(cress_close(fds[0]), 0);
        if (fds[1] >= 0)
            CHECK_EQ(cress_close(fds[1]), 0);
    }
}

static void one_that_is_in_the_set_twice_counts_twice(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct polled p = { .fds = { { .fd = fds[0], .events = POLLIN },
                                 { .fd = -5, .events = POLLIN, .revents = 9 },
                                 { .fd = fds[0], .events = POLLIN | POLLPRI },
                                 { .fd = fds[0], .events = POLLPRI } } };
    begin_poll(&p, 4, CRESS_FOREVER);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(end_poll(&p), 2);
    CHECK_EQ(p.fds[0].revents, POLLIN);
    CHECK_EQ(p.fds[1].revents, 0);
    CHECK_EQ(p.fds[2].revents, POLLIN);
    CHECK_EQ(p.fds[3].revents, 0);
    close_pair(fds);
}

enum { POLLERS = 20, PAIRS = 10 };

/* Each polls the pairs from its own number on; one write wakes exactly those who look there. */
static void many_poll_overlapping_sets_while_others_read(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fds[PAIRS][2];
        static struct polled p[POLLERS];
        for (int i = 0; i < PAIRS; i++) {
            unix_pair(fds[i]);
            if (adopted)
                CHECK_EQ(cress_fd_adopt(fds[i][0], 0), 0);
        }
        cress_greenlet *reader = cress_spawn(steals, &fds[0][0]);
        for (int k = 0; k < POLLERS; k++) {
            p[k] = (struct polled){ .n = 0 };
            for (int i = k % PAIRS; i < PAIRS; i++)
                p[k].fds[p[k].n++] = (struct pollfd){ fds[i][0], POLLIN, 0 };
            begin_poll(&p[k], p[k].n, CRESS_SECONDS(LIMIT));
        }
        CHECK_EQ(write(fds[4][1], "x", 1), 1);
        for (int k = 0; k < POLLERS; k++)
            if (k % PAIRS <= 4) {
                CHECK_EQ(end_poll(&p[k]), 1);
                CHECK_EQ(p[k].fds[4 - k % PAIRS].revents, POLLIN);
            }
        for (int k = 0; k < POLLERS; k++)
            if (k % PAIRS > 4)
                CHECK_EQ(p[k].result, WAITING);
        CHECK_EQ(write(fds[PAIRS - 1][1], "x", 1), 1);
        for (int k = 0; k < POLLERS; k++)
            if (k % PAIRS > 4)
                CHECK_EQ(end_poll(&p[k]), 1);
        CHECK(!cress_ready(reader)); /* neither disturbed, nor in anybody's way */
        CHECK_EQ(write(fds[0][1], "x", 1), 1);
        CHECK_EQ(cress_join(reader, CRESS_SECONDS(LIMIT)), 0);
        CHECK(cress_value(reader) == &fds[0][0]);
        cress_unref(reader);
        for (int i = 0; i < PAIRS; i++)
            close_pair(fds[i]);
    }
}

static void a_set_of_a_thousand(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit more = { .rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max };
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &more), 0);
    static struct pollfd set[MANY];
    static int fds[MANY][2];
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(pipe(fds[i]), 0);
        set[i] = (struct pollfd){ fds[i][0], POLLIN, 0 };
    }
    CHECK_EQ(write(fds[500][1], "x", 1), 1);
    CHECK_EQ(cress_poll(set, MANY, CRESS_FOREVER), 1);
    CHECK_EQ(set[500].revents, POLLIN);
    cress_greenlet *g = cress_spawn(steals, &fds[500][0]);
    CHECK_EQ(cress_poll(set, MANY, CRESS_MS(1)), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(cress_close(fds[i][0]), 0);
        CHECK_EQ(cress_close(fds[i][1]), 0);
    }
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* --- closed meanwhile ------------------------------------------------------------------------ */

static void what_is_closed_during_poll_is_told_even_if_its_number_comes_again(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++)
        for (int again = 0; again < 2; again++) {
            int fds[2], others[2];
            unix_pair(fds);
            unix_pair(others);
            if (adopted)
                CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
            struct polled p = { .fds = { { .fd = others[0], .events = POLLIN },
                                         { .fd = fds[0], .events = POLLIN } } };
            struct polled q = p;
            begin_poll(&p, 2, CRESS_FOREVER);
            begin_poll(&q, 2, CRESS_SECONDS(LIMIT));
            CHECK_EQ(cress_close(fds[0]), 0);
            if (again)
                CHECK_EQ(dup2(others[0], fds[0]), fds[0]); /* nothing in it */
            CHECK_EQ(write(others[1], "x", 1), 1);
            CHECK_EQ(end_poll(&p), 2);
            CHECK_EQ(end_poll(&q), 2);
            CHECK_EQ(p.fds[0].revents, POLLIN);
            CHECK_EQ(p.fds[1].revents, POLLNVAL);
            CHECK_EQ(q.fds[1].revents, POLLNVAL);
            if (again)
                CHECK_EQ(close(fds[0]), 0);
            CHECK_EQ(cress_close(fds[1]), 0);
            close_pair(others);
        }
}

static void what_is_closed_behind_our_back_is_told_when_its_number_is_waited_for(void **state)
{
    (void)state;
    int fds[2], others[2];
    unix_pair(fds);
    struct polled p = { .fds = { { .fd = fds[0], .events = POLLIN },
                                 { .fd = fds[0], .events = POLLIN } } };
    struct polled q = p;
    begin_poll(&p, 2, CRESS_SECONDS(LIMIT));
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    CHECK_EQ(others[0], fds[0]);
    begin_poll(&q, 2, CRESS_SECONDS(LIMIT));
    CHECK_EQ(end_poll(&p), 2);
    CHECK_EQ(p.fds[0].revents, POLLNVAL);
    CHECK_EQ(p.fds[1].revents, POLLNVAL);
    CHECK_EQ(q.result, WAITING);
    CHECK_EQ(write(others[1], "x", 1), 1);
    CHECK_EQ(end_poll(&q), 2);
    CHECK_EQ(q.fds[1].revents, POLLIN);
    CHECK_EQ(cress_close(fds[1]), 0);
    close_pair(others);
}

static int swap_at, swap_with, swap_over;

/* Another thread's doing, between two of the calls that tell a poller what a number means. */
static bool swap_files(const char *what)
{
    if ((strcmp(what, "epoll_ctl") == 0 || strcmp(what, "fstat") == 0) && swap_at-- == 0)
        CHECK_EQ(dup2(swap_with, swap_over), swap_over);
    return false;
}

static void a_number_that_changes_hands_while_the_set_is_linked_is_told(void **state)
{
    (void)state;
    int fds[2], others[2];
    unix_pair(fds);
    unix_pair(others);
    struct pollfd set[2] = { { fds[0], POLLIN, 0 }, { fds[0], POLLIN, 0 } };
    swap_at = 1, swap_with = others[0], swap_over = fds[0];
    CHECK_EQ(cress_yield(), 0); /* the hub is there */
    cress__fault_hook = swap_files;
    CHECK_EQ(cress_poll(set, 2, CRESS_SECONDS(LIMIT)), 1);
    cress__fault_hook = NULL;
    CHECK_EQ(set[0].revents, POLLNVAL);
    CHECK_EQ(set[1].revents, 0);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(cress_close(fds[1]), 0);
    close_pair(others);
}

struct selects {
    int n;
    fd_set sets[3];
    bool used[3];
    cress_time timeout;
    int result;
};

static void *selects(void *arg)
{
    struct selects *s = arg;
    s->result = cress_select(s->n, s->used[0] ? &s->sets[0] : NULL, s->used[1] ? &s->sets[1] : NULL,
                             s->used[2] ? &s->sets[2] : NULL, s->timeout);
    return NULL;
}

static void select_refuses_what_is_not_open_and_leaves_the_sets_alone(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct selects s = { .n = FD_SETSIZE, .used = { true, true }, .timeout = CRESS_FOREVER };
    FD_SET(700, &s.sets[0]);
    FD_SET(fds[0], &s.sets[1]); /* ready: it does not matter */
    fd_set before[3];
    memcpy(before, s.sets, sizeof before);
    selects(&s);
    CHECK_EQ(s.result, -EBADF);
    CHECK_MEM(before, s.sets, sizeof before);
    /* closed meanwhile */
    s = (struct selects){ .n = fds[0] + 1, .used = { true }, .timeout = CRESS_FOREVER };
    FD_SET(fds[0], &s.sets[0]);
    memcpy(before, s.sets, sizeof before);
    s.result = WAITING;
    cress_greenlet *g = cress_spawn(selects, &s);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(s.result, WAITING);
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
    CHECK_EQ(s.result, -EBADF);
    CHECK_MEM(before, s.sets, sizeof before);
    cress_unref(g);
    CHECK_EQ(cress_close(fds[1]), 0);
}

static void select_wakes_for_what_its_sets_mean_and_touches_no_bit_beyond(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct selects s = { .n = fds[0] + 1, .used = { true, false, true }, .result = WAITING };
    s.timeout = CRESS_FOREVER;
    for (int k = 0; k < 3; k++) {
        FD_SET(fds[0], &s.sets[k]);
        FD_SET(fds[0] + 1, &s.sets[k]);
    }
    cress_greenlet *g = cress_spawn(selects, &s);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(s.result, WAITING);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
    CHECK_EQ(s.result, 1);
    CHECK(FD_ISSET(fds[0], &s.sets[0]) && FD_ISSET(fds[0] + 1, &s.sets[0]));
    CHECK(FD_ISSET(fds[0], &s.sets[1]) && FD_ISSET(fds[0] + 1, &s.sets[1]));
    CHECK(!FD_ISSET(fds[0], &s.sets[2]) && FD_ISSET(fds[0] + 1, &s.sets[2]));
    cress_unref(g);
    close_pair(fds);
}

/* A hang-up is no exceptional condition: select sleeps on, and does not spin. */
static void select_sleeps_through_a_hang_up_that_it_was_not_asked_about(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    CHECK_EQ(close(fds[1]), 0);
    struct selects s = { .n = fds[0] + 1, .used = { false, false, true }, .timeout = CRESS_MS(20) };
    FD_SET(fds[0], &s.sets[2]);
    cress_greenlet *g = cress_spawn(selects, &s);
    count_calls();
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    stop_counting();
    CHECK_EQ(s.result, 0);
    CHECK_LE(calls_of("poll"), 3);
    cress_unref(g);
    CHECK_EQ(cress_close(fds[0]), 0);
}

/* --- refused --------------------------------------------------------------------------------- */

static void absurd_arguments_are_refused(void **state)
{
    (void)state;
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct pollfd p = { .fd = 0, .events = POLLIN };
    CHECK_EQ(cress_poll(&p, limit.rlim_cur + 1, 0), -EINVAL);
    CHECK_EQ(cress_poll(&p, SIZE_MAX / 4, CRESS_FOREVER), -EINVAL);
    CHECK_EQ(cress_poll(&p, (size_t)1 << 32, 0), -EINVAL); /* the kernel sees the lower half: 0 */
    CHECK_EQ(cress_poll(&p, ((size_t)1 << 32) + 1, 0), -EINVAL);
    CHECK_EQ(cress_poll(NULL, 1, 0), -EFAULT);
    CHECK_EQ(cress_poll((struct pollfd *)8, 3, CRESS_FOREVER), -EFAULT);
    fd_set set;
    FD_ZERO(&set);
    CHECK_EQ(cress_select(-1, &set, NULL, NULL, 0), -EINVAL);
    CHECK_EQ(cress_select(FD_SETSIZE + 1, &set, NULL, NULL, 0), -EINVAL);
    CHECK_EQ(cress_select(FD_SETSIZE, &set, NULL, NULL, 0), 0);
    CHECK_EQ(cress_select(INT32_MAX, NULL, NULL, NULL, 0), -EINVAL);
}

static int poll_in_callback(void *arg)
{
    struct pollfd p = { .fd = *(int *)arg, .events = POLLOUT };
    fd_set set;
    FD_ZERO(&set);
    FD_SET(*(int *)arg, &set);
    CHECK_EQ(cress_poll(&p, 1, CRESS_FOREVER), -EPERM);
    CHECK_EQ(cress_poll(&p, 1, 0), -EPERM);
    CHECK_EQ(cress_select(*(int *)arg + 1, &set, NULL, NULL, CRESS_FOREVER), -EPERM);
    CHECK(FD_ISSET(*(int *)arg, &set));
    return 0;
}

static void a_callback_does_not_poll(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct told told = { 0 };
    cress_callback node = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_post(NULL, &node, poll_in_callback, &fds[0]), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(told.count, 3);
    close_pair(fds);
}

static void *polls_in_another_thread(void *arg)
{
    struct pollfd p = { .fd = *(int *)arg, .events = POLLOUT };
    fd_set set;
    FD_ZERO(&set);
    FD_SET(*(int *)arg, &set);
    CHECK_EQ(cress_poll(&p, 1, 0), -EXDEV);
    CHECK_EQ(cress_select(*(int *)arg + 1, &set, NULL, NULL, CRESS_FOREVER), -EXDEV);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return NULL;
}

static void another_hubs_descriptor_is_refused(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct polled p = { .fds = { { .fd = fds[0], .events = POLLIN } } };
    begin_poll(&p, 1, CRESS_FOREVER);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, polls_in_another_thread, &fds[0]), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(end_poll(&p), 1);
    close_pair(fds);
}

/* Stands for a peer outside: it writes when the hub is about to wait for it. */
static int outside;

static void write_from_outside(cress_hub *hub, cress_time timeout, void *arg)
{
    (void)hub;
    if (timeout > 0)
        CHECK_EQ(write(outside, arg, 1), 1);
}

static int nothing_after(cress_hub *hub, void *arg)
{
    (void)hub;
    (void)arg;
    return 0;
}

static void main_may_wait_for_a_peer_outside(void **state)
{
    (void)state;
    static const cress_poll_hooks hooks = { write_from_outside, nothing_after };
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    outside = fds[1];
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_set_poll_hooks(cress_hub_current(), &hooks, "x"), 0);
    struct pollfd p = { .fd = fds[0], .events = POLLIN };
    CHECK_EQ(cress_poll(&p, 1, CRESS_FOREVER), 1);
    CHECK_EQ(cress_hub_set_poll_hooks(cress_hub_current(), NULL, NULL), 0);
    close(fds[0]);
    close(fds[1]);
}

static void main_that_polls_nothing_for_ever_is_told(void **state)
{
    (void)state;
    struct told told = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct pollfd p = { .fd = -1, .events = POLLIN };
    CHECK_EQ(cress_poll(&p, 1, CRESS_FOREVER), -EDEADLK);
    int file = open("/proc/self/exe", O_RDONLY);
    p = (struct pollfd){ .fd = file, .events = POLLPRI }; /* files never say it */
    CHECK_EQ(cress_poll(&p, 1, CRESS_FOREVER), -EDEADLK);
    struct pollfd two[2] = { p, p };
    CHECK_EQ(cress_poll(two, 2, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_select(0, NULL, NULL, NULL, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(told.count, 4);
    CHECK(strstr(told.lines[0].context, "polling fd -1") != NULL);
    CHECK(strstr(told.lines[2].context, "polling, so many fds: 2") != NULL);
    CHECK_EQ(close(file), 0);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void signals_disturb_no_poll(void **state)
{
    (void)state;
    struct sigaction action = { .sa_handler = on_alarm }, old; /* without SA_RESTART */
    CHECK_EQ(sigaction(SIGALRM, &action, &old), 0);
    struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { 0 };
    int fds[2];
    unix_pair(fds);
    struct pollfd p = { .fd = fds[0], .events = POLLIN };
    cress_time until = cress_now() + CRESS_MS(80);
    alarms = 0;
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; cress_now() < until; i++) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(fds[0], &set);
        CHECK_EQ(cress_poll(&p, 1, i % 1000 == 0 ? CRESS_US(300) : 0), 0);
        CHECK_EQ(cress_select(fds[0] + 1, &set, NULL, NULL, i % 1000 == 50 ? CRESS_US(300) : 0), 0);
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_EQ(sigaction(SIGALRM, &old, NULL), 0);
    CHECK_GT(alarms, 5);
    close_pair(fds);
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    struct pollfd p = { .fd = 60000, .events = POLLIN };
    fd_set set;
    FD_ZERO(&set);
    FD_SET(700, &set);
    errno = 4321;
    CHECK_EQ(cress_poll(&p, 1, 0), 1);
    CHECK_EQ(cress_poll(NULL, 1, 0), -EFAULT);
    CHECK_EQ(cress_select(701, &set, NULL, NULL, CRESS_MS(1)), -EBADF);
    CHECK_EQ(errno, 4321);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
#define CLOCKED(name) cmocka_unit_test_setup_teardown(name, clock_begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(poll_says_what_the_kernel_says),
        TEST(select_says_what_the_kernel_says),
        TEST(what_is_ready_is_told_without_a_wait_and_after_one_yield),
        CLOCKED(a_timeout_elapses_and_empties_the_answer),
        CLOCKED(a_negative_timeout_is_for_ever_in_poll_and_wrong_in_select),
        TEST(what_somebody_else_took_is_waited_for_again),
        CLOCKED(a_timeout_around_a_poll_cancels_it),
        TEST(a_kill_ends_a_poll_and_leaves_nothing_linked),
        TEST(who_is_killed_after_a_wake_for_nothing_waits_no_more),
        TEST(each_event_wakes_who_asked_for_it),
        TEST(one_that_is_in_the_set_twice_counts_twice),
        TEST(many_poll_overlapping_sets_while_others_read),
        TEST(a_set_of_a_thousand),
        TEST(what_is_closed_during_poll_is_told_even_if_its_number_comes_again),
        TEST(what_is_closed_behind_our_back_is_told_when_its_number_is_waited_for),
        TEST(a_number_that_changes_hands_while_the_set_is_linked_is_told),
        TEST(select_refuses_what_is_not_open_and_leaves_the_sets_alone),
        TEST(select_wakes_for_what_its_sets_mean_and_touches_no_bit_beyond),
        TEST(select_sleeps_through_a_hang_up_that_it_was_not_asked_about),
        TEST(absurd_arguments_are_refused),
        TEST(a_callback_does_not_poll),
        TEST(another_hubs_descriptor_is_refused),
        TEST(main_may_wait_for_a_peer_outside),
        TEST(main_that_polls_nothing_for_ever_is_told),
        TEST(signals_disturb_no_poll),
        TEST(errno_is_left_alone),
    };
    return RUN_TESTS_APART(tests);
}
