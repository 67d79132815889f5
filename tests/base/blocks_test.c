/* The pool of blocks of one size. */
#include "base/blocks.h"

#include "base/fault.h"
#include "support/test.h"

#include <stdint.h>
#include <string.h>

enum { SIZE = 352, MANY = 20000 };

struct mine {
    void *used;
    int number;
    char rest[SIZE - sizeof(void *) - sizeof(int)];
};

static struct mine *blocks[MANY];
static struct blocks pool;

static struct mine *get(int number)
{
    struct mine *m = blocks_get(&pool);
    CHECK(m != NULL);
    memset(m, 0x33, sizeof *m);
    m->used = m;
    m->number = number;
    return m;
}

static int seen[MANY], calls;

static void note(void *block, void *arg)
{
    struct mine *m = block;
    CHECK_EQ(arg, &pool);
    CHECK_EQ(m->used, m);
    seen[m->number]++;
    calls++;
}

static void note_and_drop(void *block, void *arg)
{
    note(block, arg);
    blocks_put(&pool, block);
}

static int fresh(void **state)
{
    (void)state;
    pool = (struct blocks){ .size = SIZE };
    memset(seen, 0, sizeof seen);
    calls = 0;
    return 0;
}

static int done(void **state)
{
    (void)state;
    blocks_done(&pool);
    CHECK_EQ(pool.slabs, NULL);
    return 0;
}

static void the_last_one_dropped_is_the_next_one_given(void **state)
{
    (void)state;
    struct mine *a = get(0), *b = get(1), *c = get(2);
    CHECK_EQ(pool.live, 3);
    CHECK(a != b && b != c && a != c);
    blocks_put(&pool, a);
    blocks_put(&pool, c);
    CHECK_EQ(pool.live, 1);
    CHECK_EQ(get(3), c);
    CHECK_EQ(get(4), a);
    CHECK_EQ(pool.live, 3);
}

static void blocks_do_not_overlap_however_many(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        blocks[i] = get(i);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(blocks[i]->number, i);
        CHECK_EQ((uintptr_t)blocks[i] % 16, 0);
        CHECK_EQ(blocks[i]->rest[sizeof blocks[i]->rest - 1], 0x33);
    }
    CHECK_EQ(pool.live, MANY);
}

static void each_finds_exactly_those_that_live(void **state)
{
    (void)state;
    blocks_each(&pool, note, &pool); /* none yet */
    CHECK_EQ(calls, 0);
    for (int i = 0; i < MANY; i++)
        blocks[i] = get(i);
    for (int i = 0; i < MANY; i += 3)
        blocks_put(&pool, blocks[i]);
    blocks_each(&pool, note, &pool);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(seen[i], i % 3 != 0);
    CHECK_EQ(calls, pool.live);
    blocks_each(&pool, note_and_drop, &pool); /* who is told may drop it */
    CHECK_EQ(pool.live, 0);
    calls = 0;
    blocks_each(&pool, note, &pool);
    CHECK_EQ(calls, 0);
}

static bool refuse(const char *what)
{
    return strcmp(what, "mmap") == 0;
}

static void without_memory_there_is_none_and_what_lives_stays(void **state)
{
    (void)state;
    struct mine *a = get(7);
    cress__fault_hook = refuse;
    int n = 0;
    while (n < MANY && (blocks[n] = blocks_get(&pool)) != NULL)
        blocks[n++]->used = &pool;
    CHECK_LT(n, MANY);
    CHECK_EQ(pool.live, n + 1);
    blocks_put(&pool, blocks[--n]);
    CHECK_EQ(blocks_get(&pool), blocks[n]);
    cress__fault_hook = NULL;
    CHECK(blocks_get(&pool) != NULL);
    CHECK_EQ(a->number, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_one_dropped_is_the_next_one_given),
        TEST(blocks_do_not_overlap_however_many),
        TEST(each_finds_exactly_those_that_live),
        TEST(without_memory_there_is_none_and_what_lives_stays),
    };
    return RUN_TESTS(tests);
}
