/* Reading and writing: who may at once, what ends a wait, what is left as it is, what it costs. */
#include "support/test.h"
#include "support/child.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "io/pairs.h"
#include "base/sys.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/uio.h>

enum { LIMIT = 20 };

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

struct call {
    int fd;
    ssize_t result;
    char data[64];
};

static void *reads(void *arg)
{
    struct call *c = arg;
    c->result = cress_read(c->fd, c->data, sizeof c->data - 1);
    return NULL;
}

static void *writes(void *arg)
{
    struct call *c = arg;
    c->result = cress_write(c->fd, "late", 4);
    return NULL;
}

static cress_greenlet *begin_call(cress_fn fn, struct call *c, int fd)
{
    *c = (struct call){ .fd = fd, .result = 12345 };
    cress_greenlet *g = cress_spawn(fn, c);
    CHECK_EQ(cress_yield(), 0);
    return g;
}

static ssize_t end_call(cress_greenlet *g, const struct call *c)
{
    CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
    cress_unref(g);
    return c->result;
}

/* --- one reader, one writer ------------------------------------------------------------------ */

static void a_second_reader_is_refused_and_the_first_is_served(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fds[2];
        char c;
        unix_pair(fds);
        fill(fds[0]);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
        struct call reader, writer;
        cress_greenlet *r = begin_call(reads, &reader, fds[0]);
        CHECK_EQ(cress_recv(fds[0], &c, 1, 0), -EBUSY);
        CHECK_EQ(cress_recv(fds[0], &c, 1, MSG_DONTWAIT), -EBUSY);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, CRESS_FOREVER), -EBUSY);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN | CRESS_OUT, 0), -EBUSY);
        cress_greenlet *w = begin_call(writes, &writer, fds[0]); /* the other direction is free */
        CHECK_EQ(writer.result, 12345);
        CHECK_EQ(cress_send(fds[0], "x", 1, 0), -EBUSY);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_OUT, 1), -EBUSY);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_PRI, CRESS_US(10)), -ETIMEDOUT); /* keeps nobody out */
        CHECK_EQ(write(fds[1], "first", 5), 5);
        CHECK_EQ(end_call(r, &reader), 5);
        CHECK_STR(reader.data, "first");
        CHECK_EQ(cress_send(fds[0], "x", 1, 0), -EBUSY); /* the writer waits on */
        char data[65536];
        while (recv(fds[1], data, sizeof data, MSG_DONTWAIT) > 0)
            ;
        CHECK_EQ(end_call(w, &writer), 4);
        CHECK_EQ(cress_send(fds[0], "x", 1, 0), 1);
        close_pair(fds);
    }
}

struct rival {
    int fd;
    cress_greenlet *reader;
};

/* Is awake before the reader, takes what came, and kills it. */
static void *takes_and_kills(void *arg)
{
    struct rival *r = arg;
    struct pollfd p = { .fd = r->fd, .events = POLLIN };
    char c;
    CHECK_EQ(cress_poll(&p, 1, CRESS_SECONDS(LIMIT)), 1);
    CHECK_EQ(recv(r->fd, &c, 1, 0), 1);
    CHECK_EQ(cress_kill(r->reader, 0), 0);
    return NULL;
}

static void a_reader_that_is_killed_after_a_wake_for_nothing_waits_no_more(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fds[2];
        unix_pair(fds);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
        struct rival rival = { .fd = fds[0] };
        cress_greenlet *g = cress_spawn(takes_and_kills, &rival);
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        struct call reader;
        rival.reader = begin_call(reads, &reader, fds[0]);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
        cress_unref(g);
        CHECK_EQ(end_call(rival.reader, &reader), -ECANCELED);
        close_pair(fds);
    }
}

struct flow {
    int fd;
    unsigned seed;
    uint64_t sum;
};

enum { MEGABYTE = 1 << 20 };

static unsigned char pattern(unsigned seed, size_t i)
{
    return (unsigned char)((i * 2654435761u + seed) >> 13);
}

static void *sends_a_megabyte(void *arg)
{
    struct flow *f = arg;
    unsigned char *data = malloc(MEGABYTE);
    for (size_t i = 0; i < MEGABYTE; i++)
        f->sum = f->sum * 31 + (data[i] = pattern(f->seed, i));
    size_t sent = 0;
    CHECK_EQ(cress_sendall(f->fd, data, MEGABYTE, &sent), 0);
    CHECK_EQ(sent, MEGABYTE);
    free(data);
    return NULL;
}

