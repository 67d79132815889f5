#include "base/sys.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* secure_getenv: a program with more rights than its caller takes no advice from it. */
bool cress__sys_disabled(const char *feature)
{
    const char *list = secure_getenv("CRESS_DISABLE");
    size_t length = strlen(feature);
    while (list != NULL && *list != '\0') {
        size_t item = strcspn(list, ",");
        if (item == length && memcmp(list, feature, length) == 0)
            return true;
        list += item;
        list += *list == ',';
    }
    return false;
}

/* 0 not tried, 1 there, 2 missing. Racing threads come to the same result. */
static atomic_int pwait2;

int cress__sys_epoll_wait(int epoll, struct epoll_event *events, int n, cress_time timeout)
{
    if (fault("epoll_wait"))
        return -EINTR;
    /* The two ends need no exact time, and the older call is a little cheaper. */
    if (timeout == 0 || timeout == CRESS_FOREVER)
        return (int)syscall6(SYS_epoll_pwait, epoll, (long)events, n, timeout == 0 ? 0 : -1, 0, 8);

    if (atomic_load_explicit(&pwait2, memory_order_relaxed) == 0)
        atomic_store(&pwait2, cress__sys_disabled("pwait2") ? 2 : 1);
    if (atomic_load_explicit(&pwait2, memory_order_relaxed) == 1) {
        struct timespec t = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
        int r = (int)syscall6(SYS_epoll_pwait2, epoll, (long)events, n, (long)&t, 0, 8);
        if (r != -ENOSYS && r != -EPERM) /* a seccomp filter that does not know it says EPERM */
            return r;
        atomic_store(&pwait2, 2);
    }
    /* Rounded up: waking too early would only mean waiting again. */
    cress_time ms = (timeout - 1) / 1000000 + 1;
    return (int)syscall6(SYS_epoll_pwait, epoll, (long)events, n, ms > INT32_MAX ? INT32_MAX : ms,
                         0, 8);
}
