/* semaphore_pingpong - two greenlets, two semaphores: each acquires one and releases the other. */
#include <cress.h>
#include <stdio.h>

enum { ROUNDS = 200 * 1000 };

static cress_sem turns[2];

static void *plays(void *arg)
{
    cress_sem *mine = arg, *others = mine == turns ? mine + 1 : turns;
    for (int i = 0; i < ROUNDS; i++) {
        if (cress_sem_acquire(mine, CRESS_FOREVER) < 0)
            return NULL;
        cress_sem_release(others);
    }
    return NULL;
}

int main(void)
{
    cress_time start = cress_now();
    cress_go(plays, &turns[0]);
    cress_go(plays, &turns[1]);
    cress_sem_release(&turns[0]);
    cress_run(CRESS_FOREVER);
    double seconds = (double)(cress_now() - start) / 1e9;
    printf("%.0f rounds per second\n", ROUNDS / seconds);
    return 0;
}
