/* sleep_by_hand - what a blocking call is made of: start something, park, be unparked.
 *
 * Usage: sleep_by_hand [MILLISECONDS]
 */
#include <cress.h>
#include <stdio.h>
#include <stdlib.h>

static int wake(cress_watch *watch, int events, void *sleeper)
{
    (void)watch, (void)events;
    return cress_unpark(sleeper);
}

static int sleep_by_hand(cress_time d)
{
    cress_hub *hub;
    int error = cress_hub_get(&hub);
    if (error < 0)
        return error;
    cress_watch_timer timer = { 0 };
    error = cress_watch_timer_init(&timer, cress_hub_loop(hub), d, 0, wake, cress_coro_current());
    if (error == 0 && (error = cress_watch_start(&timer.watch)) == 0)
        error = cress_park(CRESS_FOREVER);
    cress_watch_stop(&timer.watch); /* it lies on this stack, and who is killed comes early */
    return error;
}

int main(int argc, char **argv)
{
    cress_time period = CRESS_MS(argc > 1 ? atoi(argv[1]) : 1000), start = cress_now();
    for (int i = 0; i < 4; i++) {
        if (sleep_by_hand(period) < 0)
            return 1;
        printf("%.3f\n", (double)(cress_now() - start) / 1e9);
    }
    return 0;
}
