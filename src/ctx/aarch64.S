/* The switch for aarch64. What a resting context has on its stack, from its stack pointer up:
 *
 *      0  FPCR      16  d8 ... d15      80  x19 ... x28      160  x29      168  x30
 *
 * As for x86-64 (see there for the reasons) the floating-point control is written only when it
 * differs, the unwind information is exact at each instruction and ends at cress__ctx_start, and
 * the way back is a jump, not a return: except where branch targets are checked (BTI), since the
 * place after a call is no landing pad and only `ret` may go there.
 */
#if defined(__aarch64__) && !defined(CRESS_CTX_UCONTEXT)

#if defined(__ARM_FEATURE_BTI_DEFAULT)
#define LANDING hint 34 /* bti c */
#define BACK ret x30
#else
#define LANDING
#define BACK br x30
#endif

    .text

/* void *cress__ctx_switch(void **save, void *to, void *value) */
    .globl cress__ctx_switch
    .hidden cress__ctx_switch
    .type cress__ctx_switch, %function
    .p2align 5
cress__ctx_switch:
    .cfi_startproc
    LANDING
    sub sp, sp, #176
    .cfi_def_cfa_offset 176
    stp x29, x30, [sp, #160]
    .cfi_rel_offset x29, 160
    .cfi_rel_offset x30, 168
    stp x27, x28, [sp, #144]
    .cfi_rel_offset x27, 144
    .cfi_rel_offset x28, 152
    stp x25, x26, [sp, #128]
    .cfi_rel_offset x25, 128
    .cfi_rel_offset x26, 136
    stp x23, x24, [sp, #112]
    .cfi_rel_offset x23, 112
    .cfi_rel_offset x24, 120
    stp x21, x22, [sp, #96]
    .cfi_rel_offset x21, 96
    .cfi_rel_offset x22, 104
    stp x19, x20, [sp, #80]
    .cfi_rel_offset x19, 80
    .cfi_rel_offset x20, 88
    stp d14, d15, [sp, #64]
    .cfi_rel_offset d14, 64
    .cfi_rel_offset d15, 72
    stp d12, d13, [sp, #48]
    .cfi_rel_offset d12, 48
    .cfi_rel_offset d13, 56
    stp d10, d11, [sp, #32]
    .cfi_rel_offset d10, 32
    .cfi_rel_offset d11, 40
    stp d8, d9, [sp, #16]
    .cfi_rel_offset d8, 16
    .cfi_rel_offset d9, 24
    mrs x3, fpcr
    str x3, [sp]
    mov x4, sp
    str x4, [x0]
    ldr x5, [x1]
    mov x0, x2
    mov sp, x1
    cmp x3, x5
    b.ne 2f
1:  ldp d8, d9, [sp, #16]
    .cfi_remember_state
    .cfi_restore d8
    .cfi_restore d9
    ldp d10, d11, [sp, #32]
    .cfi_restore d10
    .cfi_restore d11
    ldp d12, d13, [sp, #48]
    .cfi_restore d12
    .cfi_restore d13
    ldp d14, d15, [sp, #64]
    .cfi_restore d14
    .cfi_restore d15
    ldp x19, x20, [sp, #80]
    .cfi_restore x19
    .cfi_restore x20
    ldp x21, x22, [sp, #96]
    .cfi_restore x21
    .cfi_restore x22
    ldp x23, x24, [sp, #112]
    .cfi_restore x23
    .cfi_restore x24
    ldp x25, x26, [sp, #128]
    .cfi_restore x25
    .cfi_restore x26
    ldp x27, x28, [sp, #144]
    .cfi_restore x27
    .cfi_restore x28
    ldp x29, x30, [sp, #160]
    .cfi_restore x29
    .cfi_restore x30
    add sp, sp, #176
    .cfi_def_cfa_offset 0
    BACK
2:  .cfi_restore_state
    msr fpcr, x5
    b 1b
    .cfi_endproc
    .size cress__ctx_switch, . - cress__ctx_switch

/* void *cress__ctx_frame(char *top, uint64_t fp, void (*first)(void *, void *), void *second)
 *
 * Write what a context rests in that is about to call first(value, second), and return its stack
 * pointer. Sixteen zero bytes stay above: the frame of cress__ctx_start.
 */
    .globl cress__ctx_frame
    .hidden cress__ctx_frame
    .type cress__ctx_frame, %function
    .p2align 4
cress__ctx_frame:
    .cfi_startproc
    LANDING
    adrp x4, cress__ctx_start
    add x4, x4, #:lo12:cress__ctx_start
    stp xzr, xzr, [x0, #-16]!
    sub x0, x0, #176
    stp xzr, x4, [x0, #160]     /* x29: the end of a walk along frame pointers; x30 */
    stp xzr, xzr, [x0, #144]
    stp xzr, xzr, [x0, #128]
    stp xzr, xzr, [x0, #112]
    stp xzr, xzr, [x0, #96]
    stp x2, x3, [x0, #80]       /* x19, x20 */
    stp xzr, xzr, [x0, #64]
    stp xzr, xzr, [x0, #48]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #16]
    stp x1, xzr, [x0]
    ret
    .cfi_endproc
    .size cress__ctx_frame, . - cress__ctx_frame

/* Where a new context begins: x0 holds the value. The outermost frame of its stack. */
    .globl cress__ctx_start
    .hidden cress__ctx_start
    .type cress__ctx_start, %function
    .p2align 4
cress__ctx_start:
    .cfi_startproc
    .cfi_def_cfa_offset 16
    .cfi_undefined x30
    mov x1, x20
    blr x19
    brk #0
    .cfi_endproc
    .size cress__ctx_start, . - cress__ctx_start

/* uint64_t cress__ctx_fp(void)
 *
 * The floating-point control, as a resting context has it at its stack pointer.
 */
    .globl cress__ctx_fp
    .hidden cress__ctx_fp
    .type cress__ctx_fp, %function
    .p2align 4
cress__ctx_fp:
    .cfi_startproc
    LANDING
    mrs x0, fpcr
    ret
    .cfi_endproc
    .size cress__ctx_fp, . - cress__ctx_fp

#if defined(__ARM_FEATURE_BTI_DEFAULT)
    .section .note.gnu.property, "a"
    .p2align 3
    .word 4, 16, 5                  /* sizes of name and value; NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .word 0xc0000000, 4, 1, 0       /* AARCH64_FEATURE_1_AND: BTI */
#endif
#endif

    .section .note.GNU-stack, "", %progbits
