/* The table of descriptors and the epoll poller below it: numbers that come to mean another file,
 * how many calls it costs, and whose a descriptor is.
 */
#include "base/alloc.h"
#include "base/fault.h"
#include "loop/loop.h"

#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static cress_loop *loop;

/* A wait that remembers what it was told. */
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

static int wait_for(struct waiting *w, int fd, int events)
{
    *w = (struct waiting){ .wait = { .events = events, .ready = note } };
    return fds_wait(loop, fd, fds_entry(fd), &w->wait);
}

static void look(void)
{
    loop_look(loop, 0);
}

static unsigned ctls;

/* How many there were is a matter of epoll; on poll(2) there are none. */
#define CHECK_CTLS(n) CHECK_EQ(ctls, strcmp(loop->poller->name, "epoll") == 0 ? (n) : 0)

static bool count_ctl(const char *what)
{
    ctls += strcmp(what, "epoll_ctl") == 0;
    return false;
}

static int with_loop(void **state)
{
    (void)state;
    int error = cress_loop_new(NULL, &loop);
    ctls = 0;
    cress__fault_hook = count_ctl;
    return error;
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

static void put(int fd)
{
    CHECK_EQ(write(fd, "x", 1), 1);
}

static void take(int fd)
{
    char c;
    CHECK_EQ(read(fd, &c, 1), 1);
}

/* As cress_close() does. */
static void close_known(int fd)
{
    CHECK_EQ(fds_forget(fds_entry(fd)), 0);
    close(fd);
}

/* --- how many calls --------------------------------------------------------------------------- */

static void ours_are_registered_once_however_often_they_are_waited_for(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    CHECK_EQ(fds_adopt(fds[0], 0), 0);
    struct waiting w;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
        look();
        CHECK_EQ(w.calls, 0);
        put(fds[1]);
        look();
        CHECK_EQ(w.calls, 1);
        CHECK_EQ(w.events & CRESS_IN, CRESS_IN);
        CHECK(!list_linked(&w.wait.link));
        take(fds[0]);
    }
    CHECK_CTLS(1);
    close_known(fds[0]);
    CHECK_CTLS(2); /* taken out, since a duplicate might live on */
    close(fds[1]);
}

static void others_are_confirmed_with_each_wait(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    struct waiting w;
    for (unsigned i = 1; i <= 10; i++) {
        CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
        CHECK_CTLS(i);
        put(fds[1]);
        look();
        CHECK_EQ(w.calls, 1);
        take(fds[0]);
    }
    look();
    CHECK_CTLS(10); /* nobody waits: nothing is asked for again */
    close_known(fds[0]);
    close(fds[1]);
}

static void who_waits_no_longer_is_not_told(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    for (int ours = 0; ours < 2; ours++) {
        if (ours)
            CHECK_EQ(fds_adopt(fds[0], 0), 0);
        struct waiting w;
        CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
        fds_unwait(loop, &w.wait);
        fds_unwait(loop, &w.wait); /* again */
        put(fds[1]);
        look();
        CHECK_EQ(w.calls, 0);
        take(fds[0]);
    }
    close_known(fds[0]);
    close(fds[1]);
}

static void each_direction_is_told_to_who_asked_for_it(void **state)
{
    (void)state;
    for (int ours = 0; ours < 2; ours++) {
        int fds[2];
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        if (ours)
            CHECK_EQ(fds_adopt(fds[0], 0), 0);
        struct waiting in, out;
        CHECK_EQ(wait_for(&in, fds[0], CRESS_IN), 0);
        CHECK_EQ(wait_for(&out, fds[0], CRESS_OUT), 0);
        look();
        CHECK_EQ(in.calls, 0);
        CHECK_EQ(out.calls, 1);
        put(fds[1]);
        look(); /* the reader is still told, though an event has come in between */
        CHECK_EQ(in.calls, 1);
        CHECK_EQ(out.calls, 1);
        close_known(fds[0]);
        close(fds[1]);
    }
}

static void what_was_seen_of_ours_is_remembered(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(fds_adopt(fds[0], 0), 0);
    struct fd_entry *entry = fds_entry(fds[0]);
    struct waiting w;
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
    look();
    entry->flags |= FD_EMPTY;
    look();
    CHECK(entry->flags & FD_EMPTY);
    put(fds[1]);
    look();
    CHECK(!(entry->flags & (FD_EMPTY | FD_ODD)));
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0); /* poll(2) asks for what is waited for only */
    close(fds[1]);
    look();
    CHECK(entry->flags & FD_ODD); /* hung up: from now on no short cut */
    close_known(fds[0]);
}

