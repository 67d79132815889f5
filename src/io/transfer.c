/* transfer - read, write, recv, send and their kin, all by the rules of fd.h.
 *
 * Each call is a step, one system call that does not block, put into one of two loops, `take` for
 * what reads and `give` for what writes. The loops are inlined with their step, so that a recv() on
 * a ready socket is the system call and a handful of tests.
 */
#include "base/sys.h"
#include "io/fd.h"

#include <cress/io.h>

#include <limits.h>

/* What a step works on. */
struct transfer {
    struct iovec *iov;
    int count;
    int flags; /* of recv, send */
    struct sockaddr *address;
    socklen_t *length;
    struct msghdr *message;
};

typedef ssize_t (*step_fn)(const struct fd_call *c, const struct transfer *t);

/* Descriptors that are neither sockets nor know RWF_NOWAIT (a terminal, an old kernel's pipe) are
 * asked first. Somebody else may be faster and leave us blocked: nothing better exists for them. */
static int ready_now(int fd, int events)
{
    struct pollfd p = { .fd = fd, .events = (short)events };
    int n = sys_poll(&p, 1, &(struct timespec){ 0 });
    return n == 0 ? -EAGAIN : n < 0 ? n : p.revents & POLLNVAL ? -EBADF : 0;
}

/* Whether a file does not know RWF_NOWAIT. */
static bool unsupported(ssize_t r)
{
    return r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL;
}

