/* Thread pools: room, results and who owns them, sizes, ends. */
#include "support/test.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "hub/apart.h"
#include "hub/told.h"
#include "hub/workers.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

static cress_threadpool *make(size_t threads)
{
    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    cress_threadpool *pool;
    o.threads = threads;
    o.idle = CRESS_MS(20);
    CHECK_EQ(cress_threadpool_new(&o, &pool), 0);
    return pool;
}

static cress_threadpool_counts counts_of(cress_threadpool *pool)
{
    cress_threadpool_counts counts = CRESS_THREADPOOL_COUNTS_INIT;
    CHECK_EQ(cress_threadpool_stats(pool, &counts), 0);
    return counts;
}

/* Without threads, so that nothing of it is left. */
static void unmake(cress_threadpool *pool)
{
    CHECK_EQ(cress_threadpool_join(pool, CRESS_SECONDS(20)), 0);
    SOON(counts_of(pool).threads == 0);
    CHECK_EQ(cress_threadpool_free(pool), 0);
}

static void *same(void *arg)
{
    return arg;
}

static cress_job *put(cress_threadpool *pool, cress_fn fn, void *arg)
{
    cress_job *job;
    CHECK_EQ(cress_threadpool_spawn(pool, fn, arg, NULL, CRESS_FOREVER, &job), 0);
    return job;
}

static void *value_of(cress_job *job)
{
    void *value = NULL;
    CHECK_EQ(cress_job_get(job, CRESS_SECONDS(20), &value), 0);
    return value;
}

/* n jobs that end when they are let go. */
static void fill(cress_threadpool *pool, struct held *held, int n)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(cress_threadpool_spawn(pool, hold_job, held, NULL, 0, NULL), 0);
}

static atomic_int discards;

static void discard(void *value)
{
    CHECK(value != NULL);
    atomic_fetch_add(&discards, 1);
}

/* --- room ------------------------------------------------------------------------------------ */

struct submitter {
    cress_threadpool *pool;
    struct held *held;
    int said;
    bool over;
};

static void *submits(void *arg)
{
    struct submitter *s = arg;
    s->said = cress_threadpool_spawn(s->pool, hold_job, s->held, NULL, CRESS_FOREVER, NULL);
    s->over = true;
    return NULL;
}

/* A greenlet that brings such a job, however long it takes. */
static void submit(struct submitter *s, cress_threadpool *pool, struct held *held)
{
    *s = (struct submitter){ .pool = pool, .held = held };
    CHECK_EQ(cress_go(submits, s), 0);
}

static void the_third_job_for_one_thread_waits_and_the_hub_does_not(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, CRESS_FOREVER, NULL), 0);
    held_begun(&held);
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, CRESS_FOREVER, NULL), 0);
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, 0, NULL), -EAGAIN);
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, CRESS_MS(1), NULL), -ETIMEDOUT);
    struct submitter third;
    submit(&third, pool, &held);
    for (int tick = 0; tick < 20; tick++)
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK(!third.over);
    CHECK_EQ(counts_of(pool).queued, 1);
    CHECK_EQ(counts_of(pool).jobs, 2);
    held_let_go(&held);
    held_begun(&held);
    SOON(cress_yield() == 0 && third.over);
    CHECK_EQ(third.said, 0);
    held_let_go(&held);
    held_let_go(&held);
    unmake(pool);
    CHECK_EQ(atomic_load(&held.ended), 3);
}

static void waiting_for_room_can_be_cancelled(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    fill(pool, &held, 2);
    struct submitter s = { .pool = pool, .held = &held };
    cress_greenlet *g = cress_spawn(submits, &s);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_threadpool_free(pool), -EBUSY);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(s.said, -ECANCELED);
    cress_unref(g);
    held_let_go(&held);
    held_let_go(&held);
    unmake(pool);
    CHECK_EQ(atomic_load(&held.calls), 2);
}

static void who_waits_for_room_is_let_in_in_order(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    fill(pool, &held, 2);
    struct submitter s[4];
    for (int i = 0; i < 4; i++)
        submit(&s[i], pool, &held);
    CHECK_EQ(cress_yield(), 0);
    for (int i = 0; i < 4; i++) {
        CHECK(!s[i].over);
        held_let_go(&held);
        SOON(cress_yield() == 0 && s[i].over);
    }
    held_let_go(&held);
    held_let_go(&held);
    unmake(pool);
}

