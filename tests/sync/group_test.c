/* Groups and pools: who is a member, how they end together, and how many are in at once. */
#include "sync/crowd.h"

static void *returns(void *arg)
{
    return arg;
}

static void *sleeps_ms(void *arg)
{
    return cress_sleep(CRESS_MS((intptr_t)arg)) < 0 ? NULL : arg;
}

static void *waits(void *arg)
{
    return cress_park(CRESS_FOREVER) < 0 ? NULL : arg;
}

static void *fails_ms(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS((intptr_t)arg)), 0);
    cress_exit_error(-(int)(intptr_t)arg);
    return arg;
}

static int join(void *group, cress_time timeout)
{
    return cress_group_join(group, timeout);
}

static int kill_group(void *group, cress_time timeout)
{
    return cress_group_kill(group, timeout);
}

static int is_empty(void *group)
{
    return cress_group_join(group, 0);
}

static void done(cress_group *group)
{
    CHECK_EQ(cress_group_done(group), 0);
}

static void members_leave_when_they_end(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    cress_greenlet *a, *b = cress_spawn(sleeps_ms, (void *)2);
    struct member m;
    CHECK_EQ(cress_group_join(&group, CRESS_FOREVER), 0);
    CHECK_EQ(cress_group_spawn(&group, sleeps_ms, (void *)1, &a), 0);
    CHECK_EQ(cress_group_add(&group, b, 0), 0);
    CHECK_EQ(cress_group_add(&group, b, 0), -EALREADY);
    CHECK(cress_group_has(&group, a) && cress_group_has(&group, b));
    CHECK_EQ(cress_group_size(&group), 2);
    CHECK_EQ(cress_group_join(&group, 0), -EAGAIN);
    CHECK_EQ(cress_group_join(&group, CRESS_US(100)), -ETIMEDOUT);
    CHECK_EQ(cress_group_done(&group), -EBUSY);
    CHECK_EQ(elsewhere(is_empty, &group), -EXDEV);
    enter(&m, "joiner", join, &group, CRESS_FOREVER);
    CHECK_EQ(cress_join(a, CRESS_FOREVER), 0);
    CHECK(!cress_group_has(&group, a) && cress_group_has(&group, b));
    CHECK_EQ(left(&m), 0);
    CHECK(cress_ready(b));
    CHECK_EQ(cress_group_add(&group, b, 0), 0); /* it has ended */
    CHECK_EQ(cress_group_size(&group), 0);
    cress_unref(a);
    cress_unref(b);
    done(&group);
}

static void a_discarded_one_goes_on_alone(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    cress_greenlet *a;
    CHECK_EQ(cress_group_spawn(&group, waits, "a", &a), 0);
    CHECK_EQ(cress_group_discard(&group, a), 0);
    CHECK_EQ(cress_group_discard(&group, a), -ENOENT);
    CHECK_EQ(cress_group_kill(&group, CRESS_FOREVER), 0);
    CHECK_EQ(cress_group_join(&group, CRESS_FOREVER), 0);
    CHECK(!cress_ready(a));
    CHECK_EQ(cress_kill(a, CRESS_FOREVER), 0);
    cress_unref(a);
    done(&group);
}

static cress_group the_group;
static int spawned_meanwhile;

static void *spawns_when_killed(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cress_group_spawn(&the_group, waits, NULL, NULL), 0);
        spawned_meanwhile++;
    }
    return arg;
}

static void killing_catches_those_who_are_spawned_meanwhile(void **state)
{
    (void)state;
    the_group = (cress_group){ { 0 } };
    spawned_meanwhile = 0;
    cress_greenlet *never;
    CHECK_EQ(cress_group_spawn(&the_group, spawns_when_killed, NULL, NULL), 0);
    CHECK_EQ(cress_group_spawn(&the_group, sleeps_ms, (void *)1000, NULL), 0);
    yield();
    CHECK_EQ(cress_group_spawn(&the_group, waits, NULL, &never), 0);
    cress_time start = clock_time;
    CHECK_EQ(cress_group_kill(&the_group, CRESS_FOREVER), 0);
    CHECK_EQ(clock_time, start);
    CHECK_EQ(spawned_meanwhile, 3);
    CHECK_EQ(cress_group_size(&the_group), 0);
    CHECK(!cress_started(never) && cress_outcome(never) == CRESS_KILLED);
    cress_unref(never);
    done(&the_group);
}

