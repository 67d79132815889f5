/* Addresses as text: what is read, what is refused, and that what is written is read back. */
#include "support/test.h"

#include <cress.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What is written for what is read; NULL: the same. */
static const struct {
    const char *text, *written;
} good[] = {
    { "tcp:127.0.0.1:80", NULL },
    { "127.0.0.1:80", "tcp:127.0.0.1:80" },
    { "tcp:0.0.0.0:0", NULL },
    { "tcp:255.255.255.255:65535", NULL },
    { "tcp:localhost:7", "tcp:127.0.0.1:7" },
    { "localhost:7", "tcp:127.0.0.1:7" },
    { ":4000", "tcp:127.0.0.1:4000" },
    { "tcp::4000", "tcp:127.0.0.1:4000" },
    { "tcp:127.0.0.1:00080", "tcp:127.0.0.1:80" },
    { "tcp:[::1]:80", NULL },
    { "[::1]:80", "tcp:[::1]:80" },
    { "tcp:[::]:0", NULL },
    { "tcp:[2001:DB8:0:0:0:0:0:1]:443", "tcp:[2001:db8::1]:443" },
    { "tcp:[::ffff:1.2.3.4]:5", NULL },
    { "tcp:[fe80::1%1]:80", NULL },
    { "tcp:[fe80::1%4294967295]:80", NULL },
    { "tcp:[fe80::1%lo]:80", "tcp:[fe80::1%1]:80" },
    { "unix:/tmp/socket", NULL },
    { "unix:relative", NULL },
    { "unix:a:b:c", NULL },
    { "unix:tcp:x:1", NULL },
    { "unix:@abstract", NULL },
    { "unix:@@", NULL },
    { "unix:./@looks-abstract", NULL },
};

static const struct {
    const char *text;
    int error;
} bad[] = {
    { "", -EINVAL },
    { ":", -EINVAL },
    { "80", -EINVAL },
    { "tcp", -EINVAL },
    { "tcp:", -EINVAL },
    { "tcp:80", -EINVAL },
    { "tcp:127.0.0.1", -EINVAL },
    { "tcp:127.0.0.1:", -EINVAL },
    { "tcp:127.0.0.1:65536", -EINVAL },
    { "tcp:127.0.0.1:99999", -EINVAL },
    { "tcp:127.0.0.1:000080", -EINVAL },
    { "tcp:127.0.0.1:4294967376", -EINVAL },
    { "tcp:127.0.0.1:-1", -EINVAL },
    { "tcp:127.0.0.1:+80", -EINVAL },
    { "tcp:127.0.0.1: 80", -EINVAL },
    { "tcp:127.0.0.1:80 ", -EINVAL },
    { "tcp:127.0.0.1:80x", -EINVAL },
    { "tcp:127.0.0.1:80:90", -EINVAL },
    { "tcp:127.0.0.1:http", -EINVAL },
    { "tcp:::1:80", -EINVAL },
    { "tcp:::1", -EINVAL },
    { "tcp:[]:80", -EINVAL },
    { "tcp:[::1]", -EINVAL },
    { "tcp:[::1]80", -EINVAL },
    { "tcp:[::1]:", -EINVAL },
    { "tcp:[::1:80", -EINVAL },
    { "tcp:[::1]]:80", -EINVAL },
    { "tcp:[127.0.0.1]:80", -EINVAL },
    { "tcp:[localhost]:80", -EINVAL },
    { "tcp:[::g]:80", -EINVAL },
    { "tcp:[:::]:80", -EINVAL },
    { "tcp:[fe80::1%]:80", -EINVAL },
    { "tcp:[fe80::1%0]:80", -EINVAL },
    { "tcp:[fe80::1%4294967296]:80", -EINVAL },
    { "tcp:[fe80::1%4294967297]:80", -EINVAL },
    { "tcp:[fe80::1%99999999999999999999]:80", -EINVAL },
    { "tcp:[fe80::1%no-such-if]:80", -EINVAL },
    { "tcp:[fe80::1%1x]:80", -EINVAL },
    { "tcp:example.org:80", -ENOENT },
    { "tcp:127.0.0.1.:80", -ENOENT },
    { "tcp:256.0.0.1:80", -ENOENT },
    { "TCP:127.0.0.1:80", -EINVAL },
    { "unix", -EINVAL },
    { "unix:", -EINVAL },
    { "unix:@", -EINVAL },
};

