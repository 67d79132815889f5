/* How much stack a wait takes, and that the one who waits polls itself.
 *
 * Every greenlet becomes the poller in time, so what park and poll need is what each of a million
 * stacks must hold below its user's frames. Measured by painting the stack below the caller.
 */
#include "support/test.h"
#include "hub/apart.h"
#include "base/compiler.h"

#include <cress.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAINTED = 6000, COLOUR = 0xa5 };

/* Sanitizers have frames of their own making. The limit is that of the shipped library, built as
 * Release; with -O1 the same calls take a little more. */
#if defined(CRESS_ASAN) || defined(CRESS_TSAN)
static const char *why_not = "a sanitizer's frames are larger";
#elif !defined(__OPTIMIZE__)
static const char *why_not = "built without optimisation";
#else
static const char *why_not;
#endif
#ifndef STACK_USE_LIMIT
#define STACK_USE_LIMIT 800
#endif
enum { OF_RECV = 400 }; /* the call's own frames above the park */

/* Not inlined, so that its frame is where the measured call's will be. */
static noinline void paint(void)
{
    unsigned char area[PAINTED];
    memset(area, COLOUR, sizeof area);
    __asm__ volatile("" : : "r"(area) : "memory"); /* somebody might look at it */
}

/* How far below `from` something was written. */
static noinline size_t depth(const volatile unsigned char *from)
{
    const volatile unsigned char *p = from - PAINTED + 512;
    while (p < from && *p == COLOUR)
        p++;
    return (size_t)(from - p);
}

struct measured {
    int fd;
    int (*wait)(const struct measured *m);
    size_t used;
};

static int wait_for_time(const struct measured *m)
{
    (void)m;
    return cress_sleep(CRESS_MS(1));
}

static int wait_for_fd(const struct measured *m)
{
    char c;
    return (int)cress_recv(m->fd, &c, 1, 0);
}

static int park(const struct measured *m)
{
    (void)m;
    return cress_park(CRESS_MS(1));
}

static void *measure(void *arg)
{
    struct measured *m = arg;
    int first = m->wait(m); /* what is bound lazily is bound now, the stack is there */
    paint();
    int second = m->wait(m);
    m->used = depth(__builtin_frame_address(0));
    CHECK(first == 0 || first == -ETIMEDOUT);
    CHECK_EQ(first, second);
    return NULL;
}

static size_t used_by(int (*wait)(const struct measured *m), int fd)
{
    struct measured m = { .fd = fd, .wait = wait };
    cress_greenlet *g = cress_spawn(measure, &m);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    return m.used;
}

static void a_park_and_its_poll_take_little_stack(void **state)
{
    (void)state;
    if (why_not != NULL) {
        printf("        skipped: %s\n", why_not);
        skip();
    }
    int fds[2], theirs[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, theirs), 0);
    CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
    CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_IN, CRESS_MS(1)), 0);
    CHECK_EQ(cress_fd_set_timeout(theirs[0], CRESS_IN, CRESS_MS(1)), 0);
    size_t time = used_by(wait_for_time, -1), parked = used_by(park, -1);
    size_t own = used_by(wait_for_fd, fds[0]), other = used_by(wait_for_fd, theirs[0]);
    printf("        sleep %zu, park %zu, recv of an own fd %zu, of another %zu bytes\n", time,
           parked, own, other);
    CHECK_GT(parked, 50); /* it has measured something */
    CHECK_LE(time, STACK_USE_LIMIT);
    CHECK_LE(parked, STACK_USE_LIMIT);
    CHECK_LE(own, STACK_USE_LIMIT + OF_RECV);
    CHECK_LE(other, STACK_USE_LIMIT + OF_RECV);
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(cress_close(theirs[0]), 0);
    close(fds[1]);
    close(theirs[1]);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

/* --- whose stack ----------------------------------------------------------------------------- */

static uint64_t switches(void)
{
    cress_hub_counts c = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &c), 0);
    return c.switches;
}

static void *sleep_alone(void *arg)
{
    uint64_t before = switches();
    for (int i = 0; i < 20; i++)
        CHECK_EQ(cress_sleep(CRESS_US(50)), 0);
    *(uint64_t *)arg = switches() - before;
    return NULL;
}

static void who_blocks_last_polls_and_returns_without_a_switch(void **state)
{
    (void)state;
    uint64_t made = 1;
    cress_greenlet *g = cress_spawn(sleep_alone, &made);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(made, 0);
    cress_unref(g);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static const char *poller;

static void before(cress_hub *hub, cress_time timeout, void *arg)
{
    (void)hub, (void)arg;
    if (timeout > 0)
        poller = cress_current() != NULL ? cress_name(cress_current()) : "nobody";
}

static int after(cress_hub *hub, void *arg)
{
    (void)hub, (void)arg;
    return 0;
}

static void *sleep_as(void *arg)
{
    CHECK_EQ(cress_set_name(cress_current(), arg), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_STR(poller, "second"); /* it blocked last */
    return NULL;
}

static void the_poll_is_on_the_stack_of_who_blocked_last(void **state)
{
    (void)state;
    static const cress_poll_hooks hooks = { before, after };
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(cress_hub_set_poll_hooks(hub, &hooks, NULL), 0);
    cress_greenlet *g = cress_spawn(sleep_as, "first");
    CHECK_EQ(cress_go(sleep_as, "second"), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_park_and_its_poll_take_little_stack),
        cmocka_unit_test(who_blocks_last_polls_and_returns_without_a_switch),
        cmocka_unit_test(the_poll_is_on_the_stack_of_who_blocked_last),
    };
    return RUN_TESTS_APART(tests);
}