static void *receives_a_megabyte(void *arg)
{
    struct flow *f = arg;
    unsigned char *data = malloc(MEGABYTE);
    size_t got = 0;
    CHECK_EQ(cress_recvall(f->fd, data, MEGABYTE, &got), 0);
    CHECK_EQ(got, MEGABYTE);
    for (size_t i = 0; i < MEGABYTE; i++)
        f->sum = f->sum * 31 + data[i];
    free(data);
    return NULL;
}

static void full_duplex(int fds[2])
{
    struct flow f[4] = { { fds[0], 1, 0 }, { fds[1], 0, 0 }, { fds[1], 2, 0 }, { fds[0], 0, 0 } };
    for (int i = 0; i < 4; i += 2) {
        CHECK_EQ(cress_go(sends_a_megabyte, &f[i]), 0);
        CHECK_EQ(cress_go(receives_a_megabyte, &f[i + 1]), 0);
    }
    CHECK_EQ(cress_run(CRESS_SECONDS(50)), 0);
    CHECK_EQ(f[0].sum, f[1].sum);
    CHECK_EQ(f[2].sum, f[3].sum);
    CHECK_NE(f[0].sum, f[2].sum);
    close_pair(fds);
}

static void a_megabyte_flows_each_way_at_once(void **state)
{
    (void)state;
    int fds[2];
    tcp_pair(fds);
    full_duplex(fds);
    unix_pair(fds);
    full_duplex(fds);
    unix_pair(fds);
    CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
    full_duplex(fds);
}

/* --- what ends a wait ------------------------------------------------------------------------ */

static void shutdown_wakes(void **state)
{
    (void)state;
    int fds[2];
    unix_pair(fds);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, fds[0]);
    CHECK_EQ(cress_shutdown(fds[0], SHUT_RD), 0);
    CHECK_EQ(end_call(g, &call), 0);
    fill(fds[0]);
    g = begin_call(writes, &call, fds[0]);
    CHECK_EQ(cress_shutdown(fds[0], SHUT_WR), 0);
    CHECK_EQ(end_call(g, &call), -EPIPE);
    close_pair(fds);
    tcp_pair(fds);
    g = begin_call(reads, &call, fds[0]);
    CHECK_EQ(cress_shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(end_call(g, &call), 0);
    close_pair(fds);
}

static void timeouts_of_an_fd(void **state)
{
    (void)state;
    int fds[2];
    char c;
    for (int adopted = 0; adopted < 2; adopted++) {
        unix_pair(fds);
        fill(fds[0]);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
        CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_IN, CRESS_MS(2)), 0);
        cress_time start = cress_now();
        CHECK_EQ(cress_recv(fds[0], &c, 1, 0), -ETIMEDOUT);
        CHECK_GE(cress_now() - start, CRESS_MS(2));
        struct call call;
        cress_greenlet *g = begin_call(writes, &call, fds[0]); /* writing has none */
        CHECK_EQ(cress_recv(fds[0], &c, 1, 0), -ETIMEDOUT);
        CHECK(!cress_ready(g));
        char data[65536];
        while (recv(fds[1], data, sizeof data, MSG_DONTWAIT) > 0)
            ;
        CHECK_EQ(end_call(g, &call), 4);
        fill(fds[0]);
        CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_IN | CRESS_OUT, 0), 0);
        CHECK_EQ(cress_recv(fds[0], &c, 1, 0), -EAGAIN);
        CHECK_EQ(cress_send(fds[0], "x", 1, 0), -EAGAIN);
        CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_OUT, CRESS_US(100)), 0);
        CHECK_EQ(cress_send(fds[0], "x", 1, 0), -ETIMEDOUT);
        CHECK_EQ(cress_recv(fds[0], &c, 1, 0), -EAGAIN);
        CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_IN | CRESS_OUT, CRESS_FOREVER), 0);
        g = begin_call(reads, &call, fds[0]);
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK(!cress_ready(g));
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(end_call(g, &call), 1);
        CHECK_EQ(cress_fd_set_timeout(fds[0], 0, 1), -EINVAL);
        CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_PRI, 1), -EINVAL);
        CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_IN, -1), -EINVAL);
        close_pair(fds);
    }
}

static atomic_int alarms;

static void on_alarm(int number)
{
    (void)number;
    atomic_fetch_add(&alarms, 1);
}

static void *echoes(void *arg)
{
    struct call *c = arg;
    char data[64];
    ssize_t n;
    while ((n = cress_recv(c->fd, data, sizeof data, 0)) > 0)
        CHECK_EQ(cress_sendall(c->fd, data, (size_t)n, NULL), 0);
    CHECK_EQ(n, 0);
    return NULL;
}

