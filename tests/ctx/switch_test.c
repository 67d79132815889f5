/* The switch: values, registers, floating-point control, unwinding, the end of a context. */
#define _GNU_SOURCE 1

#include "support/test.h"

#include "ctx/ctx.h"
#include "ctx/stack.h"
#include "memory.h"

#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unwind.h>

#ifdef CRESS_CTX_UCONTEXT
enum { UCONTEXT = 1 };
#else
enum { UCONTEXT = 0 };
#endif
#if defined(CRESS_ASAN) || defined(CRESS_TSAN)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static struct stack_pool pool;
static struct ctx native;

/* A context, the stack below it, and who switched to it. */
struct side {
    struct ctx ctx;
    struct stack *stack;
};

static int begin(void **state)
{
    (void)state;
    stack_pool_init(&pool);
    ctx_adopt(&native);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stack_pool_done(&pool);
    return 0;
}

static void side_make(struct side *s, void (*entry)(void *))
{
    s->stack = stack_get(&pool, 0);
    CHECK(s->stack != NULL);
    ctx_make(&s->ctx, s->stack->low, s->stack->top, entry);
}

static void side_forget(struct side *s)
{
    ctx_forget(&s->ctx);
    stack_put(&pool, s->stack);
}

static struct side a, b;

/* --- values -------------------------------------------------------------------------------- */

static void adds_one_for_ever(void *value)
{
    for (;;)
        value = ctx_switch(&a.ctx, &native, (void *)((uintptr_t)value + 1));
}

static void a_switch_carries_a_value_each_way(void **state)
{
    (void)state;
    side_make(&a, adds_one_for_ever);
    for (uintptr_t i = 0; i < 1000; i += 7)
        CHECK_EQ((uintptr_t)ctx_switch(&native, &a.ctx, (void *)i), i + 1);
    CHECK_EQ(ctx_switch(&native, &a.ctx, (void *)UINTPTR_MAX), 0);
    side_forget(&a);
}

enum { RING = 1000 };
static struct side ring[RING];
static int ring_at;

static void passes_on(void *value)
{
    int i = ring_at;
    for (;;) {
        struct ctx *next = i + 1 < RING ? &ring[i + 1].ctx : &native;
        ring_at = i + 1;
        value = ctx_switch(&ring[i].ctx, next, (void *)((uintptr_t)value + (uintptr_t)i));
    }
}

static void contexts_switch_to_each_other_without_going_home(void **state)
{
    (void)state;
    for (int i = 0; i < RING; i++)
        side_make(&ring[i], passes_on);
    for (uintptr_t round = 0; round < 10; round++) {
        ring_at = 0;
        CHECK_EQ((uintptr_t)ctx_switch(&native, &ring[0].ctx, (void *)round),
                 round + RING * (RING - 1) / 2);
    }
    for (int i = 0; i < RING; i++)
        side_forget(&ring[i]);
}

static bool entry_aligned;

static void looks_at_its_frame(void *value)
{
    entry_aligned = (uintptr_t)__builtin_frame_address(0) % 16 == 0;
    for (;;)
        value = ctx_switch(&a.ctx, &native, value);
}

static void the_stack_is_aligned_at_the_entry(void **state)
{
    (void)state;
    side_make(&a, looks_at_its_frame);
    ctx_switch(&native, &a.ctx, NULL);
    CHECK(entry_aligned);
    side_forget(&a);
}

/* --- registers ----------------------------------------------------------------------------- */

/* void with_registers(void (*fn)(void), uint64_t *values): call fn with the callee-saved registers
 * set to values, and store there what they are afterwards.
 */
void with_registers(void (*fn)(void), uint64_t *values);

