/* address - socket addresses as text, read and written. */
#include "net/address.h"

#include "base/sys.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* 0 to 65535 and nothing else. */
static int parse_port(const char *text, uint16_t *port)
{
    unsigned value = 0;
    size_t n = 0;
    for (; text[n] >= '0' && text[n] <= '9' && n < 5; n++)
        value = value * 10 + (unsigned)(text[n] - '0');
    if (n == 0 || text[n] != '\0' || value > 65535)
        return -EINVAL;
    *port = htons((uint16_t)value);
    return 0;
}

int address_split(const char *text, struct address_parts *out)
{
    if (text == NULL)
        return -EINVAL;
    *out = (struct address_parts){ 0 };
    if (strncmp(text, "unix:", 5) == 0) {
        out->path = text + 5;
        return out->path[0] == '\0' || strcmp(out->path, "@") == 0 ? -EINVAL : 0;
    }
    if (strncmp(text, "tcp:", 4) == 0)
        text += 4;
    const char *host = text, *end, *port;
    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (end == NULL || end == host || end[1] != ':')
            return -EINVAL;
        port = end + 2;
        out->bracketed = true;
    } else {
        end = strchr(text, ':');
        if (end == NULL)
            return -EINVAL;
        port = end + 1;
    }
    size_t n = (size_t)(end - host);
    if (n >= sizeof out->host)
        return -EINVAL;
    memcpy(out->host, host, n);
    return parse_port(port, &out->port);
}

static void set_v4(cress_address *out, struct in_addr host, uint16_t port)
{
    *out = (cress_address){ .length = sizeof(struct sockaddr_in) };
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&out->storage;
    in->sin_family = AF_INET;
    in->sin_port = port;
    in->sin_addr = host;
}

static void set_v6(cress_address *out, const struct in6_addr *host, uint16_t port, uint32_t scope)
{
    *out = (cress_address){ .length = sizeof(struct sockaddr_in6) };
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&out->storage;
    in->sin6_family = AF_INET6;
    in->sin6_port = port;
    in->sin6_addr = *host;
    in->sin6_scope_id = scope;
}

/* "@name" stands for the abstract space, whose names begin with a zero byte: unix(7). */
static int set_unix(cress_address *out, const char *path)
{
    size_t n = strlen(path);
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&out->storage;
    if (n >= sizeof un->sun_path)
        return -ENAMETOOLONG;
    *out = (cress_address){ .length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n) };
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n);
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    else
        out->length++; /* the terminating zero counts for paths */
    return 0;
}

/* Split "fe80::1%eth0" at the %: the scope as a number, or as the name of an interface. */
static int take_scope(char *host, uint32_t *scope)
{
    char *mark = strchr(host, '%');
    *scope = 0;
    if (mark == NULL)
        return 0;
    *mark = '\0';
    uint64_t number = 0;
    const char *p = mark + 1;
    while (*p >= '0' && *p <= '9' && number <= UINT32_MAX)
        number = number * 10 + (uint64_t)(*p++ - '0');
    if (*p != '\0') {
        int error = errno;
        number = if_nametoindex(mark + 1);
        errno = error;
    }
    *scope = number <= UINT32_MAX ? (uint32_t)number : 0;
    return *scope == 0 ? -EINVAL : 0;
}

size_t address_resolve(const struct address_parts *parts, bool passive, bool only_v6,
                       cress_address out[2], int *error)
{
    *error = 0;
    if (parts->path != NULL) {
        *error = set_unix(&out[0], parts->path);
        return *error == 0;
    }
    struct in_addr v4;
    struct in6_addr v6;
    if (parts->host[0] == '\0' && passive) {
        /* One IPv6 socket serves both; where there is no IPv6 the second one is tried. */
        set_v6(&out[0], &in6addr_any, parts->port, 0);
        set_v4(&out[1], (struct in_addr){ htonl(INADDR_ANY) }, parts->port);
        return only_v6 ? 1 : 2;
    }
    if (!parts->bracketed && (parts->host[0] == '\0' || strcmp(parts->host, "localhost") == 0)) {
        set_v4(&out[0], (struct in_addr){ htonl(INADDR_LOOPBACK) }, parts->port);
        set_v6(&out[1], &in6addr_loopback, parts->port, 0);
        return 2;
    }
    if (!parts->bracketed && inet_pton(AF_INET, parts->host, &v4) == 1) {
        set_v4(&out[0], v4, parts->port);
        return 1;
    }
    char host[sizeof parts->host];
    memcpy(host, parts->host, sizeof host);
    uint32_t scope;
    if (parts->bracketed && take_scope(host, &scope) == 0 && inet_pton(AF_INET6, host, &v6) == 1) {
        set_v6(&out[0], &v6, parts->port, scope);
        return 1;
    }
    *error = parts->bracketed ? -EINVAL : -ENOENT;
    return 0;
}

int cress_address_parse(const char *text, cress_address *out)
{
    struct address_parts parts;
    cress_address found[2];
    if (out == NULL)
        return -EINVAL;
    int error = address_split(text, &parts);
    if (error < 0 || address_resolve(&parts, false, false, found, &error) == 0)
        return error;
    *out = found[0];
    return 0;
}

int cress_address_format(const cress_address *address, char *text, size_t size)
{
    if (address == NULL || text == NULL || size == 0)
        return -EINVAL;
    char host[INET6_ADDRSTRLEN] = "", scope[16] = "";
    int n;
    text[0] = '\0';
    switch (address->storage.ss_family) {
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        n = snprintf(text, size, "tcp:%s:%u", host, (unsigned)ntohs(in->sin_port));
        break;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in =
            (const struct sockaddr_in6 *)(const void *)&address->storage;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        if (in->sin6_scope_id != 0)
            snprintf(scope, sizeof scope, "%%%u", (unsigned)in->sin6_scope_id);
        n = snprintf(text, size, "tcp:[%s%s]:%u", host, scope, (unsigned)ntohs(in->sin6_port));
        break;
    }
    case AF_UNIX: {
        const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address->storage;
        size_t at = offsetof(struct sockaddr_un, sun_path);
        size_t length = address->length > at ? address->length - at : 0;
        bool abstract = length > 0 && un->sun_path[0] == '\0';
        const char *name = un->sun_path + abstract, *before = abstract ? "@" : "";
        length -= abstract;
        if (abstract && memchr(name, '\0', length) != NULL)
            return -EINVAL; /* no text for it */
        if (!abstract)
            length = strnlen(name, length);
        if (!abstract && length > 0 && name[0] == '@')
            before = "./"; /* a path, though it looks like the other kind */
        n = snprintf(text, size, "unix:%s%.*s", before, (int)length, name);
        break;
    }
    default:
        return -EAFNOSUPPORT;
    }
    return n < 0 || (size_t)n >= size ? -ENOSPC : 0;
}

static int name_of(int (*call)(int, struct sockaddr *, socklen_t *), int fd, cress_address *out)
{
    if (out == NULL)
        return -EINVAL;
    cress_address address = { .length = sizeof address.storage };
    int error = call(fd, (struct sockaddr *)&address.storage, &address.length);
    if (error == 0)
        *out = address;
    return error;
}

int cress_address_local(int fd, cress_address *out)
{
    return name_of(sys_getsockname, fd, out);
}

int cress_address_peer(int fd, cress_address *out)
{
    return name_of(sys_getpeername, fd, out);
}