/* --- numbers that mean another file ----------------------------------------------------------- */

enum how { CLOSE_AND_PIPE, CLOSE_AND_SOCKET, DUP2, WAYS };

/* Behind cress's back: from now on fd is the read end of something else, the other end of which is
 * returned. */
static int replace(int fd, enum how how)
{
    int fds[2];
    if (how == DUP2) {
        make_pipe(fds);
        CHECK_EQ(dup2(fds[0], fd), fd);
        close(fds[0]);
        return fds[1];
    }
    close(fd);
    if (how == CLOSE_AND_PIPE)
        make_pipe(fds);
    else
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_EQ(fds[0], fd); /* the lowest number that is free */
    return fds[1];
}

static void a_number_that_was_reused_is_the_new_file_for_the_next_wait(void **state)
{
    (void)state;
    for (enum how how = 0; how < WAYS; how++) {
        int fds[2];
        make_pipe(fds);
        struct waiting first, second;
        CHECK_EQ(wait_for(&first, fds[0], CRESS_IN), 0);
        put(fds[1]);
        look();
        CHECK_EQ(first.calls, 1);
        int far = replace(fds[0], how);
        CHECK_EQ(wait_for(&second, fds[0], CRESS_IN), 0);
        look();
        CHECK_EQ(second.calls, 0); /* the old file was readable, the new one is not */
        put(far);
        look();
        CHECK_EQ(second.calls, 1);
        CHECK_EQ(second.events, CRESS_IN);
        close_known(fds[0]);
        close(fds[1]);
        close(far);
    }
}

static void who_waits_for_the_old_file_learns_of_it_at_the_next_wait(void **state)
{
    (void)state;
    for (enum how how = 0; how < WAYS; how++) {
        int fds[2];
        make_pipe(fds);
        struct waiting old, next;
        CHECK_EQ(wait_for(&old, fds[0], CRESS_IN), 0);
        uint32_t generation = fds_entry(fds[0])->generation;
        int far = replace(fds[0], how);
        CHECK_EQ(wait_for(&next, fds[0], CRESS_IN), 0);
        CHECK_EQ(old.calls, 1);
        CHECK_EQ(old.events, -EBADF);
        CHECK_NE(fds_entry(fds[0])->generation, generation);
        fds_event(loop, fds[0], generation, CRESS_IN); /* late, of the old file */
        CHECK_EQ(next.calls, 0);
        put(far);
        look();
        CHECK_EQ(next.calls, 1);
        close_known(fds[0]);
        close(fds[1]);
        close(far);
    }
}

static void a_duplicate_of_the_old_file_does_not_wake_who_waits_for_the_new(void **state)
{
    (void)state;
    int fds[2], far;
    make_pipe(fds);
    struct waiting old, next;
    CHECK_EQ(wait_for(&old, fds[0], CRESS_IN), 0);
    int copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 100); /* keeps the old file in the kernel's set */
    CHECK_GE(copy, 100);
    far = replace(fds[0], DUP2);
    CHECK_EQ(wait_for(&next, fds[0], CRESS_IN), 0);
    CHECK_EQ(old.events, -EBADF);
    put(fds[1]);
    look();
    CHECK_EQ(next.calls, 0);
    CHECK_EQ(old.calls, 1);
    close(copy);
    close_known(fds[0]);
    close(fds[1]);
    close(far);
}

static void closing_wakes_first_and_the_closed_file_is_never_heard_of_again(void **state)
{
    (void)state;
    for (int ours = 0; ours < 2; ours++) {
        int fds[2];
        make_pipe(fds);
        if (ours)
            CHECK_EQ(fds_adopt(fds[0], 0), 0);
        struct waiting a, b, after;
        CHECK_EQ(wait_for(&a, fds[0], CRESS_IN), 0);
        CHECK_EQ(wait_for(&b, fds[0], CRESS_IN), 0);
        struct fd_entry *entry = fds_entry(fds[0]);
        entry->flags |= FD_READING;
        int copy = dup(fds[0]); /* as in a child process */
        CHECK_EQ(fds_forget(entry), 0);
        CHECK_EQ(a.events, -EBADF);
        CHECK_EQ(b.events, -EBADF);
        CHECK_EQ(entry->flags, 0);
        CHECK_EQ(atomic_load(&entry->loop), NULL);
        close(fds[0]);
        uint64_t events = loop->events;
        int n = (int)loop->polls;
        put(fds[1]);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(loop->poller->wait(loop, 0), 0);
        CHECK_EQ(loop->events, events);
        CHECK_EQ((int)loop->polls, n);
        /* The number, meanwhile another file, is not taken for it. */
        int far = fds[0];
        int next[2];
        make_pipe(next);
        CHECK_EQ(next[0], far);
        CHECK_EQ(wait_for(&after, next[0], CRESS_IN), 0);
        look();
        CHECK_EQ(after.calls, 0);
        CHECK_EQ(a.calls + b.calls, 2);
        close(copy);
        close_known(next[0]);
        close(next[1]);
        close(fds[1]);
    }
}

