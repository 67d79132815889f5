/* cress_call_on: a call in a greenlet of another thread's hub; cress_hub_hold. */
#include "support/test.h"
#include "base/alloc.h"
#include "hub/apart.h"
#include "hub/duel.h"
#include "hub/server.h"

#include <string.h>

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

/* --- what it does ---------------------------------------------------------------------------- */

struct seen {
    pthread_t thread;
    cress_hub *hub;
    const cress_greenlet *greenlet;
    int calls;
};

static int look(void *arg)
{
    struct seen *seen = arg;
    seen->thread = pthread_self();
    seen->hub = cress_hub_current();
    seen->greenlet = cress_current();
    return ++seen->calls;
}

static void a_call_runs_in_a_greenlet_of_the_other_hub(void **state)
{
    (void)state;
    struct server s;
    struct seen seen = { 0 };
    server_start(&s);
    for (int i = 1; i <= 50; i++)
        CHECK_EQ(cress_call_on(s.hub, look, &seen), i);
    CHECK(pthread_equal(seen.thread, s.thread));
    CHECK(seen.hub == s.hub);
    CHECK(seen.greenlet != NULL);
    server_stop(&s);
}

static int waits(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    return (int)(intptr_t)arg;
}

static void what_is_called_may_wait(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    CHECK_EQ(cress_call_on(s.hub, waits, (void *)7), 7);
    server_stop(&s);
}

static void on_the_own_hub_it_is_a_plain_call(void **state)
{
    (void)state;
    cress_hub *hub;
    struct seen seen = { 0 };
    CHECK_EQ(cress_hub_get(&hub), 0);
    cress_hub_counts before = CRESS_HUB_COUNTS_INIT, after = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(hub, &before), 0);
    CHECK_EQ(cress_call_on(hub, look, &seen), 1);
    CHECK_EQ(cress_hub_stats(hub, &after), 0);
    CHECK_EQ(after.spawns, before.spawns);
    CHECK(seen.greenlet == cress_main());
    CHECK_EQ(cress_call_on(NULL, look, &seen), -EINVAL);
    CHECK_EQ(cress_call_on(hub, NULL, &seen), -EINVAL);
}

static int exits(void *arg)
{
    if (arg != NULL)
        cress_exit_error(-EIO);
    cress_exit("nothing");
    return 1;
}

static int is_killed(void *arg)
{
    CHECK_EQ(cress_kill(cress_current(), 0), 0);
    CHECK_EQ(cress_yield(), -ECANCELED);
    cress_exit(arg);
    return 1;
}

static void a_call_may_end_its_greenlet(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    CHECK_EQ(cress_call_on(s.hub, exits, NULL), 0);
    CHECK_EQ(cress_call_on(s.hub, exits, &s), -EIO);
    CHECK_EQ(cress_call_on(s.hub, is_killed, NULL), -ECANCELED);
    server_stop(&s);
    CHECK_EQ(s.told.count, 1); /* a greenlet has failed */
    CHECK_EQ(s.told.lines[0].error, -EIO);
}

static struct told told;
static int said;

static int call_in_callback(void *arg)
{
    struct seen seen = { 0 };
    said = cress_call_on(arg, look, &seen);
    return 0;
}

static void a_callback_may_not_call(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    cress_callback node = { 0 };
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_post(NULL, &node, call_in_callback, s.hub), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(said, -EPERM);
    CHECK_EQ(told.count, 1);
    server_stop(&s);
}

static void *call_without_hub(void *arg)
{
    struct seen seen = { 0 };
    CHECK(cress_hub_current() == NULL);
    CHECK_EQ(cress_call_on(arg, look, &seen), 1);
    CHECK(cress_hub_current() != NULL);
    return NULL;
}

static void a_plain_thread_gets_a_hub_to_wait_in(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, call_without_hub, s.hub), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    server_stop(&s);
}

/* --- hold ------------------------------------------------------------------------------------ */

