/* bounded_boss - a boss who assigns work, no faster than it is done. */
#include <cress.h>
#include <stdint.h>
#include <stdio.h>

static cress_queue work;

static void *works(void *name)
{
    intptr_t n;
    while (cress_queue_get(&work, &n, CRESS_MS(50)) == 0) {
        printf("Worker %s got task %d\n", (const char *)name, (int)n);
        cress_yield();
    }
    puts("Quitting time!");
    return NULL;
}

static void *assigns(void *arg)
{
    for (intptr_t n = 1; n <= 9; n++)
        cress_queue_put(&work, (void *)n, CRESS_FOREVER);
    puts("Assigned all work in iteration 1");
    for (intptr_t n = 10; n <= 19; n++)
        cress_queue_put(&work, (void *)n, CRESS_FOREVER);
    puts("Assigned all work in iteration 2");
    return arg;
}

int main(void)
{
    static char *const names[] = { "steve", "john", "bob" };
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.max = 3;
    if (cress_queue_init(&work, &o) < 0)
        return 1;
    cress_go(assigns, NULL);
    for (int i = 0; i < 3; i++)
        cress_go(works, names[i]);
    cress_run(CRESS_FOREVER);
    return cress_queue_done(&work);
}