static void what_is_read_is_written_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cress_address a, b;
        char text[CRESS_ADDRESS_TEXT];
        memset(&a, 0xff, sizeof a);
        memset(&b, 0, sizeof b);
        errno = 77;
        int error = cress_address_parse(good[i].text, &a);
        if (error != 0)
            printf("        %s\n", good[i].text);
        CHECK_EQ(error, 0);
        CHECK_EQ(cress_address_format(&a, text, sizeof text), 0);
        CHECK_EQ(errno, 77);
        CHECK_STR(text, good[i].written != NULL ? good[i].written : good[i].text);
        CHECK_EQ(cress_address_parse(text, &b), 0);
        CHECK_EQ(a.length, b.length);
        CHECK_MEM(&a.storage, &b.storage, a.length);
    }
}

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cress_address a, untouched;
        memset(&a, 0xa5, sizeof a);
        untouched = a;
        errno = 77;
        int error = cress_address_parse(bad[i].text, &a);
        if (error != bad[i].error)
            printf("        %s\n", bad[i].text);
        CHECK_EQ(error, bad[i].error);
        CHECK_MEM(&a, &untouched, sizeof a); /* written on success only */
        CHECK_EQ(errno, 77);
    }
    cress_address a;
    CHECK_EQ(cress_address_parse(NULL, &a), -EINVAL);
    CHECK_EQ(cress_address_parse("tcp:127.0.0.1:80", NULL), -EINVAL);
}

static void what_stands_where(void **state)
{
    (void)state;
    cress_address a;
    CHECK_EQ(cress_address_parse("tcp:1.2.3.4:258", &a), 0);
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&a.storage;
    CHECK_EQ(a.length, sizeof *in);
    CHECK_EQ(in->sin_family, AF_INET);
    CHECK_EQ(ntohs(in->sin_port), 258);
    CHECK_EQ(ntohl(in->sin_addr.s_addr), 0x01020304);
    CHECK_EQ(cress_address_parse("tcp:[fe80::9%7]:258", &a), 0);
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&a.storage;
    CHECK_EQ(a.length, sizeof *in6);
    CHECK_EQ(in6->sin6_family, AF_INET6);
    CHECK_EQ(ntohs(in6->sin6_port), 258);
    CHECK_EQ(in6->sin6_addr.s6_addr[15], 9);
    CHECK_EQ(in6->sin6_scope_id, 7);
    CHECK_EQ(cress_address_parse("unix:/a", &a), 0);
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&a.storage;
    CHECK_EQ(a.length, offsetof(struct sockaddr_un, sun_path) + 3);
    CHECK_EQ(un->sun_family, AF_UNIX);
    CHECK_STR(un->sun_path, "/a");
    CHECK_EQ(cress_address_parse("unix:@a", &a), 0);
    CHECK_EQ(a.length, offsetof(struct sockaddr_un, sun_path) + 2);
    CHECK_MEM(un->sun_path, "\0a", 2);
}