static void raising_the_size_from_nothing_lets_submitters_in(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    struct submitter s[2];
    for (int i = 0; i < 2; i++)
        submit(&s[i], pool, &held);
    CHECK_EQ(cress_yield(), 0);
    CHECK(!s[0].over);
    CHECK_EQ(counts_of(pool).threads, 0);
    CHECK_EQ(cress_threadpool_set_size(pool, 1), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK(s[0].over && s[1].over);
    held_begun(&held);
    held_let_go(&held);
    held_let_go(&held);
    unmake(pool);
    CHECK_EQ(atomic_load(&held.calls), 2);
}

static void with_size_0_queued_jobs_wait(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    fill(pool, &held, 2);
    held_begun(&held);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    held_let_go(&held);
    SOON(counts_of(pool).threads == 0);
    CHECK_EQ(counts_of(pool).queued, 1);
    CHECK_EQ(atomic_load(&held.calls), 1);
    CHECK_EQ(cress_threadpool_set_size(pool, 1), 0);
    held_begun(&held);
    held_let_go(&held);
    unmake(pool);
}

static void sizes_have_a_limit(void **state)
{
    (void)state;
    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    cress_threadpool *pool;
    o.threads = 1;
    o.max_threads = 2;
    CHECK_EQ(cress_threadpool_new(&o, &pool), 0);
    CHECK_EQ(cress_threadpool_set_size(pool, 3), -EINVAL);
    CHECK_EQ(counts_of(pool).most, 1);
    CHECK_EQ(cress_threadpool_set_size(pool, 2), 0);
    CHECK_EQ(counts_of(pool).most, 2);
    struct held held;
    held_init(&held);
    fill(pool, &held, 4); /* two run, two are queued */
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, 0, NULL), -EAGAIN);
    held_begun(&held);
    held_begun(&held);
    CHECK_EQ(cress_threadpool_set_size(pool, 1), 0);
    for (int i = 0; i < 3; i++)
        held_let_go(&held);
    SOON(cress_yield() == 0 && counts_of(pool).jobs == 1);
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, 0, NULL), 0);
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, 0, NULL), -EAGAIN);
    held_let_go(&held);
    held_let_go(&held);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_SECONDS(20)), 0);
    CHECK_EQ(counts_of(pool).threads, 1);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    SOON(counts_of(pool).threads == 0);
    CHECK_EQ(cress_threadpool_free(pool), 0);
    o.threads = 3;
    CHECK_EQ(cress_threadpool_new(&o, &pool), -EINVAL);
    o.threads = 1;
    o.idle = -1;
    CHECK_EQ(cress_threadpool_new(&o, &pool), -EINVAL);
    o.size = 0;
    CHECK_EQ(cress_threadpool_new(&o, &pool), -EINVAL);
    CHECK_EQ(cress_threadpool_new(NULL, NULL), -EINVAL);
}

/* --- threads --------------------------------------------------------------------------------- */

static void idle_threads_end_and_come_again(void **state)
{
    (void)state;
    cress_threadpool *pool = make(3);
    for (int round = 0; round < 3; round++) {
        struct held held;
        held_init(&held);
        CHECK_EQ(counts_of(pool).threads, 0);
        fill(pool, &held, 3);
        for (int i = 0; i < 3; i++)
            held_begun(&held);
        CHECK_EQ(counts_of(pool).threads, 3);
        for (int i = 0; i < 3; i++)
            held_let_go(&held);
        CHECK_EQ(cress_threadpool_join(pool, CRESS_SECONDS(20)), 0);
        SOON(counts_of(pool).threads == 0);
    }
    unmake(pool);
}

static void a_thread_that_waits_is_used_before_another_one_is_made(void **state)
{
    (void)state;
    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    cress_threadpool *pool;
    o.threads = 4;
    CHECK_EQ(cress_threadpool_new(&o, &pool), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(cress_threadpool_apply(pool, same, NULL, NULL, NULL), 0);
        SOON(counts_of(pool).idle == 1);
        CHECK_EQ(counts_of(pool).threads, 1);
    }
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    unmake(pool);
}

static void threads_that_wait_are_all_woken(void **state)
{
    (void)state;
    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    cress_threadpool *pool;
    struct held held;
    o.threads = 3;
    CHECK_EQ(cress_threadpool_new(&o, &pool), 0);
    held_init(&held);
    for (int round = 0; round < 20; round++) {
        fill(pool, &held, 3);
        for (int i = 0; i < 3; i++)
            held_begun(&held); /* all three at once, though each holds its thread */
        for (int i = 0; i < 3; i++)
            held_let_go(&held);
        CHECK_EQ(cress_threadpool_join(pool, CRESS_SECONDS(20)), 0);
        SOON(counts_of(pool).idle == 3);
    }
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    unmake(pool);
}

static void *name_here(void *arg)
{
    CHECK_EQ(pthread_getname_np(pthread_self(), arg, 16), 0);
    return arg;
}

static void threads_have_the_name_of_the_pool(void **state)
{
    (void)state;
    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    cress_threadpool *pool;
    char name[16];
    o.name = "a-name-that-is-too-long";
    o.stack_size = 1; /* at least what the system wants */
    o.idle = CRESS_MS(5);
    CHECK_EQ(cress_threadpool_new(&o, &pool), 0);
    sigset_t before, after;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
    CHECK_EQ(cress_threadpool_apply(pool, name_here, name, NULL, NULL), 0);
    CHECK_STR(name, "a-name-that-is-");
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    CHECK_MEM(&before, &after, sizeof(uint64_t)); /* which starting it has changed for a moment */
    CHECK_EQ(sigismember(&after, SIGTERM), 0);
    unmake(pool);
}

/* --- results --------------------------------------------------------------------------------- */

static void a_job_has_a_result_for_any_number_of_getters(void **state)
{
    (void)state;
    cress_threadpool *pool = make(2);
    cress_job *job = put(pool, same, "value");
    for (int i = 0; i < 3; i++)
        CHECK_STR(value_of(job), "value");
    CHECK(cress_job_ready(job));
    CHECK_EQ(cress_job_get(job, 0, NULL), 0);
    cress_job_free(job);
    CHECK(!cress_job_ready(NULL));
    CHECK_EQ(cress_job_get(NULL, 0, NULL), -EINVAL);
    CHECK_EQ(cress_threadpool_spawn(pool, NULL, NULL, NULL, 0, NULL), -EINVAL);
    CHECK_EQ(cress_threadpool_spawn(pool, same, NULL, NULL, -1, NULL), -EINVAL);
    unmake(pool);
}

static void getting_has_a_limit_and_the_job_goes_on(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    cress_job *job = put(pool, hold_job, &held);
    CHECK_EQ(cress_job_get(job, 0, NULL), -EAGAIN);
    CHECK_EQ(cress_job_get(job, CRESS_MS(1), NULL), -ETIMEDOUT);
    CHECK(!cress_job_ready(job));
    held_let_go(&held);
    CHECK(value_of(job) == &held);
    cress_job_free(job);
    unmake(pool);
}

