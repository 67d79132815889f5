/* A random machine over three hubs and two threads without one: each worker, greenlet or thread,
 * puts, gets, sends, receives, acquires and locks at random, with limits that run out. Greenlets
 * also choose, which needs a hub; they are killed at random and others take their places.
 *
 * The model counts. What went in comes out once, or is there still; what one who puts has put comes
 * to each who gets in the order in which it went in; there are as many units as ever, and never
 * more of them out; whoever has the lock is alone. CRESS_TEST_SEED sets the seed: the operations
 * are the same then, their order is up to the threads.
 */
#include "support/test.h"
#include "hub/apart.h"
#include "sync/kinds.h"

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HUBS = 3,
    THREADS = 2,
    EACH = 6, /* workers of a hub */
    WORKERS = HUBS * EACH + THREADS,
    OPERATIONS = 20000, /* of a worker */
    UNITS = 3,
};

/* Through which an item goes. All but the last keep their order: of choices that take from both
 * channels the order is per channel, so each counts by itself. */
enum way { QUEUE, BUFFERED, UNBUFFERED, WAYS };

struct worker {
    int left; /* operations */
    uint64_t seed;
    uint32_t put[WAYS];           /* so many went in */
    uint32_t seen[WAYS][WORKERS]; /* of each who puts, the last that came */
    cress_greenlet *g;
};

static struct worker workers[WORKERS];
static cress_queue queue;
static cress_chan buffered, unbuffered;
static cress_sem units;
static cress_mutex lock;
static cress_cond changed;
static atomic_uchar came[WAYS][WORKERS][OPERATIONS + 1]; /* how often each item came */
static atomic_int units_out, kills;
static int locked; /* under the lock */
static atomic_int locked_too;

static uint32_t below(struct worker *w, uint32_t n)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (uint32_t)((w->seed * 0x2545f4914f6cdd1d >> 32) % n);
}

static cress_time some_time(struct worker *w)
{
    return below(w, 4) == 0 ? 0 : 1 + below(w, 200000);
}

static uint64_t item_of(const struct worker *w, enum way way)
{
    return (uint64_t)(w - workers) << 32 | (w->put[way] + 1);
}

static void comes(struct worker *w, enum way way, uint64_t item)
{
    uint32_t from = (uint32_t)(item >> 32), number = (uint32_t)item;
    CHECK_LT(from, WORKERS);
    CHECK(number >= 1 && number <= OPERATIONS);
    CHECK_EQ(atomic_fetch_add(&came[way][from][number], 1), 0);
    if (w == NULL)
        return;
    CHECK_GT(number, w->seen[way][from]);
    w->seen[way][from] = number;
}

static int expected(int r)
{
    CHECK(r >= 0 || r == -ETIMEDOUT || r == -EAGAIN || r == -ECANCELED);
    return r;
}

static int put(struct worker *w)
{
    uint64_t item = item_of(w, QUEUE);
    int r = expected(cress_queue_put(&queue, &item, some_time(w)));
    w->put[QUEUE] += r == 0;
    return r;
}

static int get(struct worker *w)
{
    uint64_t item = 0;
    int r = expected(cress_queue_get(&queue, &item, some_time(w)));
    if (r == 0)
        comes(w, QUEUE, item);
    return r;
}

static int hand_over(struct worker *w, enum way way)
{
    uint64_t item = item_of(w, way);
    cress_chan *chan = way == BUFFERED ? &buffered : &unbuffered;
    int r = expected(cress_chan_send(chan, &item, some_time(w)));
    w->put[way] += r == 0;
    return r;
}

static int receive(struct worker *w, enum way way)
{
    uint64_t item = 0;
    cress_chan *chan = way == BUFFERED ? &buffered : &unbuffered;
    int r = expected(cress_chan_recv(chan, &item, some_time(w)));
    if (r == 0)
        comes(w, way, item);
    return r;
}

