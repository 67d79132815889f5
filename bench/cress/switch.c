/* switch - one switch: src/ctx and the public cress_coro_switch beside a bare one.
 *
 * A ring of n coroutines, each of which switches to the next for ever; the first one counts. The
 * three kinds take turns, so that all of them meet the same machine, and each has the same kind of
 * stacks with the same colour. cress_coro_switch is the shared library's; src/ctx, which that
 * hides, comes from the static one.
 */
#include "bench.h"
#include "cress/bare.h"
#include "ctx/ctx.h"
#include "ctx/stack.h"

#include <cress.h>

static bench_laps *laps; /* of the ring that turns */

/* ---- bare ----------------------------------------------------------------------------------- */

#if BARE_SWITCH

struct bare {
    void *sp;
    struct bare *next;
};

static struct bare *bare_now; /* how a new one finds itself */
static struct bare bare_home;
static bench_laps bare_laps;

static void bare_member(void)
{
    struct bare *self = bare_now, *next = self->next;
    for (;;) {
        bare_now = next; /* only for the first time round; one store, as a scheduler has too */
        bare_switch(&self->sp, next->sp);
    }
}

static void bare_first(void)
{
    struct bare *self = bare_now, *next = self->next;
    for (;;) {
        bench_lap(laps);
        if (laps->pause) {
            bare_switch(&self->sp, bare_home.sp);
            bench_resume(laps);
        }
        bare_now = next;
        bare_switch(&self->sp, next->sp);
    }
}

static struct bare *bare_ring(long n)
{
    struct bare *ring = calloc((size_t)n, sizeof *ring);
    char *stacks = bare_stacks(n);
    for (long i = 0; i < n; i++) {
        ring[i].sp = bare_make(bare_top(stacks, i), i == 0 ? bare_first : bare_member);
        ring[i].next = &ring[(i + 1) % n];
    }
    return ring;
}

static void bare_turn(struct bare *ring)
{
    laps = &bare_laps;
    bare_now = ring;
    bare_switch(&bare_home.sp, ring->sp);
}

#endif

/* ---- src/ctx -------------------------------------------------------------------------------- */

struct member {
    struct ctx ctx;
    struct member *next;
};

static struct ctx ctx_home;
static bench_laps ctx_laps;

static void ctx_member(void *value)
{
    struct member *self = value, *next = self->next;
    for (;;) /* the value is the target itself: how a new one finds itself */
        ctx_switch(&self->ctx, &next->ctx, next);
}

static void ctx_first(void *value)
{
    struct member *self = value, *next = self->next;
    for (;;) {
        bench_lap(laps);
        if (laps->pause) {
            ctx_switch(&self->ctx, &ctx_home, NULL);
            bench_resume(laps);
        }
        ctx_switch(&self->ctx, &next->ctx, next);
    }
}

static struct member *ctx_ring(long n)
{
    static struct stack_pool pool;
    stack_pool_init(&pool);
    ctx_adopt(&ctx_home);
    struct member *ring = calloc((size_t)n, sizeof *ring);
    for (long i = 0; i < n; i++) {
        struct stack *s = stack_get(&pool, 0);
        if (s == NULL)
            bench_die("stack_get");
        ctx_make(&ring[i].ctx, s->low, s->top, i == 0 ? ctx_first : ctx_member);
        ring[i].next = &ring[(i + 1) % n];
    }
    return ring;
}

static void ctx_turn(struct member *ring)
{
    laps = &ctx_laps;
    ctx_switch(&ctx_home, &ring->ctx, ring);
}

/* ---- cress_coro_switch ---------------------------------------------------------------------- */

static cress_coro **coros;
static long coro_count;
static bench_laps coro_laps;

static void *coro_member(void *arg, void *value)
{
    long i = (long)arg;
    cress_coro *next = coros[(i + 1) % coro_count];
    for (;;)
        cress_coro_switch(next, value, &value);
    return NULL;
}

static void *coro_first(void *arg, void *value)
{
    cress_coro *next = coros[1 % coro_count];
    (void)arg;
    for (;;) {
        bench_lap(laps);
        if (laps->pause) {
            cress_coro_switch(cress_coro_native(), value, &value);
            bench_resume(laps);
        }
        cress_coro_switch(next, value, &value);
    }
    return NULL;
}

static void coro_ring(long n)
{
    coros = calloc((size_t)n, sizeof(cress_coro *));
    coro_count = n;
    for (long i = 0; i < n; i++)
        if (cress_coro_new(NULL, i == 0 ? coro_first : coro_member, (void *)i, &coros[i]) < 0)
            bench_die("cress_coro_new");
}

static void coro_turn(void)
{
    laps = &coro_laps;
    if (cress_coro_switch(coros[0], NULL, NULL) < 0)
        bench_die("cress_coro_switch");
}

/* --------------------------------------------------------------------------------------------- */

static void switches(const char *name, long n)
{
    char row[32];
    (void)name;
    bench_laps_init(&ctx_laps, n, 2000000);
    bench_laps_init(&coro_laps, n, 2000000);
    struct member *ctxs = ctx_ring(n);
    coro_ring(n);
#if BARE_SWITCH
    bench_laps_init(&bare_laps, n, 2000000);
    struct bare *bares = bare_ring(n);
#endif
    while (!coro_laps.done) {
#if BARE_SWITCH
        bare_turn(bares);
#endif
        ctx_turn(ctxs);
        coro_turn();
    }
    snprintf(row, sizeof row, "bare_switch_%ld", n);
#if BARE_SWITCH
    bench_print(row, bench_best(bare_laps.ns, BENCH_REPEATS), "ns");
#else
    bench_cannot(row, "no bare switch is written for this processor");
#endif
    snprintf(row, sizeof row, "ctx_switch_%ld", n);
    bench_print(row, bench_best(ctx_laps.ns, BENCH_REPEATS), "ns");
    snprintf(row, sizeof row, "coro_switch_%ld", n);
    bench_print(row, bench_best(coro_laps.ns, BENCH_REPEATS), "ns");
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "switch_2", switches, 2 },
        { "switch_1000", switches, 1000 },
        { "switch_10000", switches, 10000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
