#include "loop/timers.h"

#ifdef CRESS_TESTING
bool cress__timer_slack;
#endif

void timers_init(struct timers *w, cress_time now)
{
    *w = (struct timers){ .now = now };
    list_init(&w->fresh);
    list_init(&w->due);
    list_init(&w->come);
    for (int level = 0; level < TIMER_LEVELS; level++)
        for (int slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&w->slots[level][slot]);
}

static uint64_t tick_of(cress_time t)
{
    return (uint64_t)t >> TIMER_TICK_SHIFT;
}

static struct timer *of_link(struct list *link)
{
    return container_of(link, struct timer, link);
}

/* Link an armed timer, which is not linked, where its deadline belongs. */
static void place(struct timers *w, struct timer *t)
{
    uint64_t tick = tick_of(t->deadline), base = tick_of(w->now);
    t->key = t->deadline;
    if (tick <= base) {
        list_push(&w->come, &t->link);
        return;
    }
    int level = (63 - __builtin_clzll(tick ^ base)) / TIMER_LEVEL_BITS;
    int slot = (int)(tick >> (level * TIMER_LEVEL_BITS)) & (TIMER_SLOTS - 1);
    list_push(&w->slots[level][slot], &t->link);
    w->used[level] |= (uint64_t)1 << slot;
}

/* The deadline is known now: link the timer, unless it stands early enough already. For the same
 * deadline it is linked anew, since its number has changed. */
static void settle(struct timers *w, struct timer *t)
{
    if (list_linked(&t->link)) {
        if (t->key < t->deadline)
            return; /* (1) */
        list_remove(&t->link);
    }
    place(w, t);
}

void timer_start_at(struct timers *w, struct timer *t, cress_time deadline)
{
    w->armed += !timer_armed(t);
    list_remove(&t->fresh);
    t->deadline = deadline == TIMER_NEVER ? TIMER_NEVER - 1 : deadline;
    t->number = ++w->number & TIMER_NUMBERS;
    t->slack = 0;
    settle(w, t);
}

/* Give what was started since the last reading its deadline. */
static void settle_fresh(struct timers *w)
{
    struct list *node;
    while ((node = list_pop(&w->fresh)) != NULL) {
        struct timer *t = container_of(node, struct timer, fresh);
        if (!timer_armed(t))
            continue;
        /* CRESS_FOREVER is nobody's deadline here: what would overflow comes just before. */
        if (__builtin_add_overflow(w->now, t->deadline, &t->deadline) || t->deadline == TIMER_NEVER)
            t->deadline = TIMER_NEVER - 1;
        settle(w, t);
    }
}

/* Whether a linked timer stands where its deadline belongs: it was neither stopped nor put off. */
static bool in_place(const struct timer *t)
{
    return t->deadline == t->key && !list_linked(&t->fresh);
}

/* Whether the wheel has to keep it: a fresh one is placed when it is settled. */
static bool wanted(const struct timer *t)
{
    return timer_armed(t) && !list_linked(&t->fresh);
}

/* Take out one that is not in place, and link it where it belongs if it is still armed. */
static void relink(struct timers *w, struct timer *t)
{
    list_remove(&t->link);
    if (wanted(t))
        place(w, t);
}

/* Empty a list: drop what was stopped meanwhile, place the rest anew. */
static void redistribute(struct timers *w, struct list *from)
{
    struct list moving;
    list_init(&moving);
    list_splice(&moving, from);
    struct list *node;
    while ((node = list_pop(&moving)) != NULL)
        if (wanted(of_link(node)))
            place(w, of_link(node));
}

/* The earliest slot that has something in it. */
static struct list *first_slot(struct timers *w, int *level, int *slot)
{
    for (int l = 0; l < TIMER_LEVELS; l++)
        while (w->used[l] != 0) {
            int s = __builtin_ctzll(w->used[l]);
            if (!list_empty(&w->slots[l][s])) {
                *level = l;
                *slot = s;
                return &w->slots[l][s];
            }
            w->used[l] &= w->used[l] - 1; /* all of it was removed */
        }
    return NULL;
}

