/* The contract of <cress/coro.h>, sentence by sentence. What a language binding builds on is
 * marked: switches without a scheduler, whose end an exit hook directs; the thread's own stack as a
 * coroutine; areas kept with it and on its stack; hooks; giving up without running; its stack.
 */
#include "support/child.h"
#include "support/test.h"

#include <cress.h>

#include "base/fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static char told[256];

static void tell(const char *word)
{
    CHECK_LT(strlen(told) + strlen(word) + 1, sizeof told);
    strcat(told, word);
}

static cress_coro *make(cress_coro_fn fn, void *arg)
{
    cress_coro *co = NULL;
    CHECK_EQ(cress_coro_new(NULL, fn, arg, &co), 0);
    CHECK(co != NULL);
    return co;
}

static cress_coro *make_with(const cress_coro_options *options, cress_coro_fn fn, void *arg)
{
    cress_coro *co = NULL;
    CHECK_EQ(cress_coro_new(options, fn, arg, &co), 0);
    CHECK(co != NULL);
    return co;
}

static void *go(cress_coro *co, void *value)
{
    void *result = "not written";
    CHECK_EQ(cress_coro_switch(co, value, &result), 0);
    return result;
}

static void drop(cress_coro *co)
{
    CHECK_EQ(cress_coro_free(co), 0);
}

/* Switch to the parent, with a value, and give what comes back. */
static void *yield(void *value)
{
    return go(cress_coro_parent(cress_coro_current()), value);
}

static int fresh(void **state)
{
    (void)state;
    memset(told, 0, sizeof told);
    return 0;
}

static void *returns(void *arg, void *value)
{
    return arg != NULL ? arg : value;
}

static void *never(void *arg, void *value)
{
    (void)arg, (void)value;
    CHECK(false); /* it must not run */
    return NULL;
}

static void *yields_for_ever(void *arg, void *value)
{
    do {
        tell("y");
        value = yield(arg != NULL ? arg : value);
    } while (cress_coro_current() != NULL);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

static void *sees_itself(void *arg, void *value)
{
    cress_coro **self = arg;
    CHECK_EQ(cress_coro_current(), *self);
    CHECK_EQ(cress_coro_get_state(*self), CRESS_CORO_RUNNING);
    CHECK_EQ(cress_coro_get_state(cress_coro_native()), CRESS_CORO_SUSPENDED);
    return yield(value);
}

static void a_coroutine_is_new_running_suspended_ended(void **state)
{
    (void)state;
    cress_coro *co = make(sees_itself, &co);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_NEW);
    CHECK_EQ(cress_coro_get_state(cress_coro_current()), CRESS_CORO_RUNNING);
    go(co, NULL);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_SUSPENDED);
    go(co, NULL);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_ENDED);
    drop(co);
}

static int numbers[8];

static void *counts(void *arg, void *value)
{
    CHECK_EQ(arg, &numbers[0]);
    CHECK_EQ(value, &numbers[1]); /* of the first switch */
    value = yield(&numbers[2]);
    CHECK_EQ(value, &numbers[3]);
    value = yield(&numbers[4]);
    CHECK_EQ(value, NULL);
    return &numbers[5];
}

static void values_travel_both_ways_with_each_switch(void **state)
{
    (void)state;
    cress_coro *co = make(counts, &numbers[0]);
    CHECK_EQ(go(co, &numbers[1]), &numbers[2]);
    CHECK_EQ(go(co, &numbers[3]), &numbers[4]);
    CHECK_EQ(go(co, NULL), &numbers[5]); /* what it returned, since this is its parent */
    drop(co);
    co = make(returns, &numbers[6]);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0); /* nobody has to want it */
    drop(co);
}

/* The binding's point a: symmetric, without any policy. */
static cress_coro *ring[3];

static void *next_in_ring(void *arg, void *value)
{
    size_t me = (size_t)((cress_coro **)arg - ring);
    char name[2] = { (char)('a' + me), 0 };
    for (int i = 0; i < 3; i++) {
        tell(name);
        CHECK_EQ(cress_coro_switch(ring[(me + 1) % 3], value, &value), 0);
    }
    return value;
}

static void anybody_may_switch_to_anybody(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        ring[i] = make(next_in_ring, &ring[i]);
    CHECK_EQ(go(ring[0], &numbers[0]), &numbers[0]);
    CHECK_STR(told, "abcabcabc");
    CHECK_EQ(cress_coro_get_state(ring[0]), CRESS_CORO_ENDED);
    CHECK_EQ(cress_coro_get_state(ring[1]), CRESS_CORO_SUSPENDED);
    for (int i = 0; i < 3; i++)
        drop(ring[i]);
}

static void switching_to_oneself_gives_the_value_at_once(void **state)
{
    (void)state;
    CHECK_EQ(go(cress_coro_current(), &numbers[3]), &numbers[3]);
    CHECK_EQ(cress_coro_get_state(cress_coro_current()), CRESS_CORO_RUNNING);
    CHECK_EQ(cress_coro_switch(cress_coro_current(), NULL, NULL), 0);
}

static void new_refuses_what_is_out_of_bounds(void **state)
{
    (void)state;
    cress_coro *co = (cress_coro *)(void *)numbers;
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    CHECK_EQ(cress_coro_new(NULL, NULL, NULL, &co), -EINVAL);
    CHECK_EQ(cress_coro_new(NULL, returns, NULL, NULL), -EINVAL);
    o.size = 0;
    CHECK_EQ(cress_coro_new(&o, returns, NULL, &co), -EINVAL);
    o = (cress_coro_options)CRESS_CORO_OPTIONS_INIT;
    o.stack_size = ((size_t)1 << 30) + 1;
    CHECK_EQ(cress_coro_new(&o, returns, NULL, &co), -EINVAL);
    o.stack_size = 100000;
    o.top_size = 50001;
    CHECK_EQ(cress_coro_new(&o, returns, NULL, &co), -EINVAL);
    o.stack_size = 0; /* 46 KiB */
    o.top_size = 23 * 1024 + 1;
    CHECK_EQ(cress_coro_new(&o, returns, NULL, &co), -EINVAL);
    o.top_size = 0;
    o.user_size = SIZE_MAX;
    CHECK_EQ(cress_coro_new(&o, returns, NULL, &co), -EINVAL);
    CHECK_EQ(co, numbers); /* not written */
}

