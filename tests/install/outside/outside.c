/* outside - a user's program: two coroutines play once; the version is what it was built for. */
#include <cress.h>
#include <stdio.h>

static void *pong(void *arg, void *value)
{
    (void)arg;
    printf("%s pong ", (char *)value);
    return (void *)"done";
}

int main(void)
{
    cress_coro *co;
    void *result;
    if (cress_version() != CRESS_VERSION) {
        return 1;
    }
    printf("cress %d.%d.%d: ", CRESS_VERSION_MAJOR, CRESS_VERSION_MINOR, CRESS_VERSION_PATCH);
    if (cress_coro_new(NULL, pong, NULL, &co) < 0 ||
        cress_coro_switch(co, (void *)"ping", &result) < 0) {
        return 1;
    }
    printf("%s\n", (char *)result);
    return cress_coro_free(co) < 0;
}
