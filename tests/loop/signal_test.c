/* Watchers of signals, and async watchers that handlers and other threads send to. */
#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/time.h>
#include <unistd.h>

static cress_loop *loop;

static int with_loop(void **state)
{
    (void)state;
    return cress_loop_new(NULL, &loop);
}

static int without_loop(void **state)
{
    (void)state;
    return cress_loop_free(loop);
}

static int count(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    ++*(int *)arg;
    return 0;
}

static void turns(int n)
{
    while (n-- > 0)
        CHECK_GE(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
}

static void watch(cress_watch_signal *w, int signal, int *calls)
{
    *calls = 0;
    memset(w, 0, sizeof *w);
    CHECK_EQ(cress_watch_signal_init(w, loop, signal, count, calls), 0);
    CHECK_EQ(cress_watch_start(&w->watch), 0);
}

static void stop(cress_watch_signal *w)
{
    CHECK_EQ(cress_watch_stop(&w->watch), 0);
}

static void send_signal(int signal)
{
    CHECK_EQ(kill(getpid(), signal), 0);
}

static void each_delivery_is_a_call_one_a_turn(void **state)
{
    (void)state;
    cress_watch_signal w;
    int calls;
    watch(&w, SIGUSR1, &calls);
    for (int i = 0; i < 3; i++)
        send_signal(SIGUSR1);
    for (int i = 1; i <= 3; i++) {
        turns(1);
        CHECK_EQ(calls, i);
    }
    turns(3);
    CHECK_EQ(calls, 3);
    stop(&w);
}

static void several_watchers_are_each_told(void **state)
{
    (void)state;
    cress_watch_signal a, b, c;
    int as, bs, cs;
    watch(&a, SIGUSR1, &as);
    watch(&b, SIGUSR1, &bs);
    watch(&c, SIGUSR2, &cs);
    send_signal(SIGUSR1);
    turns(2);
    CHECK_EQ(as, 1);
    CHECK_EQ(bs, 1);
    CHECK_EQ(cs, 0);
    stop(&a); /* the first and the last linked go, in turn */
    send_signal(SIGUSR1);
    send_signal(SIGUSR2);
    turns(2);
    CHECK_EQ(as, 1);
    CHECK_EQ(bs, 2);
    CHECK_EQ(cs, 1);
    stop(&b);
    stop(&c);
}

static void interrupts(int signal)
{
    (void)signal;
}

static int is_called(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    ++*(int *)arg;
    return 0;
}

static void a_storm_of_signals_ends_no_turn(void **state)
{
    (void)state;
    struct sigaction action = { .sa_handler = interrupts }, before;
    struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { 0 };
    cress_watch_timer timer = { 0 };
    int calls = 0;
    CHECK_EQ(sigaction(SIGALRM, &action, &before), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    CHECK_EQ(cress_watch_timer_init(&timer, loop, CRESS_MS(20), 0, is_called, &calls), 0);
    CHECK_EQ(cress_watch_start(&timer.watch), 0);
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_ONCE), 0);
    CHECK_EQ(calls, 1);
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_EQ(sigaction(SIGALRM, &before, NULL), 0);
}

static cress_watch_signal *in_order[4];
static int order;

static int next_in_order(cress_watch *w, int events, void *arg)
{
    (void)events, (void)arg;
    CHECK(w == &in_order[order % 4]->watch);
    order++;
    return 0;
}

static void they_are_told_in_the_order_in_which_they_began(void **state)
{
    (void)state;
    cress_watch_signal all[4] = { 0 };
    for (int i = 0; i < 4; i++) {
        in_order[i] = &all[i];
        CHECK_EQ(cress_watch_signal_init(&all[i], loop, SIGUSR1, next_in_order, NULL), 0);
        CHECK_EQ(cress_watch_start(&all[i].watch), 0);
    }
    order = 0;
    send_signal(SIGUSR1);
    turns(2);
    CHECK_EQ(order, 4);
    for (int i = 0; i < 4; i++)
        stop(&all[i]);
}

