/* sys - the one seam to the system: every system call that cress makes is in this file.
 *
 * Each gives a result or a negative errno and leaves errno alone. In test builds each can be made
 * to fail, with an error that its manual page lists (fault.h); close and munmap cannot, because
 * what they release is gone whatever they say.
 *
 * Newer calls are tried once, and what the kernel does not know is remembered; CRESS_DISABLE in the
 * environment (guard, pwait2, pidfd, uring, nowait) makes us believe that it knows them not.
 */
#ifndef CRESS_BASE_SYS_H
#define CRESS_BASE_SYS_H

#include "base/compiler.h"
#include "base/fault.h"
#include "base/syscall.h"

#include <cress/base.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline ssize_t sys_read(int fd, void *data, size_t size)
{
    if (fault("read"))
        return -EIO;
    return (ssize_t)syscall3(SYS_read, fd, (long)data, (long)size);
}

static inline ssize_t sys_write(int fd, const void *data, size_t size)
{
    if (fault("write"))
        return -EIO;
    return (ssize_t)syscall3(SYS_write, fd, (long)data, (long)size);
}

static inline ssize_t sys_preadv2(int fd, const struct iovec *iov, int count, int flags)
{
    if (fault("preadv2"))
        return -EIO;
    return (ssize_t)syscall6(SYS_preadv2, fd, (long)iov, count, -1L, -1L, flags);
}

static inline ssize_t sys_pwritev2(int fd, const struct iovec *iov, int count, int flags)
{
    if (fault("pwritev2"))
        return -EIO;
    return (ssize_t)syscall6(SYS_pwritev2, fd, (long)iov, count, -1L, -1L, flags);
}

static inline ssize_t sys_readv(int fd, const struct iovec *iov, int count)
{
    if (fault("readv"))
        return -EIO;
    return (ssize_t)syscall3(SYS_readv, fd, (long)iov, count);
}

static inline ssize_t sys_writev(int fd, const struct iovec *iov, int count)
{
    if (fault("writev"))
        return -EIO;
    return (ssize_t)syscall3(SYS_writev, fd, (long)iov, count);
}

static inline ssize_t sys_recvfrom(int fd, void *data, size_t size, int flags,
                                   struct sockaddr *from, socklen_t *length)
{
    if (fault("recvfrom"))
        return -ENOBUFS;
    return (ssize_t)syscall6(SYS_recvfrom, fd, (long)data, (long)size, flags, (long)from,
                             (long)length);
}

static inline ssize_t sys_sendto(int fd, const void *data, size_t size, int flags,
                                 const struct sockaddr *to, socklen_t length)
{
    if (fault("sendto"))
        return -ENOBUFS;
    return (ssize_t)syscall6(SYS_sendto, fd, (long)data, (long)size, flags, (long)to, length);
}

static inline ssize_t sys_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (fault("recvmsg"))
        return -ENOBUFS;
    return (ssize_t)syscall3(SYS_recvmsg, fd, (long)message, flags);
}

static inline ssize_t sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (fault("sendmsg"))
        return -ENOBUFS;
    return (ssize_t)syscall3(SYS_sendmsg, fd, (long)message, flags);
}

static inline int sys_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    if (fault("accept4"))
        return -EMFILE;
    return (int)syscall4(SYS_accept4, fd, (long)address, (long)length, flags);
}

static inline int sys_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (fault("connect"))
        return -ECONNREFUSED;
    return (int)syscall3(SYS_connect, fd, (long)address, length);
}

static inline int sys_shutdown(int fd, int how)
{
    if (fault("shutdown"))
        return -ENOTCONN;
    return (int)syscall3(SYS_shutdown, fd, how, 0);
}

static inline int sys_socket(int family, int type, int protocol)
{
    if (fault("socket"))
        return -EMFILE;
    return (int)syscall3(SYS_socket, family, type, protocol);
}

static inline int sys_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    if (fault("bind"))
        return -EADDRINUSE;
    return (int)syscall3(SYS_bind, fd, (long)address, length);
}

static inline int sys_listen(int fd, int backlog)
{
    if (fault("listen"))
        return -EADDRINUSE;
    return (int)syscall3(SYS_listen, fd, backlog, 0);
}

static inline int sys_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    if (fault("getsockname"))
        return -ENOBUFS;
    return (int)syscall3(SYS_getsockname, fd, (long)address, (long)length);
}

static inline int sys_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    if (fault("getpeername"))
        return -ENOBUFS;
    return (int)syscall3(SYS_getpeername, fd, (long)address, (long)length);
}

static inline int sys_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    if (fault("setsockopt"))
        return -ENOMEM;
    return (int)syscall6(SYS_setsockopt, fd, level, option, (long)value, length, 0);
}

static inline int sys_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    if (fault("getsockopt"))
        return -ENOBUFS;
    return (int)syscall6(SYS_getsockopt, fd, level, option, (long)value, (long)length, 0);
}

