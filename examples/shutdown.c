/* shutdown - SIGTERM or SIGQUIT ends a program at once, with its clean-up, wherever it waits. */
#include <cress.h>
#include <signal.h>
#include <stdio.h>

static int say_goodbye(void *arg)
{
    (void)arg;
    cress_sleep(CRESS_MS(10)); /* may block: what is deferred is not cancelled */
    puts("cleaned up");
    return 0;
}

static void *work(void *arg)
{
    if (cress_defer(say_goodbye, NULL) < 0)
        return NULL;
    puts("working");
    fflush(stdout);
    if (cress_sleep(CRESS_SECONDS(1000)) < 0)
        puts("interrupted");
    return arg;
}

static int stop(cress_watch *watch, int events, void *worker)
{
    (void)watch, (void)events;
    return cress_kill(worker, 0); /* does not wait: a callback must not */
}

int main(void)
{
    cress_greenlet *worker = cress_spawn(work, NULL);
    cress_watch_signal term = { 0 }, quit = { 0 };
    if (worker == NULL)
        return 1;
    cress_loop *loop = cress_hub_loop(cress_hub_current());
    int error = cress_watch_signal_init(&term, loop, SIGTERM, stop, worker);
    if (error == 0)
        error = cress_watch_signal_init(&quit, loop, SIGQUIT, stop, worker);
    if (error < 0 || cress_watch_start(&term.watch) < 0 || cress_watch_start(&quit.watch) < 0)
        return 1;
    error = cress_join(worker, CRESS_FOREVER);
    cress_watch_stop(&term.watch);
    cress_watch_stop(&quit.watch);
    cress_unref(worker);
    return error != 0;
}
