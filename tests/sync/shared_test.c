/* Objects between threads: each kind of object, whoever waits and whoever helps, with a hub or
 * without one. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/told.h"
#include "sync/kinds.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static struct told told;

static int begin(void **state)
{
    (void)state;
    told = (struct told){ 0 };
    CHECK(cress_hub_current() == NULL);
    kinds_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(told.count, 0);
    kinds_end();
    return 0;
}

static void make_hub(void)
{
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
}

/* --- another thread, which waits or helps ---------------------------------------------------- */

struct other {
    const struct kind *kind;
    bool hub, in_greenlet;
    int (*call)(cress_time);
    cress_time timeout;
    int result;
    bool made_a_hub;
    pthread_t thread;
};

static void *calls(void *arg)
{
    struct other *o = arg;
    o->result = o->call(o->timeout);
    return NULL;
}

static void *other_runs(void *arg)
{
    struct other *o = arg;
    cress_hub *hub;
    if (o->hub)
        CHECK_EQ(cress_hub_get(&hub), 0);
    if (o->in_greenlet) {
        CHECK_EQ(cress_go(calls, o), 0);
        CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    } else {
        calls(o);
    }
    o->made_a_hub = !o->hub && cress_hub_current() != NULL;
    return NULL;
}

static void start(struct other *o)
{
    o->result = 1000;
    CHECK_EQ(pthread_create(&o->thread, NULL, other_runs, o), 0);
}

static int finish(struct other *o)
{
    CHECK_EQ(pthread_join(o->thread, NULL), 0);
    return o->result;
}

/* The others wait in so many of its lines. */
static void until_waited_for(void *object, int lines)
{
    while (lines_of(object) < lines)
        sched_yield();
}

static void who_waits_is_helped(bool my_hub, bool its_hub, bool in_greenlet)
{
    if (my_hub)
        make_hub();
    for (int i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        struct other o = { k, its_hub, in_greenlet, k->wait, CRESS_FOREVER, 0, false, 0 };
        k->begin();
        start(&o);
        until_waited_for(k->object, 1);
        CHECK_EQ(k->help(CRESS_FOREVER), 0);
        CHECK_EQ(finish(&o), 0);
        CHECK_LE(k->left(), 0);
        CHECK_EQ(o.made_a_hub, makes_hub(k) && !its_hub);
        if (strcmp(k->name, "two choices that meet") != 0)
            CHECK_EQ(cress_hub_current() != NULL, my_hub);
        else if (!my_hub)
            CHECK_EQ(cress_hub_destroy(0), 0);
    }
}

static void a_thread_helps_a_thread(void **state)
{
    (void)state;
    who_waits_is_helped(false, false, false);
}

static void a_hub_helps_a_thread(void **state)
{
    (void)state;
    who_waits_is_helped(true, false, false);
}

static void a_thread_helps_the_main_of_a_hub(void **state)
{
    (void)state;
    who_waits_is_helped(false, true, false);
}

static void a_hub_helps_a_greenlet_of_another_which_run_waits_for(void **state)
{
    (void)state;
    who_waits_is_helped(true, true, true);
}

/* Help that came before is found. */
static void who_comes_late_need_not_wait(void **state)
{
    (void)state;
    make_hub();
    for (int i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        if (k->meets)
            continue;
        for (int hub = 0; hub <= 1; hub++) {
            struct other o = { k, hub, hub, k->wait, CRESS_FOREVER, 0, false, 0 };
            k->begin();
            CHECK_EQ(k->help(0), 0);
            start(&o);
            CHECK_EQ(finish(&o), 0);
            CHECK_LE(k->left(), 0);
        }
    }
}

/* --- in vain --------------------------------------------------------------------------------- */

static void time_runs_out(void **state)
{
    (void)state;
    for (int i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        for (int hub = 0; hub <= 1; hub++) {
            struct other o = { k, hub, hub, k->wait, CRESS_MS(2), 0, false, 0 };
            k->begin();
            start(&o);
            CHECK_EQ(finish(&o), -ETIMEDOUT);
            CHECK_EQ(lines_of(k->object), 0);
            o.timeout = 0;
            start(&o);
            int r = finish(&o);
            CHECK(r == -EAGAIN || (r == -ETIMEDOUT && k->wait == wait_event));
            o.timeout = -1;
            start(&o);
            r = finish(&o);
            CHECK(r == -EINVAL || k->wait == cond_wait_); /* that goes by a deadline */
            if (!k->meets) {                              /* what comes now is not lost */
                CHECK_EQ(k->help(0), 0);
                int left = k->left();
                CHECK(left == 1 || left == -1);
            }
        }
    }
}

