/* Listening: ports that are taken, paths that are stale, permissions, and what an error leaves. */
#include "support/test.h"
#include "support/fds.h"
#include "hub/apart.h"
#include "io/pairs.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

static char folder[] = "/tmp/cress-listen-XXXXXX", path[64], text[80];
static struct fds before;

static int begin(void **state)
{
    (void)state;
    fds_mark(&before);
    strcpy(folder, "/tmp/cress-listen-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(text, sizeof text, "unix:%s", path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stop_counting();
    unlink(path);
    CHECK_EQ(rmdir(folder), 0);
    CHECK_EQ(cress_hub_destroy(0), 0);
    CHECK_EQ(fds_leaked(&before), 0);
    return 0;
}

static bool exists(void)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void *dials(void *arg)
{
    *(int *)arg = cress_dial(text, CRESS_SECONDS(20), NULL);
    return NULL;
}

static void meet(int listener)
{
    int fd = -1;
    cress_greenlet *g = cress_spawn(dials, &fd);
    int accepted = cress_accept(listener, NULL, NULL);
    CHECK_GE(accepted, 0);
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
    CHECK_GE(fd, 0);
    CHECK_EQ(cress_close(fd), 0);
    CHECK_EQ(cress_close(accepted), 0);
}

static void a_unix_path_is_listened_on(void **state)
{
    (void)state;
    int listener = cress_listen(text, NULL);
    CHECK_GE(listener, 0);
    CHECK(exists());
    meet(listener);
    CHECK_EQ(cress_close(listener), 0);
}

static void an_abstract_name_is_listened_on(void **state)
{
    (void)state;
    snprintf(text, sizeof text, "unix:@cress-test-%d", (int)getpid());
    int listener = cress_listen(text, NULL);
    CHECK_GE(listener, 0);
    meet(listener);
    CHECK_EQ(cress_listen(text, NULL), -EADDRINUSE);
    CHECK_EQ(cress_close(listener), 0);
}

static void a_stale_path_is_removed_a_live_one_is_kept(void **state)
{
    (void)state;
    int listener = cress_listen(text, NULL);
    CHECK_EQ(cress_close(listener), 0);
    CHECK(exists()); /* as after a crash */
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.no_unlink = true;
    CHECK_EQ(cress_listen(text, &o), -EADDRINUSE);
    CHECK(exists());
    listener = cress_listen(text, NULL);
    CHECK_GE(listener, 0);
    CHECK_EQ(cress_listen(text, NULL), -EADDRINUSE); /* it lives */
    CHECK(exists());
    /* Whether it lived was found out by connecting: that one is met first. */
    int probe = cress_accept(listener, NULL, NULL);
    CHECK_GE(probe, 0);
    CHECK_EQ(cress_close(probe), 0);
    meet(listener);
    CHECK_EQ(cress_close(listener), 0);
}

static void what_is_no_socket_is_never_removed(void **state)
{
    (void)state;
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK_EQ(write(file, "precious", 8), 8);
    close(file);
    CHECK_EQ(cress_listen(text, NULL), -EADDRINUSE);
    struct stat st;
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_size, 8);
}

static void the_mode_of_a_path_is_set(void **state)
{
    (void)state;
    mode_t mask = umask(027);
    struct stat st;
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.mode = 0666;
    int listener = cress_listen(text, &o);
    CHECK_GE(listener, 0);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0666);
    CHECK_EQ(cress_close(listener), 0);
    listener = cress_listen(text, NULL);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0750);
    CHECK_EQ(cress_close(listener), 0);
    umask(mask);
}

static const char *failing;

static bool fail_named(const char *what)
{
    return strcmp(what, failing) == 0;
}

static void an_error_after_bind_leaves_no_path(void **state)
{
    (void)state;
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.mode = 0600;
    static const char *const calls[] = { "chmod", "listen" };
    for (int i = 0; i < 2; i++) {
        failing = calls[i];
        cress__fault_hook = fail_named;
        CHECK_LT(cress_listen(text, &o), 0);
        cress__fault_hook = NULL;
        CHECK(!exists());
    }
}

static unsigned port_of(int fd)
{
    cress_address at;
    CHECK_EQ(cress_address_local(fd, &at), 0);
    return ntohs(((const struct sockaddr_in *)(const void *)&at.storage)->sin_port);
}

static void a_port_that_is_taken_is_refused_unless_it_is_shared(void **state)
{
    (void)state;
    char at[64];
    int a = cress_listen("tcp:127.0.0.1:0", NULL);
    snprintf(at, sizeof at, "tcp:127.0.0.1:%u", port_of(a));
    CHECK_EQ(cress_listen(at, NULL), -EADDRINUSE);
    CHECK_EQ(cress_close(a), 0);
    cress_listen_options o = CRESS_LISTEN_OPTIONS_INIT;
    o.reuse_port = true;
    a = cress_listen("tcp:127.0.0.1:0", &o);
    snprintf(at, sizeof at, "tcp:127.0.0.1:%u", port_of(a));
    int b = cress_listen(at, &o);
    CHECK_GE(b, 0);
    CHECK_EQ(port_of(a), port_of(b));
    CHECK_EQ(cress_listen(at, NULL), -EADDRINUSE);
    CHECK_EQ(cress_close(a), 0);
    CHECK_EQ(cress_close(b), 0);
}

static void a_port_is_free_at_once_after_a_close(void **state)
{
    (void)state;
    char at[64];
    int listener = cress_listen("tcp:127.0.0.1:0", NULL);
    snprintf(at, sizeof at, "tcp:127.0.0.1:%u", port_of(listener));
    int client = cress_dial(at, CRESS_SECONDS(5), NULL);
    int served = cress_accept(listener, NULL, NULL);
    CHECK_EQ(cress_close(served), 0); /* the server closes first: TIME_WAIT is its */
    CHECK_EQ(cress_close(client), 0);
    CHECK_EQ(cress_close(listener), 0);
    listener = cress_listen(at, NULL);
    CHECK_GE(listener, 0);
    CHECK_EQ(cress_close(listener), 0);
}

static void what_cannot_be_listened_on_is_told(void **state)
{
    (void)state;
    cress_listen_options bad = { 0 };
    CHECK_EQ(cress_listen("tcp:127.0.0.1:0", &bad), -EINVAL);
    bad = (cress_listen_options)CRESS_LISTEN_OPTIONS_INIT;
    bad.backlog = -1;
    CHECK_EQ(cress_listen("tcp:127.0.0.1:0", &bad), -EINVAL);
    CHECK_EQ(cress_listen(NULL, NULL), -EINVAL);
    CHECK_EQ(cress_listen("nonsense", NULL), -EINVAL);
    CHECK_EQ(cress_listen("tcp:example.org:80", NULL), -ENOENT);
    CHECK_EQ(cress_listen("tcp:1.2.3.4:0", NULL), -EADDRNOTAVAIL);
    CHECK_EQ(cress_listen("unix:/no/such/folder/socket", NULL), -ENOENT);
    CHECK_EQ(fds_leaked(&before), 0); /* needs no hub, leaves nothing */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_unix_path_is_listened_on),
        TEST(an_abstract_name_is_listened_on),
        TEST(a_stale_path_is_removed_a_live_one_is_kept),
        TEST(what_is_no_socket_is_never_removed),
        TEST(the_mode_of_a_path_is_set),
        TEST(an_error_after_bind_leaves_no_path),
        TEST(a_port_that_is_taken_is_refused_unless_it_is_shared),
        TEST(a_port_is_free_at_once_after_a_close),
        TEST(what_cannot_be_listened_on_is_told),
    };
    return RUN_TESTS_APART(tests);
}
