/* switch_x86_64 - the switch for x86-64, inline. What a resting context has on its stack, from its
 * stack pointer up:
 *
 *      0  MXCSR             8  rbp
 *      4  x87 control      16  where to go on
 *
 * Inline, because of how a processor predicts returns: it keeps a stack of the return addresses of
 * the calls it saw. A switch that is called leaves its own return address there, so that the next
 * `ret` of whoever goes on, in cress_yield() say, is predicted to lead somewhere else: 7 ns, as
 * much as all the rest. Without a call of its own, the number of calls and returns is the same on
 * both sides, and greenlets that block in the same function return to predicted places. For the
 * same reason the way to the other side is an indirect jump.
 *
 * The compiler is told that every register is lost, and saves those it has something in where it
 * would save them anyhow, at the beginning of the function; so a context rests in three words. Only
 * rbp cannot be told so: it may be the frame pointer.
 *
 * MXCSR holds control bits, which a function must keep, and sticky flags, which it need not. Saving
 * it costs 3.5 ns on Zen 5 (half a nanosecond elsewhere), and loading one that differs 53. So only
 * the control bits are compared (mask 0xffc0), each by a load as narrow as its store, since a wide
 * load over two younger narrow stores would have to wait until both are in the cache.
 *
 * Unwinders find their way at each instruction, provided that the function around has a frame
 * pointer (the library is compiled so): up to the change of rbp the frame is still its own,
 * whatever the stack pointer does; behind, the notes say that the caller goes on at rdx, as for a
 * function that is about to return. What stands before label 1 belongs to the resting frame,
 * since unwinders look at the byte before a return address.
 *
 * With indirect branch tracking (-fcf-protection) the jump is marked, because label 1 is no landing
 * pad. Shadow stacks are not supported: see x86_64.S.
 */
#ifndef CRESS_CTX_SWITCH_X86_64_H
#define CRESS_CTX_SWITCH_X86_64_H

#include "base/compiler.h"

#if defined(__CET__) && (__CET__ & 1)
#define CTX_NOTRACK "notrack "
#else
#define CTX_NOTRACK ""
#endif

#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define CTX_CFI_OTHER                \
    ".cfi_remember_state\n\t"        \
    ".cfi_def_cfa %%rsp, 0\n\t"      \
    ".cfi_register %%rip, %%rdx\n\t" \
    ".cfi_same_value %%rbp\n\t"      \
    ".cfi_same_value %%rbx\n\t"      \
    ".cfi_same_value %%r12\n\t"      \
    ".cfi_same_value %%r13\n\t"      \
    ".cfi_same_value %%r14\n\t"      \
    ".cfi_same_value %%r15\n\t"
#define CTX_CFI_OWN ".cfi_restore_state\n\t"
#else
#define CTX_CFI_OTHER
#define CTX_CFI_OWN
#endif

/* A leaf function may keep things in the 128 bytes below the stack pointer, and the compiler does
 * not see that something is pushed here. So either it is told to do without (-mno-red-zone, as the
 * library is built), or they are passed over, which puts what a context rests in further away
 * from what its function saved: 1.2 ns at 1000 contexts and 2.3 at 10 000.
 */
#ifdef CRESS_NO_RED_ZONE
#define CTX_PASS_RED_ZONE
#define CTX_PASS_BACK
#else
#define CTX_PASS_RED_ZONE "leaq -128(%%rsp), %%rsp\n\t"
#define CTX_PASS_BACK "leaq 128(%%rsp), %%rsp"
#endif

#ifdef __AVX512F__
#define CTX_MORE_LOST                                                                             \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",   \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", \
        "k7"
#else
#define CTX_MORE_LOST
#endif

/* Rest with the stack pointer in *save, go on in the context that rests at to, where value is what
 * this gives. */
static always_inline void *ctx_swap(void **save, void *to, void *value)
{
    __asm__ volatile(
        "leaq 1f(%%rip), %%rcx\n\t" CTX_PASS_RED_ZONE "pushq %%rcx\n\t"
        "pushq %%rbp\n\t"
        "subq $8, %%rsp\n\t"
        "stmxcsr (%%rsp)\n\t"
        "fnstcw 4(%%rsp)\n\t"
        "movq %%rsp, (%%rdi)\n\t"
        "movl (%%rsi), %%ecx\n\t"
        "movzwl 4(%%rsi), %%r8d\n\t"
        "xorl (%%rsp), %%ecx\n\t"
        "xorw 4(%%rsp), %%r8w\n\t"
        "andl $0xffc0, %%ecx\n\t"
        "movq 16(%%rsi), %%rdx\n\t"
        "orl %%ecx, %%r8d\n\t"
        "jnz 3f\n\t"
        "2:\n\t"
        "leaq 24(%%rsi), %%rsp\n\t"
        "movq 8(%%rsi), %%rbp\n\t" CTX_CFI_OTHER CTX_NOTRACK "jmp *%%rdx\n\t" CTX_CFI_OWN "3:\n\t"
        "ldmxcsr (%%rsi)\n\t"
        "fldcw 4(%%rsi)\n\t"
        "jmp 2b\n\t"
        "1:\n\t" CTX_PASS_BACK
        : "+a"(value), "+D"(save), "+S"(to)
        :
        : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",
          "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
          "st(7)", "cc", "memory" CTX_MORE_LOST);
    return value;
}

#endif
