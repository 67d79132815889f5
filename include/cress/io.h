/** @file cress/io.h
 * Reading and writing plain file descriptors: POSIX's calls with our prefix, waiting in a greenlet
 * instead of a thread.
 *
 * All of them: switch only if the call would block (and once after 64 calls in a row that did not,
 * so that a busy peer cannot starve others); are cancellation points, checked on entry; give the
 * negative errno of the call of the same name, and besides
 *
 *     -ECANCELED   a scope around the call is over, nothing was done
 *     -ETIMEDOUT   the time of cress_fd_set_timeout() elapsed; -EAGAIN where that is 0
 *     -EBADF       fd is not open, or was closed or replaced meanwhile
 *     -EBUSY       another greenlet reads (writes) this fd already: one of each at a time
 *     -EXDEV       the fd belongs to another thread's hub
 *     -EPERM       the call would have to wait in a callback
 *     -EDEADLK     main waits, and nothing can ever wake it
 *     -ENOMEM, -EMFILE, -ENOSPC   waiting could not be set up
 *
 * Never -EINTR, never SIGPIPE.
 *
 * Two kinds of descriptors. Those that cress made (cress_dial(), cress_listen(), cress_accept(), or
 * told about with cress_fd_adopt()) are non-blocking, close-on-exec, registered with the poller
 * once, and must be closed by cress_close(). All others may be opened, closed and duplicated by
 * anybody, behind cress's back too: each wait makes sure that it waits for the file the number
 * means now, at the price of one more system call, and their O_NONBLOCK is left as it is.
 *
 * When such a file is closed or replaced behind cress's back while a greenlet waits for it, that
 * gets -EBADF: at once when somebody else begins to wait under the same number, else in a second or
 * two (later where more than 256 wait for descriptors of others: so many are looked at each
 * second). What cannot be seen: one of the first kind that is closed by close(2) after all leaves
 * its number to the next file as if that were non-blocking and registered.
 *
 * A descriptor belongs to the hub that first waits for it, also when it is closed behind cress's
 * back and its number comes again, until cress_close() or cress_fd_release().
 */
#ifndef CRESS_IO_H
#define CRESS_IO_H

#include <cress/base.h>
#include <cress/loop.h>

#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** read(2). A regular file is read as it is, which may block the thread. */
CRESS_API ssize_t cress_read(int fd, void *data, size_t size);
/** write(2): returns when something was written, not necessarily all. */
CRESS_API ssize_t cress_write(int fd, const void *data, size_t size);
/** readv(2). */
CRESS_API ssize_t cress_readv(int fd, const struct iovec *iov, int count);
/** writev(2). */
CRESS_API ssize_t cress_writev(int fd, const struct iovec *iov, int count);
/** recv(2). With MSG_DONTWAIT it never waits: -EAGAIN. */
CRESS_API ssize_t cress_recv(int fd, void *data, size_t size, int flags);
/** send(2): returns when something was sent, not necessarily all; see cress_sendall(). */
CRESS_API ssize_t cress_send(int fd, const void *data, size_t size, int flags);
/** recvfrom(2). MSG_WAITALL waits for all only where from is NULL. */
CRESS_API ssize_t cress_recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from,
                                 socklen_t *length);
/** sendto(2). */
CRESS_API ssize_t cress_sendto(int fd, const void *data, size_t size, int flags,
                               const struct sockaddr *to, socklen_t length);
/** recvmsg(2). MSG_WAITALL does not wait for more than a part. */
CRESS_API ssize_t cress_recvmsg(int fd, struct msghdr *message, int flags);
/** sendmsg(2). */
CRESS_API ssize_t cress_sendmsg(int fd, const struct msghdr *message, int flags);

/** Send all of it.
 *
 * @param sent  if not NULL: how much was sent, always written
 * @return 0; or the error that cut it short, as above
 */
CRESS_API int cress_sendall(int fd, const void *data, size_t size, size_t *sent);

/** Receive exactly size bytes; works on pipes and files too.
 *
 * @param got  if not NULL: how much came, always written
 * @return 0; -ENODATA, the end came before; or the error that cut it short, as above
 */
CRESS_API int cress_recvall(int fd, void *data, size_t size, size_t *got);

/** accept(2): the next connection of a listening socket, ready for use with these calls. address
 * and length may be NULL, as there. The result is the caller's, to be closed by cress_close().
 *
 * @return the descriptor, or an error as above; also -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM
 */
CRESS_API int cress_accept(int fd, struct sockaddr *address, socklen_t *length);

