/* stack_info - what users may know of a coroutine's stack, and the line that names an overflow. */
#include "coro/coro.h"
#include "coro/thread.h"
#include "ctx/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

static void *here(void)
{
    return __builtin_frame_address(0);
}

/* The thread's own stack, as libc knows it. */
static int native_bounds(char **low, char **high, size_t *guard)
{
    pthread_attr_t attributes;
    void *base;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return -ENOMEM;
    pthread_attr_getstack(&attributes, &base, &size);
    pthread_attr_getguardsize(&attributes, guard);
    pthread_attr_destroy(&attributes);
    *low = base;
    *high = *low + size;
    return 0;
}

int cress_coro_stack(const cress_coro *co, cress_stack_info *out)
{
    if (co == NULL || out == NULL)
        return -EINVAL;
    struct thread *t = cress__thread;
    if (co->thread != t)
        return -EXDEV;
    if (co != &t->native && co->stack == NULL)
        return -ENOENT;
    cress_stack_info info = { .sp = co == t->current ? here() : ctx_sp(&co->ctx) };
    if (co == &t->native) {
        char *low, *high;
        int error = native_bounds(&low, &high, &info.guard_size);
        if (error < 0)
            return error;
        info.low = low;
        info.high = high;
        info.guard = CRESS_GUARD_NONE;
    } else {
        info.low = co->stack->low;
        info.high = co->stack->top;
        info.guard = (cress_guard)stack_guard(co->stack);
        info.guard_size = stack_guard_size();
    }
    *out = info;
    return 0;
}

size_t cress_stack_used(void)
{
    struct thread *t = cress__thread;
    char *high = NULL, *low;
    size_t guard;
    if (t != NULL && t->current->stack != NULL)
        high = t->current->stack->top;
    else if (native_bounds(&low, &high, &guard) < 0)
        return 0;
    return (size_t)(high - (char *)here());
}

size_t cress_coro_stack_peak(const cress_coro *co)
{
    if (co->stack == NULL)
        return 0;
    /* What lies lowest may be zeros, which look as if nobody had written them. */
    const char *sp = co == co->thread->current ? here() : ctx_sp(&co->ctx);
    size_t used = (size_t)(co->stack->top - sp), peak = stack_peak(co->stack);
    return peak > used ? peak : used;
}

ssize_t cress_coro_trim(cress_coro *co)
{
    if (co == NULL)
        return -EINVAL;
    if (co->thread != cress__thread)
        return -EXDEV;
    if ((co->state != CORO_SUSPENDED && co->state != CORO_PARKED) || co->stack == NULL)
        return -EBUSY;
    return stack_trim(co->stack, ctx_sp(&co->ctx));
}

size_t cress_stack_trim(void)
{
    struct thread *t = cress__thread;
    return t != NULL ? stack_trim_all(&t->stacks) : 0;
}

int cress_stack_report(bool on)
{
    if (thread_self() == NULL)
        return -ENOMEM;
    return overflow_report(on, false);
}

/* --- the line, written in a signal handler: nothing of stdio --------------------------------- */

static size_t append(char *line, size_t at, size_t size, const char *text)
{
    while (*text != '\0' && at + 1 < size)
        line[at++] = *text++;
    line[at] = '\0';
    return at;
}

static size_t append_number(char *line, size_t at, size_t size, size_t n)
{
    char digits[24];
    char *p = digits + sizeof digits;
    *--p = '\0';
    do
        *--p = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return append(line, at, size, p);
}

bool coro_locate_overflow(struct thread *t, const void *address, char *line, size_t size)
{
    const cress_coro *co = t->current;
    if (co->stack == NULL)
        return false;
    if (!stack_guards(co->stack, address))
        return false;
    size_t at = append(line, 0, size, "cress: stack overflow in ");
    if (t->hub_describe != NULL && co->kind != CORO_RAW)
        at += t->hub_describe(co, line + at, size - at);
    else if (co->kind == CORO_RAW && t->hooks != NULL && t->hooks->describe != NULL)
        at += t->hooks->describe(co, cress_coro_user(co), line + at, size - at);
    else
        at = append(line, at, size, "a coroutine");
    at = append(line, at, size, ", which has ");
    at = append_number(line, at, size, (size_t)(co->stack->top - co->stack->low) / 1024);
    append(line, at, size, " KiB of stack; give it a larger stack_size\n");
    return true;
}
