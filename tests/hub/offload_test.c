/* cress_offload: a call in a worker while the hub goes on, cancelled before, in and after it. */
#include "support/test.h"
#include "support/fds.h"
#include "base/fault.h"
#include "hub/apart.h"
#include "hub/duel.h"
#include "hub/told.h"
#include "hub/workers.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum { WORKERS = 10 };

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

/* --- what it does ---------------------------------------------------------------------------- */

struct seen {
    pthread_t thread;
    int calls;
};

static int look(void *arg)
{
    struct seen *seen = arg;
    seen->thread = pthread_self();
    return ++seen->calls;
}

static int fails(void *arg)
{
    (void)arg;
    return -EIO;
}

static void a_call_runs_in_another_thread_and_gives_what_it_returned(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_offload(look, &seen), 1);
    CHECK(!pthread_equal(seen.thread, pthread_self()));
    CHECK_EQ(cress_offload(fails, NULL), -EIO);
    CHECK_EQ(cress_offload(NULL, NULL), -EINVAL);
}

static void *offload_held(void *arg)
{
    return (void *)(intptr_t)cress_offload(hold, arg);
}

static void the_hub_goes_on_meanwhile(void **state)
{
    (void)state;
    struct held held;
    held_init(&held);
    cress_greenlet *g = cress_spawn(offload_held, &held);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(cress_sleep(CRESS_US(10)), 0);
    CHECK(!cress_ready(g));
    held_let_go(&held);
    void *value;
    CHECK_EQ(cress_get(g, CRESS_FOREVER, &value, NULL), 0);
    CHECK_EQ((intptr_t)value, 42);
    cress_unref(g);
}

static void *yields_until(void *arg)
{
    while (!*(bool *)arg)
        CHECK_EQ(cress_yield(), 0);
    return NULL;
}

static void a_busy_hub_is_told_as_well(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    bool over = false;
    CHECK_EQ(cress_go(yields_until, &over), 0);
    for (int i = 1; i <= 20; i++)
        CHECK_EQ(cress_offload(look, &seen), i);
    over = true;
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

static void without_a_hub_a_call_is_direct(void)
{
    struct seen seen = { 0 };
    CHECK_EQ(cress_offload(look, &seen), 1);
    CHECK(pthread_equal(seen.thread, pthread_self()));
    CHECK(cress_hub_current() == NULL);
}

static void a_thread_without_a_hub_calls_directly(void **state)
{
    (void)state;
    apart(without_a_hub_a_call_is_direct);
}

static int offload_again(void *arg)
{
    struct seen *seen = arg;
    CHECK_EQ(cress_yield(), 0); /* makes a hub for the worker */
    CHECK_EQ(cress_offload(look, seen), 1);
    CHECK(pthread_equal(seen->thread, pthread_self()));
    return 0;
}

static void offload_in_worker(void *arg)
{
    (void)arg;
    struct seen seen = { 0 };
    struct fds before;
    CHECK_EQ(cress_yield(), 0);
    fds_mark(&before);
    CHECK_EQ(cress_offload(offload_again, &seen), 0);
    CHECK(!pthread_equal(seen.thread, pthread_self()));
    SOON(fds_count() == before.count); /* the worker's hub is gone */
}

static void in_a_worker_a_call_is_direct(void **state)
{
    (void)state;
    needs_children(); /* so that what cress keeps for that thread is gone in the end */
    in_child(offload_in_worker, NULL);
}

static struct told told;
static int said;

static int offload_in_callback(void *arg)
{
    said = cress_offload(look, arg);
    return 0;
}

static void a_callback_may_not_offload(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_callback node = { 0 };
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_post(NULL, &node, offload_in_callback, &seen), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(said, -EPERM);
    CHECK_EQ(seen.calls, 0);
    CHECK_EQ(told.count, 1);
}

/* --- workers --------------------------------------------------------------------------------- */

static int mask_and_name(void *arg)
{
    sigset_t mask;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    for (int s = 1; s <= SIGRTMAX; s++) {
        bool raised = s == SIGSEGV || s == SIGBUS || s == SIGFPE || s == SIGILL || s == SIGTRAP ||
                      s == SIGSYS || s == SIGABRT;
        if (s == SIGKILL || s == SIGSTOP || (s >= 32 && s < SIGRTMIN))
            continue;
        CHECK_EQ(sigismember(&mask, s), !raised);
    }
    CHECK_EQ(pthread_getname_np(pthread_self(), arg, 16), 0);
    return 0;
}

static void workers_have_a_name_and_block_signals(void **state)
{
    (void)state;
    char name[16];
    sigset_t before, after;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_offload(mask_and_name, name), 0);
    CHECK_STR(name, "cress-offload");
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    CHECK_MEM(&before, &after, sizeof(uint64_t)); /* what the kernel has of it */
}

