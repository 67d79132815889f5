/* The line of what is to run, and its order when a test has seeded it. */
#include "base/runq.h"

#include "support/test.h"

#include <string.h>

enum { NODES = 40 };

static struct runq queue;
static struct runnode nodes[NODES];

static int callback(void *arg)
{
    (void)arg;
    return 0;
}

static int pop(void)
{
    struct runnode *node = queue.head.next;
    CHECK(!runq_empty(&queue));
    runq_remove(node);
    CHECK(!runnode_queued(node));
    return (int)(node - nodes);
}

static int fresh(void **state)
{
    (void)state;
    runq_init(&queue);
    memset(nodes, 0, sizeof nodes);
    cress__runq_seed = 0;
    return 0;
}

static int unseeded(void **state)
{
    (void)state;
    cress__runq_seed = 0;
    return 0;
}

static void first_in_is_first_out(void **state)
{
    (void)state;
    CHECK(runq_empty(&queue));
    CHECK(queue.head.fn != NULL); /* no coroutine is first in an empty line */
    for (int i = 0; i < NODES; i++) {
        CHECK(!runnode_queued(&nodes[i]));
        runq_push(&queue, &nodes[i]);
        CHECK(runnode_queued(&nodes[i]));
    }
    for (int i = 0; i < NODES; i++)
        CHECK_EQ(pop(), i);
    CHECK(runq_empty(&queue));
}

static void one_may_go_first_and_one_may_leave(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        runq_push(&queue, &nodes[i]);
    runq_push_front(&queue, &nodes[3]);
    runq_remove(&nodes[1]);
    CHECK_EQ(pop(), 3);
    CHECK_EQ(pop(), 0);
    CHECK_EQ(pop(), 2);
    CHECK(runq_empty(&queue));
}

/* Every fifth is a callback. */
static void fill(unsigned seed, int order[NODES])
{
    fresh(NULL);
    cress__runq_seed = seed;
    for (int i = 0; i < NODES; i++) {
        nodes[i].fn = i % 5 == 4 ? callback : NULL;
        runq_push(&queue, &nodes[i]);
    }
    for (int i = 0; i < NODES; i++)
        order[i] = pop();
    CHECK(runq_empty(&queue));
}

static void a_seeded_order_moves_coroutines_but_not_past_callbacks(void **state)
{
    (void)state;
    int moved = 0;
    for (unsigned seed = 1; seed <= 200; seed++) {
        int order[NODES];
        fill(seed, order);
        bool seen[NODES] = { false };
        for (int i = 0; i < NODES; i++) {
            CHECK(!seen[order[i]]);
            seen[order[i]] = true;
            CHECK_EQ(order[i] / 5, i / 5);               /* within its group of four */
            CHECK_EQ(order[i] == i || i % 5 != 4, true); /* callbacks stay */
            moved += order[i] != i;
        }
    }
    CHECK_GT(moved, 1000);
}

static void the_same_seed_gives_the_same_order(void **state)
{
    (void)state;
    int a[NODES], b[NODES], c[NODES];
    fill(17, a);
    fill(17, b);
    fill(18, c);
    CHECK_MEM(a, b, sizeof a);
    CHECK_NE(memcmp(a, c, sizeof a), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, unseeded)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_in_is_first_out),
        TEST(one_may_go_first_and_one_may_leave),
        TEST(a_seeded_order_moves_coroutines_but_not_past_callbacks),
        TEST(the_same_seed_gives_the_same_order),
    };
    return RUN_TESTS(tests);
}
