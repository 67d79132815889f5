/* orders - runs a few threads one step at a time, in every order that can make a difference.
 *
 * The threads are contexts of one thread of the system, each with a record of its own in
 * cress__thread, with a hub or without; what they run is the library as it is. Before each
 * operation on a word that threads share it calls the hook of base/step.h, and there another one
 * may go on. What makes a thread wait, the poller and futex(2), is a model: it can go on when it is
 * woken, or, if it waits for a limited time, at any time, which then has passed.
 *
 * All orders are tried, depth first, but for those that differ only in the order of neighbouring
 * steps that do not depend on each other: on different words, or both only reading. Where a step
 * depends on an earlier one of another thread that did not have to come before, the other order is
 * tried too (dynamic partial-order reduction, Flanagan and Godefroid 2005, with sleep sets).
 *
 * Where the lock of the guards is not what is tried, locking is one step, and unlocking none: what
 * others do can be no different while one is inside. Else all of its steps are taken. So with the
 * mutexes of the system; others may run while one is held, but not take it.
 *
 * A hub may live for one run only, so that its end can be part of it. Its memory is kept until it
 * has been looked at: whatever was told to it after its end is still there.
 *
 * What is found: nobody can go on, and not all are through, so a wake-up was lost; a check that
 * fails in a thread or at the end; who ends is woken, or told something; a run that does not end.
 *
 * Each step takes effect at once for all, as if all memory orders were sequentially consistent.
 */
#ifndef TESTS_SYNC_ORDERS_H
#define TESTS_SYNC_ORDERS_H

#include "support/check.h"
#include "base/step.h"
#include "base/sys.h"
#include "coro/thread.h"
#include "ctx/ctx.h"
#include "hub/park.h"

#include <cress.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef CRESS_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum {
    ACTORS = 3,
    GUARDS = 8,
    LOCKS = 16,
    STEPS = 600,
    ACTOR_STACK = 256 * 1024,
    RUNS_MAX = 400000
};

struct step {
    const volatile void *of;
    bool write;
};

/* A lock, which is one step: a guard's, known beforehand; or a mutex, when it is first taken. */
struct lock {
    const volatile void *word; /* NULL: none */
    int holder;                /* < 0: nobody */
    unsigned clock[ACTORS];
};

enum actor_state { READY, BLOCKED, THROUGH };

struct actor {
    void (*body)(void);
    bool hub, mortal; /* has one; makes it anew for each run */
    cress_hub *kept;  /* the one of this run, if it is mortal */
    struct ctx ctx;
    struct thread *thread; /* its record, made by a thread that waits for the end of the test */
    struct ctx native;     /* of the record, while that is not ours */
    unsigned closed;
    struct wake_later later; /* of this thread, as `closed` is */
    char *stack;
    enum actor_state state;
    struct step next;            /* what it is about to do */
    const volatile void *asleep; /* BLOCKED: on what */
    bool limited, woken;         /* BLOCKED: it may go on by itself; it was woken */
    bool any_write;              /* BLOCKED: any write wakes it */
    cress_time limit;
    const struct poller_ops *poller; /* the real one */
    atomic_bool poller_woken;
    pthread_t maker;
    sem_t made, end;
};

/* A place in a run from which other runs may go off. */
struct node {
    int chosen;
    struct step step;         /* of the chosen one */
    struct step next[ACTORS]; /* of all */
    bool enabled[ACTORS], backtrack[ACTORS], done[ACTORS], sleep[ACTORS];
    unsigned clock[ACTORS]; /* of the chosen one, after it */
};

static struct orders {
    struct actor actors[ACTORS];
    int n, current; /* < 0: the explorer */
    struct ctx ctx;
    struct thread *own;
    cress_time now;
    struct node nodes[STEPS];
    int depth;
    unsigned clocks[ACTORS][ACTORS];
    long runs, cut;
    struct lock locks[LOCKS];
    bool locks_whole; /* locking a guard is one step */
} orders;