static void the_longest_path_is_107_bytes(void **state)
{
    (void)state;
    for (int abstract = 0; abstract < 2; abstract++) {
        char text[256], back[CRESS_ADDRESS_TEXT];
        cress_address a;
        memset(text, 'x', sizeof text);
        memcpy(text, "unix:", 5);
        text[5] = abstract ? '@' : '/';
        text[5 + 107] = '\0';
        CHECK_EQ(cress_address_parse(text, &a), 0);
        CHECK_EQ(cress_address_format(&a, back, sizeof back), 0);
        CHECK_STR(back, text);
        text[5 + 107] = 'x';
        text[5 + 108] = '\0';
        CHECK_EQ(cress_address_parse(text, &a), -ENAMETOOLONG);
        memset(text + 5, 'x', 250);
        text[255] = '\0';
        CHECK_EQ(cress_address_parse(text, &a), -ENAMETOOLONG);
    }
    char host[300];
    memset(host, 'h', sizeof host);
    cress_address a;
    memcpy(host + 255, ":80", 4);
    CHECK_EQ(cress_address_parse(host, &a), -ENOENT);
    memset(host, 'h', sizeof host);
    memcpy(host + 256, ":80", 4);
    CHECK_EQ(cress_address_parse(host, &a), -EINVAL);
}

static void a_short_buffer_is_told_and_terminated(void **state)
{
    (void)state;
    const char *texts[] = { "tcp:127.0.0.1:65535", "tcp:[::1]:80", "unix:/tmp/x", "unix:@x" };
    for (int i = 0; i < 4; i++) {
        cress_address a;
        char text[64];
        CHECK_EQ(cress_address_parse(texts[i], &a), 0);
        for (size_t size = 1; size <= strlen(texts[i]) + 1; size++) {
            memset(text, 'x', sizeof text);
            int error = cress_address_format(&a, text, size);
            CHECK_EQ(error, size == strlen(texts[i]) + 1 ? 0 : -ENOSPC);
            CHECK_EQ(strlen(text), size - 1);
            CHECK_MEM(text, texts[i], size - 1);
            CHECK_EQ(text[size], 'x');
        }
        CHECK_EQ(cress_address_format(&a, text, 0), -EINVAL);
        CHECK_EQ(cress_address_format(&a, NULL, 5), -EINVAL);
    }
}

static void what_has_no_text_is_told(void **state)
{
    (void)state;
    char text[CRESS_ADDRESS_TEXT];
    cress_address a = { .length = sizeof(sa_family_t) };
    a.storage.ss_family = AF_PACKET;
    CHECK_EQ(cress_address_format(&a, text, sizeof text), -EAFNOSUPPORT);
    CHECK_STR(text, "");
    CHECK_EQ(cress_address_format(NULL, text, sizeof text), -EINVAL);
    a.storage.ss_family = AF_UNIX; /* a socket without a name */
    CHECK_EQ(cress_address_format(&a, text, sizeof text), 0);
    CHECK_STR(text, "unix:");
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&a.storage;
    memcpy(un->sun_path, "\0a\0b", 4);
    a.length = offsetof(struct sockaddr_un, sun_path) + 4;
    CHECK_EQ(cress_address_format(&a, text, sizeof text), -EINVAL);
}

static void both_ends_of_a_socket_are_told(void **state)
{
    (void)state;
    int fds[2];
    cress_address a, b;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(cress_address_local(fds[0], &a), 0);
    CHECK_EQ(a.storage.ss_family, AF_UNIX);
    CHECK_EQ(cress_address_peer(fds[0], &b), 0);
    close(fds[0]);
    close(fds[1]);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(cress_address_peer(udp, &b), -ENOTCONN);
    CHECK_EQ(cress_address_local(udp, NULL), -EINVAL);
    close(udp);
    CHECK_EQ(cress_address_local(-1, &a), -EBADF);
    CHECK_EQ(cress_address_peer(0x7fffffff, &a), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_again),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(what_stands_where),
        cmocka_unit_test(the_longest_path_is_107_bytes),
        cmocka_unit_test(a_short_buffer_is_told_and_terminated),
        cmocka_unit_test(what_has_no_text_is_told),
        cmocka_unit_test(both_ends_of_a_socket_are_told),
    };
    return RUN_TESTS(tests);
}
