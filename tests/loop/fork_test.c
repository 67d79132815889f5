/* fork(2) with loops in use: the child's goes on with descriptors of its own, the parent's is not
 * touched, and who calls exec next pays for nothing.
 */
#include "base/fault.h"
#include "loop/loop.h"

#include "support/child.h"
#include "support/fds.h"
#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MS = 20000 };

static cress_loop *loop;

/* One of each kind, on one loop. */
static struct all {
    cress_watch_io io;
    cress_watch_timer timer;
    cress_watch_signal signal;
    cress_watch_child child;
    cress_watch_async async;
    cress_watch_stat stat;
    cress_watch_idle idle;
    cress_watch_prepare prepare;
    cress_watch_check check;
    cress_watch_fork fork;
} all;

enum { IO, TIMER, SIGNAL, CHILD, ASYNC, STAT, IDLE, PREPARE, CHECK_, FORK, KINDS };

static int calls[KINDS];
static int fds[2];
static pid_t some_child;
static int lifeline[2]; /* which that child lives on */
static char path[64];

static int count(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    ++*(int *)arg;
    return 0;
}

static int drain(cress_watch *watch, int events, void *arg)
{
    char bytes[16];
    if (events & CRESS_IN)
        CHECK_GE(read(fds[0], bytes, sizeof bytes), 1);
    return count(watch, events, arg);
}

static void start(cress_watch *watch)
{
    CHECK_EQ(cress_watch_start(watch), 0);
}

static void start_all(void)
{
    memset(&all, 0, sizeof all);
    memset(calls, 0, sizeof calls);
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(pipe2(lifeline, O_CLOEXEC), 0);
    some_child = fork();
    CHECK_GE(some_child, 0);
    if (some_child == 0) {
        char c;
        close(lifeline[1]);
        _exit(read(lifeline[0], &c, 1) == 1 ? 5 : 99);
    }
    snprintf(path, sizeof path, "fork_test.%d", getpid());
    CHECK_EQ(cress_watch_io_init(&all.io, loop, fds[0], CRESS_IN, drain, &calls[IO]), 0);
    CHECK_EQ(
        cress_watch_timer_init(&all.timer, loop, CRESS_MS(1), CRESS_MS(1), count, &calls[TIMER]),
        0);
    CHECK_EQ(cress_watch_signal_init(&all.signal, loop, SIGUSR1, count, &calls[SIGNAL]), 0);
    CHECK_EQ(cress_watch_child_init(&all.child, loop, some_child, count, &calls[CHILD]), 0);
    CHECK_EQ(cress_watch_async_init(&all.async, loop, count, &calls[ASYNC]), 0);
    CHECK_EQ(cress_watch_stat_init(&all.stat, loop, path, CRESS_FOREVER, count, &calls[STAT]), 0);
    CHECK_EQ(cress_watch_idle_init(&all.idle, loop, count, &calls[IDLE]), 0);
    CHECK_EQ(cress_watch_prepare_init(&all.prepare, loop, count, &calls[PREPARE]), 0);
    CHECK_EQ(cress_watch_check_init(&all.check, loop, count, &calls[CHECK_]), 0);
    CHECK_EQ(cress_watch_fork_init(&all.fork, loop, count, &calls[FORK]), 0);
    start(&all.io.watch);
    start(&all.timer.watch);
    start(&all.signal.watch);
    start(&all.child.watch);
    start(&all.async.watch);
    start(&all.stat.watch);
    start(&all.idle.watch);
    start(&all.prepare.watch);
    start(&all.check.watch);
    start(&all.fork.watch);
}

static void stop_all(void)
{
    cress_watch *each[] = { &all.io.watch,    &all.timer.watch,   &all.signal.watch,
                            &all.child.watch, &all.async.watch,   &all.stat.watch,
                            &all.idle.watch,  &all.prepare.watch, &all.check.watch,
                            &all.fork.watch };
    for (size_t i = 0; i < sizeof each / sizeof *each; i++)
        CHECK_EQ(cress_watch_stop(each[i]), 0);
    close(fds[0]);
    close(fds[1]);
    close(lifeline[0]);
    close(lifeline[1]);
}

