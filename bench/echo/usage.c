/* usage - how much processor time a server of the demo has used: asked from outside, by a signal.
 *
 * Linked into all four servers and called by none of them. On SIGUSR1 the handler writes one line
 * to stdout: "usage MICROSECONDS", user and system time of the whole process together.
 *
 * A signal, and not a thread on a control pipe, because a second thread would be paid for all the
 * time: the kernel takes a reference to each file it looks up once a process shares its table of
 * files, some 20 ns for each system call, which only the single-threaded servers would notice.
 * The demo asks between rounds, when the server waits, so that a round itself costs nothing.
 *
 * The handler may meet any stack, a small one too: it needs a few hundred bytes of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void report(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    uint64_t value = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
                     (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);

    /* printf is not safe in a signal handler */
    char line[32] = "usage ", digits[24];
    size_t length = strlen(line), n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (n > 0)
        line[length++] = digits[--n];
    line[length++] = '\n';
    ssize_t written = write(STDOUT_FILENO, line, length);
    (void)written; /* nobody asks twice: who listens would see a missing line */
    errno = saved;
}

__attribute__((constructor)) static void install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = report;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
}
