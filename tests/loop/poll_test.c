/* The poller on poll(2): what it does where epoll does something else. */
#include "base/fault.h"
#include "loop/loop.h"

#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static cress_loop *loop;

struct waiting {
    struct fd_wait wait;
    int calls, events;
};

static void note(struct fd_wait *wait, int events)
{
    struct waiting *w = container_of(wait, struct waiting, wait);
    w->calls++;
    w->events = events;
}

static int wait_for(struct waiting *w, int fd, int events, bool persistent)
{
    *w = (struct waiting){ .wait = { .events = events, .persistent = persistent, .ready = note } };
    return fds_wait(loop, fd, fds_entry(fd), &w->wait);
}

static int failures;

static bool fail_ppoll(const char *what)
{
    return failures > 0 && strcmp(what, "ppoll") == 0 && failures-- > 0;
}

static char reported[64];
static int reports;

static void report(cress_loop *l, cress_watch *watch, const char *context, int error, void *arg)
{
    (void)watch, (void)arg;
    CHECK_EQ(l, loop);
    snprintf(reported, sizeof reported, "%s %s", context, cress_error_name(error));
    reports++;
}

static int with_loop(void **state)
{
    (void)state;
    cress_loop_options options = CRESS_LOOP_OPTIONS_INIT;
    options.poller = "poll";
    reports = failures = 0;
    cress__fault_hook = fail_ppoll;
    return cress_loop_new(&options, &loop);
}

static int without_loop(void **state)
{
    (void)state;
    cress__fault_hook = NULL;
    return cress_loop_free(loop);
}

static void make_pipe(int fds[2])
{
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void close_pipe(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void put(int fd)
{
    CHECK_EQ(write(fd, "x", 1), 1);
}

static int look(void)
{
    return loop->poller->wait(loop, 0);
}

static void what_nobody_waits_for_is_not_asked_for(void **state)
{
    (void)state;
    int fds[2];
    struct waiting w;
    make_pipe(fds);
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN, false), 0);
    put(fds[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(w.events, CRESS_IN);
    CHECK_EQ(look(), 0); /* it is readable still, but who waited has gone */
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN, false), 0);
    fds_unwait(loop, &w.wait);
    CHECK_EQ(look(), 0);
    CHECK_EQ(w.calls, 0);
    close_pipe(fds);
}

