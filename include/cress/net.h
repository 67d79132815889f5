/** @file cress/net.h
 * Addresses in text form, connecting to them, listening on them.
 *
 *     tcp:HOST:PORT     HOST a name, an IPv4 address, or an IPv6 address in brackets
 *     tcp::PORT, :PORT  listen: all addresses, IPv6 and IPv4; dial: localhost
 *     HOST:PORT         as tcp:HOST:PORT
 *     unix:PATH         a path, or with @ in front a name in Linux's abstract space
 */
#ifndef CRESS_NET_H
#define CRESS_NET_H

#include <cress/base.h>

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A socket address of any family. */
typedef struct cress_address {
    socklen_t length;                /**< how much of storage is used */
    struct sockaddr_storage storage; /**< the address itself */
} cress_address;

/** Room for the longest text of an address. */
#define CRESS_ADDRESS_TEXT 136

/** Read the text of one address that needs no look-up: numeric, or unix. "localhost" is 127.0.0.1.
 *
 * Never switches. Any thread. Out is written on success only.
 *
 * @return 0; -EINVAL, malformed; -ENAMETOOLONG, a unix path; -ENOENT, a name that must be looked up
 */
CRESS_API int cress_address_parse(const char *text, cress_address *out);

/** Write an address as text that cress_address_parse() reads. text is always terminated.
 *
 * Never switches. Any thread.
 *
 * @return 0; -ENOSPC, cut off; -EAFNOSUPPORT; -EINVAL, also an abstract name with a zero byte in it
 */
CRESS_API int cress_address_format(const cress_address *address, char *text, size_t size);

/** The address of this end of a socket. Never switches. Any thread.
 * @return 0; as getsockname(2) */
CRESS_API int cress_address_local(int fd, cress_address *out);

/** The address of the other end of a socket. Never switches. Any thread.
 * @return 0; as getpeername(2) */
CRESS_API int cress_address_peer(int fd, cress_address *out);

/** What cress_dial() may be told. Start with CRESS_DIAL_OPTIONS_INIT. */
typedef struct cress_dial_options {
    size_t size;        /**< set by CRESS_DIAL_OPTIONS_INIT */
    const char *local;  /**< the address to come from; NULL: the system chooses */
    bool delay;         /**< leave Nagle's algorithm on; TCP_NODELAY is set otherwise */
    bool no_keep_alive; /**< leave SO_KEEPALIVE off; it is set otherwise, for TCP */
} cress_dial_options;

/** The start of every cress_dial_options. */
#define CRESS_DIAL_OPTIONS_INIT CRESS__SIZED(cress_dial_options)

/** Connect to an address. Where it means several (localhost: ::1 and 127.0.0.1), they are tried in
 * turn within the one timeout, and the error is that of the last.
 *
 * Switches unless it is done at once. A cancellation point; nothing stays open after an error.
 *
 * @return a descriptor of the caller's, to be closed by cress_close(); -EINVAL, malformed;
 *         -ETIMEDOUT; -EAGAIN, timeout is 0; -ECANCELED; -ENOENT, a name that cannot be
 *         looked up; and as connect(2), socket(2)
 */
CRESS_API int cress_dial(const char *address, cress_time timeout,
                         const cress_dial_options *options);

/** What cress_listen() may be told. Start with CRESS_LISTEN_OPTIONS_INIT. */
typedef struct cress_listen_options {
    size_t size;     /**< set by CRESS_LISTEN_OPTIONS_INIT */
    int backlog;     /**< 0: the system's largest (SOMAXCONN) */
    bool reuse_port; /**< SO_REUSEPORT: several processes listen on one port */
    bool only_v6;    /**< IPV6_V6ONLY for a listener on all addresses */
    bool delay;      /**< leave Nagle's algorithm on for accepted connections */
    bool no_unlink;  /**< unix: do not remove a dead socket of the same path first */
    unsigned mode;   /**< unix: permissions of the path; 0: as umask(2) leaves them */
} cress_listen_options;

/** The start of every cress_listen_options. */
#define CRESS_LISTEN_OPTIONS_INIT CRESS__SIZED(cress_listen_options)

/** Listen on an address. SO_REUSEADDR is set, and TCP_NODELAY, which accepted connections inherit.
 * Port 0 lets the system choose: cress_address_local() tells.
 *
 * Never switches. Any thread.
 *
 * @return a descriptor of the caller's, to be closed by cress_close(); -EINVAL, malformed;
 *         -EADDRINUSE; -EACCES; -ENOENT, a name that cannot be looked up; and as socket(2),
 *         bind(2), listen(2)
 */
CRESS_API int cress_listen(const char *address, const cress_listen_options *options);

#ifdef __cplusplus
}
#endif

#endif
