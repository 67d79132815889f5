/* foreign_client - somebody else's asynchronous client, driven by blocking code.
 *
 * Many client libraries (of databases, of message brokers) have an interface without blocking: they
 * tell a descriptor and what they wait for, and want to be called when that holds. A greenlet waits
 * with cress_wait_fd() and calls them: the whole glue is drive(). Here two of them at once ask a
 * server that thinks for different times.
 */
#include <cress.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- the foreign library: knows nothing of cress, and never blocks --------------------------- */

struct client {
    int fd;
    const char *question;
    char answer[64];
    size_t sent, got;
};

/* What to wait for; 0: there is an answer, or an end of it. */
static int client_wants(const struct client *c)
{
    if (c->fd < 0)
        return 0;
    return c->sent < strlen(c->question) ? POLLOUT : POLLIN;
}

static void client_step(struct client *c)
{
    ssize_t n;
    if (c->sent < strlen(c->question)) {
        n = send(c->fd, c->question + c->sent, strlen(c->question) - c->sent,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            c->sent += (size_t)n;
    } else {
        n = recv(c->fd, c->answer + c->got, sizeof c->answer - 1 - c->got, MSG_DONTWAIT);
        if (n > 0)
            c->got += (size_t)n;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN) || c->got == sizeof c->answer - 1) {
        close(c->fd);
        c->fd = -1;
    }
}

/* --- the glue -------------------------------------------------------------------------------- */

static int drive(struct client *c, cress_time timeout)
{
    cress_time deadline = cress_deadline(timeout);
    int events;
    while ((events = client_wants(c)) != 0) {
        int ready = cress_wait_fd(c->fd, events, cress_left(deadline));
        if (ready < 0)
            return ready;
        client_step(c);
    }
    return 0;
}

/* --- who asks, and who answers --------------------------------------------------------------- */

static void *ask(void *arg)
{
    struct client *c = arg;
    int error = drive(c, CRESS_SECONDS(5));
    if (error < 0)
        printf("%s: %s\n", c->question, cress_error_name(error));
    else
        printf("%s: %s\n", c->question, c->answer);
    return NULL;
}

static void *answer(void *arg)
{
    int fd = *(int *)arg;
    char question[64] = "";
    if (cress_recv(fd, question, sizeof question - 1, 0) > 0) {
        cress_sleep(CRESS_MS(strcmp(question, "how much") == 0 ? 40 : 20));
        cress_sendall(fd, "forty", 5, NULL);
        cress_sleep(CRESS_MS(10));
        cress_sendall(fd, "-two", 4, NULL);
    }
    cress_close(fd);
    return NULL;
}

int main(void)
{
    struct client clients[] = { { .question = "how much" }, { .question = "how many" } };
    int servers[2];
    for (int i = 0; i < 2; i++) {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
            return 1;
        clients[i].fd = fds[0];
        servers[i] = fds[1];
        if (cress_go(answer, &servers[i]) < 0 || cress_go(ask, &clients[i]) < 0)
            return 1;
    }
    return cress_run(CRESS_SECONDS(10));
}