#if defined(__x86_64__)
enum { N_REGISTERS = 6 };
__asm__("    .text\n"
        "    .type with_registers, @function\n"
        "with_registers:\n"
        "    pushq %rbx\n    pushq %rbp\n    pushq %r12\n    pushq %r13\n    pushq %r14\n"
        "    pushq %r15\n    pushq %rsi\n"
        "    movq (%rsi), %rbx\n    movq 8(%rsi), %rbp\n    movq 16(%rsi), %r12\n"
        "    movq 24(%rsi), %r13\n    movq 32(%rsi), %r14\n    movq 40(%rsi), %r15\n"
        "    callq *%rdi\n"
        "    popq %rsi\n"
        "    movq %rbx, (%rsi)\n    movq %rbp, 8(%rsi)\n    movq %r12, 16(%rsi)\n"
        "    movq %r13, 24(%rsi)\n    movq %r14, 32(%rsi)\n    movq %r15, 40(%rsi)\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbp\n    popq %rbx\n"
        "    ret\n"
        "    .size with_registers, . - with_registers\n");
#elif defined(__aarch64__)
enum { N_REGISTERS = 18 };
__asm__("    .text\n"
        "    .type with_registers, %function\n"
        "with_registers:\n"
        "    stp x29, x30, [sp, #-176]!\n"
        "    stp x19, x20, [sp, #16]\n    stp x21, x22, [sp, #32]\n    stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]\n    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n    stp d10, d11, [sp, #112]\n    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n    str x1, [sp, #160]\n"
        "    ldp x19, x20, [x1]\n    ldp x21, x22, [x1, #16]\n    ldp x23, x24, [x1, #32]\n"
        "    ldp x25, x26, [x1, #48]\n    ldp x27, x28, [x1, #64]\n"
        "    ldp d8, d9, [x1, #80]\n    ldp d10, d11, [x1, #96]\n    ldp d12, d13, [x1, #112]\n"
        "    ldp d14, d15, [x1, #128]\n"
        "    blr x0\n"
        "    ldr x1, [sp, #160]\n"
        "    stp x19, x20, [x1]\n    stp x21, x22, [x1, #16]\n    stp x23, x24, [x1, #32]\n"
        "    stp x25, x26, [x1, #48]\n    stp x27, x28, [x1, #64]\n"
        "    stp d8, d9, [x1, #80]\n    stp d10, d11, [x1, #96]\n    stp d12, d13, [x1, #112]\n"
        "    stp d14, d15, [x1, #128]\n"
        "    ldp x19, x20, [sp, #16]\n    ldp x21, x22, [sp, #32]\n    ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]\n    ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n    ldp d10, d11, [sp, #112]\n    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n    ldp x29, x30, [sp], #176\n"
        "    ret\n"
        "    .size with_registers, . - with_registers\n");
#endif

static void a_to_native(void)
{
    ctx_switch(&a.ctx, &native, NULL);
}

static void native_to_a(void)
{
    ctx_switch(&native, &a.ctx, NULL);
}

static void fill(uint64_t *values, uint64_t seed)
{
    for (int i = 0; i < N_REGISTERS; i++)
        values[i] = seed * 0x100000001b3u + (uint64_t)i * 0x9e3779b97f4a7c15u;
}

static void keeps_registers(void *value)
{
    (void)value;
    for (uint64_t seed = 1;; seed += 2) {
        uint64_t values[N_REGISTERS], expected[N_REGISTERS];
        fill(values, seed);
        fill(expected, seed);
        with_registers(a_to_native, values);
        CHECK_MEM(values, expected, sizeof values);
    }
}

static void each_context_keeps_its_callee_saved_registers(void **state)
{
    (void)state;
    side_make(&a, keeps_registers);
    for (uint64_t seed = 2; seed < 100; seed += 2) {
        uint64_t values[N_REGISTERS], expected[N_REGISTERS];
        fill(values, seed);
        fill(expected, seed);
        with_registers(native_to_a, values);
        CHECK_MEM(values, expected, sizeof values);
    }
    side_forget(&a);
}

/* --- floating point ------------------------------------------------------------------------ */

#if defined(__x86_64__)
enum { ROUND_DOWN = 0x2000, ROUND_UP = 0x4000, ROUND_MASK = 0x6000, INEXACT = 0x20 };

static unsigned control(void)
{
    return __builtin_ia32_stmxcsr();
}

static void set_rounding(unsigned mode)
{
    __builtin_ia32_ldmxcsr((control() & ~(unsigned)ROUND_MASK) | mode);
}

