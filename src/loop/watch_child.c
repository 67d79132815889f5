/* watch_child - watchers of child processes.
 *
 * Their end is noticed by a pidfd, or where that cannot be had by SIGCHLD, and then waitid(2) that
 * takes nothing away. The child is reaped when the callback is about to be called, by waitpid(2) of
 * this one process: other people's children are other people's, and one whose watcher was stopped
 * in time can still be waited for.
 *
 * (1) Several watchers of one loop may watch one child: who reaps it tells the others.
 */
#include "base/sys.h"
#include "loop/signals.h"
#include "loop/watch.h"

struct watch_child {
    struct watch watch;
    pid_t pid;
    int status;
    bool reaped; /* by another one of the loop: `status` holds */
    bool by_signal;
    union {
        struct own_fd pidfd;
        struct listener listener; /* by_signal */
    };
};
_Static_assert(sizeof(struct watch_child) <= sizeof(cress_watch_child),
               "cress_watch_child is too small");

static const struct watch_kind kind;

static struct watch_child *of_watch(struct watch *base)
{
    return container_of(base, struct watch_child, watch);
}

static int has_ended(pid_t pid)
{
    int ended;
    do
        ended = sys_has_ended(pid);
    while (ended == -EINTR);
    return ended;
}

static void pidfd_ready(struct fd_wait *wait, int events)
{
    (void)events;
    watch_ready(&container_of(wait, struct watch_child, pidfd.wait)->watch, 0);
}

/* Some child has ended, or somebody else has reaped this one. */
static void sigchld_came(struct notice *notice)
{
    struct watch_child *w = container_of(notice, struct watch_child, listener.notice);
    if (has_ended(w->pid) != 0)
        watch_ready(&w->watch, 0);
}

static int listen_to_sigchld(struct watch_child *w)
{
    w->by_signal = true;
    w->listener = (struct listener){ .signal = SIGCHLD,
                                     .loop = w->watch.callback.loop,
                                     .notice.come = sigchld_came };
    int error = signals_listen(&w->listener);
    if (error == 0)
        notice_send(&w->listener.notice, w->listener.loop); /* it may have ended before */
    return error;
}

static int start(struct watch *base)
{
    struct watch_child *w = of_watch(base);
    int ended = has_ended(w->pid);
    if (ended < 0)
        return ended;
    w->reaped = false;
    w->by_signal = false;
    int fd = cress__sys_pidfd_open(w->pid);
    if (fd >= 0 && own_fd_watch(&w->pidfd, base->callback.loop, fd, pidfd_ready) == 0)
        return 0;
    return listen_to_sigchld(w); /* an old kernel, or no descriptor left */
}

static void stop(struct watch *base)
{
    struct watch_child *w = of_watch(base);
    if (w->by_signal)
        signals_unlisten(&w->listener);
    else
        own_fd_close(&w->pidfd, base->callback.loop);
}

/* (1) */
static void tell_others(const struct watch_child *w, int status)
{
    struct list *all = &w->watch.callback.loop->watchers[PART_EVENT];
    for (struct list *n = all->next; n != all; n = n->next) {
        struct watch_child *other = of_watch(container_of(n, struct watch, among));
        if (other->watch.kind != &kind || other->pid != w->pid || other == w)
            continue;
        other->status = status;
        other->reaped = true;
        watch_ready(&other->watch, 0);
    }
}

static void ran(struct watch *base)
{
    struct watch_child *w = of_watch(base);
    int status = w->status;
    if (!w->reaped) {
        pid_t pid = sys_reap(w->pid, &status);
        if (pid == 0)
            return; /* fed */
        if (pid < 0)
            status = pid; /* somebody else was faster: it has gone, and nobody knows how */
        else
            tell_others(w, status);
    }
    watch_ended(base);
    watch_unready(base);
    base->events = status;
}

/* It is the parent's child, and a sister of ours. */
static void forked(struct watch *base)
{
    watch_ended(base);
    watch_unready(base);
}

static const struct watch_kind kind = {
    .name = "child watcher", .start = start, .stop = stop, .ran = ran, .forked = forked
};

int cress_watch_child_init(cress_watch_child *public, cress_loop *loop, pid_t pid,
                           cress_watch_fn fn, void *arg)
{
    if (pid < 1)
        return -EINVAL;
    int error = watch_init(watch_of(public), &kind, loop, fn, arg);
    if (error == 0)
        of_watch(watch_inside(&public->watch))->pid = pid;
    return error;
}