static void signals_disturb_nothing(void **state)
{
    (void)state;
    struct sigaction action = { .sa_handler = on_alarm }, old; /* without SA_RESTART */
    CHECK_EQ(sigaction(SIGALRM, &action, &old), 0);
    struct itimerval often = { { 0, 150 }, { 0, 150 } }, never = { 0 };
    atomic_store(&alarms, 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    int fds[2];
    for (int kind = 0; kind < 2; kind++) {
        if (kind == 0)
            tcp_pair(fds);
        else
            unix_pair(fds);
        struct call call;
        cress_greenlet *g = begin_call(echoes, &call, fds[1]);
        cress_time until = cress_now() + CRESS_MS(60);
        for (unsigned i = 0; cress_now() < until; i++) {
            unsigned got = 0;
            CHECK_EQ(cress_sendall(fds[0], &i, sizeof i, NULL), 0);
            CHECK_EQ(cress_recvall(fds[0], &got, sizeof got, NULL), 0);
            CHECK_EQ(got, i);
            if (i % 50 == 0)
                CHECK_EQ(cress_sleep(CRESS_US(200)), 0);
        }
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, CRESS_MS(2)), -ETIMEDOUT);
        CHECK_EQ(cress_shutdown(fds[0], SHUT_WR), 0);
        CHECK_EQ(cress_join(g, CRESS_SECONDS(LIMIT)), 0);
        cress_unref(g);
        close_pair(fds);
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_EQ(sigaction(SIGALRM, &old, NULL), 0);
    CHECK_GT(atomic_load(&alarms), 5);
}

/* --- what is left as it is ------------------------------------------------------------------- */

static int status_of(int fd)
{
    return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

static void o_nonblock_of_others_is_never_changed(void **state)
{
    (void)state;
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        int fds[2], pipes[2];
        char data[16];
        unix_pair(fds);
        CHECK_EQ(pipe(pipes), 0);
        int all[] = { fds[0], fds[1], pipes[0], pipes[1] };
        for (int i = 0; i < 4; i++)
            CHECK_EQ(fcntl(all[i], F_SETFL, nonblocking ? O_NONBLOCK : 0), 0);
        struct call call;
        cress_greenlet *g = begin_call(reads, &call, fds[0]);
        CHECK_EQ(cress_write(fds[1], "abc", 3), 3);
        CHECK_EQ(end_call(g, &call), 3);
        g = begin_call(reads, &call, pipes[0]);
        CHECK_EQ(call.result, 12345); /* it waits although the pipe is blocking */
        CHECK_EQ(cress_write(pipes[1], "abc", 3), 3);
        CHECK_EQ(end_call(g, &call), 3);
        CHECK_EQ(cress_recv(fds[0], data, sizeof data, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_OUT, CRESS_US(100)), 0);
        fill(fds[0]);
        CHECK_EQ(cress_send(fds[0], "x", 1, 0), -ETIMEDOUT);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(status_of(all[i]), nonblocking ? O_NONBLOCK : 0);
            CHECK_EQ(cress_close(all[i]), 0);
        }
    }
}