static unsigned sticky(void)
{
    return control() & 0x3f;
}

static void clear_sticky(void)
{
    __builtin_ia32_ldmxcsr(control() & ~0x3fu);
}
#elif defined(__aarch64__)
enum { ROUND_DOWN = 0x800000, ROUND_UP = 0x400000, ROUND_MASK = 0xc00000, INEXACT = 0x10 };

static unsigned control(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return (unsigned)fpcr;
}

static void set_rounding(unsigned mode)
{
    uint64_t fpcr = (control() & ~(unsigned)ROUND_MASK) | mode;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}

static unsigned sticky(void)
{
    uint64_t fpsr;
    __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
    return (unsigned)fpsr & 0x9f;
}

static void clear_sticky(void)
{
    __asm__ volatile("msr fpsr, %0" : : "r"(0ul));
}
#endif

static unsigned rounding(void)
{
    return control() & ROUND_MASK;
}

static void rounds_up(void *value)
{
    (void)value;
    set_rounding(ROUND_UP);
    for (;;) {
        CHECK_EQ(rounding(), ROUND_UP);
        ctx_switch(&a.ctx, &native, NULL);
    }
}

static void each_context_keeps_its_rounding_mode(void **state)
{
    (void)state;
    side_make(&a, rounds_up);
    set_rounding(ROUND_DOWN);
    for (int i = 0; i < 10; i++) {
        ctx_switch(&native, &a.ctx, NULL);
        CHECK_EQ(rounding(), ROUND_DOWN);
    }
    set_rounding(0);
    ctx_switch(&native, &a.ctx, NULL);
    CHECK_EQ(rounding(), 0);
    side_forget(&a);
}

#if defined(__x86_64__)
static unsigned x87_control(void)
{
    uint16_t word;
    __asm__ volatile("fnstcw %0" : "=m"(word));
    return word;
}

static void x87_set_control(unsigned value)
{
    uint16_t word = (uint16_t)value;
    __asm__ volatile("fldcw %0" : : "m"(word));
}

static void computes_with_less_precision(void *value)
{
    (void)value;
    x87_set_control(0x27f);
    for (;;) {
        CHECK_EQ(x87_control(), 0x27f);
        ctx_switch(&a.ctx, &native, NULL);
    }
}

static void each_context_keeps_its_x87_precision(void **state)
{
    (void)state;
    x87_set_control(0x27f);
    if (x87_control() != 0x27f) {
        printf("skipped: valgrind has no x87 precision control\n");
        skip();
    }
    x87_set_control(0x37f);
    side_make(&a, computes_with_less_precision);
    for (int i = 0; i < 10; i++) {
        ctx_switch(&native, &a.ctx, NULL);
        CHECK_EQ(x87_control(), 0x37f);
    }
    side_forget(&a);
}
#endif

static unsigned seen;

static void tells_its_rounding(void *value)
{
    (void)value;
    for (;;) {
        seen = rounding();
        ctx_switch(&b.ctx, &native, NULL);
    }
}

static void a_new_context_starts_as_the_thread_was_when_adopted(void **state)
{
    (void)state;
    set_rounding(ROUND_DOWN);
    ctx_adopt(&native);
    set_rounding(ROUND_UP);
    side_make(&b, tells_its_rounding);
    set_rounding(0);
    ctx_switch(&native, &b.ctx, NULL);
    CHECK_EQ(seen, ROUND_DOWN);
    CHECK_EQ(rounding(), 0);
    side_forget(&b);
    ctx_adopt(&native);
}

static void tells_the_sticky_flags(void *value)
{
    (void)value;
    for (;;) {
        seen = sticky();
        clear_sticky();
        ctx_switch(&a.ctx, &native, NULL);
    }
}

/* They would not be visible over there if they had been replaced by that side's own: so nothing was
 * loaded.
 */
