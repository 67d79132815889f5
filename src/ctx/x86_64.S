/* The switch for x86-64. What a resting context has on its stack, from its stack pointer up:
 *
 *      0  MXCSR          8  r15         40  rbx
 *      4  x87 control   16  r14         48  rbp
 *                       24  r13         56  where to go on
 *                       32  r12
 *
 * The way back is a pop and an indirect jump: after the stack pointer has changed, the processor's
 * own stack of return addresses predicts the wrong place for every `ret` (10.9 ns against 2.9 where
 * two places switch to each other).
 *
 * MXCSR holds control bits, which a function must keep, and sticky flags, which it need not. Saving
 * and comparing costs half a nanosecond; loading one that differs 53. So only the control bits are
 * compared (mask 0xffc0), each by a load as narrow as its store, since a wide load over two younger
 * narrow stores would have to wait until both are in the cache.
 *
 * The unwind information is exact at each instruction: since both stacks have the same layout, it
 * needs no change where the stack pointer does, and from there on describes the other context. It
 * ends at cress__ctx_start, whose return address is undefined.
 *
 * With indirect branch tracking (-fcf-protection) the jump is marked, because the place after a call
 * is no landing pad. Shadow stacks are not supported, and the property note says so: one that lacks
 * the bit makes the linker clear it for the whole library.
 */
#if defined(__x86_64__) && !defined(CRESS_CTX_UCONTEXT)

#if defined(__CET__) && (__CET__ & 1)
#define LANDING endbr64
#define NOTRACK notrack
#else
#define LANDING
#define NOTRACK
#endif

    .text

/* void *cress__ctx_switch(void **save, void *to, void *value) */
    .globl cress__ctx_switch
    .hidden cress__ctx_switch
    .type cress__ctx_switch, @function
    .p2align 5
cress__ctx_switch:
    .cfi_startproc
    LANDING
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movl (%rsi), %ecx
    movzwl 4(%rsi), %r8d
    xorl (%rsp), %ecx
    xorw 4(%rsp), %r8w
    andl $0xffc0, %ecx
    movq %rdx, %rax
    movq %rsi, %rsp
    orl %ecx, %r8d
    jnz 2f
1:  addq $8, %rsp
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    NOTRACK jmp *%rcx
2:  .cfi_restore_state
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    jmp 1b
    .cfi_endproc
    .size cress__ctx_switch, . - cress__ctx_switch

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
    movq %rax, -24(%rdi)
    movq %r8, -32(%rdi)     /* rbp: the end of a walk along frame pointers */
    movq %rdx, -40(%rdi)    /* rbx */
    movq %rcx, -48(%rdi)    /* r12 */
    movq %r8, -56(%rdi)
    movq %r8, -64(%rdi)
    movq %r8, -72(%rdi)
    movq %rsi, -80(%rdi)
    leaq -80(%rdi), %rax
    ret
    .cfi_endproc
    .size cress__ctx_frame, . - cress__ctx_frame

/* Where a new context begins: rax holds the value. The outermost frame of its stack. */
    .globl cress__ctx_start
    .hidden cress__ctx_start
    .type cress__ctx_start, @function
    .p2align 4
cress__ctx_start:
    .cfi_startproc
    .cfi_def_cfa_offset 16
    .cfi_undefined %rip
    LANDING
    movq %rax, %rdi
    movq %r12, %rsi
    callq *%rbx
    ud2
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