static void *sleeps(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void *park_stubbornly(void *arg)
{
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    cress_sleep(CRESS_FOREVER);
    return arg;
}

static void holds_add_up_and_end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_release(NULL), -EINVAL);
    CHECK_EQ(cress_hub_hold(NULL), 0);
    CHECK_EQ(cress_hub_hold(cress_hub_current()), 0);
    CHECK_EQ(cress_run(CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(cress_hub_release(cress_hub_current()), 0);
    CHECK_EQ(cress_run(0), -EAGAIN);
    CHECK_EQ(cress_hub_release(NULL), 0);
    CHECK_EQ(cress_hub_release(NULL), -EINVAL);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_hold(NULL), 0);
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_go(sleeps, NULL), 0);
    CHECK_EQ(cress_go(park_stubbornly, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER),
             1); /* nobody will wake that one, and no hold helps */
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    struct server s;
    server_start(&s);
    CHECK_EQ(cress_hub_hold(s.hub), -EXDEV);
    CHECK_EQ(cress_hub_release(s.hub), -EXDEV);
    server_stop(&s);
}

/* --- at the same time ------------------------------------------------------------------------ */

enum { CALLS = 200 };

struct pair {
    struct server servers[2];
    atomic_int calls;
};

static int count(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static struct pair pair;

static int call_the_other(void *arg)
{
    struct server *other = arg;
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(cress_call_on(other->hub, count, &pair.calls), 0);
    return 0;
}

static void *have_it_call(void *arg)
{
    struct server *s = arg, *other = s == pair.servers ? s + 1 : pair.servers;
    CHECK_EQ(cress_call_on(s->hub, call_the_other, other), 0);
    return NULL;
}

static void two_hubs_that_call_each_other_go_on(void **state)
{
    (void)state;
    atomic_store(&pair.calls, 0);
    server_start(&pair.servers[0]);
    server_start(&pair.servers[1]);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(cress_go(have_it_call, &pair.servers[i % 2]), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&pair.calls), 6 * CALLS);
    server_stop(&pair.servers[0]);
    server_stop(&pair.servers[1]);
}

static int call_back(void *arg)
{
    struct seen *seen = arg;
    return cress_call_on(seen->hub, look, seen);
}

static void a_call_may_call_back(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    struct seen seen = { 0 };
    CHECK_EQ(cress_hub_get(&seen.hub), 0);
    CHECK_EQ(cress_call_on(s.hub, call_back, &seen), 1);
    CHECK(pthread_equal(seen.thread, pthread_self()));
    CHECK(seen.greenlet != cress_main());
    server_stop(&s);
}

/* --- cancelled ------------------------------------------------------------------------------- */

struct cancelled {
    struct server *server;
    int (*fn)(void *arg);
    void *arg;
    int said, next;
};

static void *calls_then_yields(void *arg)
{
    struct cancelled *c = arg;
    c->said = cress_call_on(c->server->hub, c->fn, c->arg);
    c->next = cress_yield();
    return NULL;
}

static int block_thread(void *arg)
{
    return hold(arg);
}

static void cancelled_before_it_begins_a_call_is_never_made(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    struct held held;
    struct seen seen = { 0 };
    held_init(&held);
    struct cancelled first = { .server = &s, .fn = block_thread, .arg = &held };
    struct cancelled second = { .server = &s, .fn = look, .arg = &seen };
    CHECK_EQ(cress_go(calls_then_yields, &first), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held); /* the whole hub is blocked */
    cress_greenlet *g = cress_spawn(calls_then_yields, &second);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_SECONDS(10)), 0);
    CHECK_EQ(second.said, -ECANCELED);
    CHECK_EQ(second.next, -ECANCELED);
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(first.said, 42);
    server_stop(&s);
    CHECK_EQ(seen.calls, 0);
    cress_unref(g);
}

static void cancelled_while_it_runs_a_call_comes_to_its_end(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    struct held held;
    held_init(&held);
    struct cancelled c = { .server = &s, .fn = block_thread, .arg = &held };
    cress_greenlet *g = cress_spawn(calls_then_yields, &c);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    CHECK_EQ(cress_kill(g, CRESS_MS(1)), -ETIMEDOUT);
    held_let_go(&held);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(10)), 0);
    CHECK_EQ(c.said, 42);
    CHECK_EQ(c.next, -ECANCELED);
    cress_unref(g);
    server_stop(&s);
}