/* A regular file says EAGAIN for what is not in the page cache, and no poller waits for it. */
static bool is_regular(int fd)
{
    struct stat st;
    return sys_fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* --- steps ----------------------------------------------------------------------------------- */

static ssize_t recv_step(const struct fd_call *c, const struct transfer *t)
{
    int flags = c->ours ? t->flags : t->flags | MSG_DONTWAIT;
    return sys_recvfrom(c->fd, t->iov->iov_base, t->iov->iov_len, flags, t->address, t->length);
}

static ssize_t send_step(const struct fd_call *c, const struct transfer *t)
{
    int flags = (c->ours ? t->flags : t->flags | MSG_DONTWAIT) | MSG_NOSIGNAL;
    return sys_sendto(c->fd, t->iov->iov_base, t->iov->iov_len, flags, t->address,
                      t->length != NULL ? *t->length : 0);
}

static ssize_t recvmsg_step(const struct fd_call *c, const struct transfer *t)
{
    return sys_recvmsg(c->fd, t->message, c->ours ? t->flags : t->flags | MSG_DONTWAIT);
}

static ssize_t sendmsg_step(const struct fd_call *c, const struct transfer *t)
{
    int flags = (c->ours ? t->flags : t->flags | MSG_DONTWAIT) | MSG_NOSIGNAL;
    return sys_sendmsg(c->fd, t->message, flags);
}

static ssize_t readv_step(const struct fd_call *c, const struct transfer *t)
{
    if (c->ours)
        return sys_readv(c->fd, t->iov, t->count);
    struct msghdr message = { .msg_iov = t->iov, .msg_iovlen = (size_t)t->count };
    ssize_t r = sys_recvmsg(c->fd, &message, MSG_DONTWAIT);
    if (r != -ENOTSOCK)
        return r;
    r = cress__sys_nowait() ? sys_preadv2(c->fd, t->iov, t->count, RWF_NOWAIT) : -EOPNOTSUPP;
    if (r == -EAGAIN && is_regular(c->fd))
        r = -EOPNOTSUPP; /* not in the page cache: then it blocks, as documented */
    if (!unsupported(r))
        return r;
    int error = ready_now(c->fd, POLLIN);
    return error < 0 ? error : sys_readv(c->fd, t->iov, t->count);
}

/* A pipe's writer raises SIGPIPE whatever the flags, so the signal is kept away by hand. */
static ssize_t writev_step(const struct fd_call *c, const struct transfer *t)
{
    struct msghdr message = { .msg_iov = t->iov, .msg_iovlen = (size_t)t->count };
    ssize_t r = sys_sendmsg(c->fd, &message, c->ours ? MSG_NOSIGNAL : MSG_DONTWAIT | MSG_NOSIGNAL);
    if (r != -ENOTSOCK)
        return r;
    if (c->ours)
        return cress__sys_writev_quietly(c->fd, t->iov, t->count, 0);
    r = cress__sys_nowait() ? cress__sys_writev_quietly(c->fd, t->iov, t->count, RWF_NOWAIT)
                            : -EOPNOTSUPP;
    if (r == -EAGAIN && is_regular(c->fd))
        r = -EOPNOTSUPP;
    if (!unsupported(r))
        return r;
    int error = ready_now(c->fd, POLLOUT);
    return error < 0 ? error : cress__sys_writev_quietly(c->fd, t->iov, t->count, 0);
}

/* --- the two loops --------------------------------------------------------------------------- */

/* Whether a try can be left out: a TCP socket of ours was found empty, and no event came since. */
static inline bool known_empty(const struct fd_call *c)
{
    return c->entry != NULL && (c->entry->flags & FD_EMPTY) && c->entry->timeouts == NULL &&
           !cress__closed;
}

/* Flags of calls that do not wait, not for a blocking socket: send(2), recv(2), MSG_ERRQUEUE. */
enum { AT_ONCE = MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE };

/* size: how many bytes would fill the buffer; 0 where a short read says nothing. */
static always_inline ssize_t take(int fd, step_fn step, const struct transfer *t, size_t size)
{
    struct fd_call c;
    int error = fd_begin(&c, fd, CRESS_IN);
    if (unlikely(error < 0))
        return error;
    for (;;) {
        if ((t->flags & AT_ONCE) || !known_empty(&c)) {
            ssize_t r = step(&c, t);
            if (likely(r >= 0)) {
                if (r > 0 && (size_t)r < size && c.ours &&
                    (c.entry->flags & (FD_TCP | FD_ODD)) == FD_TCP)
                    c.entry->flags |= FD_EMPTY;
                fd_succeeded();
                return r;
            }
            if (r == -EINTR)
                continue;
            if (r != -EAGAIN || (t->flags & AT_ONCE))
                return fd_failed(r);
        }
        error = fd_wait(&c);
        if (unlikely(error < 0))
            return error;
    }
}

static always_inline ssize_t give(int fd, step_fn step, const struct transfer *t)
{
    struct fd_call c;
    int error = fd_begin(&c, fd, CRESS_OUT);
    if (unlikely(error < 0))
        return error;
    for (;;) {
        ssize_t r = step(&c, t);
        if (likely(r >= 0)) {
            fd_succeeded();
            return r;
        }
        if (r == -EINTR)
            continue;
        if (r != -EAGAIN || (t->flags & MSG_DONTWAIT))
            return fd_failed(r);
        error = fd_wait(&c);
        if (unlikely(error < 0))
            return error;
    }
}

/* --- the calls ------------------------------------------------------------------------------- */

static struct iovec one(const void *data, size_t size)
{
    return (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = size };
}

ssize_t cress_read(int fd, void *data, size_t size)
{
    if (size == 0)
        return sys_read(fd, data, 0); /* does not wait, and takes no datagram, as recv would */
    struct iovec iov = one(data, size);
    return take(fd, readv_step, &(struct transfer){ .iov = &iov, .count = 1 }, size);
}

ssize_t cress_write(int fd, const void *data, size_t size)
{
    struct iovec iov = one(data, size);
    return give(fd, writev_step, &(struct transfer){ .iov = &iov, .count = 1 });
}

/* All bytes of an array; 0, which is never short, when they do not fit. */
static size_t total(const struct iovec *iov, int count)
{
    size_t sum = 0;
    for (int i = 0; i < count; i++)
        if (__builtin_add_overflow(sum, iov[i].iov_len, &sum))
            return 0;
    return sum;
}

ssize_t cress_readv(int fd, const struct iovec *iov, int count)
{
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    if (iov == NULL && count > 0)
        return -EFAULT;
    struct transfer t = { .iov = (struct iovec *)(uintptr_t)iov, .count = count };
    size_t size = total(iov, count);
    return size == 0 ? sys_readv(fd, iov, count) : take(fd, readv_step, &t, size);
}

ssize_t cress_writev(int fd, const struct iovec *iov, int count)
{
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    struct transfer t = { .iov = (struct iovec *)(uintptr_t)iov, .count = count };
    return give(fd, writev_step, &t);
}

/* Flags with which a short result does not mean that the socket is empty. */
enum { NOT_PLAIN = MSG_PEEK | MSG_OOB | MSG_TRUNC | MSG_ERRQUEUE };

static ssize_t recv_once(int fd, void *data, size_t size, int flags)
{
    struct iovec iov = one(data, size);
    struct transfer t = { .iov = &iov, .count = 1, .flags = flags };
    return take(fd, recv_step, &t, flags & NOT_PLAIN ? 0 : size);
}

/* MSG_WAITALL of a stream: the kernel would wait for the rest, so do we. What came before an error
 * or the end is what is reported; the error meets the next call. */
static noinline ssize_t recv_waiting(int fd, void *data, size_t size, int flags)
{
    int type = 0;
    socklen_t length = sizeof type;
    int error = sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
    if (error < 0)
        return error;
    if (type != SOCK_STREAM || (flags & (MSG_DONTWAIT | NOT_PLAIN)))
        return recv_once(fd, data, size, flags);
    size_t got = 0;
    do {
        ssize_t r = recv_once(fd, (char *)data + got, size - got, flags & ~MSG_WAITALL);
        if (r <= 0)
            return got > 0 ? (ssize_t)got : r;
        got += (size_t)r;
    } while (got < size);
    return (ssize_t)got;
}

ssize_t cress_recv(int fd, void *data, size_t size, int flags)
{
    if (unlikely(flags & MSG_WAITALL))
        return recv_waiting(fd, data, size, flags);
    return recv_once(fd, data, size, flags);
}

ssize_t cress_send(int fd, const void *data, size_t size, int flags)
{
    struct iovec iov = one(data, size);
    return give(fd, send_step, &(struct transfer){ .iov = &iov, .count = 1, .flags = flags });
}

ssize_t cress_recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from,
                       socklen_t *length)
{
    if (unlikely((flags & MSG_WAITALL) && from == NULL))
        return recv_waiting(fd, data, size, flags);
    struct iovec iov = one(data, size);
    struct transfer t = {
        .iov = &iov, .count = 1, .flags = flags, .address = from, .length = length
    };
    return take(fd, recv_step, &t, 0);
}