static inline int sys_fcntl(int fd, int command, long value)
{
    if (fault("fcntl"))
        return -ENOMEM;
    return (int)syscall3(SYS_fcntl, fd, command, value);
}

static inline int sys_fstat(int fd, struct stat *out)
{
    if (fault("fstat"))
        return -ENOMEM;
    return (int)syscall3(SYS_fstat, fd, (long)out, 0);
}

static inline int sys_poll(struct pollfd *fds, size_t n, const struct timespec *timeout)
{
    if (fault("poll"))
        return -ENOMEM;
    return (int)syscall6(SYS_ppoll, (long)fds, (long)n, (long)timeout, 0, 8, 0);
}

/* ppoll(2): exact to the nanosecond. */
static inline int sys_ppoll(struct pollfd *fds, size_t n, cress_time timeout)
{
    if (fault("ppoll"))
        return -ENOMEM;
    struct timespec t = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
    long until = timeout == CRESS_FOREVER ? 0 : (long)&t;
    return (int)syscall6(SYS_ppoll, (long)fds, (long)n, until, 0, 8, 0);
}

static inline int sys_epoll_create1(int flags)
{
    if (fault("epoll_create1"))
        return -EMFILE;
    return (int)syscall3(SYS_epoll_create1, flags, 0, 0);
}

static inline int sys_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (fault("epoll_ctl"))
        return -ENOMEM;
    return (int)syscall4(SYS_epoll_ctl, epoll, operation, fd, (long)event);
}

static inline int sys_eventfd2(unsigned value, int flags)
{
    if (fault("eventfd2"))
        return -EMFILE;
    return (int)syscall3(SYS_eventfd2, (long)value, flags, 0);
}

static inline int sys_inotify_init1(int flags)
{
    if (fault("inotify_init1"))
        return -EMFILE;
    return (int)syscall3(SYS_inotify_init1, flags, 0, 0);
}

static inline int sys_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    if (fault("inotify_add_watch"))
        return -ENOSPC;
    return (int)syscall3(SYS_inotify_add_watch, fd, (long)path, (long)mask);
}

/* Fails only for what has gone by itself. */
static inline void sys_inotify_rm_watch(int fd, int watch)
{
    syscall3(SYS_inotify_rm_watch, fd, watch, 0);
}

/* A descriptor that is readable when the process has ended: Linux 5.3, unless switched off. */
int cress__sys_pidfd_open(pid_t pid);

/* waitpid(2), without waiting: pid, 0, or -ECHILD. */
static inline pid_t sys_reap(pid_t pid, int *status)
{
    if (fault("wait4"))
        return -ECHILD;
    return (pid_t)syscall4(SYS_wait4, pid, (long)status, WNOHANG, 0);
}

/* Whether a child has ended, and is there to be reaped: 1; 0; -ECHILD; -EINTR. */
static inline int sys_has_ended(pid_t pid)
{
    if (fault("waitid"))
        return -EINTR;
    siginfo_t info;
    info.si_pid = 0;
    int error =
        (int)syscall6(SYS_waitid, P_PID, pid, (long)&info, WEXITED | WNOHANG | WNOWAIT, 0, 0);
    return error < 0 ? error : info.si_pid == pid;
}

static inline int sys_stat(const char *path, struct stat *out)
{
    if (fault("stat"))
        return -ENOMEM;
    return (int)syscall4(SYS_newfstatat, AT_FDCWD, (long)path, (long)out, 0);
}

static inline int sys_madvise(void *p, size_t size, int advice)
{
    if (fault("madvise"))
        return -EAGAIN;
    return (int)syscall3(SYS_madvise, (long)p, (long)size, advice);
}

static inline int sys_mprotect(void *p, size_t size, int protection)
{
    if (fault("mprotect"))
        return -ENOMEM;
    return (int)syscall3(SYS_mprotect, (long)p, (long)size, protection);
}

static inline int sys_munmap(void *p, size_t size)
{
#ifdef CRESS_TSAN
    return munmap(p, size); /* ThreadSanitizer has to forget what it knew of the range */
#endif
    return (int)syscall3(SYS_munmap, (long)p, (long)size, 0);
}

static inline int sys_close(int fd)
{
#ifdef CRESS_TSAN
    int error = errno; /* ThreadSanitizer has to forget who used the number */
    int r = close(fd) == 0 ? 0 : -errno;
    errno = error;
    return r;
#endif
    return (int)syscall3(SYS_close, fd, 0, 0);
}

static inline int sys_mincore(void *p, size_t size, unsigned char *pages)
{
    if (fault("mincore"))
        return -EAGAIN;
    return (int)syscall3(SYS_mincore, (long)p, (long)size, (long)pages);
}

static inline int sys_pipe2(int fds[2], int flags)
{
    if (fault("pipe2"))
        return -EMFILE;
    return (int)syscall3(SYS_pipe2, (long)fds, flags, 0);
}

static inline int sys_open(const char *path, int flags)
{
    if (fault("open"))
        return -EMFILE;
    return (int)syscall4(SYS_openat, AT_FDCWD, (long)path, flags, 0);
}

