/* Killing: what has not started, what waits, what runs, what survives; and killing many. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/told.h"

#include <errno.h>
#include <stdlib.h>

static struct words words;
static struct told told;
static int freed, discards;

static int begin(void **state)
{
    words = (struct words){ 0 };
    told = (struct told){ 0 };
    freed = discards = 0;
    clock_begin(state);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    return 0;
}

static void *never(void *arg)
{
    (void)arg;
    CHECK_STR("started", "");
    return NULL;
}

static void discard(void *arg)
{
    CHECK_STR(arg, "arg");
    discards++;
}

static int linked(cress_greenlet *g, void *arg)
{
    CHECK(cress_ready(g));
    say(&words, arg);
    return 0;
}

static void one_that_has_not_started_never_runs(void **state)
{
    (void)state;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.on_discard = discard;
    cress_greenlet *g;
    cress_link_node node = { 0 };
    cress_hub_counts before = CRESS_HUB_COUNTS_INIT, after = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_spawn_with(&o, never, "arg", &g), 0);
    CHECK_EQ(cress_link(g, &node, linked, "link"), 0);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &before), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &after), 0);
    CHECK_EQ(after.switches, before.switches);
    CHECK_EQ(discards, 1);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    CHECK_EQ(cress_error(g), -ECANCELED);
    CHECK(!cress_started(g));
    CHECK_STR(words.text, ""); /* not inline */
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_STR(words.text, "link");
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(discards, 1);
    cress_unref(g);
}

static void one_that_is_to_start_later_leaves_no_timer(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *g = cress_spawn_later(CRESS_SECONDS(10), never, NULL);
    CHECK_EQ(cress_kill(g, 0), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(clock_time, start);
    cress_unref(g);
}

static void *clean_up_in_a_shield(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_FOREVER), -ECANCELED);
    CHECK(cress_cancel_cause() == cress_current());
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_SECONDS(1)), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK(!cress_ready(cress_current()));
    CHECK_EQ(cress_shield_end(&shield), 0);
    say(&words, "cleaned");
    return arg;
}

static void kill_waits_for_the_clean_up(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(clean_up_in_a_shield, "value");
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "cleaned");
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    CHECK(cress_successful(g));
    CHECK(cress_value(g) == NULL);
    void *value;
    int error;
    CHECK_EQ(cress_get(g, CRESS_FOREVER, &value, &error), 0);
    CHECK_EQ(error, -ECANCELED);
    cress_unref(g);
}

static void *survive(void *arg)
{
    CHECK_EQ(cress_cancel_ack(), -EINVAL); /* nobody has killed it */
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    CHECK_EQ(cress_cancel_ack(), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(20)), 0);
    return arg;
}

static void who_acknowledges_its_kill_goes_on(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(survive, (void *)7);
    cress_time start = clock_time;
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_MS(5)), -ETIMEDOUT);
    CHECK_EQ(clock_time - start, CRESS_MS(5));
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(clock_time - start, CRESS_MS(20));
    CHECK_EQ(cress_outcome(g), CRESS_RETURNED);
    CHECK(cress_value(g) == (void *)7);
    cress_unref(g);
}

static void *survive_twice(void *arg)
{
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
        CHECK_EQ(cress_cancel_ack(), 0);
    }
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void a_later_kill_is_a_new_one(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(survive_twice, NULL);
    CHECK_EQ(cress_yield(), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(!cress_ready(g));
        CHECK_EQ(cress_kill(g, 0), 0);
        CHECK_EQ(cress_kill(g, 0), 0); /* of one kill, not of two */
        CHECK_EQ(cress_yield(), 0);
    }
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
}

