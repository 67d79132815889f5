/* memory - what the tests of this folder ask the kernel about an address. */
#ifndef TESTS_CTX_MEMORY_H
#define TESTS_CTX_MEMORY_H

#include "base/fault.h"
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the kernel says when it reads one byte there: 1, or -EFAULT. */
static inline int kernel_reads(const void *p)
{
    int fds[2];
    CHECK_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    ssize_t n = write(fds[1], p, 1);
    int result = n < 0 ? -errno : (int)n;
    close(fds[0]);
    close(fds[1]);
    return result;
}

/* How many pages of [low, high) hold memory. */
static inline size_t pages_resident(const char *low, const char *high)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    char *p = (char *)((uintptr_t)low & ~(page - 1));
    for (; p < high; p += page) {
        unsigned char in = 0;
        CHECK_EQ(mincore(p, page, &in), 0);
        n += in & 1;
    }
    return n;
}

/* How many mappings of this process lie in [low, high), in part or whole. */
static inline size_t mappings_in(const char *low, const char *high)
{
    char line[512];
    size_t n = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx", &from, &to) == 2)
            n += to > (uintptr_t)low && from < (uintptr_t)high;
    }
    fclose(maps);
    return n;
}

/* --- a hook for base/fault.h: counts the calls of one name, and fails some ----------------- */

static struct {
    const char *name; /* NULL: any */
    int met;
    int first, last; /* which of those met to fail, counted from 1 */
} calls;

static inline bool calls_hook(const char *what)
{
    if (calls.name != NULL && strcmp(calls.name, what) != 0)
        return false;
    calls.met++;
    return calls.met >= calls.first && calls.met <= calls.last;
}

static inline void calls_count(const char *name)
{
    calls.name = name;
    calls.met = calls.first = calls.last = 0;
    cress__fault_hook = calls_hook;
}

/* Fail those from the first to the last; 0, 0 to count only. */
static inline void calls_fail(const char *name, int first, int last)
{
    calls_count(name);
    calls.first = first;
    calls.last = last;
}

static inline int calls_end(void)
{
    cress__fault_hook = NULL;
    return calls.met;
}

#endif
