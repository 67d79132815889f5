/* Queues: in which order items and those who wait for them come, and what no kill can lose. */
#include "sync/crowd.h"

#include <stdlib.h>

static cress_queue bounded(size_t max)
{
    cress_queue q = { { 0 } };
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.max = max;
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    return q;
}

static void done(cress_queue *q)
{
    CHECK_EQ(cress_queue_done(q), 0);
}

static const char *got(cress_queue *q)
{
    const char *item = NULL;
    CHECK_EQ(cress_queue_get(q, &item, 0), 0);
    return item;
}

/* A getter or putter with its item. */
struct hand {
    cress_queue *q;
    const char *item;
};

static int get(void *hand, cress_time timeout)
{
    struct hand *h = hand;
    return cress_queue_get(h->q, &h->item, timeout);
}

static int peek(void *hand, cress_time timeout)
{
    struct hand *h = hand;
    return cress_queue_peek(h->q, &h->item, timeout);
}

static int put(void *hand, cress_time timeout)
{
    const struct hand *h = hand;
    return cress_queue_put(h->q, h->item, timeout);
}

static int choose(void *hand, cress_time timeout)
{
    struct hand *h = hand;
    cress_case c = cress_on_queue(h->q, &h->item);
    int r = cress_choose(&c, 1, timeout);
    return r < 0 ? r : c.result;
}

static int try_put(void *hand)
{
    return put(hand, 0);
}

static int try_get(void *hand)
{
    return get(hand, 0);
}

static void items_come_out_in_their_order(void **state)
{
    (void)state;
    cress_queue q = { { 0 } };
    uint64_t before = switches();
    for (int lap = 0; lap < 3; lap++) {
        char text[20][12];
        for (int i = 0; i < 20; i++) {
            snprintf(text[i], sizeof text[i], "%d", i);
            CHECK_EQ(cress_queue_put(&q, text[i], CRESS_FOREVER), 0);
            CHECK_EQ(cress_queue_size(&q), i + 1);
        }
        for (int i = 0; i < 20; i++)
            CHECK_STR(got(&q), text[i]);
    }
    CHECK_EQ(switches(), before);
    const char *item = "untouched";
    CHECK_EQ(cress_queue_try_get(&q, &item), -EAGAIN);
    CHECK_EQ(cress_queue_get(&q, &item, CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(cress_queue_peek(&q, &item, CRESS_MS(1)), -ETIMEDOUT);
    CHECK_STR(item, "untouched");
    done(&q);
}

static void a_ring_that_has_wrapped_grows_in_order(void **state)
{
    (void)state;
    cress_queue q = { { 0 } };
    intptr_t in = 0, out = 0, item;
    for (int held = 1; held < 40; held += 3) { /* more each time, begun at another place */
        while (in < out + held)
            CHECK_EQ(cress_queue_try_put(&q, (void *)++in), 0);
        for (int i = 0; i < held - 1; i++) {
            CHECK_EQ(cress_queue_try_get(&q, &item), 0);
            CHECK_EQ(item, ++out);
        }
        for (int i = 0; i < held + 2; i++)
            CHECK_EQ(cress_queue_try_put(&q, (void *)++in), 0);
        while (out < in) {
            CHECK_EQ(cress_queue_try_get(&q, &item), 0);
            CHECK_EQ(item, ++out);
        }
    }
    done(&q);
}

static void the_newest_first(void **state)
{
    (void)state;
    cress_queue q = { { 0 } };
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.kind = CRESS_QUEUE_LIFO;
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    for (intptr_t i = 1; i <= 30; i++)
        CHECK_EQ(cress_queue_try_put(&q, (void *)i), 0);
    for (intptr_t i = 30; i >= 1; i--) {
        intptr_t seen = 0, taken = 0;
        CHECK_EQ(cress_queue_peek(&q, &seen, 0), 0);
        CHECK_EQ(cress_queue_try_get(&q, &taken), 0);
        CHECK_EQ(seen, i);
        CHECK_EQ(taken, i);
    }
    done(&q);
}

struct job {
    int priority, number;
    char rest[12];
};

static int by_priority(const void *a, const void *b)
{
    return ((const struct job *)a)->priority - ((const struct job *)b)->priority;
}

static void the_smallest_first_and_equal_ones_in_their_order(void **state)
{
    (void)state;
    cress_queue q = { { 0 } };
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.kind = CRESS_QUEUE_PRIORITY;
    o.item_size = sizeof(struct job);
    o.compare = by_priority;
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    unsigned random = 1;
    struct job last = { -1, -1, "" }, job;
    for (int i = 0; i < 500; i++) {
        random = random * 1103515245u + 12345u;
        job = (struct job){ (int)(random >> 16) % 20, i, "" };
        CHECK_EQ(cress_queue_try_put(&q, &job), 0);
    }
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(cress_queue_try_get(&q, &job), 0);
        CHECK(job.priority > last.priority ||
              (job.priority == last.priority && job.number > last.number));
        last = job;
    }
    CHECK_EQ(cress_queue_size(&q), 0);
    done(&q);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void who_waited_gets_the_best_that_is_there_at_its_turn(void **state)
{
    (void)state;
    cress_queue q = { { 0 } };
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.kind = CRESS_QUEUE_PRIORITY;
    o.compare = by_text;
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    struct hand h = { &q, NULL };
    struct member g;
    enter(&g, "g", get, &h, CRESS_FOREVER);
    CHECK_EQ(cress_queue_try_put(&q, "b"), 0);
    CHECK_EQ(cress_queue_try_put(&q, "a"), 0);
    CHECK_EQ(cress_queue_try_put(&q, "c"), 0);
    CHECK_EQ(cress_queue_size(&q), 3);
    CHECK_EQ(left(&g), 0);
    CHECK_STR(h.item, "a");
    CHECK_STR(got(&q), "b");
    CHECK_STR(got(&q), "c");
    done(&q);
}

static void *puts_and_says(void *arg)
{
    static const char *const items[] = { "a", "b", "c" };
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cress_queue_put(arg, items[i], CRESS_FOREVER), 0);
        say(&words, items[i]);
    }
    return NULL;
}

