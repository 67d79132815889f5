/* Hubs of several threads come and go, and meanwhile do at random with each other's shared
 * greenlets, and for each other, all that they may.
 *
 * There is no model: what is asked is that nothing is torn (which the sanitizers see too), that
 * each call says something that it may say, that who was spawned ran or was discarded, and that
 * nothing is left.
 *
 *     CRESS_TEST_SEED=n lives_test     the same choices once more, not the same order in time
 */
#include "support/test.h"
#include "base/compiler.h"
#include "hub/apart.h"

#include <cress.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(CRESS_ASAN) || defined(CRESS_TSAN)
enum { LIVES = 150 };
#else
enum { LIVES = 500 };
#endif
enum { THREADS = 4, PLACES = 8, WORKERS = 3, STEPS = 15 };

static uint64_t begun_with;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cress_hub *hubs[THREADS];      /* of which some have ended */
static cress_greenlet *known[PLACES]; /* shared; a reference each */
static cress_sem sem;
static cress_event event;
static cress_key key;
static atomic_long spawned, ran, discarded, copied, destroyed;

struct dice {
    uint64_t state;
};

static uint32_t below(struct dice *d, uint32_t n)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (uint32_t)((d->state * 0x2545f4914f6cdd1d) >> 33) % n;
}

static bool one_in(struct dice *d, uint32_t n)
{
    return below(d, n) == 0;
}

static cress_time shortly(struct dice *d)
{
    return one_in(d, 4) ? 0 : CRESS_US(below(d, 300));
}

/* --- what all share -------------------------------------------------------------------------- */

static cress_hub *some_hub(struct dice *d)
{
    pthread_mutex_lock(&lock);
    cress_hub *h = hubs[below(d, THREADS)];
    pthread_mutex_unlock(&lock);
    return h;
}

static void set_hub(int thread, cress_hub *h)
{
    pthread_mutex_lock(&lock);
    hubs[thread] = h;
    pthread_mutex_unlock(&lock);
}

/* References that greenlets of this thread hold: those of who is abandoned are given back after. */
static _Thread_local cress_greenlet *held[2 * (WORKERS + 1)];
enum { HELD = sizeof held / sizeof held[0] };
/* So are their links. */
static _Thread_local struct {
    cress_link_node node;
    bool used;
} links[HELD];

static cress_greenlet *some_greenlet(struct dice *d)
{
    pthread_mutex_lock(&lock);
    cress_greenlet *g = cress_ref(known[below(d, PLACES)]);
    pthread_mutex_unlock(&lock);
    int i = 0;
    while (g != NULL && held[i] != NULL)
        CHECK_LT(++i, HELD);
    held[i] = g != NULL ? g : held[i];
    return g;
}

static void give_back(cress_greenlet *g)
{
    int i = 0;
    while (g != NULL && held[i] != g)
        CHECK_LT(++i, HELD);
    if (g != NULL)
        held[i] = NULL;
    cress_unref(g);
}

/* The reference goes along. */
static void remember(struct dice *d, cress_greenlet *g)
{
    pthread_mutex_lock(&lock);
    uint32_t place = below(d, PLACES);
    cress_greenlet *old = known[place];
    known[place] = g;
    pthread_mutex_unlock(&lock);
    cress_unref(old);
}

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_EQ(error, -ECANCELED); /* abandoned */
}

/* What a call that waits may say of things that may end at any time. */
static void fine(int error)
{
    CHECK(error == 0 || error == -ETIMEDOUT || error == -EAGAIN || error == -ECANCELED ||
          error == -EOWNERDEAD);
}

/* --- what they do ---------------------------------------------------------------------------- */

static void *body(void *arg)
{
    struct dice d = { (uintptr_t)arg };
    atomic_fetch_add(&ran, 1);
    fine(cress_sleep(shortly(&d)));
    if (one_in(&d, 4))
        fine(cress_sem_acquire(&sem, CRESS_US(100)));
    return NULL;
}

static void discard(void *arg)
{
    CHECK(arg != NULL);
    atomic_fetch_add(&discarded, 1);
}