static void what_is_ours_is_nonblocking_and_closed_on_exec(void **state)
{
    (void)state;
    int fds[2], pipes[2];
    tcp_pair(fds);
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    CHECK_EQ(pipe(pipes), 0);
    CHECK_EQ(cress_fd_adopt(pipes[0], 0), 0);
    int all[] = { fds[0], fds[1], listener, pipes[0] };
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(status_of(all[i]), O_NONBLOCK);
        CHECK_EQ(fcntl(all[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
    CHECK_EQ(cress_fd_adopt(pipes[0], 0x80), -EINVAL);
    CHECK_EQ(cress_fd_release(pipes[0]), 0);
    CHECK_EQ(status_of(pipes[0]), O_NONBLOCK); /* it stays so */
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, pipes[0]);
    CHECK_EQ(cress_fd_release(pipes[0]), -EBUSY);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    CHECK_EQ(end_call(g, &call), 1);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(cress_close(all[i]), 0);
    close(pipes[1]);
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    int fds[2];
    char c;
    unix_pair(fds);
    errno = 77;
    CHECK_EQ(cress_recv(fds[0], &c, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, CRESS_US(100)), -ETIMEDOUT);
    CHECK_EQ(cress_read(4000, &c, 1), -EBADF);
    CHECK_EQ(cress_dial("tcp:127.0.0.1:x", 1, NULL), -EINVAL);
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(cress_write(fds[1], "x", 1), -EPIPE);
    CHECK_EQ(errno, 77);
    CHECK_EQ(cress_close(fds[1]), 0);
}

static void *has_its_own_errno(void *arg)
{
    int mine = *(int *)arg;
    for (int i = 0; i < 5; i++) {
        errno = mine;
        CHECK_EQ(i % 2 ? cress_sleep(CRESS_MS(1)) : cress_yield(), 0);
        CHECK_EQ(errno, mine);
    }
    return NULL;
}

static int sets_errno(void *arg)
{
    (void)arg;
    errno = 55;
    return 0;
}

static int sets_errno_too(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    return sets_errno(arg);
}

static void whoever_switches_finds_its_errno_again(void **state)
{
    (void)state;
    int numbers[3] = { 11, 22, 33 };
    cress_greenlet *g[3];
    cress_callback node = { 0 };
    for (int i = 0; i < 3; i++)
        g[i] = cress_spawn(has_its_own_errno, &numbers[i]);
    CHECK_EQ(cress_post(NULL, &node, sets_errno, NULL), 0);
    errno = 77;
    CHECK_EQ(cress_sleep(CRESS_MS(2)), 0);
    CHECK_EQ(cress_joinall(g, 3, CRESS_FOREVER, NULL, NULL), 0);
    CHECK_EQ(errno, 77);
    for (int i = 0; i < 3; i++)
        cress_unref(g[i]);
    cress_loop *loop;
    cress_watch_timer timer = { 0 };
    CHECK_EQ(cress_loop_new(NULL, &loop), 0);
    CHECK_EQ(cress_watch_timer_init(&timer, loop, 0, 0, sets_errno_too, NULL), 0);
    CHECK_EQ(cress_watch_start(&timer.watch), 0);
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_DEFAULT), 0);
    CHECK_EQ(errno, 77);
    CHECK_EQ(cress_loop_free(loop), 0);
}

/* --- SIGPIPE --------------------------------------------------------------------------------- */

static volatile sig_atomic_t pipe_signals;

static void on_pipe(int number)
{
    (void)number;
    pipe_signals++;
}

/* Each call that writes, to a peer that is gone. */
static void write_to_nobody(void *arg)
{
    (void)arg;
    struct sigaction action = { .sa_handler = on_pipe };
    CHECK_EQ(sigaction(SIGPIPE, &action, NULL), 0);
    pipe_signals = 0;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fds[2], pipes[2];
        unix_pair(fds);
        CHECK_EQ(pipe(pipes), 0);
        if (adopted) {
            CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
            CHECK_EQ(cress_fd_adopt(pipes[1], 0), 0);
        }
        close(fds[1]);
        close(pipes[0]);
        struct iovec iov[2] = { { (void *)(uintptr_t) "a", 1 }, { (void *)(uintptr_t) "b", 1 } };
        struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
        size_t sent = 7;
        CHECK_EQ(cress_send(fds[0], "x", 1, 0), -EPIPE);
        CHECK_EQ(cress_write(fds[0], "x", 1), -EPIPE);
        CHECK_EQ(cress_writev(fds[0], iov, 2), -EPIPE);
        CHECK_EQ(cress_sendto(fds[0], "x", 1, 0, NULL, 0), -EPIPE);
        CHECK_EQ(cress_sendmsg(fds[0], &message, 0), -EPIPE);
        CHECK_EQ(cress_sendall(fds[0], "x", 1, &sent), -EPIPE);
        CHECK_EQ(sent, 0);
        CHECK_EQ(cress_write(pipes[1], "x", 1), -EPIPE);
        CHECK_EQ(cress_writev(pipes[1], iov, 2), -EPIPE);
        CHECK_EQ(cress_sendall(pipes[1], "x", 1, NULL), -EPIPE);
        CHECK_EQ(cress_close(fds[0]), 0);
        CHECK_EQ(cress_close(pipes[1]), 0);
    }
    CHECK_EQ(pipe_signals, 0);
    sigset_t pending, mask;
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(!sigismember(&pending, SIGPIPE));
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    CHECK(!sigismember(&mask, SIGPIPE));
}

static void in_child(void (*fn)(void *))
{
    CHECK_EQ(cress_hub_destroy(0), 0);
    struct child_result result;
    child_run(fn, NULL, 20000, &result);
    if (result.status != 0 || result.signal != 0 || result.timed_out)
        printf("%s\n%s\n", child_words(&result), result.error);
    CHECK(result.status == 0 && result.signal == 0 && !result.timed_out);
}