static void a_full_queue_blocks_who_puts(void **state)
{
    (void)state;
    cress_queue q = bounded(2);
    CHECK_EQ(cress_go(puts_and_says, &q), 0);
    yield();
    CHECK_STR(words.text, "a b");
    CHECK_STR(got(&q), "a");
    CHECK_STR(words.text, "a b");
    yield();
    CHECK_STR(words.text, "a b c");
    CHECK_STR(got(&q), "b");
    CHECK_STR(got(&q), "c");
    done(&q);
}

static void those_who_put_are_let_in_in_their_order(void **state)
{
    (void)state;
    cress_queue q = bounded(1);
    struct hand h[4] = { { &q, "a" }, { &q, "b" }, { &q, "c" }, { &q, "d" } };
    struct member m[4];
    CHECK_EQ(cress_queue_try_put(&q, "first"), 0);
    for (int i = 0; i < 4; i++)
        enter(&m[i], h[i].item, put, &h[i], i == 1 ? CRESS_MS(1) : CRESS_FOREVER);
    CHECK_EQ(cress_queue_try_put(&q, "late"), -EAGAIN);
    CHECK_EQ(left(&m[1]), -ETIMEDOUT);
    CHECK_STR(got(&q), "first");
    CHECK_EQ(cress_queue_try_put(&q, "late"), -EAGAIN); /* a is in already */
    CHECK_EQ(left(&m[0]), 0);
    CHECK_EQ(cress_queue_resize(&q, 3), 0);
    yield();
    CHECK_STR(words.text, "b a c d");
    CHECK_EQ(cress_queue_size(&q), 3);
    CHECK_EQ(cress_queue_resize(&q, 1), 0); /* what is there stays */
    CHECK_STR(got(&q), "a");
    CHECK_EQ(cress_queue_try_put(&q, "late"), -EAGAIN);
    CHECK_STR(got(&q), "c");
    CHECK_STR(got(&q), "d");
    CHECK_EQ(left(&m[2]), 0);
    CHECK_EQ(left(&m[3]), 0);
    done(&q);
}