static void more_calls_than_workers_wait_their_turn(void **state)
{
    (void)state;
    struct held held;
    held_init(&held);
    cress_greenlet *g[WORKERS + 3];
    for (int i = 0; i < WORKERS + 3; i++)
        g[i] = cress_spawn(offload_held, &held);
    CHECK_EQ(cress_yield(), 0);
    for (int i = 0; i < WORKERS; i++)
        held_begun(&held);
    usleep(2000);
    CHECK_EQ(atomic_load(&held.calls), WORKERS);
    for (int i = 0; i < WORKERS + 3; i++)
        held_let_go(&held);
    CHECK_EQ(cress_joinall(g, WORKERS + 3, CRESS_FOREVER, NULL, NULL), 0);
    CHECK_EQ(atomic_load(&held.calls), WORKERS + 3);
    for (int i = 0; i < WORKERS + 3; i++)
        cress_unref(g[i]);
}

static int quick(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void *offload_quick(void *arg)
{
    for (int i = 0; i < 50; i++)
        CHECK_EQ(cress_offload(quick, arg), 0);
    return NULL;
}

static void completions_share_their_wake_ups(void **state)
{
    (void)state;
    struct held held;
    held_init(&held);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(cress_go(offload_held, &held), 0);
    CHECK_EQ(cress_yield(), 0);
    for (int i = 0; i < WORKERS; i++)
        held_begun(&held);
    cress_hub_counts before = CRESS_HUB_COUNTS_INIT, after = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &before), 0);
    for (int i = 0; i < WORKERS; i++)
        held_let_go(&held);
    usleep(20000); /* the hub is awake: here */
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &after), 0);
    CHECK_LE(after.wakeups - before.wakeups, 1);
}

static void *hub_that_offloads(void *arg)
{
    for (int i = 0; i < 4; i++)
        CHECK_EQ(cress_go(offload_quick, arg), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    return NULL;
}

static void hubs_of_several_threads_share_the_workers(void **state)
{
    (void)state;
    atomic_int count = 0;
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, hub_that_offloads, &count), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(atomic_load(&count), 3 * 4 * 50);
}

/* --- no deadlock ----------------------------------------------------------------------------- */

static int slow(void *arg)
{
    usleep(2000);
    return (int)(intptr_t)arg;
}

static void main_waits_for_a_call_without_a_deadlock(void **state)
{
    (void)state;
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_offload(slow, (void *)7), 7);
}

static void run_waits_for_a_call(void **state)
{
    (void)state;
    struct held held;
    held_init(&held);
    CHECK_EQ(cress_go(offload_held, &held), 0);
    CHECK_EQ(cress_run(CRESS_MS(1)), -ETIMEDOUT);
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

static void a_daemons_call_keeps_nobody(void **state)
{
    (void)state;
    struct held held;
    held_init(&held);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    cress_greenlet *g;
    o.daemon = true;
    CHECK_EQ(cress_spawn_with(&o, offload_held, &held, &g), 0);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    told = (struct told){ 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -EDEADLK);
    held_let_go(&held);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(10)), 0);
    cress_unref(g);
}

static int find_offloaded(const cress_blocked *blocked, void *arg)
{
    *(int *)arg += strcmp(blocked->what, "for an offloaded call") == 0;
    return 0;
}