static void no_call_raises_sigpipe(void **state)
{
    (void)state;
    in_child(write_to_nobody);
}

/* From here on, system call `number` of this process fails with `error`. */
static void refuse(int number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof code[0], code };
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        fprintf(stderr, "no seccomp here\n");
        _exit(77);
    }
}

/* An older kernel: it knows no pwritev2, so neither RWF_NOSIGNAL nor RWF_NOWAIT for writes. */
static void without_pwritev2(void *arg)
{
    refuse(SYS_pwritev2, EOPNOTSUPP);
    write_to_nobody(arg);
    /* One that was pending before stays. */
    sigset_t pipe_only, pending, old;
    int pipes[2];
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &pipe_only, &old), 0);
    CHECK_EQ(raise(SIGPIPE), 0);
    CHECK_EQ(pipe(pipes), 0);
    close(pipes[0]);
    CHECK_EQ(cress_write(pipes[1], "x", 1), -EPIPE);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGPIPE));
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &old), 0);
    CHECK(sigismember(&old, SIGPIPE));
}

/* A kernel that says ECANCELED itself, as some file systems do: not to be taken for a timeout that
 * was told of before. */
static void cancelled_by_the_kernel(void *arg)
{
    int fds[2];
    char byte;
    cress_timeout limit = { 0 };
    (void)arg;
    tcp_pair(fds);
    CHECK_EQ(cress_timeout_start(&limit, 0), 0);
    CHECK_EQ(cress_recv(fds[0], &byte, 1, 0), -ECANCELED);
    CHECK(cress_cancel_cause() == &limit);
    CHECK(cress_timeout_stop(&limit));
    refuse(SYS_recvfrom, ECANCELED);
    refuse(SYS_sendto, ECANCELED);
    CHECK_EQ(cress_recv(fds[0], &byte, 1, 0), -ECANCELED);
    CHECK(cress_cancel_cause() == NULL);
    CHECK_EQ(cress_send(fds[0], "x", 1, 0), -ECANCELED);
    CHECK(cress_cancel_cause() == NULL);
    close_pair(fds);
}

static void in_filtered_child(void (*fn)(void *))
{
    CHECK_EQ(cress_hub_destroy(0), 0);
    struct child_result result;
    child_run(fn, NULL, 20000, &result);
    if (result.status == 77) {
        printf("        skipped: %s", result.error);
        skip();
    }
    if (result.status != 0 || result.signal != 0)
        printf("%s\n%s\n", child_words(&result), result.error);
    CHECK(result.status == 0 && result.signal == 0 && !result.timed_out);
}

static void an_older_kernel_raises_no_sigpipe_either(void **state)
{
    (void)state;
    in_filtered_child(without_pwritev2);
}

static void what_the_kernel_cancels_has_no_cause(void **state)
{
    (void)state;
    in_filtered_child(cancelled_by_the_kernel);
}

/* --- flags and forms ------------------------------------------------------------------------- */

static void *sends_in_parts(void *arg)
{
    struct call *c = arg;
    CHECK_EQ(cress_send(c->fd, "abc", 3, 0), 3);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(cress_send(c->fd, "def", 3, 0), 3);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(cress_shutdown(c->fd, SHUT_WR), 0);
    return NULL;
}

