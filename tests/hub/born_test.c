/* A hub that is being made is no hub yet for other threads, which may have its address from one
 * that has ended: memory is used again. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/hub.h"

#include <errno.h>
#include <stdio.h>

enum { HUBS = 100 };

static cress_hub *last; /* has ended */
static bool making;
static int looks;

static void *ends(void *arg)
{
    return arg;
}

static void *look(void *arg)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = last;
    *(int *)arg = cress_spawn_with(&o, ends, NULL, NULL);
    return NULL;
}

static int look_from_elsewhere(void)
{
    int found;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, look, &found), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return found;
}

/* The clock is read several times while a hub is made. */
static cress_time look_around(void)
{
    if (making) {
        looks++;
        CHECK_EQ(look_from_elsewhere(), -EOWNERDEAD);
    }
    return sys_now();
}

static void nobody_finds_a_hub_before_it_has_been_made(void **state)
{
    (void)state;
    int again = 0;
    cress__clock_hook = look_around;
    for (int i = 0; i < HUBS; i++) {
        cress_hub *h;
        making = last != NULL;
        CHECK_EQ(cress_hub_get(&h), 0);
        making = false;
        if (h == last) {
            again++;
            CHECK_EQ(look_from_elsewhere(), 0);
        }
        last = h;
        CHECK_EQ(cress_hub_destroy(0), 0);
    }
    cress__clock_hook = NULL;
    CHECK_GE(looks, 2 * (HUBS - 1));
    printf("%d of %d hubs where another one was before\n", again, HUBS);
#if !defined(CRESS_ASAN) && !defined(CRESS_TSAN) /* which keep what is free for a while */
    CHECK_GT(again, 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_finds_a_hub_before_it_has_been_made),
    };
    return RUN_TESTS_APART(tests);
}
