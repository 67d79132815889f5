/* event_five - one sets an event, five wait for it. */
#include <cress.h>
#include <stdio.h>

static cress_event event;

static void *sets(void *arg)
{
    puts("A: Hey wait for me, I have to do something");
    cress_sleep(CRESS_MS(20));
    puts("Ok, I'm done");
    cress_event_set(&event);
    return arg;
}

static void *waits(void *arg)
{
    puts("I'll wait for you");
    cress_event_wait(&event, CRESS_FOREVER);
    puts("It's about time");
    return arg;
}

int main(void)
{
    cress_go(sets, NULL);
    for (int i = 0; i < 5; i++)
        cress_go(waits, NULL);
    return cress_run(CRESS_FOREVER);
}