static void options_of_an_older_program_are_understood(void **state)
{
    (void)state;
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.size = offsetof(cress_coro_options, user_size); /* all that it knew of */
    o.user_size = 77;
    o.on_exit = (cress_coro_exit_fn)(uintptr_t)1;
    cress_coro *co = make_with(&o, returns, NULL);
    CHECK_EQ(cress_coro_user(co), NULL);
    go(co, NULL);
    drop(co);
}

/* --- parents --------------------------------------------------------------------------------- */

static void *makes_child(void *arg, void *value)
{
    cress_coro **child = arg;
    *child = make(value == NULL ? returns : yields_for_ever, NULL);
    CHECK_EQ(cress_coro_parent(*child), cress_coro_current());
    return yield(NULL);
}

static void the_parent_is_who_made_it_unless_told_otherwise(void **state)
{
    (void)state;
    CHECK_EQ(cress_coro_parent(cress_coro_native()), NULL);
    cress_coro *child, *co = make(makes_child, &child);
    CHECK_EQ(cress_coro_parent(co), cress_coro_native());
    go(co, NULL);
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.parent = child;
    cress_coro *grandchild = make_with(&o, returns, NULL);
    CHECK_EQ(cress_coro_parent(grandchild), child);
    drop(grandchild);
    drop(child);
    drop(co);
}

static void the_end_goes_to_the_parent_of_then(void **state)
{
    (void)state;
    cress_coro *child, *co = make(makes_child, &child);
    go(co, NULL);
    cress_coro *other = make(yields_for_ever, &numbers[1]);
    go(other, NULL);
    CHECK_STR(told, "y");
    CHECK_EQ(cress_coro_set_parent(child, other), 0);
    CHECK_EQ(cress_coro_parent(child), other);
    CHECK_EQ(go(child, &numbers[2]), &numbers[1]); /* its end runs other, which yields to here */
    CHECK_STR(told, "yy");
    drop(child);
    drop(other);
    drop(co);
}

static void nobody_becomes_its_own_ancestor(void **state)
{
    (void)state;
    cress_coro *a = make(returns, NULL), *b = make(returns, NULL), *c = make(returns, NULL);
    CHECK_EQ(cress_coro_set_parent(b, a), 0);
    CHECK_EQ(cress_coro_set_parent(c, b), 0);
    CHECK_EQ(cress_coro_set_parent(a, a), -EINVAL);
    CHECK_EQ(cress_coro_set_parent(a, b), -EINVAL);
    CHECK_EQ(cress_coro_set_parent(a, c), -EINVAL);
    CHECK_EQ(cress_coro_parent(a), cress_coro_native());
    CHECK_EQ(cress_coro_set_parent(c, a), 0);
    CHECK_EQ(cress_coro_set_parent(b, c), 0);
    CHECK_EQ(cress_coro_set_parent(a, b), -EINVAL);
    CHECK_EQ(cress_coro_set_parent(NULL, a), -EINVAL);
    CHECK_EQ(cress_coro_set_parent(a, NULL), -EINVAL);
    CHECK_EQ(cress_coro_set_parent(cress_coro_native(), a), -EINVAL);
    drop(a);
    drop(b);
    drop(c);
}

static void parents_that_have_ended_are_passed_over(void **state)
{
    (void)state;
    cress_coro *chain[4];
    for (int i = 0; i < 4; i++) {
        cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
        o.parent = i > 0 ? chain[i - 1] : NULL;
        chain[i] = make_with(&o, i == 0 ? yields_for_ever : returns, NULL);
    }
    go(chain[0], NULL);
    CHECK_EQ(cress_coro_abandon(chain[2]), 0);
    CHECK_EQ(cress_coro_abandon(chain[1]), 0);
    CHECK_EQ(cress_coro_parent(chain[3]), chain[2]); /* ended, but there */
    CHECK_EQ(go(chain[3], &numbers[0]), &numbers[0]);
    CHECK_STR(told, "yy"); /* 0 was resumed by the end of 3 */
    for (int i = 0; i < 4; i++)
        drop(chain[i]);
}

static void children_of_a_freed_one_are_children_of_its_parent(void **state)
{
    (void)state;
    cress_coro *chain[4];
    for (int i = 0; i < 4; i++) {
        cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
        o.parent = i > 0 ? chain[i - 1] : NULL;
        chain[i] = make_with(&o, i == 0 ? yields_for_ever : returns, NULL);
    }
    go(chain[0], NULL);
    drop(chain[1]);
    CHECK_EQ(cress_coro_parent(chain[2]), chain[0]);
    drop(chain[2]);
    CHECK_EQ(cress_coro_parent(chain[3]), chain[0]);
    CHECK_EQ(cress_coro_set_parent(chain[0], chain[3]), -EINVAL);
    CHECK_EQ(go(chain[3], &numbers[0]), &numbers[0]);
    CHECK_STR(told, "yy");
    drop(chain[0]);
    CHECK_EQ(cress_coro_parent(chain[3]), cress_coro_native());
    drop(chain[3]);
}

/* --- throwing -------------------------------------------------------------------------------- */

static void *catches(void *arg, void *value)
{
    int *errors = arg;
    (void)value;
    for (int i = 0; i < 2; i++) {
        void *result = &numbers[0];
        errors[i] = cress_coro_switch(cress_coro_parent(cress_coro_current()), NULL, &result);
        if (errors[i] < 0)
            CHECK_EQ(result, &numbers[0]); /* not written on failure */
    }
    return &numbers[1];
}

