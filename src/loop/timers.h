/* timers - a hierarchical timing wheel: starting, putting off and stopping are O(1).
 *
 * Time is cut into ticks of 65.5 us (2^16 ns). Level l has 64 slots; a timer stands at the level of
 * the highest group of 6 bits in which its tick differs from the wheel's, in the slot those bits
 * name. So all of a level comes before all of the next one, and before a slot's tick comes its
 * timers move down. What is due within the current tick is kept sorted, so that timers fire
 * exactly, in the order (deadline, number of the start).
 *
 * Two lazinesses make the common case cheap, a timeout that is set and stopped again and again and
 * nearly never fires:
 *
 * (1) A timer that is stopped, or started again with a later deadline, stays linked where it is
 *     (`key`); only when that slot's time comes it is dropped or moved. timer_remove() unlinks it
 *     for good: before its memory goes.
 * (2) Starting reads no clock. The timer waits in `fresh`, with its timeout relative, for the next
 *     reading, and counts from there: so it is never early. One that is stopped before never
 *     touches the wheel; it stays in `fresh` until the reading, so that started and stopped again
 *     and again it costs a few stores.
 *
 * And one about waking: a timer for a millisecond or more has slack, one part in 256 to 512 of its
 * timeout and at most a millisecond, by which a loop that waits may wake later than the deadline,
 * so that it wakes once for many timers. poll(2) and epoll_wait(2) allow themselves the same.
 * Shorter ones have none. A loop that is awake fires them without regard to it.
 *
 * (3) A timer is armed exactly when its deadline is not NEVER.
 * (4) A linked timer's key is no later than its deadline: it is looked at in time.
 *
 * Not here: who wants to be told. See loop.c and hub/park.h for what `fire` does.
 */
#ifndef CRESS_LOOP_TIMERS_H
#define CRESS_LOOP_TIMERS_H

#include "base/compiler.h"
#include "base/list.h"

#include <cress/base.h>

enum { TIMER_TICK_SHIFT = 16, TIMER_LEVEL_BITS = 6, TIMER_LEVELS = 8, TIMER_SLOTS = 64 };

#define TIMER_NEVER CRESS_FOREVER
#define TIMER_NUMBERS (((uint64_t)1 << 56) - 1)

struct timer {
    struct list link;     /* in the wheel */
    struct list fresh;    /* waiting for the next reading of the clock */
    cress_time deadline;  /* while fresh: the timeout, relative */
    cress_time key;       /* the deadline that `link` stands for */
    uint64_t number : 56; /* of the start, to order equal deadlines */
    uint64_t slack : 8;   /* as a power of two in ns; 0: none */
    void (*fire)(struct timer *t);
};

struct timers {
    cress_time now;  /* the last reading */
    uint64_t number; /* of the last start */
    size_t armed;    /* how many are */
    struct list fresh;
    struct list due;             /* of this tick or before: sorted */
    struct list come;            /* of this tick or before: not sorted yet */
    struct list *bins[32];       /* NULL, but while sorting: not on the stack of who polls */
    uint64_t used[TIMER_LEVELS]; /* a bit for each slot that may have something in it */
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
};

void timers_init(struct timers *w, cress_time now);

static inline void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    list_init(&t->link);
    list_init(&t->fresh);
    t->deadline = TIMER_NEVER;
    t->fire = fire;
}

static inline bool timer_armed(const struct timer *t)
{
    return t->deadline != TIMER_NEVER;
}

enum { TIMER_EXACT_BITS = 20, TIMER_SLACK_PART_BITS = 9, TIMER_SLACK_MOST_BITS = 20 };

/* Tests that move the clock compare times exactly: there slack is to be asked for. */
#ifdef CRESS_TESTING
extern bool cress__timer_slack;
#else
enum { cress__timer_slack = true };
#endif

/* The slack for a timeout. */
static inline unsigned timer_slack(cress_time after)
{
    if (after >> TIMER_EXACT_BITS == 0 || !cress__timer_slack)
        return 0;
    unsigned bits = 63 - (unsigned)__builtin_clzll((unsigned long long)after);
    unsigned slack = bits + 1 - TIMER_SLACK_PART_BITS;
    return slack < TIMER_SLACK_MOST_BITS ? slack : TIMER_SLACK_MOST_BITS;
}

/* Fire once, `after` from the next reading of the clock on; an armed one is put off or brought
 * forward. after is at least 0 and not CRESS_FOREVER. */
static inline void timer_start(struct timers *w, struct timer *t, cress_time after)
{
    invariant(after >= 0 && after != TIMER_NEVER);
    w->armed += !timer_armed(t);
    t->deadline = after;
    t->number = ++w->number & TIMER_NUMBERS;
    t->slack = timer_slack(after) & 63;
    if (!list_linked(&t->fresh))
        list_push(&w->fresh, &t->fresh);
}

static inline void timer_stop(struct timers *w, struct timer *t)
{
    if (!timer_armed(t))
        return;
    w->armed--;
    t->deadline = TIMER_NEVER;
}

/* Stop it and let go of its memory. */
static inline void timer_remove(struct timers *w, struct timer *t)
{
    timer_stop(w, t);
    list_remove(&t->fresh);
    list_remove(&t->link);
}

/* As timer_start(), at a point of the clock, without slack. */
void timer_start_at(struct timers *w, struct timer *t, cress_time deadline);

/* The clock reads now: whatever was started gets its deadline. Fires nothing. */
void timers_read(struct timers *w, cress_time now);

/* The clock reads now: fire what is due, in order. What fires may start and stop any timer; what it
 * starts fires at the next call at the earliest (timer_start_at() at a point that has passed: in
 * this one). */
void timers_advance(struct timers *w, cress_time now);

/* When to call timers_advance() again: so that no timer is later than its slack. TIMER_NEVER when
 * none is armed, and now and then too early, when a crowded slot has to be sorted out first. All
 * timers must have had their reading. */
cress_time timers_next(struct timers *w);

/* Walk the whole structure and check (3) and (4); for tests. */
bool timers_check(const struct timers *w);

#endif
