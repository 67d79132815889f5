/* dial - a connected socket from an address in text form. */
#include "base/options.h"
#include "base/sys.h"
#include "loop/fds.h"
#include "net/address.h"

#include <cress/hub.h>
#include <cress/io.h>
#include <cress/net.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

static int set(int fd, int level, int option)
{
    int on = 1;
    return sys_setsockopt(fd, level, option, &on, sizeof on);
}

static int prepare(int fd, const cress_address *to, const cress_dial_options *o)
{
    int error = 0;
    if (to->storage.ss_family != AF_UNIX) {
        if (!o->delay)
            error = set(fd, IPPROTO_TCP, TCP_NODELAY);
        if (error == 0 && !o->no_keep_alive)
            error = set(fd, SOL_SOCKET, SO_KEEPALIVE);
    }
    if (error < 0 || o->local == NULL)
        return error;
    cress_address local;
    if ((error = cress_address_parse(o->local, &local)) < 0)
        return error;
    return sys_bind(fd, (const struct sockaddr *)&local.storage, local.length);
}

static int dial_one(const cress_address *to, cress_time timeout, const cress_dial_options *o)
{
    int family = to->storage.ss_family;
    int fd = sys_socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    int error = fds_adopt(fd, family == AF_UNIX ? 0 : FD_TCP);
    if (error < 0) {
        sys_close(fd);
        return error;
    }
    if ((error = prepare(fd, to, o)) == 0 &&
        (timeout == CRESS_FOREVER || (error = cress_fd_set_timeout(fd, CRESS_OUT, timeout)) == 0) &&
        (error = cress_connect(fd, (const struct sockaddr *)&to->storage, to->length)) == 0 &&
        (timeout == CRESS_FOREVER ||
         (error = cress_fd_set_timeout(fd, CRESS_OUT, CRESS_FOREVER)) == 0))
        return fd;
    cress_close(fd);
    return error;
}

int cress_dial(const char *address, cress_time timeout, const cress_dial_options *options)
{
    cress_dial_options o = CRESS_DIAL_OPTIONS_INIT;
    if (options_take(&o, sizeof o, options) < 0)
        return -EINVAL;
    struct address_parts parts;
    cress_address to[2];
    int error = timeout < 0 ? -EINVAL : address_split(address, &parts);
    if (error < 0)
        return error;
    size_t n = address_resolve(&parts, false, false, to, &error);
    cress_time deadline = cress_deadline(timeout);
    for (size_t i = 0; i < n; i++) {
        error = dial_one(&to[i], timeout == 0 ? 0 : cress_left(deadline), &o);
        if (error == -EAGAIN && timeout != 0)
            error = -ETIMEDOUT; /* nothing was left of it */
        if (error >= 0 || error == -ETIMEDOUT || error == -ECANCELED)
            break;
    }
    return error;
}
