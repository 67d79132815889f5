/* tasks_three_workers - three workers take tasks from one queue, in turn. */
#include <cress.h>
#include <stdint.h>
#include <stdio.h>

static cress_queue tasks;

static void *works(void *name)
{
    intptr_t n;
    while (cress_queue_try_get(&tasks, &n) == 0) {
        printf("Worker %s got task %d\n", (const char *)name, (int)n);
        cress_yield();
    }
    puts("Quitting time!");
    return NULL;
}

int main(void)
{
    static char *const names[] = { "steve", "john", "nancy" };
    for (intptr_t n = 1; n <= 24; n++)
        if (cress_queue_put(&tasks, (void *)n, CRESS_FOREVER) < 0)
            return 1;
    for (int i = 0; i < 3; i++)
        cress_go(works, names[i]);
    cress_run(CRESS_FOREVER);
    return cress_queue_done(&tasks);
}