static int handled;

static void handler(int signal)
{
    (void)signal;
    handled++;
}

static void install(int signal, void (*fn)(int))
{
    struct sigaction action = { .sa_handler = fn };
    CHECK_EQ(sigaction(signal, &action, NULL), 0);
}

static void *installed(int signal)
{
    struct sigaction now;
    CHECK_EQ(sigaction(signal, NULL, &now), 0);
    return (void *)(uintptr_t)now.sa_handler;
}

static void what_was_installed_comes_back_with_the_last_watcher(void **state)
{
    (void)state;
    cress_watch_signal a, b;
    int as, bs;
    install(SIGUSR1, handler);
    handled = 0;
    watch(&a, SIGUSR1, &as);
    watch(&b, SIGUSR1, &bs);
    send_signal(SIGUSR1);
    stop(&b);
    CHECK_NE(installed(SIGUSR1), handler);
    stop(&a);
    CHECK_EQ(installed(SIGUSR1), handler);
    CHECK_EQ(handled, 0); /* that one was ours */
    send_signal(SIGUSR1);
    CHECK_EQ(handled, 1);
    watch(&a, SIGUSR1, &as);
    install(SIGUSR1, SIG_IGN); /* somebody changes it meanwhile: so be it */
    stop(&a);
    CHECK_EQ(installed(SIGUSR1), SIG_IGN);
    install(SIGUSR1, SIG_DFL);
}

static void no_signal_is_blocked_for_it(void **state)
{
    (void)state;
    cress_watch_signal w;
    int calls;
    sigset_t before, now;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    watch(&w, SIGUSR1, &calls);
    send_signal(SIGUSR1);
    turns(1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK_MEM(&before, &now, 8); /* the kernel's part of it */
    CHECK(!sigismember(&now, SIGUSR1));
    stop(&w);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK_MEM(&before, &now, 8); /* the kernel's part of it */
}

static void what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    cress_watch_signal w = { 0 };
    int calls = 0;
    const int refused[] = { -1, 0, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        CHECK_EQ(cress_watch_signal_init(&w, loop, refused[i], count, &calls), -EINVAL);
    CHECK_EQ(cress_watch_signal_init(&w, loop, 32, count, &calls), 0); /* the C library's own */
    CHECK_EQ(cress_watch_start(&w.watch), -EINVAL);
    CHECK(!cress_watch_active(&w.watch));
    CHECK_EQ(cress_loop_active(loop), 0);
}

static void unreferenced_ones_are_not_waited_for(void **state)
{
    (void)state;
    cress_watch_signal w;
    int calls;
    watch(&w, SIGUSR1, &calls);
    CHECK_EQ(cress_watch_set_ref(&w.watch, false), 0);
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_DEFAULT), 0);
    stop(&w);
}

/* --- SIGCHLD --------------------------------------------------------------------------------- */

static pid_t short_child(void)
{
    pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0)
        _exit(3);
    return pid;
}

static void watching_sigchld_takes_nothing_from_anybody(void **state)
{
    (void)state;
    install(SIGCHLD, handler);
    handled = 0;
    cress_watch_signal w;
    int calls, status;
    watch(&w, SIGCHLD, &calls);
    pid_t pid = short_child();
    while (calls == 0)
        CHECK_GT(cress_loop_run(loop, CRESS_RUN_ONCE), 0);
    CHECK_EQ(handled, 1); /* theirs was called as well */
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
    stop(&w);
    CHECK_EQ(installed(SIGCHLD), handler);
    install(SIGCHLD, SIG_DFL);
}

static void ignored_children_stay_ignored(void **state)
{
    (void)state;
    install(SIGCHLD, SIG_IGN); /* they do not become zombies */
    cress_watch_signal w;
    int calls;
    watch(&w, SIGCHLD, &calls);
    pid_t pid = short_child();
    while (calls == 0)
        CHECK_GT(cress_loop_run(loop, CRESS_RUN_ONCE), 0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), -1);
    CHECK_EQ(errno, ECHILD);
    stop(&w);
    CHECK_EQ(installed(SIGCHLD), SIG_IGN);
    install(SIGCHLD, SIG_DFL);
}

