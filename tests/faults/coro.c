/* Coroutines made, run, thrown at and given up, with each call that can fail failing once: in a
 * thread of its own, so that its record and its stacks have to go as well.
 */
#include "support/check.h"
#include "support/sweep.h"

#include <cress/coro.h>

#include <errno.h>
#include <pthread.h>

static void *echo(void *arg, void *value)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        cress_coro_switch(cress_coro_parent(cress_coro_current()), value, &value);
    return value;
}

static void *in_thread(void *arg)
{
    cress_coro *co[6] = { 0 };
    static size_t sizes[] = { 0, 100000, 3000000, 0, 100000, 3000000 };
    for (int i = 0; i < 6; i++) {
        cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
        o.stack_size = sizes[i];
        o.user_size = 40;
        int error = cress_coro_new(&o, echo, NULL, &co[i]);
        CHECK(error == 0 || sweep_met_fault());
        CHECK((error == 0) == (co[i] != NULL));
        if (error < 0)
            continue;
        void *result = NULL;
        error = cress_coro_switch(co[i], &sizes[i], &result);
        CHECK(error == 0 || (error == -ENOMEM && sweep_met_fault()));
        CHECK_EQ(result, error == 0 ? &sizes[i] : NULL);
        CHECK_EQ(cress_coro_get_state(co[i]), error == 0 ? CRESS_CORO_SUSPENDED : CRESS_CORO_NEW);
    }
    for (int i = 0; i < 6; i++) {
        if (co[i] == NULL)
            continue;
        if (i % 2 == 0) {
            int error = cress_coro_throw(co[i], -EIO, NULL);
            CHECK(error == 0 || sweep_met_fault());
        }
        cress_coro_stack_peak(co[i]);
        CHECK_EQ(cress_coro_free(co[i]), 0);
    }
    cress_stack_trim();
    return arg;
}

static void coroutines(void)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, in_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(void)
{
    return FAULT_SWEEP(coroutines);
}