static void callbacks_put_and_get_what_needs_no_wait(void **state)
{
    (void)state;
    cress_queue q = bounded(1);
    struct hand a = { &q, "a" }, b = { &q, "b" }, c = { &q, NULL };
    struct member m;
    CHECK_EQ(in_callback(try_get, &c), -EAGAIN);
    enter(&m, "getter", get, &c, CRESS_FOREVER);
    CHECK_EQ(in_callback(try_put, &a), 0);
    CHECK_EQ(left(&m), 0);
    CHECK_STR(c.item, "a");
    /* Full, with one who is about to take: it takes now, and there is room. */
    enter(&m, "getter", get, &c, CRESS_FOREVER);
    CHECK_EQ(cress_queue_try_put(&q, "x"), 0);
    CHECK_EQ(cress_queue_try_put(&q, "y"), 0);
    CHECK_EQ(cress_queue_try_put(&q, "z"), -EAGAIN);
    CHECK_EQ(left(&m), 0);
    CHECK_STR(c.item, "x");
    CHECK_STR(got(&q), "y");
    /* Full, with one who is about to put: its item is in as soon as there is room. */
    CHECK_EQ(cress_queue_try_put(&q, "1"), 0);
    enter(&m, "putter", put, &b, CRESS_FOREVER);
    CHECK_EQ(in_callback(try_put, &a), -EAGAIN);
    CHECK_EQ(in_callback(try_get, &c), 0);
    CHECK_STR(c.item, "1");
    CHECK_EQ(in_callback(try_get, &c), 0);
    CHECK_STR(c.item, "b");
    CHECK_EQ(left(&m), 0);
    done(&q);
}

static void those_who_get_are_served_in_their_order_but_for_who_barges_in(void **state)
{
    (void)state;
    cress_queue q = { { 0 } };
    struct hand a = { &q, NULL }, b = { &q, NULL };
    struct member ma, mb;
    enter(&ma, "a", get, &a, CRESS_FOREVER);
    enter(&mb, "b", get, &b, CRESS_SECONDS(1));
    CHECK_EQ(cress_queue_try_put(&q, "1"), 0);
    CHECK_EQ(cress_queue_try_put(&q, "2"), 0);
    CHECK_STR(got(&q), "1");
    yield();
    CHECK_STR(words.text, "a");
    CHECK_STR(a.item, "2");
    CHECK_EQ(cress_queue_try_put(&q, "3"), 0);
    CHECK_EQ(left(&mb), 0);
    CHECK_STR(b.item, "3");
    CHECK_EQ(left(&ma), 0);
    done(&q);
}

static void all_who_peek_see_one_item_and_one_gets_it(void **state)
{
    (void)state;
    cress_queue q = { { 0 } };
    struct hand h[6];
    struct member m[6];
    for (int i = 0; i < 6; i++) {
        h[i] = (struct hand){ &q, NULL };
        enter(&m[i], i < 5 ? "peek" : "get", i < 5 ? peek : get, &h[i], CRESS_FOREVER);
    }
    CHECK_EQ(cress_queue_try_put(&q, "one"), 0);
    CHECK_EQ(cress_queue_size(&q), 1);
    yield();
    CHECK_STR(words.text, "peek peek peek peek peek get");
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(left(&m[i]), 0);
        CHECK_STR(h[i].item, "one");
    }
    CHECK_EQ(cress_queue_size(&q), 0);
    done(&q);
}

