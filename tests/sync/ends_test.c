/* Ends: of the hub while greenlets wait or have just been handed something, and in a child process;
 * a row for each kind of object. */
#include "sync/crowd.h"

#include <sys/wait.h>
#include <unistd.h>

struct objects {
    cress_event event;
    cress_result result;
    cress_sem sem, fair;
    cress_mutex mutex;
    cress_rwlock lock;
    cress_mutex cond_mutex;
    cress_cond cond;
    cress_barrier barrier;
    cress_once once;
    cress_latch latch;
};

static struct objects o;
static cress_greenlet *holder;
static bool released, in_child;

static int stay(void *arg)
{
    (void)arg;
    while (!released)
        cress_sleep(CRESS_MS(1));
    return 0;
}

/* Whatever can be held is, until told otherwise. */
static void *holds(void *arg)
{
    CHECK_EQ(cress_mutex_lock(&o.mutex, 0), 0);
    CHECK_EQ(cress_rwlock_rdlock(&o.lock, 0), 0);
    CHECK_EQ(cress_once_run(&o.once, stay, NULL, 0), 0);
    CHECK_EQ(cress_rwlock_unlock(&o.lock), 0);
    CHECK_EQ(cress_mutex_unlock(&o.mutex), 0);
    return arg;
}

static int event_wait(cress_time t)
{
    return cress_event_wait(&o.event, t);
}

static int result_wait(cress_time t)
{
    return cress_result_wait(&o.result, t);
}

static int sem_acquire(cress_time t)
{
    return cress_sem_acquire(&o.sem, t);
}

static int fair_acquire(cress_time t)
{
    return cress_sem_acquire(&o.fair, t);
}

static int sem_choose(cress_time t)
{
    cress_case c[] = { cress_on_sem(&o.sem), cress_on_event(&o.event) };
    int r = cress_choose(c, 2, t);
    return r > 0 ? 0 : r;
}

static int mutex_lock(cress_time t)
{
    int r = cress_mutex_lock(&o.mutex, t);
    return r == 0 ? cress_mutex_unlock(&o.mutex) : r;
}

static int wrlock(cress_time t)
{
    int r = cress_rwlock_wrlock(&o.lock, t);
    return r == 0 ? cress_rwlock_unlock(&o.lock) : r;
}

static int cond_wait(cress_time t)
{
    CHECK_EQ(cress_mutex_lock(&o.cond_mutex, 0), 0);
    int r = cress_cond_wait(&o.cond, &o.cond_mutex, t);
    CHECK_EQ(cress_mutex_unlock(&o.cond_mutex), 0);
    return r;
}

static int barrier_wait(cress_time t)
{
    return cress_barrier_wait(&o.barrier, t);
}

static int latch_wait(cress_time t)
{
    return cress_latch_wait(&o.latch, t);
}

static void set_event(void)
{
    CHECK_EQ(cress_event_set(&o.event), 0);
    CHECK_EQ(cress_event_clear(&o.event), 0);
}

static void set_result(void)
{
    CHECK_EQ(cress_result_set(&o.result, NULL), 0);
    o.result = (cress_result){ { 0 } };
}

static void release_sem(void)
{
    CHECK_EQ(cress_sem_release(&o.sem), 0);
}

static void release_fair(void)
{
    CHECK_EQ(cress_sem_release(&o.fair), 0);
}

static void signal_cond(void)
{
    CHECK_EQ(cress_cond_signal(&o.cond), 0);
}

static void count_down(void)
{
    CHECK_EQ(cress_latch_count_down(&o.latch, 1), 0);
}

static void nothing(void) {}

static const struct row {
    const char *name;
    int (*call)(cress_time timeout);
    void (*bring)(void); /* for one who waits */
    int then;            /* what the call says when all who waited are gone, tried once */
} rows[] = {
    { "event", event_wait, nothing, -EAGAIN },
    { "result", result_wait, nothing, -EAGAIN },
    { "semaphore", sem_acquire, nothing, -EAGAIN },
    { "semaphore, released", sem_acquire, release_sem, 0 },
    { "fair semaphore, released", fair_acquire, release_fair, 0 },
    { "semaphore in a choice, released", sem_choose, release_sem, 0 },
    { "choice", sem_choose, nothing, -EAGAIN },
    { "mutex", mutex_lock, nothing, 0 },
    { "lock", wrlock, nothing, 0 },
    { "condition", cond_wait, nothing, -EAGAIN },
    { "condition, signalled", cond_wait, signal_cond, -EAGAIN },
    { "barrier", barrier_wait, nothing, -EAGAIN },
    { "latch", latch_wait, nothing, -EAGAIN },
    { "latch, at zero", latch_wait, count_down, 0 },
};

static void begin_row(void)
{
    o = (struct objects){ 0 };
    released = false;
    CHECK_EQ(cress_sem_init(&o.fair, 0, CRESS_FAIR), 0);
    CHECK_EQ(cress_barrier_init(&o.barrier, 3, 0), 0);
    CHECK_EQ(cress_latch_init(&o.latch, 1, 0), 0);
    holder = cress_spawn(holds, NULL);
    yield();
}

static int call_row(void *row, cress_time timeout)
{
    int r = ((const struct row *)row)->call(timeout);
    CHECK(!in_child);
    return r;
}

/* Two wait, in a hub that ends without giving them time. */
static void two_wait_and_their_hub_ends(const struct row *row)
{
    struct member a, b;
    begin_row();
    enter(&a, row->name, call_row, (void *)(uintptr_t)row, CRESS_FOREVER);
    enter(&b, row->name, call_row, (void *)(uintptr_t)row, CRESS_FOREVER);
    row->bring();
    CHECK_EQ(cress_hub_destroy(0), 3);
    cress_unref(a.g);
    cress_unref(b.g);
    cress_unref(holder);
}

