/* Beginning, looking at, naming and ending greenlets. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/told.h"
#include "base/fault.h"
#include "coro/thread.h"

#include <errno.h>

static struct words words;
static struct told told;

static int begin(void **state)
{
    words = (struct words){ 0 };
    told = (struct told){ 0 };
    return clock_begin(state);
}

static void listen_to_errors(void)
{
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
}

static void *say_it(void *arg)
{
    say(&words, arg);
    return arg;
}

static void run(void)
{
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

/* --- spawning -------------------------------------------------------------------------------- */

static void spawning_never_switches_and_they_start_in_order(void **state)
{
    (void)state;
    cress_greenlet *a = cress_spawn(say_it, "a");
    CHECK_EQ(cress_go(say_it, "b"), 0);
    cress_greenlet *c = NULL;
    CHECK_EQ(cress_spawn_with(NULL, say_it, "c", &c), 0);
    CHECK(a != NULL && c != NULL && a != c);
    CHECK_EQ(cress_spawn_with(NULL, say_it, "d", NULL), 0);
    CHECK_STR(words.text, "");
    run();
    CHECK_STR(words.text, "a b c d");
    cress_unref(a);
    cress_unref(c);
}

static void *twice(void *arg)
{
    char word[3] = { *(const char *)arg, 'A', 0 };
    say(&words, word);
    CHECK_EQ(cress_sleep(0), 0);
    word[1] = 'B';
    say(&words, word);
    return NULL;
}

static void sleep_of_zero_lets_all_others_run_once(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(twice, "1"), 0);
    CHECK_EQ(cress_go(twice, "2"), 0);
    run();
    CHECK_STR(words.text, "1A 2A 1B 2B");
}

static void *spawn_more(void *arg)
{
    say(&words, arg);
    CHECK_EQ(cress_go(say_it, "child"), 0);
    say(&words, "after");
    return NULL;
}

static void a_greenlet_that_spawns_goes_on_first(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(spawn_more, "one"), 0);
    CHECK_EQ(cress_go(say_it, "two"), 0);
    run();
    CHECK_STR(words.text, "one after two child");
}

static void spawn_later_starts_when_its_delay_is_over(void **state)
{
    (void)state;
    cress_time start = clock_time;
    cress_greenlet *b = cress_spawn_later(CRESS_MS(20), say_it, "b");
    cress_greenlet *a = cress_spawn_later(CRESS_MS(10), say_it, "a");
    cress_greenlet *never = cress_spawn_later(CRESS_FOREVER, say_it, "never");
    cress_greenlet *now = cress_spawn_later(0, say_it, "now");
    CHECK(a != NULL && b != NULL && never != NULL && now != NULL);
    CHECK_EQ(cress_sleep(CRESS_MS(10) - 1), 0);
    CHECK_STR(words.text, "now");
    CHECK_EQ(cress_join(a, CRESS_FOREVER), 0);
    CHECK_GE(clock_time - start, CRESS_MS(10));
    CHECK_EQ(cress_join(b, CRESS_FOREVER), 0);
    CHECK_GE(clock_time - start, CRESS_MS(20));
    CHECK_STR(words.text, "now a b");
    CHECK_EQ(cress_run(CRESS_FOREVER), 1); /* never counts as blocked for ever */
    CHECK(!cress_started(never) && !cress_ready(never));
    cress_unref(a);
    cress_unref(b);
    cress_unref(now);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK(cress_ready(never));
    cress_unref(never);
}