static atomic_bool go_on;

static void *is_killed(void *arg)
{
    struct other *o = arg;
    o->result = o->call(o->timeout);
    return NULL;
}

static void a_kill_ends_it(void **state)
{
    (void)state;
    make_hub();
    for (int i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        struct other o = { .call = k->wait, .timeout = CRESS_FOREVER };
        /* The mutex has to be somebody else's. */
        k->begin();
        cress_greenlet *g = cress_spawn(is_killed, &o);
        CHECK(g != NULL);
        CHECK_EQ(cress_yield(), 0);
        CHECK_EQ(lines_of(k->object), 1);
        CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
        CHECK_EQ(o.result, -ECANCELED);
        CHECK_EQ(lines_of(k->object), 0);
        CHECK_EQ(cress_outcome(g), CRESS_KILLED);
        cress_unref(g);
        if (!k->meets) {
            CHECK_EQ(k->help(0), 0);
            int left = k->left();
            CHECK(left == 1 || left == -1);
        }
    }
}

/* Helped by another thread and killed before it runs: it has got it, and its next call is told. */
struct late {
    const struct kind *kind;
    bool goes_on;
    int first, second;
};

static void *is_killed_late(void *arg)
{
    struct late *l = arg;
    l->first = l->kind->wait(CRESS_FOREVER);
    l->second = l->goes_on ? cress_sleep(CRESS_SECONDS(10)) : 0;
    return NULL;
}

static void *helps(void *arg)
{
    const struct kind *k = arg;
    CHECK_EQ(k->help(0), 0);
    return NULL;
}

static void a_kill_that_comes_too_late_meets_the_next_call(void **state)
{
    (void)state;
    make_hub();
    for (int i = 0; i < 2 * KINDS; i++) {
        const struct kind *k = &kinds[i / 2];
        bool goes_on = i % 2;
        if (k->object == &the_mutex || k->wait == wait_event)
            continue; /* its helper is its owner; who only looks has been given nothing */
        struct late l = { k, goes_on, 1000, 1000 };
        pthread_t thread;
        k->begin();
        cress_greenlet *g = cress_spawn(is_killed_late, &l);
        CHECK(g != NULL);
        CHECK_EQ(cress_yield(), 0);
        CHECK_EQ(pthread_create(&thread, NULL, helps, (void *)(uintptr_t)k), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0); /* our hub has not looked meanwhile */
        CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
        CHECK_EQ(l.first, 0);
        CHECK_EQ(l.second, goes_on ? -ECANCELED : 0);
        /* No call has been told before the second: who makes none has returned. */
        CHECK_EQ(cress_outcome(g), goes_on ? CRESS_KILLED : CRESS_RETURNED);
        cress_unref(g);
        CHECK_LE(k->left(), 0);
    }
}

static int called_back(void *arg)
{
    calls(arg);
    return 0;
}

static void waiting_in_a_callback_is_refused_and_told(void **state)
{
    (void)state;
    make_hub();
    for (int i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        struct other o = { .call = k->wait, .timeout = CRESS_FOREVER };
        k->begin();
        if (k->wait == cond_wait_) {
            CHECK_EQ(cress_mutex_lock(&cond_mutex, 0), 0);
            CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
        }
        cress_callback node = { 0 };
        CHECK_EQ(cress_post(NULL, &node, called_back, &o), 0);
        CHECK_EQ(cress_yield(), 0);
        CHECK_EQ(o.result, -EPERM);
        CHECK_EQ(lines_of(k->object), 0);
        CHECK_EQ(told.count, 1);
        told.count = 0;
        if (!k->meets)
            CHECK_EQ(k->help(0), 0);
        k->left();
    }
}

/* --- what keeps a hub going ------------------------------------------------------------------ */

static void *waits_for_the_event(void *arg)
{
    *(int *)arg = cress_event_wait(&the_event, CRESS_FOREVER);
    return NULL;
}