/* --- one at a time --------------------------------------------------------------------------- */

#ifdef CRESS_ASAN
static bool is_on(const struct ctx *c, const void *address)
{
    return (uintptr_t)address - (uintptr_t)c->low < c->size;
}
#endif

/* The sanitizers know a context by its stack: that of whatever coroutine of the actor runs; or of
 * the one that has just ended, and is about to leave it for good. */
static void mark_stack(struct actor *a)
{
#ifdef CRESS_ASAN
    const struct ctx *current = &a->thread->current->ctx;
    if (is_on(current, __builtin_frame_address(0))) {
        a->ctx.low = current->low;
        a->ctx.size = current->size;
    }
    CHECK(is_on(&a->ctx, __builtin_frame_address(0)));
#elif defined(CRESS_TSAN)
    a->ctx.fiber = __tsan_get_current_fiber();
#else
    (void)a;
#endif
}

static void back_to_explorer(void)
{
    struct actor *a = &orders.actors[orders.current];
    mark_stack(a);
    a->closed = cress__closed;
    a->later = cress__wake_later;
    ctx_switch(&a->ctx, &orders.ctx, NULL);
}

static void let_go_on(int i)
{
    struct actor *a = &orders.actors[i];
    orders.current = i;
    cress__thread = a->thread;
    cress__closed = a->closed;
    cress__wake_later = a->later;
    ctx_switch(&orders.ctx, &a->ctx, NULL);
    cress__thread = orders.own;
    cress__closed = 0;
    orders.current = -1;
}

/* Wait until somebody wakes who waits on that word. false: its time was over before. */
static bool sleep_on(const volatile void *word, bool limited, cress_time limit)
{
    struct actor *a = &orders.actors[orders.current];
    a->state = BLOCKED;
    a->asleep = word;
    a->limited = limited;
    a->limit = limit;
    a->woken = false;
    a->next = (struct step){ word, true };
    back_to_explorer();
    a->state = READY;
    a->asleep = NULL;
    a->any_write = false;
    if (!a->woken)
        orders.now += limit;
    return a->woken;
}

/* What others had done must have come before what p does next. */
static void knows(int p, const unsigned *clock)
{
    for (int q = 0; q < orders.n; q++)
        if (clock[q] > orders.clocks[p][q])
            orders.clocks[p][q] = clock[q];
}

/* Until somebody has written that word, since it was last looked at. */
static void waits_for_write(const volatile void *of)
{
    for (int i = orders.depth; i >= 0; i--) {
        const struct node *n = &orders.nodes[i];
        if (n->step.of == of && n->chosen == orders.current)
            break;
        if (n->step.of == of && n->step.write)
            return;
    }
    orders.actors[orders.current].any_write = true;
    sleep_on(of, false, 0);
}

static void wake_on(const volatile void *word, int n)
{
    for (int i = 0; i < orders.n && n > 0; i++) {
        struct actor *a = &orders.actors[i];
        if (a->state == BLOCKED && a->asleep == word && !a->woken) {
            a->woken = true;
            n--;
            knows(i, orders.clocks[orders.current]);
        }
    }
}

static void pause_before(const volatile void *of, bool write)
{
    orders.actors[orders.current].next = (struct step){ of, write };
    back_to_explorer();
}

static struct lock *guard_of(const volatile void *word)
{
    for (int i = 0; i < GUARDS && orders.locks_whole; i++)
        if (orders.locks[i].word == word)
            return &orders.locks[i];
    return NULL;
}

static struct lock *mutex_of(const volatile void *word)
{
    for (int i = GUARDS; i < LOCKS; i++)
        if (orders.locks[i].word == word || orders.locks[i].word == NULL) {
            orders.locks[i].word = word;
            return &orders.locks[i];
        }
    CHECK(false);
    return NULL;
}

