/* The seam to the system: what is switched off, and writes that raise no SIGPIPE in any way. */
#include "base/sys.h"

#include "support/child.h"
#include "support/test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void features_are_switched_off_by_whole_names(void **state)
{
    (void)state;
    static const struct {
        const char *value, *feature;
        bool disabled;
    } cases[] = {
        { "guard", "guard", true },
        { "guard,pwait2", "guard", true },
        { "guard,pwait2", "pwait2", true },
        { "pwait2,,nowait", "nowait", true },
        { ",nowait", "nowait", true },
        { "nowait,", "nowait", true },
        { "", "guard", false },
        { ",", "guard", false },
        { "guards", "guard", false },
        { "guar", "guard", false },
        { "safeguard", "guard", false },
        { " guard", "guard", false },
        { "pwait2,guards,x", "guard", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("CRESS_DISABLE", cases[i].value, 1);
        CHECK_EQ(cress__sys_disabled(cases[i].feature), cases[i].disabled);
    }
    unsetenv("CRESS_DISABLE");
    CHECK(!cress__sys_disabled("guard"));
}

/* --- SIGPIPE ---------------------------------------------------------------------------------- */

static void write_to_closed_pipe(int flags)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    close(fds[0]);
    struct iovec iov = { .iov_base = "x", .iov_len = 1 };
    CHECK_EQ(cress__sys_writev_quietly(fds[1], &iov, 1, flags), -EPIPE);
    close(fds[1]);
}

static void write_to_open_pipe(void)
{
    int fds[2];
    char data[4];
    CHECK_EQ(pipe(fds), 0);
    struct iovec iov[2] = { { .iov_base = "ab", .iov_len = 2 }, { .iov_base = "c", .iov_len = 1 } };
    CHECK_EQ(cress__sys_writev_quietly(fds[1], iov, 2, 0), 3);
    CHECK_EQ(read(fds[0], data, 4), 3);
    CHECK_MEM(data, "abc", 3);
    close(fds[0]);
    close(fds[1]);
}

static bool pending(void)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, SIGPIPE) == 1;
}

static void block_sigpipe(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK_EQ(sigprocmask(how, &set, NULL), 0);
}

static bool blocked(void)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, SIGPIPE) == 1;
}

/* In a child, where SIGPIPE would be the end. */
static void all_of_it(void *arg)
{
    (void)arg;
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++) { /* the first may find out what the kernel knows */
        write_to_closed_pipe(0);
        CHECK(!pending());
        CHECK(!blocked());
        write_to_open_pipe();
        CHECK(!blocked());
    }
    block_sigpipe(SIG_BLOCK);
    write_to_closed_pipe(0);
    CHECK(!pending()); /* none of ours is left behind */
    CHECK(blocked());
    raise(SIGPIPE); /* one of somebody else's, from before */
    CHECK(pending());
    write_to_closed_pipe(0);
    CHECK(pending()); /* is still there */
    write_to_open_pipe();
    CHECK(pending());
    CHECK(blocked());
}

/* From here on the kernel does not know flags of pwritev2(2) that are newer than 6.17. */
static void forget_flag(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x100, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof *filter, .filter = filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        fprintf(stderr, "no seccomp filter\n");
        _exit(77);
    }
}

static void all_of_it_on_an_older_kernel(void *arg)
{
    forget_flag();
    all_of_it(arg);
    fprintf(stderr, "done"); /* a masked write must not eat a signal for nothing, nor stderr */
}

static void writes_raise_no_sigpipe(void **state)
{
    (void)state;
    struct child_result result;
    child_run(all_of_it, NULL, 10000, &result);
    CHECK_STR(result.error, "");
    CHECK_STR(child_words(&result), "ended with exit status 0");
}

static void writes_raise_no_sigpipe_where_the_kernel_has_no_flag_for_it(void **state)
{
    (void)state;
    struct child_result result;
    child_run(all_of_it_on_an_older_kernel, NULL, 10000, &result);
    if (result.status == 77) {
        print_message("left out: this system allows no seccomp filter\n");
        skip();
    }
    CHECK_STR(result.error, "done");
    CHECK_STR(child_words(&result), "ended with exit status 0");
}

/* --- faults ----------------------------------------------------------------------------------- */

static const char *failing;

static bool fail_named(const char *what)
{
    return strcmp(what, failing) == 0;
}

static void a_call_that_is_told_to_fail_fails_with_an_error_of_its_own(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(sys_pipe2(fds, O_CLOEXEC), 0);
    cress__fault_hook = fail_named;
    failing = "read";
    char c = 'x';
    CHECK_LT(sys_read(fds[0], &c, 1), 0);
    CHECK_EQ(sys_write(fds[1], &c, 1), 1); /* others do not */
    failing = "mmap";
    CHECK_EQ(sys_mmap(4096, PROT_READ, 0), NULL);
    cress__fault_hook = NULL;
    CHECK_EQ(sys_read(fds[0], &c, 1), 1);
    void *p = sys_mmap(4096, PROT_READ, 0);
    CHECK(p != NULL);
    CHECK_EQ(sys_munmap(p, 4096), 0);
    CHECK_EQ(sys_close(fds[0]), 0);
    CHECK_EQ(sys_close(fds[1]), 0);
    CHECK_EQ(sys_close(fds[1]), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_switched_off_by_whole_names),
        cmocka_unit_test(writes_raise_no_sigpipe),
        cmocka_unit_test(writes_raise_no_sigpipe_where_the_kernel_has_no_flag_for_it),
        cmocka_unit_test(a_call_that_is_told_to_fail_fails_with_an_error_of_its_own),
    };
    return RUN_TESTS(tests);
}