static void *joins_its_group(void *arg)
{
    CHECK_EQ(cress_group_join(arg, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_group_kill(arg, CRESS_FOREVER), -ECANCELED);
    return NULL;
}

static void a_member_cannot_join_its_group_and_dies_with_it(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    cress_greenlet *a, *b;
    CHECK_EQ(cress_group_spawn(&group, joins_its_group, &group, &a), 0);
    CHECK_EQ(cress_group_spawn(&group, waits, NULL, &b), 0);
    CHECK_EQ(cress_group_join(&group, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(a), CRESS_KILLED);
    CHECK_EQ(cress_outcome(b), CRESS_KILLED);
    cress_unref(a);
    cress_unref(b);
    done(&group);
}

static void *will_not_die(void *arg)
{
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(CRESS_MS((intptr_t)arg)), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    return NULL;
}

static void a_kill_may_run_out_of_time(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    struct member m;
    CHECK_EQ(cress_group_spawn(&group, will_not_die, (void *)20, NULL), 0);
    CHECK_EQ(cress_group_spawn(&group, waits, NULL, NULL), 0);
    yield();
    CHECK_EQ(cress_group_kill(&group, 0), 0);
    CHECK_EQ(cress_group_size(&group), 2); /* not waited for */
    CHECK_EQ(cress_group_kill(&group, CRESS_MS(5)), -ETIMEDOUT);
    CHECK_EQ(cress_group_size(&group), 1);
    enter(&m, "killer", kill_group, &group, CRESS_FOREVER);
    CHECK_EQ(cress_kill(m.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&m), -ECANCELED);
    CHECK_EQ(cress_group_kill(&group, CRESS_FOREVER), 0);
    done(&group);
}

/* --- structured ------------------------------------------------------------------------------ */

static void the_first_error_ends_the_siblings(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    cress_greenlet *sibling;
    cress_time start = clock_time;
    CHECK_EQ(cress_group_init(&group, CRESS_STRUCTURED), 0);
    CHECK_EQ(cress_group_spawn(&group, fails_ms, (void *)5, NULL), 0);
    CHECK_EQ(cress_group_spawn(&group, waits, NULL, &sibling), 0);
    CHECK_EQ(cress_group_spawn(&group, will_not_die, (void *)7, NULL), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(6)), 0);
    CHECK_EQ(cress_outcome(sibling), CRESS_KILLED);
    CHECK_EQ(cress_group_spawn(&group, waits, NULL, NULL), 0); /* too late: it never runs */
    CHECK_EQ(cress_group_join(&group, CRESS_FOREVER), -5);
    CHECK_EQ(clock_time - start, CRESS_MS(7)); /* it cannot be left before the last has ended */
    CHECK_EQ(told.count, 1);
    told.count = 0;
    CHECK_EQ(cress_group_join(&group, CRESS_FOREVER), 0); /* told once */
    cress_unref(sibling);
    done(&group);
}

static void a_cancelled_join_takes_the_members_along(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    struct member m;
    cress_time start = clock_time;
    CHECK_EQ(cress_group_init(&group, CRESS_STRUCTURED), 0);
    CHECK_EQ(cress_group_spawn(&group, waits, NULL, NULL), 0);
    CHECK_EQ(cress_group_spawn(&group, will_not_die, (void *)9, NULL), 0);
    enter(&m, "joiner", join, &group, CRESS_FOREVER);
    CHECK_EQ(cress_kill(m.g, 0), 0);
    CHECK_EQ(left(&m), -ECANCELED);
    CHECK_EQ(clock_time - start, CRESS_MS(9));
    CHECK_EQ(cress_group_size(&group), 0);
    cress_timeout limit = { 0 };
    CHECK_EQ(cress_group_spawn(&group, waits, NULL, NULL), 0);
    CHECK_EQ(cress_timeout_start(&limit, CRESS_MS(1)), 0);
    CHECK_EQ(cress_group_join(&group, CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == &limit); /* though it has waited since */
    CHECK(cress_timeout_stop(&limit));
    done(&group);
}

/* --- pools ----------------------------------------------------------------------------------- */

static int spawn_returning(void *pool, cress_time timeout)
{
    return cress_pool_spawn(pool, returns, NULL, timeout, NULL);
}

static int try_spawn(void *pool)
{
    return cress_pool_try_spawn(pool, returns, NULL, NULL);
}

static int available(void *pool, cress_time timeout)
{
    return cress_pool_wait_available(pool, timeout);
}

static void a_full_pool_blocks_who_spawns(void **state)
{
    (void)state;
    cress_pool pool = { { 0 } };
    cress_time start = clock_time;
    struct member a, b;
    CHECK_EQ(cress_pool_init(&pool, 1, 0), 0);
    CHECK_EQ(cress_pool_available(&pool), 1);
    CHECK_EQ(cress_pool_spawn(&pool, sleeps_ms, (void *)5, CRESS_FOREVER, NULL), 0);
    CHECK_EQ(cress_pool_available(&pool), 0);
    CHECK_EQ(cress_pool_try_spawn(&pool, returns, NULL, NULL), -EAGAIN);
    CHECK_EQ(in_callback(try_spawn, &pool), -EAGAIN);
    CHECK_EQ(cress_pool_try_add(&pool, cress_main()), -EINVAL);
    CHECK_EQ(cress_pool_spawn(&pool, returns, NULL, CRESS_MS(1), NULL), -ETIMEDOUT);
    CHECK_EQ(cress_pool_wait_available(&pool, CRESS_MS(1)), -ETIMEDOUT);
    enter(&a, "a", spawn_returning, &pool, CRESS_FOREVER);
    enter(&b, "b", spawn_returning, &pool, CRESS_FOREVER);
    CHECK_EQ(cress_kill(a.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&a), -ECANCELED);
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(clock_time - start, CRESS_MS(5));
    CHECK_EQ(cress_group_join(&pool, CRESS_FOREVER), 0);
    done(&pool);
}

static void who_was_granted_a_slot_spawns_though_it_is_killed_and_nobody_barges_in(void **state)
{
    (void)state;
    cress_pool pool = { { 0 } };
    cress_greenlet *g;
    struct member a, b;
    CHECK_EQ(cress_pool_init(&pool, 1, 0), 0);
    CHECK_EQ(cress_pool_spawn(&pool, waits, NULL, 0, &g), 0);
    enter(&a, "a", available, &pool, CRESS_FOREVER);
    enter(&b, "b", spawn_returning, &pool, CRESS_FOREVER);
    CHECK_EQ(cress_kill(g, 0), 0);
    yield();
    CHECK_EQ(cress_kill(b.g, 0), 0);
    CHECK_EQ(try_spawn(&pool), -EAGAIN); /* the slot is b's */
    CHECK_EQ(left(&b), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_EQ(cress_group_join(&pool, CRESS_FOREVER), 0);
    CHECK_EQ(cress_pool_available(&pool), 1);
    cress_unref(g);
    done(&pool);
}

static void one_that_never_ran_gives_its_slot_back(void **state)
{
    (void)state;
    cress_pool pool = { { 0 } };
    cress_greenlet *g;
    CHECK_EQ(cress_pool_init(&pool, 1, 0), 0);
    CHECK_EQ(cress_pool_spawn(&pool, waits, NULL, 0, &g), 0);
    CHECK_EQ(cress_kill(g, 0), 0);
    CHECK_EQ(cress_pool_available(&pool), 1);
    CHECK_EQ(cress_pool_try_spawn(&pool, returns, NULL, NULL), 0);
    CHECK_EQ(cress_group_join(&pool, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_EQ(cress_group_done(&pool), 0);
    CHECK_EQ(cress_pool_init(&pool, 0, 0), 0);
    CHECK_EQ(cress_pool_wait_available(&pool, CRESS_MS(3)), -ETIMEDOUT);
    CHECK_EQ(cress_pool_try_spawn(&pool, returns, NULL, NULL), -EAGAIN);
    done(&pool);
}

static void another_size_lets_those_who_wait_in(void **state)
{
    (void)state;
    cress_pool pool = { { 0 } };
    struct member m[3];
    CHECK_EQ(cress_pool_init(&pool, 0, 0), 0);
    for (int i = 0; i < 3; i++)
        enter(&m[i],
              i == 0   ? "a"
              : i == 1 ? "b"
                       : "c",
              i == 1 ? available : spawn_returning, &pool, CRESS_FOREVER);
    CHECK_EQ(cress_pool_set_size(&pool, 1), 0);
    yield();
    CHECK_STR(words.text, "a");
    for (int i = 0; i < 3; i++)
        CHECK_EQ(left(&m[i]), 0);
    CHECK_EQ(cress_group_join(&pool, CRESS_FOREVER), 0);
    CHECK_EQ(cress_pool_set_size(&pool, CRESS_UNBOUNDED), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(cress_pool_try_spawn(&pool, waits, NULL, NULL), 0);
    CHECK_EQ(cress_pool_set_size(&pool, 2), 0);
    CHECK_EQ(cress_pool_available(&pool), 0);
    CHECK_EQ(cress_group_size(&pool), 5);
    CHECK_EQ(cress_group_kill(&pool, CRESS_FOREVER), 0);
    CHECK_EQ(cress_pool_available(&pool), 2);
    done(&pool);
}

/* --- apply, map, imap ------------------------------------------------------------------------ */

static void *doubles(void *arg)
{
    return (void *)((intptr_t)arg * 2);
}

static void *applies_inside(void *arg)
{
    void *value = NULL;
    CHECK_EQ(cress_group_apply(arg, doubles, (void *)21, &value, NULL), 0);
    return value;
}

static void apply_inside_a_member_runs_inline(void **state)
{
    (void)state;
    cress_pool pool = { { 0 } };
    void *value = NULL;
    int error = 1;
    CHECK_EQ(cress_pool_init(&pool, 1, 0), 0);
    CHECK_EQ(cress_group_apply(&pool, applies_inside, &pool, &value, &error), 0);
    CHECK_EQ(value, 42);
    CHECK_EQ(error, 0);
    CHECK_EQ(cress_group_apply(&pool, fails_ms, (void *)3, &value, &error), 0);
    CHECK_EQ(error, -3);
    CHECK_EQ(told.count, 1);
    told.count = 0;
    done(&pool);
}

static int at_once, most_at_once;

/* Longer ones first; 13 fails. */
static void *works(void *arg)
{
    intptr_t n = (intptr_t)arg;
    most_at_once = ++at_once > most_at_once ? at_once : most_at_once;
    CHECK_EQ(cress_sleep(CRESS_MS(30 - n)), 0);
    at_once--;
    if (n == 13)
        cress_exit_error(-EDOM);
    return (void *)(n * n);
}

static void map_keeps_the_order(void **state)
{
    (void)state;
    enum { N = 20 };
    cress_pool pool = { { 0 } };
    void *args[N], *results[N];
    int errors[N];
    CHECK_EQ(cress_pool_init(&pool, 7, 0), 0);
    at_once = most_at_once = 0;
    for (intptr_t i = 0; i < N; i++)
        args[i] = (void *)i;
    CHECK_EQ(cress_group_map(&pool, works, args, N, results, errors), -EDOM);
    CHECK_EQ(most_at_once, 7);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(results[i], i == 13 ? 0 : i * i);
        CHECK_EQ(errors[i], i == 13 ? -EDOM : 0);
    }
    CHECK_EQ(cress_group_map(&pool, works, args, 13, results, NULL), 0);
    CHECK_EQ(cress_group_map(&pool, works, NULL, 0, NULL, NULL), 0);
    CHECK_EQ(told.count, 1);
    told.count = 0;
    done(&pool);
}

static void *dies_slowly(void *arg)
{
    cress_shield shield = { 0 };
    CHECK_EQ(cress_sleep(CRESS_SECONDS(1)), -ECANCELED);
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(CRESS_MS((intptr_t)arg)), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    return NULL;
}

static int map_ten(void *pool, cress_time timeout)
{
    void *args[10];
    (void)timeout;
    for (int i = 0; i < 10; i++)
        args[i] = (void *)9;
    return cress_group_map(pool, dies_slowly, args, 10, NULL, NULL);
}

static void a_cancelled_map_ends_its_members_first(void **state)
{
    (void)state;
    cress_pool pool = { { 0 } };
    struct member m;
    cress_time start = clock_time;
    CHECK_EQ(cress_pool_init(&pool, 3, 0), 0);
    enter(&m, "mapper", map_ten, &pool, 0);
    yield();
    CHECK_EQ(cress_kill(m.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&m), -ECANCELED);
    CHECK_EQ(cress_group_size(&pool), 0);
    CHECK_EQ(clock_time - start, CRESS_MS(9));
    done(&pool);
}

struct numbers {
    intptr_t next, end;
    int error;
    int fetched;
};

static int next_number(void *arg, void **item)
{
    struct numbers *n = arg;
    if (n->next == n->end)
        return n->error;
    *item = (void *)n->next++;
    n->fetched++;
    return 1;
}

static void imap_tells_in_order_and_goes_on_after_an_error(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    cress_imap it;
    struct numbers numbers = { 10, 20, -EILSEQ, 0 };
    at_once = most_at_once = 0;
    CHECK_EQ(cress_group_imap(&group, &it, works, next_number, &numbers, NULL), 0);
    CHECK_EQ(cress_imap_next(&it, 0, NULL, NULL), -EAGAIN);
    CHECK_EQ(cress_imap_next(&it, CRESS_MS(1), NULL, NULL), -ETIMEDOUT);
    for (int i = 10; i < 20; i++) {
        void *value = &it;
        int error = 1;
        CHECK_EQ(cress_imap_next(&it, CRESS_FOREVER, &value, &error), 0);
        CHECK_EQ(value, i == 13 ? 0 : i * i);
        CHECK_EQ(error, i == 13 ? -EDOM : 0);
    }
    CHECK_EQ(cress_imap_next(&it, CRESS_FOREVER, NULL, NULL), -EILSEQ); /* the source's */
    CHECK_EQ(cress_imap_next(&it, CRESS_FOREVER, NULL, NULL), -ENOENT);
    CHECK_EQ(most_at_once, 10);
    cress_imap_done(&it);
    cress_imap_done(&it);
    CHECK_EQ(told.count, 1);
    told.count = 0;
    done(&group);
}

static void unordered_results_come_as_they_are_ready(void **state)
{
    (void)state;
    cress_pool pool = { { 0 } };
    cress_imap it;
    struct numbers numbers = { 0, 10, 0, 0 };
    CHECK_EQ(cress_pool_init(&pool, 10, 0), 0);
    CHECK_EQ(cress_group_imap_unordered(&pool, &it, works, next_number, &numbers, NULL), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(25)), 0); /* 5 to 9 are ready, the quickest first */
    for (intptr_t i = 9; i >= 0; i--) {
        void *value = NULL;
        CHECK_EQ(cress_imap_next(&it, CRESS_FOREVER, &value, NULL), 0);
        CHECK_EQ(value, i * i);
    }
    CHECK_EQ(cress_imap_next(&it, CRESS_FOREVER, NULL, NULL), -ENOENT);
    cress_imap_done(&it);
    done(&pool);
}

static void no_more_than_so_many_are_begun_ahead(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    cress_imap it;
    cress_imap_options o = CRESS_IMAP_OPTIONS_INIT;
    struct numbers numbers = { 14, 24, 0, 0 };
    o.ahead = 2;
    CHECK_EQ(cress_group_imap(&group, &it, works, next_number, &numbers, &o), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(cress_sleep(CRESS_MS(100)), 0);
        CHECK_EQ(numbers.fetched, i + 2 < 10 ? i + 2 : 10);
        CHECK_EQ(cress_imap_next(&it, 0, NULL, NULL), 0);
    }
    CHECK_EQ(cress_imap_next(&it, CRESS_FOREVER, NULL, NULL), -ENOENT);
    cress_imap_done(&it);
    done(&group);
}

static void what_is_left_of_an_imap_is_killed(void **state)
{
    (void)state;
    cress_pool pool = { { 0 } };
    struct numbers numbers = { 0, 10, 0, 0 };
    CHECK_EQ(cress_pool_init(&pool, 2, 0), 0);
    for (int turns = 0; turns < 6; turns++) { /* before the feeder runs, and at each point after */
        cress_imap it;
        numbers.next = 0;
        CHECK_EQ(cress_group_imap(&pool, &it, sleeps_ms, next_number, &numbers, NULL), 0);
        for (int i = 0; i < turns; i++)
            yield();
        if (turns == 5)
            CHECK_EQ(cress_imap_next(&it, CRESS_FOREVER, NULL, NULL), 0);
        cress_imap_done(&it);
        CHECK_EQ(cress_group_join(&pool, CRESS_FOREVER), 0);
        yield();
        CHECK_EQ(cress_imap_next(&it, 0, NULL, NULL), -EINVAL);
    }
    cress_imap it;
    numbers.next = 0;
    CHECK_EQ(cress_group_imap(&pool, &it, sleeps_ms, next_number, &numbers, NULL), 0);
    yield();
    CHECK_EQ(cress_group_kill(&pool, CRESS_FOREVER), 0);
    int n = 0, error = 0;
    while (cress_imap_next(&it, CRESS_FOREVER, NULL, &error) == 0)
        n++;
    CHECK_EQ(n, 10); /* those that were spawned later, too, have an end */
    cress_imap_done(&it);
    done(&pool);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    cress_group group = { { 0 } };
    cress_imap it = { { 0 } };
    cress_imap_options none = { 0 };
    CHECK_EQ(cress_group_init(NULL, 0), -EINVAL);
    CHECK_EQ(cress_group_init(&group, CRESS_FAIR), -EINVAL);
    CHECK_EQ(cress_group_spawn(NULL, returns, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_group_spawn(&group, NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_pool_spawn(&group, returns, NULL, -1, NULL), -EINVAL);
    CHECK_EQ(cress_group_add(&group, NULL, 0), -EINVAL);
    CHECK_EQ(cress_group_add(NULL, cress_main(), 0), -EINVAL);
    CHECK_EQ(cress_group_discard(&group, NULL), -EINVAL);
    CHECK_EQ(cress_group_join(&group, -1), -EINVAL);
    CHECK_EQ(cress_group_kill(&group, -1), -EINVAL);
    CHECK_EQ(cress_group_kill(NULL, 0), -EINVAL);
    CHECK_EQ(cress_group_apply(&group, NULL, NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_group_map(&group, returns, NULL, 1, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_group_imap(NULL, &it, returns, next_number, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_group_imap(&group, &it, returns, NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_group_imap(&group, &it, returns, next_number, NULL, &none), -EINVAL);
    CHECK_EQ(cress_imap_next(NULL, 0, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_pool_set_size(NULL, 1), -EINVAL);
    CHECK_EQ(cress_pool_available(NULL), 0);
    CHECK_EQ(cress_group_size(NULL), 0);
    CHECK(!cress_group_has(NULL, cress_main()));
    CHECK_EQ(cress_group_done(NULL), 0);
    done(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(members_leave_when_they_end),
        CROWD_TEST(a_discarded_one_goes_on_alone),
        CROWD_TEST(killing_catches_those_who_are_spawned_meanwhile),
        CROWD_TEST(a_member_cannot_join_its_group_and_dies_with_it),
        CROWD_TEST(a_kill_may_run_out_of_time),
        CROWD_TEST(the_first_error_ends_the_siblings),
        CROWD_TEST(a_cancelled_join_takes_the_members_along),
        CROWD_TEST(a_full_pool_blocks_who_spawns),
        CROWD_TEST(who_was_granted_a_slot_spawns_though_it_is_killed_and_nobody_barges_in),
        CROWD_TEST(one_that_never_ran_gives_its_slot_back),
        CROWD_TEST(another_size_lets_those_who_wait_in),
        CROWD_TEST(apply_inside_a_member_runs_inline),
        CROWD_TEST(map_keeps_the_order),
        CROWD_TEST(a_cancelled_map_ends_its_members_first),
        CROWD_TEST(imap_tells_in_order_and_goes_on_after_an_error),
        CROWD_TEST(unordered_results_come_as_they_are_ready),
        CROWD_TEST(no_more_than_so_many_are_begun_ahead),
        CROWD_TEST(what_is_left_of_an_imap_is_killed),
        CROWD_TEST(wrong_arguments_are_refused),
    };
    return RUN_TESTS_APART(tests);
}
