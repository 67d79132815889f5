/* fork: whoever forked is the child's main, all others are dropped, the parent notices nothing. */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/told.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct words words;

static int begin(void **state)
{
    (void)state;
    words = (struct words){ 0 };
    return 0;
}

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

/* The child ends by this, so that neither its exit handlers nor cmocka have a say. */
_Noreturn static void child_ends(int status)
{
    _exit(status);
}

/* The parent waits without letting its hub run. */
static int status_of(pid_t child)
{
    int status = -1;
    CHECK_GT(child, 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool in_child;

static int discards;

static void discard(void *arg)
{
    (void)arg;
    discards++;
}

static void destroyed(cress_token *token)
{
    (void)token;
    discards++;
}

static int fds[2];

static void *reads(void *arg)
{
    char c;
    CHECK_EQ(cress_read(fds[0], &c, 1), 1);
    CHECK(!in_child);
    return arg;
}

static void *sleeps(void *arg)
{
    CHECK_EQ(cress_sleep(CRESS_MS(20)), 0);
    CHECK(!in_child);
    return arg;
}

static void *joins(void *arg)
{
    CHECK_EQ(cress_join(arg, CRESS_FOREVER), 0);
    CHECK(!in_child);
    return arg;
}

static void *idles(void *arg)
{
    CHECK_EQ(cress_idle(), 0);
    CHECK(!in_child);
    return arg;
}

static void *waits(void *arg)
{
    cress_case cases[] = { cress_on_greenlet(arg), cress_on_fd(fds[0], CRESS_IN),
                           cress_on_timer(CRESS_MS(30)) };
    cress_timeout t = { 0 };
    CHECK_EQ(cress_timeout_start(&t, CRESS_SECONDS(10)), 0);
    CHECK_EQ(cress_wait(cases, 3, 1, CRESS_FOREVER, NULL), 1);
    CHECK(!in_child);
    CHECK(!cress_timeout_stop(&t));
    return arg;
}

static void *never(void *arg)
{
    CHECK(!in_child);
    return arg;
}

static int link_called(cress_greenlet *g, void *arg)
{
    (void)g;
    (void)arg;
    CHECK(!in_child);
    return 0;
}

static void *say_it(void *arg)
{
    say(&words, arg);
    return arg;
}

static void the_child_is_alone_and_whole(cress_greenlet *other)
{
    in_child = true;
    CHECK(cress_current() != NULL);
    cress_greenlet *mine = cress_spawn(say_it, "mine"); /* before the first wait: the child's own */
    CHECK(cress_main() != NULL);
    CHECK_EQ(cress_join(other, CRESS_FOREVER), 0);
    CHECK_EQ(cress_outcome(other), CRESS_KILLED);
    CHECK(cress_current() == cress_main());
    CHECK_EQ(discards, 0);
    CHECK_EQ(cress_join(mine, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "mine");
    CHECK_EQ(cress_run(CRESS_FOREVER), 0); /* nothing of the parent's keeps it going */
    cress_hub_counts counts = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &counts), 0);
    CHECK_EQ(counts.blocked, 0);
    int own[2];
    char c;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, own), 0);
    fds[0] = own[0];
    in_child = false; /* for the functions that both use */
    cress_greenlet *reader = cress_spawn(reads, NULL);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    CHECK_EQ(cress_write(own[1], "x", 1), 1);
    CHECK_EQ(cress_join(reader, CRESS_SECONDS(10)), 0);
    CHECK_EQ(cress_read(own[0], &c, 0), 0);
    CHECK_EQ(cress_kill(cress_main(), 0), -EINVAL);
    child_ends(7);
}

/* One of each kind waits. */
static cress_greenlet *start_all(cress_greenlet *all[6])
{
    static cress_link_node node;
    static cress_token token = { .destroy = destroyed };
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    discards = 0;
    all[0] = cress_spawn(reads, NULL);
    all[1] = cress_spawn(sleeps, NULL);
    all[2] = cress_spawn(joins, all[1]);
    all[3] = cress_spawn(waits, all[1]);
    all[4] = cress_spawn(idles, NULL);
    CHECK_EQ(cress_link(all[1], &node, link_called, NULL), 0);
    CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.on_discard = discard;
    CHECK_EQ(cress_spawn_with(&o, never, NULL, &all[5]), 0);
    CHECK_EQ(cress_throw(all[5], &token), 0);
    token.destroy = NULL; /* the parent's end of it is not looked at */
    return all[1];
}

static void end_all(cress_greenlet *all[6])
{
    CHECK_EQ(cress_write(fds[1], "xx", 2), 2);
    CHECK_EQ(cress_run(CRESS_SECONDS(10)), 0);
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(cress_outcome(all[i]), CRESS_RETURNED);
        cress_unref(all[i]);
    }
    CHECK_EQ(cress_close(fds[0]), 0);
    CHECK_EQ(cress_close(fds[1]), 0);
}

static void main_forks(void **state)
{
    (void)state;
    cress_greenlet *all[6], *other = start_all(all);
    pid_t child = fork();
    if (child == 0)
        the_child_is_alone_and_whole(other);
    CHECK_EQ(status_of(child), 7);
    end_all(all);
}