static void a_job_can_be_waited_for_beside_others(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    cress_job *job = put(pool, hold_job, &held);
    cress_case cases[] = { cress_on_job(job), cress_on_timer(CRESS_MS(1)), cress_on_job(NULL) };
    CHECK_EQ(cress_choose(cases, 3, CRESS_FOREVER), 1);
    held_let_go(&held);
    CHECK_EQ(cress_choose(cases, 1, CRESS_SECONDS(20)), 0);
    cress_job_free(job);
    unmake(pool);
}

static void *gets(void *arg)
{
    return (void *)(intptr_t)cress_job_get(arg, CRESS_FOREVER, NULL);
}

static void killed_who_waits_leaves_at_once_and_the_result_is_discarded(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    atomic_store(&discards, 0);
    cress_job *job;
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, discard, 0, &job), 0);
    held_begun(&held);
    cress_greenlet *g = cress_spawn(gets, job);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0); /* at once: the job is held */
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
    cress_job_free(job);
    CHECK_EQ(atomic_load(&discards), 0);
    held_let_go(&held);
    unmake(pool);
    CHECK_EQ(atomic_load(&discards), 1);
}

static void what_nobody_got_is_discarded_with_the_handle(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    atomic_store(&discards, 0);
    cress_job *job;
    CHECK_EQ(cress_threadpool_spawn(pool, same, "value", discard, 0, &job), 0);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&discards), 0);
    cress_job_free(job);
    CHECK_EQ(atomic_load(&discards), 1);
    CHECK_EQ(cress_threadpool_spawn(pool, same, "value", discard, 0, &job), 0);
    CHECK_STR(value_of(job), "value");
    cress_job_free(job); /* it is ours */
    CHECK_EQ(atomic_load(&discards), 1);
    CHECK_EQ(cress_threadpool_spawn(pool, same, "value", discard, 0, NULL), 0);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&discards), 2);
    unmake(pool);
}

enum { ROUNDS = 10000 };

/* Have this thread run on the first processor there is for us, or the second; where there is one
 * only, it stays where it is. Left to itself a worker that is woken runs where its waker does. */
static void run_on(const cpu_set_t *allowed, int index)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, allowed) && index-- == 0)
            CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one); /* with none in it, it is refused */
}

static void *runs_on_the_second(void *allowed)
{
    run_on(allowed, 1);
    return NULL;
}

/* A job and who gives its handle up meet, each time at another moment. */
struct meeting {
    pthread_t owner;
    atomic_int call, answer;
    atomic_bool go;
    bool by_owner; /* who discarded it */
};

static void *meets(void *arg)
{
    struct meeting *m = arg;
    for (int spins = 0; !atomic_load(&m->go); spins++) {
        int call = atomic_load(&m->call);
        if (call != atomic_load(&m->answer))
            spins = 0;
        atomic_store(&m->answer, call);
        if (spins > 2000)
            sched_yield();
    }
    return m;
}

/* The job has begun and, if there is another processor for it, runs right now. */
static void meet(struct meeting *m)
{
    for (int call = 1; atomic_load(&m->answer) == 0 || call < 5; call++) {
        atomic_store(&m->call, call);
        for (int spins = 0; spins < 200; spins++)
            if (atomic_load(&m->answer) == call)
                return;
        sched_yield();
    }
}

static void discard_meeting(void *value)
{
    struct meeting *m = value;
    m->by_owner = pthread_equal(m->owner, pthread_self());
    discard(m);
}

/* When the handle is given up creeps up to the moment in which the job ends: later each time it was
 * too early, else earlier; in turns of an empty loop. */
static void a_result_given_up_just_when_it_comes_is_discarded_once(void **state)
{
    (void)state;
    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    cress_threadpool *pool;
    o.threads = 1;
    CHECK_EQ(cress_threadpool_new(&o, &pool), 0);
    cpu_set_t allowed;
    CHECK_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    run_on(&allowed, 0);
    CHECK_EQ(cress_threadpool_apply(pool, runs_on_the_second, &allowed, NULL, NULL), 0);
    atomic_store(&discards, 0);
    int by_owner = 0, delay = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct meeting m = { .owner = pthread_self() };
        cress_job *job;
        CHECK_EQ(cress_threadpool_spawn(pool, meets, &m, discard_meeting, 0, &job), 0);
        meet(&m);
        atomic_store(&m.go, true);
        for (volatile int wait = delay; wait > 0; wait--)
            continue;
        cress_job_free(job);
        CHECK_EQ(cress_threadpool_join(pool, CRESS_SECONDS(20)), 0);
        CHECK_EQ(atomic_load(&discards), i + 1);
        by_owner += m.by_owner;
        delay += m.by_owner ? -delay / 8 : 1 + delay / 16;
        if (delay > 10000)
            delay = 0; /* the worker was interrupted, each time, or there is one processor */
    }
    printf("%d of %d by the owner\n", by_owner, ROUNDS);
    CHECK_EQ(sched_setaffinity(0, sizeof allowed, &allowed), 0);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    unmake(pool);
}

static void each_result_is_discarded_or_got_exactly_once(void **state)
{
    (void)state;
    cress_threadpool *pool = make(2);
    atomic_store(&discards, 0);
    int got = 0;
    for (int i = 0; i < ROUNDS; i++) {
        cress_job *job;
        CHECK_EQ(cress_threadpool_spawn(pool, same, "value", discard, CRESS_FOREVER, &job), 0);
        for (volatile int wait = i % 300; wait > 0; wait--)
            continue;
        got += cress_job_get(job, 0, NULL) == 0;
        cress_job_free(job);
    }
    CHECK_EQ(cress_threadpool_join(pool, CRESS_SECONDS(20)), 0);
    CHECK_EQ(atomic_load(&discards) + got, ROUNDS);
    unmake(pool);
}

