/* repeating_timer - the loop by itself: one timer, one callback, no hub.
 *
 * Usage: repeating_timer [MILLISECONDS]
 */
#include <cress.h>
#include <stdio.h>
#include <stdlib.h>

static int tick(cress_watch *watch, int events, void *start)
{
    (void)events;
    static int n;
    cress_time now = cress_loop_now(cress_watch_loop(watch));
    printf("%.3f\n", (double)(now - *(cress_time *)start) / 1e9);
    return ++n == 5 ? cress_watch_stop(watch) : 0;
}

int main(int argc, char **argv)
{
    cress_time period = CRESS_MS(argc > 1 ? atoi(argv[1]) : 1000);
    cress_loop *loop;
    cress_watch_timer timer = { 0 };
    if (cress_loop_new(NULL, &loop) < 0)
        return 1;
    cress_time start = cress_loop_now(loop);
    int error = cress_watch_timer_init(&timer, loop, period, period, tick, &start);
    if (error == 0 && (error = cress_watch_start(&timer.watch)) == 0)
        error = cress_loop_run(loop, CRESS_RUN_DEFAULT); /* until nothing is active any more */
    cress_loop_free(loop);
    return error != 0;
}