static void a_spawn_that_cannot_be_says_why(void **state)
{
    (void)state;
    listen_to_errors();
    CHECK(cress_spawn(NULL, NULL) == NULL);
    CHECK(cress_spawn_later(-1, say_it, NULL) == NULL);
    CHECK_EQ(told.count, 2);
    CHECK_EQ(told.lines[0].error, -EINVAL);
    CHECK_EQ(told.lines[1].error, -EINVAL);
    CHECK_EQ(cress_go(NULL, NULL), -EINVAL);
    cress_greenlet *g = (cress_greenlet *)(void *)&told;
    CHECK_EQ(cress_spawn_with(NULL, NULL, NULL, &g), -EINVAL);
    cress_spawn_options o = { 0 };
    CHECK_EQ(cress_spawn_with(&o, say_it, NULL, &g), -EINVAL);
    o = (cress_spawn_options)CRESS_SPAWN_OPTIONS_INIT;
    o.delay = -1;
    CHECK_EQ(cress_spawn_with(&o, say_it, NULL, &g), -EINVAL);
    o.delay = 0;
    o.stack_size = ((size_t)1 << 30) + 1;
    CHECK_EQ(cress_spawn_with(&o, say_it, NULL, &g), -EINVAL);
    CHECK((void *)g == (void *)&told); /* written on success only */
    CHECK_EQ(told.count, 2);
    run();
}

static void options_of_an_older_program_are_understood(void **state)
{
    (void)state;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.size = offsetof(cress_spawn_options, delay);
    o.name = "old";
    o.delay = -1; /* was not there then: whatever lies behind is not looked at */
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, say_it, "x", &g), 0);
    CHECK_STR(cress_name(g), "old");
    run();
    CHECK_STR(words.text, "x");
    cress_unref(g);
}

static void *use_stack(void *arg)
{
    size_t size = *(size_t *)arg;
    volatile char bytes[size];
    for (size_t i = 0; i < size; i += 512)
        bytes[i] = 1;
    cress_yield();
    return (void *)(uintptr_t)bytes[0];
}

static void a_stack_is_as_large_as_asked_for(void **state)
{
    (void)state;
    static size_t use = (size_t)900 << 10;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.stack_size = (size_t)1 << 20;
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, use_stack, &use, &g), 0);
    void *value = NULL;
    CHECK_EQ(cress_get(g, CRESS_FOREVER, &value, NULL), 0);
    CHECK_EQ((uintptr_t)value, 1);
    cress_unref(g);
}

/* --- no memory ------------------------------------------------------------------------------- */

static const char *failing;

static bool fail_named(const char *what)
{
    return failing == NULL || strcmp(what, failing) == 0;
}

static void a_spawn_without_memory_gives_null_and_tells_the_hook(void **state)
{
    (void)state;
    listen_to_errors();
    cress_greenlet *all[4096];
    size_t n = 0;
    failing = NULL; /* all of them */
    cress__fault_hook = fail_named;
    while (n < 4096 && (all[n] = cress_spawn(say_it, "")) != NULL)
        n++;
    CHECK_EQ(cress_go(say_it, ""), -ENOMEM);
    CHECK_EQ(cress_spawn_with(NULL, say_it, "", NULL), -ENOMEM);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.name = "named";
    CHECK_EQ(cress_spawn_with(&o, say_it, "", NULL), -ENOMEM);
    cress__fault_hook = NULL;
    CHECK_LT(n, 4096);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.lines[0].error, -ENOMEM);
    for (size_t i = 0; i < n; i++)
        cress_unref(all[i]);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void *say_nothing(void *arg)
{
    return arg;
}

static void a_name_without_memory_fails_the_spawn(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(cress_go(say_nothing, NULL), 0); /* so many blocks are there, and no name yet */
    run();
    cress_greenlet *first = cress_spawn(say_it, "first");
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.name = "named";
    failing = "mmap";
    cress__fault_hook = fail_named;
    size_t n = 0;
    static cress_greenlet *all[4096];
    while (n < 4096 && cress_spawn_with(&o, say_nothing, NULL, &all[n]) == 0)
        n++;
    CHECK_LT(n, 4096);
    CHECK_EQ(cress_set_name(first, "f"), -ENOMEM);
    cress__fault_hook = NULL;
    run(); /* those that failed do not count as alive */
    CHECK_STR(words.text, "first");
    CHECK_EQ(cress__thread->blocks.live, n + 1);
    CHECK_EQ(cress__thread->hub_extras.live, n);
    cress_unref(first);
    for (size_t i = 0; i < n; i++)
        cress_unref(all[i]);
    CHECK_EQ(cress__thread->blocks.live, 0);
    CHECK_EQ(cress__thread->hub_extras.live, 0);
}

