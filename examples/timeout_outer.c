/* timeout_outer - a time limit around calls that know nothing of it. */
#include <cress.h>
#include <stdio.h>

static void *take_ten_seconds(void *arg)
{
    cress_sleep(CRESS_SECONDS(10));
    return arg;
}

int main(void)
{
    cress_greenlet *g = cress_spawn(take_ten_seconds, NULL);
    if (g == NULL)
        return 1;
    cress_timeout limit = { 0 };
    cress_timeout_start(&limit, CRESS_SECONDS(1));
    cress_join(g, CRESS_FOREVER);
    if (cress_timeout_stop(&limit)) /* it was this limit, and no other one further out */
        puts("could not complete");
    cress_kill(g, CRESS_FOREVER);
    cress_unref(g);
    return 0;
}
