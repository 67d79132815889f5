/* result_twice - a result that is set, and set again. */
#include <cress.h>
#include <stdio.h>

static cress_result result;

static void *sets(void *arg)
{
    cress_result_set(&result, "Hello!");
    cress_sleep(CRESS_MS(50));
    cress_result_set(&result, "Hello again!");
    return arg;
}

static void *gets(void *arg)
{
    void *text;
    for (int i = 0; i < 2; i++) {
        if (cress_result_get(&result, CRESS_FOREVER, &text, NULL) == 0)
            puts(text);
        cress_sleep(CRESS_MS(100));
    }
    return arg;
}

int main(void)
{
    cress_go(gets, NULL);
    cress_go(sets, NULL);
    return cress_run(CRESS_FOREVER);
}