/* --- threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 200 };

static atomic_int ready, heard;

static int hear(cress_watch *w, int events, void *arg)
{
    (void)arg;
    CHECK_EQ(events, SIGUSR1);
    atomic_fetch_add(&heard, 1);
    return cress_watch_stop(w);
}

static void *waits_for_one(void *arg)
{
    cress_loop *l;
    cress_watch_signal w = { 0 };
    CHECK_EQ(cress_loop_new(NULL, &l), 0);
    CHECK_EQ(cress_watch_signal_init(&w, l, SIGUSR1, hear, NULL), 0);
    CHECK_EQ(cress_watch_start(&w.watch), 0);
    atomic_fetch_add(&ready, 1);
    CHECK_EQ(cress_loop_run(l, CRESS_RUN_DEFAULT), 0); /* sleeps until it comes */
    CHECK_EQ(cress_loop_free(l), 0);
    return arg;
}

static void loops_of_several_threads_all_hear_it(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    atomic_store(&ready, 0);
    atomic_store(&heard, 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, waits_for_one, NULL), 0);
    while (atomic_load(&ready) < THREADS)
        sched_yield();
    send_signal(SIGUSR1);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(atomic_load(&heard), THREADS);
}

static atomic_bool over;

static void *storms(void *arg)
{
    while (!atomic_load(&over)) {
        send_signal(SIGUSR1);
        sched_yield();
    }
    return arg;
}