static void two_who_wait_are_told_each_of_what_it_asked_for(void **state)
{
    (void)state;
    int fds[2];
    struct waiting in, out;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(wait_for(&in, fds[0], CRESS_IN, false), 0);
    CHECK_EQ(wait_for(&out, fds[0], CRESS_OUT, false), 0);
    CHECK_EQ(look(), 1);
    CHECK_EQ(out.calls, 1);
    CHECK_EQ(in.calls, 0);
    CHECK_EQ(look(), 0); /* the other one is asked for alone */
    put(fds[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(in.calls, 1);
    CHECK_EQ(out.calls, 1);
    close_pipe(fds);
}

static void one_that_was_closed_behind_our_back_wakes_who_waits(void **state)
{
    (void)state;
    int fds[2];
    struct waiting once, always;
    make_pipe(fds);
    CHECK_EQ(wait_for(&once, fds[0], CRESS_IN, false), 0);
    CHECK_EQ(wait_for(&always, fds[0], CRESS_IN, true), 0);
    close_pipe(fds);
    CHECK_EQ(look(), 1);
    CHECK_EQ(once.events, -EBADF);
    CHECK_EQ(always.events, -EBADF);
    CHECK_EQ(look(), 0);
    CHECK_EQ(wait_for(&once, fds[0], CRESS_IN, false), -EBADF);
}

static void another_file_under_the_number_ends_the_waits_for_the_old_one(void **state)
{
    (void)state;
    int old[2], new[2];
    struct waiting first, second;
    make_pipe(old);
    CHECK_EQ(wait_for(&first, old[0], CRESS_IN, false), 0);
    make_pipe(new);
    CHECK_EQ(dup2(new[0], old[0]), old[0]);
    CHECK_EQ(wait_for(&second, old[0], CRESS_IN, false), 0);
    CHECK_EQ(first.events, -EBADF);
    put(new[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(first.calls, 1);
    CHECK_EQ(second.events, CRESS_IN);
    close_pipe(old);
    close_pipe(new);
}

/* More than fit at first, taken out in another order than put in. */
static void many_come_and_go(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static int fds[MANY][2];
    static struct waiting w[MANY];
    for (int i = 0; i < MANY; i++) {
        make_pipe(fds[i]);
        CHECK_EQ(wait_for(&w[i], fds[i][0], CRESS_IN, false), 0);
    }
    for (int i = 0; i < MANY; i += 3)
        fds_unwait(loop, &w[i].wait);
    for (int i = 0; i < MANY; i++)
        put(fds[i][1]);
    CHECK_EQ(look(), MANY - MANY / 3);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(w[i].calls, i % 3 != 0);
    CHECK_EQ(look(), 0);
    for (int i = 0; i < MANY; i++)
        close_pipe(fds[i]);
}

static void a_number_that_is_adopted_anew_is_asked_for_once(void **state)
{
    (void)state;
    int fds[2];
    struct waiting old, new;
    make_pipe(fds);
    CHECK_EQ(wait_for(&old, fds[0], CRESS_IN, false), 0);
    CHECK_EQ(fds_adopt(fds[0], 0), 0); /* leaves its slot behind */
    CHECK_EQ(old.events, -EBADF);
    put(fds[1]);
    look();
    CHECK_EQ(look(), 0); /* nobody waits, and nobody is woken for it again and again */
    CHECK_EQ(wait_for(&new, fds[0], CRESS_IN, false), 0);
    CHECK_EQ(look(), 1);
    CHECK_EQ(new.calls, 1);
    CHECK_EQ(fds_forget(fds_entry(fds[0])), 0);
    close_pipe(fds);
}

static void what_has_no_end_of_waiting_is_refused(void **state)
{
    (void)state;
    struct waiting w;
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK_EQ(wait_for(&w, fileno(file), CRESS_IN, false), -EPERM);
    CHECK_EQ(look(), 0);
    fclose(file);
    int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_EQ(wait_for(&w, dir, CRESS_IN, false), -EPERM);
    close(dir);
}

static void a_poll_that_fails_is_reported_once_and_tried_again(void **state)
{
    (void)state;
    int fds[2];
    struct waiting w;
    CHECK_EQ(cress_loop_set_error_hook(loop, report, NULL), 0);
    make_pipe(fds);
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN, false), 0);
    put(fds[1]);
    for (int i = 0; i < 3; i++) {
        failures = 1;
        CHECK_EQ(look(), 0);
    }
    CHECK_EQ(reports, 1);
    CHECK_STR(reported, "poll ENOMEM");
    CHECK_EQ(look(), 1);
    CHECK_EQ(w.calls, 1);
    failures = 1;
    CHECK_EQ(look(), 0);
    CHECK_EQ(reports, 2); /* it went well in between */
    close_pipe(fds);
}

static void a_wake_up_ends_one_wait(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        loop->poller->wake(loop);
        loop->poller->wake(loop);
        CHECK_EQ(loop->poller->wait(loop, CRESS_FOREVER), 1);
        CHECK_EQ(look(), 0);
    }
    CHECK_EQ(cress_loop_fd(loop), -ENOTSUP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_loop, without_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_nobody_waits_for_is_not_asked_for),
        TEST(two_who_wait_are_told_each_of_what_it_asked_for),
        TEST(one_that_was_closed_behind_our_back_wakes_who_waits),
        TEST(another_file_under_the_number_ends_the_waits_for_the_old_one),
        TEST(many_come_and_go),
        TEST(a_number_that_is_adopted_anew_is_asked_for_once),
        TEST(what_has_no_end_of_waiting_is_refused),
        TEST(a_poll_that_fails_is_reported_once_and_tried_again),
        TEST(a_wake_up_ends_one_wait),
    };
    return RUN_TESTS(tests);
}