static int discarded;

static void discard(void *arg)
{
    CHECK_STR(arg, "arg");
    discarded++;
    CHECK_EQ(cress_sleep(1), -EPERM); /* must not block */
}

static void *must_not_run(void *arg)
{
    (void)arg;
    CHECK_STR("it runs", "it never runs");
    return NULL;
}

/* Greenlets of 64 MiB, for which a mapping is needed each time. */
static cress_greenlet *spawn_large(void)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.stack_size = (size_t)64 << 20;
    o.on_discard = discard;
    o.name = "large";
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, must_not_run, "arg", &g), 0);
    return g;
}

static void finds_no_stack(bool after_another)
{
    listen_to_errors();
    discarded = 0;
    CHECK_EQ(cress_go(say_it, "warm"), 0);
    run();
    size_t live = cress__thread->blocks.live;
    if (after_another)
        CHECK_EQ(cress_go(say_it, "before"), 0);
    cress_greenlet *g = spawn_large();
    CHECK_EQ(cress_go(say_it, "after"), 0);
    failing = "mmap";
    cress__fault_hook = fail_named;
    void *value = &told;
    int error = 0;
    CHECK_EQ(cress_get(g, CRESS_FOREVER, &value, &error), 0);
    run();
    cress__fault_hook = NULL;
    CHECK_EQ(error, -ENOMEM);
    CHECK(value == NULL);
    CHECK_EQ(cress_outcome(g), CRESS_FAILED);
    CHECK(!cress_successful(g) && cress_ready(g) && !cress_started(g));
    CHECK_EQ(discarded, 1);
    CHECK_EQ(told.count, 2);
    CHECK_EQ(told.lines[0].error, -EPERM); /* the sleep in discard() */
    CHECK_EQ(told.lines[1].error, -ENOMEM);
    CHECK(told.lines[1].greenlet == g);
    CHECK_STR(words.text, after_another ? "warm before after" : "warm after");
    cress_unref(g);
    CHECK_EQ(cress__thread->blocks.live, live);
}

static void without_a_stack_it_fails_when_its_turn_comes(void **state)
{
    (void)state;
    finds_no_stack(false);
}

static void without_a_stack_it_fails_also_behind_one_that_ended(void **state)
{
    (void)state;
    finds_no_stack(true);
}

/* --- values ---------------------------------------------------------------------------------- */

static void *look_at_oneself(void *arg)
{
    cress_greenlet *self = *(cress_greenlet **)arg;
    CHECK(cress_current() == self);
    CHECK(cress_started(self) && !cress_ready(self) && !cress_successful(self));
    CHECK_EQ(cress_outcome(self), CRESS_ALIVE);
    CHECK(cress_value(self) == NULL);
    CHECK_EQ(cress_sleep(0), 0);
    CHECK(cress_current() == self);
    return "value";
}

static void a_life_can_be_looked_at(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(look_at_oneself, &g);
    CHECK(!cress_started(g) && !cress_ready(g) && !cress_successful(g));
    CHECK_EQ(cress_outcome(g), CRESS_ALIVE);
    CHECK(cress_value(g) == NULL);
    CHECK_EQ(cress_error(g), 0);
    CHECK_EQ(cress_yield(), 0);
    CHECK(cress_started(g));
    run();
    CHECK(!cress_started(g) && cress_ready(g) && cress_successful(g));
    CHECK_EQ(cress_outcome(g), CRESS_RETURNED);
    CHECK_STR(cress_value(g), "value");
    CHECK_EQ(cress_error(g), 0);
    void *value = NULL;
    int error = 1;
    CHECK_EQ(cress_get(g, 0, &value, &error), 0);
    CHECK_STR(value, "value");
    CHECK_EQ(error, 0);
    CHECK_EQ(cress_get(g, 0, NULL, NULL), 0);
    cress_unref(g);
}

static int freed;

static void free_value(void *value)
{
    CHECK_STR(value, "value");
    freed++;
}

static void *give_value(void *arg)
{
    (void)arg;
    return "value";
}