static cress_greenlet *the_other;

static void *forks(void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(cress_hub_destroy(0), -EPERM); /* it stands on one of the hub's stacks */
        the_child_is_alone_and_whole(the_other);
    }
    CHECK_EQ(status_of(child), 7);
    return arg;
}

static void a_greenlet_forks(void **state)
{
    (void)state;
    cress_greenlet *all[6];
    the_other = start_all(all);
    cress_greenlet *g = cress_spawn(forks, "value");
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_STR(cress_value(g), "value");
    cress_unref(g);
    end_all(all);
}

static void at_exit(int status, void *arg)
{
    (void)arg;
    child_ends(status == 0 ? 11 : 12);
}

static void *returns_in_the_child(void *arg)
{
    pid_t *child = arg;
    *child = fork();
    if (*child == 0) {
        on_exit(at_exit, NULL); /* the parent's handlers are not run twice */
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
    }
    return NULL;
}

static void the_child_ends_when_whoever_forked_returns(void **state)
{
    (void)state;
    pid_t child = -1;
    CHECK_EQ(cress_go(returns_in_the_child, &child), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(status_of(child), 11);
}

static int fork_in_link(cress_greenlet *g, void *arg)
{
    pid_t *child = arg;
    CHECK(cress_ready(g));
    *child = fork();
    if (*child == 0) {
        on_exit(at_exit, NULL);
        CHECK_EQ(cress_sleep(1), -EPERM); /* a callback still */
        CHECK_EQ(cress_go(say_it, "in the child"), 0);
    }
    return 0;
}

static void quiet(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)arg;
    CHECK_EQ(error, -EPERM);
}

static void a_callback_forks(void **state)
{
    (void)state;
    pid_t child = -1;
    cress_link_node node = { 0 };
    CHECK_EQ(cress_hub_set_error_hook(NULL, quiet, NULL), 0);
    cress_greenlet *g = cress_spawn(say_it, "g");
    CHECK_EQ(cress_link(g, &node, fork_in_link, &child), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(status_of(child), 11); /* it returned there, and nothing was left */
    CHECK_STR(words.text, "g");
    cress_unref(g);
}

static void *raw_forks(void *arg, void *value)
{
    (void)value;
    pid_t *child = arg;
    *child = fork();
    if (*child == 0) {
        CHECK_EQ(cress_sleep(CRESS_MS(1)), 0);
        CHECK(cress_current() == NULL);
        CHECK_EQ(cress_park(CRESS_MS(1)), -ETIMEDOUT);
        child_ends(7);
    }
    return NULL;
}

static void a_raw_coroutine_forks(void **state)
{
    (void)state;
    pid_t child = -1;
    cress_coro *co;
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_coro_new(NULL, raw_forks, &child, &co), 0);
    CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
    CHECK_EQ(status_of(child), 7);
    CHECK_EQ(cress_coro_free(co), 0);
}

static void *again(void *arg)
{
    return arg;
}

static void raw_coroutines_can_be_switched_to_in_a_child_at_once(void **state)
{
    (void)state;
    CHECK_EQ(cress_yield(), 0);
    pid_t child = fork();
    if (child == 0) {
        cress_coro *co;
        pid_t grandchild = -1;
        CHECK_EQ(cress_coro_new(NULL, raw_forks, &grandchild, &co), 0);
        CHECK_EQ(cress_coro_switch(co, NULL, NULL), 0);
        CHECK_EQ(status_of(grandchild), 7); /* and children of children */
        cress_greenlet *g = cress_spawn(again, NULL);
        CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
        child_ends(7);
    }
    CHECK_EQ(status_of(child), 7);
}

static void *hub_of_its_own(void *arg)
{
    int *ready = arg;
    CHECK_EQ(cress_write(ready[1], "r", 1), 1);
    char c;
    CHECK_EQ(cress_read(ready[2], &c, 1), 1);
    CHECK_EQ(cress_hub_destroy(0), 0);
    return NULL;
}

static void beside_another_hub(void **state)
{
    (void)state;
    int there[2], back[2];
    char c;
    CHECK_EQ(pipe(there), 0);
    CHECK_EQ(pipe(back), 0);
    int ends[] = { -1, there[1], back[0] };
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, hub_of_its_own, ends), 0);
    CHECK_EQ(read(there[0], &c, 1), 1);
    cress_greenlet *all[6], *other = start_all(all);
    pid_t child = fork();
    if (child == 0)
        the_child_is_alone_and_whole(other);
    CHECK_EQ(status_of(child), 7);
    end_all(all);
    CHECK_EQ(write(back[1], "x", 1), 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(main_forks),
        TEST(a_greenlet_forks),
        TEST(the_child_ends_when_whoever_forked_returns),
        TEST(a_callback_forks),
        TEST(a_raw_coroutine_forks),
        TEST(raw_coroutines_can_be_switched_to_in_a_child_at_once),
        TEST(beside_another_hub),
    };
    return RUN_TESTS_APART(tests);
}