/* --- apply ----------------------------------------------------------------------------------- */

struct applied {
    cress_threadpool *pool;
    struct held *held;
    bool unwanted;
    int said, next;
    void *value;
};

static void *applies(void *arg)
{
    struct applied *a = arg;
    void **value = a->unwanted ? NULL : &a->value;
    a->said = cress_threadpool_apply(a->pool, hold_job, a->held, discard, value);
    a->next = cress_yield();
    return NULL;
}

static void apply_waits_for_the_value(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    void *value = NULL;
    atomic_store(&discards, 0);
    CHECK_EQ(cress_threadpool_apply(pool, same, "value", discard, &value), 0);
    CHECK_STR(value, "value");
    CHECK_EQ(atomic_load(&discards), 0);
    CHECK_EQ(cress_threadpool_apply(pool, same, "value", discard, NULL), 0);
    CHECK_EQ(atomic_load(&discards), 1);
    CHECK_EQ(cress_threadpool_apply(pool, NULL, NULL, NULL, NULL), -EINVAL);
    unmake(pool);
}

static void a_cancelled_apply_leaves_the_job_to_itself(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    atomic_store(&discards, 0);
    struct applied a[2]; /* one runs, one is queued */
    cress_greenlet *g[2];
    for (int i = 0; i < 2; i++) {
        a[i] = (struct applied){ .pool = pool, .held = &held };
        g[i] = cress_spawn(applies, &a[i]);
    }
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    CHECK_EQ(cress_killall(g, 2, CRESS_FOREVER), 0);
    held_let_go(&held);
    held_let_go(&held);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_SECONDS(20)), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(a[i].said, -ECANCELED);
        CHECK(a[i].value == NULL);
        cress_unref(g[i]);
    }
    CHECK_EQ(atomic_load(&held.ended), 2);
    CHECK_EQ(atomic_load(&discards), 2);
    unmake(pool);
}

struct kills_after {
    cress_job *job;
    cress_greenlet *victim;
};

static void *kills_after(void *arg)
{
    struct kills_after *k = arg;
    CHECK_EQ(cress_job_get(k->job, CRESS_FOREVER, NULL), 0);
    CHECK_EQ(cress_kill(k->victim, 0), 0);
    return NULL;
}

/* Both jobs are there when the hub looks: who waits for the second is woken, and killed by who
 * waits for the first before it runs. */
static void apply_killed_when_its_job_is_back(struct applied *a)
{
    struct held first;
    held_init(&first);
    struct kills_after k = { .job = put(a->pool, hold_job, &first) };
    k.victim = cress_spawn(applies, a);
    CHECK_EQ(cress_go(kills_after, &k), 0);
    CHECK_EQ(cress_yield(), 0);
    held_let_go(&first);
    held_let_go(a->held);
    SOON(counts_of(a->pool).threads == 0);
    CHECK_EQ(counts_of(a->pool).jobs, 2);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(a->next, -ECANCELED);
    cress_unref(k.victim);
    cress_job_free(k.job);
}

static void what_apply_was_given_it_has_though_it_is_killed_then(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    atomic_store(&discards, 0);
    struct applied a = { .pool = pool, .held = &held };
    apply_killed_when_its_job_is_back(&a);
    CHECK_EQ(a.said, 0);
    CHECK(a.value == &held);
    CHECK_EQ(atomic_load(&discards), 0);
    a.unwanted = true;
    apply_killed_when_its_job_is_back(&a);
    CHECK_EQ(a.said, 0);
    CHECK_EQ(atomic_load(&discards), 1);
    unmake(pool);
}

static void *applies_again(void *arg)
{
    void *value = NULL;
    CHECK_EQ(cress_threadpool_apply(arg, same, "within", NULL, &value), 0);
    CHECK_EQ(cress_threadpool_spawn(arg, same, NULL, NULL, 0, NULL), -EXDEV);
    void *values[2], *args[2] = { "a", "b" };
    CHECK_EQ(cress_threadpool_map(arg, same, args, 2, values), 0);
    CHECK_STR(values[1], "b");
    return value;
}

static void apply_in_a_worker_is_direct(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    void *value = NULL;
    CHECK_EQ(cress_threadpool_apply(pool, applies_again, pool, NULL, &value), 0);
    CHECK_STR(value, "within");
    unmake(pool);
}

static struct told told;

static int apply_in_callback(void *arg)
{
    CHECK_EQ(cress_threadpool_apply(arg, same, NULL, NULL, NULL), -EPERM);
    CHECK_EQ(cress_threadpool_map(arg, same, NULL, 0, NULL), -EPERM);
    CHECK_EQ(cress_threadpool_spawn(arg, same, NULL, NULL, 0, NULL), 0); /* there is room */
    return 0;
}

static void callbacks_may_spawn_and_not_wait(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    cress_callback node = { 0 };
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_post(NULL, &node, apply_in_callback, pool), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(told.count, 2);
    unmake(pool);
}

/* --- map ------------------------------------------------------------------------------------- */

enum { ITEMS = 100 };

static atomic_int running, most_running;

static void *square(void *arg)
{
    int now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&most_running);
    while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now))
        continue;
    usleep(100);
    atomic_fetch_sub(&running, 1);
    intptr_t n = (intptr_t)arg;
    return (void *)(n * n);
}

