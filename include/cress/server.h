/** @file cress/server.h
 * A server: accepts connections and runs a greenlet for each.
 *
 *     static int echo(int fd, const cress_address *peer, void *arg)
 *     {
 *         char data[4096];
 *         ssize_t n;
 *         while ((n = cress_recv(fd, data, sizeof data, 0)) > 0)
 *             if ((n = cress_sendall(fd, data, (size_t)n, NULL)) < 0)
 *                 break;
 *         return (int)n;
 *     }
 *
 *     cress_server *server;
 *     int error = cress_server_new("tcp:127.0.0.1:7000", echo, NULL, NULL, &server);
 *     if (error == 0)
 *         error = cress_server_serve_forever(server);
 *
 * Accepting pauses when it fails for want of something, as descriptors (-EMFILE) or memory, and
 * when a greenlet cannot be had for a connection, which is closed then: for 10 ms, doubled with
 * each failure up to 1 s, until a handler has begun again. Each failure goes to the error hook.
 * The listener stays meanwhile, and connections wait in its backlog. When the listener itself
 * fails (-EBADF, -EINVAL) the server is as if stopped, but handlers go on. That somebody else has
 * closed it is noticed at once if that was done with cress_close(), else when it is used next; the
 * number, which may be another file's, is left alone.
 *
 * After fork(2) parent and child accept from the same listener, until one of them stops: that
 * closes its own descriptor only, and the port stays the other's. Handlers go on in the parent. In
 * the child they are gone, as all greenlets are, and their descriptors are closed there; only one
 * that has forked itself goes on.
 *
 * While it is started a server keeps cress_run() going. When its hub ends it is not started any
 * more, its listener stays open, and cress_server_start() goes on with it.
 */
#ifndef CRESS_SERVER_H
#define CRESS_SERVER_H

#include <cress/base.h>
#include <cress/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A server. Opaque. */
typedef struct cress_server cress_server;

/** Serves one connection. fd is closed when its greenlet ends, in whichever way, unless the handler
 * has closed it with cress_close() or given it away with cress_fd_release(): then it is left alone.
 * close(2) would not be noticed. peer lives as long as the call. A negative result goes to the
 * error hook, but for those that only say that the peer or the server went away: -ECONNRESET,
 * -EPIPE, -ECANCELED. */
typedef int (*cress_handler)(int fd, const cress_address *peer, void *arg);

/** What cress_server_new() may be told. Start with CRESS_SERVER_OPTIONS_INIT. */
typedef struct cress_server_options {
    size_t size;                 /**< set by CRESS_SERVER_OPTIONS_INIT */
    size_t max_handlers;         /**< so many at once; accepting pauses meanwhile. 0: no bound */
    size_t stack_size;           /**< of each handler; 0: 46 KiB */
    const char *name;            /**< of each handler; NULL: "server" */
    bool inline_handlers;        /**< call the handler as a callback: it cannot block (-EPERM), and
                                      fd is closed after it returns */
    int listen_fd;               /**< with has_fd: an fd that listens already; then the address is
                                      not used. It is the server's on success */
    bool has_fd;                 /**< whether listen_fd is given */
    cress_listen_options listen; /**< how to listen; its size may stay 0 */
} cress_server_options;

/** The start of every cress_server_options. */
#define CRESS_SERVER_OPTIONS_INIT CRESS__SIZED(cress_server_options)

/** Make a server. Nothing is bound before it is started.
 *
 * Never switches. Any thread; the server is this thread's, so for all calls of this page.
 *
 * @return 0; -EINVAL, a malformed address, NULL, size not set, listen_fd does not listen; -EBADF,
 *         -ENOTSOCK, listen_fd; -ENOMEM
 */
CRESS_API int cress_server_new(const char *address, cress_handler handler, void *arg,
                               const cress_server_options *options, cress_server **out);

/** Bind, listen and accept from now on. After cress_server_stop() it can be started again, on the
 * same port.
 *
 * Never switches. @return 0; -EALREADY, it is started or being stopped; as cress_listen(),
 * cress_watch_start(); -EXDEV
 */
CRESS_API int cress_server_start(cress_server *server);

/** Stop: the listener is closed first (the path of a unix socket stays); handlers get grace to end
 * by themselves, then they are killed and waited for.
 *
 * Switches, unless no handler runs. A cancellation point if it waits: when it is cancelled the
 * handlers are killed at once, and not waited for. From a handler: for all others, not for its own.
 *
 * @return 0, also when it was not started; -ECANCELED; -EINVAL; -EPERM, in a callback with handlers
 *         alive: then nothing has been done; -EXDEV
 */
CRESS_API int cress_server_stop(cress_server *server, cress_time grace);

/** Start it, unless it is started, and wait until another greenlet has stopped it.
 *
 * Switches. A cancellation point: then the server is stopped without grace, and handlers are not
 * waited for. -EDEADLK never while it is started, since a client can always come.
 *
 * @return 0, it was stopped; the error that made accepting impossible (-EBADF); -ECANCELED; -EPERM,
 *         in a callback; or as cress_server_start()
 */
CRESS_API int cress_server_serve_forever(cress_server *server);

/** Accept no more for now; who connects waits in the backlog. The port stays.
 *
 * Never switches. @return 0; -EINVAL, not started; -EXDEV
 */
CRESS_API int cress_server_stop_accepting(cress_server *server);

/** Accept again. Never switches. @return 0; -EINVAL, not started; -EXDEV */
CRESS_API int cress_server_start_accepting(cress_server *server);

/** Where it listens, with the port that the system chose; the last one after a stop.
 *
 * Never switches. @return 0; -EINVAL, it was never started
 */
CRESS_API int cress_server_address(const cress_server *server, cress_address *out);

/** How many handlers run. Never switches. @return the number; 0 for NULL or another thread's */
CRESS_API size_t cress_server_handlers(const cress_server *server);

/** Free a server that is stopped. NULL is allowed. Never switches.
 *
 * @return 0; -EBUSY, it is started, or being stopped, or a handler of it runs; -EXDEV */
CRESS_API int cress_server_free(cress_server *server);

#ifdef __cplusplus
}
#endif

#endif