static void the_flags_of_recv(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        int fds[2];
        char data[16] = "";
        if (kind == 0)
            tcp_pair(fds);
        else
            unix_pair(fds);
        struct call call;
        CHECK_EQ(cress_recv(fds[0], data, 4, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(cress_recv(fds[0], data, 4, MSG_DONTWAIT | MSG_WAITALL), -EAGAIN);
        cress_greenlet *g = begin_call(sends_in_parts, &call, fds[1]);
        CHECK_EQ(cress_recv(fds[0], data, 2, MSG_PEEK), 2);
        CHECK_EQ(cress_recv(fds[0], data, 16, MSG_PEEK), 3);
        CHECK_EQ(cress_recv(fds[0], data, 16, MSG_PEEK), 3);
        CHECK_EQ(kind == 0 ? cress_recv(fds[0], data, 5, MSG_WAITALL)
                           : cress_recvfrom(fds[0], data, 5, MSG_WAITALL, NULL, NULL),
                 5);
        CHECK_MEM(data, "abcde", 5);
        CHECK_EQ(cress_recv(fds[0], data, 5, MSG_WAITALL), 1); /* the end came */
        CHECK_MEM(data, "f", 1);
        CHECK_EQ(cress_recv(fds[0], data, 5, MSG_WAITALL), 0);
        CHECK_EQ(cress_recv(fds[0], data, 5, MSG_PEEK), 0);
        CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
        cress_unref(g);
        close_pair(fds);
    }
}

static void all_forms_move_bytes(void **state)
{
    (void)state;
    int fds[2];
    char a[4], b[8], control[64];
    unix_pair(fds);
    struct iovec out[2] = { { (void *)(uintptr_t) "he", 2 }, { (void *)(uintptr_t) "llo", 3 } };
    struct iovec in[2] = { { a, 4 }, { b, 8 } };
    CHECK_EQ(cress_writev(fds[0], out, 2), 5);
    CHECK_EQ(cress_readv(fds[1], in, 2), 5);
    CHECK_MEM(a, "hell", 4);
    CHECK_MEM(b, "o", 1);
    CHECK_EQ(cress_readv(fds[1], in, -1), -EINVAL);
    CHECK_EQ(cress_writev(fds[1], in, 1025), -EINVAL);
    struct msghdr message = { .msg_iov = out, .msg_iovlen = 2 };
    CHECK_EQ(cress_sendmsg(fds[0], &message, 0), 5);
    message = (struct msghdr){
        .msg_iov = in, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control
    };
    CHECK_EQ(cress_recvmsg(fds[1], &message, 0), 5);
    CHECK_EQ(cress_recvmsg(fds[1], NULL, 0), -EINVAL);
    CHECK_EQ(cress_sendmsg(fds[1], NULL, 0), -EINVAL);
    CHECK_EQ(cress_recvmsg(fds[1], &message, MSG_DONTWAIT), -EAGAIN);
    close_pair(fds);

    /* Datagrams, with addresses. */
    int udp[2];
    struct sockaddr_in at[2];
    for (int i = 0; i < 2; i++) {
        socklen_t length = sizeof at[i];
        udp[i] = socket(AF_INET, SOCK_DGRAM, 0);
        at[i] = (struct sockaddr_in){ .sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        CHECK_EQ(bind(udp[i], (struct sockaddr *)&at[i], length), 0);
        CHECK_EQ(getsockname(udp[i], (struct sockaddr *)&at[i], &length), 0);
    }
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, udp[1]);
    CHECK_EQ(cress_sendto(udp[0], "dgram", 5, 0, (struct sockaddr *)&at[1], sizeof at[1]), 5);
    CHECK_EQ(end_call(g, &call), 5);
    CHECK_EQ(cress_sendto(udp[0], "again", 5, 0, (struct sockaddr *)&at[1], sizeof at[1]), 5);
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    CHECK_EQ(cress_recvfrom(udp[1], b, 8, MSG_WAITALL, (struct sockaddr *)&from, &length), 5);
    CHECK_EQ(from.sin_port, at[0].sin_port);
    CHECK_EQ(length, sizeof from);
    close_pair(udp);
}

static void *drains_slowly(void *arg)
{
    char data[4096];
    while (cress_sleep(CRESS_MS(1)) == 0 && recv(*(int *)arg, data, sizeof data, MSG_DONTWAIT) > 0)
        ;
    return NULL;
}

static void sending_all_under_a_limit_ends_in_time_though_it_trickles(void **state)
{
    (void)state;
    static char much[4 << 20];
    int fds[2];
    unix_pair(fds);
    cress_greenlet *g = cress_spawn(drains_slowly, &fds[1]);
    cress_timeout limit = { 0 };
    size_t sent = 0;
    cress_time begun = clock_time;
    CHECK_EQ(cress_timeout_start(&limit, CRESS_MS(100)), 0);
    CHECK_EQ(cress_sendall(fds[0], much, sizeof much, &sent), -ECANCELED);
    CHECK(cress_timeout_stop(&limit));
    CHECK_EQ(clock_time - begun, CRESS_MS(100));
    CHECK_GT(sent, 90 * 4096); /* it did go on all the time */
    CHECK_LT(sent, sizeof much);
    CHECK_EQ(cress_sendall(fds[0], much, 0, &sent), 0); /* nothing to send is nothing */
    CHECK_EQ(sent, 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    cress_unref(g);
    fill(fds[0]);
    char data[65536];
    CHECK_GT(recv(fds[1], data, sizeof data, MSG_DONTWAIT), 0);
    CHECK_EQ(cress_fd_set_timeout(fds[0], CRESS_OUT, 0), 0); /* never waits: what goes in goes */
    CHECK_EQ(cress_sendall(fds[0], much, sizeof much, &sent), -EAGAIN);
    CHECK_GT(sent, 0);
    close_pair(fds);
}

static void all_of_it_or_how_much(void **state)
{
    (void)state;
    int fds[2];
    char data[16];
    unix_pair(fds);
    size_t sent = 99, got = 99;
    CHECK_EQ(cress_sendall(fds[0], "abcde", 5, &sent), 0);
    CHECK_EQ(sent, 5);
    CHECK_EQ(cress_shutdown(fds[0], SHUT_WR), 0);
    CHECK_EQ(cress_recvall(fds[1], data, 8, &got), -ENODATA);
    CHECK_EQ(got, 5);
    CHECK_EQ(cress_recvall(fds[1], data, 0, &got), 0);
    CHECK_EQ(got, 0);
    CHECK_EQ(cress_recvall(fds[1], data, 1, NULL), -ENODATA);
    CHECK_EQ(cress_sendall(fds[0], "x", 1, &sent), -EPIPE);
    CHECK_EQ(sent, 0);
    static char much[4 << 20];
    CHECK_EQ(cress_fd_set_timeout(fds[1], CRESS_OUT, CRESS_MS(1)), 0);
    CHECK_EQ(cress_sendall(fds[1], much, sizeof much, &sent), -ETIMEDOUT);
    CHECK_GT(sent, 0);
    CHECK_LT(sent, sizeof much);
    close_pair(fds);
    CHECK_EQ(cress_recvall(-1, data, 1, &got), -EBADF);
    CHECK_EQ(got, 0);
}

/* --- other files ----------------------------------------------------------------------------- */

static void files_and_devices_are_read_and_written(void **state)
{
    (void)state;
    char path[] = "/tmp/cress-transfer-XXXXXX", data[64] = "";
    int file = mkstemp(path);
    CHECK_GE(file, 0);
    CHECK_EQ(cress_write(file, "in a file", 9), 9);
    CHECK_EQ(cress_sendall(file, " more", 5, NULL), 0); /* not only sockets */
    CHECK_EQ(lseek(file, 3, SEEK_SET), 3);
    CHECK_EQ(cress_read(file, data, sizeof data), 11);
    CHECK_STR(data, "a file more");
    CHECK_EQ(cress_read(file, data, sizeof data), 0);
    CHECK_EQ(cress_recv(file, data, 1, 0), -ENOTSOCK);
    CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
    CHECK_EQ(cress_recvall(file, data, 14, NULL), 0);
    CHECK_EQ(cress_wait_fd(file, CRESS_IN | CRESS_OUT, CRESS_FOREVER), CRESS_IN | CRESS_OUT);
    CHECK_EQ(cress_wait_fd(file, CRESS_PRI, CRESS_MS(1)), -EPERM); /* never to be waited for */
    CHECK_EQ(cress_close(file), 0);
    unlink(path);
    int null = open("/dev/null", O_RDWR);
    CHECK_EQ(cress_write(null, "gone", 4), 4);
    CHECK_EQ(cress_read(null, data, sizeof data), 0);
    CHECK_EQ(cress_close(null), 0);
    int zero = open("/dev/zero", O_RDONLY);
    CHECK_EQ(cress_read(zero, data, 8), 8);
    CHECK_EQ(cress_close(zero), 0);
}

static void terminals_are_waited_for(void **state)
{
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        printf("        skipped: no terminal to be had: %s\n", strerror(errno));
        skip();
    }
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK_GE(slave, 0);
    struct call call;
    cress_greenlet *g = begin_call(reads, &call, slave);
    CHECK_EQ(call.result, 12345);
    CHECK_EQ(cress_write(master, "line\n", 5), 5);
    CHECK_EQ(end_call(g, &call), 5);
    CHECK_STR(call.data, "line\n");
    CHECK_EQ(status_of(slave), 0);
    CHECK_EQ(cress_close(slave), 0);
    CHECK_EQ(cress_close(master), 0);
}

static void a_pipe_without_o_nonblock_is_waited_for_both_ways(void **state)
{
    (void)state;
    int fds[2];
    static char data[65536];
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    while (write(fds[1], data, 4096) > 0)
        ;
    CHECK_EQ(fcntl(fds[1], F_SETFL, 0), 0);
    struct call call;
    cress_greenlet *g = begin_call(writes, &call, fds[1]);
    CHECK_EQ(call.result, 12345);
    CHECK_GT(cress_read(fds[0], data, sizeof data), 0);
    CHECK_EQ(end_call(g, &call), 4);
    while (cress_wait_fd(fds[0], CRESS_IN, 0) > 0)
        CHECK_GT(cress_read(fds[0], data, sizeof data), 0);
    g = begin_call(reads, &call, fds[0]);
    CHECK_EQ(cress_close(fds[1]), 0);
    CHECK_EQ(end_call(g, &call), 0);
    CHECK_EQ(cress_close(fds[0]), 0);
}

/* --- wait_fd --------------------------------------------------------------------------------- */

static void *waits_for_in(void *arg)
{
    struct call *c = arg;
    c->result = cress_wait_fd(c->fd, CRESS_IN, CRESS_FOREVER);
    return NULL;
}

static void wait_fd_tells_what_holds(void **state)
{
    (void)state;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fds[2];
        char c;
        unix_pair(fds);
        if (adopted)
            CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_OUT, 0), CRESS_OUT);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, 0), -EAGAIN);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN | CRESS_OUT, CRESS_FOREVER), CRESS_OUT);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, CRESS_MS(1)), -ETIMEDOUT);
        struct call call;
        cress_greenlet *g = begin_call(waits_for_in, &call, fds[0]);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(end_call(g, &call), CRESS_IN); /* and not CRESS_OUT, which holds as well */
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, 0), CRESS_IN);
        CHECK_EQ(cress_recv(fds[0], &c, 1, 0), 1);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, 0), -EAGAIN);
        g = begin_call(waits_for_in, &call, fds[0]);
        close(fds[1]);
        CHECK_EQ(end_call(g, &call), CRESS_IN | CRESS_HUP);
        CHECK_EQ(cress_wait_fd(fds[0], 0, 1), -EINVAL);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_ERR, 1), -EINVAL);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, -1), -EINVAL);
        CHECK_EQ(cress_close(fds[0]), 0);
    }
}