static void a_throw_is_what_the_suspended_switch_gives(void **state)
{
    (void)state;
    int errors[2] = { 0 };
    cress_coro *co = make(catches, errors);
    void *result = &numbers[5];
    go(co, NULL);
    CHECK_EQ(cress_coro_throw(co, -EPIPE, &result), 0);
    CHECK_EQ(errors[0], -EPIPE);
    CHECK_EQ(result, NULL);
    CHECK_EQ(cress_coro_throw(co, -EIO, &result), 0);
    CHECK_EQ(errors[1], -EIO);
    CHECK_EQ(result, &numbers[1]);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_ENDED);
    CHECK_EQ(cress_coro_throw(co, -EIO, NULL), -ESRCH);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), -ESRCH);
    drop(co);
}

static void a_throw_at_a_new_one_ends_it_and_reaches_its_parent(void **state)
{
    (void)state;
    cress_coro *co = make(never, NULL);
    void *result = &numbers[5];
    CHECK_EQ(cress_coro_throw(co, -EPIPE, &result), -EPIPE); /* this is its parent */
    CHECK_EQ(result, &numbers[5]);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_ENDED);
    drop(co);
    /* A line of new ones ends as a whole; the first that runs gets the error. */
    int errors[2] = { 0 };
    cress_coro *line[3] = { make(catches, errors) };
    go(line[0], NULL);
    for (int i = 1; i < 3; i++) {
        cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
        o.parent = line[i - 1];
        line[i] = make_with(&o, never, NULL);
    }
    CHECK_EQ(cress_coro_throw(line[2], -EIO, NULL), 0);
    CHECK_EQ(errors[0], -EIO);
    CHECK_EQ(cress_coro_get_state(line[2]), CRESS_CORO_ENDED);
    CHECK_EQ(cress_coro_get_state(line[1]), CRESS_CORO_ENDED);
    for (int i = 0; i < 3; i++)
        drop(line[i]);
}

static void a_throw_at_oneself_is_its_result(void **state)
{
    (void)state;
    void *result = &numbers[5];
    CHECK_EQ(cress_coro_throw(cress_coro_current(), -EIO, &result), -EIO);
    CHECK_EQ(result, &numbers[5]);
    CHECK_EQ(cress_coro_get_state(cress_coro_current()), CRESS_CORO_RUNNING);
    CHECK_EQ(go(cress_coro_current(), &numbers[1]), &numbers[1]); /* it is over */
}

static void wrong_targets_and_errors_are_refused(void **state)
{
    (void)state;
    cress_coro *co = make(never, NULL);
    CHECK_EQ(cress_coro_switch(NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(cress_coro_throw(NULL, -EIO, NULL), -EINVAL);
    CHECK_EQ(cress_coro_throw(co, 0, NULL), -EINVAL);
    CHECK_EQ(cress_coro_throw(co, EIO, NULL), -EINVAL);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_NEW);
    drop(co);
}

/* --- the exit function: the binding's point a ------------------------------------------------- */

static cress_coro *chosen;
static int hook_error;

static cress_coro *choose(cress_coro *self, void **value, int *error)
{
    CHECK_EQ(cress_coro_switch(cress_coro_parent(self), NULL, NULL), -EPERM);
    CHECK_EQ(cress_coro_throw(cress_coro_parent(self), -EIO, NULL), -EPERM);
    CHECK_EQ(cress_coro_exit(NULL, 0), -EPERM);
    CHECK_EQ(cress_yield(), -EPERM);
    tell(*error == 0 ? "x" : "X");
    *value = &numbers[7];
    *error = hook_error;
    return chosen;
}

static void ignore_report(cress_hub *hub, cress_greenlet *g, const char *context, int error,
                          void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
}

static int hooked(void **state)
{
    chosen = NULL;
    hook_error = 0;
    cress_set_error_hook(ignore_report, NULL); /* of the yield that is refused */
    return fresh(state);
}

static int unhooked(void **state)
{
    (void)state;
    cress_set_error_hook(NULL, NULL);
    return cress_hub_destroy(0);
}

static cress_coro *make_hooked(cress_coro_fn fn, void *arg)
{
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.on_exit = choose;
    return make_with(&o, fn, arg);
}

static void the_exit_function_chooses_the_successor_and_what_it_gets(void **state)
{
    (void)state;
    cress_coro *co = make_hooked(returns, &numbers[0]);
    CHECK_EQ(go(co, NULL), &numbers[7]); /* NULL chosen: the parent */
    drop(co);

    cress_coro *other = make(yields_for_ever, NULL);
    go(other, NULL);
    chosen = other;
    co = make_hooked(returns, &numbers[0]);
    CHECK_EQ(go(co, NULL), &numbers[7]); /* through other, which passes it on */
    CHECK_STR(told, "xyxy");
    drop(co);
    drop(other);

    int errors[2] = { 0 };
    other = make(catches, errors);
    go(other, NULL);
    chosen = other;
    hook_error = -EXFULL;
    co = make_hooked(returns, NULL);
    go(co, NULL);
    CHECK_EQ(errors[0], -EXFULL);
    drop(co);

    hook_error = 0;
    co = make_hooked(never, NULL); /* one that is thrown at before it ran ends the same way */
    CHECK_EQ(cress_coro_throw(co, -EIO, NULL), 0);
    CHECK_EQ(errors[1], 0); /* the hook took the error away */
    CHECK_STR(told, "xyxyxX");
    drop(co);
    drop(other);
}

static void the_exit_function_may_choose_one_that_is_new(void **state)
{
    (void)state;
    cress_coro *next = make(returns, NULL);
    chosen = next;
    cress_coro *co = make_hooked(returns, &numbers[0]);
    CHECK_EQ(go(co, NULL), &numbers[7]); /* given to next, which returns it to its parent */
    CHECK_EQ(cress_coro_get_state(next), CRESS_CORO_ENDED);
    drop(co);
    drop(next);
}

/* With an error, the one chosen ends at once, and its parent is the very one that is ending. */
static void an_error_for_a_new_child_of_the_one_that_ends_goes_further_up(void **state)
{
    (void)state;
    cress_coro *co = make_hooked(returns, &numbers[0]);
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.parent = co;
    chosen = make_with(&o, never, NULL);
    hook_error = -EIO;
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), -EIO);
    CHECK_EQ(cress_coro_get_state(chosen), CRESS_CORO_ENDED);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_ENDED);
    drop(chosen);
    drop(co);
}

