/* watch_signal - watchers of signals: called once for each delivery, one in a turn. */
#include "loop/signals.h"
#include "loop/watch.h"

#include <errno.h>

struct watch_signal {
    struct watch watch;
    struct listener listener;
};
_Static_assert(sizeof(struct watch_signal) <= sizeof(cress_watch_signal),
               "cress_watch_signal is too small");

static struct watch_signal *of_watch(struct watch *base)
{
    return container_of(base, struct watch_signal, watch);
}

static bool is_due(const struct watch_signal *w)
{
    return w->listener.seen != signals_delivered(w->listener.signal);
}

static void come(struct notice *notice)
{
    struct watch_signal *w = container_of(notice, struct watch_signal, listener.notice);
    if (is_due(w)) /* not so after a fork */
        watch_ready(&w->watch, w->listener.signal);
}

static void ran(struct watch *base)
{
    struct watch_signal *w = of_watch(base);
    if (!is_due(w))
        return; /* fed */
    w->listener.seen++;
    if (is_due(w))
        watch_ready(base, 0);
    base->events = w->listener.signal;
}

static int start(struct watch *base)
{
    return signals_listen(&of_watch(base)->listener);
}

static void stop(struct watch *base)
{
    signals_unlisten(&of_watch(base)->listener);
}

static void forked(struct watch *base)
{
    struct watch_signal *w = of_watch(base);
    notice_after_fork(&w->listener.notice);
    if (!is_due(w))
        watch_unready(base);
}

static const struct watch_kind kind = {
    .name = "signal watcher", .start = start, .stop = stop, .ran = ran, .forked = forked
};

int cress_watch_signal_init(cress_watch_signal *public, cress_loop *loop, int signal,
                            cress_watch_fn fn, void *arg)
{
    if (!signals_known(signal))
        return -EINVAL;
    int error = watch_init(watch_of(public), &kind, loop, fn, arg);
    if (error == 0)
        of_watch(watch_inside(&public->watch))->listener =
            (struct listener){ .signal = signal, .loop = loop, .notice.come = come };
    return error;
}
