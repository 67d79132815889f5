/* Stacks, contexts and the overflow report, with every call that they make failing once. */
#define _GNU_SOURCE 1

#include "support/check.h"
#include "support/sweep.h"

#include "ctx/ctx.h"
#include "ctx/overflow.h"
#include "ctx/stack.h"

#include <signal.h>

static struct ctx native, ctx;

static void adds_one(void *value)
{
    for (;;)
        value = ctx_switch(&ctx, &native, (char *)value + 1);
}

/* Two contexts of each size, one by one, on stacks taken, aged, trimmed and taken again. */
static void contexts_of_three_sizes(void)
{
    static const size_t sizes[] = { 0, 200 << 10, 5 << 20 };
    struct stack_pool pool;
    struct stack *kept = NULL;
    ctx_adopt(&native);
    stack_pool_init(&pool);
    for (int round = 0; round < 6; round++) {
        struct stack *s = stack_get(&pool, sizes[round % 3]);
        CHECK(s != NULL || sweep_met_fault());
        if (s == NULL)
            continue;
        ctx_make(&ctx, s->low, s->top, adds_one);
        CHECK_EQ(ctx_switch(&native, &ctx, &pool), (char *)&pool + 1);
        CHECK(stack_trim(s, ctx_sp(&ctx)) >= 0 || sweep_met_fault());
        CHECK_EQ(ctx_switch(&native, &ctx, &pool), (char *)&pool + 1);
        CHECK_GT(stack_peak(s), 0);
        ctx_forget(&ctx);
        if (round == 2)
            kept = s;
        else
            stack_put(&pool, s);
        stack_age(&pool);
    }
    stack_trim_all(&pool);
    if (kept != NULL)
        stack_put(&pool, kept);
    stack_pool_done(&pool);
}

static void the_report_on_and_off(void)
{
    struct sigaction before, after;
    signal(SIGSEGV, SIG_DFL);
    CHECK_EQ(sigaction(SIGSEGV, NULL, &before), 0);
    int on = overflow_report(true, false);
    CHECK(on == 0 || sweep_met_fault());
    int off = overflow_report(false, false);
    CHECK(off == 0 || sweep_met_fault());
    overflow_thread_done();
    CHECK_EQ(sigaction(SIGSEGV, NULL, &after), 0);
    CHECK(after.sa_handler == before.sa_handler || off < 0);
}

int main(void)
{
    int wrong = fault_sweep("contexts_of_three_sizes", contexts_of_three_sizes);
    return wrong + fault_sweep("the_report_on_and_off", the_report_on_and_off);
}
