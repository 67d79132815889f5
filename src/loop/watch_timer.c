/* watch_timer - watchers of the clock. */
#include "loop/watch.h"

#include <errno.h>

struct watch_timer {
    struct watch watch;
    struct timer timer;
    cress_time after, repeat;
};
_Static_assert(sizeof(struct watch_timer) <= sizeof(cress_watch_timer),
               "cress_watch_timer is too small");

static struct timers *timers_of(const struct watch *w)
{
    return &w->callback.loop->timers;
}

/* The deadline has come. A repeating one is armed again here, not in the callback: what a callback
 * takes must not add up. */
static void fire(struct timer *timer)
{
    struct watch_timer *w = container_of(timer, struct watch_timer, timer);
    struct timers *timers = timers_of(&w->watch);
    if (w->repeat > 0) {
        /* key is the deadline that has just passed */
        cress_time next, missed = (timers->now - timer->key) / w->repeat;
        if (__builtin_add_overflow(timer->key + missed * w->repeat, w->repeat, &next))
            next = TIMER_NEVER;
        timer_start_at(timers, timer, next);
    }
    watch_ready(&w->watch, 0);
}

static int start(struct watch *base)
{
    struct watch_timer *w = container_of(base, struct watch_timer, watch);
    if (w->after != CRESS_FOREVER)
        timer_start(timers_of(base), &w->timer, w->after);
    return 0;
}

static void stop(struct watch *base)
{
    struct watch_timer *w = container_of(base, struct watch_timer, watch);
    timer_remove(timers_of(base), &w->timer);
}

/* One that does not repeat is over before its callback, which may start it again. */
static void ran(struct watch *base)
{
    struct watch_timer *w = container_of(base, struct watch_timer, watch);
    if (!timer_armed(&w->timer))
        watch_ended(base);
}

static const struct watch_kind kind = {
    .name = "timer watcher", .start = start, .stop = stop, .ran = ran
};

int cress_watch_timer_init(cress_watch_timer *public, cress_loop *loop, cress_time after,
                           cress_time repeat, cress_watch_fn fn, void *arg)
{
    if (public == NULL || after < 0 || repeat < 0)
        return -EINVAL;
    int error = watch_init(&public->watch, &kind, loop, fn, arg);
    if (error < 0)
        return error;
    struct watch_timer *w = (struct watch_timer *)(void *)public;
    timer_init(&w->timer, fire);
    w->after = after;
    w->repeat = repeat;
    return 0;
}

int cress_watch_timer_again(cress_watch_timer *public, cress_time after)
{
    if (public == NULL || after < 0)
        return -EINVAL;
    struct watch_timer *w = (struct watch_timer *)(void *)public;
    if (w->watch.kind != &kind)
        return -EINVAL;
    if (!loop_mine(w->watch.callback.loop))
        return -EXDEV;
    w->after = after;
    watch_unready(&w->watch); /* put off in the very turn in which it was due */
    if (!w->watch.active)
        return cress_watch_start(&public->watch);
    if (after == CRESS_FOREVER)
        timer_stop(timers_of(&w->watch), &w->timer);
    else
        timer_start(timers_of(&w->watch), &w->timer, after);
    return 0;
}