static void map_keeps_the_order(void **state)
{
    (void)state;
    cress_threadpool *pool = make(3);
    void *args[ITEMS], *results[ITEMS];
    for (intptr_t i = 0; i < ITEMS; i++)
        args[i] = (void *)i;
    atomic_store(&most_running, 0);
    CHECK_EQ(cress_threadpool_map(pool, square, args, ITEMS, results), 0);
    for (intptr_t i = 0; i < ITEMS; i++)
        CHECK_EQ((intptr_t)results[i], i * i);
    CHECK_LE(atomic_load(&most_running), 3);
    CHECK_GE(atomic_load(&most_running), 2);
    CHECK_EQ(cress_threadpool_map(pool, square, args, ITEMS, NULL), 0);
    CHECK_EQ(cress_threadpool_map(pool, square, NULL, 0, NULL), 0);
    CHECK_EQ(cress_threadpool_map(pool, square, NULL, 1, NULL), -EINVAL);
    unmake(pool);
}

struct mapped {
    cress_threadpool *pool;
    void *args[5], *results[5];
    int said;
};

static void *maps(void *arg)
{
    struct mapped *m = arg;
    m->said = cress_threadpool_map(m->pool, hold_job, m->args, 5, m->results);
    return NULL;
}

static void a_cancelled_map_waits_for_what_runs_and_begins_no_more(void **state)
{
    (void)state;
    cress_threadpool *pool = make(2);
    struct held held;
    held_init(&held);
    struct mapped m = { .pool = pool };
    for (int i = 0; i < 5; i++)
        m.args[i] = &held;
    cress_greenlet *g = cress_spawn(maps, &m);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    held_begun(&held);
    CHECK_EQ(cress_threadpool_free(pool), -EBUSY);
    CHECK_EQ(cress_kill(g, CRESS_MS(1)), -ETIMEDOUT);
    held_let_go(&held);
    held_let_go(&held);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(20)), 0);
    CHECK_EQ(m.said, -ECANCELED);
    CHECK(m.results[0] == &held && m.results[1] == &held);
    for (int i = 2; i < 5; i++)
        CHECK(m.results[i] == NULL);
    CHECK_EQ(atomic_load(&held.calls), 2);
    cress_unref(g);
    unmake(pool);
}

/* --- whose it is ----------------------------------------------------------------------------- */

struct foreign {
    cress_threadpool *pool;
    cress_job *job;
};

static void *from_elsewhere(void *arg)
{
    struct foreign *f = arg;
    cress_threadpool_counts counts = CRESS_THREADPOOL_COUNTS_INIT;
    CHECK_EQ(cress_threadpool_spawn(f->pool, same, NULL, NULL, 0, NULL), -EXDEV);
    CHECK_EQ(cress_threadpool_apply(f->pool, same, NULL, NULL, NULL), -EXDEV);
    CHECK_EQ(cress_threadpool_map(f->pool, same, NULL, 0, NULL), -EXDEV);
    CHECK_EQ(cress_threadpool_join(f->pool, 0), -EXDEV);
    CHECK_EQ(cress_threadpool_set_size(f->pool, 1), -EXDEV);
    CHECK_EQ(cress_threadpool_stats(f->pool, &counts), -EXDEV);
    CHECK_EQ(cress_threadpool_free(f->pool), -EXDEV);
    CHECK_EQ(cress_job_get(f->job, 0, NULL), -EXDEV);
    CHECK(cress_hub_current() == NULL);
    cress_job_free(f->job); /* this may be anybody's */
    return NULL;
}

static void another_thread_may_not_use_it(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    atomic_store(&discards, 0);
    struct foreign f = { .pool = pool };
    CHECK_EQ(cress_threadpool_spawn(pool, same, "value", discard, 0, &f.job), 0);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_FOREVER), 0);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, from_elsewhere, &f), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(atomic_load(&discards), 1);
    unmake(pool);
}

static void *waits_elsewhere(void *arg)
{
    cress_case c = cress_on_job(arg);
    cress_iwait iwait;
    CHECK_EQ(cress_wait(&c, 1, 1, 0, NULL), -EXDEV);
    CHECK_EQ(cress_wait(&c, 1, 1, CRESS_MS(1), NULL), -EXDEV);
    CHECK_EQ(cress_choose(&c, 1, CRESS_MS(1)), -EXDEV);
    CHECK_EQ(cress_iwait_init(&iwait, &c, 1), -EXDEV);
    return NULL;
}

static void another_thread_may_not_wait_for_its_jobs(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    pthread_t thread;
    cress_job *job = put(pool, hold_job, &held);
    CHECK_EQ(pthread_create(&thread, NULL, waits_elsewhere, job), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    held_let_go(&held);
    CHECK(value_of(job) == &held);
    CHECK_EQ(pthread_create(&thread, NULL, waits_elsewhere, job), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    cress_job_free(job);
    unmake(pool);
}

/* --- daemons --------------------------------------------------------------------------------- */

/* Has put in a job that is held and one that comes then, and waits. */
struct daemon {
    cress_threadpool *pool;
    struct held held;
    cress_job *job;
    cress_greenlet *g;
};

static void *puts_and_sleeps(void *arg)
{
    struct daemon *d = arg;
    d->job = put(d->pool, hold_job, &d->held);
    CHECK_EQ(cress_threadpool_spawn(d->pool, same, NULL, NULL, 0, NULL), 0); /* no room is left */
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    return NULL;
}

static void daemon_begin(struct daemon *d)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    *d = (struct daemon){ .pool = make(1) };
    held_init(&d->held);
    o.daemon = true;
    CHECK_EQ(cress_spawn_with(&o, puts_and_sleeps, d, &d->g), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&d->held);
}

static void daemon_end(struct daemon *d)
{
    CHECK_EQ(cress_kill(d->g, CRESS_FOREVER), 0);
    cress_unref(d->g);
    cress_job_free(d->job);
    unmake(d->pool);
}

static void *lets_go(void *arg)
{
    usleep(3000); /* they have begun to wait */
    held_let_go(arg);
    return NULL;
}

static pthread_t let_go_soon(struct held *held)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, lets_go, held), 0);
    return thread;
}