static void *kill_oneself(void *arg)
{
    cress_greenlet *self = cress_current();
    CHECK_EQ(cress_join(self, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_get(self, CRESS_FOREVER, NULL, NULL), -EDEADLK);
    CHECK_EQ(cress_kill(self, 0), 0);
    say(&words, "goes on");
    CHECK_EQ(cress_sleep(CRESS_MS(1)), -ECANCELED);
    CHECK_EQ(cress_cancel_ack(), 0);
    CHECK_EQ(cress_kill(self, CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void killing_oneself(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(kill_oneself, NULL);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    CHECK_STR(words.text, "goes on");
    cress_unref(g);
}

static void kill_self_quietly(cress_greenlet *g)
{
    CHECK_EQ(cress_kill(g, 0), 0);
}

static void *finish_without_a_call(void *arg)
{
    kill_self_quietly(cress_current());
    return arg;
}

static void a_kill_that_met_no_call_comes_too_late(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(finish_without_a_call, "value");
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(g), CRESS_RETURNED);
    CHECK_STR(cress_value(g), "value");
    cress_unref(g);
}

static void release_value(void *value)
{
    free(value);
    freed++;
}

static void *make_value(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    void *value = malloc(10);
    CHECK(value != NULL);
    return arg != NULL ? value : (free(value), NULL);
}

static void the_value_of_one_that_was_killed_is_freed_too(void **state)
{
    (void)state;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.value_free = release_value;
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, make_value, "arg", &g), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(freed, 0);
    cress_unref(g);
    CHECK_EQ(freed, 1);
}

static void *effect_first(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void an_effect_of_the_same_turn_is_reported_and_the_kill_meets_the_next_call(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(effect_first, NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(g)), 0);
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
}

static void main_is_not_killed_nor_nobody(void **state)
{
    (void)state;
    CHECK_EQ(cress_kill(NULL, 0), -EINVAL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(cress_main(), 0), -EINVAL);
    cress_greenlet *g = cress_spawn(never, NULL);
    CHECK_EQ(cress_kill(g, -1), -EINVAL);
    CHECK_EQ(cress_kill(g, 0), 0);
    cress_unref(g);
}

static void *die_hard(void *arg)
{
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    return arg;
}

static void *park_once(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void *end_at_once(void *arg)
{
    return arg;
}

static void killall_kills_all_first_and_waits_then(void **state)
{
    (void)state;
    cress_greenlet *dead = cress_spawn(end_at_once, "dead"),
                   *running = cress_spawn(park_once, NULL);
    cress_greenlet *hard = cress_spawn(die_hard, "hard");
    CHECK_EQ(cress_yield(), 0);
    cress_greenlet *fresh = cress_spawn(never, NULL);
    cress_greenlet *all[] = { fresh, hard, NULL, running, dead, running };
    cress_time start = clock_time;
    CHECK_EQ(cress_killall(all, 6, CRESS_MS(20)), -ETIMEDOUT);
    CHECK_EQ(clock_time - start, CRESS_MS(20));
    CHECK_EQ(cress_outcome(fresh), CRESS_KILLED);
    CHECK_EQ(cress_outcome(running), CRESS_KILLED);
    CHECK_EQ(cress_outcome(hard), CRESS_ALIVE);
    CHECK_STR(cress_value(dead), "dead"); /* untouched */
    CHECK_EQ(cress_unpark(cress_greenlet_coro(hard)), 0);
    CHECK_EQ(cress_killall(all, 6, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(hard), CRESS_RETURNED); /* no call of it was cancelled */
    CHECK_EQ(cress_killall(all, 6, 0), 0);
    CHECK_EQ(cress_killall(NULL, 1, 0), -EINVAL);
    CHECK_EQ(cress_killall(NULL, 0, CRESS_FOREVER), 0);
    CHECK_EQ(cress_killall(all, 6, -1), -EINVAL);
    cress_unref(dead);
    cress_unref(running);
    cress_unref(hard);
    cress_unref(fresh);
}

static cress_greenlet *both[2];

static void *kill_both(void *arg)
{
    CHECK_EQ(cress_killall(both, 2, CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void killall_of_oneself_does_not_wait_for_it(void **state)
{
    (void)state;
    both[0] = cress_spawn(park_once, NULL);
    both[1] = cress_spawn(kill_both, NULL);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_outcome(both[i]), CRESS_KILLED);
        cress_unref(both[i]);
    }
}

static void *kill_both_behind_a_shield(void *arg)
{
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_killall(both, 2, CRESS_FOREVER), 0);
    CHECK(cress_ready(both[1]));
    CHECK_EQ(cress_shield_end(&shield), 0);
    CHECK_EQ(cress_yield(), -ECANCELED);
    return arg;
}

static void behind_a_shield_killall_waits_for_the_others_only(void **state)
{
    (void)state;
    both[0] = cress_spawn(kill_both_behind_a_shield, NULL);
    both[1] = cress_spawn(park_once, NULL);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_outcome(both[i]), CRESS_KILLED);
        cress_unref(both[i]);
    }
}

static void *take_until(void *when)
{
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    CHECK_EQ(cress_sleep(CRESS_MS((intptr_t)when)), 0);
    CHECK_EQ(cress_shield_end(&shield), 0);
    return when;
}

static void killall_has_one_timeout_for_all(void **state)
{
    (void)state;
    cress_greenlet *all[] = { cress_spawn(take_until, (void *)15),
                              cress_spawn(take_until, (void *)30) };
    CHECK_EQ(cress_yield(), 0);
    cress_time start = clock_time;
    CHECK_EQ(cress_killall(all, 2, CRESS_MS(20)), -ETIMEDOUT);
    CHECK_EQ(clock_time - start, CRESS_MS(20));
    CHECK(cress_ready(all[0]));
    CHECK_EQ(cress_killall(all, 2, CRESS_MS(20)), 0);
    cress_unref(all[0]);
    cress_unref(all[1]);
}

static int kill_in_callback(void *arg)
{
    CHECK_EQ(cress_kill(arg, CRESS_FOREVER), -EPERM);
    CHECK(!cress_ready(arg));
    CHECK_EQ(cress_kill(arg, 0), 0);
    return 0;
}

static void a_callback_may_kill_but_not_wait(void **state)
{
    (void)state;
    cress_callback node = { 0 };
    cress_greenlet *g = cress_spawn(park_once, NULL);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_post(NULL, &node, kill_in_callback, g), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    CHECK_EQ(told.count, 1);
    cress_unref(g);
}

static void *kill_it(void *arg)
{
    CHECK_EQ(cress_kill(arg, CRESS_FOREVER), -ECANCELED);
    return NULL;
}

static void who_waits_for_a_kill_can_be_killed(void **state)
{
    (void)state;
    cress_greenlet *hard = cress_spawn(die_hard, NULL), *killer = cress_spawn(kill_it, hard);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(killer, CRESS_FOREVER), 0);
    CHECK(!cress_ready(hard));
    CHECK_EQ(cress_unpark(cress_greenlet_coro(hard)), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    cress_unref(hard);
    cress_unref(killer);
}

static void *stubborn(void *arg)
{
    long *rounds = arg;
    while (*rounds < 3000) {
        CHECK_EQ(cress_yield(), *rounds == 0 ? 0 : -ECANCELED);
        ++*rounds;
    }
    return NULL;
}

static void who_ignores_a_kill_is_named_and_stops_nobody(void **state)
{
    (void)state;
    long rounds = 0;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.name = "stubborn";
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, stubborn, &rounds, &g), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_kill(g, 0), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(cress_yield(), 0);
    CHECK_LT(rounds, 110);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(told.count, 1);
    CHECK_STR(told.lines[0].name, "stubborn");
    CHECK_EQ(cress_outcome(g), CRESS_KILLED);
    cress_unref(g);
}

static void a_freed_slot_is_given_again_and_an_id_never(void **state)
{
    (void)state;
    cress_greenlet *g[3];
    for (int i = 0; i < 3; i++) {
        g[i] = cress_spawn(park_once, NULL);
        CHECK_EQ(cress_slot(g[i]), (uint32_t)i);
    }
    CHECK_EQ(cress_yield(), 0);
    uint64_t id = cress_id(g[1]);
    CHECK_EQ(cress_kill(g[1], CRESS_FOREVER), 0);
    cress_unref(g[1]);
    g[1] = cress_spawn(park_once, NULL);
    CHECK_EQ(cress_slot(g[1]), 1);
    CHECK_NE(cress_id(g[1]), id);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_killall(g, 3, CRESS_FOREVER), 0);
    for (int i = 0; i < 3; i++)
        cress_unref(g[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(one_that_has_not_started_never_runs),
        TEST(one_that_is_to_start_later_leaves_no_timer),
        TEST(kill_waits_for_the_clean_up),
        TEST(who_acknowledges_its_kill_goes_on),
        TEST(a_later_kill_is_a_new_one),
        TEST(killing_oneself),
        TEST(a_kill_that_met_no_call_comes_too_late),
        TEST(the_value_of_one_that_was_killed_is_freed_too),
        TEST(an_effect_of_the_same_turn_is_reported_and_the_kill_meets_the_next_call),
        TEST(main_is_not_killed_nor_nobody),
        TEST(killall_kills_all_first_and_waits_then),
        TEST(killall_of_oneself_does_not_wait_for_it),
        TEST(behind_a_shield_killall_waits_for_the_others_only),
        TEST(killall_has_one_timeout_for_all),
        TEST(a_callback_may_kill_but_not_wait),
        TEST(who_waits_for_a_kill_can_be_killed),
        TEST(who_ignores_a_kill_is_named_and_stops_nobody),
        TEST(a_freed_slot_is_given_again_and_an_id_never),
    };
    return RUN_TESTS_APART(tests);
}
