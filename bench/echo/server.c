/* server - the same with what a service needs: cress_server, a bound on connections, and a limit
 * for how long each may last. The demo's (e).
 */
#include <arpa/inet.h>
#include <cress.h>
#include <stdio.h>

static int echo(int fd, const cress_address *peer, void *arg)
{
    (void)peer, (void)arg;
    char buffer[4096];
    ssize_t n;
    cress_timeout limit = { 0 };
    cress_timeout_start(&limit, CRESS_SECONDS(3600));
    while ((n = cress_recv(fd, buffer, sizeof buffer, 0)) > 0)
        if ((n = cress_sendall(fd, buffer, (size_t)n, NULL)) < 0)
            break;
    cress_timeout_stop(&limit);
    return (int)n;
}

int main(void)
{
    cress_server_options options = CRESS_SERVER_OPTIONS_INIT;
    options.max_handlers = 2000;
    cress_server *server;
    cress_address at;
    int error = cress_server_new("tcp:127.0.0.1:0", echo, NULL, &options, &server);
    if (error == 0 && (error = cress_server_start(server)) == 0 &&
        (error = cress_server_address(server, &at)) == 0) {
        printf("port %d\n", ntohs(((struct sockaddr_in *)(void *)&at.storage)->sin_port));
        fflush(stdout);
        error = cress_server_serve_forever(server);
    }
    fprintf(stderr, "server: %s\n", cress_error_name(error));
    return 1;
}
