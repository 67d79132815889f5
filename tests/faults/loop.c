/* A loop with watchers of descriptors and of time, with each call that can fail failing once. */
#include "loop/clock.h"
#include "support/check.h"
#include "support/sweep.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static int fds[2];
static int ticks;

static int on_read(cress_watch *watch, int events, void *arg)
{
    (void)arg;
    char c;
    if (events & CRESS_NVAL || (read(fds[0], &c, 1) != 1 && errno == EAGAIN))
        return cress_watch_stop(watch);
    return 0;
}

static int on_tick(cress_watch *watch, int events, void *arg)
{
    (void)events, (void)arg;
    CHECK_EQ(write(fds[1], "x", 1), 1);
    return ++ticks == 3 ? cress_watch_stop(watch) : 0;
}

static void ignore(cress_loop *loop, cress_watch *watch, const char *context, int error, void *arg)
{
    (void)loop, (void)watch, (void)context, (void)arg;
    CHECK(error < 0 && sweep_met_fault());
}

static void *in_thread(void *arg)
{
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    cress_loop *loop = NULL;
    int error = cress_loop_new(NULL, &loop);
    CHECK(error == 0 || sweep_met_fault());
    if (error == 0) {
        cress_watch_io io = { 0 };
        cress_watch_timer timer = { 0 };
        CHECK_EQ(cress_loop_set_error_hook(loop, ignore, NULL), 0);
        CHECK_EQ(cress_watch_io_init(&io, loop, fds[0], CRESS_IN, on_read, NULL), 0);
        CHECK_EQ(cress_watch_timer_init(&timer, loop, CRESS_US(10), CRESS_US(10), on_tick, NULL),
                 0);
        error = cress_watch_start(&io.watch);
        CHECK(error == 0 || sweep_met_fault());
        CHECK_EQ(cress_watch_active(&io.watch), error == 0);
        CHECK_EQ(cress_watch_set_ref(&io.watch, false), 0);
        CHECK_EQ(cress_watch_start(&timer.watch), 0);
        CHECK_EQ(cress_loop_run(loop, CRESS_RUN_DEFAULT), 0);
        CHECK_EQ(ticks, 3); /* time goes on whatever fails */
        error = cress_fd_set_timeout(fds[0], CRESS_IN, CRESS_MS(1));
        CHECK(error == 0 || sweep_met_fault());
        CHECK_EQ(cress_loop_free(loop), 0);
        CHECK(!cress_watch_active(&io.watch));
    }
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(cress_close(fds[1]), 0);
    return arg;
}

static void watchers(void)
{
    pthread_t thread; /* whose record goes with it */
    CHECK_EQ(pthread_create(&thread, NULL, in_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* A file that was closed behind the loop's back is found to be gone, on whatever occasion. */
static void *looks_for_it(void *arg)
{
    clock_take_over();
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    cress_loop *loop = NULL;
    int error = cress_loop_new(NULL, &loop);
    CHECK(error == 0 || sweep_met_fault());
    if (error == 0) {
        cress_watch_io io = { 0 };
        CHECK_EQ(cress_watch_io_init(&io, loop, fds[0], CRESS_IN, on_read, NULL), 0);
        error = cress_watch_start(&io.watch);
        CHECK(error == 0 || sweep_met_fault());
        close(fds[0]);
        CHECK_EQ(cress_loop_run(loop, CRESS_RUN_DEFAULT), 0); /* ends, since on_read() stops it */
        CHECK_EQ(cress_loop_free(loop), 0);
    } else {
        close(fds[0]);
    }
    close(fds[1]);
    clock_give_back();
    return arg;
}

static void a_watcher_of_what_is_gone(void)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, looks_for_it, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(void)
{
    return FAULT_SWEEP(watchers) + FAULT_SWEEP(a_watcher_of_what_is_gone);
}
