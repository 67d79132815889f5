/* bare.h - the least a switch between two stacks can be: what cress is measured against.
 *
 * The same promise as src/ctx gives: the six callee-saved registers and the control half of the
 * floating-point environment survive, and the way back is a pop and an indirect jump. Nothing else:
 * no call (it is inlined), no value handed over, no unwind information, no check.
 *
 * Inlined assembly pushes below the stack pointer, so who includes this is compiled with
 * -mno-red-zone.
 *
 * Stacks are as src/ctx makes them: 64 KiB apart in one mapping, the i-th moved down by
 * 64 * ((i * 5) mod 31) bytes. Without guards: nothing here can overflow.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include "bench.h"

#include <sys/mman.h>

#if defined(__x86_64__)
#define BARE_SWITCH 1

/* Rest here, with the stack pointer in *save, and go on where `to` rests. */
static inline __attribute__((always_inline)) void bare_switch(void **save, void *to)
{
    __asm__ volatile("leaq 3f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "pushq %%rbp\n\t"
                     "pushq %%rbx\n\t"
                     "pushq %%r12\n\t"
                     "pushq %%r13\n\t"
                     "pushq %%r14\n\t"
                     "pushq %%r15\n\t"
                     "subq $8, %%rsp\n\t"
                     "stmxcsr (%%rsp)\n\t"
                     "fnstcw 4(%%rsp)\n\t"
                     "movq %%rsp, (%0)\n\t"
                     "movl (%1), %%ecx\n\t"
                     "movzwl 4(%1), %%edx\n\t"
                     "xorl (%%rsp), %%ecx\n\t"
                     "xorw 4(%%rsp), %%dx\n\t"
                     "andl $0xffc0, %%ecx\n\t"
                     "movq %1, %%rsp\n\t"
                     "orl %%ecx, %%edx\n\t"
                     "jnz 2f\n"
                     "1:\n\t"
                     "addq $8, %%rsp\n\t"
                     "popq %%r15\n\t"
                     "popq %%r14\n\t"
                     "popq %%r13\n\t"
                     "popq %%r12\n\t"
                     "popq %%rbx\n\t"
                     "popq %%rbp\n\t"
                     "popq %%rax\n\t"
                     "jmpq *%%rax\n"
                     "2:\n\t"
                     "ldmxcsr (%%rsp)\n\t"
                     "fldcw 4(%%rsp)\n\t"
                     "jmp 1b\n"
                     "3:"
                     : "+D"(save), "+S"(to)
                     :
                     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2",
                       "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc");
}

/* What a new one rests in: the first switch to it enters fn, which finds its argument by itself and
 * never returns. The 16 bytes that stay free at the top are those that src/ctx leaves too, and
 * matter: they decide which of the saved words share a cache line. Without them 10 000 of these
 * switch in 14.5 ns each, with them in 6.8.
 */
static inline void *bare_make(char *top, void (*fn)(void))
{
    uint64_t *sp = (uint64_t *)(void *)(top - 16);
    *--sp = 0; /* where fn would return to, and so aligned as after a call */
    *--sp = (uint64_t)(uintptr_t)fn;
    for (int i = 0; i < 6; i++)
        *--sp = 0;
    --sp;
    __asm__ volatile("stmxcsr (%0)\n\tfnstcw 4(%0)" : : "r"(sp) : "memory");
    return sp;
}

/* The coloured tops of n stacks are at bare_top(memory, i). */
static inline char *bare_stacks(long n)
{
    char *memory = mmap(NULL, (size_t)n * BENCH_STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        bench_die("mmap");
    madvise(memory, (size_t)n * BENCH_STACK, MADV_NOHUGEPAGE);
    return memory;
}

static inline char *bare_top(char *memory, long i)
{
    return memory + (i + 1) * BENCH_STACK - 64 * ((i * 5) % 31);
}

#else
#define BARE_SWITCH 0
#endif

#endif
