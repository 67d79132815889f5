/* Watchers of paths. Time is the test's own: what is noticed while it stands still was inotify, and
 * where that is refused, each interval passes at once.
 */
#include "base/fault.h"
#include "loop/clock.h"
#include "support/test.h"

#include <cress.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cress_loop *loop;
static char folder[64];
static const char *refused; /* the call that fails */
static cress_watch_stat w;
static int calls;

static bool refuse(const char *what)
{
    return refused != NULL && strcmp(what, refused) == 0;
}

static int with_loop(void **state)
{
    refused = *state;
    cress__fault_hook = refuse;
    clock_take_over();
    strcpy(folder, "stat_test.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    return cress_loop_new(NULL, &loop);
}

static int without_loop(void **state)
{
    (void)state;
    CHECK_EQ(cress_loop_free(loop), 0);
    cress__fault_hook = NULL;
    clock_give_back();
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int count(cress_watch *watch, int events, void *arg)
{
    (void)watch;
    CHECK_EQ(events, 0);
    ++*(int *)arg;
    return 0;
}

static void watch(const char *path)
{
    calls = 0;
    memset(&w, 0, sizeof w);
    CHECK_EQ(cress_watch_stat_init(&w, loop, path, CRESS_MS(100), count, &calls), 0);
    CHECK_EQ(cress_watch_start(&w.watch), 0);
}

static void stop(void)
{
    CHECK_EQ(cress_watch_stop(&w.watch), 0);
}

/* Time passes only where inotify is refused. */
static void turns(void)
{
    for (int i = 0; i < 4; i++) {
        if (refused != NULL)
            clock_now += CRESS_MS(100);
        CHECK_GT(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
    }
}

/* What was done since the last time was noticed, as one change or a few; and then there is rest. */
static void is_noticed(void)
{
    turns();
    CHECK_GE(calls, 1);
    CHECK_LE(calls, 4);
    calls = 0;
    turns();
    CHECK_EQ(calls, 0);
}

static void writes_and_rights_are_noticed_and_reading_is_not(void **state)
{
    (void)state;
    const char *path = in_folder("file");
    put(path, "one");
    watch(path);
    turns();
    CHECK_EQ(calls, 0);
    put(path, "two");
    is_noticed();
    CHECK_EQ(chmod(path, 0640), 0);
    is_noticed();
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(read(fd, &byte, 1), 1);
    close(fd);
    turns();
    CHECK_EQ(calls, 0);
    stop();
    put(path, "three");
    CHECK_EQ(cress_loop_run(loop, CRESS_RUN_NOWAIT), 0);
    CHECK_EQ(calls, 0);
    CHECK_EQ(cress_watch_start(&w.watch), 0); /* from now on, not from the last time */
    turns();
    CHECK_EQ(calls, 0);
    stop();
}

static void it_appears_and_goes_again_and_again(void **state)
{
    (void)state;
    const char *path = in_folder("file");
    watch(path);
    for (int i = 0; i < 3; i++) {
        put(path, "x");
        is_noticed();
        put(path, "y");
        is_noticed();
        CHECK_EQ(unlink(path), 0);
        is_noticed();
    }
    stop();
}

static void another_file_takes_its_name(void **state)
{
    (void)state;
    char path[128], other[128];
    strcpy(path, in_folder("file"));
    strcpy(other, in_folder("other"));
    put(path, "x");
    watch(path);
    for (int i = 0; i < 3; i++) {
        put(other, "y");
        turns();
        CHECK_EQ(calls, 0); /* that is not the one */
        char kept[32];
        snprintf(kept, sizeof kept, "kept%d", i);
        CHECK_EQ(link(path, in_folder(kept)), 0); /* the old one lives on, under another name */
        is_noticed();
        CHECK_EQ(rename(other, path), 0);
        is_noticed();
        put(path, "z"); /* and it is the new one that is watched */
        is_noticed();
    }
    CHECK_EQ(rename(path, other), 0);
    is_noticed();
    put(other, "moved");
    turns();
    CHECK_EQ(calls, 0);
    stop();
}

static void its_folder_need_not_exist(void **state)
{
    (void)state;
    watch(in_folder("a/b/file"));
    CHECK_EQ(mkdir(in_folder("a"), 0700), 0);
    turns();
    CHECK_EQ(calls, 0);
    CHECK_EQ(mkdir(in_folder("a/b"), 0700), 0);
    turns();
    CHECK_EQ(calls, 0);
    put(in_folder("a/b/file"), "x");
    is_noticed();
    CHECK_EQ(rename(in_folder("a"), in_folder("c")), 0);
    clock_now += CRESS_MS(100); /* neither the file nor its folder was touched: nobody is told */
    is_noticed();
    CHECK_EQ(mkdir(in_folder("a"), 0700), 0); /* all at once */
    CHECK_EQ(mkdir(in_folder("a/b"), 0700), 0);
    put(in_folder("a/b/file"), "x");
    is_noticed();
    stop();
}

static void a_folder_changes_with_what_is_in_it(void **state)
{
    (void)state;
    watch(folder);
    put(in_folder("file"), "x");
    is_noticed();
    CHECK_EQ(unlink(in_folder("file")), 0);
    is_noticed();
    stop();
}

static void several_watchers_share_a_mark_and_one_may_go(void **state)
{
    (void)state;
    const char *path = in_folder("file");
    put(path, "x");
    watch(path);
    cress_watch_stat second = { 0 };
    int others = 0;
    CHECK_EQ(cress_watch_stat_init(&second, loop, path, CRESS_MS(100), count, &others), 0);
    CHECK_EQ(cress_watch_start(&second.watch), 0);
    put(path, "x");
    is_noticed();
    CHECK_GE(others, 1);
    others = 0;
    stop();
    put(path, "x");
    turns();
    CHECK_EQ(calls, 0);
    CHECK_GE(others, 1);
    watch(path);
    CHECK_EQ(cress_watch_stop(&second.watch), 0);
    put(path, "x");
    is_noticed();
    stop();
}

/* More changes than one read takes in, and for files that nobody watches. */
static void many_changes_beside_it_do_not_hide_its_own(void **state)
{
    (void)state;
    put(in_folder("file"), "x");
    watch(in_folder("file"));
    for (int i = 0; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "a_name_as_long_as_this_%d", i);
        put(in_folder(name), "x");
    }
    put(in_folder("file"), "x");
    for (int i = 0; i < 10; i++)
        turns();
    CHECK_GE(calls, 1);
    stop();
}

static void the_path_is_copied_at_the_start(void **state)
{
    (void)state;
    char path[128];
    strcpy(path, in_folder("file"));
    watch(path);
    memset(path, 'x', sizeof path);
    put(in_folder("file"), "x");
    is_noticed();
    stop();
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    CHECK_EQ(cress_watch_stat_init(&w, loop, NULL, 0, count, &calls), -EINVAL);
    CHECK_EQ(cress_watch_stat_init(&w, loop, "", 0, count, &calls), -EINVAL);
    CHECK_EQ(cress_watch_stat_init(&w, loop, "x", -1, count, &calls), -EINVAL);
    CHECK_EQ(cress_watch_stat_init(&w, loop, "x", CRESS_FOREVER, count, &calls), 0);
    CHECK_EQ(cress_watch_start(&w.watch), 0);
    CHECK_EQ(cress_loop_timeout(loop), CRESS_FOREVER);
    stop();
    CHECK_EQ(cress_watch_stat_init(&w, loop, "x", 1, count, &calls), 0);
    CHECK_EQ(cress_watch_start(&w.watch), 0);
    CHECK_EQ(cress_loop_timeout(loop), CRESS_MS(100)); /* at least */
    stop();
    CHECK_EQ(cress_watch_stat_init(&w, loop, "x", 0, count, &calls), 0);
    CHECK_EQ(cress_watch_start(&w.watch), 0);
    CHECK_EQ(cress_loop_timeout(loop), CRESS_SECONDS(5)); /* as a rule */
    stop();
}

static char no_instances[] = "inotify_init1", no_watches[] = "inotify_add_watch";

#define BY_INOTIFY(name) cmocka_unit_test_setup_teardown(name, with_loop, without_loop)
#define BY_LOOKING(name)                                                                      \
    { #name "_where_inotify_has_no_instances", name, with_loop, without_loop, no_instances }, \
    {                                                                                         \
#name "_where_inotify_has_no_watches", name, with_loop, without_loop, no_watches      \
    }
#define TEST(name) BY_INOTIFY(name), BY_LOOKING(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_and_rights_are_noticed_and_reading_is_not),
        TEST(it_appears_and_goes_again_and_again),
        TEST(another_file_takes_its_name),
        TEST(its_folder_need_not_exist),
        TEST(a_folder_changes_with_what_is_in_it),
        TEST(several_watchers_share_a_mark_and_one_may_go),
        TEST(many_changes_beside_it_do_not_hide_its_own),
        TEST(the_path_is_copied_at_the_start),
        BY_INOTIFY(wrong_arguments_are_refused),
    };
    return RUN_TESTS(tests);
}
