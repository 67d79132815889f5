/* Several hubs in several threads: what they share, what they must not, and their ends. */
#include "support/test.h"
#include "support/fds.h"
#include "hub/apart.h"
#include "hub/told.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 4 };

static int end(void **state)
{
    (void)state;
    CHECK_EQ(cress_hub_destroy(0), 0);
    return 0;
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    CHECK_EQ(pthread_create(thread, NULL, fn, arg), 0);
}

static void finish(pthread_t thread)
{
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* --- each its own ---------------------------------------------------------------------------- */

static void *ping(void *arg)
{
    int fd = *(int *)arg;
    char c;
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(cress_send(fd, "x", 1, 0), 1);
        CHECK_EQ(cress_recv(fd, &c, 1, 0), 1);
    }
    CHECK_EQ(cress_close(fd), 0);
    return NULL;
}

static void *pong(void *arg)
{
    int fd = *(int *)arg;
    char c;
    while (cress_recv(fd, &c, 1, 0) == 1)
        CHECK_EQ(cress_send(fd, &c, 1, 0), 1);
    CHECK_EQ(cress_close(fd), 0);
    return NULL;
}

static void *sleeps(void *arg)
{
    for (int i = 0; i < 20; i++)
        CHECK_EQ(cress_sleep(CRESS_US(200)), 0);
    return arg;
}

static void *a_whole_hub(void *arg)
{
    cress_greenlet *g[20];
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(cress_go(ping, &fds[0]), 0);
    CHECK_EQ(cress_go(pong, &fds[1]), 0);
    for (int i = 0; i < 20; i++)
        CHECK((g[i] = cress_spawn(sleeps, NULL)) != NULL);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    for (int i = 0; i < 20; i++)
        cress_unref(g[i]);
    *(uint64_t *)arg = cress_id(cress_main());
    return NULL;
}

static void hubs_of_several_threads_run_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint64_t ids[THREADS];
    for (int i = 0; i < THREADS; i++)
        start(&threads[i], a_whole_hub, &ids[i]);
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < i; j++)
            CHECK_NE(ids[i], ids[j]);
}

static void *short_life(void *arg)
{
    CHECK_EQ(cress_go(sleeps, NULL), 0);
    CHECK_EQ(cress_sleep(CRESS_US(100)), 0);
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
    CHECK_EQ(cress_hub_destroy(CRESS_FOREVER), 0);
    CHECK_EQ(cress_go(sleeps, NULL), 0); /* left as it is: the end of the thread ends it */
    return arg;
}

static void a_hundred_threads_leave_nothing(void **state)
{
    (void)state;
    struct fds before;
    fds_mark(&before);
    size_t blocks = cress__alloc_live();
    for (int i = 0; i < 100; i += 2) {
        pthread_t a, b;
        start(&a, short_life, NULL);
        start(&b, short_life, NULL);
        finish(a);
        finish(b);
    }
    CHECK_EQ(fds_leaked(&before), 0);
    CHECK_EQ(cress__alloc_live(), blocks);
}

/* --- what is another thread's ---------------------------------------------------------------- */

struct foreign {
    cress_hub *hub;
    cress_greenlet *greenlet;
    cress_callback node;
    int fd, idle_fd;
};

