/* echo - what it is all for: plain blocking code, a greenlet for each connection.
 *
 * Usage: echo [ADDRESS]
 */
#include <cress.h>
#include <stdio.h>

static int echo(int fd, const cress_address *peer, void *arg)
{
    (void)peer, (void)arg;
    char data[4096];
    ssize_t n;
    while ((n = cress_recv(fd, data, sizeof data, 0)) > 0) {
        int error = cress_sendall(fd, data, (size_t)n, NULL);
        if (error < 0)
            return error;
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    cress_server *server;
    const char *address = argc > 1 ? argv[1] : "tcp:127.0.0.1:7000";
    int error = cress_server_new(address, echo, NULL, NULL, &server);
    if (error == 0)
        error = cress_server_serve_forever(server);
    fprintf(stderr, "%s: %s\n", address, cress_error_name(error));
    return 1;
}