/** connect(2). fd stays the caller's, whatever happens; after an error other than -EINVAL, -EBADF
 * its state is unspecified as connect(2) says, and it should be closed. A blocking fd is made
 * non-blocking for the moment of the system call.
 *
 * @return 0; -ECONNREFUSED and the like; or as above
 */
CRESS_API int cress_connect(int fd, const struct sockaddr *address, socklen_t length);

/** close(2), of any descriptor: whoever waits for it, in this thread, gets -EBADF first, so that no
 * wait can meet the next file with this number.
 *
 * Never switches, never a cancellation point. The fd is closed whatever is returned, but for -EXDEV
 * and -EBADF.
 *
 * @return 0; -EBADF; -EXDEV; -EIO and the like as close(2) says
 */
CRESS_API int cress_close(int fd);

/** shutdown(2). Whoever waits is woken by what it causes. Never switches, never a cancellation
 * point. @return 0, or an error as of shutdown(2)
 */
CRESS_API int cress_shutdown(int fd, int how);

/** Wait until one of events (CRESS_IN, CRESS_OUT, CRESS_PRI, CRESS_RDHUP) holds for fd.
 *
 * Switches unless one holds. A cancellation point. Waiting for CRESS_IN counts as reading, for
 * CRESS_OUT as writing (-EBUSY).
 *
 * @return the events that hold, CRESS_ERR and CRESS_HUP among them; -ETIMEDOUT; -EAGAIN, timeout is
 *         0 and none holds; -EPERM also for what cannot be waited for (a regular file is ready for
 *         CRESS_IN and CRESS_OUT at once, as for poll(2)); -EINVAL; or as above
 */
CRESS_API int cress_wait_fd(int fd, int events, cress_time timeout);

/** poll(2) for greenlets: the same structure, events and counting, with a cress_time as timeout;
 * any negative one is for ever. Negative descriptors are passed over, those that are not open are
 * told by POLLNVAL, also when another greenlet closes one meanwhile. Any number of calls may
 * overlap with each other and with reads and writes: nobody is kept out.
 *
 * Switches once at least, also when something is ready and when timeout is 0. A cancellation
 * point. revents are 0 after a wait that failed.
 *
 * @return how many have revents, 0 when the timeout elapsed; -EINVAL, n is larger than
 *         RLIMIT_NOFILE; -EFAULT; -ECANCELED; -EPERM, in a callback; -EDEADLK; -ENOMEM; -EXDEV
 */
CRESS_API int cress_poll(struct pollfd *fds, size_t n, cress_time timeout);

/** select(2) for greenlets: the same sets and counting, with a cress_time as timeout. A set may be
 * NULL. Sets are written on success only, and of them no more than the bits below n.
 *
 * Switches and overlaps as cress_poll(). A cancellation point.
 *
 * @return how many bits are set, 0 when the timeout elapsed; -EBADF, one of them is not open, or
 *         another greenlet closed it meanwhile; -EINVAL, a negative timeout or n, or n larger than
 *         FD_SETSIZE; -ECANCELED; -EPERM, in a callback; -EDEADLK; -ENOMEM; -EXDEV
 */
CRESS_API int cress_select(int n, fd_set *readable, fd_set *writable, fd_set *exceptional,
                           cress_time timeout);

/** What a descriptor is to be told when adopted. */
enum {
    CRESS_FD_STREAM_TCP = 1 /**< a TCP socket without kernel TLS: a short read means it is empty */
};

/** Tell cress that fd is its own from now on: it is made non-blocking and close-on-exec, is
 * registered once when first waited for, and must be closed by cress_close(). Doing it again, after
 * replacing the file behind the number or after changing its nature (TCP_ULP), is how to tell.
 *
 * Never switches. Any thread. @return 0; -EBADF; -EINVAL, unknown flags; -EXDEV; -ENOMEM
 */
CRESS_API int cress_fd_adopt(int fd, unsigned flags);

/** The contrary: cress forgets what it knows about fd. It stays open, non-blocking if it was made
 * so, and any hub may use it. Nobody may be waiting for it.
 *
 * Never switches. The fd's thread. @return 0; -EBADF; -EBUSY, somebody waits; -EXDEV
 */
CRESS_API int cress_fd_release(int fd);

/** Set how long each single wait in reads (CRESS_IN) or writes (CRESS_OUT) of fd may last, as
 * SO_RCVTIMEO and SO_SNDTIMEO do; CRESS_FOREVER at first, 0: never wait. Kept until cress_close()
 * or cress_fd_release().
 *
 * Never switches. The fd's thread. @return 0; -EINVAL; -EBADF; -EXDEV; -ENOMEM
 */
CRESS_API int cress_fd_set_timeout(int fd, int directions, cress_time timeout);

#ifdef __cplusplus
}
#endif

#endif