static void *say_nothing(void *arg)
{
    return arg;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void *touch_foreign_things(void *arg)
{
    struct foreign *f = arg;
    cress_hub_counts counts = CRESS_HUB_COUNTS_INIT;
    static cress_callback node;
    char c;
    CHECK_EQ(cress_join(f->greenlet, CRESS_FOREVER), -EXDEV);
    CHECK_EQ(cress_get(f->greenlet, 0, NULL, NULL), -EXDEV);
    CHECK_EQ(cress_unpark(cress_greenlet_coro(f->greenlet)), -EXDEV);
    CHECK_EQ(cress_set_name(f->greenlet, "stolen"), -EXDEV);
    CHECK_EQ(cress_hub_stats(f->hub, &counts), -EXDEV);
    CHECK_EQ(cress_hub_set_error_hook(f->hub, told_hook, NULL), -EXDEV);
    CHECK_EQ(cress_hub_set_poll_hooks(f->hub, NULL, NULL), -EXDEV);
    CHECK(cress_hub_loop(f->hub) == NULL);
    CHECK(cress_hub_loop(NULL) == NULL);
    CHECK_EQ(cress_post(f->hub, &node, nothing, NULL), -EXDEV);
    CHECK_EQ(cress_unpost(&f->node), -EXDEV);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.hub = f->hub;
    cress_greenlet *g;
    CHECK_EQ(cress_spawn_with(&o, say_nothing, NULL, &g), -EXDEV);
    CHECK_EQ(cress_recv(f->idle_fd, &c, 1, 0), -EXDEV); /* would have to wait */
    CHECK_EQ(cress_wait_fd(f->idle_fd, CRESS_IN, CRESS_MS(1)), -EXDEV);
    CHECK_EQ(cress_close(f->fd), -EXDEV);
    CHECK_EQ(cress_fd_release(f->fd), -EXDEV);
    CHECK_EQ(cress_fd_adopt(f->fd, 0), -EXDEV);
    CHECK_EQ(cress_fd_set_timeout(f->fd, CRESS_IN, 1), -EXDEV);
    CHECK_EQ(cress_send(f->idle_fd, "x", 1, 0), -EXDEV);
    return NULL;
}

static void *touch_in_thread(void *arg)
{
    CHECK_EQ(cress_yield(), 0); /* it has a hub of its own */
    touch_foreign_things(arg);
    return NULL;
}

static void *read_one(void *arg)
{
    char c;
    return (void *)(intptr_t)cress_recv(*(int *)arg, &c, 1, 0);
}

static void things_of_another_thread_are_refused(void **state)
{
    (void)state;
    int fds[2], idle[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, idle), 0);
    struct foreign f = { .fd = fds[0], .idle_fd = idle[0] };
    CHECK_EQ(cress_hub_get(&f.hub), 0);
    CHECK_EQ(cress_wait_fd(idle[0], CRESS_IN, CRESS_US(10)), -ETIMEDOUT); /* it is ours now */
    f.greenlet = cress_spawn(read_one, &fds[0]);
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_post(NULL, &f.node, nothing, NULL), 0);
    pthread_t thread;
    start(&thread, touch_in_thread, &f);
    finish(thread);
    CHECK_STR(cress_name(f.greenlet), "");
    CHECK_EQ(cress_send(fds[1], "y", 1, 0), 1);
    void *value;
    CHECK_EQ(cress_get(f.greenlet, CRESS_FOREVER, &value, NULL), 0);
    CHECK_EQ((intptr_t)value, 1);
    cress_unref(f.greenlet);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cress_close(fds[i]), 0);
        CHECK_EQ(cress_close(idle[i]), 0);
    }
}

static void *read_in_thread(void *arg)
{
    char c;
    CHECK_EQ(cress_recv(*(int *)arg, &c, 1, 0), 1);
    CHECK_EQ(c, 'z');
    return NULL;
}

static void a_released_fd_may_go_to_another_hub(void **state)
{
    (void)state;
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(cress_fd_adopt(fds[0], 0), 0);
    CHECK_EQ(cress_wait_fd(fds[0], CRESS_IN, CRESS_US(10)), -ETIMEDOUT);
    CHECK_EQ(cress_fd_release(fds[0]), 0);
    pthread_t thread;
    start(&thread, read_in_thread, &fds[0]);
    usleep(2000); /* so that it waits, most times */
    CHECK_EQ(write(fds[1], "z", 1), 1);
    finish(thread);
    CHECK_EQ(cress_close(fds[0]), 0);
    close(fds[1]);
}

/* --- posting across -------------------------------------------------------------------------- */

enum { POSTS = 200 };

struct poster {
    cress_hub *hub;
    cress_coro *main;
    int number;
    struct post {
        cress_callback node;
        struct poster *from;
        int order;
    } posts[POSTS];
    int last, arrived;
};

static int arrive(void *arg)
{
    struct post *post = arg;
    struct poster *from = post->from;
    CHECK_EQ(post->order, from->last + 1); /* the order of one thread is kept */
    from->last = post->order;
    if (++from->arrived == POSTS)
        CHECK_EQ(cress_unpark(from->main), 0);
    return 0;
}

static void *post_all(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < POSTS; i++) {
        p->posts[i].from = p;
        p->posts[i].order = i + 1;
        CHECK_EQ(cress_post_mt(p->hub, &p->posts[i].node, arrive, &p->posts[i]), 0);
        if (i % 16 == 0)
            usleep(100); /* let it fall asleep between */
    }
    return NULL;
}