static void to_nobody(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
}

static void what_was_for_the_abandoned_is_there_for_others(void **state)
{
    (void)state;
    cress_set_error_hook(to_nobody, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        two_wait_and_their_hub_ends(&rows[i]);
        if (rows[i].call != mutex_lock && rows[i].call != wrlock && rows[i].call != cond_wait)
            CHECK_EQ(rows[i].call(0), rows[i].then);
        if (rows[i].call == sem_acquire || rows[i].call == sem_choose)
            CHECK_EQ(cress_sem_count(&o.sem), 0);
    }
    cress_set_error_hook(NULL, NULL);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

/* In the child the other one is gone, and the forker makes the same call. */
static void the_child(const struct row *row)
{
    in_child = true;
    CHECK_EQ(row->call(0), row->then);
    yield();
    CHECK_EQ(cress_sem_count(&o.sem) + cress_sem_count(&o.fair), 0);
    CHECK_EQ(cress_mutex_lock(&o.mutex, CRESS_FOREVER), 0);
    CHECK_EQ(cress_rwlock_wrlock(&o.lock, CRESS_FOREVER), 0);
    released = true;
    CHECK_EQ(cress_once_run(&o.once, stay, NULL, CRESS_FOREVER), 0);
    _exit(7);
}

static void in_a_child_nobody_waits_and_what_others_held_is_free(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct member a, b;
        crowd_begin(state);
        begin_row();
        enter(&a, "", call_row, (void *)(uintptr_t)&rows[i], CRESS_FOREVER);
        enter(&b, "", call_row, (void *)(uintptr_t)&rows[i], CRESS_FOREVER);
        rows[i].bring();
        pid_t child = fork();
        CHECK_GE(child, 0);
        if (child == 0)
            the_child(&rows[i]);
        int status = 0;
        CHECK_EQ(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
            fprintf(stderr, "in the row: %s\n", rows[i].name);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 7);
        CHECK_EQ(cress_killall((cress_greenlet *[]){ a.g, b.g }, 2, CRESS_FOREVER), 0);
        released = true;
        CHECK_EQ(cress_join(holder, CRESS_FOREVER), 0);
        left(&a);
        left(&b);
        cress_unref(holder);
        crowd_end(state);
    }
}

static int fork_in_link(cress_greenlet *g, void *arg)
{
    (void)g;
    pid_t *child = arg;
    *child = fork();
    if (*child == 0) {
        CHECK_EQ(cress_mutex_try_lock(&o.mutex), 0); /* main held it */
        CHECK_EQ(cress_mutex_unlock(&o.mutex), 0);
        CHECK_EQ(cress_event_set(&o.event), 0);
        _exit(7);
    }
    return 0;
}

static void *ends_at_once(void *arg)
{
    return arg;
}

static void a_callback_that_forks_has_usable_locks_in_the_child(void **state)
{
    (void)state;
    struct member a;
    pid_t child = -1;
    int status = 0;
    cress_link_node node = { 0 };
    o = (struct objects){ 0 };
    CHECK_EQ(cress_mutex_lock(&o.mutex, 0), 0);
    enter(&a, "a", call_row, (void *)(uintptr_t)&rows[0], CRESS_FOREVER);
    cress_greenlet *g = cress_spawn(ends_at_once, NULL);
    CHECK_EQ(cress_link(g, &node, fork_in_link, &child), 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    yield();
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 7);
    CHECK_EQ(cress_mutex_unlock(&o.mutex), 0);
    set_event();
    CHECK_EQ(left(&a), 0);
    cress_unref(g);
}

static void *forks_with_the_lock(void *arg)
{
    CHECK_EQ(cress_mutex_lock(&o.mutex, 0), 0);
    CHECK_EQ(cress_rwlock_rdlock(&o.lock, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(cress_mutex_lock(&o.mutex, CRESS_FOREVER), -EDEADLK);
        CHECK_EQ(cress_mutex_unlock(&o.mutex), 0);
        CHECK_EQ(cress_rwlock_unlock(&o.lock), 0);
        _exit(7);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 7);
    CHECK_EQ(cress_mutex_unlock(&o.mutex), 0);
    CHECK_EQ(cress_rwlock_unlock(&o.lock), 0);
    return arg;
}

static void who_forks_keeps_its_locks(void **state)
{
    (void)state;
    o = (struct objects){ 0 };
    cress_greenlet *g = cress_spawn(forks_with_the_lock, NULL);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static void what_nothing_can_bring_is_a_deadlock_of_main(void **state)
{
    (void)state;
    o = (struct objects){ 0 };
    CHECK_EQ(cress_barrier_init(&o.barrier, 3, 0), 0);
    CHECK_EQ(cress_latch_init(&o.latch, 1, 0), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].bring != nothing || rows[i].call == mutex_lock || rows[i].call == wrlock)
            continue;
        CHECK_EQ(rows[i].call(CRESS_FOREVER), -EDEADLK);
        CHECK_EQ(told.count, 1); /* main, and what it waits for */
        told.count = 0;
    }
    set_result();
    release_fair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_for_the_abandoned_is_there_for_others),
        cmocka_unit_test(in_a_child_nobody_waits_and_what_others_held_is_free),
        CROWD_TEST(a_callback_that_forks_has_usable_locks_in_the_child),
        CROWD_TEST(who_forks_keeps_its_locks),
        CROWD_TEST(what_nothing_can_bring_is_a_deadlock_of_main),
    };
    return RUN_TESTS_APART(tests);
}
