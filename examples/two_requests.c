/* two_requests - two servers are asked at once; both answers come after one delay.
 *
 * Usage: two_requests ADDRESS ADDRESS
 */
#include <cress.h>
#include <stdio.h>
#include <string.h>

static int ask(const char *address, char *answer, size_t size)
{
    int fd = cress_dial(address, CRESS_SECONDS(5), NULL);
    if (fd < 0)
        return fd;
    const char *question = "How are you?\n";
    int error = cress_sendall(fd, question, strlen(question), NULL);
    if (error == 0) {
        ssize_t n = cress_recv(fd, answer, size - 1, 0);
        answer[n > 0 ? n : 0] = '\0';
        error = n < 0 ? (int)n : 0;
    }
    cress_close(fd);
    return error;
}

static void *request(void *address)
{
    char answer[256];
    int error = ask(address, answer, sizeof answer);
    printf("%s: %s\n", (char *)address, error == 0 ? answer : cress_error_name(error));
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    cress_greenlet *both[] = { cress_spawn(request, argv[1]), cress_spawn(request, argv[2]) };
    int error = cress_joinall(both, 2, CRESS_FOREVER, NULL, NULL);
    cress_unref(both[0]);
    cress_unref(both[1]);
    return error != 0;
}