static void spawn(struct dice *d)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = some_hub(d);
    o.shared = true;
    o.on_discard = discard;
    o.daemon = one_in(d, 5);
    o.inherit = one_in(d, 3);
    o.delay = one_in(d, 3) ? CRESS_US(below(d, 60)) : 0;
    cress_greenlet *g;
    int error = cress_spawn_with(&o, body, (void *)(uintptr_t)(below(d, 1 << 30) + 1), &g);
    CHECK(error == 0 || error == -EOWNERDEAD);
    if (error < 0)
        return;
    atomic_fetch_add(&spawned, 1);
    if (one_in(d, 4))
        fine(cress_kill(g, 0));
    remember(d, g);
}

static void join(struct dice *d)
{
    cress_greenlet *g = some_greenlet(d);
    if (g != NULL)
        fine(cress_join(g, shortly(d)));
    give_back(g);
}

static void kill_one(struct dice *d)
{
    cress_greenlet *g = some_greenlet(d);
    if (g != NULL)
        fine(cress_kill(g, shortly(d)));
    give_back(g);
}

static void join_two(struct dice *d)
{
    cress_greenlet *gs[3] = { some_greenlet(d), some_greenlet(d), NULL };
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.count = below(d, 2);
    o.raise_error = one_in(d, 2);
    if (one_in(d, 4))
        fine(cress_killall(gs, 3, shortly(d)));
    else
        fine(cress_joinall(gs, 3, shortly(d), &o, NULL));
    give_back(gs[0]);
    give_back(gs[1]);
}

static int called(void *arg)
{
    (void)arg;
    int error = cress_sleep(CRESS_US(50));
    return error < 0 ? error : 5;
}

static void call(struct dice *d)
{
    cress_hub *h = some_hub(d);
    int result = h != NULL ? cress_call_on(h, called, NULL) : 5;
    CHECK(result == 5 || result == -ECANCELED || result == -EOWNERDEAD);
}

static int work(void *arg)
{
    usleep((unsigned)(uintptr_t)arg);
    return 3;
}

static void offload(struct dice *d)
{
    cress_timeout limit = { { 0 } };
    CHECK_EQ(cress_timeout_start(&limit, shortly(d)), 0);
    int result = cress_offload(work, (void *)(uintptr_t)below(d, 150));
    CHECK(result == 3 || result == -ECANCELED);
    cress_timeout_stop(&limit);
}

static void choose(struct dice *d)
{
    cress_greenlet *g = some_greenlet(d);
    cress_case cases[] = { cress_on_greenlet(g), cress_on_sem(&sem), cress_on_event(&event) };
    int result = cress_choose(cases, 3, shortly(d));
    fine(result < 0 ? result : 0);
    CHECK_LT(result, 3);
    give_back(g);
}

/* Who is abandoned in the middle leaves it open. */
static void go_through(struct dice *d)
{
    cress_greenlet *g = some_greenlet(d);
    cress_case cases[] = { cress_on_event(&event), cress_on_greenlet(g),
                           cress_on_timer(CRESS_US(100)) };
    cress_iwait it;
    int error = cress_iwait_init(&it, cases, 3);
    fine(error);
    if (error == 0) {
        fine(cress_sleep(shortly(d)));
        ssize_t next = cress_iwait_next(&it, shortly(d));
        fine(next < 0 ? (int)next : 0);
        CHECK_LT(next, 3);
        cress_iwait_done(&it);
    }
    give_back(g);
}

static int linked(cress_greenlet *g, void *arg)
{
    CHECK(cress_ready(g));
    CHECK(arg == &event);
    return 0;
}

static void unlink_it(int i)
{
    cress_unlink(&links[i].node);
    links[i].used = false;
}

static void link_it(struct dice *d)
{
    cress_greenlet *g = some_greenlet(d);
    int i = 0;
    while (links[i].used)
        CHECK_LT(++i, HELD);
    links[i].used = true;
    if (g != NULL)
        fine(cress_link(g, &links[i].node, linked, &event));
    fine(cress_sleep(shortly(d)));
    unlink_it(i);
    give_back(g);
}

static void bring(struct dice *d)
{
    CHECK_EQ(cress_sem_release(&sem), 0);
    if (one_in(d, 4)) {
        CHECK_EQ(cress_event_set(&event), 0);
        CHECK_EQ(cress_event_clear(&event), 0);
    }
}

