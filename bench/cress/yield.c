/* yield - cress_yield() of 2, 1000 and 10 000 greenlets, beside the least a scheduler can be.
 *
 * The bare one has a linked ready queue and the bare switch, on stacks of the same kind and colour;
 * it has no hub, no clock, no loop, no cancellation. The two take turns.
 */
#include "bench.h"
#include "cress/bare.h"

#include <cress.h>

static bench_laps green_laps;
static cress_coro *home;

/* One function for all, as greenlets that do the same work run the same code: a yield from another
 * place than the one before returns to where the processor does not expect it, see
 * docs/decisions.md.
 *
 * The first one counts laps. It hands over to main at the end of each segment: while it is parked
 * the others only wait for their turn in a queue that nobody serves, because main does not
 * block. */
static void *greenlet(void *first)
{
    while (!green_laps.done) {
        __asm__ volatile("" : "+r"(first)); /* or the compiler makes two loops of it */
        if (first != NULL) {
            bench_lap(&green_laps);
            if (green_laps.pause) {
                cress_unpark(home);
                cress_park(CRESS_FOREVER);
                bench_resume(&green_laps);
            }
        }
        cress_yield();
    }
    return NULL;
}

#if BARE_SWITCH

struct bare {
    void *sp;
    struct bare *next;
};

static struct bare *queue_head, **queue_tail, *bare_now;
static struct bare bare_home;
static bench_laps bare_laps;

static inline void bare_run_next(struct bare *self)
{
    struct bare *next = queue_head;
    queue_head = next->next;
    bare_now = next;
    bare_switch(&self->sp, next->sp);
}

static inline void bare_yield(void)
{
    struct bare *self = bare_now;
    self->next = NULL;
    *queue_tail = self;
    queue_tail = &self->next;
    bare_run_next(self);
}

static void bare_greenlet(void)
{
    for (;;)
        bare_yield();
}

static void bare_first(void)
{
    struct bare *self = bare_now;
    for (;;) {
        bench_lap(&bare_laps);
        if (bare_laps.pause) {
            bare_switch(&self->sp, bare_home.sp);
            bench_resume(&bare_laps);
        }
        bare_now = self;
        bare_yield();
    }
}

static void bare_make_queue(long n)
{
    struct bare *all = calloc((size_t)n, sizeof *all);
    char *stacks = bare_stacks(n);
    queue_tail = &queue_head;
    for (long i = 0; i < n; i++) {
        all[i].sp = bare_make(bare_top(stacks, i), i == 0 ? bare_first : bare_greenlet);
        *queue_tail = &all[i];
        queue_tail = &all[i].next;
    }
    bare_home.next = NULL;
}

static void bare_turn(void)
{
    static struct bare *first;
    if (first == NULL) {
        first = queue_head;
        bare_run_next(&bare_home);
    } else {
        bare_switch(&bare_home.sp, first->sp);
    }
}

#endif

static void yields(const char *name, long n)
{
    char row[32];
    cress_coro *first = NULL;
    cress_greenlet *g = NULL;
    home = cress_coro_native();
    bench_laps_init(&green_laps, n, 2000000);
    for (long i = 0; i < n; i++) {
        if (i == 0)
            g = cress_spawn(greenlet, &green_laps);
        else if (cress_go(greenlet, NULL) < 0)
            bench_die("cress_go");
    }
    if (g == NULL)
        bench_die("cress_spawn");
    first = cress_greenlet_coro(g);
#if BARE_SWITCH
    bench_laps_init(&bare_laps, n, 2000000);
    bare_make_queue(n);
#endif
    while (!green_laps.done) {
#if BARE_SWITCH
        bare_turn();
#endif
        if (cress_park(CRESS_FOREVER) < 0)
            bench_die("cress_park");
        cress_unpark(first);
    }
    bench_print(name, bench_best(green_laps.ns, BENCH_REPEATS), "ns");
    snprintf(row, sizeof row, "bare_yield_%ld", n);
#if BARE_SWITCH
    bench_print(row, bench_best(bare_laps.ns, BENCH_REPEATS), "ns");
#else
    bench_cannot(row, "no bare switch is written for this processor");
#endif
}

int main(int argc, char **argv)
{
    static const bench_row rows[] = {
        { "yield_2", yields, 2 },
        { "yield_1000", yields, 1000 },
        { "yield_10000", yields, 10000 },
        { NULL, NULL, 0 },
    };
    return bench_main(rows, argc, argv);
}
