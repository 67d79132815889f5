/* Watchers of child processes: by pidfd, and without (the suite runs with CRESS_DISABLE=pidfd too).
 * */
#include "base/fault.h"
#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static cress_loop *loop;
static bool without_pidfd;

/* As where no descriptor is left. */
static bool refuse_pidfd(const char *what)
{
    return without_pidfd && strcmp(what, "pidfd_open") == 0;
}

static int with_loop(void **state)
{
    without_pidfd = *state != NULL;
    cress__fault_hook = refuse_pidfd;
    return cress_loop_new(NULL, &loop);
}

static int without_loop(void **state)
{
    (void)state;
    cress__fault_hook = NULL;
    return cress_loop_free(loop);
}

/* A child that lives until `fds[1]` is closed and then exits, or is killed by a signal. */
struct child {
    cress_watch_child watch;
    pid_t pid;
    int fd;
    int calls, status;
};

static void born(struct child *c, int exit_status)
{
    int fds[2];
    *c = (struct child){ .fd = -1 };
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    c->pid = fork();
    CHECK_GE(c->pid, 0);
    if (c->pid == 0) {
        char byte;
        close(fds[1]);
        _exit(read(fds[0], &byte, 1) == 0 ? exit_status : 99);
    }
    close(fds[0]);
    c->fd = fds[1];
}

static void let_end(struct child *c)
{
    close(c->fd);
}

/* It has ended, but nobody has reaped it. */
static void await_zombie(pid_t pid)
{
    siginfo_t info;
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static int ended(cress_watch *watch, int events, void *arg)
{
    struct child *c = arg;
    CHECK_EQ(watch, &c->watch.watch);
    CHECK(!cress_watch_active(watch)); /* it was for once */
    c->calls++;
    c->status = events;
    return 0;
}

static void watch(struct child *c)
{
    CHECK_EQ(cress_watch_child_init(&c->watch, loop, c->pid, ended, c), 0);
    CHECK_EQ(cress_watch_start(&c->watch.watch), 0);
}

static void run(void)
{
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_DEFAULT), 0);
}

