/* duel - two threads that meet on one object, thousands of times, each time at another moment; with
 * a hub or without, with a limit that may run out or without. What is brought once is had once: by
 * who waited, or it is there still.
 *
 * Without a limit a lost wake-up is a test that hangs, and ctest ends it. A program for each
 * combination of hubs: duel_*_test.c.
 */
#ifndef TESTS_SYNC_DUEL_H
#define TESTS_SYNC_DUEL_H

#include "support/test.h"
#include "hub/apart.h"
#include "sync/kinds.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ALL_ROUNDS = 10000 };
static int rounds; /* those, or fewer if CRESS_TEST_ROUNDS says so */

struct duel {
    const struct kind *kind;
    bool hubs[2]; /* who waits, who helps */
    bool limited;
    atomic_int arrived; /* at the beginning and at the end of the rounds so far */
    int got, brought;   /* what the two calls gave */
};

/* The two go on together: neither is ahead by more than what it takes to see that. */
static void meet(struct duel *d, int round)
{
    atomic_fetch_add(&d->arrived, 1);
    for (int spins = 0; atomic_load(&d->arrived) < 2 * round; spins++)
        if (spins > 200)
            sched_yield();
}

static void linger(unsigned *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    for (unsigned i = *seed >> 22; i > 0; i--)
        cpu_relax();
}

/* A limit may run out before, at, or after the moment at which help comes. */
static cress_time limit(const struct duel *d, unsigned *seed)
{
    linger(seed);
    return d->limited ? 1 + *seed % 20000 : CRESS_FOREVER;
}

static void make_hub(bool hub)
{
    cress_hub *h;
    if (hub)
        CHECK_EQ(cress_hub_get(&h), 0);
}

static void *waits(void *arg)
{
    struct duel *d = arg;
    unsigned seed = 1;
    make_hub(d->hubs[0]);
    for (int i = 0; i < rounds; i++) {
        meet(d, 3 * i + 1);
        d->got = d->kind->wait(limit(d, &seed));
        meet(d, 3 * i + 2);
        meet(d, 3 * i + 3);
    }
    return NULL;
}

static void judge(const struct duel *d)
{
    const struct kind *k = d->kind;
    CHECK(d->got == 0 || (d->limited && d->got == -ETIMEDOUT));
    CHECK_EQ(lines_of(k->object), 0);
    if (k->meets) {
        CHECK_EQ(d->got, d->brought);
        return;
    }
    CHECK_EQ(d->brought, 0);
    int left = k->left();
    CHECK(left == -1 || left == (d->got == 0 ? 0 : 1));
}

static int fight(struct duel *d)
{
    pthread_t thread;
    unsigned seed = 2;
    int in_time = 0;
    kinds_begin();
    d->kind->begin();
    CHECK_EQ(pthread_create(&thread, NULL, waits, d), 0);
    make_hub(d->hubs[1]);
    for (int i = 0; i < rounds; i++) {
        meet(d, 3 * i + 1);
        cress_time t = limit(d, &seed);
        for (unsigned n = d->limited && !d->kind->meets ? seed % 4 : 0; n > 0; n--)
            linger(&seed);
        d->brought = d->kind->help(d->kind->meets ? t : CRESS_FOREVER);
        meet(d, 3 * i + 2);
        judge(d);
        in_time += d->got == 0;
        if (i + 1 < rounds)
            d->kind->begin();
        meet(d, 3 * i + 3);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    kinds_end();
    return in_time;
}

static void all_duels(bool waiter_has_hub, bool helper_has_hub, bool limited)
{
    for (int i = 0; i < KINDS; i++) {
        if (!kinds[i].duels)
            continue;
        struct duel d = { .kind = &kinds[i],
                          .hubs = { waiter_has_hub, helper_has_hub },
                          .limited = limited };
        cress_time begun = cress_now();
        int in_time = fight(&d);
        printf("%s: %d of %d had it, in %.1f s\n", d.kind->name, in_time, rounds,
               (double)(cress_now() - begun) / 1e9);
        fflush(stdout);
        CHECK(limited || in_time == rounds);
    }
}

/* Both tests of a program. */
#define DUELS(waiter_has_hub, helper_has_hub)                            \
    static void each_has_what_it_waits_for(void **state)                 \
    {                                                                    \
        (void)state;                                                     \
        all_duels(waiter_has_hub, helper_has_hub, false);                \
    }                                                                    \
    static void when_time_runs_out_nothing_is_lost_either(void **state)  \
    {                                                                    \
        (void)state;                                                     \
        all_duels(waiter_has_hub, helper_has_hub, true);                 \
    }                                                                    \
    int main(void)                                                       \
    {                                                                    \
        const struct CMUnitTest tests[] = {                              \
            cmocka_unit_test(each_has_what_it_waits_for),                \
            cmocka_unit_test(when_time_runs_out_nothing_is_lost_either), \
        };                                                               \
        const char *fewer = getenv("CRESS_TEST_ROUNDS");                 \
        rounds = fewer != NULL ? atoi(fewer) : ALL_ROUNDS;               \
        printf("%d rounds each\n", rounds);                              \
        return RUN_TESTS_APART(tests);                                   \
    }

#endif