static int wait_in_callback(void *arg)
{
    char c;
    CHECK_EQ(cress_recv(*(int *)arg, &c, 1, 0), -EPERM);
    CHECK_EQ(cress_recv(*(int *)arg, &c, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_EQ(cress_wait_fd(*(int *)arg, CRESS_IN, CRESS_FOREVER), -EPERM);
    CHECK_EQ(cress_send(*(int *)arg, "x", 1, 0), 1); /* what need not wait works */
    return 0;
}

static void quiet(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context;
    CHECK_EQ(error, -EPERM);
    ++*(int *)arg;
}

static void a_callback_does_not_wait_for_an_fd(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        int fds[2], told = 0;
        if (kind == 0)
            unix_pair(fds);
        else
            tcp_pair(fds);
        cress_callback node = { 0 };
        CHECK_EQ(cress_hub_set_error_hook(NULL, quiet, &told), 0);
        CHECK_EQ(cress_post(NULL, &node, wait_in_callback, &fds[0]), 0);
        CHECK_EQ(cress_run(CRESS_FOREVER), 0);
        CHECK_EQ(told, 2);
        CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, CRESS_US(10)), -ETIMEDOUT); /* nobody is in it */
        close_pair(fds);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(a_second_reader_is_refused_and_the_first_is_served),
        TEST(a_reader_that_is_killed_after_a_wake_for_nothing_waits_no_more),
        TEST(a_megabyte_flows_each_way_at_once),
        TEST(shutdown_wakes),
        TEST(timeouts_of_an_fd),
        TEST(signals_disturb_nothing),
        TEST(o_nonblock_of_others_is_never_changed),
        TEST(what_is_ours_is_nonblocking_and_closed_on_exec),
        TEST(errno_is_left_alone),
        TEST(whoever_switches_finds_its_errno_again),
        TEST(no_call_raises_sigpipe),
        TEST(an_older_kernel_raises_no_sigpipe_either),
        TEST(what_the_kernel_cancels_has_no_cause),
        TEST(the_flags_of_recv),
        TEST(all_forms_move_bytes),
        TEST(all_of_it_or_how_much),
        cmocka_unit_test_setup_teardown(sending_all_under_a_limit_ends_in_time_though_it_trickles,
                                        clock_begin, clock_end),
        TEST(files_and_devices_are_read_and_written),
        TEST(terminals_are_waited_for),
        TEST(a_pipe_without_o_nonblock_is_waited_for_both_ways),
        TEST(wait_fd_tells_what_holds),
        TEST(a_callback_does_not_wait_for_an_fd),
    };
    return RUN_TESTS_APART(tests);
}