static void turns(int n)
{
    while (n-- > 0)
        CHECK_GE(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
}

static void is_no_child(pid_t pid)
{
    int status;
    CHECK_EQ(waitpid(pid, &status, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
}

static void the_callback_gets_the_wait_status_and_the_child_is_reaped(void **state)
{
    (void)state;
    struct child a, b;
    born(&a, 7);
    born(&b, 0);
    watch(&a);
    watch(&b);
    turns(2);
    CHECK_EQ(a.calls + b.calls, 0);
    let_end(&a);
    kill(b.pid, SIGKILL);
    run();
    CHECK_EQ(a.calls, 1);
    CHECK(WIFEXITED(a.status));
    CHECK_EQ(WEXITSTATUS(a.status), 7);
    CHECK_EQ(b.calls, 1);
    CHECK(WIFSIGNALED(b.status));
    CHECK_EQ(WTERMSIG(b.status), SIGKILL);
    is_no_child(a.pid);
    is_no_child(b.pid);
    let_end(&b);
}

static void one_that_has_ended_before_is_told(void **state)
{
    (void)state;
    struct child a;
    born(&a, 5);
    let_end(&a);
    await_zombie(a.pid);
    watch(&a);
    run();
    CHECK_EQ(WEXITSTATUS(a.status), 5);
}

static void only_children_of_ours_can_be_watched(void **state)
{
    (void)state;
    struct child a = { 0 };
    CHECK_EQ(cress_watch_child_init(&a.watch, loop, 0, ended, &a), -EINVAL);
    CHECK_EQ(cress_watch_child_init(&a.watch, loop, -1, ended, &a), -EINVAL);
    const pid_t others[] = { 1, getpid(), getppid(), 0x3fffffff };
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(cress_watch_child_init(&a.watch, loop, others[i], ended, &a), 0);
        CHECK_EQ(cress_watch_start(&a.watch.watch), -ECHILD);
        CHECK(!cress_watch_active(&a.watch.watch));
    }
    CHECK_EQ(cress_loop_active(loop), 0);
}

static void children_of_others_are_left_to_them(void **state)
{
    (void)state;
    struct child ours, theirs;
    int status;
    born(&ours, 1);
    born(&theirs, 2);
    watch(&ours);
    let_end(&theirs);
    await_zombie(theirs.pid);
    turns(3);
    let_end(&ours);
    run();
    CHECK_EQ(WEXITSTATUS(ours.status), 1);
    CHECK_EQ(waitpid(theirs.pid, &status, 0), theirs.pid);
    CHECK_EQ(WEXITSTATUS(status), 2);
}

static void who_comes_too_late_learns_that_the_status_is_lost(void **state)
{
    (void)state;
    struct child a;
    int status;
    born(&a, 4);
    watch(&a);
    let_end(&a);
    CHECK_EQ(waitpid(a.pid, &status, 0), a.pid); /* somebody else */
    run();
    CHECK_EQ(a.calls, 1);
    CHECK_EQ(a.status, -ECHILD);
}

static void several_watchers_of_a_child_get_the_same(void **state)
{
    (void)state;
    struct child a, b, c;
    born(&a, 6);
    b = c = a;
    watch(&a);
    watch(&b);
    watch(&c);
    let_end(&a);
    run();
    CHECK_EQ(WEXITSTATUS(a.status), 6);
    CHECK_EQ(b.status, a.status);
    CHECK_EQ(c.status, a.status);
    CHECK_EQ(a.calls + b.calls + c.calls, 3);
}

static void one_whose_watcher_was_stopped_in_time_can_still_be_waited_for(void **state)
{
    (void)state;
    struct child a;
    int status;
    born(&a, 9);
    watch(&a);
    let_end(&a);
    await_zombie(a.pid);
    CHECK_EQ(cress_watch_stop(&a.watch.watch), 0);
    turns(2);
    CHECK_EQ(a.calls, 0);
    CHECK_EQ(cress_watch_start(&a.watch.watch), 0); /* again */
    CHECK_EQ(cress_watch_stop(&a.watch.watch), 0);
    CHECK_EQ(waitpid(a.pid, &status, 0), a.pid);
    CHECK_EQ(WEXITSTATUS(status), 9);
    CHECK_EQ(cress_watch_start(&a.watch.watch), -ECHILD);
}

static int note(cress_watch *watch, int events, void *arg)
{
    (void)watch;
    *(int *)arg = events;
    return 0;
}

static void one_that_is_fed_goes_on(void **state)
{
    (void)state;
    struct child a;
    int told = -1;
    born(&a, 3);
    CHECK_EQ(cress_watch_child_init(&a.watch, loop, a.pid, note, &told), 0);
    CHECK_EQ(cress_watch_start(&a.watch.watch), 0);
    CHECK_EQ(cress_watch_feed(&a.watch.watch, 77), 0);
    turns(1);
    CHECK_EQ(told, 77);
    CHECK(cress_watch_active(&a.watch.watch));
    let_end(&a);
    run();
    CHECK_EQ(WEXITSTATUS(told), 3);
}

static void many_that_end_together_are_all_told(void **state)
{
    (void)state;
    enum { MANY = 40 };
    static struct child all[MANY];
    for (int i = 0; i < MANY; i++) {
        born(&all[i], i);
        watch(&all[i]);
    }
    for (int i = 0; i < MANY; i++)
        let_end(&all[i]);
    run();
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(all[i].calls, 1);
        CHECK_EQ(WEXITSTATUS(all[i].status), i);
    }
}

static void none_of_it_is_left_of_sigchld(void **state)
{
    (void)state;
    struct child a;
    struct sigaction before, now;
    CHECK_EQ(sigaction(SIGCHLD, NULL, &before), 0);
    born(&a, 0);
    watch(&a);
    CHECK_EQ(sigaction(SIGCHLD, NULL, &now), 0);
    if (without_pidfd)
        CHECK_NE(now.sa_handler == before.sa_handler, true);
    let_end(&a);
    run();
    CHECK_EQ(sigaction(SIGCHLD, NULL, &now), 0);
    CHECK_EQ(now.sa_handler == before.sa_handler, true);
}

#define TEST(name)                                                   \
    cmocka_unit_test_setup_teardown(name, with_loop, without_loop),  \
    {                                                                \
#name "_without_pidfd", name, with_loop, without_loop, &loop \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_callback_gets_the_wait_status_and_the_child_is_reaped),
        TEST(one_that_has_ended_before_is_told),
        TEST(only_children_of_ours_can_be_watched),
        TEST(children_of_others_are_left_to_them),
        TEST(who_comes_too_late_learns_that_the_status_is_lost),
        TEST(several_watchers_of_a_child_get_the_same),
        TEST(one_whose_watcher_was_stopped_in_time_can_still_be_waited_for),
        TEST(one_that_is_fed_goes_on),
        TEST(many_that_end_together_are_all_told),
        TEST(none_of_it_is_left_of_sigchld),
    };
    return RUN_TESTS(tests);
}
