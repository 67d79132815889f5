/* after_fork - what a loop does in a child process, at its first use there.
 *
 * An epoll set belongs to the open file, which parent and child share: an epoll_ctl in the child
 * would change what the parent waits for. So the child closes its descriptors of it, makes fresh
 * ones, and asks for all that is waited for again. The same holds for inotify, and for the eventfd,
 * whose counter they would share.
 *
 *     WHOLE -> FORKED   [fork: `born` and `forked` are behind]
 *     FORKED -> LOST    [let_go: poller closed, the hub's waiters dropped, fork watchers ready]
 *     LOST -> WHOLE     [loop_after_fork: a new poller]
 *
 * LOST lasts when the system has no descriptor or memory for a new one; each use tries again.
 *
 * Loops of other threads are not used in the child any more: those threads are not there. Their
 * descriptors are closed by the first loop that is used, and what they waited for is nobody's, so
 * that the child may wait for it. Their memory stays as it is: it may have been in the middle of a
 * change when the process forked.
 */
#include "base/sys.h"
#include "loop/loop.h"

#include <errno.h>

/* --- a poller for a loop that has none ------------------------------------------------------- */

static int lost_open(cress_loop *loop)
{
    (void)loop;
    return -ENOSYS;
}

static void lost_close(cress_loop *loop)
{
    (void)loop;
}

static int lost_want(cress_loop *loop, int fd, struct fd_entry *entry, int events)
{
    (void)loop, (void)fd, (void)entry, (void)events;
    return -ENFILE;
}

static void lost_unwant(cress_loop *loop, int fd, struct fd_entry *entry)
{
    (void)loop, (void)fd, (void)entry;
}

/* Time passes; whoever sees to descriptors may give some back. */
static int lost_wait(cress_loop *loop, cress_time timeout)
{
    (void)loop;
    sys_ppoll(NULL, 0, timeout < CRESS_MS(10) ? timeout : CRESS_MS(10));
    return 0;
}

static int lost_fd(const cress_loop *loop)
{
    (void)loop;
    return -ENOTSUP;
}

static const struct poller_ops lost = {
    .name = "none",
    .open = lost_open,
    .close = lost_close,
    .abandon = lost_close,
    .want = lost_want,
    .unwant = lost_unwant,
    .forget = lost_unwant,
    .wait = lost_wait,
    .fd = lost_fd,
    .wake = lost_close,
};

/* --- the loops of the process ---------------------------------------------------------------- */

static struct list loops = { &loops, &loops }; /* under fork_lock() */
atomic_uint cress__loops_whole;

/* The loops of threads that have not come along. A thread that the child has made since may have
 * been given the memory of one of them, but its loops were born after the fork. */
void loops_bury(void)
{
    uint64_t mask = fork_lock();
    if (atomic_load(&cress__loops_whole) == cress__forks)
        goto done; /* another thread was first */
    for (struct list *n = loops.next, *next; n != &loops; n = next) {
        next = n->next;
        cress_loop *loop = container_of(n, cress_loop, among);
        if (loop->thread == cress__fork_survivor || loop->born == cress__forks)
            continue;
        list_remove(n);
        fds_bury(loop);
        watch_bury(loop);
        loop->poller->abandon(loop);
    }
    atomic_store(&cress__loops_whole, cress__forks);
done:
    fork_unlock(mask);
}

int loop_enlist(cress_loop *loop)
{
    int error = fork_attend();
    if (error < 0)
        return error;
    loops_refresh();
    uint64_t mask = fork_lock();
    list_push(&loops, &loop->among);
    fork_unlock(mask);
    return 0;
}

void loop_delist(cress_loop *loop)
{
    uint64_t mask = fork_lock();
    list_remove(&loop->among);
    fork_unlock(mask);
}

bool loop_lives(const cress_loop *loop)
{
    for (const struct list *n = loops.next; n != &loops; n = n->next)
        if (container_of(n, const cress_loop, among) == loop)
            return true;
    return false;
}

/* --- this loop ------------------------------------------------------------------------------- */

static void let_go(cress_loop *loop)
{
    loop->forked = cress__forks;
    loops_refresh();
    if (loop->on_fork != NULL)
        loop->on_fork(loop);
    loop->poller->close(loop);
    loop->poller = &lost;
    atomic_store(&loop->asleep, false);
    atomic_store(&loop->wakers, 0); /* threads that are not here */
    notices_take(loop);
    watch_part_ready(loop, PART_FORK);
}

int loop_after_fork(cress_loop *loop)
{
    if (loop->forked != cress__forks)
        let_go(loop);
    int error = loop->chosen->open(loop);
    if (error < 0)
        return error;
    loop->poller = loop->chosen;
    loop->born = cress__forks;
    fds_after_fork(loop);
    watch_after_fork(loop);
    if (loop->embedded)
        loop_rest(loop);
    return 0;
}