static void *yield_until(void *arg)
{
    while (!*(bool *)arg)
        CHECK_EQ(cress_yield(), 0);
    return NULL;
}

static void post_from_threads(bool busy)
{
    static struct poster posters[THREADS];
    pthread_t threads[THREADS];
    cress_hub *hub;
    CHECK_EQ(cress_hub_get(&hub), 0);
    bool over = false;
    if (busy)
        CHECK_EQ(cress_go(yield_until, &over), 0);
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){ .hub = hub, .main = cress_coro_native() };
        start(&threads[i], post_all, &posters[i]);
    }
    int arrived = 0;
    while (arrived < THREADS * POSTS) {
        int error = cress_park(CRESS_SECONDS(20));
        CHECK_EQ(error, 0);
        arrived = 0;
        for (int i = 0; i < THREADS; i++)
            arrived += posters[i].arrived == POSTS ? POSTS : 0;
    }
    for (int i = 0; i < THREADS; i++)
        finish(threads[i]);
    over = true;
    CHECK_EQ(cress_run(CRESS_FOREVER), 0);
}

static void posts_of_threads_wake_a_sleeping_hub(void **state)
{
    (void)state;
    post_from_threads(false);
    cress_hub_counts counts = CRESS_HUB_COUNTS_INIT;
    CHECK_EQ(cress_hub_stats(cress_hub_current(), &counts), 0);
    CHECK_GT(counts.wakeups, 0);
    CHECK_LE(counts.wakeups, THREADS * POSTS);
    CHECK_EQ(counts.callbacks, THREADS * POSTS);
}

static void posts_of_threads_reach_a_busy_hub(void **state)
{
    (void)state;
    post_from_threads(true);
}

/* --- the end of a thread --------------------------------------------------------------------- */

static atomic_int discards;
static struct told told;

static void discard(void *arg)
{
    CHECK_STR(arg, "arg");
    atomic_fetch_add(&discards, 1);
}

static void *park_for_ever(void *arg)
{
    CHECK_EQ(cress_park(CRESS_FOREVER), -ECANCELED);
    return arg;
}

static void *park_stubbornly(void *arg)
{
    cress_shield shield = { 0 };
    CHECK_EQ(cress_shield_begin(&shield, CRESS_FOREVER), 0);
    cress_park(CRESS_FOREVER);
    CHECK_STR("woken", "");
    return arg;
}

static void *leave_things(void *arg)
{
    cress_greenlet **out = arg;
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &told), 0);
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    o.on_discard = discard;
    o.name = "waits";
    CHECK_EQ(cress_spawn_with(&o, park_stubbornly, NULL, &out[0]), 0);
    CHECK_EQ(cress_go(park_for_ever, NULL), 0); /* killed, it ends */
    CHECK_EQ(cress_yield(), 0);
    CHECK_EQ(cress_spawn_with(&o, park_for_ever, "arg", &out[1]), 0);
    o.delay = CRESS_FOREVER;
    CHECK_EQ(cress_spawn_with(&o, park_for_ever, "arg", NULL), 0);
    return NULL;
}

static void a_threads_end_discards_and_abandons_by_name(void **state)
{
    (void)state;
    cress_greenlet *left[2];
    pthread_t thread;
    told = (struct told){ 0 };
    atomic_store(&discards, 0);
    start(&thread, leave_things, left);
    finish(thread);
    CHECK_EQ(atomic_load(&discards), 2);
    CHECK_EQ(told.count, 1);
    CHECK_STR(told.lines[0].name, "waits");
    CHECK_EQ(told.lines[0].error, -ECANCELED);
    for (int i = 0; i < 2; i++) {
        CHECK(cress_ready(left[i])); /* the references stay good */
        CHECK_EQ(cress_outcome(left[i]), CRESS_KILLED);
        cress_unref(left[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(hubs_of_several_threads_run_at_once),
        TEST(a_hundred_threads_leave_nothing),
        TEST(things_of_another_thread_are_refused),
        TEST(a_released_fd_may_go_to_another_hub),
        TEST(posts_of_threads_wake_a_sleeping_hub),
        TEST(posts_of_threads_reach_a_busy_hub),
        TEST(a_threads_end_discards_and_abandons_by_name),
    };
    return RUN_TESTS_APART(tests);
}