/* Let each event happen and turn until each was called `n` times more; not those left out. */
static void all_are_called(const bool *left_out)
{
    int before[KINDS];
    memcpy(before, calls, sizeof calls);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(cress_watch_async_send(&all.async), 0);
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
    for (int i = 0; i < KINDS; i++)
        for (int turns = 0; !left_out[i] && calls[i] == before[i]; turns++) {
            if (turns == 5000)
                fprintf(stderr, "kind %d is not called\n", i);
            CHECK_LT(turns, 5000);
            CHECK_GE(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
            usleep(200);
        }
}

static const bool no_fork[KINDS] = { [FORK] = true, [CHILD] = true };
static const bool no_child[KINDS] = { [CHILD] = true };

/* --- what the parent has, as the kernel tells it -----------------------------------------------
 * */

struct held {
    char text[8192];
};

static void add_info(struct held *h, int fd)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(name, "r");
    CHECK(file != NULL);
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "tfd", 3) != 0 && strncmp(line, "inotify", 7) != 0)
            continue;
        CHECK_LT(strlen(h->text) + strlen(line), sizeof h->text);
        strcat(h->text, line);
    }
    fclose(file);
}

/* What is registered in each epoll set and each inotify of this process. */
static void look_at_held(struct held *h)
{
    memset(h, 0, sizeof *h);
    for (int fd = 0; fd < 64; fd++) {
        char name[64], target[64] = "";
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        if (readlink(name, target, sizeof target - 1) > 0 &&
            (strstr(target, "eventpoll") != NULL || strstr(target, "inotify") != NULL))
            add_info(h, fd);
    }
}

/* Run in a child process, which must not change what we hold. */
static void in_child(void (*fn)(void *))
{
    struct held before, after;
    struct child_result result;
    look_at_held(&before);
    child_run(fn, NULL, LIMIT_MS, &result);
    look_at_held(&after);
    if (result.status != 0 || result.signal != 0 || result.timed_out)
        fprintf(stderr, "the child %s:\n%s\n", child_words(&result), result.error);
    CHECK_STR(child_words(&result), "ended with exit status 0");
    CHECK_STR(before.text, after.text);
}

/* --- one loop ----------------------------------------------------------------------------------
 * */

static int with_loop(void **state)
{
    (void)state;
    return cress_loop_new(NULL, &loop);
}

static int without_loop(void **state)
{
    (void)state;
    unlink(path); /* the child must not: then the kernel removes the parent's mark */
    return cress_loop_free(loop);
}

static void goes_on_in_the_child(void *arg)
{
    (void)arg;
    all_are_called(no_child);
    CHECK_EQ(calls[FORK], 1);
    CHECK_EQ(calls[CHILD], 0);
    CHECK(!cress_watch_active(&all.child.watch)); /* it is a sister */
    all_are_called(no_fork);
    CHECK_EQ(calls[FORK], 1);
    stop_all();
    CHECK_EQ(cress_loop_free(loop), 0);
}

static void watchers_of_every_kind_go_on_in_parent_and_child(void **state)
{
    (void)state;
    start_all();
    all_are_called(no_fork);
    in_child(goes_on_in_the_child);
    all_are_called(no_fork);
    CHECK_EQ(calls[FORK], 0);
    CHECK_EQ(calls[CHILD], 0);
    CHECK_EQ(write(lifeline[1], "x", 1), 1);
    const bool all_but_fork[KINDS] = { [FORK] = true };
    all_are_called(all_but_fork);
    stop_all();
}