static void no_item_is_lost_with_who_is_killed(void **state)
{
    (void)state;
    cress_queue q = bounded(1);
    struct hand a = { &q, NULL }, b = { &q, NULL }, p = { &q, "putter's" };
    struct member ma, mb, mp;
    enter(&ma, "a", get, &a, CRESS_FOREVER);
    enter(&mb, "b", get, &b, CRESS_FOREVER);
    CHECK_EQ(cress_kill(ma.g, 0), 0);
    CHECK_EQ(cress_queue_try_put(&q, "1"), 0);
    CHECK_EQ(cress_kill(mb.g, 0), 0);
    CHECK_EQ(left(&ma), 0); /* it has the item: the kill comes with its next call */
    CHECK_STR(a.item, "1");
    CHECK_EQ(left(&mb), -ECANCELED);
    CHECK_EQ(cress_queue_try_put(&q, "2"), 0);
    enter(&mp, "p", put, &p, CRESS_FOREVER);
    CHECK_EQ(cress_kill(mp.g, 0), 0);
    CHECK_STR(got(&q), "2"); /* lets it in */
    CHECK_EQ(left(&mp), 0);
    CHECK_STR(got(&q), "putter's");
    enter(&mp, "p", get, &p, CRESS_FOREVER);
    CHECK_EQ(cress_kill(mp.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&mp), -ECANCELED);
    done(&q);
}

