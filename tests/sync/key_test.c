/* Greenlet-local values. */
#include "sync/crowd.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static cress_key key, other;
static int destroyed;

static void destroy(void *value)
{
    CHECK(value != NULL);
    CHECK_EQ(cress_sleep(1), -EPERM); /* it must not block */
    told.count = 0;
    destroyed++;
    say(&words, value);
}

static void *copy(void *value)
{
    return *(char *)value == 'a' ? "A" : "B";
}

static int begin(void **state)
{
    cress_key_options o = CRESS_KEY_OPTIONS_INIT;
    crowd_begin(state);
    destroyed = 0;
    o.destroy = destroy;
    CHECK_EQ(cress_key_create(NULL, &other), 0);
    CHECK_EQ(cress_key_create(&o, &key), 0);
    return 0;
}

static int end(void **state)
{
    CHECK_EQ(cress_key_delete(key), 0);
    CHECK_EQ(cress_key_delete(other), 0);
    return crowd_end(state);
}

static void *sets_its_own(void *arg)
{
    CHECK(cress_key_get(key) == NULL);
    CHECK_EQ(cress_key_set(key, arg), 0);
    yield();
    CHECK_EQ(cress_key_get(key), arg);
    CHECK_EQ(cress_key_set(other, "x"), 0);
    CHECK_EQ(cress_key_get(key), arg);
    return arg;
}