static void a_daemons_job_keeps_nobody(void **state)
{
    (void)state;
    struct daemon d;
    daemon_begin(&d);
    cress_case c = cress_on_job(d.job);
    CHECK_EQ(cress_wait(&c, 1, 1, CRESS_MS(1), NULL), 0); /* who has waited does not either */
    CHECK_EQ(cress_job_get(d.job, CRESS_MS(1), NULL), -ETIMEDOUT);
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
    held_let_go(&d.held);
    daemon_end(&d);
}

static int gets_from_main(struct daemon *d)
{
    return cress_job_get(d->job, CRESS_FOREVER, NULL);
}

static int joins_from_main(struct daemon *d)
{
    return cress_threadpool_join(d->pool, CRESS_FOREVER);
}

static int waits_from_main(struct daemon *d)
{
    cress_case c = cress_on_job(d->job);
    return cress_wait(&c, 1, 1, CRESS_FOREVER, NULL) == 1 ? 0 : -1;
}

static int chooses_from_main(struct daemon *d)
{
    cress_case c = cress_on_job(d->job);
    return cress_choose(&c, 1, CRESS_FOREVER);
}

static int iterates_from_main(struct daemon *d)
{
    cress_case c = cress_on_job(d->job);
    cress_iwait iwait;
    CHECK_EQ(cress_iwait_init(&iwait, &c, 1), 0);
    ssize_t index = cress_iwait_next(&iwait, CRESS_FOREVER);
    cress_iwait_done(&iwait);
    return (int)index;
}

static int waits_for_room(struct daemon *d)
{
    return cress_threadpool_spawn(d->pool, same, NULL, NULL, CRESS_FOREVER, NULL);
}

static int runs_who_waits(struct daemon *d)
{
    cress_greenlet *g = cress_spawn(gets, d->job);
    int left = cress_run(CRESS_FOREVER);
    CHECK_EQ(cress_ready(g), left == 0);
    cress_unref(g);
    return left;
}

static void who_waits_for_a_daemons_job_is_told_of_no_deadlock(void **state)
{
    (void)state;
    static int (*const waits[])(struct daemon *) = {
        gets_from_main,     joins_from_main, waits_from_main, chooses_from_main,
        iterates_from_main, waits_for_room,  runs_who_waits,
    };
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct daemon d;
        daemon_begin(&d);
        pthread_t thread = let_go_soon(&d.held);
        CHECK_EQ(waits[i](&d), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        daemon_end(&d);
    }
}

/* --- ends ------------------------------------------------------------------------------------ */

static void run_waits_for_jobs(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, 0, NULL), 0);
    CHECK_EQ(cress_run(CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(cress_threadpool_join(pool, 0), -EAGAIN);
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_threadpool_join(pool, 0), 0);
    unmake(pool);
}

static void a_pool_that_nobody_can_raise_is_a_deadlock(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    CHECK_EQ(cress_threadpool_spawn(pool, same, NULL, NULL, CRESS_FOREVER, NULL), -EDEADLK);
    unmake(pool);
}

static void who_waits_for_what_is_queued_without_threads_is_told_of_the_deadlock(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    cress_job *job;
    void *args[3] = { "a", "b", "c" }, *results[3] = { pool, pool, pool };
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    struct held held;
    held_init(&held);
    fill(pool, &held, 1);
    held_begun(&held);
    CHECK_EQ(cress_threadpool_spawn(pool, same, "value", discard, 0, &job), 0);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    pthread_t thread = let_go_soon(&held);
    atomic_store(&discards, 0);
    CHECK_EQ(cress_job_get(job, CRESS_FOREVER, NULL), -EDEADLK); /* when the first has come back */
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(atomic_load(&held.ended), 1);
    CHECK_EQ(counts_of(pool).jobs, 1);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_threadpool_apply(pool, same, "applied", discard, NULL), -EDEADLK);
    CHECK_EQ(counts_of(pool).queued, 2);
    CHECK_EQ(cress_threadpool_map(pool, same, args, 3, results), -EDEADLK);
    CHECK(results[0] == NULL && results[1] == NULL && results[2] == NULL);
    CHECK_EQ(counts_of(pool).queued, 2);
    cress_case c = cress_on_job(job);
    CHECK_EQ(cress_wait(&c, 1, 1, CRESS_FOREVER, NULL), -EDEADLK);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&discards), 0);
    CHECK_EQ(cress_threadpool_set_size(pool, 1), 0);
    CHECK_STR(value_of(job), "value");
    cress_job_free(job);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&discards), 1); /* what was applied in vain */
    unmake(pool);
}

static void *raises_later(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(cress_threadpool_set_size(arg, 1), 0);
    return NULL;
}

static void who_waits_for_what_is_queued_can_be_helped(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    void *value, *args[3] = { "a", "b", "c" }, *results[3];
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
        CHECK_EQ(cress_go(raises_later, pool), 0);
        if (i == 0)
            CHECK_EQ(cress_threadpool_apply(pool, same, "value", NULL, &value), 0);
        else
            CHECK_EQ(cress_threadpool_map(pool, same, args, 3, results), 0);
    }
    CHECK_STR(value, "value");
    CHECK_STR(results[2], "c");
    unmake(pool);
}