static void sticky_flags_alone_load_no_control_word(void **state)
{
    (void)state;
    if (UCONTEXT) {
        printf("skipped: swapcontext loads the control words always\n");
        skip();
    }
    volatile double third = 1.0;
    third = third / 3;
    if ((sticky() & INEXACT) == 0) {
        printf("skipped: valgrind sets no sticky flags\n");
        skip();
    }
    side_make(&a, tells_the_sticky_flags);
    for (int i = 0; i < 3; i++) {
        clear_sticky();
        ctx_switch(&native, &a.ctx, NULL);
        CHECK_EQ(seen & INEXACT, 0);
        third = 1.0;
        third = third / 3;
        ctx_switch(&native, &a.ctx, NULL);
        CHECK_EQ(seen & INEXACT, INEXACT);
    }
    side_forget(&a);
}

/* --- unwinding ----------------------------------------------------------------------------- */

extern const char cress__ctx_start[];

enum { DEPTH = 20, MOST = 64 };
static void *frames[MOST];
static int n_frames;

static noinline int descend(int n)
{
    if (n == 0)
        n_frames = backtrace(frames, MOST);
    else
        n += descend(n - 1);
    __asm__ volatile(""); /* not a tail call */
    return n;
}

static void looks_at_its_callers(void *value)
{
    for (;;) {
        descend(DEPTH);
        value = ctx_switch(&a.ctx, &native, value);
    }
}

static int frames_of(void *function)
{
    int n = 0;
    for (int i = 0; i < n_frames; i++)
        n += _Unwind_FindEnclosingFunction((char *)frames[i] - 1) == function;
    return n;
}

static void a_backtrace_ends_at_the_entry(void **state)
{
    (void)state;
    side_make(&a, looks_at_its_callers);
    for (int i = 0; i < 2; i++) {
        memset(frames, 0, sizeof frames);
        ctx_switch(&native, &a.ctx, NULL);
        CHECK_GT(n_frames, DEPTH + 1);
        CHECK_LT(n_frames, DEPTH + 8);
        CHECK_EQ(frames_of((void *)descend), DEPTH + 1);
        CHECK_EQ(frames_of((void *)looks_at_its_callers), 1);
        CHECK_EQ(frames_of((void *)a_backtrace_ends_at_the_entry), 0);
#ifndef CRESS_CTX_UCONTEXT
        const char *last = frames[n_frames - 1];
        CHECK(last > cress__ctx_start && last < cress__ctx_start + 32);
#endif
    }
    side_forget(&a);
}

static int chain;

static void follows_the_frame_pointers(void *value)
{
    void **frame = __builtin_frame_address(0);
    for (chain = 0; frame != NULL && chain < 10; chain++)
        frame = *frame;
    for (;;)
        value = ctx_switch(&a.ctx, &native, value);
}

static void the_chain_of_frame_pointers_ends_at_the_entry(void **state)
{
    (void)state;
    if (UCONTEXT) {
        printf("skipped: makecontext leaves the frame pointer as it is\n");
        skip();
    }
    side_make(&a, follows_the_frame_pointers);
    ctx_switch(&native, &a.ctx, NULL);
    CHECK_LT(chain, 3);
    side_forget(&a);
}

/* Single steps through the switch, with a walk up the stack at each instruction. */
#if defined(__x86_64__) && !defined(CRESS_CTX_UCONTEXT) && !defined(CRESS_ASAN) && \
    !defined(CRESS_TSAN)
#define STEPS 1

static volatile bool stepping;
static int n_steps;
static int n_walks[2];  /* from instructions of steps_a, of steps_b */
static int n_crossings; /* that led from one to the other */

static noinline void steps_a(void *value)
{
    for (;;) {
        stepping = true;
        raise(SIGTRAP);
        value = ctx_switch(&a.ctx, &b.ctx, value);
        __asm__ volatile("");
    }
}

static noinline void steps_b(void *value)
{
    for (;;) {
        value = ctx_switch(&b.ctx, &a.ctx, value);
        stepping = false;
        value = ctx_switch(&b.ctx, &native, value);
    }
}

struct walk {
    void *functions[MOST];
    int n;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    int before = 0;
    uintptr_t ip = _Unwind_GetIPInfo(context, &before);
    /* The last call, after the last frame, has no address. */
    if (ip != 0 && walk->n < MOST)
        walk->functions[walk->n++] = _Unwind_FindEnclosingFunction((void *)(ip - !before));
    return _URC_NO_REASON;
}