/* A handler may be anywhere when a watcher, whose memory is on the stack here, goes. */
static void watchers_come_and_go_while_signals_do(void **state)
{
    (void)state;
    install(SIGUSR1, SIG_IGN);
    pthread_t thread;
    atomic_store(&over, false);
    CHECK_EQ(pthread_create(&thread, NULL, storms, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        cress_watch_signal a, b;
        int as, bs;
        watch(&a, SIGUSR1, &as);
        watch(&b, SIGUSR1, &bs);
        turns(1);
        stop(&a);
        turns(1);
        stop(&b);
        memset(&a, 0x5a, sizeof a);
        memset(&b, 0x5a, sizeof b);
    }
    atomic_store(&over, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    install(SIGUSR1, SIG_DFL);
}

/* --- async ----------------------------------------------------------------------------------- */

enum { SENDS = 5000 };

static cress_watch_async async;
static unsigned written[THREADS]; /* plain: the send publishes them */
static unsigned seen[THREADS];
static int calls_of_async;

static void *sends(void *arg)
{
    unsigned *mine = arg;
    for (int i = 0; i < SENDS; i++) {
        __atomic_store_n(mine, *mine + 1, __ATOMIC_RELAXED);
        CHECK_EQ(cress_watch_async_send(&async), 0);
    }
    return NULL;
}

static int look_at_all(cress_watch *w, int events, void *arg)
{
    (void)events, (void)arg;
    calls_of_async++;
    unsigned all = 0;
    for (int i = 0; i < THREADS; i++)
        all += seen[i] = __atomic_load_n(&written[i], __ATOMIC_RELAXED);
    return all == THREADS * SENDS ? cress_watch_stop(w) : 0;
}

/* The loop waits without limit: a wake-up that is lost, or a last send that is not seen, hangs. */
static void after_the_last_send_there_is_a_call_that_sees_it(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    memset(written, 0, sizeof written);
    calls_of_async = 0;
    CHECK_EQ(cress_watch_async_init(&async, loop, look_at_all, NULL), 0);
    CHECK_EQ(cress_watch_start(&async.watch), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, sends, &written[i]), 0);
    while (cress_watch_active(&async.watch)) {
        CHECK_GE(cress_loop_run(loop, CRESS_RUN_ONCE), 0);
        if (!cress_watch_active(&async.watch)) {
            /* A send may still be under way that this call has seen already: it must stay active.
             * */
            CHECK_EQ(cress_watch_start(&async.watch), 0);
            break;
        }
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(cress_watch_stop(&async.watch), 0);
    CHECK_GE(calls_of_async, 1);
    CHECK_LE(calls_of_async, THREADS * SENDS);
}

static int once(cress_watch *w, int events, void *arg)
{
    (void)w, (void)events;
    ++*(int *)arg;
    return 0;
}

static void sends_before_the_callback_are_one(void **state)
{
    (void)state;
    int calls = 0;
    CHECK_EQ(cress_watch_async_init(&async, loop, once, &calls), 0);
    CHECK_EQ(cress_watch_start(&async.watch), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(cress_watch_async_send(&async), 0);
    turns(3);
    CHECK_EQ(calls, 1);
    CHECK_EQ(cress_watch_async_send(&async), 0);
    CHECK_EQ(cress_watch_stop(&async.watch), 0); /* what was sent goes with it */
    CHECK_EQ(cress_watch_start(&async.watch), 0);
    turns(3);
    CHECK_EQ(calls, 1);
    CHECK_EQ(cress_watch_stop(&async.watch), 0);
}

static void send_from_handler(int signal)
{
    (void)signal;
    cress_watch_async_send(&async);
}

static void a_signal_handler_may_send(void **state)
{
    (void)state;
    int calls = 0;
    CHECK_EQ(cress_watch_async_init(&async, loop, once, &calls), 0);
    CHECK_EQ(cress_watch_start(&async.watch), 0);
    install(SIGUSR2, send_from_handler);
    for (int i = 1; i <= 100; i++) {
        send_signal(SIGUSR2);
        CHECK_GT(cress_loop_run(loop, CRESS_RUN_ONCE), 0);
        CHECK_EQ(calls, i);
    }
    install(SIGUSR2, SIG_DFL);
    CHECK_EQ(cress_watch_stop(&async.watch), 0);
}

static void *sends_when_it_sleeps(void *arg)
{
    usleep(2000); /* most likely it does by then; if not, nothing is proved and nothing fails */
    CHECK_EQ(cress_watch_async_send(&async), 0);
    return arg;
}

static int stop_it(cress_watch *w, int events, void *arg)
{
    (void)events, (void)arg;
    return cress_watch_stop(w);
}

static void a_send_wakes_a_hub_that_sleeps(void **state)
{
    (void)state;
    cress_hub *hub;
    pthread_t thread;
    CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(cress_watch_async_init(&async, cress_hub_loop(hub), stop_it, NULL), 0);
    CHECK_EQ(cress_watch_start(&async.watch), 0);
    CHECK_EQ(pthread_create(&thread, NULL, sends_when_it_sleeps, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK(!cress_watch_active(&async.watch));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_loop, without_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_delivery_is_a_call_one_a_turn),
        TEST(several_watchers_are_each_told),
        TEST(a_storm_of_signals_ends_no_turn),
        TEST(they_are_told_in_the_order_in_which_they_began),
        TEST(what_was_installed_comes_back_with_the_last_watcher),
        TEST(no_signal_is_blocked_for_it),
        TEST(what_cannot_be_watched_is_refused),
        TEST(unreferenced_ones_are_not_waited_for),
        TEST(watching_sigchld_takes_nothing_from_anybody),
        TEST(ignored_children_stay_ignored),
        TEST(loops_of_several_threads_all_hear_it),
        TEST(watchers_come_and_go_while_signals_do),
        TEST(after_the_last_send_there_is_a_call_that_sees_it),
        TEST(sends_before_the_callback_are_one),
        TEST(a_signal_handler_may_send),
        TEST(a_send_wakes_a_hub_that_sleeps),
    };
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    CHECK_EQ(cress_watch_async_init(&async, cress_hub_loop(hub), stop_it, NULL), 0);
    CHECK_EQ(cress_watch_start(&async.watch), 0);
    CHECK_EQ(cress_watch_async_send(&async), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return RUN_TESTS(tests);
}