static void reports_name_it(void **state)
{
    (void)state;
    struct held held;
    held_init(&held);
    CHECK_EQ(cress_go(offload_held, &held), 0);
    CHECK_EQ(cress_yield(), 0);
    int found = 0;
    CHECK_EQ(cress_hub_blocked(cress_hub_current(), find_offloaded, &found), 0);
    CHECK_EQ(found, 1);
    held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

/* --- cancelled ------------------------------------------------------------------------------- */

struct cancelled {
    struct held *held;
    int said, next;
};

static void *offload_then_yield(void *arg)
{
    struct cancelled *c = arg;
    c->said = cress_offload(hold, c->held);
    c->next = cress_yield();
    return NULL;
}

static void cancelled_before_it_begins_a_call_never_runs(void **state)
{
    (void)state;
    struct held held, never;
    held_init(&held);
    held_init(&never);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(cress_go(offload_held, &held), 0);
    CHECK_EQ(cress_yield(), 0);
    for (int i = 0; i < WORKERS; i++)
        held_begun(&held);
    struct cancelled c = { .held = &never };
    cress_greenlet *g = cress_spawn(offload_then_yield, &c);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_SECONDS(10)), 0); /* ends although all workers are held */
    CHECK_EQ(c.said, -ECANCELED);
    CHECK_EQ(c.next, -ECANCELED);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    for (int i = 0; i < WORKERS; i++)
        held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(atomic_load(&never.calls), 0);
    cress_unref(g);
}

static void cancelled_while_it_runs_a_call_comes_to_its_end(void **state)
{
    (void)state;
    struct held held;
    held_init(&held);
    struct cancelled c = { .held = &held };
    cress_greenlet *g = cress_spawn(offload_then_yield, &c);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    CHECK_EQ(cress_kill(g, CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(cress_kill(g, CRESS_MS(1)), -ETIMEDOUT);
    held_let_go(&held);
    CHECK_EQ(cress_join(g, CRESS_SECONDS(10)), 0);
    CHECK_EQ(c.said, 42);
    CHECK_EQ(c.next, -ECANCELED);
    cress_unref(g);
}

static void a_kill_that_comes_while_it_runs_may_come_too_late(void **state)
{
    (void)state;
    struct held held;
    held_init(&held);
    cress_greenlet *g = cress_spawn(offload_held, &held);
    CHECK_EQ(cress_yield(), 0);
    held_begun(&held);
    CHECK_EQ(cress_kill(g, 0), 0);
    CHECK_EQ(cress_yield(), 0);
    held_let_go(&held);
    void *value;
    CHECK_EQ(cress_get(g, CRESS_SECONDS(10), &value, NULL), 0);
    CHECK_EQ((intptr_t)value, 42);
    CHECK_EQ(cress_outcome(g), CRESS_RETURNED);
    cress_unref(g);
}

static void a_timeout_around_it_is_met_by_the_next_call(void **state)
{
    (void)state;
    cress_timeout timeout = { 0 };
    CHECK_EQ(cress_timeout_start(&timeout, CRESS_MS(1)), 0);
    CHECK_EQ(cress_offload(slow, (void *)3), 3);
    CHECK_EQ(cress_sleep(CRESS_SECONDS(10)), -ECANCELED);
    CHECK(cress_timeout_stop(&timeout));
}

static void who_is_cancelled_already_begins_nothing(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    cress_timeout timeout = { 0 };
    CHECK_EQ(cress_timeout_start(&timeout, 0), 0);
    CHECK_EQ(cress_offload(look, &seen), -ECANCELED);
    CHECK(cress_timeout_stop(&timeout));
    CHECK_EQ(seen.calls, 0);
}

static int offload(int (*fn)(void *arg), void *arg, void *data)
{
    (void)data;
    return cress_offload(fn, arg);
}

static void a_call_either_runs_or_is_cancelled(void **state)
{
    (void)state;
    duel(offload, NULL);
}

/* --- ends ------------------------------------------------------------------------------------ */

static struct held last;
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
    for (int i = 0; i < WORKERS + 1; i++)
        sem_take(&abandoned);
    usleep(10000);
    for (int i = 0; i < WORKERS + 1; i++)
        held_let_go(arg);
    return NULL;
}

static void end_with_calls(void)
{
    CHECK_EQ(cress_hub_set_error_hook(NULL, count_abandoned, NULL), 0);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(cress_go(offload_held, &last), 0);
    CHECK_EQ(cress_yield(), 0);
    for (int i = 0; i < WORKERS; i++)
        held_begun(&last);
    CHECK_EQ(cress_go(offload_held, &last), 0); /* waits in the queue */
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_hub_destroy(0), WORKERS + 1);
    CHECK_EQ(atomic_load(&last.ended), WORKERS);
}