ssize_t cress_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                     socklen_t length)
{
    struct iovec iov = one(data, size);
    struct transfer t = { .iov = &iov,
                          .count = 1,
                          .flags = flags,
                          .address = (struct sockaddr *)(uintptr_t)to,
                          .length = &length };
    return give(fd, send_step, &t);
}

ssize_t cress_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (message == NULL)
        return -EINVAL;
    return take(fd, recvmsg_step, &(struct transfer){ .flags = flags, .message = message }, 0);
}

ssize_t cress_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (message == NULL)
        return -EINVAL;
    struct transfer t = { .flags = flags, .message = (struct msghdr *)(uintptr_t)message };
    return give(fd, sendmsg_step, &t);
}

/* --- all of it ------------------------------------------------------------------------------- */

int cress_sendall(int fd, const void *data, size_t size, size_t *sent)
{
    size_t done = 0;
    ssize_t r = 0;
    while (done < size) {
        r = cress_send(fd, (const char *)data + done, size - done, 0);
        if (unlikely(r == -ENOTSOCK))
            r = cress_write(fd, (const char *)data + done, size - done);
        if (r < 0)
            break;
        done += (size_t)r;
    }
    if (sent != NULL)
        *sent = done;
    return r < 0 ? (int)r : 0;
}

int cress_recvall(int fd, void *data, size_t size, size_t *got)
{
    size_t done = 0;
    ssize_t r = 1;
    while (done < size && r > 0) {
        r = cress_read(fd, (char *)data + done, size - done);
        if (r > 0)
            done += (size_t)r;
    }
    if (got != NULL)
        *got = done;
    return r < 0 ? (int)r : r == 0 && done < size ? -ENODATA : 0;
}
