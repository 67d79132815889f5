#include "base/sys.h"

#include "base/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CRESS_TESTING
void (*cress__step_hook)(const volatile void *of, bool write);
void (*cress__step_waits_hook)(const volatile void *of);
void (*cress__step_lock_hook)(const volatile void *of, bool taken);
int (*cress__futex_wait_hook)(atomic_uint *word, unsigned value, cress_time timeout);
void (*cress__futex_wake_hook)(atomic_uint *word, int n);
#endif

/* secure_getenv: a program with more rights than its caller takes no advice from it. */
bool cress__sys_disabled(const char *feature)
{
    const char *list = secure_getenv("CRESS_DISABLE");
    size_t length = strlen(feature);
    while (list != NULL && *list != '\0') {
        size_t item = strcspn(list, ",");
        if (item == length && memcmp(list, feature, length) == 0)
            return true;
        list += item;
        list += *list == ',';
    }
    return false;
}

/* 0 not tried, 1 there, 2 missing. Racing threads come to the same result. */
static atomic_int pwait2;

int cress__sys_epoll_wait(int epoll, struct epoll_event *events, int n, cress_time timeout)
{
    if (fault("epoll_wait"))
        return -EINTR;
    /* The two ends need no exact time, and the older call is a little cheaper. */
    if (timeout == 0 || timeout == CRESS_FOREVER)
        return (int)syscall6(SYS_epoll_pwait, epoll, (long)events, n, timeout == 0 ? 0 : -1, 0, 8);

    if (atomic_load_explicit(&pwait2, memory_order_relaxed) == 0)
        atomic_store(&pwait2, cress__sys_disabled("pwait2") ? 2 : 1);
    if (atomic_load_explicit(&pwait2, memory_order_relaxed) == 1) {
        struct timespec t = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
        int r = (int)syscall6(SYS_epoll_pwait2, epoll, (long)events, n, (long)&t, 0, 8);
        if (r != -ENOSYS && r != -EPERM) /* a seccomp filter that does not know it says EPERM */
            return r;
        atomic_store(&pwait2, 2);
    }
    /* Rounded up: waking too early would only mean waiting again. */
    cress_time ms = (timeout - 1) / 1000000 + 1;
    return (int)syscall6(SYS_epoll_pwait, epoll, (long)events, n, ms > INT32_MAX ? INT32_MAX : ms,
                         0, 8);
}

static atomic_int pidfd; /* 0 not asked, 1 perhaps there, 2 switched off */

int cress__sys_pidfd_open(pid_t pid)
{
    if (fault("pidfd_open"))
        return -EMFILE;
    if (atomic_load_explicit(&pidfd, memory_order_relaxed) == 0)
        atomic_store(&pidfd, cress__sys_disabled("pidfd") ? 2 : 1);
    if (atomic_load_explicit(&pidfd, memory_order_relaxed) == 2)
        return -ENOSYS;
    return (int)syscall3(SYS_pidfd_open, pid, 0, 0);
}

static atomic_int nowait; /* 0 not asked, 1 there, 2 switched off */

bool cress__sys_nowait(void)
{
    int known = atomic_load_explicit(&nowait, memory_order_relaxed);
    if (known == 0)
        atomic_store(&nowait, known = cress__sys_disabled("nowait") ? 2 : 1);
    return known == 1;
}

/* --- SIGPIPE --------------------------------------------------------------------------------- */

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100 /* Linux 6.18 */
#endif

static atomic_bool nosignal_missing;

enum { SIGNAL_SET = 8 }; /* the kernel's size of a set */

/* As libraries did before there was a flag: keep the signal away, and if the write raised it take
 * it out again, unless one was pending already. */
static ssize_t write_masked(int fd, const struct iovec *iov, int count, int flags)
{
    uint64_t pipe = (uint64_t)1 << (SIGPIPE - 1), old = 0, pending = 0;
    syscall4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&pipe, (long)&old, SIGNAL_SET);
    if (old & pipe)
        syscall3(SYS_rt_sigpending, (long)&pending, SIGNAL_SET, 0);
    ssize_t r = flags != 0 ? sys_pwritev2(fd, iov, count, flags) : sys_writev(fd, iov, count);
    if (r == -EPIPE && !(pending & pipe)) {
        struct timespec now = { 0 };
        syscall4(SYS_rt_sigtimedwait, (long)&pipe, 0, (long)&now, SIGNAL_SET);
    }
    if (!(old & pipe))
        syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, SIGNAL_SET);
    return r;
}

ssize_t cress__sys_writev_quietly(int fd, const struct iovec *iov, int count, int flags)
{
    if (!atomic_load_explicit(&nosignal_missing, memory_order_relaxed)) {
        ssize_t r = sys_pwritev2(fd, iov, count, flags | RWF_NOSIGNAL);
        if (r != -EOPNOTSUPP && r != -EINVAL && r != -ENOSYS)
            return r;
        /* Either the kernel does not know the flag, or this kind of file no flags at all. A pipe
         * knows them where the kernel does. */
        r = write_masked(fd, iov, count, flags);
        struct stat st;
        if (r >= 0 && sys_fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
            atomic_store(&nosignal_missing, true);
        return r;
    }
    return write_masked(fd, iov, count, flags);
}

void cress__sys_complain(const char *who, const char *separator, const char *context, int error)
{
    char line[256];
    int n = snprintf(line, sizeof line, "cress: %s%s%s: %s\n", who, separator, context,
                     cress_error_name(error));
    if (n <= 0)
        return;
    struct iovec iov = { .iov_base = line,
                         .iov_len = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1 };
    cress__sys_writev_quietly(2, &iov, 1, 0);
}
