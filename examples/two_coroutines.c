/* two_coroutines - two functions take turns on one thread; nobody else decides whose turn it is.
 *
 * Raw coroutines, without any scheduler: whoever runs says who comes next. When f1 returns, its
 * parent goes on: main, which made it. f2 is left where it stands and given up.
 */
#include <cress.h>
#include <stdio.h>

static cress_coro *f1, *f2;

static void *first(void *arg, void *value)
{
    (void)arg;
    puts("f1 1");
    cress_coro_switch(f2, NULL, NULL);
    puts("f1 2");
    cress_coro_switch(f2, NULL, NULL);
    puts("f1 3");
    return value;
}

static void *second(void *arg, void *value)
{
    (void)arg;
    puts("f2 1");
    cress_coro_switch(f1, NULL, NULL);
    puts("f2 2");
    cress_coro_switch(f1, NULL, NULL);
    return value; /* not reached: nobody switches here a third time */
}

int main(void)
{
    if (cress_coro_new(NULL, first, NULL, &f1) < 0 || cress_coro_new(NULL, second, NULL, &f2) < 0)
        return 1;
    cress_coro_switch(f1, NULL, NULL);
    cress_coro_free(f2);
    cress_coro_free(f1);
    return 0;
}
