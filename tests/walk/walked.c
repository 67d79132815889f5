/* walked - a program whose stacks gdb and perf walk: see walk.py.
 *
 *     walked          one greenlet rests three frames deep while another one stands in innermost()
 *     walked COUNT    the other one turns COUNT times around in there
 */
#include <cress.h>

#include <stdlib.h>

#define FRAME __attribute__((noinline))
#define RETURNS_HERE __asm__ volatile("") /* the call before it is no jump */

cress_stack_info resting; /* of the one that rests: its `sp` is where gdb begins */
static cress_greenlet *sleeper;
static long turns = 1;

FRAME void innermost(void)
{
    for (long i = 0; i < turns; i++)
        __asm__ volatile("" : : "r"(__builtin_frame_address(0))); /* so there is a frame */
}

FRAME static void second(void)
{
    innermost();
    RETURNS_HERE;
}

FRAME static void third(void)
{
    second();
    RETURNS_HERE;
}

FRAME static void rests(void)
{
    cress_park(CRESS_FOREVER);
    RETURNS_HERE;
}

FRAME static void rests_below(void)
{
    rests();
    RETURNS_HERE;
}

/* Stacks that have been left and come back to many times. */
static void switch_often(void)
{
    for (int i = 0; i < 1000; i++)
        cress_yield();
}

static void *sleeps(void *arg)
{
    switch_often();
    rests_below();
    RETURNS_HERE;
    return arg;
}

static void *runs(void *arg)
{
    switch_often();
    cress_yield();
    cress_coro_stack(cress_greenlet_coro(sleeper), &resting);
    third();
    cress_unpark(cress_greenlet_coro(sleeper));
    return arg;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        turns = atol(argv[1]);
    sleeper = cress_spawn(sleeps, NULL);
    cress_go(runs, NULL);
    int left = cress_run(CRESS_FOREVER);
    cress_unref(sleeper);
    return left;
}
