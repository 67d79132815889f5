/* Every kind of watcher on the loop of a hub, beside greenlets: its callback runs in the line of
 * the hub, may do all that does not wait, and is refused what does. */
#include "support/test.h"
#include "hub/apart.h"
#include "support/check.h"

#include <cress.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IO, TIMER, SIGNAL, CHILD, ASYNC, STAT, IDLE, PREPARE, CHECKS, FORK, KINDS };

static union kind {
    cress_watch watch;
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
} all[KINDS];

static struct seen {
    int calls;
    int spawned; /* greenlets of its callback that ran */
    cress_watch *watch;
} seen[KINDS];

static cress_greenlet *waiting;
static int pair[2];
static char path[64];

static void count_reports(cress_hub *hub, cress_greenlet *g, const char *context, int error,
                          void *arg)
{
    (void)hub, (void)g, (void)context;
    CHECK(error == -EPERM || error == -EPROTO);
    ++*(int *)arg;
}

static void *count_up(void *arg)
{
    ++*(int *)arg;
    return NULL;
}

static int called(cress_watch *watch, int events, void *arg)
{
    struct seen *s = arg;
    (void)events;
    s->calls++;
    CHECK(cress_current() == NULL);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), -EPERM);
    CHECK_EQ(cress_join(waiting, CRESS_FOREVER), -EPERM);
    CHECK_EQ(cress_park(CRESS_FOREVER), -EPERM);
    CHECK_EQ(cress_kill(waiting, CRESS_FOREVER), -EPERM);
    CHECK_EQ(cress_go(count_up, &s->spawned), 0);
    CHECK_EQ(cress_watch_stop(watch), 0);
    return -EPROTO; /* told to the hook, and no harm to others */
}

static void *exits(void *arg)
{
    (void)arg;
    CHECK_EQ(cress_sleep(CRESS_SECONDS(60)), -ECANCELED);
    return NULL;
}

static void start_all(void)
{
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    cress_loop *loop = cress_hub_loop(hub);
    CHECK_EQ(pipe(pair), 0);
    CHECK_EQ(cress_write(pair[1], "x", 1), 1);
    snprintf(path, sizeof path, "/tmp/cress-watchers-%d", (int)getpid());
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
#define INIT(kind, name, ...) \
    CHECK_EQ(cress_watch_##name##_init(&all[kind].name, loop, __VA_ARGS__ called, &seen[kind]), 0)
#define COMMA ,
    INIT(IO, io, pair[0] COMMA CRESS_IN COMMA);
    INIT(TIMER, timer, CRESS_MS(1) COMMA 0 COMMA);
    INIT(SIGNAL, signal, SIGUSR1 COMMA);
    INIT(CHILD, child, pid COMMA);
    INIT(ASYNC, async, );
    INIT(STAT, stat, path COMMA CRESS_MS(100) COMMA);
    INIT(IDLE, idle, );
    INIT(PREPARE, prepare, );
    INIT(CHECKS, check, );
    INIT(FORK, fork, );
    for (int i = 0; i < KINDS; i++)
        CHECK_EQ(cress_watch_start(&all[i].watch), 0);
}

static void every_callback_runs_beside_greenlets_and_may_not_wait(void **state)
{
    (void)state;
    int reports = 0;
    start_all();
    CHECK_EQ(cress_hub_set_error_hook(NULL, count_reports, &reports), 0);
    waiting = cress_spawn(exits, NULL);
    CHECK_EQ(cress_yield(), 0);
    /* What has not come by itself is made to happen; in the parent no fork is noticed. */
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(cress_watch_async_send(&all[ASYNC].async), 0);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fclose(file);
    for (int i = 0; i < 2000; i++) { /* until all but one were called */
        int done = 0;
        for (int kind = 0; kind < KINDS; kind++)
            done += seen[kind].spawned > 0;
        if (done == KINDS - 1)
            break;
        CHECK_EQ(cress_sleep(CRESS_MS(5)), 0);
    }
    for (int kind = 0; kind < KINDS; kind++) {
        CHECK_EQ(seen[kind].calls, kind == FORK ? 0 : 1);
        CHECK_EQ(seen[kind].spawned, seen[kind].calls);
        CHECK_EQ(cress_watch_active(&all[kind].watch), kind == FORK);
    }
    CHECK_EQ(reports, 5 * (KINDS - 1)); /* four calls that were refused, and the result */
    CHECK_EQ(cress_kill(waiting, CRESS_FOREVER), 0);
    cress_unref(waiting);
    CHECK_EQ(cress_watch_stop(&all[FORK].watch), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    unlink(path);
    close(pair[0]);
    close(pair[1]);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static int count(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    ++*(int *)arg;
    return 0;
}

static void idle_comes_to_an_end_beside_what_is_called_in_every_turn(void **state)
{
    (void)state;
    static cress_watch_prepare prepare;
    static cress_watch_check check;
    static cress_watch_idle idle;
    cress_hub *hub;
    int calls[3] = { 0 };
    CHECK_EQ(cress_hub_get(&hub), 0);
    cress_loop *loop = cress_hub_loop(hub);
    CHECK_EQ(cress_watch_prepare_init(&prepare, loop, count, &calls[0]), 0);
    CHECK_EQ(cress_watch_check_init(&check, loop, count, &calls[1]), 0);
    CHECK_EQ(cress_watch_idle_init(&idle, loop, count, &calls[2]), 0);
    cress_watch *watches[] = { &prepare.watch, &check.watch, &idle.watch };
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cress_watch_start(watches[i]), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cress_idle(), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_GT(calls[i], 0);
        CHECK_EQ(cress_watch_stop(watches[i]), 0);
    }
    CHECK_EQ(cress_hub_destroy(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_callback_runs_beside_greenlets_and_may_not_wait),
        cmocka_unit_test(idle_comes_to_an_end_beside_what_is_called_in_every_turn),
    };
    return RUN_TESTS_APART(tests);
}
