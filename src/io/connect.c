/* connect - accept(2) and connect(2). */
#include "base/sys.h"
#include "io/fd.h"

#include <cress/io.h>

#include <netinet/in.h>

/* --- accept ---------------------------------------------------------------------------------- */

/* Errors of the connection that was about to be accepted, which is gone: accept(2) says to treat
 * them like a try again. */
static bool connection_gone(int error)
{
    switch (-error) {
    case EINTR:
    case ECONNABORTED:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return sys_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           protocol == IPPROTO_TCP;
}

/* Whether a file that is not ready will ever be: of what does not listen accept(2) says at once why
 * not, but it may block. */
static int listens(int fd)
{
    int yes = 0, type = 0;
    socklen_t size = sizeof yes;
    int error = sys_getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size);
    if (error < 0 || yes)
        return error;
    size = sizeof type;
    error = sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (error < 0)
        return error;
    return type == SOCK_STREAM || type == SOCK_SEQPACKET ? -EINVAL : -EOPNOTSUPP;
}

/* A listener that may be blocking is asked first. When another process takes the connection in
 * between, accept blocks until the next one: nothing better exists for those. */
static int accept_step(const struct fd_call *c, struct sockaddr *address, socklen_t *length)
{
    if (!c->ours) {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        int n = sys_poll(&p, 1, &(struct timespec){ 0 });
        if (n == 0 && (n = listens(c->fd)) == 0)
            n = -EAGAIN;
        if (n < 0)
            return n;
    }
    return sys_accept4(c->fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int cress_accept(int fd, struct sockaddr *address, socklen_t *length)
{
    struct fd_call c;
    int error = fd_begin(&c, fd, CRESS_IN);
    if (error < 0)
        return error;
    for (;;) {
        int accepted = accept_step(&c, address, length);
        if (accepted >= 0) {
            bool tcp = c.ours ? (c.entry->flags & FD_TCP) != 0 : is_tcp(accepted);
            error = fds_adopt(accepted, tcp ? FD_TCP : 0);
            if (error < 0) {
                sys_close(accepted);
                return error;
            }
            fd_succeeded();
            return accepted;
        }
        if (connection_gone(accepted))
            continue;
        if (accepted != -EAGAIN)
            return (int)fd_failed(accepted);
        error = fd_wait(&c);
        if (error < 0)
            return error;
    }
}

/* --- connect --------------------------------------------------------------------------------- */

/* The one call that has no flag for it: O_NONBLOCK is set for its moment. */
static int connect_now(const struct fd_call *c, const struct sockaddr *address, socklen_t length)
{
    if (c->ours)
        return sys_connect(c->fd, address, length);
    int status = sys_fcntl(c->fd, F_GETFL, 0);
    if (status < 0)
        return status;
    int error;
    if (!(status & O_NONBLOCK) && (error = sys_fcntl(c->fd, F_SETFL, status | O_NONBLOCK)) < 0)
        return error;
    int result = sys_connect(c->fd, address, length);
    if (!(status & O_NONBLOCK))
        sys_fcntl(c->fd, F_SETFL, status);
    return result;
}

enum { UNIX_RETRY_FIRST = 1000 * 1000, UNIX_RETRY_LAST = 100 * 1000 * 1000 };

int cress_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct fd_call c;
    int error = fd_begin(&c, fd, CRESS_OUT);
    if (error < 0)
        return error;
    error = connect_now(&c, address, length);
    /* A unix socket whose listener's backlog is full: there is nothing to wait for but time. */
    cress_time left = fd_timeout(&c), deadline = cress_deadline(left);
    for (cress_time pause = UNIX_RETRY_FIRST; error == -EAGAIN;
         pause = pause < UNIX_RETRY_LAST ? pause * 2 : UNIX_RETRY_LAST) {
        /* For no event, but so that cress_close() ends it before the number is another file's. */
        c.events = 0;
        error = fd_wait_until(&c, pause < left ? pause : left);
        c.events = CRESS_OUT;
        if (error < 0 && error != -ETIMEDOUT)
            return error;
        error = connect_now(&c, address, length);
        if (error == -EAGAIN && (left = cress_left(deadline)) == 0)
            return -ETIMEDOUT;
    }
    if (error != -EINPROGRESS && error != -EALREADY && error != -EINTR)
        return (int)fd_failed(error);
    error = fd_wait(&c);
    if (error < 0)
        return error;
    int result = 0;
    socklen_t size = sizeof result;
    error = sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size);
    return (int)fd_failed(error < 0 ? error : -result);
}
