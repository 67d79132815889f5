/* The report of a stack overflow; each case in a process of its own, since it ends one. */
#define _GNU_SOURCE 1

#include "support/test.h"

#include "ctx/ctx.h"
#include "ctx/overflow.h"
#include "ctx/stack.h"
#include "memory.h"
#include "support/child.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static struct stack_pool pool;
static struct ctx native, ctx;
static struct stack *stack;
static __thread struct stack *running;

static bool locate(const void *address, char *line, size_t size)
{
    if (running == NULL || !stack_guards(running, address))
        return false;
    strncpy(line, "overflow: told\n", size);
    return true;
}

static void run(void (*entry)(void *))
{
    ctx_adopt(&native);
    stack_pool_init(&pool);
    running = stack = stack_get(&pool, 0);
    CHECK(stack != NULL);
    ctx_make(&ctx, stack->low, stack->top, entry);
    ctx_switch(&native, &ctx, NULL);
    ctx_forget(&ctx);
    stack_pool_done(&pool);
    running = NULL;
}

static volatile int deep_enough = -1;

static noinline int endless(volatile char *from)
{
    if (deep_enough == *from)
        return 0;
    volatile char frame[256];
    memset((char *)frame, *from, sizeof frame);
    return endless(frame) + frame[17];
}

static void overflows(void *value)
{
    volatile char seed = 1;
    endless(&seed);
    ctx_switch(&ctx, &native, value);
}

static volatile char *volatile elsewhere; /* where nothing is mapped */

static void writes_elsewhere(void *value)
{
    *elsewhere = 1;
    ctx_switch(&ctx, &native, value);
}

/* As it is in a program without a sanitizer. */
static void default_action(void)
{
    signal(SIGSEGV, SIG_DFL);
    overflow_set_locate(locate);
    elsewhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(elsewhere != MAP_FAILED);
}

static struct child_result result;

static void in_child(void (*function)(void *))
{
    child_run(function, NULL, 20000, &result);
    CHECK(!result.timed_out);
}

static bool told(void)
{
    return strstr(result.error, "overflow: told\n") != NULL;
}

#define CHECK_ENDS(function, by_signal, with_status, with_report)                         \
    do {                                                                                  \
        in_child(function);                                                               \
        if (result.signal != (by_signal) || result.status != (with_status) ||             \
            told() != (with_report))                                                      \
            fail_msg(#function " %s, and wrote: %s", child_words(&result), result.error); \
    } while (0)

/* --- at the default ------------------------------------------------------------------------ */

static void overflows_with_the_report(void *argument)
{
    (void)argument;
    default_action();
    CHECK_EQ(overflow_report(true, true), 0);
    run(overflows);
}

static void an_overflow_is_told_and_ends_the_process_as_before(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_with_the_report, SIGSEGV, 0, true);
}

static void overflows_with_mprotect(void *argument)
{
    cress__stack_best_guard = STACK_MPROTECT;
    overflows_with_the_report(argument);
}

static void an_overflow_into_pages_of_mprotect_is_told(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_with_mprotect, SIGSEGV, 0, true);
}

static void overflows_without_the_report(void *argument)
{
    (void)argument;
    default_action();
    run(overflows);
}

static void without_the_report_nothing_is_written(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_without_the_report, SIGSEGV, 0, false);
}

static void *runs_overflows(void *argument)
{
    (void)argument;
    CHECK_EQ(overflow_report(true, true), 0);
    run(overflows);
    return NULL;
}

static void overflows_in_a_thread(void *argument)
{
    pthread_t thread;
    (void)argument;
    default_action();
    CHECK_EQ(overflow_report(true, true), 0);
    CHECK_EQ(pthread_create(&thread, NULL, runs_overflows, NULL), 0);
    pthread_join(thread, NULL);
}

static void every_thread_has_room_for_the_report(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_in_a_thread, SIGSEGV, 0, true);
}

static void faults_elsewhere_with_the_report(void *argument)
{
    (void)argument;
    default_action();
    CHECK_EQ(overflow_report(true, true), 0);
    run(writes_elsewhere);
}

