/* state_in_struct - what a subclass with a run method of its own is elsewhere: a struct that goes
 * along.
 */
#include <cress.h>
#include <stdio.h>

struct greeting {
    const char *message;
    cress_time delay;
};

static void *greet(void *arg)
{
    const struct greeting *g = arg;
    if (cress_sleep(g->delay) == 0)
        puts(g->message);
    return NULL;
}

int main(void)
{
    struct greeting greeting = { .message = "Hi there!", .delay = CRESS_MS(300) };
    cress_greenlet *g = cress_spawn(greet, &greeting);
    if (g == NULL)
        return 1;
    int error = cress_join(g, CRESS_FOREVER); /* greeting lives as long as it is used */
    cress_unref(g);
    return error != 0;
}
