/* What coordinates greenlets, with each call failing once: what needs memory says so and is as it
 * was, what does not need any never fails. */
#include "support/sweep.h"
#include "hub/apart.h"

#include <cress.h>

#include <errno.h>

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
    CHECK(sweep_met_fault());
}

static cress_hub *hub_or_none(void)
{
    cress_hub *hub = NULL;
    cress_set_error_hook(ignore, NULL);
    if (cress_hub_get(&hub) < 0)
        CHECK(sweep_met_fault());
    return hub;
}

static bool went(int error)
{
    CHECK(error == 0 || sweep_met_fault());
    return error == 0;
}

static void *helps(void *arg)
{
    CHECK_EQ(cress_sem_release(arg), 0);
    return arg;
}

static void waits(void)
{
    cress_sem s = { { 0 } };
    cress_mutex m = { { 0 } };
    cress_cond c = { { 0 } };
    cress_event e = { { 0 } };
    if (hub_or_none() == NULL)
        return;
    CHECK_EQ(cress_mutex_lock(&m, CRESS_FOREVER), 0);
    if (went(cress_go(helps, &s)))
        went(cress_sem_acquire(&s, CRESS_SECONDS(1)));
    int r = cress_cond_wait(&c, &m, CRESS_US(100));
    CHECK(r == -ETIMEDOUT || sweep_met_fault());
    CHECK(cress_mutex_owned(&m));
    r = cress_event_wait(&e, CRESS_US(100));
    CHECK(r == -ETIMEDOUT || sweep_met_fault());
    cress_case cases[] = { cress_on_sem(&s), cress_on_event(&e), cress_on_timer(CRESS_US(100)) };
    r = cress_choose(cases, 3, CRESS_SECONDS(1));
    CHECK(r == 2 || sweep_met_fault());
    CHECK_EQ(cress_mutex_unlock(&m), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
}

static int by_number(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static void fill_and_drain(cress_queue *q)
{
    int in = 0, sum = 0, item;
    for (int i = 1; i <= 40; i++)
        if (went(cress_queue_put(q, &i, 0)))
            in += i;
    while (cress_queue_try_get(q, &item) == 0)
        sum += item;
    CHECK_EQ(sum, in);
    CHECK_EQ(cress_queue_done(q), 0);
}

static void *puts_five(void *arg)
{
    for (intptr_t i = 1; i <= 5; i++)
        went(cress_chan_send(arg, (void *)i, CRESS_FOREVER));
    CHECK_EQ(cress_chan_close(arg), 0);
    return arg;
}

static void items(void)
{
    cress_queue q = { { 0 } };
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    if (hub_or_none() == NULL)
        return;
    o.item_size = sizeof(int);
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    fill_and_drain(&q);
    o.kind = CRESS_QUEUE_PRIORITY;
    o.compare = by_number;
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    fill_and_drain(&q);
    cress_chan c = { { 0 } };
    CHECK_EQ(cress_chan_init(&c, 2, 0, 0), 0);
    cress_greenlet *g = cress_spawn(puts_five, &c);
    intptr_t item, sum = 0;
    while (g != NULL && cress_chan_recv(&c, &item, CRESS_FOREVER) == 0)
        sum += item;
    CHECK(sum == 15 || sweep_met_fault());
    cress_unref(g);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    CHECK_EQ(cress_chan_done(&c), 0);
}

static void *doubles(void *arg)
{
    cress_yield();
    return (void *)((intptr_t)arg * 2);
}

static int next_number(void *arg, void **item)
{
    intptr_t *n = arg;
    *item = (void *)++*n;
    return *n <= 6;
}

static void members(void)
{
    cress_pool pool = { { 0 } };
    cress_imap it;
    void *args[6], *results[6];
    intptr_t n = 0, sum = 0;
    if (hub_or_none() == NULL)
        return;
    CHECK_EQ(cress_pool_init(&pool, 2, 0), 0);
    for (intptr_t i = 0; i < 6; i++)
        args[i] = (void *)i;
    if (went(cress_group_map(&pool, doubles, args, 6, results, NULL)))
        for (intptr_t i = 0; i < 6; i++)
            CHECK_EQ(results[i], 2 * i);
    void *value = NULL;
    int error = 0;
    if (went(cress_group_apply(&pool, doubles, (void *)4, &value, &error)))
        CHECK(value == (void *)8 || error < 0);
    if (went(cress_group_imap(&pool, &it, doubles, next_number, &n, NULL))) {
        int r;
        while ((r = cress_imap_next(&it, CRESS_FOREVER, &value, NULL)) == 0)
            sum += (intptr_t)value;
        CHECK((r == -ENOENT && sum == 42) || sweep_met_fault());
        cress_imap_done(&it);
    }
    CHECK_EQ(cress_group_join(&pool, CRESS_FOREVER), 0);
    CHECK_EQ(cress_group_done(&pool), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
}

static int destroyed;

static void destroy(void *value)
{
    (void)value;
    destroyed++;
}

static void *same(void *value)
{
    return value;
}

static cress_key key;

static void *has_it(void *arg)
{
    CHECK(cress_key_get(key) == arg);
    return NULL;
}

static void values(void)
{
    cress_key_options o = CRESS_KEY_OPTIONS_INIT;
    cress_spawn_options s = CRESS_SPAWN_OPTIONS_INIT;
    o.destroy = destroy;
    o.inherit = true;
    o.copy = same;
    s.inherit = true;
    if (hub_or_none() == NULL)
        return;
    CHECK_EQ(cress_key_create(&o, &key), 0);
    destroyed = 0;
    int expected = went(cress_key_set(key, "x")) ? 1 : 0;
    const char *value = expected > 0 ? "x" : NULL;
    cress_greenlet *g = NULL;
    if (went(cress_spawn_with(&s, has_it, (void *)(uintptr_t)value, &g)))
        CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    int of_g = destroyed;
    CHECK(of_g == expected || sweep_met_fault());
    cress_unref(g);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    CHECK_EQ(destroyed, of_g + expected);
    CHECK_EQ(cress_key_delete(key), 0);
}

/* Nothing that a thread without a hub waits for needs anything that could fail; in a hub the first
 * limit does. Items need memory for the first of them, shared or not. */
static void shared_objects(void)
{
    cress_event e = { { 0 } };
    cress_sem s = { { 0 } };
    cress_mutex m = { { 0 } };
    cress_cond c = { { 0 } };
    cress_queue q = { { 0 } };
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    int item = 1;
    o.shared = true;
    o.item_size = sizeof item;
    CHECK_EQ(cress_event_init(&e, CRESS_SHARED), 0);
    CHECK_EQ(cress_sem_init(&s, 1, CRESS_SHARED), 0);
    CHECK_EQ(cress_mutex_init(&m, CRESS_SHARED), 0);
    CHECK_EQ(cress_cond_init(&c, CRESS_SHARED), 0);
    CHECK_EQ(cress_queue_init(&q, &o), 0);
    CHECK_EQ(cress_event_wait(&e, CRESS_US(100)), -ETIMEDOUT);
    CHECK_EQ(cress_sem_acquire(&s, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sem_acquire(&s, CRESS_US(100)), -ETIMEDOUT);
    if (went(cress_mutex_lock(&m, CRESS_FOREVER))) { /* the thread's record */
        CHECK_EQ(cress_cond_wait(&c, &m, CRESS_US(100)), -ETIMEDOUT);
        CHECK_EQ(cress_mutex_unlock(&m), 0);
    }
    CHECK(cress_hub_current() == NULL);
    if (hub_or_none() != NULL) {
        int r = cress_event_wait(&e, CRESS_US(100));
        CHECK(r == -ETIMEDOUT || sweep_met_fault());
        cress_case cases[] = { cress_on_event(&e), cress_on_sem(&s) };
        r = cress_choose(cases, 2, CRESS_US(100));
        CHECK(r == -ETIMEDOUT || sweep_met_fault());
        if (went(cress_go(helps, &s)))
            went(cress_sem_acquire(&s, CRESS_SECONDS(1)));
        if (went(cress_queue_put(&q, &item, 0)))
            CHECK_EQ(cress_queue_get(&q, &item, 0), 0);
        CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    }
    CHECK_EQ(cress_queue_done(&q), 0);
}

static void between_threads(void)
{
    apart(shared_objects);
}

static void waiting(void)
{
    apart(waits);
}

static void queues_and_channels(void)
{
    apart(items);
}

static void groups(void)
{
    apart(members);
}

static void keys(void)
{
    apart(values);
}

int main(void)
{
    return FAULT_SWEEP(waiting) + FAULT_SWEEP(queues_and_channels) + FAULT_SWEEP(groups) +
           FAULT_SWEEP(keys) + FAULT_SWEEP(between_threads);
}