static void events_of_an_earlier_generation_are_dropped(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    struct waiting w;
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
    uint32_t generation = fds_entry(fds[0])->generation;
    fds_event(loop, fds[0], generation - 1, CRESS_IN);
    fds_event(loop, INT_MAX, generation, CRESS_IN); /* no such number */
    CHECK_EQ(w.calls, 0);
    fds_event(loop, fds[0], generation, CRESS_OUT); /* not asked for */
    CHECK_EQ(w.calls, 0);
    fds_event(loop, fds[0], generation, CRESS_HUP); /* always told */
    CHECK_EQ(w.calls, 1);
    close_known(fds[0]);
    close(fds[1]);
}

static void what_is_not_open_cannot_be_waited_for(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    close(fds[0]);
    close(fds[1]);
    struct waiting w;
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), -EBADF);
    CHECK(!list_linked(&w.wait.link));
    CHECK_EQ(fds_forget(fds_entry(fds[0])), 0);
    CHECK_EQ(fds_find(-1), NULL);
    CHECK_EQ(fds_entry(-1), NULL);
    CHECK_EQ(fds_entry(INT_MAX), NULL);
}

static void adopting_forgets_what_the_number_meant(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    struct waiting w;
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
    CHECK_EQ(fds_set_timeout(fds[0], CRESS_IN, 5), 0);
    int far = replace(fds[0], CLOSE_AND_SOCKET);
    CHECK_EQ(fds_adopt(fds[0], FD_TCP), 0);
    struct fd_entry *entry = fds_entry(fds[0]);
    CHECK_EQ(w.events, -EBADF);
    CHECK_EQ(entry->flags, FD_OURS | FD_TCP);
    CHECK_EQ(entry->timeouts, NULL);
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
    put(far);
    look();
    CHECK_EQ(w.calls, 1);
    close_known(fds[0]);
    close(fds[1]);
    close(far);
}

static void timeouts_are_freed_with_what_they_are_for(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    size_t before = cress__alloc_live();
    struct fd_entry *entry = fds_entry(fds[0]);
    CHECK_EQ(fds_set_timeout(fds[0], CRESS_IN, 5), 0);
    CHECK_EQ(fds_set_timeout(fds[0], CRESS_OUT, 7), 0);
    CHECK_EQ(entry->timeouts->read, 5);
    CHECK_EQ(entry->timeouts->write, 7);
    CHECK_EQ(fds_set_timeout(fds[0], CRESS_IN | CRESS_OUT, CRESS_FOREVER), 0);
    CHECK_EQ(entry->timeouts, NULL);
    CHECK_EQ(cress__alloc_live(), before);
    CHECK_EQ(fds_set_timeout(fds[0], CRESS_OUT, 7), 0);
    CHECK_EQ(entry->timeouts->read, CRESS_FOREVER);
    CHECK_EQ(fds_forget(entry), 0);
    CHECK_EQ(entry->timeouts, NULL);
    CHECK_EQ(fds_set_timeout(fds[0], CRESS_IN, 1), 0);
    CHECK_EQ(fds_adopt(fds[0], 0), 0);
    CHECK_EQ(cress__alloc_live(), before);
    close_known(fds[0]);
    close(fds[1]);
}

/* --- whose it is ------------------------------------------------------------------------------ */

static int disputed;

static void *other_loop(void *arg)
{
    cress_loop *mine;
    CHECK_EQ(cress_loop_new(NULL, &mine), 0);
    struct waiting w = { .wait = { .events = CRESS_IN, .ready = note } };
    CHECK_EQ(fds_wait(mine, disputed, fds_entry(disputed), &w.wait), -EXDEV);
    CHECK_EQ(fds_adopt(disputed, 0), -EXDEV);
    CHECK_EQ(fds_forget(fds_entry(disputed)), -EXDEV);
    CHECK_EQ(fds_set_timeout(disputed, CRESS_IN, 1), -EXDEV);
    CHECK_EQ(cress_loop_free(mine), 0);
    return arg;
}