static void on_step(int sig, siginfo_t *info, void *argument)
{
    (void)sig;
    (void)info;
    ucontext_t *at = argument;
    const char *ip = (const char *)at->uc_mcontext.gregs[REG_RIP];
    n_steps++;
    if (stepping)
        at->uc_mcontext.gregs[REG_EFL] |= 0x100;
    else
        at->uc_mcontext.gregs[REG_EFL] &= ~0x100;
    void *here = _Unwind_FindEnclosingFunction((void *)ip);
    if (here != (void *)steps_a && here != (void *)steps_b)
        return;

    struct walk walk = { .n = 0 };
    _Unwind_Backtrace(note_frame, &walk);
    int i = 0;
    while (i < walk.n && walk.functions[i] != here) /* this handler, and how it was called */
        i++;
    CHECK_LT(i + 2, MOST);
    n_walks[here == (void *)steps_b]++;
    /* At the jump itself, and there only, the way on leads to the other one. */
    if (walk.functions[i + 1] == (void *)steps_b || walk.functions[i + 1] == (void *)steps_a) {
        CHECK_NE(walk.functions[i + 1], here);
        n_crossings++;
        i++;
    }
    CHECK_EQ(walk.functions[i + 1], (void *)cress__ctx_start);
    CHECK_EQ(walk.n, i + 2); /* the end */
}
#endif

static void every_instruction_of_the_switch_can_be_unwound(void **state)
{
    (void)state;
#ifdef STEPS
    struct sigaction old, action = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
    sigaction(SIGTRAP, &action, &old);
    side_make(&a, steps_a);
    side_make(&b, steps_b);
    ctx_switch(&native, &b.ctx, NULL); /* b begins, goes to a, which steps to b, which goes home */
    sigaction(SIGTRAP, &old, NULL);
    if (n_steps == 1) { /* the first is our own raise() */
        printf("skipped: valgrind makes no single steps\n");
        skip();
    }
    CHECK_GE(n_walks[0], 20);
    CHECK_GE(n_walks[1], 2);
    CHECK_EQ(n_crossings, 1);
    side_forget(&a);
    side_forget(&b);
#else
    printf("skipped: only in plain builds of the x86-64 assembly\n");
    skip();
#endif
}

/* --- the end ------------------------------------------------------------------------------- */

static struct ctx *after_end;

