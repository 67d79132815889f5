/* poll - poll(2) and select(2) for greenlets.
 *
 * What holds is always the kernel's own answer: poll(2) itself is asked, without waiting, and only
 * when it says that nothing holds does the greenlet wait, for all of the set at once; then it asks
 * again. So whatever wakes it, somebody who was faster included, the answer is exact.
 *
 * (1) Waits are linked while the greenlet is parked, never longer.
 * (2) A wait that was told of its descriptor's end says so whatever the kernel says then of the
 *     number, which may be another file's by now.
 * (3) Those who poll keep nobody out: FD_READING and FD_WRITING are for calls that move data.
 */
#include "base/alloc.h"
#include "base/sys.h"
#include "io/fd.h"

#include <cress/greenlet.h>
#include <cress/io.h>

#include <limits.h>

enum { FEW = 8 }; /* so many are waited for without an allocation */

/* A call that waits. */
struct poll_call {
    struct cress_hub *hub;
    cress_coro *co;
    bool gone;   /* one of them was closed */
    bool counts; /* in loop.refs */
    struct poll_wait *waits;
    size_t linked;
    void *memory; /* of the waits, if it was asked for */
    struct wait_info info;
};

/* Its wait for one descriptor. */
struct poll_wait {
    struct fd_wait wait;
    struct poll_call *call;
    bool gone; /* see (2) */
};

/* How many of the set are a result of the call that asks. */
typedef int (*count_fn)(const struct pollfd *fds, size_t n);

/* --- one look, without waiting --------------------------------------------------------------- */

static int look(struct pollfd *fds, size_t n)
{
    int found;
    do
        found = sys_poll(fds, n, &(struct timespec){ 0 });
    while (found == -EINTR);
    return found;
}

/* Refused also where it would not have to wait: the same outcome at every time. */
static int check_owner(const struct pollfd *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct fd_entry *entry = fds_find(fds[i].fd);
        cress_loop *loop = entry != NULL ? atomic_load(&entry->loop) : NULL;
        if (loop != NULL && !loop_mine(loop))
            return -EXDEV;
    }
    return 0;
}

/* --- waiting --------------------------------------------------------------------------------- */

static void ready(struct fd_wait *wait, int events)
{
    struct poll_wait *w = container_of(wait, struct poll_wait, wait);
    if (events < 0)
        w->gone = w->call->gone = true;
    hub_wake(w->call->hub, w->call->co, 0);
}

/* What to wait for, of what poll(2) may be asked. No file ever says POLLMSG: it stands for what is
 * told unasked, errors and hang-ups. A descriptor of ours is registered for the plain events, which
 * come with each of the finer ones. */
static int wanted(const struct pollfd *p, const struct fd_entry *entry)
{
    if (p->revents != 0)
        return 0; /* it has ended in a way that select does not count: there is nothing to come */
    int in = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND, out = POLLOUT | POLLWRNORM | POLLWRBAND;
    int events = (p->events & (in | out | POLLRDHUP)) | POLLMSG;
    if (entry->flags & FD_OURS) {
        events |= events & (POLLRDNORM | POLLRDBAND) ? POLLIN | POLLPRI : 0;
        events |= events & (POLLWRNORM | POLLWRBAND) ? POLLOUT : 0;
    }
    return events;
}

/* 1: it may be told something; 0: nothing but its being closed; or an error. */
static int link_wait(struct poll_call *call, const struct pollfd *p, struct poll_wait *w)
{
    *w = (struct poll_wait){ .wait.ready = ready, .call = call };
    if (p->fd < 0)
        return 0;
    struct fd_entry *entry = fds_entry(p->fd);
    if (entry == NULL)
        return -ENOMEM;
    w->wait.events = wanted(p, entry);
    int error = fds_wait(&call->hub->loop, p->fd, entry, &w->wait);
    if (error ==
        -EPERM) /* a regular file, asked for what files never say: nobody can wait for it */
        return 0;
    return error < 0 ? error : w->wait.events != 0;
}

/* (1) */
static void leave(struct poll_call *call)
{
    call->hub->loop.refs -= call->counts;
    for (size_t i = 0; i < call->linked; i++)
        fds_unwait(&call->hub->loop, &call->waits[i].wait);
}

static void unlink_call(const struct wait_info *info)
{
    struct poll_call *call = container_of(info, struct poll_call, info);
    leave(call);
    cress__free(call->memory);
}

/* Wait until there may be something to see. */
static int wait_for_any(struct poll_call *call, const struct pollfd *fds, size_t n,
                        cress_time timeout)
{
    bool counts = false;
    int error = 0;
    for (call->linked = 0; call->linked < n && error >= 0; call->linked++) {
        error = link_wait(call, &fds[call->linked], &call->waits[call->linked]);
        counts |= error > 0;
    }
    call->counts = counts && !(call->co->flags & CORO_DAEMON);
    call->hub->loop.refs += call->counts;
    if (error >= 0 && !call->gone) /* linking may find out that a number is another file's */
        error = hub_park_until(call->hub, call->co, &call->info, timeout);
    leave(call);
    return error == -EBADF ? 0 : error; /* closed by another thread: the next look says so */
}