static int give_back(int r)
{
    atomic_fetch_sub(&units_out, 1);
    CHECK_EQ(cress_sem_release(&units), 0);
    return r;
}

static int has_unit(void)
{
    CHECK_LE(atomic_fetch_add(&units_out, 1) + 1, UNITS);
    return 0;
}

static int acquire(struct worker *w)
{
    int r = expected(cress_sem_acquire(&units, some_time(w)));
    if (r < 0)
        return r;
    has_unit();
    if (below(w, 2) == 0 && cress_hub_current() != NULL)
        r = cress_yield();
    return give_back(r);
}

static int choose(struct worker *w)
{
    uint64_t got = 0, received = 0, given = item_of(w, UNBUFFERED);
    cress_case cases[] = {
        cress_on_queue(&queue, &got),
        cress_on_chan_recv(&buffered, &received),
        cress_on_sem(&units),
        below(w, 2) == 0 ? cress_on_chan_send(&unbuffered, &given)
                         : cress_on_chan_recv(&unbuffered, &given),
    };
    bool sends = cases[3].ops == cress_on_chan_send(&unbuffered, &given).ops;
    int r = expected(cress_choose(cases, 4, some_time(w)));
    if (r == 0)
        comes(w, QUEUE, got);
    else if (r == 1)
        comes(w, BUFFERED, received);
    else if (r == 2)
        return has_unit(), give_back(0);
    else if (r == 3 && sends)
        w->put[UNBUFFERED]++;
    else if (r == 3)
        comes(w, UNBUFFERED, given);
    return r < 0 ? r : 0;
}

static int look(struct worker *w)
{
    uint64_t got = 0, received = 0;
    cress_case cases[] = { cress_on_queue(&queue, &got), cress_on_chan_recv(&buffered, &received),
                           cress_on_sem(&units) };
    ssize_t r = cress_wait(cases, 3, 1 + below(w, 2), some_time(w), NULL);
    CHECK_EQ(got + received, 0);
    return expected((int)r);
}

static int lock_it(struct worker *w)
{
    int r = expected(cress_mutex_lock(&lock, some_time(w)));
    if (r < 0)
        return r;
    int was = locked++;
    atomic_fetch_add(&locked_too, 1);
    if (below(w, 3) == 0 && cress_hub_current() != NULL)
        r = cress_yield();
    CHECK_EQ(locked, was + 1);
    if (below(w, 3) == 0)
        CHECK_EQ(cress_cond_signal(&changed), 0);
    if (r == 0 && below(w, 3) == 0) {
        int s = expected(cress_cond_wait(&changed, &lock, some_time(w)));
        CHECK(cress_mutex_owned(&lock));
        r = s == -ECANCELED ? s : r;
    }
    CHECK_EQ(cress_mutex_unlock(&lock), 0);
    return r;
}

/* Threads without a hub stay without one: choosing makes one. */
static int operate(struct worker *w)
{
    switch (below(w, cress_hub_current() != NULL ? 11 : 9)) {
    case 0:
    case 1:
        return put(w);
    case 2:
        return get(w);
    case 3:
        return hand_over(w, BUFFERED);
    case 4:
        return receive(w, BUFFERED);
    case 5:
        return hand_over(w, UNBUFFERED);
    case 6:
        return receive(w, UNBUFFERED);
    case 7:
        return acquire(w);
    case 8:
        return lock_it(w);
    case 9:
        return look(w);
    default:
        return choose(w);
    }
}

/* Until it is through, or killed. */
static void *works(void *arg)
{
    struct worker *w = arg;
    while (w->left > 0) {
        w->left--;
        if (operate(w) == -ECANCELED)
            break;
    }
    return NULL;
}

static void take_part(struct worker *w)
{
    w->g = cress_spawn(works, w);
    CHECK(w->g != NULL);
}

static void *works_without_hub(void *arg)
{
    works(arg);
    CHECK(cress_hub_current() == NULL);
    return NULL;
}