static void lock_or_unlock(struct lock *lock)
{
    if (lock->holder == orders.current) {
        lock->holder = -1;
        memcpy(lock->clock, orders.clocks[orders.current], sizeof lock->clock);
        wake_on(lock->word, ACTORS);
        return;
    }
    pause_before(lock->word, true);
    while (lock->holder >= 0)
        sleep_on(lock->word, false, 0);
    lock->holder = orders.current;
    knows(orders.current, lock->clock);
}

static void step_comes(const volatile void *of, bool write)
{
    struct lock *guard = guard_of(of);
    if (orders.current < 0)
        return;
    if (guard != NULL)
        lock_or_unlock(guard);
    else
        pause_before(of, write);
}

static void mutex_comes(const volatile void *of, bool taken)
{
    if (orders.current < 0)
        return;
    struct lock *mutex = mutex_of(of);
    CHECK_EQ(mutex->holder == orders.current, !taken);
    lock_or_unlock(mutex);
}

static int futex_waits(atomic_uint *word, unsigned value, cress_time timeout)
{
    step_comes(word, false);
    if (atomic_load(word) != value)
        return -EAGAIN;
    return sleep_on(word, timeout != CRESS_FOREVER, timeout) ? 0 : -ETIMEDOUT;
}

static void futex_wakes(atomic_uint *word, int n)
{
    step_comes(word, true);
    wake_on(word, n);
}

static struct actor *actor_of(const struct cress_loop *loop)
{
    for (int i = 0; i < orders.n; i++) {
        const struct cress_hub *h = orders.actors[i].thread->hub;
        if (h != NULL && &h->loop == loop)
            return &orders.actors[i];
    }
    bool used_after_its_end = true;
    CHECK(!used_after_its_end);
    return NULL;
}

static int model_waits(struct cress_loop *loop, cress_time timeout)
{
    struct actor *a = actor_of(loop);
    bool limited = timeout != CRESS_FOREVER && loop->timers.armed > 0; /* else it ages stacks */
    step_comes(&a->poller_woken, true);
    if (!atomic_load(&a->poller_woken) && timeout > 0)
        sleep_on(&a->poller_woken, limited, timeout);
    atomic_store(&a->poller_woken, false);
    return 0;
}

static void model_wakes(struct cress_loop *loop)
{
    struct actor *a = actor_of(loop);
    step_comes(&a->poller_woken, true);
    atomic_store(&a->poller_woken, true);
    wake_on(&a->poller_woken, 1);
}

static void model_closes(struct cress_loop *loop)
{
    actor_of(loop)->poller->close(loop);
}

static int model_fd(const struct cress_loop *loop)
{
    return actor_of(loop)->poller->fd(loop);
}

static const struct poller_ops model = {
    .name = "model",
    .close = model_closes,
    .wait = model_waits,
    .fd = model_fd,
    .wake = model_wakes,
};

/* Somebody else's loop waits for the descriptor of this actor's hub: looks, and takes nothing. */
static inline void waits_for_hub_fd(cress_time next)
{
    struct actor *a = &orders.actors[orders.current];
    step_comes(&a->poller_woken, false);
    if (!atomic_load(&a->poller_woken) && next > 0)
        sleep_on(&a->poller_woken, next != CRESS_FOREVER, next);
}

static cress_time model_time(void)
{
    return orders.now;
}

/* --- the actors ------------------------------------------------------------------------------ */

static void actor_runs(void *value)
{
    (void)value;
    struct actor *a = &orders.actors[orders.current];
    a->body();
    a->state = THROUGH;
    for (;;)
        back_to_explorer();
}

/* A record and a hub are made, and end, in a thread of the system, which otherwise sleeps. */
static void *makes(void *arg)
{
    struct actor *a = arg;
    cress_hub *hub;
    a->thread = thread_self();
    CHECK(a->thread != NULL);
    if (a->hub && !a->mortal)
        CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(sem_post(&a->made), 0);
    while (sem_wait(&a->end) != 0)
        continue;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return NULL;
}