/* --- leaving from deep inside ---------------------------------------------------------------- */

static void deep(int depth, int error)
{
    volatile char frame[100];
    frame[0] = (char)depth;
    if (depth > 0)
        deep(depth - 1, error);
    else
        cress_coro_exit(&numbers[4], error);
    CHECK_EQ(frame[0], 12345); /* nobody comes back */
}

static void *leaves(void *arg, void *value)
{
    (void)value;
    deep(50, *(int *)arg);
    return NULL;
}

static void exit_ends_it_from_deep_frames(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        int error = i % 2 == 0 ? 0 : -EIO;
        cress_coro *co = make(leaves, &error);
        void *result = NULL;
        CHECK_EQ(cress_coro_switch(co, NULL, &result), error);
        CHECK_EQ(result, error == 0 ? &numbers[4] : NULL);
        CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_ENDED);
        drop(co);
    }
}

static void *exits_in_greenlet(void *arg)
{
    CHECK_EQ(cress_coro_exit(NULL, 0), -EPERM);
    return arg;
}

static void exit_is_for_raw_coroutines_only(void **state)
{
    (void)state;
    CHECK_EQ(cress_coro_exit(NULL, 0), -EPERM);
    cress_greenlet *g = cress_spawn(exits_in_greenlet, &numbers[2]);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_value(g), &numbers[2]);
    cress_unref(g);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

/* --- giving up: the binding's point i --------------------------------------------------------- */

static void abandoning_runs_nothing_and_gives_the_stack_back(void **state)
{
    (void)state;
    cress_coro *co = make(yields_for_ever, NULL);
    go(co, NULL);
    cress_stack_info info, after;
    CHECK_EQ(cress_coro_stack(co, &info), 0);
    CHECK_EQ(cress_coro_abandon(co), 0);
    CHECK_STR(told, "y");
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_ENDED);
    CHECK_EQ(cress_coro_stack(co, &after), -ENOENT);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), -ESRCH);
    CHECK_EQ(cress_coro_abandon(co), 0); /* again */
    cress_coro *next = make(yields_for_ever, NULL);
    go(next, NULL);
    CHECK_EQ(cress_coro_stack(next, &after), 0);
    CHECK_EQ(after.high, info.high); /* the stack is in use again */
    drop(next);
    drop(co);
    co = make(never, NULL);
    CHECK_EQ(cress_coro_abandon(co), 0);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), -ESRCH);
    drop(co);
    CHECK_EQ(cress_coro_abandon(NULL), -EINVAL);
    CHECK_EQ(cress_coro_free(NULL), 0);
}

static void *gives_up_itself(void *arg, void *value)
{
    (void)arg;
    CHECK_EQ(cress_coro_abandon(cress_coro_current()), -EBUSY);
    CHECK_EQ(cress_coro_free(cress_coro_current()), -EBUSY);
    CHECK_EQ(cress_coro_free(cress_coro_native()), -EBUSY);
    return value;
}

static cress_coro *gives_up_current(cress_coro *self, void **value, int *error)
{
    (void)self, (void)value, (void)error;
    CHECK_EQ(cress_coro_free(cress_coro_current()), -EBUSY);
    return NULL;
}

static void one_that_runs_cannot_be_given_up(void **state)
{
    (void)state;
    CHECK_EQ(cress_coro_abandon(cress_coro_native()), -EBUSY);
    CHECK_EQ(cress_coro_free(cress_coro_native()), -EBUSY);
    cress_coro *co = make(gives_up_itself, NULL);
    go(co, NULL);
    drop(co);
    /* ... nor by the exit function of a new one that it throws at */
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    cress_coro *thrown = NULL;
    cress_coro *runs = make(yields_for_ever, NULL);
    o.on_exit = gives_up_current;
    thrown = make_with(&o, never, NULL);
    CHECK_EQ(cress_coro_throw(thrown, -EIO, NULL), -EIO);
    CHECK_EQ(cress_coro_get_state(cress_coro_current()), CRESS_CORO_RUNNING);
    drop(thrown);
    drop(runs);
}

/* --- areas: the binding's point c ------------------------------------------------------------- */

static void *uses_areas(void *arg, void *value)
{
    cress_coro *self = cress_coro_current();
    char *top = cress_coro_top(self), *user = cress_coro_user(self);
    cress_stack_info info;
    CHECK_EQ(cress_coro_stack(self, &info), 0);
    CHECK_EQ((uintptr_t)top % 16, 0);
    CHECK_GE(top, info.low);
    CHECK_LE(top + 1500, (char *)info.high);
    CHECK_LT((char *)info.sp, top); /* frames stay below */
    memset(top, 0x11, 1500);
    memset(user, 0x22, 100);
    do {
        value = yield(value);
        for (int i = 0; i < 1500; i++)
            CHECK_EQ(top[i], 0x11);
    } while (value != arg);
    return value;
}