static void another_fault_takes_its_course_untold(void **state)
{
    (void)state;
    CHECK_ENDS(faults_elsewhere_with_the_report, SIGSEGV, 0, false);
}

static void sends_the_signal(void *argument)
{
    (void)argument;
    default_action();
    CHECK_EQ(overflow_report(true, true), 0);
    running = NULL;
    raise(SIGSEGV);
    _exit(3);
}

static void a_signal_that_was_sent_ends_the_process_too(void **state)
{
    (void)state;
    CHECK_ENDS(sends_the_signal, SIGSEGV, 0, false);
}

static void sends_an_ignored_signal(void *argument)
{
    (void)argument;
    default_action();
    signal(SIGSEGV, SIG_IGN);
    CHECK_EQ(overflow_report(true, false), 0);
    raise(SIGSEGV);
    raise(SIGSEGV);
    _exit(3);
}

static void a_signal_that_is_ignored_stays_ignored(void **state)
{
    (void)state;
    CHECK_ENDS(sends_an_ignored_signal, 0, 3, false);
}

static void faults_where_ignored(void *argument)
{
    (void)argument;
    default_action();
    signal(SIGSEGV, SIG_IGN);
    CHECK_EQ(overflow_report(true, false), 0);
    run(writes_elsewhere);
}

static void a_fault_cannot_be_ignored(void **state)
{
    (void)state;
    CHECK_ENDS(faults_where_ignored, SIGSEGV, 0, false);
}

/* --- beside another handler ---------------------------------------------------------------- */

static void exits_with_7(int sig)
{
    (void)sig;
    _exit(7);
}

static void repairs(int sig, siginfo_t *info, void *context)
{
    (void)context;
    char *page = (char *)((uintptr_t)info->si_addr & ~4095ul);
    if (sig != SIGSEGV || info->si_addr != (void *)elsewhere)
        _exit(9);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void install(void (*plain)(int), int flags)
{
    default_action();
    struct sigaction action = { .sa_handler = plain, .sa_flags = SA_ONSTACK | flags };
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
}

static void overflows_beside_another_handler(void *argument)
{
    (void)argument;
    install(exits_with_7, 0);
    CHECK_EQ(overflow_report(true, false), 0);
    run(overflows);
}

static void an_overflow_reaches_the_handler_that_was_there(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_beside_another_handler, 0, 7, true);
}

static void overflows_beside_a_one_time_handler(void *argument)
{
    (void)argument;
    install(exits_with_7, (int)SA_RESETHAND);
    CHECK_EQ(overflow_report(true, false), 0);
    run(writes_elsewhere);
}

static void another_fault_reaches_a_handler_that_wants_one_only(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_beside_a_one_time_handler, 0, 7, false);
}

static void sends_beside_another_handler(void *argument)
{
    (void)argument;
    install(exits_with_7, 0);
    CHECK_EQ(overflow_report(true, false), 0);
    raise(SIGSEGV);
}

static void a_signal_that_was_sent_reaches_the_handler_that_was_there(void **state)
{
    (void)state;
    CHECK_ENDS(sends_beside_another_handler, 0, 7, false);
}

static void repairs_then_overflows(void *argument)
{
    (void)argument;
    default_action();
    struct sigaction action = { .sa_sigaction = repairs, .sa_flags = SA_ONSTACK | SA_SIGINFO };
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_EQ(overflow_report(true, false), 0);
    run(writes_elsewhere);
    mprotect((char *)elsewhere, 4096, PROT_NONE);
    run(writes_elsewhere);
    run(overflows);
}

static void a_handler_may_repair_other_faults_and_overflows_are_told_after_it(void **state)
{
    (void)state;
    CHECK_ENDS(repairs_then_overflows, 0, 9, true);
}

static void overflows_uninvited(void *argument)
{
    (void)argument;
    install(exits_with_7, 0);
    CHECK_EQ(overflow_report(true, true), 0);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_handler == exits_with_7);
}

static void uninvited_another_handler_is_left_alone(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_uninvited, 0, 0, false);
}

static struct sigaction ours;

