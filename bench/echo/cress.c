/* cress - the echo server as cress is meant to be used, and nothing done for speed: the demo's (d).
 */
#include <arpa/inet.h>
#include <cress.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[4096];
    ssize_t n;
    while ((n = cress_recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (cress_sendall(fd, buffer, (size_t)n, NULL) < 0)
            break;
    cress_close(fd);
    return NULL;
}

int main(void)
{
    int fd, listener = cress_listen("tcp:127.0.0.1:0", NULL);
    struct sockaddr_in address = { 0 };
    socklen_t length = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while ((fd = cress_accept(listener, NULL, NULL)) >= 0)
        cress_go(serve, (void *)(intptr_t)fd);
    fprintf(stderr, "accept: %s\n", strerror(-fd));
    return 1;
}
