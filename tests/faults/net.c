/* Dialling and listening with each call failing once: no fd, no memory and no path stays behind. */
#include "support/sweep.h"
#include "hub/apart.h"
#include "io/pairs.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
    CHECK(sweep_met_fault());
}

static void listen_and_dial(const char *where, const cress_listen_options *lo,
                            const cress_dial_options *options)
{
    int listener = cress_listen(where, lo);
    CHECK(listener >= 0 || sweep_met_fault());
    if (listener < 0)
        return;
    cress_address at;
    char text[CRESS_ADDRESS_TEXT];
    if (cress_address_local(listener, &at) == 0) {
        CHECK_EQ(cress_address_format(&at, text, sizeof text), 0);
        int fd = cress_dial(text, CRESS_SECONDS(2), options);
        CHECK(fd >= 0 || sweep_met_fault());
        if (fd >= 0) {
            int error = cress_address_peer(fd, &at);
            CHECK(error == 0 || sweep_met_fault());
            CHECK_EQ(cress_close(fd), 0);
        }
    } else {
        CHECK(sweep_met_fault());
    }
    CHECK_EQ(cress_close(listener), 0);
}

static void tcp(void)
{
    cress_set_error_hook(ignore, NULL);
    cress_listen_options lo = CRESS_LISTEN_OPTIONS_INIT;
    cress_dial_options options = CRESS_DIAL_OPTIONS_INIT;
    lo.reuse_port = true;
    options.local = "tcp:127.0.0.1:0";
    listen_and_dial("tcp:127.0.0.1:0", &lo, &options);
    int fd = cress_listen(":0", NULL);
    CHECK(fd >= 0 || sweep_met_fault());
    if (fd >= 0) {
        cress_address at;
        char text[64];
        if (cress_address_local(fd, &at) == 0) {
            const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&at.storage;
            snprintf(text, sizeof text, "localhost:%u", ntohs(in->sin_port));
            int client = cress_dial(text, CRESS_SECONDS(2), NULL);
            CHECK(client >= 0 || sweep_met_fault());
            if (client >= 0)
                CHECK_EQ(cress_close(client), 0);
        }
        CHECK_EQ(cress_close(fd), 0);
    }
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void tcp_listened_and_dialled(void)
{
    apart(tcp);
}

static void unix_path(void)
{
    cress_set_error_hook(ignore, NULL);
    char path[64], text[80];
    snprintf(path, sizeof path, "/tmp/cress-faults-%d", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", path);
    cress_listen_options lo = CRESS_LISTEN_OPTIONS_INIT;
    lo.mode = 0600;
    int listener = cress_listen(text, &lo);
    CHECK(listener >= 0 || sweep_met_fault());
    struct stat st;
    if (listener >= 0)
        CHECK_EQ(cress_close(listener), 0);
    else
        CHECK_EQ(lstat(path, &st), -1);
    listen_and_dial(text, &lo, NULL); /* over the stale one */
    unlink(path);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void unix_path_listened_and_dialled(void)
{
    apart(unix_path);
}

int main(void)
{
    return FAULT_SWEEP(tcp_listened_and_dialled) + FAULT_SWEEP(unix_path_listened_and_dialled);
}
