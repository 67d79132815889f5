/* Every kind of watcher, on each poller, with each call that can fail failing once: also in a
 * child. */
#include "support/check.h"
#include "support/sweep.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *poller;
static char path[64];

static int stop(cress_watch *watch, int events, void *arg)
{
    (void)events;
    ++*(int *)arg;
    return cress_watch_stop(watch);
}

static int count(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    ++*(int *)arg;
    return 0;
}

static int touch(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events, (void)arg;
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
    return 0;
}

static void ignore(cress_loop *loop, cress_watch *watch, const char *context, int error, void *arg)
{
    (void)loop, (void)watch, (void)context, (void)arg;
    CHECK(error < 0 && sweep_met_fault());
}

/* Whether it could be started, or a fault was met. */
static bool started(cress_watch *watch)
{
    int error = cress_watch_start(watch);
    CHECK(error == 0 || sweep_met_fault());
    CHECK_EQ(cress_watch_active(watch), error == 0);
    return error == 0;
}

static void with_loop(cress_loop *loop)
{
    cress_watch_signal sig = { 0 };
    cress_watch_child child = { 0 };
    cress_watch_async async = { 0 };
    cress_watch_stat st = { 0 };
    cress_watch_timer timer = { 0 };
    cress_watch_fork forked = { 0 };
    int signals = 0, children = 0, sends = 0, changes = 0, forks = 0;
    snprintf(path, sizeof path, "faults_watchers.%d", getpid());
    pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0)
        _exit(0);
    CHECK_EQ(cress_loop_set_error_hook(loop, ignore, NULL), 0);
    CHECK_EQ(cress_watch_signal_init(&sig, loop, SIGUSR1, stop, &signals), 0);
    CHECK_EQ(cress_watch_child_init(&child, loop, pid, count, &children), 0);
    CHECK_EQ(cress_watch_async_init(&async, loop, stop, &sends), 0);
    CHECK_EQ(cress_watch_stat_init(&st, loop, path, CRESS_MS(100), stop, &changes), 0);
    CHECK_EQ(cress_watch_fork_init(&forked, loop, count, &forks), 0);
    CHECK_EQ(cress_watch_set_ref(&forked.watch, false), 0);
    CHECK_EQ(cress_watch_timer_init(&timer, loop, CRESS_MS(1), CRESS_MS(20), touch, NULL), 0);
    CHECK_EQ(cress_watch_set_ref(&timer.watch, false), 0);
    bool has_signal = started(&sig.watch), has_child = started(&child.watch);
    bool has_stat = started(&st.watch);
    CHECK(started(&async.watch) && started(&forked.watch) && started(&timer.watch));
    if (has_signal)
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(cress_watch_async_send(&async), 0);
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(signals, has_signal);
    CHECK_EQ(children, has_child);
    CHECK_EQ(changes, has_stat);
    CHECK_EQ(sends, 1);
    int status;
    waitpid(pid, &status, 0); /* where its watcher could not be had */

    /* What follows in the sweep's count happens in a child, which says how it went. */
    if ((has_stat = started(&st.watch)))
        touch(NULL, 0, NULL);
    pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        int tries = 0;
        while (cress_loop_run(loop, CRESS_RUN_NOWAIT) < 0)
            CHECK(sweep_met_fault() && ++tries < 10);
        CHECK_EQ(forks, 1);
        CHECK_EQ(cress_loop_free(loop), 0);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(cress_watch_stop(&st.watch), 0);
    CHECK_EQ(cress_watch_stop(&timer.watch), 0);
    CHECK_EQ(cress_watch_stop(&forked.watch), 0);
    unlink(path);
}

static void *in_thread(void *arg)
{
    cress_loop *loop = NULL;
    cress_loop_options options = CRESS_LOOP_OPTIONS_INIT;
    options.poller = poller;
    int error = cress_loop_new(&options, &loop);
    CHECK(error == 0 || sweep_met_fault());
    if (error == 0) {
        with_loop(loop);
        CHECK_EQ(cress_loop_free(loop), 0);
    }
    return arg;
}

static void watchers_of_every_kind(void)
{
    pthread_t thread; /* whose record goes with it */
    CHECK_EQ(pthread_create(&thread, NULL, in_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(void)
{
    int wrong = 0;
    poller = "epoll";
    wrong += FAULT_SWEEP(watchers_of_every_kind);
    poller = "poll";
    wrong += FAULT_SWEEP(watchers_of_every_kind);
    setenv("CRESS_DISABLE", "pidfd", 1);
    wrong += FAULT_SWEEP(watchers_of_every_kind);
    return wrong;
}