static inline int sys_unlink(const char *path)
{
    if (fault("unlink"))
        return -EIO;
    return (int)syscall3(SYS_unlinkat, AT_FDCWD, (long)path, 0);
}

static inline int sys_fchmodat(const char *path, unsigned mode)
{
    if (fault("chmod"))
        return -EIO;
    return (int)syscall3(SYS_fchmodat, AT_FDCWD, (long)path, (long)mode);
}

/* Adds to an eventfd, from any thread. Cannot fail: a lost wake-up is no error that anybody could
 * handle, and the counter does not overflow in a life. */
static inline void sys_eventfd_add(int fd, uint64_t n)
{
    syscall3(SYS_write, fd, (long)&n, sizeof n);
}

/* mmap(2), anonymous and private; NULL when refused. */
static inline void *sys_mmap(size_t size, int protection, int flags)
{
    if (fault("mmap"))
        return NULL;
#ifdef CRESS_TSAN
    int error = errno;
    void *m = mmap(NULL, size, protection, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = error;
    return m == MAP_FAILED ? NULL : m;
#endif
    long p =
        syscall6(SYS_mmap, 0, (long)size, protection, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p < 0 && p > -4096 ? NULL : (void *)p;
}

/* Through libc, which knows how a handler returns, and where sanitizers look on. */
static inline int sys_sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    if (fault("sigaction"))
        return -EINVAL;
    int error = errno;
    int r = sigaction(signal, action, old) == 0 ? 0 : -errno;
    errno = error;
    return r;
}

static inline int sys_sigaltstack(const stack_t *stack, stack_t *old)
{
    if (fault("sigaltstack"))
        return -ENOMEM;
    return (int)syscall3(SYS_sigaltstack, (long)stack, (long)old, 0);
}

/* The signal mask of this thread, as a word: bit 0 is signal 1. Returns what it was. */
static inline uint64_t sys_sigmask(int how, uint64_t mask)
{
    uint64_t old = 0;
    syscall4(SYS_rt_sigprocmask, how, (long)&mask, (long)&old, sizeof mask);
    return old;
}

static inline void sys_sched_yield(void)
{
    syscall3(SYS_sched_yield, 0, 0, 0);
}

#ifdef CRESS_TESTING
/* What a test has instead, see base/step.h. */
extern int (*cress__futex_wait_hook)(atomic_uint *word, unsigned value, cress_time timeout);
extern void (*cress__futex_wake_hook)(atomic_uint *word, int n);
#endif

/* Wait while a word has this value, for a time or CRESS_FOREVER. Private to the process. 0, which
 * may be for nothing; -EAGAIN, it had another one; -EINTR; -ETIMEDOUT. */
static inline int sys_futex_wait(atomic_uint *word, unsigned value, cress_time timeout)
{
#ifdef CRESS_TESTING
    if (cress__futex_wait_hook != NULL)
        return cress__futex_wait_hook(word, value, timeout);
#endif
    if (fault("futex_wait"))
        return -EINTR;
    struct timespec t = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
    return (int)syscall4(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)value,
                         timeout != CRESS_FOREVER ? (long)&t : 0);
}

/* Wake so many who wait there. The word may be anybody's meanwhile: who waits looks again. */
static inline void sys_futex_wake(atomic_uint *word, int n)
{
#ifdef CRESS_TESTING
    if (cress__futex_wake_hook != NULL) {
        cress__futex_wake_hook(word, n);
        return;
    }
#endif
    syscall3(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, n);
}

/* Send a signal to this thread; pending if it is blocked. Async-signal-safe. */
static inline int sys_raise(int signal)
{
    long process = syscall3(SYS_getpid, 0, 0, 0);
    return (int)syscall3(SYS_tgkill, process, syscall3(SYS_gettid, 0, 0, 0), signal);
}

/* epoll_pwait2(2): exact to the nanosecond, Linux 5.11. Times out with 0. */
int cress__sys_epoll_wait(int epoll, struct epoll_event *events, int n, cress_time timeout);

/* CLOCK_MONOTONIC in nanoseconds. */
static inline cress_time sys_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* the vdso: no system call, cannot fail */
    return (cress_time)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The same as of the last tick of the kernel, a few milliseconds ago: for a third of the price. */
static inline cress_time sys_now_coarse(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (cress_time)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Whether reads and writes know RWF_NOWAIT: Linux 4.14, unless switched off. */
bool cress__sys_nowait(void);

/* writev(2) with the flags of pwritev2(2), without SIGPIPE. */
ssize_t cress__sys_writev_quietly(int fd, const struct iovec *iov, int count, int flags);

/* One line to stderr, in one write: those of several threads do not mix. Without SIGPIPE. */
void cress__sys_complain(const char *who, const char *separator, const char *context, int error);

/* Whether CRESS_DISABLE names a feature. */
bool cress__sys_disabled(const char *feature);

#endif