static void tell_gone(struct pollfd *fds, const struct poll_wait *waits, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (waits[i].gone) /* (2) */
            fds[i].revents = POLLNVAL;
}

static int wait_until(struct pollfd *fds, size_t n, cress_time timeout, count_fn count)
{
    struct poll_wait few[FEW] = { 0 };
    struct cress_hub *h = hub_current();
    struct poll_call call = { .hub = h,
                              .co = h->thread->current,
                              .waits = few,
                              .info = { .what = n == 1 ? "polling fd" : "polling, so many fds:",
                                        .number = n == 1 ? fds->fd : (long)n,
                                        .numbered = true,
                                        .unlink = unlink_call } };
    if (n > FEW && (call.waits = call.memory = cress__calloc(n, sizeof *call.waits)) == NULL)
        return -ENOMEM;
    cress_time deadline = cress_deadline(timeout);
    int found = 0;
    while (found == 0 && timeout != 0) {
        int error = scope_point(h, call.co); /* as well after each wait that brought nothing */
        if (error == 0)
            error = wait_for_any(&call, fds, n, timeout);
        timeout = error == -ETIMEDOUT ? 0 : cress_left(deadline);
        if (error < 0 && error != -ETIMEDOUT) {
            found = error;
        } else if ((found = look(fds, n)) >= 0) {
            if (call.gone)
                tell_gone(fds, call.waits, n);
            found = count(fds, n);
        }
    }
    cress__free(call.memory);
    return found;
}

static int poll_for(struct pollfd *fds, size_t n, cress_time timeout, count_fn count)
{
    int error = cress_yield(); /* one who polls again and again would let nobody else run */
    if (error < 0 || (error = look(fds, n)) < 0 || (error = check_owner(fds, n)) < 0)
        return error;
    int found = count(fds, n);
    return found != 0 || timeout == 0 ? found : wait_until(fds, n, timeout, count);
}

/* --- poll ------------------------------------------------------------------------------------ */

static int count_polled(const struct pollfd *fds, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += fds[i].revents != 0;
    return count;
}

int cress_poll(struct pollfd *fds, size_t n, cress_time timeout)
{
    if (n > UINT_MAX) /* the kernel would look at the lower half of it */
        return -EINVAL;
    return poll_for(fds, n, timeout < 0 ? CRESS_FOREVER : timeout, count_polled);
}

/* --- select ---------------------------------------------------------------------------------- */

/* What stands for each set: the events to ask for, and the ones by which a descriptor is in it. */
static const struct {
    short asked, told;
} kinds[] = {
    { POLLIN | POLLRDNORM | POLLRDBAND, POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR },
    { POLLOUT | POLLWRNORM | POLLWRBAND, POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR },
    { POLLPRI, POLLPRI },
};
enum { SETS = sizeof kinds / sizeof *kinds };

static bool selected(const struct pollfd *p, int k)
{
    return (p->events & kinds[k].asked) && (p->revents & kinds[k].told);
}

/* One that is not open ends the call, too. */
static int count_selected(const struct pollfd *fds, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        count += (fds[i].revents & POLLNVAL) != 0;
        for (int k = 0; k < SETS; k++)
            count += selected(&fds[i], k);
    }
    return count;
}

static short asked(fd_set *const sets[SETS], int fd)
{
    short events = 0;
    for (int k = 0; k < SETS; k++)
        if (sets[k] != NULL && FD_ISSET(fd, sets[k]))
            events |= kinds[k].asked;
    return events;
}

static int answer(fd_set *const sets[SETS], const struct pollfd *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fds[i].revents & POLLNVAL)
            return -EBADF;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < SETS; k++)
            if (sets[k] != NULL && !selected(&fds[i], k))
                FD_CLR(fds[i].fd, sets[k]);
    return count_selected(fds, n);
}

int cress_select(int n, fd_set *readable, fd_set *writable, fd_set *exceptional, cress_time timeout)
{
    if (n < 0 || n > FD_SETSIZE || timeout < 0)
        return -EINVAL;
    fd_set *const sets[SETS] = { readable, writable, exceptional };
    struct pollfd few[FEW], *fds = few;
    size_t count = 0;
    for (int fd = 0; fd < n; fd++)
        count += asked(sets, fd) != 0;
    if (count > FEW && (fds = cress__malloc(count * sizeof *fds)) == NULL)
        return -ENOMEM;
    size_t i = 0;
    for (int fd = 0; i < count; fd++)
        if (asked(sets, fd) != 0)
            fds[i++] = (struct pollfd){ .fd = fd, .events = asked(sets, fd) };
    int found = poll_for(fds, count, timeout, count_selected);
    if (found >= 0)
        found = answer(sets, fds, count);
    if (fds != few)
        cress__free(fds);
    return found;
}