static void who_waits_for_another_thread_is_no_deadlock(void **state)
{
    (void)state;
    make_hub();
    event_begin();
    sem_begin();
    int r = 1000;
    CHECK_EQ(cress_go(waits_for_the_event, &r), 0);
    CHECK_EQ(cress_run(CRESS_MS(2)), -ETIMEDOUT);
    CHECK_EQ(cress_event_set(&the_event), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(r, 0);
    cress_event own = { { 0 } }; /* nobody else's, and nobody waits for anything else */
    CHECK_EQ(cress_event_wait(&own, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(told.count, 1); /* the report names main */
    told.count = 0;
}

static void a_daemon_that_waits_keeps_nothing_going(void **state)
{
    (void)state;
    make_hub();
    event_begin();
    int r = 1000;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.daemon = true;
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, waits_for_the_event, &r, &g), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    cress_event own = { { 0 } };
    CHECK_EQ(cress_event_wait(&own, CRESS_FOREVER), -EDEADLK);
    told.count = 0;
    CHECK_EQ(cress_event_set(&the_event), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(r, 0);
    cress_unref(g);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void *stays(void *arg)
{
    const struct kind *k = arg;
    k->wait(CRESS_FOREVER);
    cress_shield shield = { { 0 } };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    k->wait(CRESS_FOREVER);
    return NULL;
}

/* Nothing it had been given is lost, and nobody helps who is not there. */
static void a_hub_that_ends_leaves_every_line(void **state)
{
    (void)state;
    for (int i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        if (k->object == &the_mutex)
            continue; /* its holder would have to be the hub that ends */
        make_hub();
        k->begin();
        cress_greenlet *g = cress_spawn(stays, (void *)(uintptr_t)k);
        CHECK(g != NULL);
        CHECK_EQ(cress_yield(), 0);
        CHECK_EQ(lines_of(k->object), 1);
        cress_unref(g);
        CHECK_EQ(cress_hub_destroy(0), 1); /* cancelled once, it waits behind its shield */
        CHECK_EQ(lines_of(k->object), 0);
        CHECK_EQ(told.count, 1);
        told.count = 0;
        if (!k->meets) {
            CHECK_EQ(k->help(0), 0);
            int left = k->left();
            CHECK(left == 1 || left == -1);
        }
    }
}

static void *locks_and_stays(void *arg)
{
    CHECK_EQ(cress_mutex_lock(arg, 0), 0);
    CHECK_EQ(cress_mutex_lock(&cond_mutex, 0), 0);
    return NULL;
}

static void *locks_in_a_greenlet(void *arg)
{
    cress_greenlet *g = cress_spawn(locks_and_stays, arg);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(cress_mutex_try_lock(&cond_mutex), -EOWNERDEAD); /* the thread goes on */
    return NULL;
}

static void whoever_gets_the_mutex_of_one_who_is_gone_is_told_once(void *(*holder)(void *))
{
    for (int waits = 0; waits <= 1; waits++) {
        struct other o = { .call = mutex_wait, .timeout = CRESS_FOREVER };
        pthread_t thread;
        CHECK_EQ(cress_mutex_init(&the_mutex, CRESS_SHARED | CRESS_RECURSIVE), 0);
        CHECK_EQ(cress_mutex_init(&cond_mutex, CRESS_SHARED), 0);
        CHECK_EQ(pthread_create(&thread, NULL, holder, &the_mutex), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(cress_mutex_lock(&the_mutex, 0), -EOWNERDEAD);
        CHECK(cress_mutex_owned(&the_mutex));
        CHECK_EQ(cress_mutex_lock(&the_mutex, 0), 0);
        if (waits)
            start(&o);
        if (waits)
            until_waited_for(&the_mutex, 1);
        CHECK_EQ(cress_mutex_unlock(&the_mutex), 0);
        CHECK_EQ(cress_mutex_unlock(&the_mutex), 0);
        CHECK_EQ(cress_mutex_unlock(&the_mutex), waits ? cress_mutex_unlock(&the_mutex) : -EPERM);
        if (waits)
            CHECK_EQ(finish(&o), 0); /* nobody is told twice */
        CHECK_EQ(cress_mutex_lock(&cond_mutex, CRESS_FOREVER), -EOWNERDEAD);
        CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
        CHECK_EQ(cress_mutex_lock(&cond_mutex, CRESS_FOREVER), 0);
        CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
    }
}

static void a_thread_that_ends_gives_up_its_mutexes(void **state)
{
    (void)state;
    whoever_gets_the_mutex_of_one_who_is_gone_is_told_once(locks_and_stays);
}

static void a_hub_that_ends_gives_up_its_mutexes(void **state)
{
    (void)state;
    whoever_gets_the_mutex_of_one_who_is_gone_is_told_once(locks_in_a_greenlet);
}

static int lock_and_keep(cress_time t)
{
    return cress_mutex_lock(&the_mutex, t);
}

static void *locks_until_told(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_mutex_lock(&the_mutex, 0), 0);
    atomic_store(&go_on, true);
    until_waited_for(&the_mutex, 1);
    return NULL;
}

static void who_waits_for_it_is_told_too(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        struct other o = { .hub = hub, .call = lock_and_keep, .timeout = CRESS_FOREVER };
        pthread_t thread;
        atomic_store(&go_on, false);
        CHECK_EQ(cress_mutex_init(&the_mutex, CRESS_SHARED), 0);
        CHECK_EQ(pthread_create(&thread, NULL, locks_until_told, NULL), 0);
        while (!atomic_load(&go_on))
            sched_yield();
        start(&o);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(finish(&o), -EOWNERDEAD);
        CHECK_EQ(cress_mutex_lock(&the_mutex, 0), -EOWNERDEAD); /* that one has ended as well */
        CHECK_EQ(cress_mutex_unlock(&the_mutex), 0);
    }
}

/* Main's own lock survives its hub: main does. */
static void main_keeps_its_mutex_when_its_hub_ends(void **state)
{
    (void)state;
    make_hub();
    CHECK_EQ(cress_mutex_init(&the_mutex, CRESS_SHARED), 0);
    CHECK_EQ(cress_mutex_lock(&the_mutex, 0), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK(cress_mutex_owned(&the_mutex));
    CHECK_EQ(cress_mutex_unlock(&the_mutex), 0);
    CHECK_EQ(cress_mutex_lock(&the_mutex, 0), 0);
    CHECK_EQ(cress_mutex_unlock(&the_mutex), 0);
}

/* The mutex's holder ends while a condition's waiter is on its way back. */
static void *signals_and_ends(void *arg)
{
    (void)arg;
    until_waited_for(&the_cond, 1);
    CHECK_EQ(cress_mutex_lock(&cond_mutex, CRESS_FOREVER), 0);
    CHECK_EQ(cress_cond_broadcast(&the_cond), 0);
    until_waited_for(&cond_mutex, 1);
    return NULL;
}

static void a_condition_whose_mutex_was_given_up_says_so(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        pthread_t thread;
        cond_begin();
        if (hub)
            make_hub();
        CHECK_EQ(cress_mutex_lock(&cond_mutex, 0), 0);
        CHECK_EQ(pthread_create(&thread, NULL, signals_and_ends, NULL), 0);
        CHECK_EQ(cress_cond_wait(&the_cond, &cond_mutex, CRESS_FOREVER), -EOWNERDEAD);
        CHECK(cress_mutex_owned(&cond_mutex));
        CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

/* --- a raw coroutine ------------------------------------------------------------------------- */

static void *signals(void *arg)
{
    CHECK_EQ(cress_mutex_lock(&cond_mutex, CRESS_FOREVER), 0);
    CHECK_EQ(cress_cond_signal(&the_cond), 0);
    until_waited_for(&cond_mutex, 1);
    CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
    return arg;
}

static void *cancelled_then_waits(void *arg, void *value)
{
    cress_timeout t = { { 0 } };
    pthread_t thread;
    CHECK_EQ(cress_timeout_start(&t, 0), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), -ECANCELED);
    CHECK(cress_timeout_stop(&t));
    cress_coro *parent = cress_coro_parent(cress_coro_current());
    CHECK_EQ(cress_coro_switch(parent, NULL, NULL), 0); /* meanwhile the hub ends */
    CHECK_EQ(cress_mutex_lock(&cond_mutex, CRESS_FOREVER), 0);
    CHECK_EQ(pthread_create(&thread, NULL, signals, NULL), 0);
    CHECK_EQ(cress_cond_wait(&the_cond, &cond_mutex, CRESS_FOREVER), 0);
    CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    *(bool *)arg = true;
    return value;
}

static void what_was_cancelled_in_a_hub_that_ended_can_wait_without_one(void **state)
{
    (void)state;
    bool over = false;
    cress_coro *co;
    cond_begin();
    CHECK_EQ(cress_coro_new(NULL, cancelled_then_waits, &over, &co), 0);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
    CHECK(over);
    CHECK(cress_hub_current() == NULL);
    CHECK_EQ(cress_coro_free(co), 0);
}

/* --- a child process ------------------------------------------------------------------------- */

static int in_child(int (*fn)(void))
{
    int status;
    pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0)
        _exit(fn());
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int all_say_owner_dead(void)
{
    for (int i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        if (k->object != &the_event || k->wait != event_wait)
            continue;
        CHECK_EQ(k->wait(CRESS_FOREVER), -EOWNERDEAD);
        CHECK_EQ(k->help(0), -EOWNERDEAD);
        CHECK(!cress_event_is_set(&the_event));
        k->begin();
        CHECK_EQ(k->help(0), 0);
        CHECK_EQ(k->wait(CRESS_FOREVER), 0);
    }
    return 7;
}

static cress_mutex held_here[2];

static int made_anew(void)
{
    CHECK_EQ(cress_mutex_init(&held_here[0], CRESS_SHARED), 0);
    CHECK_EQ(cress_mutex_lock(&held_here[0], 0), 0);
    CHECK_EQ(cress_mutex_unlock(&held_here[1]), 0);
    CHECK_EQ(cress_mutex_init(&held_here[1], 0), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(cress_mutex_unlock(&held_here[0]), 0);
    return 7;
}

static void who_forked_may_make_anew_what_it_holds(void **state)
{
    (void)state;
    make_hub();
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_mutex_init(&held_here[i], CRESS_SHARED), 0);
        CHECK_EQ(cress_mutex_lock(&held_here[i], 0), 0);
    }
    CHECK_EQ(in_child(made_anew), 7);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(cress_mutex_unlock(&held_here[i]), 0);
}

static void what_was_waited_for_is_not_whole_in_a_child(void **state)
{
    (void)state;
    struct other o = { .hub = true, .call = event_wait, .timeout = CRESS_FOREVER };
    event_begin();
    start(&o);
    until_waited_for(&the_event, 1);
    CHECK_EQ(in_child(all_say_owner_dead), 7);
    CHECK_EQ(cress_event_set(&the_event), 0);
    CHECK_EQ(finish(&o), 0);
}

static int works_as_ever(void)
{
    CHECK_EQ(cress_sem_acquire(&the_sem, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sem_acquire(&the_sem, 0), -EAGAIN);
#ifdef CRESS_TSAN
    fputs("no thread in the child: the thread sanitizer dies of it\n", stderr);
#else
    struct other o = { .hub = true, .call = sem_wait_, .timeout = CRESS_FOREVER };
    start(&o);
    until_waited_for(&the_sem, 1);
    CHECK_EQ(cress_sem_release(&the_sem), 0);
    CHECK_EQ(finish(&o), 0);
#endif
    CHECK_EQ(cress_mutex_lock(&the_mutex, 0), -EOWNERDEAD); /* of a thread that is not here */
    CHECK_EQ(cress_mutex_unlock(&the_mutex), 0);
    CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0); /* its own */
    return 8;
}

static void *locks_and_waits_to_end(void *arg)
{
    CHECK_EQ(cress_mutex_lock(arg, 0), 0);
    atomic_store(&go_on, true);
    while (atomic_load(&go_on))
        sched_yield();
    CHECK_EQ(cress_mutex_unlock(arg), 0);
    return NULL;
}

static void what_nobody_waited_for_works_in_a_child(void **state)
{
    (void)state;
    pthread_t thread;
    sem_begin();
    CHECK_EQ(cress_sem_release(&the_sem), 0);
    CHECK_EQ(cress_mutex_init(&the_mutex, CRESS_SHARED), 0);
    CHECK_EQ(cress_mutex_init(&cond_mutex, CRESS_SHARED), 0);
    CHECK_EQ(cress_mutex_lock(&cond_mutex, 0), 0);
    atomic_store(&go_on, false);
    CHECK_EQ(pthread_create(&thread, NULL, locks_and_waits_to_end, &the_mutex), 0);
    while (!atomic_load(&go_on))
        sched_yield();
    CHECK_EQ(in_child(works_as_ever), 8);
    atomic_store(&go_on, false);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
    CHECK_EQ(cress_sem_count(&the_sem), 1);
}

/* Greenlets that wait in the one who forks, and a case that stays linked. */
static cress_iwait linked;
static cress_case linked_case;

static int lets_go_of_all(void)
{
    cress_yield();
    cress_iwait_done(&linked);
    CHECK_EQ(cress_event_set(&the_event), -EOWNERDEAD);
    event_begin();
    CHECK_EQ(cress_event_set(&the_event), 0);
    CHECK_EQ(cress_event_wait(&the_event, CRESS_FOREVER), 0);
    return 9;
}

static void who_forks_lets_go_of_what_its_greenlets_waited_for(void **state)
{
    (void)state;
    int r = 1000;
    make_hub();
    event_begin();
    CHECK_EQ(cress_go(waits_for_the_event, &r), 0);
    linked_case = cress_on_event(&the_event);
    CHECK_EQ(cress_iwait_init(&linked, &linked_case, 1), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(in_child(lets_go_of_all), 9);
    CHECK_EQ(cress_event_set(&the_event), 0);
    CHECK_EQ(cress_iwait_next(&linked, CRESS_FOREVER), 0);
    cress_iwait_done(&linked);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(r, 0);
}

/* --- the rest -------------------------------------------------------------------------------- */

/* A choice of several shared things and others takes one. */
static void a_choice_may_mix_what_is_shared_with_what_is_not(void **state)
{
    (void)state;
    make_hub();
    sem_begin();
    cress_sem own = { { 0 } };
    struct other o = { .call = sem_help };
    for (int i = 0; i < 20; i++) {
        cress_case cases[] = { cress_on_sem(&the_sem), cress_on_sem(&own),
                               cress_on_timer(CRESS_MS(i == 19 ? 1 : 10000)) };
        if (i % 3 == 1)
            CHECK_EQ(cress_sem_release(&own), 0);
        if (i % 3 == 0 && i < 19)
            start(&o);
        if (i % 3 == 2)
            cases[2] = cress_on_timer(0);
        CHECK_EQ(cress_choose(cases, 3, CRESS_FOREVER), i == 19 ? 1 : i % 3);
        if (i % 3 == 0 && i < 19)
            CHECK_EQ(finish(&o), 0);
    }
    CHECK_EQ(cress_sem_count(&the_sem), 0);
    CHECK_EQ(cress_sem_count(&own), 0);
}

static uint64_t polls(void)
{
    cress_hub_counts counts = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &counts), 0);
    return counts.polls;
}

static void *fires_for_nothing(void *arg)
{
    cress_case_fire(arg);
    return NULL;
}

/* One choice that could meet itself does not, nor does it run in circles when it asks again. */
static void a_choice_does_not_meet_itself(void **state)
{
    (void)state;
    make_hub();
    chan_begin();
    void *item = NULL;
    cress_case cases[] = { cress_on_chan_send(&the_chan, &the_chan),
                           cress_on_chan_recv(&the_chan, &item) };
    uint64_t before = polls();
    CHECK_EQ(cress_go(fires_for_nothing, &cases[0]), 0);
    CHECK_EQ(cress_choose(cases, 2, CRESS_MS(20)), -ETIMEDOUT);
    uint64_t slept = polls() - before;
    CHECK(slept > 0 && slept < 20);
    struct other o = { .call = chan_send, .timeout = CRESS_FOREVER };
    start(&o);
    CHECK_EQ(cress_choose(cases, 2, CRESS_FOREVER), 1);
    CHECK(item == &the_chan);
    CHECK_EQ(finish(&o), 0);
}

static void closing_and_shutting_down_wake_all_threads(void **state)
{
    (void)state;
    for (int hub = 0; hub <= 1; hub++) {
        struct other get = { .hub = hub, .call = queue_get, .timeout = CRESS_FOREVER };
        struct other recv = { .hub = hub, .call = chan_recv, .timeout = CRESS_FOREVER };
        queue_begin();
        chan_begin();
        start(&get);
        start(&recv);
        until_waited_for(&the_queue, 1);
        until_waited_for(&the_chan, 1);
        CHECK_EQ(cress_queue_shutdown(&the_queue, false), 0);
        CHECK_EQ(cress_chan_close(&the_chan), 0);
        CHECK_EQ(finish(&get), -EPIPE);
        CHECK_EQ(finish(&recv), -EPIPE);
    }
}

static void *value_of(void *arg)
{
    return arg;
}

static void *follows(void *arg)
{
    cress_greenlet *g = cress_spawn(value_of, &the_result);
    CHECK(g != NULL);
    CHECK_EQ(cress_result_follow(&the_result, g), 0);
    cress_unref(g);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    atomic_store((atomic_bool *)arg, true);
    while (atomic_load((atomic_bool *)arg))
        sched_yield();
    CHECK_EQ(cress_result_clear(&the_result), 0);
    return NULL;
}

static void a_result_follows_a_greenlet_of_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    atomic_store(&go_on, false);
    result_begin();
    make_hub();
    CHECK_EQ(pthread_create(&thread, NULL, follows, &go_on), 0);
    CHECK_EQ(result_wait(CRESS_FOREVER), 0);
    while (!atomic_load(&go_on))
        sched_yield();
    cress_greenlet *g = cress_spawn(value_of, NULL);
    CHECK(g != NULL);
    CHECK_EQ(cress_result_follow(&the_result, g), -EXDEV);
    CHECK_EQ(cress_result_clear(&the_result), -EXDEV);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    atomic_store(&go_on, false);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void a_condition_and_its_mutex_are_both_shared_or_neither(void **state)
{
    (void)state;
    cond_begin();
    cress_mutex own = { { 0 } };
    cress_cond own_cond = { { 0 } };
    CHECK_EQ(cress_mutex_lock(&own, 0), 0);
    CHECK_EQ(cress_mutex_lock(&cond_mutex, 0), 0);
    CHECK_EQ(cress_cond_wait(&the_cond, &own, CRESS_FOREVER), -EINVAL);
    CHECK_EQ(cress_cond_wait(&own_cond, &cond_mutex, CRESS_FOREVER), -EINVAL);
    CHECK_EQ(cress_mutex_unlock(&cond_mutex), 0);
    CHECK_EQ(cress_mutex_unlock(&cond_mutex), -EPERM);
    CHECK_EQ(cress_mutex_unlock(&own), 0);
}

#define SHARED_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARED_TEST(a_thread_helps_a_thread),
        SHARED_TEST(a_hub_helps_a_thread),
        SHARED_TEST(a_thread_helps_the_main_of_a_hub),
        SHARED_TEST(a_hub_helps_a_greenlet_of_another_which_run_waits_for),
        SHARED_TEST(who_comes_late_need_not_wait),
        SHARED_TEST(time_runs_out),
        SHARED_TEST(a_kill_ends_it),
        SHARED_TEST(a_kill_that_comes_too_late_meets_the_next_call),
        SHARED_TEST(waiting_in_a_callback_is_refused_and_told),
        SHARED_TEST(who_waits_for_another_thread_is_no_deadlock),
        SHARED_TEST(a_daemon_that_waits_keeps_nothing_going),
        SHARED_TEST(a_hub_that_ends_leaves_every_line),
        SHARED_TEST(a_thread_that_ends_gives_up_its_mutexes),
        SHARED_TEST(a_hub_that_ends_gives_up_its_mutexes),
        SHARED_TEST(who_waits_for_it_is_told_too),
        SHARED_TEST(main_keeps_its_mutex_when_its_hub_ends),
        SHARED_TEST(a_condition_whose_mutex_was_given_up_says_so),
        SHARED_TEST(what_was_waited_for_is_not_whole_in_a_child),
        SHARED_TEST(what_nobody_waited_for_works_in_a_child),
        SHARED_TEST(who_forks_lets_go_of_what_its_greenlets_waited_for),
        SHARED_TEST(a_choice_may_mix_what_is_shared_with_what_is_not),
        SHARED_TEST(a_choice_does_not_meet_itself),
        SHARED_TEST(closing_and_shutting_down_wake_all_threads),
        SHARED_TEST(a_result_follows_a_greenlet_of_another_thread),
        SHARED_TEST(a_condition_and_its_mutex_are_both_shared_or_neither),
        SHARED_TEST(what_was_cancelled_in_a_hub_that_ended_can_wait_without_one),
        SHARED_TEST(who_forked_may_make_anew_what_it_holds),
    };
    return RUN_TESTS_APART(tests);
}