static void (*const deeds[])(struct dice *) = { spawn,    spawn,      spawn,   join,
                                                kill_one, join_two,   call,    offload,
                                                choose,   go_through, link_it, bring };
enum { DEEDS = sizeof deeds / sizeof deeds[0] };

/* --- lives ----------------------------------------------------------------------------------- */

static void *works(void *arg)
{
    struct dice d = { (uintptr_t)arg };
    for (int i = 0; i < STEPS; i++)
        deeds[below(&d, DEEDS)](&d);
    return NULL;
}

static void live(struct dice *d, int thread)
{
    cress_hub *h;
    CHECK_EQ(cress_hub_get(&h), 0);
    CHECK_EQ(cress_key_set(key, &key), 0);
    set_hub(thread, h);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(cress_go(works, (void *)(uintptr_t)(below(d, 1 << 30) + 1)), 0);
    for (int i = 0; i < STEPS; i++)
        deeds[below(d, DEEDS)](d);
    CHECK_EQ(cress_key_set(key, NULL), 0);
    if (one_in(d, 2))
        set_hub(thread, NULL); /* else it is found when it has ended */
    CHECK_GE(cress_hub_destroy(one_in(d, 3) ? 0 : CRESS_US(below(d, 2000))), 0);
    for (int i = 0; i < HELD; i++) {
        unlink_it(i);
        give_back(held[i]);
    }
}

static void *lives(void *arg)
{
    int thread = (int)(intptr_t)arg;
    struct dice d = { begun_with + 7919 * (uint64_t)(thread + 1) };
    for (int i = 0; i < LIVES; i++)
        live(&d, thread);
    return NULL;
}

static atomic_bool over;

static void *looks_on_without_a_hub(void *arg)
{
    struct dice d = { begun_with };
    while (!atomic_load(&over)) {
        cress_greenlet *g = some_greenlet(&d);
        if (g != NULL && one_in(&d, 4))
            fine(cress_kill(g, 0));
        CHECK(cress_error(g) <= 0);
        CHECK_STR(cress_name(g), "");
        give_back(g);
        fine(cress_sem_acquire(&sem, CRESS_US(20)));
        bring(&d);
    }
    CHECK(cress_hub_current() == NULL);
    return arg;
}

static void *copy(void *value)
{
    atomic_fetch_add(&copied, 1);
    return value;
}

static void destroy(void *value)
{
    CHECK(value == &key);
    atomic_fetch_add(&destroyed, 1);
}

static void hubs_that_come_and_go_do_everything_with_each_other(void **state)
{
    (void)state;
    pthread_t threads[THREADS], without;
    cress_key_options o = CRESS_KEY_OPTIONS_INIT;
    o.inherit = true;
    o.copy = copy;
    o.destroy = destroy;
    CHECK_EQ(cress_key_create(&o, &key), 0);
    cress_set_error_hook(ignore, NULL);
    CHECK_EQ(cress_sem_init(&sem, 0, CRESS_SHARED), 0);
    CHECK_EQ(cress_event_init(&event, CRESS_SHARED), 0);
    CHECK_EQ(pthread_create(&without, NULL, looks_on_without_a_hub, NULL), 0);
    for (intptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, lives, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    atomic_store(&over, true);
    CHECK_EQ(pthread_join(without, NULL), 0);
    for (int i = 0; i < PLACES; i++)
        cress_unref(known[i]);
    cress_set_error_hook(NULL, NULL);
    CHECK_EQ(cress_key_delete(key), 0);
    printf("seed %" PRIu64 ", %ld greenlets on %d hubs, %ld ran\n", begun_with, spawned,
           THREADS * LIVES, ran);
    CHECK_GT(spawned, 0);
    CHECK_EQ(ran + discarded, spawned);
    CHECK_EQ(destroyed, copied);
}

int main(void)
{
    const char *chosen = getenv("CRESS_TEST_SEED");
    begun_with = chosen != NULL ? strtoull(chosen, NULL, 10) : 0x9e3779b97f4a7c15;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hubs_that_come_and_go_do_everything_with_each_other),
    };
    return RUN_TESTS_APART(tests);
}