static void user_and_top_area_are_its_own(void **state)
{
    (void)state;
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.user_size = 100;
    o.top_size = 1500; /* of the default stack */
    cress_coro *co[2];
    for (int i = 0; i < 2; i++) {
        co[i] = make_with(&o, uses_areas, &numbers[0]);
        char *user = cress_coro_user(co[i]);
        CHECK_EQ((uintptr_t)user % 16, 0);
        for (int k = 0; k < 100; k++)
            CHECK_EQ(user[k], 0);
        CHECK_EQ(cress_coro_top(co[i]), NULL); /* no stack yet */
    }
    for (int i = 0; i < 2; i++)
        go(co[i], NULL);
    for (int i = 0; i < 2; i++)
        go(co[i], NULL);
    CHECK_NE(cress_coro_top(co[0]), cress_coro_top(co[1]));
    for (int i = 0; i < 2; i++) {
        go(co[i], &numbers[0]);
        CHECK_EQ(cress_coro_get_state(co[i]), CRESS_CORO_ENDED);
        CHECK_EQ(cress_coro_top(co[i]), NULL);
        char *user = cress_coro_user(co[i]); /* kept until it is freed */
        for (int k = 0; k < 100; k++)
            CHECK_EQ(user[k], 0x22);
        drop(co[i]);
    }
    cress_coro *plain = make(returns, NULL);
    CHECK_EQ(cress_coro_user(plain), NULL);
    CHECK_EQ(cress_coro_top(plain), NULL);
    drop(plain);
}

/* --- hooks: the binding's point d ------------------------------------------------------------- */

static void *stack_of_leave, *stack_of_enter;
static const char *names[3] = { "n", "a", "b" };
static cress_coro *named[3];

static const char *name_of(const cress_coro *co)
{
    for (int i = 0; i < 3; i++)
        if (named[i] == co)
            return names[i];
    return "?";
}

static void on_leave(cress_coro *co, void *user)
{
    char here;
    stack_of_leave = &here;
    CHECK_EQ(user, cress_coro_user(co));
    CHECK_EQ(cress_coro_switch(cress_coro_native(), NULL, NULL), -EPERM);
    CHECK_EQ(cress_coro_exit(NULL, 0), -EPERM);
    tell("-");
    tell(name_of(co));
}

static void on_enter(cress_coro *co, void *user)
{
    char here;
    stack_of_enter = &here;
    CHECK_EQ(user, cress_coro_user(co));
    tell("+");
    tell(name_of(co));
    if (user != NULL) { /* made with a top area: there from here on */
        CHECK(cress_coro_top(co) != NULL);
        *(int *)cress_coro_top(co) = 4711;
    }
}

static const cress_switch_hooks hooks = { .leave = on_leave, .enter = on_enter };

static bool on_stack_of(const void *address, const cress_coro *co)
{
    cress_stack_info info;
    CHECK_EQ(cress_coro_stack(co, &info), 0);
    return (const char *)address >= (char *)info.low && (const char *)address < (char *)info.high;
}

static void *sees_top(void *arg, void *value)
{
    cress_coro *self = cress_coro_current();
    CHECK(on_stack_of(stack_of_leave, cress_coro_native())); /* of the one that left for here */
    CHECK(on_stack_of(stack_of_enter, cress_coro_native()));
    CHECK_EQ(*(int *)cress_coro_top(self), 4711);
    yield(value);
    CHECK_EQ(*(int *)cress_coro_top(self), 4711);
    return arg;
}

static void hooks_see_every_switch_on_the_stack_of_who_leaves(void **state)
{
    (void)state;
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.user_size = 1;
    o.top_size = 64;
    named[0] = cress_coro_native();
    named[1] = make_with(&o, sees_top, NULL);
    CHECK_EQ(cress_coro_set_hooks(&hooks), 0);
    go(named[1], NULL);
    CHECK_STR(told, "-n+a-a+n");
    CHECK(on_stack_of(stack_of_leave, named[1]));
    CHECK(on_stack_of(stack_of_enter, named[1]));
    go(named[1], NULL);
    CHECK_STR(told, "-n+a-a+n-n+a-a+n"); /* the end as well */
    go(cress_coro_current(), NULL);      /* no switch */
    CHECK_EQ(cress_coro_set_hooks(NULL), 0);
    drop(named[1]);
    named[1] = make(returns, NULL);
    go(named[1], NULL);
    CHECK_STR(told, "-n+a-a+n-n+a-a+n");
    drop(named[1]);
    cress_switch_hooks half = { .enter = on_enter };
    CHECK_EQ(cress_coro_set_hooks(&half), -EINVAL);
    half = (cress_switch_hooks){ .leave = on_leave };
    CHECK_EQ(cress_coro_set_hooks(&half), -EINVAL);
}

static cress_coro *to_named_2(cress_coro *self, void **value, int *error)
{
    (void)self, (void)value, (void)error;
    return named[2];
}

static void *notes_its_stack(void *arg, void *value)
{
    (void)value;
    CHECK_EQ(cress_coro_stack(cress_coro_current(), arg), 0);
    return arg;
}

static void one_that_ends_leaves_its_stack_to_a_new_successor(void **state)
{
    (void)state;
    cress_stack_info infos[3];
    /* The same class of stack, and the top area as large: it is taken over as it is. */
    static const struct {
        size_t stack_size, top_size;
        bool same;
    } second[] = { { 0, 64, true }, { 40000, 64, true }, { 0, 0, false }, { 200000, 64, false } };
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
        cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
        o.user_size = 1;
        o.top_size = 64;
        o.on_exit = to_named_2;
        named[0] = cress_coro_native();
        named[1] = make_with(&o, notes_its_stack, &infos[1]);
        o.on_exit = NULL;
        o.stack_size = second[i].stack_size;
        o.top_size = second[i].top_size;
        o.user_size = o.top_size > 0;
        named[2] = make_with(&o, notes_its_stack, &infos[2]);
        memset(told, 0, sizeof told);
        CHECK_EQ(cress_coro_set_hooks(&hooks), 0);
        CHECK_EQ(go(named[1], NULL), &infos[2]);
        CHECK_EQ(cress_coro_set_hooks(NULL), 0);
        CHECK_STR(told, "-n+a-a+b-b+n"); /* both are told although no stack was switched */
        CHECK_EQ(infos[1].high == infos[2].high, second[i].same);
        CHECK_EQ(cress_coro_get_state(named[1]), CRESS_CORO_ENDED);
        CHECK_EQ(cress_coro_get_state(named[2]), CRESS_CORO_ENDED);
        drop(named[1]);
        drop(named[2]);
    }
}

