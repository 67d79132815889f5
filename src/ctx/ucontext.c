/* ucontext - the switch by swapcontext(3): slow, since it sets the signal mask by a system call
 * each time, but known to be right. The tests run over it too, and what behaves differently is a
 * mistake in our assembly; and it is the first thing that works on a new processor.
 *
 * A resting context's sp points to its `struct rest`, a local variable of the switch it is in. Use
 * the assembly under AddressSanitizer: its swapcontext clears the red zones of the whole stack.
 */
#define _GNU_SOURCE 1

#include "ctx/ctx.h"

#ifdef CRESS_CTX_UCONTEXT

#include "ctx/frame.h"

#include <ucontext.h>

struct rest {
    ucontext_t at;
    void *value; /* of the switch that ends this rest */
};

/* In front of the stack of one that is new. */
struct birth {
    struct rest rest;
    void (*first)(void *value, void *second);
    void *second;
};

#if defined(__x86_64__)

uint64_t cress__ctx_fp(void)
{
    uint16_t x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (uint64_t)x87 << 32 | (__builtin_ia32_stmxcsr() & 0xffc0);
}

static void fp_set(uint64_t fp)
{
    uint16_t x87 = (uint16_t)(fp >> 32);
    __asm__ volatile("fldcw %0" : : "m"(x87));
    __builtin_ia32_ldmxcsr((uint32_t)fp);
}

static char *stack_pointer(const ucontext_t *at)
{
    return (char *)at->uc_mcontext.gregs[REG_RSP];
}

#elif defined(__aarch64__)

uint64_t cress__ctx_fp(void)
{
    uint64_t fp;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fp));
    return fp;
}

static void fp_set(uint64_t fp)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(fp));
}

static char *stack_pointer(const ucontext_t *at)
{
    return (char *)at->uc_mcontext.sp;
}

#endif

/* makecontext passes ints only, so the address of the birth comes in two. */
static void start(unsigned low, unsigned high)
{
    struct birth *b = (struct birth *)((uintptr_t)high << 32 | low);
    b->first(b->rest.value, b->second);
}

void *cress__ctx_frame(char *top, uint64_t fp, void (*first)(void *, void *), void *second)
{
    struct birth *b = (struct birth *)(void *)(top - ((sizeof *b + 15) & ~(size_t)15));
    b->first = first;
    b->second = second;

    uint64_t now = cress__ctx_fp();
    fp_set(fp);
    getcontext(&b->rest.at);
    fp_set(now);

    /* Only the end of the stack matters to makecontext. */
    b->rest.at.uc_stack.ss_size = 4096;
    b->rest.at.uc_stack.ss_sp = (char *)b - 4096;
    b->rest.at.uc_link = NULL;
    makecontext(&b->rest.at, (void (*)(void))start, 2, (unsigned)(uintptr_t)b,
                (unsigned)((uintptr_t)b >> 32));
    return b;
}

void *cress__ctx_switch(void **save, void *to, void *value)
{
    struct rest here, *there = to;
    there->value = value;
    *save = &here;
    swapcontext(&here.at, &there->at);
    return here.value;
}

char *ctx_sp(const struct ctx *c)
{
    return stack_pointer(&((const struct rest *)c->sp)->at);
}

#endif