static void *hub_works(void *arg)
{
    struct worker *first = arg, manager = { .seed = first->seed + 99 };
    for (int i = 0; i < EACH; i++)
        take_part(&first[i]);
    for (int through = 0; through < EACH;) {
        CHECK_EQ(cress_sleep(1 + below(&manager, 100000)), 0);
        struct worker *w = &first[below(&manager, EACH)];
        if (w->left > 0) {
            CHECK_EQ(cress_kill(w->g, CRESS_FOREVER), 0);
            atomic_fetch_add(&kills, 1);
            cress_unref(w->g);
            take_part(w);
        }
        through = 0;
        for (int i = 0; i < EACH; i++)
            through += cress_ready(first[i].g) && first[i].left == 0;
    }
    for (int i = 0; i < EACH; i++)
        cress_unref(first[i].g);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return NULL;
}

static void begin(uint64_t seed)
{
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.shared = true;
    o.max = 4;
    o.item_size = sizeof(uint64_t);
    CHECK_EQ(cress_queue_init(&queue, &o), 0);
    CHECK_EQ(cress_chan_init(&buffered, 3, sizeof(uint64_t), CRESS_SHARED), 0);
    CHECK_EQ(cress_chan_init(&unbuffered, 0, sizeof(uint64_t), CRESS_SHARED), 0);
    CHECK_EQ(cress_sem_init(&units, UNITS, CRESS_SHARED | CRESS_BOUNDED), 0);
    CHECK_EQ(cress_mutex_init(&lock, CRESS_SHARED), 0);
    CHECK_EQ(cress_cond_init(&changed, CRESS_SHARED), 0);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = (struct worker){ .left = OPERATIONS, .seed = seed + (uint64_t)i * 7919 + 1 };
}

/* What is left comes out now, and then all is counted. */
static void count(void)
{
    uint64_t item;
    long went = 0;
    while (cress_queue_try_get(&queue, &item) == 0)
        comes(NULL, QUEUE, item);
    while (cress_chan_try_recv(&buffered, &item) == 0)
        comes(NULL, BUFFERED, item);
    CHECK_EQ(cress_chan_try_recv(&unbuffered, &item), -EAGAIN);
    for (int way = 0; way < WAYS; way++)
        for (int i = 0; i < WORKERS; i++) {
            went += workers[i].put[way];
            for (uint32_t k = 1; k <= OPERATIONS; k++)
                CHECK_EQ(atomic_load(&came[way][i][k]), k <= workers[i].put[way]);
        }
    CHECK_EQ(cress_sem_count(&units), UNITS);
    CHECK_EQ(locked, atomic_load(&locked_too));
    void *const objects[] = { &queue, &buffered, &unbuffered, &units, &lock, &changed };
    for (int i = 0; i < 6; i++)
        CHECK_EQ(lines_of(objects[i]), 0);
    printf("%ld items, %d locked, %d killed\n", went, locked, atomic_load(&kills));
    CHECK_GT(went, WORKERS * OPERATIONS / 20);
    CHECK_EQ(cress_queue_done(&queue), 0);
    CHECK_EQ(cress_chan_done(&buffered), 0);
}

static void nothing_is_lost_doubled_or_out_of_order(void **state)
{
    (void)state;
    const char *chosen = getenv("CRESS_TEST_SEED");
    uint64_t seed = chosen != NULL ? strtoull(chosen, NULL, 10) : 0x9e3779b97f4a7c15;
    printf("seed %" PRIu64 "\n", seed);
    pthread_t threads[HUBS + THREADS];
    begin(seed);
    for (int i = 0; i < HUBS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, hub_works, &workers[i * EACH]), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(
            pthread_create(&threads[HUBS + i], NULL, works_without_hub, &workers[HUBS * EACH + i]),
            0);
    for (int i = 0; i < HUBS + THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    count();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_doubled_or_out_of_order),
    };
    return RUN_TESTS_APART(tests);
}