/* --- the thread's own stack: the binding's point b -------------------------------------------- */

static void *on_a_fresh_thread(void *arg)
{
    cress_coro *native = cress_coro_current();
    CHECK(native != NULL);
    CHECK_NE(native, arg);
    CHECK_EQ(cress_coro_native(), native);
    CHECK_EQ(cress_coro_get_state(native), CRESS_CORO_RUNNING);
    CHECK_EQ(cress_coro_parent(native), NULL);
    CHECK_EQ(cress_coro_user(native), NULL);
    CHECK_EQ(cress_coro_top(native), NULL);
    CHECK_EQ(cress_coro_stack_peak(native), 0);
    cress_stack_info info;
    CHECK_EQ(cress_coro_stack(native, &info), 0);
    char here;
    CHECK_GE(&here, info.low);
    CHECK_LT(&here, info.high);
    CHECK_EQ(info.guard, CRESS_GUARD_NONE);
    CHECK_GT(cress_stack_used(), 0);
    CHECK_LT(cress_stack_used(), (char *)info.high - (char *)info.low);
    cress_coro *co = make(yields_for_ever, NULL);
    CHECK_EQ(go(co, NULL), NULL);
    CHECK_EQ(cress_coro_current(), native);
    drop(co);
    return NULL;
}

static void in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void the_threads_own_stack_is_a_coroutine_from_the_first_call_on(void **state)
{
    (void)state;
    on_a_fresh_thread(NULL);
    in_thread(on_a_fresh_thread, cress_coro_native());
}

/* --- other threads --------------------------------------------------------------------------- */

static void *tries_foreign(void *arg)
{
    cress_coro *co = arg, *mine = make(returns, NULL), *out = NULL;
    cress_stack_info info;
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.parent = co;
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), -EXDEV);
    CHECK_EQ(cress_coro_throw(co, -EIO, NULL), -EXDEV);
    CHECK_EQ(cress_coro_abandon(co), -EXDEV);
    CHECK_EQ(cress_coro_free(co), -EXDEV);
    CHECK_EQ(cress_coro_set_parent(mine, co), -EXDEV);
    CHECK_EQ(cress_coro_new(&o, returns, NULL, &out), -EXDEV);
    CHECK_EQ(cress_coro_stack(co, &info), -EXDEV);
    CHECK_EQ(cress_coro_trim(co), -EXDEV);
    CHECK_EQ(cress_unpark(co), -EXDEV);
    drop(mine);
    return NULL;
}

static void coroutines_of_another_thread_are_not_touched(void **state)
{
    (void)state;
    cress_coro *co = make(yields_for_ever, NULL);
    go(co, NULL);
    in_thread(tries_foreign, co);
    go(co, NULL);
    CHECK_STR(told, "yy");
    drop(co);
}

static cress_coro *left[4];

static void *leaves_coroutines(void *arg)
{
    (void)arg;
    left[0] = make(never, NULL);
    left[1] = make(yields_for_ever, NULL);
    left[2] = make(returns, NULL);
    go(left[1], NULL);
    go(left[2], NULL);
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.parent = left[1];
    left[3] = make_with(&o, yields_for_ever, NULL);
    return NULL;
}

static void after_its_thread_has_ended_anybody_may_give_one_up(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        in_thread(leaves_coroutines, NULL);
        CHECK_EQ(cress_coro_switch(left[1], NULL, NULL), -EXDEV);
        CHECK_EQ(cress_coro_abandon(left[1]), 0);
        CHECK_EQ(cress_coro_get_state(left[1]), CRESS_CORO_ENDED);
        for (int i = 0; i < 4; i++)
            drop(left[order == 0 ? i : 3 - i]);
    }
}

static char *on_its_stack;

static void *leaves_a_text(void *arg, void *value)
{
    char text[] = "here";
    (void)value;
    on_its_stack = text;
    cress_coro_switch(arg, NULL, NULL);
    return NULL;
}

static void *ends_beside_a_text(void *arg)
{
    (void)arg;
    left[0] = make(leaves_a_text, cress_coro_native());
    left[1] = make(never, NULL);
    go(left[0], NULL);
    return NULL;
}

/* Somebody may have pointers to what lies there. */
static void a_suspended_one_keeps_its_stack_when_its_thread_ends(void **state)
{
    (void)state;
    in_thread(ends_beside_a_text, NULL);
    CHECK_STR(on_its_stack, "here");
    drop(left[1]);
    CHECK_STR(on_its_stack, "here");
    drop(left[0]); /* and with the last one all is unmapped */
    unsigned char resident;
    void *page = (void *)((uintptr_t)on_its_stack & ~(uintptr_t)65535);
    CHECK_EQ(mincore(page, 1, &resident), -1);
    CHECK_EQ(errno, ENOMEM);
}

/* --- stacks: the binding's point j ------------------------------------------------------------ */

static __attribute__((noinline)) void touch(size_t bytes)
{
    char frame[1024];
    memset(frame, 0x7e, sizeof frame);
    __asm__ volatile("" ::"r"(frame) : "memory");
    if (bytes > sizeof frame)
        touch(bytes - sizeof frame);
    __asm__ volatile("" ::"r"(frame) : "memory"); /* each frame is needed to the end */
}

static void *works_deep(void *arg, void *value)
{
    size_t before = cress_stack_used();
    CHECK_GT(before, 0);
    CHECK_LT(before, 8192);
    yield(NULL);
    touch(*(size_t *)arg);
    yield(NULL);
    return value;
}