static void the_value_is_freed_by_the_last_reference(void **state)
{
    (void)state;
    freed = 0;
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.value_free = free_value;
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, give_value, NULL, &g), 0);
    CHECK(cress_ref(g) == g);
    run();
    CHECK_EQ(freed, 0);
    cress_unref(g);
    CHECK_EQ(freed, 0);
    cress_unref(g);
    CHECK_EQ(freed, 1);
    CHECK_EQ(cress_spawn_with(&o, give_value, NULL, NULL), 0); /* nobody wants it */
    run();
    CHECK_EQ(freed, 2);
    CHECK_EQ(cress_spawn_with(&o, must_not_run, NULL, &g), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    cress_unref(g);
    CHECK_EQ(freed, 2); /* it has none */
}

static void a_greenlet_goes_on_without_references(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(twice, "x");
    cress_unref(g);
    run();
    CHECK_STR(words.text, "xA xB");
    cress_unref(NULL);
    CHECK(cress_ref(NULL) == NULL);
}

/* --- names, numbers -------------------------------------------------------------------------- */

static void names_keep_31_bytes(void **state)
{
    (void)state;
    static const char *alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    char name[64];
    snprintf(name, sizeof name, "%s", alphabet);
    o.name = name;
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, say_it, "x", &g), 0);
    memset(name, 0, sizeof name); /* it was copied */
    CHECK_STR(cress_name(g), "abcdefghijklmnopqrstuvwxyz01234");
    CHECK_EQ(strlen(cress_name(g)), 31);
    CHECK_EQ(cress_set_name(g, "short"), 0);
    CHECK_STR(cress_name(g), "short");
    CHECK_EQ(cress_set_name(g, ""), 0);
    CHECK_STR(cress_name(g), "");
    CHECK_EQ(cress_set_name(g, NULL), -EINVAL);
    CHECK_EQ(cress_set_name(NULL, "x"), -EINVAL);
    CHECK_STR(cress_name(cress_main()), "main");
    CHECK_EQ(cress_set_name(cress_main(), "mine"), 0);
    CHECK_STR(cress_name(cress_main()), "mine");
    run();
    cress_greenlet *plain = cress_spawn(say_it, "y");
    CHECK_STR(cress_name(plain), "");
    run();
    cress_unref(plain);
    cress_unref(g);
}

static void numbers_are_never_used_again(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (int hub = 0; hub < 3; hub++) {
        for (int i = 0; i < 10; i++) {
            cress_greenlet *g = cress_spawn(say_it, "");
            CHECK_GT(cress_id(g), last);
            last = cress_id(g);
            CHECK_NE(cress_id(cress_main()), last);
            run();
            cress_unref(g);
        }
        CHECK_EQ(cress_hub_destroy(0), 0);
    }
}

static void slots_are_small_and_the_lowest_free_one_comes_first(void **state)
{
    (void)state;
    enum { N = 300 };
    static cress_greenlet *g[N];
    for (int i = 0; i < N; i++) {
        g[i] = cress_spawn(say_it, "");
        CHECK_EQ(cress_slot(g[i]), i);
        CHECK_EQ(cress_slot(g[i]), i);
    }
    words = (struct words){ 0 };
    for (int i = 0; i < N; i++)
        cress_yield();
    cress_unref(g[200]);
    cress_unref(g[7]);
    cress_unref(g[64]);
    g[7] = cress_spawn(give_value, NULL);
    g[64] = cress_spawn(give_value, NULL);
    g[200] = cress_spawn(give_value, NULL);
    CHECK_EQ(cress_slot(g[7]), 7);
    CHECK_EQ(cress_slot(g[64]), 64);
    CHECK_EQ(cress_slot(g[200]), 200);
    CHECK_EQ(cress_slot(cress_main()), N);
    run();
    CHECK_EQ(cress_slot(g[7]), 7); /* as long as it is not freed */
    for (int i = 0; i < N; i++)
        cress_unref(g[i]);
}

static void a_slot_without_memory_is_none(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(give_value, NULL);
    failing = "realloc";
    cress__fault_hook = fail_named;
    CHECK_EQ(cress_slot(g), UINT32_MAX);
    cress__fault_hook = NULL;
    CHECK_EQ(cress_slot(g), 0);
    run();
    cress_unref(g);
}

