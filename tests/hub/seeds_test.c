/* The same programs under many orders of what is ready: what is promised holds under each.
 *
 * cress__runq_seed lets greenlets overtake each other in the line, as no caller may rely on their
 * order where none is promised. Callbacks keep theirs.
 */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/told.h"
#include "base/runq.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SEEDS = 20 };

static void under_each_seed(void (*scenario)(void))
{
    for (unsigned seed = 0; seed <= SEEDS; seed++) {
        cress__runq_seed = seed * 2654435761u;
        scenario();
        CHECK_EQ(cress_hub_destroy(0), 0);
    }
    cress__runq_seed = 0;
}

/* --- join, park, sleep ----------------------------------------------------------------------- */

static void *yield_some(void *arg)
{
    for (uintptr_t i = 0; i < (uintptr_t)arg; i++)
        CHECK_EQ(cress_yield(), 0);
    return arg;
}

static void *get_it(void *arg)
{
    void *value = NULL;
    CHECK_EQ(cress_get(arg, CRESS_FOREVER, &value, NULL), 0);
    return value;
}

static void everyone_is_joined(void)
{
    enum { N = 12 };
    cress_greenlet *g[N], *joiners[N];
    for (uintptr_t i = 0; i < N; i++) {
        g[i] = cress_spawn(yield_some, (void *)(i % 5));
        joiners[i] = cress_spawn(get_it, g[i]);
    }
    for (uintptr_t i = 0; i < N; i++) {
        void *value = NULL;
        CHECK_EQ(cress_get(joiners[i], CRESS_FOREVER, &value, NULL), 0);
        CHECK_EQ((uintptr_t)value, i % 5);
        cress_unref(g[i]);
        cress_unref(joiners[i]);
    }
}

static void joins_hold_under_any_order(void **state)
{
    (void)state;
    under_each_seed(everyone_is_joined);
}

enum { RING = 8, ROUNDS = 40 };

static cress_greenlet *ring[RING];
static int turns;

static void *pass_on(void *arg)
{
    uintptr_t me = (uintptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(cress_park(CRESS_FOREVER), 0);
        CHECK_EQ(turns % RING, (int)me); /* nobody but the one whose turn it is */
        turns++;
        if (turns < RING * ROUNDS)
            CHECK_EQ(cress_unpark(cress_greenlet_coro(ring[(me + 1) % RING])), 0);
    }
    return NULL;
}

static void a_token_goes_round(void)
{
    turns = 0;
    for (uintptr_t i = 0; i < RING; i++)
        ring[i] = cress_spawn(pass_on, (void *)i);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(ring[0])), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(turns, RING * ROUNDS);
    for (int i = 0; i < RING; i++)
        cress_unref(ring[i]);
}

static void parking_holds_under_any_order(void **state)
{
    (void)state;
    under_each_seed(a_token_goes_round);
}

/* --- callbacks ------------------------------------------------------------------------------- */

static int last_callback;

static int in_order(void *arg)
{
    CHECK_EQ((int)(intptr_t)arg, last_callback + 1);
    last_callback++;
    return 0;
}

static void callbacks_among_greenlets(void)
{
    enum { N = 30 };
    static cress_callback nodes[N];
    last_callback = 0;
    for (intptr_t i = 0; i < N; i++) {
        CHECK_EQ(cress_go(yield_some, (void *)(i % 3)), 0);
        CHECK_EQ(cress_post(NULL, &nodes[i], in_order, (void *)(i + 1)), 0);
    }
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(last_callback, N);
}

static void callbacks_stay_in_order_under_any_order_of_greenlets(void **state)
{
    (void)state;
    under_each_seed(callbacks_among_greenlets);
}

/* --- descriptors ----------------------------------------------------------------------------- */

enum { PAIRS = 6, BYTES = 20000 };

static int pairs[PAIRS][2];

static void *send_pattern(void *arg)
{
    int fd = *(int *)arg;
    unsigned char data[997];
    for (size_t sent = 0; sent < BYTES;) {
        size_t n = BYTES - sent < sizeof data ? BYTES - sent : sizeof data;
        for (size_t i = 0; i < n; i++)
            data[i] = (unsigned char)((sent + i) * 31);
        CHECK_EQ(cress_sendall(fd, data, n, NULL), 0);
        sent += n;
        if (sent % 3 == 0)
            CHECK_EQ(cress_yield(), 0);
    }
    CHECK_EQ(cress_shutdown(fd, SHUT_WR), 0);
    return NULL;
}

static void *recv_pattern(void *arg)
{
    int fd = *(int *)arg;
    unsigned char data[1409];
    size_t got = 0;
    for (ssize_t n; (n = cress_recv(fd, data, sizeof data, 0)) != 0; got += (size_t)n) {
        CHECK_GT(n, 0);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(data[i], (unsigned char)((got + (size_t)i) * 31));
    }
    CHECK_EQ(got, BYTES);
    return NULL;
}

static void many_streams_both_ways(void)
{
    for (int i = 0; i < PAIRS; i++) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        for (int j = 0; j < 2; j++) {
            int small = 2048;
            setsockopt(pairs[i][j], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
            if (i % 2 == 0)
                CHECK_EQ(cress_fd_adopt(pairs[i][j], 0), 0);
            CHECK_EQ(cress_go(send_pattern, &pairs[i][j]), 0);
            CHECK_EQ(cress_go(recv_pattern, &pairs[i][j]), 0);
        }
    }
    CHECK_EQ(cress_run(CRESS_SECONDS(50)), 0);
    for (int i = 0; i < PAIRS; i++)
        for (int j = 0; j < 2; j++)
            CHECK_EQ(cress_close(pairs[i][j]), 0);
}

static void streams_hold_under_any_order(void **state)
{
    (void)state;
    under_each_seed(many_streams_both_ways);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_hold_under_any_order),
        cmocka_unit_test(parking_holds_under_any_order),
        cmocka_unit_test(callbacks_stay_in_order_under_any_order_of_greenlets),
        cmocka_unit_test(streams_hold_under_any_order),
    };
    return RUN_TESTS_APART(tests);
}
