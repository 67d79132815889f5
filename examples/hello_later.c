/* hello_later - greenlets that begin later, one that returns something, and waiting for all. */
#include <cress.h>
#include <stdio.h>

static void *say(void *text)
{
    puts(text);
    return NULL;
}

static void *six(void *arg)
{
    (void)arg;
    return (void *)6;
}

int main(void)
{
    cress_greenlet *all[] = { cress_spawn_later(CRESS_SECONDS(1), say, "Hello"),
                              cress_spawn_later(CRESS_SECONDS(2), say, "Hello2"),
                              cress_spawn(six, NULL) };
    if (cress_joinall(all, 3, CRESS_FOREVER, NULL, NULL) < 0)
        return 1;
    printf("%ld\n", (long)cress_value(all[2]));
    for (int i = 0; i < 3; i++)
        cress_unref(all[i]);
    return 0;
}