static void a_greenlet_that_outlives_its_hub_frees_no_slot_of_the_next(void **state)
{
    (void)state;
    cress_greenlet *old = cress_spawn(give_value, NULL);
    cress_greenlet *unasked = cress_spawn(give_value, NULL);
    CHECK_EQ(cress_slot(old), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(cress_slot(unasked), UINT32_MAX);
    cress_greenlet *a = cress_spawn(give_value, NULL);
    CHECK_EQ(cress_slot(a), 0);
    CHECK_EQ(cress_slot(unasked), UINT32_MAX);
    cress_unref(old);
    cress_unref(unasked);
    cress_greenlet *b = cress_spawn(give_value, NULL);
    CHECK_EQ(cress_slot(b), 1);
    run();
    cress_unref(a);
    cress_unref(b);
}

static int in_callback(void *arg)
{
    *(int *)arg = cress_current() == NULL && cress_main() != NULL;
    return 0;
}

static void *in_raw_coroutine(void *arg, void *value)
{
    (void)value;
    CHECK(cress_current() == NULL);
    *(int *)arg = 1;
    return NULL;
}

static void current_and_main_are_told(void **state)
{
    (void)state;
    CHECK(cress_hub_current() == NULL);
    CHECK(cress_current() == NULL);
    CHECK(cress_main() == NULL);
    CHECK(cress_greenlet_coro(NULL) == NULL);
    CHECK_EQ(cress_yield(), 0); /* makes the hub */
    CHECK(cress_hub_current() != NULL);
    CHECK(cress_current() != NULL && cress_current() == cress_main());
    CHECK(cress_greenlet_coro(cress_main()) == cress_coro_native());
    int seen = 0;
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, in_callback, &seen), 0);
    run();
    CHECK_EQ(seen, 1);
    cress_coro *co;
    seen = 0;
    CHECK_EQ(cress_coro_new(NULL, in_raw_coroutine, &seen, &co), 0);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
    CHECK_EQ(seen, 1);
    CHECK_EQ(cress_coro_free(co), 0);
    cress_greenlet *g = cress_spawn(give_value, NULL);
    CHECK_EQ(cress_coro_switch(cress_greenlet_coro(g), NULL, NULL), -EBUSY); /* the hub's */
    CHECK_EQ(cress_coro_free(cress_greenlet_coro(g)), -EBUSY);
    run();
    cress_unref(g);
}

/* --- join ------------------------------------------------------------------------------------ */

static void *sleep_for(void *arg)
{
    CHECK_EQ(cress_sleep(*(cress_time *)arg), 0);
    say(&words, "slept");
    return "slept";
}

static void *join_it(void *arg)
{
    CHECK_EQ(cress_join(arg, CRESS_FOREVER), 0);
    CHECK(cress_ready(arg));
    say(&words, "joined");
    return NULL;
}