static void the_stack_tells_its_bounds_and_how_much_was_used(void **state)
{
    (void)state;
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.stack_size = 3 * 1024 * 1024; /* of a class that nobody else here has used */
    size_t depth = 1024 * 1024;
    cress_coro *co = make_with(&o, works_deep, &depth);
    cress_stack_info info = { .low = numbers };
    CHECK_EQ(cress_coro_stack(co, &info), -ENOENT);
    CHECK_EQ(info.low, numbers); /* not written */
    CHECK_EQ(cress_coro_stack(NULL, &info), -EINVAL);
    CHECK_EQ(cress_coro_stack(co, NULL), -EINVAL);
    CHECK_EQ(cress_coro_stack_peak(co), 0);
    CHECK_EQ(cress_coro_trim(co), -EBUSY);
    go(co, NULL);
    CHECK_EQ(cress_coro_stack(co, &info), 0);
    CHECK_GE((char *)info.high - (char *)info.low, 3 * 1024 * 1024);
    CHECK_GT((char *)info.sp, (char *)info.low);
    CHECK_LT((char *)info.sp, (char *)info.high);
    CHECK_GE(info.guard, CRESS_GUARD_CANARY);
    CHECK_GT(info.guard_size, 0);
    size_t used = (size_t)((char *)info.high - (char *)info.sp), peak = cress_coro_stack_peak(co);
    CHECK_GE(peak, used);
    CHECK_LT(peak, 256 * 1024);
    go(co, NULL);
    CHECK_GE(cress_coro_stack_peak(co), depth);
    CHECK_LT(cress_coro_stack_peak(co), 3 * depth);
    CHECK_GE(cress_coro_trim(co), depth / 2); /* what it used once is given back */
    CHECK_LT(cress_coro_stack_peak(co), depth);
    CHECK_EQ(cress_coro_trim(cress_coro_native()), -EBUSY);
    CHECK_EQ(go(co, &numbers[3]), NULL);
    drop(co);
    CHECK_GE(cress_stack_trim(), 1);
}

static bool no_memory(const char *what)
{
    return strcmp(what, "mmap") == 0 || strstr(what, "alloc") != NULL;
}

static bool no_mapping(const char *what)
{
    return strcmp(what, "mmap") == 0;
}

/* Coroutines on all stacks of 1 MiB that there are without mapping more. */
enum { BIG = 1 << 20, MANY = 1000 };
static cress_coro *hogs[MANY];
static size_t n_hogs;

static void *hog(void *arg, void *value)
{
    (void)arg;
    return yield(value);
}

static void take_all_stacks(void)
{
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.stack_size = BIG;
    cress__fault_hook = no_mapping;
    int error = 0;
    for (n_hogs = 0; error == 0; n_hogs++) {
        CHECK_LT(n_hogs, MANY);
        hogs[n_hogs] = make_with(&o, hog, NULL);
        error = cress_coro_switch(hogs[n_hogs], NULL, NULL);
    }
    CHECK_EQ(error, -ENOMEM);
    CHECK_EQ(cress_coro_get_state(hogs[n_hogs - 1]), CRESS_CORO_NEW);
    cress__fault_hook = NULL;
}

static void give_all_stacks_back(void)
{
    for (size_t i = 0; i < n_hogs; i++)
        drop(hogs[i]);
}

/* In a thread of its own, with which all those stacks go. */
static void *start_without_memory(void *arg)
{
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.stack_size = BIG;
    take_all_stacks();
    cress_coro *co = make_with(&o, returns, NULL), *none = (cress_coro *)(void *)numbers;
    void *result = &numbers[1];
    cress__fault_hook = no_memory;
    CHECK_EQ(cress_coro_new(&o, returns, NULL, &none), -ENOMEM);
    CHECK_EQ(cress_coro_switch(co, &numbers[0], &result), -ENOMEM);
    cress__fault_hook = NULL;
    CHECK_EQ(none, numbers);
    CHECK_EQ(result, &numbers[1]);
    CHECK_EQ(cress_coro_get_state(co), CRESS_CORO_NEW);
    CHECK_EQ(go(co, &numbers[2]), &numbers[2]); /* it can still be started */
    drop(co);
    give_all_stacks_back();
    return arg;
}

static void without_memory_nothing_happens_and_it_is_told(void **state)
{
    (void)state;
    in_thread(start_without_memory, NULL);
}

static cress_coro *to_chosen(cress_coro *self, void **value, int *error)
{
    (void)self, (void)value, (void)error;
    cress__fault_hook = no_memory;
    return chosen;
}

static void *succeed_without_memory(void *arg)
{
    take_all_stacks();
    cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
    o.on_exit = to_chosen;
    cress_coro *co = make_with(&o, returns, NULL);
    o.on_exit = NULL;
    o.parent = co; /* which is the one that ends: so it is here that it arrives */
    o.stack_size = BIG;
    chosen = make_with(&o, never, NULL);
    int error = cress_coro_switch(co, NULL, NULL);
    cress__fault_hook = NULL;
    CHECK_EQ(error, -ENOMEM);
    CHECK_EQ(cress_coro_get_state(chosen), CRESS_CORO_ENDED);
    drop(chosen);
    drop(co);
    give_all_stacks_back();
    return arg;
}

static void where_the_successor_gets_no_stack_its_parent_is_told(void **state)
{
    (void)state;
    in_thread(succeed_without_memory, NULL);
}

static void *overflows(void *arg, void *value)
{
    touch((size_t)1 << 30);
    return arg != NULL ? arg : value;
}

static void *overflows_in_greenlet(void *arg)
{
    return overflows(arg, NULL);
}

static void overflow_in_coroutine(void *arg)
{
    signal(SIGSEGV, SIG_DFL); /* the test runner has its own handler */
    CHECK_EQ(cress_stack_report(true), 0);
    go(make(overflows, NULL), arg);
}

