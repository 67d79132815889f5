/* What a context on x86-64 begins with. The switch itself is inline: switch_x86_64.h.
 *
 * The unwind information ends at cress__ctx_start, whose return address is undefined: a walk
 * along a stack of ours stops there.
 *
 * With indirect branch tracking (-fcf-protection) what is jumped to is marked. Shadow stacks are
 * not supported, and the property note says so: one that lacks the bit makes the linker clear it
 * for the whole library.
 */
#if defined(__x86_64__) && !defined(CRESS_CTX_UCONTEXT)

#if defined(__CET__) && (__CET__ & 1)
#define LANDING endbr64
#else
#define LANDING
#endif

    .text

/* void *cress__ctx_frame(char *top, uint64_t fp, void (*first)(void *, void *), void *second)
 *
 * Write what a context rests in that is about to call first(value, second), and return its stack
 * pointer. Sixteen zero bytes stay above: the frame of cress__ctx_start.
 */
    .globl cress__ctx_frame
    .hidden cress__ctx_frame
    .type cress__ctx_frame, @function
    .p2align 4
cress__ctx_frame:
    .cfi_startproc
    LANDING
    xorl %r8d, %r8d
    leaq cress__ctx_start(%rip), %rax
    movq %r8, -8(%rdi)
    movq %r8, -16(%rdi)
    movq %rcx, -24(%rdi)
    movq %rdx, -32(%rdi)
    movq %rax, -40(%rdi)    /* where to go on */
    movq %r8, -48(%rdi)     /* rbp: the end of a walk along frame pointers */
    movq %rsi, -56(%rdi)
    leaq -56(%rdi), %rax
    ret
    .cfi_endproc
    .size cress__ctx_frame, . - cress__ctx_frame

/* Where a new context begins: rax holds the value. The outermost frame of its stack.
 *
 * Its function is jumped to, with a return address that it never uses: a call would stay in the
 * processor's stack of return addresses, see switch_x86_64.h.
 */
    .globl cress__ctx_start
    .hidden cress__ctx_start
    .type cress__ctx_start, @function
    .p2align 4
cress__ctx_start:
    .cfi_startproc
    .cfi_def_cfa_offset 32
    .cfi_undefined %rip
    LANDING
    movq %rax, %rdi
    popq %rax
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    leaq 1f(%rip), %rcx
    pushq %rcx
    .cfi_adjust_cfa_offset 8
    jmpq *%rax
    .cfi_adjust_cfa_offset -8
    nop                     /* unwinders look at the byte before a return address */
1:  ud2
    .cfi_endproc
    .size cress__ctx_start, . - cress__ctx_start

/* uint64_t cress__ctx_fp(void)
 *
 * The floating-point control, as a resting context has it at its stack pointer.
 */
    .globl cress__ctx_fp
    .hidden cress__ctx_fp
    .type cress__ctx_fp, @function
    .p2align 4
cress__ctx_fp:
    .cfi_startproc
    LANDING
    stmxcsr -8(%rsp)
    fnstcw -4(%rsp)
    movl -8(%rsp), %eax
    movzwl -4(%rsp), %ecx
    andl $0xffc0, %eax
    shlq $32, %rcx
    orq %rcx, %rax
    ret
    .cfi_endproc
    .size cress__ctx_fp, . - cress__ctx_fp

#if defined(__CET__) && (__CET__ & 1)
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5                  /* sizes of name and value; NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0       /* X86_FEATURE_1_AND: IBT, without SHSTK */
#endif
#endif

    .section .note.GNU-stack, "", @progbits
