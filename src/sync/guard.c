#include "sync/guard.h"

#include "base/step.h"
#include "base/sys.h"
#include "hub/scope.h"

/* How the lock is: the lowest bits of its word. ASLEEP: and somebody may sleep until it is free. */
enum { FREE, HELD, ASLEEP, STATES = 3 };

/* Who finds it held looks so often again before it sleeps. It is held for less than that takes,
 * unless its holder was interrupted. */
enum { SPINS = 100 };

/* The process, as a word has it. */
static unsigned here(void)
{
    return cress__forks << 2;
}

static bool from_here(unsigned word)
{
    return ((word ^ here()) & ~(unsigned)STATES) == 0;
}

/* Set the lock to `state` if it is free: also one that comes from the parent, see (4). `word` is
 * how it was. */
static bool take(struct guard *g, unsigned *word, unsigned state)
{
    *word = atomic_load_explicit(&g->word, memory_order_relaxed);
    while ((*word & STATES) == FREE && (from_here(*word) || g->lines == 0)) {
        step_writes(&g->word);
        if (atomic_compare_exchange_weak_explicit(&g->word, word, here() | state,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

static noinline int lock_slowly(struct guard *g)
{
    unsigned word;
    for (int i = 0; i < SPINS && !step_by_step(); i++) {
        if (take(g, &word, HELD))
            return 0;
        cpu_relax();
    }
    /* Whoever has slept does not know whether others do: it leaves the mark. */
    while (!take(g, &word, ASLEEP)) {
        if (!from_here(word))
            return -EOWNERDEAD; /* (4) */
        unsigned asleep = here() | ASLEEP;
        step_writes(&g->word);
        if (word == asleep ||
            atomic_compare_exchange_strong_explicit(&g->word, &word, asleep, memory_order_relaxed,
                                                    memory_order_relaxed))
            sys_futex_wait(&g->word, asleep, CRESS_FOREVER);
    }
    return 0;
}

int guard_lock(struct guard *g)
{
    unsigned word = here();
    step_writes(&g->word);
    if (likely(atomic_compare_exchange_strong_explicit(&g->word, &word, here() | HELD,
                                                       memory_order_acquire, memory_order_relaxed)))
        return 0;
    return lock_slowly(g);
}

void guard_unlock(struct guard *g)
{
    unsigned word = atomic_load_explicit(&g->word, memory_order_relaxed);
    if (unlikely(!from_here(word)))
        return; /* who holds it waited in a signal handler that forked */
    invariant((word & STATES) != FREE);
    step_writes(&g->word);
    word = atomic_exchange_explicit(&g->word, here(), memory_order_release); /* (5) */
    if (unlikely((word & STATES) == ASLEEP))
        sys_futex_wake(&g->word, 1);
    wake_now(); /* here, for who is woken wants to enter */
}

int guard_wait_shared(struct guard *g, struct cress_hub **h)
{
    guard_unlock(g);
    *h = NULL;
    int error = 0;
    if (hub_current() == NULL)
        error = closed() ? -EPERM : 0; /* a loop's callback */
    else if ((error = hub_enter(h)) == 0)
        error = scope_point(*h, (*h)->thread->current);
    return error < 0 ? error : guard_lock(g);
}

void guard_init(struct guard *g, unsigned flags)
{
    g->hub = flags & CRESS_SHARED ? GUARD_SHARED : NULL;
    g->lines = 0;
    atomic_store_explicit(&g->word, here(), memory_order_relaxed);
}

bool guard_busy(const struct guard *g)
{
    if (!guard_shared(g))
        return g->hub != NULL;
    return g->lines > 0 && from_here(atomic_load_explicit(&g->word, memory_order_relaxed));
}
