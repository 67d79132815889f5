/* listen - a listening socket from an address in text form. */
#include "base/options.h"
#include "base/sys.h"
#include "loop/fds.h"
#include "net/address.h"

#include <cress/io.h>
#include <cress/net.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

static int set(int fd, int level, int option, int value)
{
    return sys_setsockopt(fd, level, option, &value, sizeof value);
}

static int prepare(int fd, int family, const cress_listen_options *o)
{
    if (family == AF_UNIX)
        return 0;
    int error = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error == 0 && o->reuse_port)
        error = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error == 0 && !o->delay)
        error = set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* accepted sockets inherit it: tcp(7) */
    if (error == 0 && family == AF_INET6)
        error = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, o->only_v6);
    return error;
}

/* Whether a unix socket's path is what a server left that is no more: nobody accepts there. */
static bool is_dead(const cress_address *at)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&at->storage;
    struct stat st;
    if (un->sun_path[0] == '\0' || sys_stat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int error = sys_connect(fd, (const struct sockaddr *)&at->storage, at->length);
    sys_close(fd);
    return error == -ECONNREFUSED;
}

static void remove_path(const cress_address *at)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&at->storage;
    if (un->sun_family == AF_UNIX && un->sun_path[0] != '\0')
        sys_unlink(un->sun_path);
}

static int bind_to(int fd, const cress_address *at, const cress_listen_options *o)
{
    const struct sockaddr *address = (const struct sockaddr *)&at->storage;
    int error = sys_bind(fd, address, at->length);
    if (at->storage.ss_family != AF_UNIX)
        return error;
    const char *path = ((const struct sockaddr_un *)(const void *)address)->sun_path;
    if (error == -EADDRINUSE && !o->no_unlink && is_dead(at)) {
        sys_unlink(path);
        error = sys_bind(fd, address, at->length);
    }
    if (error == 0 && o->mode != 0 && path[0] != '\0' && (error = sys_fchmodat(path, o->mode)) < 0)
        remove_path(at);
    return error;
}

static int listen_on(const cress_address *at, const cress_listen_options *o)
{
    int family = at->storage.ss_family;
    int fd = sys_socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    int error;
    if ((error = prepare(fd, family, o)) == 0 && (error = bind_to(fd, at, o)) == 0) {
        if ((error = sys_listen(fd, o->backlog > 0 ? o->backlog : SOMAXCONN)) == 0 &&
            (error = fds_adopt(fd, family == AF_UNIX ? 0 : FD_TCP)) == 0)
            return fd;
        remove_path(at);
    }
    sys_close(fd);
    return error;
}

int cress_listen(const char *address, const cress_listen_options *options)
{
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    if (options_take(&o, sizeof o, options) < 0)
        return -EINVAL;
    struct address_parts parts;
    cress_address at[2];
    int error = o.backlog < 0 ? -EINVAL : address_split(address, &parts);
    if (error < 0)
        return error;
    size_t n = address_resolve(&parts, true, o.only_v6, at, &error);
    if (n == 0)
        return error;
    int fd = listen_on(&at[0], &o);
    /* All addresses where there is no IPv6; of localhost the first one only. */
    if (n == 2 && parts.host[0] == '\0' && fd == -EAFNOSUPPORT)
        fd = listen_on(&at[1], &o);
    return fd;
}
