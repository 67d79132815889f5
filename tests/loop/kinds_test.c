/* Every kind of watcher leads the same life, on a loop by itself on each poller, and on a hub's.
 *
 * A kind says how one is made and how its event is brought about; what is proved for one is proved
 * for all. The clock is the real one: signals, children and files do not wait for another.
 */
#include "support/test.h"

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

enum { EXIT_STATUS = 7, PATIENCE = 20000 /* turns of 0.2 ms and more */ };

static cress_loop *loop;
static bool on_hub;

struct one {
    union {
        cress_watch watch; /* first */
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
    };
    const struct kind *kind;
    int fds[2];
    pid_t pid;
    char path[64];
    int calls, events;
    void (*then)(struct one *one);
    struct one *other;
};

struct kind {
    const char *name;
    void (*make)(struct one *one); /* what is to be watched */
    int (*init)(struct one *one, cress_loop *loop, cress_watch_fn fn, void *arg);
    void (*trigger)(struct one *one); /* let its event happen; NULL: comes by itself */
    void (*clean)(struct one *one);
    int events; /* that the callback gets */
};

/* --- the kinds ------------------------------------------------------------------------------- */

static void no_op(struct one *one)
{
    (void)one;
}

static void make_pipe(struct one *one)
{
    CHECK_EQ(pipe2(one->fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static int init_io(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_io_init(one != NULL ? &one->io : NULL, l, one != NULL ? one->fds[0] : 0,
                               CRESS_IN, fn, arg);
}

static void write_pipe(struct one *one)
{
    CHECK_EQ(write(one->fds[1], "x", 1), 1);
}

static void close_pipe(struct one *one)
{
    close(one->fds[0]);
    close(one->fds[1]);
}

static int init_timer(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_timer_init(one != NULL ? &one->timer : NULL, l, CRESS_US(100), 0, fn, arg);
}

static int init_signal(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_signal_init(one != NULL ? &one->signal : NULL, l, SIGUSR1, fn, arg);
}

static void raise_signal(struct one *one)
{
    (void)one;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
}

static void make_child(struct one *one)
{
    CHECK_EQ(pipe2(one->fds, O_CLOEXEC), 0);
    one->pid = fork();
    CHECK_GE(one->pid, 0);
    if (one->pid == 0) {
        char c;
        close(one->fds[1]);
        _exit(read(one->fds[0], &c, 1) == 0 ? EXIT_STATUS : 99);
    }
}

static int init_child(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_child_init(one != NULL ? &one->child : NULL, l, one != NULL ? one->pid : 1,
                                  fn, arg);
}

static void end_child(struct one *one)
{
    close(one->fds[1]);
    one->fds[1] = -1;
}

static void clean_child(struct one *one)
{
    close(one->fds[0]);
    if (one->fds[1] >= 0)
        close(one->fds[1]); /* it ends */
    int status;
    waitpid(one->pid, &status, 0); /* or it has been reaped */
}

static int init_async(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_async_init(one != NULL ? &one->async : NULL, l, fn, arg);
}

static void send_async(struct one *one)
{
    CHECK_EQ(cress_watch_async_send(&one->async), 0);
}

static void make_path(struct one *one)
{
    static int number;
    snprintf(one->path, sizeof one->path, "kinds_test.%d.%d", getpid(), number++);
}

static int init_stat(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_stat_init(one != NULL ? &one->stat : NULL, l, one != NULL ? one->path : "x",
                                 CRESS_MS(100), fn, arg);
}

static void make_file(struct one *one)
{
    int fd = open(one->path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
}

static void remove_file(struct one *one)
{
    unlink(one->path);
}

static int init_idle(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_idle_init(one != NULL ? &one->idle : NULL, l, fn, arg);
}

static int init_prepare(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_prepare_init(one != NULL ? &one->prepare : NULL, l, fn, arg);
}

static int init_check(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_check_init(one != NULL ? &one->check : NULL, l, fn, arg);
}

static int init_fork(struct one *one, cress_loop *l, cress_watch_fn fn, void *arg)
{
    return cress_watch_fork_init(one != NULL ? &one->fork : NULL, l, fn, arg);
}

/* Its own event comes in other processes only, see fork_test.c. */
static void feed(struct one *one)
{
    if (cress_watch_active(&one->watch))
        CHECK_EQ(cress_watch_feed(&one->watch, 0), 0);
}

static const struct kind kinds[] = {
    { "io", make_pipe, init_io, write_pipe, close_pipe, CRESS_IN },
    { "timer", no_op, init_timer, NULL, no_op, 0 },
    { "signal", no_op, init_signal, raise_signal, no_op, SIGUSR1 },
    { "child", make_child, init_child, end_child, clean_child, EXIT_STATUS << 8 },
    { "async", no_op, init_async, send_async, no_op, 0 },
    { "stat", make_path, init_stat, make_file, remove_file, 0 },
    { "idle", no_op, init_idle, NULL, no_op, 0 },
    { "prepare", no_op, init_prepare, NULL, no_op, 0 },
    { "check", no_op, init_check, NULL, no_op, 0 },
    { "fork", no_op, init_fork, feed, no_op, 0 },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* --- running --------------------------------------------------------------------------------- */

static int called(cress_watch *watch, int events, void *arg)
{
    struct one *one = arg;
    CHECK_EQ(watch, &one->watch);
    one->calls++;
    one->events = events;
    if (one->then != NULL)
        one->then(one);
    return 0;
}

static void make(struct one *one, const struct kind *kind)
{
    *one = (struct one){ .kind = kind };
    kind->make(one);
    CHECK_EQ(kind->init(one, loop, called, one), 0);
}

static void start(struct one *one)
{
    CHECK_EQ(cress_watch_start(&one->watch), 0);
}

static void stop(struct one *one)
{
    CHECK_EQ(cress_watch_stop(&one->watch), 0);
}

static void trigger(struct one *one)
{
    if (one->kind->trigger != NULL)
        one->kind->trigger(one);
}

static void turn(void)
{
    if (on_hub) {
        CHECK_EQ(cress_sleep(CRESS_US(200)), 0);
    } else {
        CHECK_GE(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
        usleep(200);
    }
}

static void some_turns(void)
{
    for (int i = 0; i < 5; i++)
        turn();
}

static void until_called(struct one *one, int calls)
{
    for (int i = 0; one->calls < calls; i++) {
        if (i == PATIENCE)
            fprintf(stderr, "%s watcher: called %d times, not %d\n", one->kind->name, one->calls,
                    calls);
        CHECK_LT(i, PATIENCE);
        turn();
    }
}

/* --- the life -------------------------------------------------------------------------------- */

static void is_called_once_and_stops_in_its_callback(const struct kind *kind)
{
    struct one a;
    make(&a, kind);
    CHECK_EQ(kind->init(&a, loop, called, &a), 0); /* again, while it is not active */
    CHECK(!cress_watch_active(&a.watch));
    CHECK_EQ(cress_watch_loop(&a.watch), loop);
    a.then = stop;
    start(&a);
    start(&a);
    CHECK(cress_watch_active(&a.watch));
    CHECK_EQ(cress_loop_active(loop), 1);
    CHECK_EQ(kind->init(&a, loop, called, &a), -EINVAL);
    trigger(&a);
    until_called(&a, 1);
    CHECK_EQ(a.events, kind->events);
    CHECK(!cress_watch_active(&a.watch));
    CHECK_EQ(cress_loop_active(loop), 0);
    some_turns();
    CHECK_EQ(a.calls, 1);
    stop(&a); /* no error */
    kind->clean(&a);
}

static void is_not_called_once_stopped(const struct kind *kind)
{
    struct one a;
    make(&a, kind);
    start(&a);
    trigger(&a);
    stop(&a);
    some_turns();
    CHECK_EQ(a.calls, 0);
    CHECK_EQ(cress_watch_feed(&a.watch, 3), -EINVAL);
    start(&a);
    CHECK_EQ(cress_watch_feed(&a.watch, 3), 0);
    CHECK(cress_watch_pending(&a.watch));
    stop(&a);
    CHECK(!cress_watch_pending(&a.watch));
    some_turns();
    CHECK_EQ(a.calls, 0);
    kind->clean(&a);
}

static void stop_other_if_pending(struct one *one)
{
    if (!cress_watch_pending(&one->other->watch))
        return;
    stop(one->other);
    CHECK(!cress_watch_pending(&one->other->watch));
    stop(one);
}

static const struct kind *kind_named(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static void is_stopped_by_another_when_it_is_ready(const struct kind *kind)
{
    struct one a, first;
    /* What is fed stands in the line already, and a hub looks at the time and at what other threads
     * send more often than it calls check watchers. */
    if (kind->trigger == feed || on_hub)
        return;
    make(&first, kind_named(strcmp(kind->name, "prepare") == 0 ? "prepare" : "check"));
    make(&a, kind);
    first.then = stop_other_if_pending;
    first.other = &a;
    CHECK_EQ(cress_watch_set_priority(&first.watch, 2), 0);
    start(&first);
    start(&a);
    trigger(&a);
    for (int i = 0; cress_watch_active(&a.watch); i++) {
        CHECK_LT(i, PATIENCE);
        turn();
    }
    some_turns();
    CHECK_EQ(a.calls, 0);
    CHECK(!cress_watch_active(&first.watch));
    kind->clean(&a);
}

static void start_other(struct one *one)
{
    start(one->other);
    trigger(one->other);
}

static void is_started_by_a_callback(const struct kind *kind)
{
    struct one a, first;
    make(&first, kind_named("timer"));
    make(&a, kind);
    first.then = start_other;
    first.other = &a;
    a.then = stop;
    start(&first);
    until_called(&a, 1);
    CHECK_EQ(first.calls, 1);
    kind->clean(&a);
}

static void start_over(struct one *one)
{
    stop(one);
    if (one->calls == 3)
        return;
    start(one);
    CHECK(!cress_watch_pending(&one->watch));
    trigger(one);
}

static void starts_itself_over(const struct kind *kind)
{
    if (strcmp(kind->name, "child") == 0)
        return; /* who has been reaped is no child any more: child_test.c */
    struct one a;
    make(&a, kind);
    a.then = start_over;
    start(&a);
    trigger(&a);
    until_called(&a, 3);
    some_turns();
    CHECK_EQ(a.calls, 3);
    kind->clean(&a);
}

static void does_not_keep_the_loop_running_if_unreferenced(const struct kind *kind)
{
    struct one a;
    make(&a, kind);
    CHECK(cress_watch_ref(&a.watch));
    CHECK_EQ(cress_watch_set_ref(&a.watch, false), 0);
    CHECK(!cress_watch_ref(&a.watch));
    start(&a);
    CHECK_EQ(cress_loop_active(loop), 0);
    CHECK_EQ(on_hub ? cress_run(CRESS_FOREVER) : cress_loop_run(loop, CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(cress_watch_set_ref(&a.watch, true), 0);
    CHECK_EQ(cress_loop_active(loop), cress_watch_active(&a.watch));
    CHECK_EQ(cress_watch_set_ref(&a.watch, false), 0);
    if (cress_watch_active(&a.watch)) {
        int before = a.calls;
        trigger(&a);
        until_called(&a, before + 1); /* but it is called */
    }
    stop(&a);
    CHECK_EQ(cress_loop_active(loop), 0);
    kind->clean(&a);
}

static void takes_a_priority_only_while_idle(const struct kind *kind)
{
    struct one a;
    make(&a, kind);
    CHECK_EQ(cress_watch_set_priority(&a.watch, 3), -EINVAL);
    CHECK_EQ(cress_watch_set_priority(&a.watch, -3), -EINVAL);
    CHECK_EQ(cress_watch_set_priority(&a.watch, -2), 0);
    CHECK_EQ(cress_watch_priority(&a.watch), -2);
    a.then = stop;
    start(&a);
    CHECK_EQ(cress_watch_set_priority(&a.watch, 1), -EBUSY);
    trigger(&a);
    until_called(&a, 1);
    kind->clean(&a);
}

static void *tries_foreign(void *arg)
{
    struct one *one = arg, mine = *one;
    struct one fresh = { .kind = one->kind, .pid = 1, .path = "x" };
    CHECK_EQ(one->kind->init(&fresh, loop, called, &fresh), -EXDEV);
    CHECK_EQ(cress_watch_start(&one->watch), -EXDEV);
    CHECK_EQ(cress_watch_stop(&one->watch), -EXDEV);
    CHECK_EQ(cress_watch_feed(&one->watch, 0), -EXDEV);
    CHECK_EQ(cress_watch_set_ref(&one->watch, false), -EXDEV);
    CHECK_EQ(cress_watch_set_priority(&one->watch, 0), -EXDEV);
    CHECK_MEM(&mine.watch, &one->watch, sizeof mine.watch);
    return NULL;
}

static void is_its_threads(const struct kind *kind)
{
    struct one a;
    make(&a, kind);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, tries_foreign, &a), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    kind->clean(&a);
}

static void needs_a_loop_and_a_function(const struct kind *kind)
{
    struct one a = { .kind = kind };
    kind->make(&a);
    CHECK_EQ(kind->init(NULL, loop, called, NULL), -EINVAL);
    CHECK_EQ(kind->init(&a, NULL, called, NULL), -EINVAL);
    CHECK_EQ(kind->init(&a, loop, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_watch_start(&a.watch), -EINVAL);
    kind->clean(&a);
}

static bool freed;

static void stop_and_free(struct one *one)
{
    stop(one);
    one->kind->clean(one);
    memset(one, 0x5a, sizeof *one);
    free(one);
    freed = true;
}

static void is_freed_in_its_callback(const struct kind *kind)
{
    struct one *a = malloc(sizeof *a);
    CHECK(a != NULL);
    make(a, kind);
    a->then = stop_and_free;
    start(a);
    trigger(a);
    freed = false;
    for (int i = 0; !freed; i++) {
        CHECK_LT(i, PATIENCE);
        turn();
    }
    some_turns();
}

static void (*const lives[])(const struct kind *kind) = {
    is_called_once_and_stops_in_its_callback,
    is_not_called_once_stopped,
    is_stopped_by_another_when_it_is_ready,
    is_started_by_a_callback,
    starts_itself_over,
    does_not_keep_the_loop_running_if_unreferenced,
    takes_a_priority_only_while_idle,
    is_its_threads,
    needs_a_loop_and_a_function,
    is_freed_in_its_callback,
};

static void live(void)
{
    for (int i = 0; i < KINDS; i++)
        for (size_t j = 0; j < sizeof lives / sizeof *lives; j++)
            lives[j](&kinds[i]);
}

/* --- on each loop ---------------------------------------------------------------------------- */

static void live_on(const char *poller)
{
    cress_loop_options options = CRESS_LOOP_OPTIONS_INIT;
    options.poller = poller;
    CHECK_EQ(cress_loop_new(&options, &loop), 0);
    live();
    CHECK_EQ(cress_loop_free(loop), 0);
}

static void every_kind_lives_the_same_on_epoll(void **state)
{
    (void)state;
    live_on("epoll");
}

static void every_kind_lives_the_same_on_poll(void **state)
{
    (void)state;
    live_on("poll");
}

static void every_kind_lives_the_same_on_a_hub(void **state)
{
    (void)state;
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    loop = cress_hub_loop(hub);
    on_hub = true;
    live();
    on_hub = false;
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void every_kind_ends_with_its_loop(void **state)
{
    (void)state;
    struct one all[KINDS];
    cress_loop *first;
    CHECK_EQ(cress_loop_new(NULL, &first), 0);
    loop = first;
    for (int i = 0; i < KINDS; i++) {
        make(&all[i], &kinds[i]);
        start(&all[i]);
        trigger(&all[i]);
    }
    CHECK_EQ(cress_loop_free(first), 0);
    CHECK_EQ(cress_loop_new(NULL, &loop), 0);
    for (int i = 0; i < KINDS; i++) {
        CHECK(!cress_watch_active(&all[i].watch));
        CHECK(!cress_watch_pending(&all[i].watch));
        CHECK_EQ(cress_watch_loop(&all[i].watch), NULL);
        CHECK_EQ(cress_watch_start(&all[i].watch), -EINVAL);
        CHECK_EQ(kinds[i].init(&all[i], loop, called, &all[i]), 0);
    }
    some_turns();
    for (int i = 0; i < KINDS; i++) {
        CHECK_EQ(all[i].calls, 0);
        kinds[i].clean(&all[i]);
    }
    CHECK_EQ(cress_loop_free(loop), 0);
}

static void *has_and_ends_a_hub(void *arg)
{
    cress_hub *hub;
    struct one *all = arg;
    CHECK_EQ(cress_hub_get(&hub), 0);
    loop = cress_hub_loop(hub);
    for (int i = 0; i < KINDS; i++) {
        make(&all[i], &kinds[i]);
        start(&all[i]);
    }
    return NULL;
}

static void every_kind_ends_with_the_hub_of_a_thread(void **state)
{
    (void)state;
    struct one all[KINDS];
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, has_and_ends_a_hub, all), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int i = 0; i < KINDS; i++) {
        CHECK(!cress_watch_active(&all[i].watch));
        kinds[i].clean(&all[i]);
    }
}

static int fails(cress_watch *watch, int events, void *arg)
{
    (void)events, (void)arg;
    CHECK_EQ(cress_watch_stop(watch), 0);
    return -EIO;
}

static cress_watch *blamed;

static void blame(cress_loop *l, cress_watch *watch, const char *context, int error, void *arg)
{
    CHECK_EQ(l, loop);
    CHECK_EQ(error, -EIO);
    char name[32];
    snprintf(name, sizeof name, "%s watcher", ((const struct one *)arg)->kind->name);
    CHECK_STR(context, name);
    blamed = watch;
}

static void the_error_hook_is_told_which_watcher_failed(void **state)
{
    (void)state;
    CHECK_EQ(cress_loop_new(NULL, &loop), 0);
    for (int i = 0; i < KINDS; i++) {
        struct one a = { .kind = &kinds[i] };
        CHECK_EQ(cress_loop_set_error_hook(loop, blame, &a), 0);
        kinds[i].make(&a);
        CHECK_EQ(kinds[i].init(&a, loop, fails, NULL), 0);
        start(&a);
        trigger(&a);
        blamed = NULL;
        for (int n = 0; blamed == NULL; n++) {
            CHECK_LT(n, PATIENCE);
            turn();
        }
        CHECK_EQ(blamed, &a.watch);
        kinds[i].clean(&a);
    }
    CHECK_EQ(cress_loop_free(loop), 0);
}

static void nothing_is_answered_with_nothing(void **state)
{
    (void)state;
    CHECK(!cress_watch_active(NULL));
    CHECK(!cress_watch_pending(NULL));
    CHECK(!cress_watch_ref(NULL));
    CHECK_EQ(cress_watch_priority(NULL), 0);
    CHECK_EQ(cress_watch_loop(NULL), NULL);
    CHECK_EQ(cress_watch_start(NULL), -EINVAL);
    CHECK_EQ(cress_watch_stop(NULL), -EINVAL);
    CHECK_EQ(cress_watch_set_ref(NULL, true), -EINVAL);
    CHECK_EQ(cress_watch_set_priority(NULL, 0), -EINVAL);
    CHECK_EQ(cress_watch_feed(NULL, 0), -EINVAL);
    CHECK_EQ(cress_watch_async_send(NULL), -EINVAL);
    CHECK_EQ(cress_watch_timer_again(NULL, 0), -EINVAL);
    CHECK_EQ(cress_loop_now(NULL), 0);
    CHECK_EQ(cress_loop_update(NULL), 0);
    CHECK_EQ(cress_loop_active(NULL), 0);
    CHECK_EQ(cress_loop_poller(NULL), NULL);
    CHECK_EQ(cress_loop_fd(NULL), -EINVAL);
    CHECK_EQ(cress_loop_timeout(NULL), CRESS_FOREVER);
    CHECK_EQ(cress_loop_run(NULL, CRESS_RUN_DEFAULT), -EINVAL);
    CHECK_EQ(cress_loop_break(NULL), -EINVAL);
    CHECK_EQ(cress_loop_free(NULL), 0);
    CHECK_EQ(cress_loop_set_error_hook(NULL, NULL, NULL), -EINVAL);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_lives_the_same_on_epoll),
        cmocka_unit_test(every_kind_lives_the_same_on_poll),
        cmocka_unit_test(every_kind_lives_the_same_on_a_hub),
        cmocka_unit_test(every_kind_ends_with_its_loop),
        cmocka_unit_test(every_kind_ends_with_the_hub_of_a_thread),
        cmocka_unit_test(the_error_hook_is_told_which_watcher_failed),
        cmocka_unit_test(nothing_is_answered_with_nothing),
    };
    cress_hub *hub; /* what a thread keeps until it ends is there from now on */
    CHECK_EQ(cress_hub_get(&hub), 0);
    cress_callback callback = { 0 };
    CHECK_EQ(cress_post(hub, &callback, nothing, NULL), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    signal(SIGUSR1, SIG_IGN); /* raised also where nobody watches */
    return RUN_TESTS(tests);
}