static void a_child_of_the_child(void *arg)
{
    (void)arg;
    pid_t pid = fork(); /* before and after the loop was used */
    CHECK_GE(pid, 0);
    if (pid == 0) {
        all_are_called(no_child);
        CHECK_EQ(calls[FORK], 1);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    all_are_called(no_child);
    CHECK_EQ(calls[FORK], 1);
    pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        all_are_called(no_child);
        CHECK_EQ(calls[FORK], 2);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    all_are_called(no_fork);
    CHECK_EQ(calls[FORK], 1);
}

static void it_works_in_each_generation(void **state)
{
    (void)state;
    start_all();
    in_child(a_child_of_the_child);
    all_are_called(no_fork);
    stop_all();
}

static int met;

static bool count_all(const char *what)
{
    (void)what;
    met++;
    return false;
}

static void does_nothing(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(met, 0); /* close itself is not counted */
}

static void who_does_not_use_the_loop_pays_for_nothing(void **state)
{
    (void)state;
    start_all();
    met = 0;
    cress__fault_hook = count_all;
    in_child(does_nothing);
    CHECK_EQ(met, 0);
    cress__fault_hook = NULL;
    all_are_called(no_fork);
    stop_all();
}

static void hears_nothing(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        CHECK_GT(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(calls[SIGNAL], 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    while (calls[SIGNAL] == 0)
        CHECK_GT(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(calls[SIGNAL], 1);
}

static void a_signal_of_before_is_the_parents(void **state)
{
    (void)state;
    start_all();
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    in_child(hears_nothing);
    while (calls[SIGNAL] == 0)
        CHECK_GT(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
    stop_all();
}

static const char *refused;

static bool refuse(const char *what)
{
    return refused != NULL && strcmp(what, refused) == 0;
}

static void cannot_have_a_poller_at_first(void *arg)
{
    (void)arg;
    refused = "eventfd2";
    cress__fault_hook = refuse;
    CHECK_EQ(cress_watch_stop(&all.timer.watch), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cress_loop_run(loop, CRESS_RUN_NOWAIT), -EMFILE);
        CHECK_EQ(cress_watch_start(&all.timer.watch), -EMFILE);
        CHECK_EQ(cress_loop_fd(loop), -EMFILE);
    }
    refused = NULL;
    start(&all.timer.watch);
    all_are_called(no_child);
    CHECK_EQ(calls[FORK], 1);
}

static void without_a_poller_the_child_is_told_and_may_try_again(void **state)
{
    (void)state;
    start_all();
    in_child(cannot_have_a_poller_at_first);
    stop_all();
}

static void frees_it_unused(void *arg)
{
    (void)arg;
    stop_all();
    CHECK_EQ(cress_loop_free(loop), 0);
}

static void the_child_may_free_it_unused(void **state)
{
    (void)state;
    start_all();
    in_child(frees_it_unused);
    all_are_called(no_fork);
    stop_all();
}

static int dropped;

static void drop(cress_loop *l)
{
    CHECK_EQ(l, loop);
    CHECK_EQ(calls[FORK], 0); /* before anybody is told */
    dropped++;
}

static void whoever_runs_the_loop_is_told_first_and_once(void *arg)
{
    (void)arg;
    refused = "eventfd2";
    cress__fault_hook = refuse;
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_NOWAIT), -EMFILE);
    refused = NULL;
    all_are_called(no_child);
    CHECK_EQ(dropped, 1);
}

static void the_hub_may_drop_its_waiters(void **state)
{
    (void)state;
    start_all();
    loop->on_fork = drop;
    in_child(whoever_runs_the_loop_is_told_first_and_once);
    CHECK_EQ(dropped, 0);
    loop->on_fork = NULL;
    stop_all();
}

/* --- several threads ---------------------------------------------------------------------------
 * */

enum { THREADS = 3 };

static struct thread_loop {
    pthread_t thread;
    int fds[2], epoll;
    atomic_int turns;
} others[THREADS];
static atomic_bool over;

static int other_ticks(cress_watch *watch, int events, void *arg)
{
    (void)events;
    struct thread_loop *t = arg;
    atomic_fetch_add(&t->turns, 1);
    return atomic_load(&over) ? cress_watch_stop(watch) : 0;
}

static int ignore(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events, (void)arg;
    return 0;
}

static void *runs_a_loop(void *arg)
{
    struct thread_loop *t = arg;
    cress_loop *l;
    cress_watch_io io = { 0 };
    cress_watch_timer timer = { 0 };
    cress_watch_signal sig = { 0 };
    cress_watch_stat st = { 0 };
    CHECK_EQ(cress_loop_new(NULL, &l), 0);
    t->epoll = cress_loop_fd(l);
    CHECK_EQ(pipe2(t->fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(cress_watch_io_init(&io, l, t->fds[0], CRESS_IN, ignore, NULL), 0);
    CHECK_EQ(cress_watch_timer_init(&timer, l, 0, CRESS_US(100), other_ticks, t), 0);
    CHECK_EQ(cress_watch_signal_init(&sig, l, SIGUSR1, ignore, NULL), 0);
    CHECK_EQ(cress_watch_stat_init(&st, l, path, 0, ignore, NULL), 0);
    CHECK_EQ(cress_watch_set_ref(&io.watch, false), 0);
    CHECK_EQ(cress_watch_set_ref(&sig.watch, false), 0);
    CHECK_EQ(cress_watch_set_ref(&st.watch, false), 0);
    start(&io.watch);
    start(&timer.watch);
    start(&sig.watch);
    start(&st.watch);
    CHECK_EQ(cress_loop_run(l, CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(cress_loop_free(l), 0);
    CHECK_EQ(cress_close(t->fds[0]), 0);
    CHECK_EQ(cress_close(t->fds[1]), 0);
    return NULL;
}

static void *a_new_thread_of_the_child(void *arg)
{
    struct thread_loop *t = arg;
    cress_loop *l;
    cress_watch_timer timer = { 0 };
    CHECK_EQ(cress_loop_new(NULL, &l), 0);
    CHECK_EQ(cress_watch_timer_init(&timer, l, 0, CRESS_US(100), other_ticks, t), 0);
    start(&timer.watch);
    atomic_store(&over, true);
    CHECK_EQ(cress_loop_run(l, CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(cress_loop_free(l), 0);
    return NULL;
}

static void only_the_forking_threads_loop_is_there(void *arg)
{
    (void)arg;
    /* A thread of the child comes first: it may have the very memory of one that is gone. */
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, a_new_thread_of_the_child, &others[0]), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0); /* the watchers of the others do not hear it */
    for (int i = 0; i < THREADS; i++)
        if (others[i].epoll >= 0) /* closed; perhaps a new one by now */
            CHECK_EQ(fcntl(others[i].epoll, F_GETFD) >= 0, false);
    /* What they waited for is nobody's, and can be waited for here. */
    cress_watch_io io = { 0 };
    int reads = 0;
    CHECK_EQ(cress_watch_io_init(&io, loop, others[0].fds[0], CRESS_IN, count, &reads), 0);
    start(&io.watch);
    CHECK_EQ(write(others[0].fds[1], "x", 1), 1);
    while (reads == 0)
        CHECK_GE(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(cress_watch_stop(&io.watch), 0);
    char c;
    CHECK_EQ(read(others[0].fds[0], &c, 1), 1); /* it is the parent's pipe as well */
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < 2; j++)
            CHECK_EQ(cress_close(others[i].fds[j]), 0);
    all_are_called(no_fork);
    CHECK_EQ(calls[FORK], 1);
}

static void loops_of_other_threads_are_not_there_in_the_child(void **state)
{
    (void)state;
#ifdef CRESS_TSAN
    printf("        left out: ThreadSanitizer ends a child that starts threads\n");
    return;
#endif
    start_all();
    atomic_store(&over, false);
    for (int i = 0; i < THREADS; i++) {
        atomic_store(&others[i].turns, 0);
        CHECK_EQ(pthread_create(&others[i].thread, NULL, runs_a_loop, &others[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        while (atomic_load(&others[i].turns) < 3)
            sched_yield();
    struct child_result result;
    child_run(only_the_forking_threads_loop_is_there, NULL, LIMIT_MS, &result);
    if (result.status != 0 || result.signal != 0)
        fprintf(stderr, "the child %s:\n%s\n", child_words(&result), result.error);
    CHECK_STR(child_words(&result), "ended with exit status 0");
    for (int i = 0; i < THREADS; i++) {
        int before = atomic_load(&others[i].turns);
        while (atomic_load(&others[i].turns) < before + 3)
            sched_yield();
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(others[i].thread, NULL), 0);
    all_are_called(no_fork);
    stop_all();
}

/* A send may be half done in another thread when the process forks: in the child nobody finishes
 * it, and those that come later must not rely on it. */
static atomic_bool forking_is_over;

static void *sends(void *arg)
{
    while (!atomic_load(&forking_is_over)) {
        CHECK_EQ(cress_watch_async_send(&all.async), 0);
        sched_yield();
    }
    return arg;
}

static void sends_are_not_lost_in_the_child(void **state)
{
    (void)state;
    pthread_t thread;
    atomic_store(&forking_is_over, false);
    memset(&all, 0, sizeof all);
    CHECK_EQ(cress_watch_async_init(&all.async, loop, count, &calls[ASYNC]), 0);
    start(&all.async.watch);
    CHECK_EQ(pthread_create(&thread, NULL, sends, NULL), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_GT(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
        pid_t pid = fork();
        CHECK_GE(pid, 0);
        if (pid == 0) {
            alarm(LIMIT_MS / 1000);
            CHECK_GT(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
            CHECK_GT(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
            int before = calls[ASYNC];
            CHECK_EQ(cress_watch_async_send(&all.async), 0);
            CHECK_GT(cress_loop_run(loop, CRESS_RUN_ONCE), 0);
            CHECK_EQ(calls[ASYNC], before + 1);
            _exit(0);
        }
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    atomic_store(&forking_is_over, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_watch_stop(&all.async.watch), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_loop, without_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(watchers_of_every_kind_go_on_in_parent_and_child),
        TEST(it_works_in_each_generation),
        TEST(who_does_not_use_the_loop_pays_for_nothing),
        TEST(a_signal_of_before_is_the_parents),
        TEST(without_a_poller_the_child_is_told_and_may_try_again),
        TEST(the_child_may_free_it_unused),
        TEST(the_hub_may_drop_its_waiters),
        TEST(loops_of_other_threads_are_not_there_in_the_child),
        TEST(sends_are_not_lost_in_the_child),
    };
    return RUN_TESTS(tests);
}