static void a_map_in_a_greenlet_stays_blocked_and_goes_on(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    struct mapped m = { .pool = pool, .said = 1 };
    for (int i = 0; i < 5; i++)
        m.args[i] = &held;
    CHECK_EQ(cress_go(maps, &m), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 2); /* it, and who waits for the second */
    CHECK_EQ(m.said, 1);
    for (int i = 1; i < 5; i++)
        held_let_go(&held);
    CHECK_EQ(cress_threadpool_set_size(pool, 1), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(m.said, 0);
    CHECK_EQ(atomic_load(&held.ended), 5);
    unmake(pool);
}

static void a_freed_pool_brings_its_jobs_to_their_end(void **state)
{
    (void)state;
    CHECK_EQ(cress_yield(), 0); /* there is a hub */
    size_t blocks = cress__alloc_live();
    cress_threadpool *pool = make(1);
    struct held held;
    held_init(&held);
    cress_job *job = put(pool, hold_job, &held);
    CHECK_EQ(cress_threadpool_spawn(pool, hold_job, &held, NULL, 0, NULL), 0);
    held_begun(&held);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0); /* is raised for what is queued */
    CHECK_EQ(cress_threadpool_free(pool), 0);
    held_let_go(&held);
    held_let_go(&held);
    CHECK(value_of(job) == &held); /* handles stay good */
    cress_job_free(job);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&held.ended), 2);
    SOON(cress__alloc_live() == blocks);
    CHECK_EQ(cress_threadpool_free(NULL), 0);
    cress_job_free(NULL);
}

static struct held left;
static cress_threadpool *left_pool;
static cress_job *left_job;