static void in_thread(void *(*fn)(void *))
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void a_descriptor_belongs_to_the_loop_that_waits_for_it(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    disputed = fds[0];
    struct waiting w;
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
    in_thread(other_loop);
    put(fds[1]);
    look();
    CHECK_EQ(w.calls, 1);
    close_known(fds[0]);
    close(fds[1]);
}

static void *waits_and_ends(void *arg)
{
    cress_loop *mine;
    CHECK_EQ(cress_loop_new(NULL, &mine), 0);
    struct waiting w = { .wait = { .events = CRESS_IN, .ready = note } };
    CHECK_EQ(fds_wait(mine, disputed, fds_entry(disputed), &w.wait), 0);
    CHECK_EQ(cress_loop_free(mine), 0);
    CHECK_EQ(w.events, -EBADF); /* nobody will tell it anything any more */
    return arg;
}

static void when_a_loop_ends_its_descriptors_are_nobodys(void **state)
{
    (void)state;
    for (int ours = 0; ours < 2; ours++) {
        int fds[2];
        make_pipe(fds);
        disputed = fds[0];
        if (ours)
            CHECK_EQ(fds_adopt(fds[0], FD_TCP), 0);
        in_thread(waits_and_ends);
        struct fd_entry *entry = fds_entry(fds[0]);
        CHECK_EQ(atomic_load(&entry->loop), NULL);
        CHECK_EQ(entry->flags, ours ? FD_OURS | FD_TCP : 0); /* what it is, not what was seen */
        struct waiting w;
        CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
        put(fds[1]);
        look();
        CHECK_EQ(w.calls, 1);
        close_known(fds[0]);
        close(fds[1]);
    }
}

static void *waits_and_stays(void *arg)
{
    struct waiting w = { .wait = { .events = CRESS_IN, .ready = note } };
    cress_loop *mine;
    CHECK_EQ(cress_loop_new(NULL, &mine), 0);
    CHECK_EQ(fds_wait(mine, disputed, fds_entry(disputed), &w.wait), 0);
    fds_unwait(mine, &w.wait);
    *(cress_loop **)arg = mine; /* alive, but without a thread; freed by nobody but the system */
    return NULL;
}

/* The other loop is alive and believes the number its own, but nobody waits for it there. */
static void a_stale_entry_of_another_loop_may_be_adopted(void **state)
{
    (void)state;
    int fds[2];
    make_pipe(fds);
    disputed = fds[0];
    cress_loop *theirs = NULL;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, waits_and_stays, &theirs), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(atomic_load(&fds_entry(fds[0])->loop), theirs);
    CHECK_EQ(fds_adopt(fds[0], 0), 0);
    struct waiting w;
    CHECK_EQ(wait_for(&w, fds[0], CRESS_IN), 0);
    put(fds[1]);
    look();
    CHECK_EQ(w.calls, 1);
    loop_done(theirs);
    cress__free(theirs);
    CHECK_EQ(atomic_load(&fds_entry(fds[0])->loop), loop); /* its end changes nothing here */
    close_known(fds[0]);
    close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_loop, without_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ours_are_registered_once_however_often_they_are_waited_for),
        TEST(others_are_confirmed_with_each_wait),
        TEST(who_waits_no_longer_is_not_told),
        TEST(each_direction_is_told_to_who_asked_for_it),
        TEST(what_was_seen_of_ours_is_remembered),
        TEST(a_number_that_was_reused_is_the_new_file_for_the_next_wait),
        TEST(who_waits_for_the_old_file_learns_of_it_at_the_next_wait),
        TEST(a_duplicate_of_the_old_file_does_not_wake_who_waits_for_the_new),
        TEST(closing_wakes_first_and_the_closed_file_is_never_heard_of_again),
        TEST(events_of_an_earlier_generation_are_dropped),
        TEST(what_is_not_open_cannot_be_waited_for),
        TEST(adopting_forgets_what_the_number_meant),
        TEST(timeouts_are_freed_with_what_they_are_for),
        TEST(a_descriptor_belongs_to_the_loop_that_waits_for_it),
        TEST(when_a_loop_ends_its_descriptors_are_nobodys),
        TEST(a_stale_entry_of_another_loop_may_be_adopted),
    };
    return RUN_TESTS(tests);
}