static void calls_ours(int sig, siginfo_t *info, void *context)
{
    ours.sa_sigaction(sig, info, context);
}

/* Somebody put a handler in front of ours that passes on to it: asked again, we must not put
 * ourselves in front of that.
 */
static void overflows_behind_another_handler(void *argument)
{
    (void)argument;
    default_action();
    CHECK_EQ(overflow_report(true, true), 0);
    struct sigaction action = { .sa_sigaction = calls_ours, .sa_flags = SA_ONSTACK | SA_SIGINFO };
    CHECK_EQ(sigaction(SIGSEGV, &action, &ours), 0);
    CHECK_EQ(overflow_report(true, false), 0);
    run(overflows);
}

static void another_handler_may_stand_in_front(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_behind_another_handler, SIGSEGV, 0, true);
}

/* --- off ----------------------------------------------------------------------------------- */

static void overflows_switched_off(void *argument)
{
    (void)argument;
    default_action();
    CHECK_EQ(overflow_report(true, true), 0);
    CHECK_EQ(overflow_report(false, false), 0);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    CHECK_EQ(overflow_report(true, true), 0); /* the next hub */
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
    run(overflows);
}

static void switched_off_it_stays_off(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_switched_off, SIGSEGV, 0, false);
}

static void overflows_switched_on_again(void *argument)
{
    (void)argument;
    default_action();
    CHECK_EQ(overflow_report(false, false), 0);
    CHECK_EQ(overflow_report(true, false), 0);
    CHECK_EQ(overflow_report(true, false), 0);
    run(overflows);
}

static void it_can_be_switched_on_again(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_switched_on_again, SIGSEGV, 0, true);
}

static void overflows_switched_off_behind_another_handler(void *argument)
{
    (void)argument;
    default_action();
    CHECK_EQ(overflow_report(true, true), 0);
    struct sigaction action = { .sa_sigaction = calls_ours, .sa_flags = SA_ONSTACK | SA_SIGINFO };
    CHECK_EQ(sigaction(SIGSEGV, &action, &ours), 0);
    CHECK_EQ(overflow_report(false, false), 0);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_sigaction == calls_ours);
    run(overflows);
}

static void switched_off_behind_another_handler_it_only_passes_on(void **state)
{
    (void)state;
    CHECK_ENDS(overflows_switched_off_behind_another_handler, SIGSEGV, 0, false);
}

/* --- the alternate stack ------------------------------------------------------------------- */

static stack_t alternate(void)
{
    stack_t now;
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    return now;
}

static void comes_and_goes(void *argument)
{
    (void)argument;
    default_action();
    stack_t off = { .ss_flags = SS_DISABLE };
    CHECK_EQ(sigaltstack(&off, NULL), 0);
    CHECK_EQ(overflow_report(true, true), 0);
    stack_t ours_now = alternate();
    CHECK_EQ(ours_now.ss_flags, 0);
    CHECK_GE(ours_now.ss_size, 65536);
    CHECK_EQ(overflow_report(true, true), 0);
    CHECK_EQ(alternate().ss_sp, ours_now.ss_sp);
    CHECK_EQ(kernel_reads(ours_now.ss_sp), 1);
    overflow_thread_done();
    CHECK_EQ(alternate().ss_flags, SS_DISABLE);
    CHECK_EQ(kernel_reads(ours_now.ss_sp), -EFAULT);
    overflow_thread_done();

    CHECK_EQ(overflow_report(true, true), 0);
    CHECK_EQ(alternate().ss_flags, 0);
    CHECK_EQ(overflow_report(false, true), 0);
    CHECK_EQ(alternate().ss_flags, SS_DISABLE);
}

static void the_alternate_stack_goes_with_its_thread(void **state)
{
    (void)state;
    CHECK_ENDS(comes_and_goes, 0, 0, false);
}

static void keeps_the_foreign_one(void *argument)
{
    static char room[1 << 16];
    (void)argument;
    default_action();
    stack_t foreign = { .ss_sp = room, .ss_size = sizeof room };
    CHECK_EQ(sigaltstack(&foreign, NULL), 0);
    CHECK_EQ(overflow_report(true, true), 0);
    CHECK_EQ(alternate().ss_sp, room);
    overflow_thread_done();
    CHECK_EQ(alternate().ss_sp, room);
    run(overflows);
}