static int on_server(int (*fn)(void *arg), void *arg, void *server)
{
    return cress_call_on(((struct server *)server)->hub, fn, arg);
}

static void a_call_is_either_made_or_cancelled(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    duel(on_server, &s);
    server_stop(&s);
}

/* --- no deadlock ----------------------------------------------------------------------------- */

static int find_call(const cress_blocked *blocked, void *arg)
{
    *(int *)arg += strcmp(blocked->what, "calling on another hub") == 0;
    return 0;
}

static void run_waits_for_a_call_and_reports_name_it(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    struct held held;
    held_init(&held);
    struct cancelled c = { .server = &s, .fn = block_thread, .arg = &held };
    CHECK_EQ(cress_go(calls_then_yields, &c), 0);
    CHECK_EQ(cress_run(CRESS_MS(1)), -ETIMEDOUT);
    int found = 0;
    CHECK_EQ(cress_hub_blocked(cress_hub_current(), find_call, &found), 0);
    CHECK_EQ(found, 1);
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(c.said, 42);
    server_stop(&s);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void a_hub_that_has_ended_cannot_be_called(void **state)
{
    (void)state;
    struct server s;
    struct seen seen = { 0 };
    CHECK_EQ(cress_yield(), 0);
    server_start(&s);
    server_stop(&s);
    CHECK_EQ(cress_call_on(s.hub, look, &seen), -EOWNERDEAD);
    CHECK_EQ(seen.calls, 0);
}

static int never_returns(void *arg)
{
    CHECK_EQ(cress_hub_release(NULL), 0); /* so main ends the hub while this waits */
    held_let_go(arg);
    park_stubbornly(NULL);
    return 1;
}

static void *end_without_grace(void *arg)
{
    struct server *s = arg;
    CHECK_EQ(cress_hub_get(&s->hub), 0);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &s->told), 0);
    sem_post(&s->ready);
    sem_t *go = &((struct held *)(void *)(s + 1))->go;
    CHECK_EQ(cress_hub_hold(NULL), 0);
    while (sem_trywait(go) != 0)
        CHECK_EQ(cress_sleep(CRESS_US(100)), 0);
    s->abandoned = cress_hub_destroy(0);
    return NULL;
}

static void a_hub_that_ends_in_the_middle_says_so(void **state)
{
    (void)state;
    struct {
        struct server server;
        struct held held;
    } both = { .server.grace = 0 };
    held_init(&both.held);
    CHECK_EQ(sem_init(&both.server.ready, 0, 0), 0);
    CHECK_EQ(pthread_create(&both.server.thread, NULL, end_without_grace, &both.server), 0);
    sem_take(&both.server.ready);
    CHECK_EQ(cress_call_on(both.server.hub, never_returns, &both.held), -EOWNERDEAD);
    server_join(&both.server);
    CHECK_EQ(both.server.abandoned, 1);
}

static struct server last;
static struct held last_held;
static atomic_int last_said;

static void *last_call(void *arg)
{
    atomic_store(&last_said, cress_call_on(last.hub, block_thread, &last_held));
    return arg;
}

static sem_t abandoned;

static void count_abandoned(cress_hub *hub, cress_greenlet *g, const char *context, int error,
                            void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_EQ(error, -ECANCELED);
    sem_post(&abandoned);
}

/* The hub has begun to end, and waits. */
static void *let_go_then(void *arg)
{
    sem_take(&abandoned);
    sem_take(&abandoned);
    usleep(10000);
    held_let_go(arg);
    return NULL;
}

static void end_while_calling(void)
{
    CHECK_EQ(cress_hub_set_error_hook(NULL, count_abandoned, NULL), 0);
    CHECK_EQ(cress_go(last_call, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&last_held);
    CHECK_EQ(cress_go(last_call, NULL), 0); /* and one that has not begun */
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(0), 2);
    CHECK_EQ(atomic_load(&last_held.ended), 1); /* the end has waited */
}