/* The first tick of a slot: the wheel's own bits above the level, the slot's at it, zeros below. */
static uint64_t slot_tick(const struct timers *w, int level, int slot)
{
    int shift = level * TIMER_LEVEL_BITS;
    uint64_t above = tick_of(w->now) >> shift & ~(uint64_t)(TIMER_SLOTS - 1);
    return (above | (uint64_t)slot) << shift;
}

/* --- the current tick, sorted ---------------------------------------------------------------- */

static bool before(const struct timer *a, const struct timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->number < b->number;
}

/* Merge two sorted chains, linked by next and ended by NULL. */
static struct list *merge(struct list *a, struct list *b)
{
    struct list first, *last = &first;
    while (a != NULL && b != NULL) {
        struct list **less = before(of_link(b), of_link(a)) ? &b : &a;
        last = last->next = *less;
        *less = (*less)->next;
    }
    last->next = a != NULL ? a : b;
    return first.next;
}

/* Merge sort without recursion: bin i holds a sorted chain of 2^i, as in counting. */
static struct list *sorted(struct list **bins, struct list *chain)
{
    unsigned top = 0;
    while (chain != NULL) {
        struct list *one = chain;
        chain = chain->next;
        one->next = NULL;
        unsigned i = 0;
        for (; bins[i] != NULL; i++) {
            one = merge(bins[i], one);
            bins[i] = NULL;
        }
        bins[i] = one;
        top = i > top ? i : top;
    }
    struct list *all = NULL;
    for (unsigned i = 0; i <= top; i++) {
        all = bins[i] == NULL ? all : all == NULL ? bins[i] : merge(bins[i], all);
        bins[i] = NULL;
    }
    return all;
}

/* Take a ring apart into a chain. */
static struct list *unring(struct list *head)
{
    if (list_empty(head))
        return NULL;
    struct list *chain = head->next;
    head->prev->next = NULL;
    list_init(head);
    return chain;
}

/* What was stopped or put off leaves a list of the current tick. */
static void sift(struct timers *w, struct list *head)
{
    for (struct list *node = head->next, *next; node != head; node = next) {
        next = node->next;
        if (!in_place(of_link(node)))
            relink(w, of_link(node)); /* may come to the end of `come`, in place then */
    }
}

/* Bring what has come into the sorted ring. A merge believes that both sides are in order, and who
 * is put off in the ring later may stay only where it stands early enough: so nothing is merged
 * that is not in place. */
static noinline void sort_many(struct timers *w)
{
    sift(w, &w->due);
    sift(w, &w->come);
    if (list_empty(&w->come))
        return;
    struct list *come =
        w->come.next->next == &w->come ? unring(&w->come) : sorted(w->bins, unring(&w->come));
    struct list *chain = merge(unring(&w->due), come);
    while (chain != NULL) {
        struct list *next = chain->next;
        list_push(&w->due, chain);
        chain = next;
    }
}

/* Nothing to sort is the rule, and one alone: then no deeper frames are needed, on a stack that may
 * be that of any greenlet. */
static inline void sort_due(struct timers *w)
{
    if (list_empty(&w->come))
        return;
    struct list *one = w->come.next;
    if (one->next == &w->come && list_empty(&w->due) && in_place(of_link(one)))
        list_splice(&w->due, &w->come);
    else
        sort_many(w);
}

/* The first that is due, with what was stopped or put off cleared away; NULL: none. */
static struct timer *first_due(struct timers *w)
{
    sort_due(w);
    while (!list_empty(&w->due)) {
        struct timer *t = of_link(w->due.next);
        if (in_place(t))
            return t;
        relink(w, t);
        sort_due(w);
    }
    return NULL;
}

/* --- turning --------------------------------------------------------------------------------- */

