/* allocations - counts the calls of malloc, calloc and realloc of any program. To be preloaded.
 *
 * On SIGUSR2 it writes "allocations N" to stdout. The demo asks before and after a number of
 * messages, in a pass of its own that is not timed: the difference is what messages allocate.
 *
 * The real functions are taken by the names under which glibc exports them for such use. dlsym
 * would be the portable way, but allocates itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static atomic_ulong calls;

void *malloc(size_t size)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_realloc(p, size);
}

static void report(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    unsigned long value = atomic_load_explicit(&calls, memory_order_relaxed);
    char line[40] = "allocations ", digits[24];
    size_t length = strlen(line), n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (n > 0)
        line[length++] = digits[--n];
    line[length++] = '\n';
    ssize_t written = write(STDOUT_FILENO, line, length);
    (void)written;
    errno = saved;
}

__attribute__((constructor)) static void install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = report;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    sigaction(SIGUSR2, &action, NULL);
}