static void nothing(cress_coro *co, void *user)
{
    (void)co;
    (void)user;
}

static size_t digger(const cress_coro *co, void *user, char *text, size_t size)
{
    (void)co;
    (void)user;
    static const char name[] = "the digger";
    size_t length = sizeof name - 1 < size ? sizeof name - 1 : size;
    memcpy(text, name, length);
    return length;
}

static void overflow_in_described_coroutine(void *arg)
{
    static const cress_switch_hooks describing = { nothing, nothing, digger };
    cress_stack_report(true);
    CHECK_EQ(cress_coro_set_hooks(&describing), 0);
    go(make(overflows, NULL), arg);
}

static void overflow_in_named_greenlet(void *arg)
{
    (void)arg;
    signal(SIGSEGV, SIG_DFL); /* what the first hub looks at */
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.name = "digger";
    CHECK_EQ(cress_spawn_with(&o, overflows_in_greenlet, NULL, NULL), 0);
    cress_run(CRESS_FOREVER);
}

static void overflow_without_report(void *arg)
{
    CHECK_EQ(cress_stack_report(false), 0);
    overflow_in_named_greenlet(arg);
}

static void an_overflow_names_the_coroutine_and_ends_the_process(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("left out: a sanitizer catches SIGSEGV itself\n");
    skip();
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    print_message("left out: a sanitizer catches SIGSEGV itself\n");
    skip();
#endif
#endif
    struct child_result result;
    child_run(overflow_in_coroutine, NULL, 10000, &result);
    CHECK_EQ(result.signal, SIGSEGV);
    CHECK(strstr(result.error, "cress: stack overflow in a coroutine, which has ") != NULL);
    child_run(overflow_in_described_coroutine, NULL, 10000, &result);
    CHECK(strstr(result.error, "cress: stack overflow in the digger, which has ") != NULL);
    child_run(overflow_in_named_greenlet, NULL, 10000, &result);
    CHECK_EQ(result.signal, SIGSEGV);
    CHECK(strstr(result.error, "cress: stack overflow in greenlet digger, which has ") != NULL);
    child_run(overflow_without_report, NULL, 10000, &result);
    CHECK_EQ(result.signal, SIGSEGV);
    CHECK(strstr(result.error, "cress") == NULL);
}

static void ten_thousand_come_and_go_on_the_same_few_stacks(void **state)
{
    (void)state;
    cress_stack_info first = { 0 }, info;
    for (int i = 0; i < 10000; i++) {
        cress_coro *co = make(notes_its_stack, &info);
        CHECK_EQ(go(co, NULL), &info);
        if (i == 0)
            first = info;
        CHECK_EQ(info.high, first.high);
        drop(co);
    }
}

/* What a thread keeps until it ends is there from now on, and counts as nobody's leak. */
static void settle_in(void)
{
    static const size_t classes[] = { 0, 200000, BIG, 3 * 1024 * 1024 };
    cress_coro *co[8];
    for (size_t i = 0; i < 8; i++) {
        cress_coro_options o = CRESS_CORO_OPTIONS_INIT;
        o.stack_size = classes[i / 2];
        co[i] = make_with(&o, yields_for_ever, NULL);
        go(co[i], NULL);
    }
    for (size_t i = 0; i < 8; i++)
        drop(co[i]);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)
#define HOOKED(name) cmocka_unit_test_setup_teardown(name, hooked, unhooked)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_coroutine_is_new_running_suspended_ended),
        TEST(values_travel_both_ways_with_each_switch),
        TEST(anybody_may_switch_to_anybody),
        TEST(switching_to_oneself_gives_the_value_at_once),
        TEST(new_refuses_what_is_out_of_bounds),
        TEST(options_of_an_older_program_are_understood),
        TEST(the_parent_is_who_made_it_unless_told_otherwise),
        TEST(the_end_goes_to_the_parent_of_then),
        TEST(nobody_becomes_its_own_ancestor),
        TEST(parents_that_have_ended_are_passed_over),
        TEST(children_of_a_freed_one_are_children_of_its_parent),
        TEST(a_throw_is_what_the_suspended_switch_gives),
        TEST(a_throw_at_a_new_one_ends_it_and_reaches_its_parent),
        TEST(a_throw_at_oneself_is_its_result),
        TEST(wrong_targets_and_errors_are_refused),
        HOOKED(the_exit_function_chooses_the_successor_and_what_it_gets),
        HOOKED(the_exit_function_may_choose_one_that_is_new),
        HOOKED(an_error_for_a_new_child_of_the_one_that_ends_goes_further_up),
        TEST(exit_ends_it_from_deep_frames),
        TEST(exit_is_for_raw_coroutines_only),
        TEST(abandoning_runs_nothing_and_gives_the_stack_back),
        TEST(one_that_runs_cannot_be_given_up),
        TEST(user_and_top_area_are_its_own),
        TEST(hooks_see_every_switch_on_the_stack_of_who_leaves),
        TEST(one_that_ends_leaves_its_stack_to_a_new_successor),
        TEST(the_threads_own_stack_is_a_coroutine_from_the_first_call_on),
        TEST(coroutines_of_another_thread_are_not_touched),
        TEST(after_its_thread_has_ended_anybody_may_give_one_up),
        TEST(a_suspended_one_keeps_its_stack_when_its_thread_ends),
        TEST(the_stack_tells_its_bounds_and_how_much_was_used),
        TEST(without_memory_nothing_happens_and_it_is_told),
        TEST(where_the_successor_gets_no_stack_its_parent_is_told),
        TEST(an_overflow_names_the_coroutine_and_ends_the_process),
        TEST(ten_thousand_come_and_go_on_the_same_few_stacks),
    };
    settle_in();
    return RUN_TESTS(tests);
}