void timers_read(struct timers *w, cress_time now)
{
    struct list *list;
    int level, slot;
    uint64_t tick = tick_of(now);
    while ((list = first_slot(w, &level, &slot)) != NULL && slot_tick(w, level, slot) <= tick) {
        /* Stand at the start of the slot, so that its timers find their new level. */
        w->now = (cress_time)(slot_tick(w, level, slot) << TIMER_TICK_SHIFT);
        w->used[level] &= ~((uint64_t)1 << slot);
        redistribute(w, list);
    }
    if (now > w->now)
        w->now = now;
    settle_fresh(w);
}

void timers_advance(struct timers *w, cress_time now)
{
    timers_read(w, now);
    /* What fires may start timers anew: they are fresh, so this ends. */
    struct timer *t;
    while ((t = first_due(w)) != NULL && t->deadline <= now) {
        list_remove(&t->link);
        t->deadline = TIMER_NEVER;
        w->armed--;
        t->fire(t);
    }
}

enum { SCAN = 32 }; /* so many of a slot are looked at for the exact next deadline */

/* The latest point at which somebody who waits has to look at it. */
static cress_time latest(const struct timer *t)
{
    cress_time slack = t->slack > 0 ? (cress_time)1 << t->slack : 0;
    return t->deadline < TIMER_NEVER - slack ? t->deadline + slack : t->deadline;
}

static cress_time earlier(cress_time a, cress_time b)
{
    return a < b ? a : b;
}

/* The least latest point of a slot's timers; its start when they are many. */
static cress_time slot_latest(struct timers *w, struct list *list, cress_time start)
{
    cress_time least = TIMER_NEVER;
    int seen = 0;
    for (struct list *node = list->next, *next; node != list; node = next) {
        if (++seen > SCAN)
            return start;
        struct timer *t = of_link(node);
        if (in_place(t)) {
            least = earlier(least, latest(t));
            next = node->next;
            continue;
        }
        struct list *previous = node->prev;
        /* Stopped, or put off: it only seemed to be next. It may come back to the end of this very
         * list, in place then. */
        relink(w, t);
        next = previous->next;
    }
    return least;
}

cress_time timers_next(struct timers *w)
{
    cress_time least = TIMER_NEVER;
    if (first_due(w) != NULL)
        for (struct list *n = w->due.next; n != &w->due && of_link(n)->key < least; n = n->next)
            if (in_place(of_link(n)))
                least = earlier(least, latest(of_link(n)));

    /* Slots in the order of time, as long as one could ask for less. */
    for (int level = 0; level < TIMER_LEVELS; level++) {
        uint64_t passed = 0; /* relink() may fill slots meanwhile, later ones */
        while ((w->used[level] & ~passed) != 0) {
            int slot = __builtin_ctzll(w->used[level] & ~passed);
            passed |= ((uint64_t)2 << slot) - 1;
            cress_time start = (cress_time)(slot_tick(w, level, slot) << TIMER_TICK_SHIFT);
            if (start >= least)
                return least;
            struct list *list = &w->slots[level][slot];
            least = earlier(least, slot_latest(w, list, start));
            if (list_empty(list))
                w->used[level] &= ~((uint64_t)1 << slot);
        }
    }
    return least;
}

bool timers_check(const struct timers *w)
{
    size_t linked = 0;
    for (int l = 0; l < TIMER_LEVELS; l++)
        for (int s = 0; s < TIMER_SLOTS; s++)
            for (struct list *n = w->slots[l][s].next; n != &w->slots[l][s]; n = n->next) {
                struct timer *t = of_link(n);
                if (!(w->used[l] >> s & 1) || tick_of(t->key) < tick_of(w->now))
                    return false;
                if (wanted(t)) {
                    if (t->key > t->deadline) /* (4) */
                        return false;
                    linked++;
                }
            }
    for (struct list *n = w->due.next; n != &w->due; n = n->next)
        linked += wanted(of_link(n));
    for (struct list *n = w->come.next; n != &w->come; n = n->next)
        linked += wanted(of_link(n));
    for (struct list *n = w->fresh.next; n != &w->fresh; n = n->next)
        linked += timer_armed(container_of(n, struct timer, fresh));
    return linked == w->armed;
}
