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

/** Serves one connection. fd is closed after it returns; peer lives as long as the call. A negative
 * result goes to the error hook, but for those that only say that the peer or the server went away:
 * -ECONNRESET, -EPIPE, -ECANCELED. */
typedef int (*cress_handler)(int fd, const cress_address *peer, void *arg);

/** What cress_server_new() may be told. Start with CRESS_SERVER_OPTIONS_INIT. */
typedef struct cress_server_options {
    size_t size;                 /**< set by CRESS_SERVER_OPTIONS_INIT */
    size_t max_handlers;         /**< so many at once; accepting pauses meanwhile. 0: no bound */
    size_t stack_size;           /**< of each handler; 0: 46 KiB */
    const char *name;            /**< of each handler; NULL: "server" */
    bool inline_handlers;        /**< call the handler as a callback; it must not block */
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
 * @return 0; -EINVAL, a malformed address, NULL, size not set; -ENOMEM
 */
CRESS_API int cress_server_new(const char *address, cress_handler handler, void *arg,
                               const cress_server_options *options, cress_server **out);

/** Bind, listen and accept from now on. After cress_server_stop() it can be started again, on the
 * same port.
 *
 * Never switches. @return 0; -EALREADY; as cress_listen(), cress_spawn_with(); -EXDEV
 */
CRESS_API int cress_server_start(cress_server *server);

/** Stop: the listener is closed first; handlers get grace to end by themselves, then they are
 * killed and waited for.
 *
 * Switches, unless no handler runs. A cancellation point: when it is cancelled the handlers are
 * killed at once. From a handler: it kills all others, and does not wait for its own.
 *
 * @return 0, also when it was not started; -ECANCELED; -EINVAL; -EPERM, in a callback with handlers
 *         alive; -EXDEV
 */
CRESS_API int cress_server_stop(cress_server *server, cress_time grace);

/** Start it, unless it is started, and wait until another greenlet stops it.
 *
 * Switches. A cancellation point: then the server is stopped without grace. -EDEADLK never, since
 * a client can always come.
 *
 * @return 0, it was stopped; the error that made accepting impossible (-EBADF); -ECANCELED; or as
 *         cress_server_start()
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

/** How many handlers run. Never switches. */
CRESS_API size_t cress_server_handlers(const cress_server *server);

/** Free a server that is stopped. NULL is allowed. Never switches. @return 0; -EBUSY, it runs;
 * -EXDEV */
CRESS_API int cress_server_free(cress_server *server);

#ifdef __cplusplus
}
#endif

#endif
