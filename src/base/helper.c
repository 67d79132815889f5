#include "base/helper.h"

#include "base/sys.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

static uint64_t bit(int signal)
{
    return (uint64_t)1 << (signal - 1);
}

/* All but those that must come through. */
static uint64_t blocked(void)
{
    uint64_t open = bit(SIGSEGV) | bit(SIGBUS) | bit(SIGFPE) | bit(SIGILL) | bit(SIGTRAP) |
                    bit(SIGSYS) | bit(SIGABRT);
    for (int libc = 32; libc < SIGRTMIN; libc++)
        open |= bit(libc);
    return ~open;
}

static int create(const pthread_attr_t *attributes, void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    return fault("pthread_create") ? -EAGAIN : -pthread_create(&thread, attributes, fn, arg);
}

int helper_start(void *(*fn)(void *arg), void *arg, size_t stack_size)
{
    pthread_attr_t attributes;
    int error = -pthread_attr_init(&attributes);
    if (error < 0)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    size_t least = (size_t)PTHREAD_STACK_MIN;
    if (stack_size > 0)
        error = -pthread_attr_setstacksize(&attributes, stack_size > least ? stack_size : least);
    if (error == 0) {
        uint64_t mask = sys_sigmask(SIG_SETMASK, blocked()); /* it begins with that of its maker */
        error = create(&attributes, fn, arg);
        sys_sigmask(SIG_SETMASK, mask);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

void helper_name(const char *name)
{
    char text[HELPER_NAME];
    size_t n = 0;
    for (; name[n] != '\0' && n < sizeof text - 1; n++)
        text[n] = name[n];
    text[n] = '\0';
    pthread_setname_np(pthread_self(), text);
}