static struct actor *make_actor(bool hub, bool mortal, void (*body)(void))
{
    struct actor *a = &orders.actors[orders.n++];
    *a = (struct actor){ .body = body, .hub = hub, .mortal = mortal, .stack = malloc(ACTOR_STACK) };
    CHECK(a->stack != NULL);
    CHECK_EQ(sem_init(&a->made, 0, 0), 0);
    CHECK_EQ(sem_init(&a->end, 0, 0), 0);
    CHECK_EQ(pthread_create(&a->maker, NULL, makes, a), 0);
    while (sem_wait(&a->made) != 0)
        continue;
    a->native = a->thread->native.ctx;
    return a;
}

static inline void add_actor(bool hub, void (*body)(void))
{
    make_actor(hub, false, body);
}

/* Its hub lives for one run, and may end in it. */
static inline void add_mortal(void (*body)(void))
{
    make_actor(true, true, body);
}

static void makes_hub(struct actor *a)
{
    cress__thread = a->thread;
    CHECK_EQ(cress_hub_get(&a->kept), 0);
    cress__thread = orders.own;
    a->poller = a->kept->loop.poller;
    hub_keep(a->kept);
}

/* Of a hub that has ended others touch but the door, and that only who keeps its memory. */
static void check_lives(struct step step)
{
    for (int i = 0; i < orders.n; i++) {
        const struct actor *a = &orders.actors[i];
        if (a->kept == NULL || a->thread->hub != NULL)
            continue;
        struct outside *outside = &a->kept->outside;
        bool at_the_door =
            step.of == &outside->in_door || step.of == &outside->door || step.of == &outside->kept;
        bool inside = (uintptr_t)step.of - (uintptr_t)a->kept < sizeof *a->kept;
        CHECK(!inside || (at_the_door && atomic_load(&outside->kept) > 1));
    }
}

/* It has ended, or does so now; and nobody has told it anything since. */
static void ends_hub(struct actor *a)
{
    cress__thread = a->thread;
    CHECK_EQ(cress_hub_destroy(0), 0);
    cress__thread = orders.own;
    CHECK(atomic_load(&a->kept->loop.noticed) == NULL);
    CHECK(atomic_load(&a->kept->loop.posted) == NULL);
    CHECK_EQ(atomic_load(&a->kept->loop.wakers), 0);
    CHECK_EQ(atomic_load(&a->kept->outside.in_door), 0);
    CHECK_EQ(atomic_load(&a->kept->outside.kept), 1);
    hub_unkeep(a->kept);
    a->kept = NULL;
}

static void begin_actor(int i)
{
    struct actor *a = &orders.actors[i];
    if (a->mortal)
        makes_hub(a);
    ctx_make(&a->ctx, a->stack, a->stack + ACTOR_STACK, actor_runs);
    struct ctx *native = &a->thread->native.ctx;
#ifdef CRESS_ASAN
    __asan_unpoison_memory_region(a->stack, ACTOR_STACK); /* frames of the run before */
    native->low = a->stack;
    native->size = ACTOR_STACK;
#endif
#ifdef CRESS_TSAN
    native->fiber = a->ctx.fiber;
#endif
    (void)native;
    a->state = READY;
    a->closed = 0;
    a->later = (struct wake_later){ NULL, NULL };
    atomic_store(&a->poller_woken, false);
    struct cress_hub *h = a->thread->hub;
    if (h == NULL)
        return;
    /* What it decides by counting is the same in each run. */
    h->budget = h->slice = h->left = h->quantum = 1 << 20;
    h->io_run = h->ran_on = 0;
    h->random = 1;
    h->glanced = orders.now;
    h->aged_spawns = h->spawns;
    h->cold_stacks = false;
    h->loop.poller = &model;
    h->loop.prepared = false;
    atomic_store(&h->loop.asleep, h->loop.embedded);
    timers_read(&h->loop.timers, orders.now);
}