static void the_end_of_a_hub_waits_for_what_runs_and_takes_back_the_rest(void **state)
{
    (void)state;
    pthread_t thread;
    held_init(&last);
    CHECK_EQ(sem_init(&abandoned, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, let_go_then, &last), 0);
    apart(end_with_calls);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(atomic_load(&last.calls), WORKERS);
}

static void offload_in_child(void *arg)
{
    struct seen seen = { 0 };
    CHECK_EQ(cress_offload(look, &seen), 1);
    CHECK(!pthread_equal(seen.thread, pthread_self()));
    CHECK_EQ(cress_run(CRESS_FOREVER), 0); /* the parent's calls keep nobody here */
    (void)arg;
}

static void a_child_process_has_workers_of_its_own(void **state)
{
    (void)state;
    needs_children();
    struct held held;
    held_init(&held);
    for (int i = 0; i < WORKERS + 1; i++)
        CHECK_EQ(cress_go(offload_held, &held), 0);
    CHECK_EQ(cress_yield(), 0);
    for (int i = 0; i < WORKERS; i++)
        held_begun(&held);
    in_child(offload_in_child, NULL);
    for (int i = 0; i < WORKERS + 1; i++)
        held_let_go(&held);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

static int fork_in_worker(void *arg)
{
    (void)arg;
    return (int)fork();
}

static void a_worker_that_forks_ends_the_child_with_its_call(void **state)
{
    (void)state;
    needs_children();
    CHECK_EQ(cress_yield(), 0);
    pid_t child = cress_offload(fork_in_worker, NULL);
    CHECK_GT(child, 0);
    int status;
    for (int wait = 0; waitpid(child, &status, WNOHANG) == 0; wait++) {
        CHECK_LT(wait, 5000); /* not when it would have been idle for long enough */
        usleep(1000);
    }
    CHECK(WIFEXITED(status));
#ifndef CRESS_ASAN /* which looks for leaks then, where the other threads' stacks are gone */
    CHECK_EQ(WEXITSTATUS(status), 0);
#endif
}

static bool no_threads(const char *what)
{
    return strcmp(what, "pthread_create") == 0;
}

static void offload_without_threads(void *arg)
{
    (void)arg;
    struct seen seen = { 0 };
    CHECK_EQ(cress_yield(), 0);
    cress__fault_hook = no_threads;
    CHECK_EQ(cress_offload(look, &seen), -EAGAIN);
    cress__fault_hook = NULL;
    CHECK_EQ(seen.calls, 0);
    CHECK_EQ(cress_offload(look, &seen), 1); /* and there is one */
    cress__fault_hook = no_threads;
    CHECK_EQ(cress_offload(look, &seen), 2);
    cress__fault_hook = NULL;
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void without_any_thread_a_call_says_so(void **state)
{
    (void)state;
    needs_children();
    in_child(offload_without_threads, NULL);
}

static atomic_int creations;
static atomic_bool other_waits;

/* The first thread is refused when the other hub has done all it will, or has to wait for us. */
static bool first_is_refused_last(const char *what)
{
    if (!no_threads(what))
        return false;
    if (atomic_fetch_add(&creations, 1) == 0)
        for (int i = 0; i < 400 && !atomic_load(&other_waits); i++)
            usleep(500);
    return true;
}

static void *offload_nothing(void *arg)
{
    struct seen seen = { 0 };
    (void)arg;
    int error = cress_offload(look, &seen);
    CHECK_EQ(seen.calls, 0);
    return (void *)(intptr_t)error;
}

static int offload_in_greenlet(void)
{
    void *value;
    cress_greenlet *g = cress_spawn(offload_nothing, NULL);
    CHECK_EQ(cress_yield(), 0);
    atomic_store(&other_waits, true);
    CHECK_EQ(cress_get(g, CRESS_SECONDS(10), &value, NULL), 0);
    cress_unref(g);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return (int)(intptr_t)value;
}

static void *first_hub(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ((intptr_t)offload_nothing(NULL), -EAGAIN);
    return NULL;
}

static void offload_from_two_hubs(void *arg)
{
    pthread_t thread;
    CHECK_EQ(cress_offload_set_size(*(size_t *)arg), 0);
    cress__fault_hook = first_is_refused_last;
    CHECK_EQ(pthread_create(&thread, NULL, first_hub, NULL), 0);
    SOON(atomic_load(&creations) > 0);
    CHECK_EQ(offload_in_greenlet(), -EAGAIN);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    cress__fault_hook = NULL;
}

static void without_any_thread_no_hub_waits_for_that_of_another(void **state)
{
    (void)state;
    needs_children();
    in_child(offload_from_two_hubs, &(size_t){ WORKERS });
    in_child(offload_from_two_hubs, &(size_t){ 1 });
}

/* --- how many -------------------------------------------------------------------------------- */

/* Threads of this process that have the name of workers. */
static size_t workers_alive(void)
{
    size_t n = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue; /* it has ended, or is none */
        n += fgets(name, sizeof name, file) != NULL && strcmp(name, "cress-offload\n") == 0;
        fclose(file);
    }
    closedir(tasks);
    return n;
}

static void begin_calls(struct held *held, cress_greenlet **g, int n)
{
    held_init(held);
    for (int i = 0; i < n; i++)
        g[i] = cress_spawn(offload_held, held);
    CHECK_EQ(cress_yield(), 0);
}

static void end_calls(struct held *held, cress_greenlet **g, int n)
{
    for (int i = 0; i < n; i++)
        held_let_go(held);
    CHECK_EQ(cress_joinall(g, (size_t)n, CRESS_SECONDS(20), NULL, NULL), 0);
    CHECK_EQ(atomic_load(&held->ended), n);
    for (int i = 0; i < n; i++)
        cress_unref(g[i]);
}

static void a_number_of_workers_is_asked_for(void **state)
{
    (void)state;
    CHECK_EQ(cress_offload_size(), WORKERS);
    CHECK_EQ(cress_offload_set_size(0), -EINVAL);
    CHECK_EQ(cress_offload_size(), WORKERS);
    CHECK_EQ(cress_offload_set_size(3), 0);
    CHECK_EQ(cress_offload_size(), 3);
    CHECK_EQ(cress_offload_set_size(WORKERS), 0);
}

static void more_workers_begin_with_the_calls_that_wait(void **state)
{
    (void)state;
    struct held held;
    cress_greenlet *g[WORKERS + 3];
    begin_calls(&held, g, WORKERS + 3);
    for (int i = 0; i < WORKERS; i++)
        held_begun(&held);
    CHECK_EQ(cress_offload_set_size(WORKERS + 2), 0);
    held_begun(&held);
    held_begun(&held);
    usleep(2000);
    CHECK_EQ(atomic_load(&held.calls), WORKERS + 2);
    CHECK_EQ(workers_alive(), WORKERS + 2);
    end_calls(&held, g, WORKERS + 3);
    CHECK_EQ(cress_offload_set_size(WORKERS), 0);
    SOON(workers_alive() <= WORKERS);
}

static void fewer_workers_end_with_the_calls_that_they_have(void **state)
{
    (void)state;
    struct held held;
    cress_greenlet *g[WORKERS + 3];
    begin_calls(&held, g, WORKERS + 3);
    for (int i = 0; i < WORKERS; i++)
        held_begun(&held);
    CHECK_EQ(cress_offload_set_size(1), 0);
    CHECK_EQ(workers_alive(), WORKERS);
    for (int i = 0; i < WORKERS; i++)
        held_let_go(&held);
    held_begun(&held); /* the next one, by the worker that is left */
    SOON(workers_alive() == 1);
    CHECK_EQ(atomic_load(&held.calls), WORKERS + 1);
    end_calls(&held, g, WORKERS + 3);
    CHECK_EQ(cress_offload_set_size(WORKERS), 0);
}

static void *sets_the_size(void *size)
{
    CHECK_EQ(cress_offload_set_size(*(size_t *)size), 0);
    CHECK_EQ(cress_offload_size(), *(size_t *)size);
    CHECK(cress_hub_current() == NULL);
    return NULL;
}

static void any_thread_may_say_how_many(void **state)
{
    (void)state;
    struct held held;
    cress_greenlet *g[2];
    pthread_t thread;
    size_t size = 2;
    CHECK_EQ(cress_offload_set_size(1), 0);
    SOON(workers_alive() <= 1);
    begin_calls(&held, g, 2);
    held_begun(&held);
    CHECK_EQ(pthread_create(&thread, NULL, sets_the_size, &size), 0);
    held_begun(&held); /* the hub has done nothing for it */
    CHECK_EQ(pthread_join(thread, NULL), 0);
    end_calls(&held, g, 2);
    CHECK_EQ(cress_offload_set_size(WORKERS), 0);
}

static void begin_three(struct held *held, size_t workers)
{
    cress_greenlet *g[3];
    begin_calls(held, g, 3);
    for (size_t i = 0; i < workers; i++)
        held_begun(held);
    usleep(2000);
    CHECK_EQ(atomic_load(&held->calls), workers);
    CHECK_EQ(workers_alive(), workers);
    end_calls(held, g, 3);
}

static void offload_with_the_parents_size(void *arg)
{
    struct held held;
    CHECK_EQ(cress_offload_size(), *(size_t *)arg);
    begin_three(&held, *(size_t *)arg);
    CHECK_EQ(cress_offload_set_size(1), 0);
    SOON(workers_alive() == 1);
    begin_three(&held, 1);
}

static void a_child_process_begins_with_the_number_of_its_parent(void **state)
{
    (void)state;
    needs_children();
    CHECK_EQ(cress_offload_set_size(2), 0);
    in_child(offload_with_the_parents_size, &(size_t){ 2 });
    CHECK_EQ(cress_offload_size(), 2);
    CHECK_EQ(cress_offload_set_size(WORKERS), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(a_call_runs_in_another_thread_and_gives_what_it_returned),
        TEST(the_hub_goes_on_meanwhile),
        TEST(a_busy_hub_is_told_as_well),
        TEST(a_thread_without_a_hub_calls_directly),
        TEST(in_a_worker_a_call_is_direct),
        TEST(a_callback_may_not_offload),
        TEST(workers_have_a_name_and_block_signals),
        TEST(more_calls_than_workers_wait_their_turn),
        TEST(completions_share_their_wake_ups),
        TEST(hubs_of_several_threads_share_the_workers),
        TEST(main_waits_for_a_call_without_a_deadlock),
        TEST(run_waits_for_a_call),
        TEST(a_daemons_call_keeps_nobody),
        TEST(reports_name_it),
        TEST(cancelled_before_it_begins_a_call_never_runs),
        TEST(cancelled_while_it_runs_a_call_comes_to_its_end),
        TEST(a_kill_that_comes_while_it_runs_may_come_too_late),
        TEST(a_timeout_around_it_is_met_by_the_next_call),
        TEST(who_is_cancelled_already_begins_nothing),
        TEST(a_call_either_runs_or_is_cancelled),
        TEST(the_end_of_a_hub_waits_for_what_runs_and_takes_back_the_rest),
        TEST(a_child_process_has_workers_of_its_own),
        TEST(a_worker_that_forks_ends_the_child_with_its_call),
        TEST(without_any_thread_a_call_says_so),
        TEST(without_any_thread_no_hub_waits_for_that_of_another),
        TEST(a_number_of_workers_is_asked_for),
        TEST(more_workers_begin_with_the_calls_that_wait),
        TEST(fewer_workers_end_with_the_calls_that_they_have),
        TEST(any_thread_may_say_how_many),
        TEST(a_child_process_begins_with_the_number_of_its_parent),
    };
    return RUN_TESTS_APART(tests);
}