static void any_number_may_join_and_go_on_in_order(void **state)
{
    (void)state;
    cress_time d = CRESS_MS(5);
    cress_greenlet *g = cress_spawn(sleep_for, &d);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(cress_go(join_it, g), 0);
    CHECK_EQ(cress_join(g, 0), -EAGAIN);
    CHECK_STR(words.text, ""); /* it did not switch */
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    run();
    CHECK_STR(words.text, "slept joined joined joined joined joined");
    CHECK_EQ(cress_join(g, 0), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static void a_join_times_out_and_leaves_nothing_behind(void **state)
{
    (void)state;
    cress_time d = CRESS_MS(50);
    cress_greenlet *g = cress_spawn(sleep_for, &d);
    cress_time start = clock_time;
    void *value = &d;
    int error = 7;
    CHECK_EQ(cress_join(g, CRESS_MS(10)), -ETIMEDOUT);
    CHECK_GE(clock_time - start, CRESS_MS(10));
    CHECK_LT(clock_time - start, CRESS_MS(50));
    CHECK_EQ(cress_get(g, 1, &value, &error), -ETIMEDOUT);
    CHECK_EQ(cress_get(g, 0, &value, &error), -EAGAIN);
    CHECK(value == &d && error == 7); /* written on success only */
    CHECK_EQ(cress_join(g, -1), -EINVAL);
    CHECK_EQ(cress_join(NULL, 0), -EINVAL);
    CHECK_EQ(cress_get(NULL, 0, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_get(g, CRESS_FOREVER, &value, &error), 0);
    CHECK_STR(value, "slept");
    cress_unref(g);
}

static void *join_oneself(void *arg)
{
    cress_greenlet *self = *(cress_greenlet **)arg;
    CHECK_EQ(cress_join(self, CRESS_FOREVER), -EDEADLK);
    CHECK_EQ(cress_join(self, CRESS_MS(1)), -EDEADLK);
    CHECK_EQ(cress_join(self, 0), -EDEADLK);
    return NULL;
}

static void joining_oneself_is_refused(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(join_oneself, &g);
    run();
    CHECK(cress_ready(g));
    cress_unref(g);
    CHECK_EQ(cress_join(cress_main(), CRESS_FOREVER), -EDEADLK);
}

static int join_in_callback(void *arg)
{
    CHECK_EQ(cress_join(arg, CRESS_FOREVER), -EPERM);
    CHECK_EQ(cress_join(arg, 0), -EAGAIN); /* does not wait */
    CHECK_EQ(cress_sleep(0), -EPERM);
    CHECK_EQ(cress_park(CRESS_FOREVER), -EPERM);
    CHECK_EQ(cress_run(CRESS_FOREVER), -EPERM);
    return 0;
}

static void waiting_in_a_callback_is_refused_and_the_hook_told(void **state)
{
    (void)state;
    listen_to_errors();
    cress_time d = CRESS_MS(1);
    cress_greenlet *g = cress_spawn(sleep_for, &d);
    cress_callback node = { 0 };
    CHECK_EQ(cress_post(NULL, &node, join_in_callback, g), 0);
    run();
    CHECK_EQ(told.count, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(told.lines[i].error, -EPERM);
    cress_unref(g);
}

static void *drop_and_end(void *arg)
{
    cress_unref(*(cress_greenlet **)arg);
    *(cress_greenlet **)arg = NULL;
    return NULL;
}

static void a_join_outlives_the_last_reference(void **state)
{
    (void)state;
    cress_greenlet *g = cress_spawn(drop_and_end, &g);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK(g == NULL);
    CHECK_EQ(cress__thread->blocks.live, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, clock_end)
    const struct CMUnitTest tests[] = {
        TEST(spawning_never_switches_and_they_start_in_order),
        TEST(sleep_of_zero_lets_all_others_run_once),
        TEST(a_greenlet_that_spawns_goes_on_first),
        TEST(spawn_later_starts_when_its_delay_is_over),
        TEST(a_spawn_that_cannot_be_says_why),
        TEST(options_of_an_older_program_are_understood),
        TEST(a_stack_is_as_large_as_asked_for),
        TEST(a_spawn_without_memory_gives_null_and_tells_the_hook),
        TEST(a_name_without_memory_fails_the_spawn),
        TEST(without_a_stack_it_fails_when_its_turn_comes),
        TEST(without_a_stack_it_fails_also_behind_one_that_ended),
        TEST(a_life_can_be_looked_at),
        TEST(the_value_is_freed_by_the_last_reference),
        TEST(a_greenlet_goes_on_without_references),
        TEST(names_keep_31_bytes),
        TEST(numbers_are_never_used_again),
        TEST(slots_are_small_and_the_lowest_free_one_comes_first),
        TEST(a_slot_without_memory_is_none),
        TEST(a_greenlet_that_outlives_its_hub_frees_no_slot_of_the_next),
        TEST(current_and_main_are_told),
        TEST(any_number_may_join_and_go_on_in_order),
        TEST(a_join_times_out_and_leaves_nothing_behind),
        TEST(joining_oneself_is_refused),
        TEST(waiting_in_a_callback_is_refused_and_the_hook_told),
        TEST(a_join_outlives_the_last_reference),
    };
    return RUN_TESTS_APART(tests);
}