/* --- all orders ------------------------------------------------------------------------------ */

static bool may_go_on(const struct actor *a)
{
    return a->state == READY || (a->state == BLOCKED && (a->woken || a->limited));
}

static bool dependent(struct step a, struct step b)
{
    return a.of == b.of && (a.write || b.write);
}

/* Where the next step of p could as well have come before an earlier one of another: try that. */
static void mark_races(int p)
{
    struct step s = orders.actors[p].next;
    for (int i = orders.depth - 1; i >= 0; i--) {
        struct node *n = &orders.nodes[i];
        if (n->chosen == p || !dependent(n->step, s))
            continue;
        if (orders.clocks[p][n->chosen] >= n->clock[n->chosen])
            continue; /* it had to come before */
        if (n->enabled[p])
            n->backtrack[p] = true;
        else
            for (int q = 0; q < orders.n; q++)
                n->backtrack[q] |= n->enabled[q];
        return;
    }
}

/* The chosen one has done its step: it knows now what all had done on whom it depends. */
static void tick(struct node *n)
{
    for (int i = orders.depth - 1; i >= 0; i--)
        if (dependent(orders.nodes[i].step, n->step))
            knows(n->chosen, orders.nodes[i].clock);
    orders.clocks[n->chosen][n->chosen]++;
    memcpy(n->clock, orders.clocks[n->chosen], sizeof n->clock);
}

static void print_run(const char *why)
{
    fprintf(stderr, "%s after %d steps of run %ld:", why, orders.depth, orders.runs);
    for (int i = 0; i < orders.depth; i++)
        fprintf(stderr, " %d", orders.nodes[i].chosen);
    fprintf(stderr, "\n");
}

static void wake_for_write(const struct node *n)
{
    for (int p = 0; p < orders.n; p++) {
        struct actor *a = &orders.actors[p];
        if (a->state == BLOCKED && a->any_write && n->step.write && a->asleep == n->step.of) {
            a->woken = true;
            knows(p, orders.clocks[n->chosen]);
        }
    }
}

/* A place that was not there in the run before. */
static void new_node(struct node *n, const struct node *before)
{
    *n = (struct node){ .chosen = -1 };
    for (int p = 0; p < orders.n; p++) {
        n->next[p] = orders.actors[p].next;
        n->enabled[p] = may_go_on(&orders.actors[p]);
        if (before != NULL && before->chosen != p)
            n->sleep[p] =
                (before->sleep[p] || before->done[p]) && !dependent(before->next[p], before->step);
    }
    /* Who ran goes on, if it can; else the first. */
    for (int k = 0; k <= orders.n; k++) {
        int p = k > 0 ? k - 1 : before != NULL ? before->chosen : 0;
        if (n->enabled[p] && !n->sleep[p]) {
            n->chosen = p;
            n->backtrack[p] = true;
            return;
        }
    }
}