static void an_alternate_stack_that_is_there_is_used(void **state)
{
    (void)state;
    CHECK_ENDS(keeps_the_foreign_one, SIGSEGV, 0, true);
}

static void replaces_ours(void *argument)
{
    static char room[1 << 16];
    (void)argument;
    default_action();
    stack_t off = { .ss_flags = SS_DISABLE };
    CHECK_EQ(sigaltstack(&off, NULL), 0);
    CHECK_EQ(overflow_report(true, true), 0);
    void *p = alternate().ss_sp;
    stack_t foreign = { .ss_sp = room, .ss_size = sizeof room };
    CHECK_EQ(sigaltstack(&foreign, NULL), 0);
    overflow_thread_done();
    CHECK_EQ(alternate().ss_sp, room);
    CHECK_EQ(kernel_reads(p), -EFAULT);
}

static void an_alternate_stack_that_replaced_ours_stays(void **state)
{
    (void)state;
    CHECK_ENDS(replaces_ours, 0, 0, false);
}

static void meets_refusals(void *argument)
{
    (void)argument;
    default_action();
    stack_t off = { .ss_flags = SS_DISABLE };
    CHECK_EQ(sigaltstack(&off, NULL), 0);
    static const struct {
        const char *name;
        int which, error;
    } refusals[] = { { "mmap", 1, -ENOMEM },
                     { "sigaltstack", 1, -ENOMEM },
                     { "sigaltstack", 2, -ENOMEM },
                     { "sigaction", 1, -EINVAL },
                     { "sigaction", 2, -EINVAL } };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        calls_fail(refusals[i].name, refusals[i].which, refusals[i].which);
        CHECK_EQ(overflow_report(true, true), refusals[i].error);
        calls_end();
        struct sigaction now;
        CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
        CHECK(now.sa_handler == SIG_DFL);
        overflow_thread_done();
        CHECK_EQ(alternate().ss_flags, SS_DISABLE);
    }
    CHECK_EQ(overflow_report(true, true), 0);
    run(overflows);
}

static void a_refusal_is_returned_and_leaves_nothing_behind(void **state)
{
    (void)state;
    CHECK_ENDS(meets_refusals, SIGSEGV, 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_is_told_and_ends_the_process_as_before),
        cmocka_unit_test(an_overflow_into_pages_of_mprotect_is_told),
        cmocka_unit_test(without_the_report_nothing_is_written),
        cmocka_unit_test(every_thread_has_room_for_the_report),
        cmocka_unit_test(another_fault_takes_its_course_untold),
        cmocka_unit_test(a_signal_that_was_sent_ends_the_process_too),
        cmocka_unit_test(a_signal_that_is_ignored_stays_ignored),
        cmocka_unit_test(a_fault_cannot_be_ignored),
        cmocka_unit_test(an_overflow_reaches_the_handler_that_was_there),
        cmocka_unit_test(another_fault_reaches_a_handler_that_wants_one_only),
        cmocka_unit_test(a_signal_that_was_sent_reaches_the_handler_that_was_there),
        cmocka_unit_test(a_handler_may_repair_other_faults_and_overflows_are_told_after_it),
        cmocka_unit_test(uninvited_another_handler_is_left_alone),
        cmocka_unit_test(another_handler_may_stand_in_front),
        cmocka_unit_test(switched_off_it_stays_off),
        cmocka_unit_test(it_can_be_switched_on_again),
        cmocka_unit_test(switched_off_behind_another_handler_it_only_passes_on),
        cmocka_unit_test(the_alternate_stack_goes_with_its_thread),
        cmocka_unit_test(an_alternate_stack_that_is_there_is_used),
        cmocka_unit_test(an_alternate_stack_that_replaced_ours_stays),
        cmocka_unit_test(a_refusal_is_returned_and_leaves_nothing_behind),
    };
    return RUN_TESTS(tests);
}