static void each_greenlet_has_its_own_value(void **state)
{
    (void)state;
    CHECK_EQ(cress_key_set(other, "main's"), 0);
    cress_greenlet *a = cress_spawn(sets_its_own, "a"), *b = cress_spawn(sets_its_own, "b");
    CHECK_EQ(cress_join(a, CRESS_FOREVER), 0);
    CHECK_EQ(cress_join(b, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "a b"); /* destroyed as they ended */
    CHECK_STR(cress_key_get(other), "main's");
    CHECK(cress_key_get(key) == NULL);
    CHECK_EQ(cress_key_set(other, NULL), 0);
    cress_unref(a);
    cress_unref(b);
}

static int say_deferred(void *arg)
{
    CHECK_STR(cress_key_get(key), "value"); /* still there */
    say(&words, arg);
    return 0;
}

static void *defers_and_exits(void *arg)
{
    CHECK_EQ(cress_key_set(key, "value"), 0);
    CHECK_EQ(cress_defer(say_deferred, "deferred"), 0);
    cress_exit(arg);
    return NULL;
}

static void *waits_with_a_value(void *arg)
{
    CHECK_EQ(cress_key_set(key, arg), 0);
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return NULL;
}

static void destructors_run_after_what_was_deferred_on_each_way_out(void **state)
{
    (void)state;
    CHECK_EQ(cress_go(defers_and_exits, NULL), 0);
    yield();
    CHECK_STR(words.text, "deferred value");
    cress_greenlet *g = cress_spawn(waits_with_a_value, "killed");
    yield();
    CHECK_EQ(cress_kill(g, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "deferred value killed");
    cress_unref(g);
}

static void sets_again(void *value)
{
    destroyed++;
    (void)value;
}

static void *inherits(void *arg)
{
    cress_key *k = arg;
    for (int i = 0; i < 3; i++)
        say(&words, cress_key_get(k[i]) != NULL ? cress_key_get(k[i]) : "none");
    return NULL;
}

static void values_are_inherited_on_request(void **state)
{
    (void)state;
    cress_key k[3];
    cress_key_options o = CRESS_KEY_OPTIONS_INIT;
    cress_spawn_options s = CRESS_SPAWN_OPTIONS_INIT;
    CHECK_EQ(cress_key_create(&o, &k[0]), 0); /* not that one */
    o.inherit = true;
    CHECK_EQ(cress_key_create(&o, &k[1]), 0);
    o.destroy = sets_again;
    CHECK_EQ(cress_key_create(&o, &k[2]), -EINVAL); /* it would be destroyed twice */
    o.copy = copy;
    CHECK_EQ(cress_key_create(&o, &k[2]), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cress_key_set(k[i], "a"), 0);
    CHECK_EQ(cress_spawn_with(&s, inherits, k, NULL), 0);
    s.inherit = true;
    CHECK_EQ(cress_spawn_with(&s, inherits, k, NULL), 0);
    yield();
    CHECK_STR(words.text, "none none none none a A");
    CHECK_EQ(destroyed, 1); /* the copy */
    cress_greenlet *never;
    CHECK_EQ(cress_spawn_with(&s, inherits, k, &never), 0);
    CHECK_EQ(cress_kill(never, 0), 0);
    cress_unref(never);
    CHECK_EQ(destroyed, 2); /* also of one that never ran */
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(cress_key_delete(k[i]), 0);
        CHECK_EQ(cress_key_delete(k[i]), -EINVAL);
    }
}

static int set_in_callback(void *arg)
{
    (void)arg;
    CHECK(cress_key_get(other) == NULL);
    return cress_key_set(other, "x");
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    cress_key none = { 0, 0 }, many[CRESS_KEYS_MAX];
    cress_key_options o = { 0 };
    size_t n = 0;
    CHECK_EQ(cress_key_create(NULL, NULL), -EINVAL);
    CHECK_EQ(cress_key_create(&o, &none), -EINVAL);
    CHECK_EQ(cress_key_set(none, "x"), -EINVAL);
    CHECK_EQ(cress_key_set((cress_key){ 1000, 1 }, "x"), -EINVAL);
    CHECK(cress_key_get(none) == NULL);
    CHECK_EQ(cress_key_delete(none), -EINVAL);
    CHECK_EQ(in_callback(set_in_callback, NULL), -EPERM);
    while (cress_key_create(NULL, &many[n]) == 0)
        n++;
    CHECK_EQ(n, CRESS_KEYS_MAX - 2);
    CHECK_EQ(cress_key_create(NULL, &none), -EAGAIN);
    cress_key last = many[n - 1];
    CHECK_EQ(cress_key_set(last, "old"), 0);
    CHECK_EQ(cress_key_delete(last), 0);
    CHECK(cress_key_get(last) == NULL);
    CHECK_EQ(cress_key_create(NULL, &many[n - 1]), 0);
    CHECK_EQ(many[n - 1].index, last.index);
    CHECK(cress_key_get(many[n - 1]) == NULL); /* the old one's value is nobody's */
    while (n > 0)
        CHECK_EQ(cress_key_delete(many[--n]), 0);
}

static void *sets_and_switches(void *arg, void *value)
{
    (void)value;
    CHECK_EQ(cress_key_set(key, "raw"), 0);
    return arg;
}

static void raw_coroutines_and_hubs_have_ends_too(void **state)
{
    (void)state;
    cress_coro *co;
    CHECK_EQ(cress_coro_new(NULL, sets_and_switches, NULL, &co), 0);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
    CHECK_EQ(cress_coro_free(co), 0);
    CHECK_STR(words.text, "raw");
    CHECK_EQ(cress_key_set(key, "main"), 0);
    cress_greenlet *g = cress_spawn(waits_with_a_value, "waits");
    yield();
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0) { /* of others nothing is called */
        yield();
        CHECK_STR(words.text, "raw");
        CHECK_STR(cress_key_get(key), "main");
        _exit(7);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 7);
    CHECK_EQ(cress_hub_destroy(0), 1);
    CHECK_STR(words.text, "raw main waits");
    cress_unref(g);
    told.count = 0;
    clock_begin(state);
}

#define KEY_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEY_TEST(each_greenlet_has_its_own_value),
        KEY_TEST(destructors_run_after_what_was_deferred_on_each_way_out),
        KEY_TEST(values_are_inherited_on_request),
        KEY_TEST(what_is_no_key_is_refused),
        KEY_TEST(raw_coroutines_and_hubs_have_ends_too),
    };
    return RUN_TESTS_APART(tests);
}