/* From the start to the end, by the choices that are there, and new ones from `known` on. */
static void one_run(int known, void (*reset)(void), void (*check)(void))
{
    if (reset != NULL)
        reset();
    memset(orders.clocks, 0, sizeof orders.clocks);
    for (int i = 0; i < LOCKS; i++)
        orders.locks[i] = (struct lock){ i < GUARDS ? orders.locks[i].word : NULL, -1, { 0 } };
    orders.depth = 0;
    for (int i = 0; i < orders.n; i++)
        begin_actor(i);
    for (int i = 0; i < orders.n; i++)
        let_go_on(i); /* up to its first step */
    bool cut = false;
    for (int steps = 0;; steps++) {
        CHECK_LT(steps, 10 * STEPS);
        struct node *n = &orders.nodes[orders.depth];
        if (orders.depth >= known && !cut)
            new_node(n, orders.depth > 0 ? n - 1 : NULL);
        else if (cut)
            *n = (struct node){ .chosen = -1 };
        for (int p = 0; !cut && p < orders.n; p++) {
            /* As in the run before; but what lies on the heap may lie elsewhere. */
            CHECK_EQ(n->enabled[p], may_go_on(&orders.actors[p]));
            CHECK_EQ(n->next[p].write, orders.actors[p].next.write);
            n->next[p] = orders.actors[p].next;
            if (may_go_on(&orders.actors[p]))
                mark_races(p);
        }
        if (n->chosen < 0) { /* nobody; or all that can were tried elsewhere: end it somehow */
            bool through = true;
            for (int p = 0; p < orders.n; p++) {
                through &= orders.actors[p].state == THROUGH;
                if (n->chosen < 0 && may_go_on(&orders.actors[p]))
                    n->chosen = p;
            }
            if (through)
                break;
            if (n->chosen < 0)
                print_run("nobody can go on");
            CHECK_GE(n->chosen, 0);
            orders.cut += !cut;
            cut = true;
        }
        n->step = orders.actors[n->chosen].next;
        check_lives(n->step);
        if (!cut)
            tick(n);
        wake_for_write(n);
        let_go_on(n->chosen);
        if (!cut)
            orders.depth++;
        if (orders.depth == STEPS - 1)
            print_run("no end");
        CHECK_LT(orders.depth, STEPS - 1);
    }
    if (check != NULL)
        check();
    for (int i = 0; i < orders.n; i++)
        if (orders.actors[i].mortal)
            ends_hub(&orders.actors[i]);
    for (int i = 0; i < orders.n; i++)
        ctx_forget(&orders.actors[i].ctx);
}

/* The deepest place from which something is left to be tried; -1: none. */
static int next_choice(void)
{
    for (int i = orders.depth - 1; i >= 0; i--) {
        struct node *n = &orders.nodes[i];
        n->done[n->chosen] = true;
        for (int p = 0; p < orders.n; p++)
            if (n->backtrack[p] && !n->done[p] && !n->sleep[p]) {
                n->chosen = p;
                return i;
            }
    }
    return -1;
}

/* Try all orders of the actors that were added, and end them. reset comes before each run, check
 * after it. */
static void try_all_orders(const char *what, void (*reset)(void), void (*check)(void))
{
    orders.own = thread_self(); /* checks may want it */
    orders.current = -1;
    orders.now = CRESS_SECONDS(1000);
    orders.runs = orders.cut = 0;
    ctx_adopt(&orders.ctx);
    for (int i = 0; i < orders.n; i++)
        if (orders.actors[i].thread->hub != NULL)
            orders.actors[i].poller = orders.actors[i].thread->hub->loop.poller;
    cress__clock_hook = model_time;
    cress__futex_wait_hook = futex_waits;
    cress__futex_wake_hook = futex_wakes;
    cress__step_waits_hook = waits_for_write;
    cress__step_lock_hook = mutex_comes;
    cress__step_hook = step_comes;
    for (int known = 0; known >= 0 && orders.runs < RUNS_MAX;) {
        one_run(known, reset, check);
        orders.runs++;
        int at = next_choice();
        known = at < 0 ? -1 : at + 1;
    }
    cress__step_hook = NULL;
    cress__step_lock_hook = NULL;
    cress__step_waits_hook = NULL;
    cress__futex_wake_hook = NULL;
    cress__futex_wait_hook = NULL;
    cress__clock_hook = NULL;
    printf("%s: %ld orders, %ld of them cut short\n", what, orders.runs, orders.cut);
    fflush(stdout);
    CHECK_LT(orders.runs, RUNS_MAX);
    for (int i = 0; i < orders.n; i++) {
        struct actor *a = &orders.actors[i];
        if (a->thread->hub != NULL)
            a->thread->hub->loop.poller = a->poller;
        a->thread->native.ctx = a->native;
        CHECK_EQ(sem_post(&a->end), 0);
        CHECK_EQ(pthread_join(a->maker, NULL), 0);
        free(a->stack);
    }
    orders.n = 0;
}

#endif