static void the_end_of_the_callers_hub_waits_for_what_was_begun(void **state)
{
    (void)state;
    server_start(&last);
    held_init(&last_held);
    pthread_t thread;
    CHECK_EQ(sem_init(&abandoned, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, let_go_then, &last_held), 0);
    apart(end_while_calling);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    server_stop(&last);
    CHECK_EQ(atomic_load(&last_held.calls), 1);
    CHECK_EQ(atomic_load(&last_said), 0);
}

/* A hub that ends against calls on it: each is made and answered, or refused. */
struct mortal {
    sem_t ready, go;
    cress_hub *hub;
    int delay;
};

static void *live_shortly(void *arg)
{
    struct mortal *m = arg;
    CHECK_EQ(cress_hub_get(&m->hub), 0);
    sem_post(&m->ready);
    CHECK_EQ(cress_sleep(m->delay * CRESS_US(2)), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return NULL;
}

static void the_end_of_a_hub_answers_every_call(void **state)
{
    (void)state;
    CHECK_EQ(cress_yield(), 0);
    size_t blocks = cress__alloc_live();
    int made = 0, rounds = DUELS;
    for (int i = 0; i < rounds; i++) {
        struct mortal m = { .delay = i % 100 };
        pthread_t thread;
        CHECK_EQ(sem_init(&m.ready, 0, 0), 0);
        CHECK_EQ(pthread_create(&thread, NULL, live_shortly, &m), 0);
        sem_take(&m.ready);
        int answer = 0;
        for (atomic_int calls = 0; answer == 0;) {
            answer = cress_call_on(m.hub, count, &calls);
            made += answer == 0;
            CHECK_EQ(atomic_load(&calls) > 0 || answer < 0, true);
        }
        CHECK_EQ(answer, -EOWNERDEAD);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    printf("%d calls on %d hubs\n", made, rounds);
    CHECK_EQ(cress__alloc_live(), blocks);
}

/* --- fork ------------------------------------------------------------------------------------ */

static void call_from_child(void *arg)
{
    struct server *s = arg;
    struct seen seen = { 0 };
    CHECK_EQ(cress_call_on(s->hub, look, &seen), -EOWNERDEAD);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0); /* the parent's call keeps nobody */
    server_start(s);
    CHECK_EQ(cress_call_on(s->hub, look, &seen), 1);
    server_stop(s);
}

static void in_a_child_process_the_parents_hubs_have_ended(void **state)
{
    (void)state;
    needs_children();
    struct server s;
    server_start(&s);
    struct held held;
    held_init(&held);
    struct cancelled c = { .server = &s, .fn = block_thread, .arg = &held };
    CHECK_EQ(cress_go(calls_then_yields, &c), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    in_child(call_from_child, &s);
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(c.said, 42);
    server_stop(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(a_call_runs_in_a_greenlet_of_the_other_hub),
        TEST(what_is_called_may_wait),
        TEST(on_the_own_hub_it_is_a_plain_call),
        TEST(a_call_may_end_its_greenlet),
        TEST(a_callback_may_not_call),
        TEST(a_plain_thread_gets_a_hub_to_wait_in),
        TEST(holds_add_up_and_end),
        TEST(two_hubs_that_call_each_other_go_on),
        TEST(a_call_may_call_back),
        TEST(cancelled_before_it_begins_a_call_is_never_made),
        TEST(cancelled_while_it_runs_a_call_comes_to_its_end),
        TEST(a_call_is_either_made_or_cancelled),
        TEST(run_waits_for_a_call_and_reports_name_it),
        TEST(a_hub_that_has_ended_cannot_be_called),
        TEST(a_hub_that_ends_in_the_middle_says_so),
        TEST(the_end_of_the_callers_hub_waits_for_what_was_begun),
        TEST(the_end_of_a_hub_answers_every_call),
        TEST(in_a_child_process_the_parents_hubs_have_ended),
    };
    return RUN_TESTS_APART(tests);
}