static void *sleeps(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void leave_a_pool(void)
{
    left_pool = make(1);
    CHECK_EQ(cress_threadpool_spawn(left_pool, hold_job, &left, discard, 0, &left_job), 0);
    CHECK_EQ(cress_threadpool_spawn(left_pool, same, "value", discard, 0, NULL), 0);
    CHECK_EQ(cress_threadpool_spawn(left_pool, same, NULL, NULL, 0, NULL), -EAGAIN);
    held_begun(&left);
    CHECK_EQ(cress_go(sleeps, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0); /* waits for greenlets, not for jobs */
    CHECK_EQ(cress_threadpool_spawn(left_pool, same, NULL, NULL, 0, NULL), -EOWNERDEAD);
    CHECK_EQ(cress_job_get(left_job, 0, NULL), -EOWNERDEAD);
    cress_case c = cress_on_job(left_job);
    CHECK_EQ(cress_wait(&c, 1, 1, CRESS_MS(1), NULL), -EOWNERDEAD);
}

static void a_pool_outlives_its_hub_without_being_of_use(void **state)
{
    (void)state;
    size_t blocks = cress__alloc_live();
    held_init(&left);
    atomic_store(&discards, 0);
    apart(leave_a_pool);
    CHECK_EQ(cress_threadpool_apply(left_pool, same, NULL, NULL, NULL), -EOWNERDEAD);
    CHECK_EQ(cress_threadpool_free(left_pool), 0);
    held_let_go(&left);
    SOON(atomic_load(&discards) == 1);
    CHECK(!cress_job_ready(left_job));
    SOON(atomic_load(&left.ended) == 1);
    cress_job_free(left_job);
    SOON(cress__alloc_live() == blocks);
    CHECK_EQ(atomic_load(&discards), 2);
}

/* --- fork ------------------------------------------------------------------------------------ */

static struct foreign forked;

static void use_in_child(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_job_get(forked.job, CRESS_SECONDS(5), NULL), -EOWNERDEAD);
    cress_job_free(forked.job);
    CHECK_EQ(counts_of(forked.pool).jobs, 0);
    CHECK_EQ(counts_of(forked.pool).threads, 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    for (int i = 0; i < 5; i++) {
        void *value = NULL;
        CHECK_EQ(cress_threadpool_apply(forked.pool, same, "child", NULL, &value), 0);
        CHECK_STR(value, "child");
        CHECK_EQ(cress_threadpool_spawn(forked.pool, same, NULL, NULL, CRESS_FOREVER, NULL), 0);
    }
    unmake(forked.pool);
}

static void a_child_process_can_use_the_pool_without_the_parents_jobs(void **state)
{
    (void)state;
    needs_children();
    struct held held;
    held_init(&held);
    forked.pool = make(1);
    forked.job = put(forked.pool, hold_job, &held);
    CHECK_EQ(cress_threadpool_spawn(forked.pool, hold_job, &held, NULL, 0, NULL), 0);
    struct submitter s;
    submit(&s, forked.pool, &held);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    in_child(use_in_child, NULL);
    for (int i = 0; i < 3; i++)
        held_let_go(&held);
    CHECK(value_of(forked.job) == &held);
    cress_job_free(forked.job);
    unmake(forked.pool);
    CHECK_EQ(atomic_load(&held.ended), 3);
}

static void *puts_held(void *arg)
{
    CHECK_EQ(cress_threadpool_spawn(forked.pool, hold_job, arg, NULL, 0, NULL), 0);
    return NULL;
}

static void run_in_child(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    struct held held;
    held_init(&held);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.daemon = true;
    CHECK_EQ(cress_spawn_with(&o, puts_held, &held, NULL), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0); /* a daemon's job: who waited is in the parent */
    held_let_go(&held);
    unmake(forked.pool);
}

static void *forks_between(void *arg)
{
    struct foreign *f = arg;
    cress_case c = cress_on_job(f->job);
    cress_iwait iwait;
    CHECK_EQ(cress_iwait_init(&iwait, &c, 1), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(counts_of(f->pool).jobs, 0);
        CHECK_EQ(cress_iwait_next(&iwait, CRESS_FOREVER), 0);
        cress_iwait_done(&iwait);
        CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
        cress_job_free(f->job);
        unmake(f->pool);
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 0);
    cress_iwait_done(&iwait);
    return NULL;
}

static void a_child_process_is_kept_by_nothing_of_its_parents(void **state)
{
    (void)state;
    needs_children();
    struct held held;
    held_init(&held);
    struct mapped m = { .pool = make(1) };
    for (int i = 0; i < 5; i++)
        m.args[i] = &held;
    CHECK_EQ(cress_go(maps, &m), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    forked.pool = m.pool;
    cress_job *job = put(m.pool, same, "value");
    CHECK_EQ(cress_go(gets, job), 0);
    CHECK_EQ(cress_yield(), 0);
    in_child(run_in_child, NULL);
    for (int i = 0; i < 5; i++)
        held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(m.said, 0);
    cress_job_free(job);
    struct foreign f = { .pool = m.pool, .job = put(m.pool, hold_job, &held) };
    held_begun(&held);
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_go(forks_between, &f), 0);
    CHECK_EQ(cress_run(CRESS_MS(1)), -ETIMEDOUT);
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    cress_job_free(f.job);
    unmake(m.pool);
}

/* --- no thread ------------------------------------------------------------------------------- */

static bool no_threads(const char *what)
{
    return strcmp(what, "pthread_create") == 0;
}

static void without_any_thread_nothing_is_put_in(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    cress_job *job;
    void *args[2] = { NULL }, *results[2] = { pool, pool };
    cress__fault_hook = no_threads;
    CHECK_EQ(cress_threadpool_spawn(pool, same, NULL, NULL, 0, &job), -EAGAIN);
    CHECK_EQ(cress_threadpool_apply(pool, same, NULL, NULL, NULL), -EAGAIN);
    CHECK_EQ(cress_threadpool_map(pool, same, args, 2, results), -EAGAIN);
    CHECK(results[0] == NULL && results[1] == NULL);
    CHECK_EQ(counts_of(pool).jobs, 0);
    CHECK_EQ(counts_of(pool).queued, 0);
    cress__fault_hook = NULL;
    for (int i = 0; i < 2; i++) /* its room was given back */
        CHECK_EQ(cress_threadpool_spawn(pool, same, NULL, NULL, 0, NULL), 0);
    unmake(pool);
}

static void a_pool_whose_jobs_get_no_thread_is_not_freed(void **state)
{
    (void)state;
    cress_threadpool *pool = make(1);
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    atomic_store(&discards, 0);
    CHECK_EQ(cress_threadpool_set_size(pool, 0), 0);
    CHECK_EQ(cress_threadpool_apply(pool, same, "value", discard, NULL), -EDEADLK);
    cress__fault_hook = no_threads;
    CHECK_EQ(cress_threadpool_free(pool), -EAGAIN);
    CHECK_EQ(counts_of(pool).most, 0);
    CHECK_EQ(cress_threadpool_set_size(pool, 1), -EAGAIN);
    CHECK_EQ(cress_threadpool_free(pool), -EAGAIN);
    CHECK_EQ(cress_threadpool_join(pool, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_threadpool_spawn(pool, same, NULL, NULL, 0, NULL), -EAGAIN);
    cress__fault_hook = NULL;
    CHECK_EQ(counts_of(pool).queued, 1);
    CHECK_EQ(cress_threadpool_free(pool), 0);
    SOON(atomic_load(&discards) == 1);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(the_third_job_for_one_thread_waits_and_the_hub_does_not),
        TEST(waiting_for_room_can_be_cancelled),
        TEST(who_waits_for_room_is_let_in_in_order),
        TEST(raising_the_size_from_nothing_lets_submitters_in),
        TEST(with_size_0_queued_jobs_wait),
        TEST(sizes_have_a_limit),
        TEST(idle_threads_end_and_come_again),
        TEST(a_thread_that_waits_is_used_before_another_one_is_made),
        TEST(threads_that_wait_are_all_woken),
        TEST(threads_have_the_name_of_the_pool),
        TEST(a_job_has_a_result_for_any_number_of_getters),
        TEST(getting_has_a_limit_and_the_job_goes_on),
        TEST(a_job_can_be_waited_for_beside_others),
        TEST(killed_who_waits_leaves_at_once_and_the_result_is_discarded),
        TEST(what_nobody_got_is_discarded_with_the_handle),
        TEST(a_result_given_up_just_when_it_comes_is_discarded_once),
        TEST(each_result_is_discarded_or_got_exactly_once),
        TEST(apply_waits_for_the_value),
        TEST(a_cancelled_apply_leaves_the_job_to_itself),
        TEST(what_apply_was_given_it_has_though_it_is_killed_then),
        TEST(apply_in_a_worker_is_direct),
        TEST(callbacks_may_spawn_and_not_wait),
        TEST(map_keeps_the_order),
        TEST(a_cancelled_map_waits_for_what_runs_and_begins_no_more),
        TEST(another_thread_may_not_use_it),
        TEST(another_thread_may_not_wait_for_its_jobs),
        TEST(a_daemons_job_keeps_nobody),
        TEST(who_waits_for_a_daemons_job_is_told_of_no_deadlock),
        TEST(run_waits_for_jobs),
        TEST(a_pool_that_nobody_can_raise_is_a_deadlock),
        TEST(who_waits_for_what_is_queued_without_threads_is_told_of_the_deadlock),
        TEST(who_waits_for_what_is_queued_can_be_helped),
        TEST(a_map_in_a_greenlet_stays_blocked_and_goes_on),
        TEST(a_freed_pool_brings_its_jobs_to_their_end),
        TEST(a_pool_outlives_its_hub_without_being_of_use),
        TEST(a_child_process_can_use_the_pool_without_the_parents_jobs),
        TEST(a_child_process_is_kept_by_nothing_of_its_parents),
        TEST(without_any_thread_nothing_is_put_in),
        TEST(a_pool_whose_jobs_get_no_thread_is_not_freed),
    };
    return RUN_TESTS_APART(tests);
}