static void a_choice_takes_one_item(void **state)
{
    (void)state;
    cress_queue q[2] = { bounded(1), bounded(1) };
    struct hand a = { &q[0], NULL }, b = { &q[0], NULL };
    struct member ma, mb;
    enter(&ma, "a", choose, &a, CRESS_FOREVER);
    enter(&mb, "b", get, &b, CRESS_FOREVER);
    CHECK_EQ(cress_queue_try_put(&q[0], "1"), 0);
    CHECK_EQ(cress_queue_size(&q[0]), 0); /* a has it */
    CHECK_EQ(cress_kill(ma.g, 0), 0);
    CHECK_EQ(cress_queue_try_put(&q[0], "2"), 0);
    CHECK_EQ(left(&ma), 0);
    CHECK_STR(a.item, "1");
    CHECK_EQ(left(&mb), 0);
    CHECK_STR(b.item, "2");
    const char *items[2] = { NULL, NULL };
    cress_case cases[2] = { cress_on_queue(&q[0], &items[0]), cress_on_queue(&q[1], &items[1]) };
    CHECK_EQ(cress_queue_try_put(&q[1], "3"), 0);
    CHECK_EQ(cress_wait(cases, 2, 1, CRESS_FOREVER, NULL), 1); /* looks only */
    CHECK_EQ(cress_queue_size(&q[1]), 1);
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 1);
    CHECK_STR(items[1], "3");
    CHECK_EQ(cress_choose(cases, 2, CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(cress_choose(&(cress_case){ 0 }, 1, 0), -EAGAIN);
    cress_case none = cress_on_queue(&q[0], NULL);
    CHECK_EQ(cress_choose(&none, 1, 0), -EINVAL);
    done(&q[0]);
    done(&q[1]);
}

static int dropped;

static void count_dropped(void *item)
{
    CHECK_STR(item, "task");
    dropped++;
}

static int join(void *q, cress_time timeout)
{
    return cress_queue_join(q, timeout);
}

static cress_queue joinable(size_t max)
{
    cress_queue q = { { 0 } };
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.joinable = true;
    o.max = max;
    o.drop = count_dropped;
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    dropped = 0;
    return q;
}

static void join_waits_for_all_tasks(void **state)
{
    (void)state;
    cress_queue q = joinable(0);
    struct member m;
    CHECK_EQ(cress_queue_join(&q, CRESS_FOREVER), 0);
    CHECK_EQ(cress_queue_task_done(&q), -EINVAL);
    CHECK_EQ(cress_queue_try_put(&q, "task"), 0);
    CHECK_EQ(cress_queue_try_put(&q, "task"), 0);
    CHECK_EQ(cress_queue_join(&q, 0), -EAGAIN);
    CHECK_EQ(cress_queue_join(&q, CRESS_MS(1)), -ETIMEDOUT);
    enter(&m, "joiner", join, &q, CRESS_FOREVER);
    got(&q);
    got(&q);
    CHECK_EQ(cress_queue_task_done(&q), 0);
    yield();
    CHECK_STR(words.text, "");
    CHECK_EQ(cress_queue_task_done(&q), 0);
    CHECK_EQ(left(&m), 0);
    CHECK_EQ(cress_queue_task_done(&q), -EINVAL);
    done(&q);
}

static void shut_down_it_is_drained(void **state)
{
    (void)state;
    cress_queue q = bounded(1);
    struct hand p = { &q, "refused" }, g = { &q, NULL }, w = { &q, NULL };
    struct member mp, mg, mw;
    CHECK_EQ(cress_queue_try_put(&q, "last"), 0);
    enter(&mp, "p", put, &p, CRESS_FOREVER);
    CHECK_EQ(cress_queue_shutdown(&q, false), 0);
    CHECK_EQ(left(&mp), -EPIPE);
    CHECK_EQ(cress_queue_try_put(&q, "more"), -EPIPE);
    CHECK_STR(got(&q), "last");
    CHECK_EQ(cress_queue_get(&q, &g.item, CRESS_FOREVER), -EPIPE);
    CHECK_EQ(choose(&g, CRESS_FOREVER), -EPIPE);
    CHECK_EQ(cress_queue_shutdown(&q, false), 0);
    done(&q);
    q = bounded(0);
    enter(&mg, "g", get, &g, CRESS_FOREVER);
    enter(&mw, "w", choose, &w, CRESS_FOREVER);
    enter(&mp, "p", peek, &p, CRESS_FOREVER);
    CHECK_EQ(cress_queue_shutdown(&q, false), 0);
    CHECK_EQ(left(&mg), -EPIPE);
    CHECK_EQ(left(&mw), -EPIPE);
    CHECK_EQ(left(&mp), -EPIPE);
    done(&q);
}

static void shut_down_at_once_it_is_empty_and_its_tasks_are_done(void **state)
{
    (void)state;
    cress_queue q = joinable(2);
    struct hand p = { &q, "task" }, g = { &q, NULL };
    struct member mp, mg, mj;
    enter(&mg, "g", get, &g, CRESS_FOREVER);
    CHECK_EQ(cress_queue_try_put(&q, "task"), 0); /* promised */
    CHECK_EQ(cress_queue_try_put(&q, "task"), 0);
    enter(&mj, "j", join, &q, CRESS_FOREVER);
    CHECK_EQ(left(&mg), 0);
    CHECK_EQ(cress_queue_try_put(&q, "task"), 0);
    enter(&mp, "p", put, &p, CRESS_FOREVER);
    CHECK_EQ(cress_queue_shutdown(&q, false), 0);
    CHECK_EQ(cress_queue_size(&q), 2);
    CHECK_EQ(cress_queue_shutdown(&q, true), 0);
    CHECK_EQ(cress_queue_size(&q), 0);
    CHECK_EQ(dropped, 2);
    CHECK_EQ(left(&mp), -EPIPE);
    CHECK_EQ(left(&mj), 0);
    CHECK_EQ(cress_queue_task_done(&q), -EINVAL);
    CHECK_EQ(cress_queue_try_get(&q, &g.item), -EPIPE);
    done(&q);
    q = joinable(0);
    enter(&mg, "g", get, &g, CRESS_FOREVER);
    CHECK_EQ(cress_queue_try_put(&q, "task"), 0);
    CHECK_EQ(cress_queue_shutdown(&q, true), 0); /* what was promised is gone, too */
    CHECK_EQ(left(&mg), -EPIPE);
    CHECK_EQ(dropped, 1);
    done(&q);
    q = joinable(0);
    CHECK_EQ(cress_queue_try_put(&q, "task"), 0);
    done(&q);
    CHECK_EQ(dropped, 1);
}

/* --- ten and ten ----------------------------------------------------------------------------- */

enum { PEOPLE = 10, ITEMS = 10000 };

static cress_queue belt;
static bool seen[ITEMS];
static int put_so_far, taken, refused;

static void *produces(void *arg)
{
    while (put_so_far < ITEMS) {
        intptr_t n = put_so_far++;
        int r;
        while ((r = cress_queue_put(&belt, (void *)(n + 1), CRESS_US(100))) < 0) {
            CHECK(r == -ETIMEDOUT || r == -ECANCELED);
            if (r == -ECANCELED)
                CHECK_EQ(cress_cancel_ack(), 0);
            refused++;
        }
    }
    return arg;
}

static void *consumes(void *arg)
{
    intptr_t n;
    int r;
    while ((r = cress_queue_get(&belt, &n, arg != NULL ? CRESS_US(70) : CRESS_FOREVER)) != -EPIPE) {
        if (r == -ECANCELED)
            return NULL;
        if (r == -ETIMEDOUT)
            continue;
        CHECK_EQ(r, 0);
        CHECK(!seen[n - 1]);
        seen[n - 1] = true;
        taken++;
        if (n % 3 == 0 && cress_yield() < 0)
            return NULL;
        if (n % 7 == 0 && cress_sleep(CRESS_US(50)) < 0)
            return NULL;
    }
    return arg;
}

static void every_item_comes_once_though_many_are_killed(void **state)
{
    (void)state;
    cress_greenlet *producers[PEOPLE], *consumers[PEOPLE];
    unsigned random = 7;
    int kills = 0;
    belt = bounded(5);
    memset(seen, 0, sizeof seen);
    put_so_far = taken = refused = 0;
    for (int i = 0; i < PEOPLE; i++) {
        producers[i] = cress_spawn(produces, NULL);
        consumers[i] = cress_spawn(consumes, i % 2 ? &belt : NULL);
    }
    while (taken < ITEMS && put_so_far < ITEMS) {
        random = random * 1103515245u + 12345u;
        unsigned i = (random >> 16) % PEOPLE;
        if (random >> 30 == 0) {
            CHECK_EQ(cress_kill(producers[i], 0), 0);
        } else {
            CHECK_EQ(cress_kill(consumers[i], 0), 0);
            cress_unref(consumers[i]);
            consumers[i] = cress_spawn(consumes, i % 2 ? &belt : NULL);
        }
        kills++;
        CHECK_EQ(random & 1 << 20 ? cress_yield() : cress_sleep(CRESS_US(random >> 24)), 0);
    }
    CHECK_EQ(cress_joinall(producers, PEOPLE, CRESS_FOREVER, NULL, NULL), 0);
    CHECK_EQ(cress_queue_shutdown(&belt, false), 0);
    CHECK_EQ(cress_joinall(consumers, PEOPLE, CRESS_FOREVER, NULL, NULL), 0);
    /* A consumer that was killed before its first turn leaves what it never had. */
    for (intptr_t n; cress_queue_try_get(&belt, &n) == 0; taken++)
        seen[n - 1] = true;
    CHECK_EQ(taken, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        CHECK(seen[i]);
    CHECK_GT(kills, 100);
    CHECK_GT(refused, 10);
    for (int i = 0; i < PEOPLE; i++) {
        cress_unref(producers[i]);
        cress_unref(consumers[i]);
    }
    done(&belt);
}

static void wrong_arguments_and_threads_are_refused(void **state)
{
    (void)state;
    cress_queue q = { { 0 } };
    cress_queue_options o = { 0 };
    CHECK_EQ(cress_queue_init(&q, &o), -EINVAL); /* no size */
    o = (cress_queue_options)CRESS_QUEUE_OPTIONS_INIT;
    CHECK_EQ(cress_queue_init(NULL, &o), -EINVAL);
    o.kind = CRESS_QUEUE_PRIORITY;
    CHECK_EQ(cress_queue_init(&q, &o), -EINVAL);
    o.kind = CRESS_QUEUE_FIFO;
    o.compare = by_text;
    CHECK_EQ(cress_queue_init(&q, &o), -EINVAL);
    o.compare = NULL;
    o.kind = CRESS_QUEUE_SIMPLE;
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    o.max = 1;
    CHECK_EQ(cress_queue_init(&q, &o), -EINVAL);
    o.max = 0;
    o.joinable = true;
    CHECK_EQ(cress_queue_init(&q, &o), -EINVAL);
    o.kind = (cress_queue_kind)9;
    CHECK_EQ(cress_queue_init(&q, &o), -EINVAL);
    o.kind = CRESS_QUEUE_FIFO;
    o.item_size = 3;
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    CHECK_EQ(cress_queue_put(&q, NULL, 0), -EINVAL);
    CHECK_EQ(cress_queue_init(&q, NULL), 0);
    CHECK_EQ(cress_queue_put(NULL, NULL, 0), -EINVAL);
    CHECK_EQ(cress_queue_put(&q, NULL, -1), -EINVAL);
    CHECK_EQ(cress_queue_get(&q, NULL, 0), -EINVAL);
    CHECK_EQ(cress_queue_get(&q, &o, -1), -EINVAL);
    CHECK_EQ(cress_queue_join(&q, 0), -EINVAL); /* not joinable */
    CHECK_EQ(cress_queue_task_done(&q), -EINVAL);
    CHECK_EQ(cress_queue_resize(NULL, 0), -EINVAL);
    CHECK_EQ(cress_queue_shutdown(NULL, true), -EINVAL);
    CHECK_EQ(cress_queue_size(NULL), 0);
    CHECK_EQ(cress_queue_done(NULL), 0);
    struct hand g = { &q, "x" };
    struct member m;
    enter(&m, "g", get, &g, CRESS_FOREVER);
    CHECK_EQ(cress_queue_done(&q), -EBUSY);
    CHECK_EQ(elsewhere(try_put, &g), -EXDEV);
    CHECK_EQ(elsewhere(try_get, &g), -EXDEV);
    CHECK_EQ(cress_queue_try_put(&q, "y"), 0);
    CHECK_EQ(left(&m), 0);
    CHECK_EQ(elsewhere(try_put, &g), 0);
    done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(items_come_out_in_their_order),
        CROWD_TEST(a_ring_that_has_wrapped_grows_in_order),
        CROWD_TEST(the_newest_first),
        CROWD_TEST(the_smallest_first_and_equal_ones_in_their_order),
        CROWD_TEST(who_waited_gets_the_best_that_is_there_at_its_turn),
        CROWD_TEST(a_full_queue_blocks_who_puts),
        CROWD_TEST(those_who_put_are_let_in_in_their_order),
        CROWD_TEST(callbacks_put_and_get_what_needs_no_wait),
        CROWD_TEST(those_who_get_are_served_in_their_order_but_for_who_barges_in),
        CROWD_TEST(all_who_peek_see_one_item_and_one_gets_it),
        CROWD_TEST(no_item_is_lost_with_who_is_killed),
        CROWD_TEST(a_choice_takes_one_item),
        CROWD_TEST(join_waits_for_all_tasks),
        CROWD_TEST(shut_down_it_is_drained),
        CROWD_TEST(shut_down_at_once_it_is_empty_and_its_tasks_are_done),
        CROWD_TEST(every_item_comes_once_though_many_are_killed),
        CROWD_TEST(wrong_arguments_and_threads_are_refused),
    };
    return RUN_TESTS_APART(tests);
}