static void puts_its_stack_back_and_ends(void *value)
{
    char below[512];
    memset(below, 0x5a, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory");
    stack_put(&pool, a.stack);
    ctx_switch_last(&a.ctx, after_end, (void *)((uintptr_t)value * 2));
}

static void a_stack_can_be_put_back_by_who_runs_on_it(void **state)
{
    (void)state;
    after_end = &native;
    struct stack *first = NULL;
    for (uintptr_t i = 0; i < 1000; i++) {
        side_make(&a, puts_its_stack_back_and_ends);
        if (first == NULL)
            first = a.stack;
        CHECK_EQ(a.stack, first);
        CHECK_EQ((uintptr_t)ctx_switch(&native, &a.ctx, (void *)i), 2 * i);
    }
}

static void continues_a(void *value)
{
    for (;;)
        value = ctx_switch(&b.ctx, &native, (void *)((uintptr_t)value + 1));
}

static void an_ended_context_can_hand_over_to_a_new_one(void **state)
{
    (void)state;
    after_end = &b.ctx;
    side_make(&a, puts_its_stack_back_and_ends);
    side_make(&b, continues_a);
    CHECK_EQ((uintptr_t)ctx_switch(&native, &a.ctx, (void *)20), 41);
    side_forget(&b);
}

static noinline void deep_work(volatile char *from)
{
    volatile char deep[16384];
    for (size_t i = 0; i < sizeof deep; i += 512)
        deep[i] = *from;
}

static void works_deep_and_rests(void *value)
{
    char byte = 1;
    deep_work(&byte);
    for (;;)
        value = ctx_switch(&a.ctx, &native, (void *)((uintptr_t)value + (uintptr_t)byte));
}

static void nothing_below_the_stack_pointer_is_needed(void **state)
{
    (void)state;
    side_make(&a, works_deep_and_rests);
    CHECK_EQ((uintptr_t)ctx_switch(&native, &a.ctx, (void *)1), 2);
    char *sp = ctx_sp(&a.ctx);
    CHECK(sp > a.stack->low && sp < a.stack->top);
    size_t before = pages_resident(a.stack->low, a.stack->top);
    CHECK_GE(before, 4);

    ssize_t trimmed = stack_trim(a.stack, sp);
    CHECK(trimmed > 16384);
    CHECK_LE(a.stack->low + trimmed, sp);
    CHECK_EQ(pages_resident(a.stack->low, a.stack->low + trimmed), 0);
    CHECK_EQ((uintptr_t)ctx_switch(&native, &a.ctx, (void *)5), 6);
    side_forget(&a);
}

static void rests_below_a_frame_of_512_bytes(void *value)
{
    volatile char frame[512];
    memset((char *)frame, 1, sizeof frame);
    for (;;)
        value = ctx_switch(&ring[ring_at].ctx, &native, value);
}

static void a_resting_context_costs_one_page(void **state)
{
    (void)state;
    if (SANITIZED || UCONTEXT) {
        printf("skipped: frames are larger with sanitizers and ucontext\n");
        skip();
    }
    stack_trim_all(&pool);
    for (ring_at = 0; ring_at < 62; ring_at++) { /* each colour twice */
        side_make(&ring[ring_at], rests_below_a_frame_of_512_bytes);
        ctx_switch(&native, &ring[ring_at].ctx, NULL);
        struct stack *s = ring[ring_at].stack;
        CHECK_EQ(pages_resident(s->low, s->top), 1);
    }
    for (int i = 0; i < 62; i++)
        side_forget(&ring[i]);
}

/* --- threads ------------------------------------------------------------------------------- */

struct home {
    struct ctx native, ctx;
    struct stack_pool pool;
};

static void counts_in_its_thread(void *value)
{
    struct home *home = value;
    for (uintptr_t i = 0;; i++)
        ctx_switch(&home->ctx, &home->native, (void *)i);
}

static void *runs_contexts(void *argument)
{
    struct home home;
    (void)argument;
    ctx_adopt(&home.native);
    stack_pool_init(&home.pool);
    for (int round = 0; round < 20; round++) {
        struct stack *s = stack_get(&home.pool, 0);
        CHECK(s != NULL);
        ctx_make(&home.ctx, s->low, s->top, counts_in_its_thread);
        for (uintptr_t i = 0; i < 100; i++)
            CHECK_EQ((uintptr_t)ctx_switch(&home.native, &home.ctx, &home), i);
        ctx_forget(&home.ctx);
        stack_put(&home.pool, s);
    }
    stack_pool_done(&home.pool);
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) { /* later ones get the addresses of earlier ones */
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, runs_contexts, NULL), 0);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_switch_carries_a_value_each_way),
        TEST(contexts_switch_to_each_other_without_going_home),
        TEST(the_stack_is_aligned_at_the_entry),
        TEST(each_context_keeps_its_callee_saved_registers),
        TEST(each_context_keeps_its_rounding_mode),
#if defined(__x86_64__)
        TEST(each_context_keeps_its_x87_precision),
#endif
        TEST(a_new_context_starts_as_the_thread_was_when_adopted),
        TEST(sticky_flags_alone_load_no_control_word),
        TEST(a_backtrace_ends_at_the_entry),
        TEST(the_chain_of_frame_pointers_ends_at_the_entry),
        TEST(every_instruction_of_the_switch_can_be_unwound),
        TEST(a_stack_can_be_put_back_by_who_runs_on_it),
        TEST(an_ended_context_can_hand_over_to_a_new_one),
        TEST(nothing_below_the_stack_pointer_is_needed),
        TEST(a_resting_context_costs_one_page),
        TEST(threads_do_not_disturb_each_other),
    };
    return RUN_TESTS(tests);
}
