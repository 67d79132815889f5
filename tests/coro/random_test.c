/* Random operations on coroutines against a model that has no stacks: who runs next, with what, and
 * which calls are refused, is predicted before each step.
 */
#include "support/test.h"

#include <cress/coro.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPERATIONS = 100000, ALIVE = 48 };

/* Node 0 is the thread's own stack. Nodes are not reused: a freed one stays somebody's parent. */
struct node {
    cress_coro *co;
    int parent;
    cress_coro_state state;
    bool freed;
};

static struct node nodes[OPERATIONS + 1];
static int n_nodes, runs; /* how many there are; which one runs */
static int handles[ALIVE], n_handles;
static long left;
static uint64_t seed;

/* What the next one to run must see. */
static struct {
    int who;
    int error;
    uintptr_t value;
} due;

static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)((seed * 0x2545f4914f6cdd1d >> 16) % n);
}

static int living_parent(int i)
{
    do
        i = nodes[i].parent;
    while (nodes[i].state == CRESS_CORO_ENDED);
    return i;
}

/* The model of a switch to one that has not ended. */
static void pass_to(int to, uintptr_t value, int error)
{
    while (error != 0 && nodes[to].state == CRESS_CORO_NEW) {
        nodes[to].state = CRESS_CORO_ENDED;
        to = living_parent(to);
    }
    nodes[to].state = CRESS_CORO_RUNNING;
    due.who = to;
    due.error = error;
    due.value = error != 0 ? 0 : value;
    runs = to;
}

static void check_all(void)
{
    CHECK_EQ(cress_coro_current(), nodes[runs].co);
    for (int k = 0; k < n_handles; k++) {
        int i = handles[k], p = nodes[i].parent;
        CHECK_EQ(cress_coro_get_state(nodes[i].co), nodes[i].state);
        while (nodes[p].freed)
            p = nodes[p].parent;
        CHECK_EQ(cress_coro_parent(nodes[i].co), nodes[p].co);
    }
}

static void arrived(int me, int error, const void *value)
{
    CHECK_EQ(due.who, me);
    CHECK_EQ(error, due.error);
    if (error == 0)
        CHECK_EQ(value, due.value);
    check_all();
}

static void go(int me, int to, bool throws)
{
    uintptr_t value = below(1000) + 1;
    int error = throws ? -(int)below(100) - 1 : 0;
    if (nodes[to].state == CRESS_CORO_ENDED) {
        int refused = throws ? cress_coro_throw(nodes[to].co, error, NULL)
                             : cress_coro_switch(nodes[to].co, NULL, NULL);
        CHECK_EQ(refused, -ESRCH);
        return;
    }
    if (to != me)
        nodes[me].state = CRESS_CORO_SUSPENDED;
    pass_to(to, value, error);
    void *result = NULL;
    int got = throws ? cress_coro_throw(nodes[to].co, error, &result)
                     : cress_coro_switch(nodes[to].co, (void *)value, &result);
    arrived(me, got, result);
}

static void *body(void *arg, void *value);

static void make(int me)
{
    static const size_t sizes[] = { 0, 0, 0, 100000, 40000, 1000000 };
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.stack_size = sizes[below(6)];
    o.top_size = below(4) == 0 ? 256 : 0;
    o.user_size = below(64);
    int i = ++n_nodes, parent = me;
    if (n_handles > 0 && below(2) == 0)
        parent = handles[below((size_t)n_handles)];
    o.parent = parent == me && below(2) == 0 ? NULL : nodes[parent].co;
    CHECK_EQ(cress_coro_new(&o, body, (void *)(intptr_t)i, &nodes[i].co), 0);
    nodes[i].parent = parent;
    nodes[i].state = CRESS_CORO_NEW;
    handles[n_handles++] = i;
}

static void give_up(size_t at, bool forget)
{
    int i = handles[at];
    int want = nodes[i].state == CRESS_CORO_RUNNING ? -EBUSY : 0;
    CHECK_EQ(forget ? cress_coro_free(nodes[i].co) : cress_coro_abandon(nodes[i].co), want);
    if (want < 0)
        return;
    nodes[i].state = CRESS_CORO_ENDED;
    if (forget) {
        nodes[i].freed = true;
        nodes[i].co = NULL;
        handles[at] = handles[--n_handles];
    }
}

static void adopt(int child, int parent)
{
    bool circle = false;
    for (int p = parent; p != 0; p = nodes[p].parent)
        circle |= p == child;
    CHECK_EQ(cress_coro_set_parent(nodes[child].co, nodes[parent].co), circle ? -EINVAL : 0);
    if (!circle)
        nodes[child].parent = parent;
}

static void operate(int me)
{
    left--;
    size_t at = n_handles > 0 ? below((size_t)n_handles) : 0;
    int any = n_handles > 0 ? handles[at] : 0;
    int other = n_handles > 0 && below(8) > 0 ? handles[below((size_t)n_handles)] : 0;
    switch (n_handles == ALIVE ? 6 : below(12)) {
    case 0:
    case 1:
    case 2:
        make(me);
        break;
    case 3:
    case 4:
    case 5:
        go(me, any, false);
        break;
    case 6:
        if (any != 0)
            give_up(at, true);
        break;
    case 7:
        go(me, any, true);
        break;
    case 8:
        if (any != 0 && below(3) == 0)
            give_up(at, false);
        break;
    case 9:
        if (any != 0)
            adopt(any, other);
        break;
    case 10:
        go(me, other, false);
        break;
    default:
        check_all();
        break;
    }
}

static void end(int me, uintptr_t value, int error)
{
    nodes[me].state = CRESS_CORO_ENDED;
    pass_to(living_parent(me), value, error);
}

static void *body(void *arg, void *value)
{
    int me = (int)(intptr_t)arg;
    arrived(me, 0, value);
    while (left > 0 && below(10) > 0)
        operate(me);
    uintptr_t last = below(1000) + 1;
    if (below(3) == 0) {
        int error = below(2) == 0 ? -EIO : 0;
        end(me, last, error);
        cress_coro_exit((void *)last, error);
    }
    end(me, last, 0);
    return (void *)last;
}

static void random_operations_do_what_the_model_says(void **state)
{
    (void)state;
    const char *chosen = getenv("CRESS_TEST_SEED");
    seed = chosen != NULL ? strtoull(chosen, NULL, 10) : 0x9e3779b97f4a7c15;
    printf("seed %" PRIu64 "\n", seed);
    nodes[0] = (struct node){ .co = cress_coro_native(), .state = CRESS_CORO_RUNNING };
    left = OPERATIONS;
    while (left > 0)
        operate(0);
    while (n_handles > 0)
        give_up(0, true);
    printf("%d coroutines\n", n_nodes);
    CHECK_GT(n_nodes, OPERATIONS / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_do_what_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL,
                                  NULL); /* the stacks of this thread stay until its end */
}
