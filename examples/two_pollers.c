/* two_pollers - two greenlets select() on nothing for two seconds, and a third one is not kept
 * waiting: what blocks is the greenlet, not the thread.
 */
#include <cress.h>
#include <stdio.h>

static cress_time start;

static void say(const char *who, const char *what)
{
    printf("%s %s at %.1f\n", who, what, (double)(cress_now() - start) / 1e9);
}

static void *poller(void *name)
{
    say(name, "started polling");
    cress_select(0, NULL, NULL, NULL, CRESS_SECONDS(2));
    say(name, "ended polling");
    return NULL;
}

static void *sleeper(void *name)
{
    say(name, "does other things meanwhile");
    cress_sleep(CRESS_SECONDS(1));
    say(name, "is done");
    return NULL;
}

int main(void)
{
    start = cress_now();
    cress_greenlet *all[] = { cress_spawn(poller, "one"), cress_spawn(poller, "two"),
                              cress_spawn(sleeper, "three") };
    int error = cress_joinall(all, 3, CRESS_FOREVER, NULL, NULL);
    for (int i = 0; i < 3; i++)
        cress_unref(all[i]);
    return error != 0;
}
