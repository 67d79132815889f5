#include "loop/signals.h"

#include "base/sys.h"
#include "loop/loop.h"

enum { SIGNALS = 65 };

static struct {
    _Atomic(struct listener *) first;
    atomic_uint delivered;
    struct sigaction before; /* what our handler stands in place of */
} table[SIGNALS];

static atomic_uint walking;

static void handler(int signal, siginfo_t *info, void *context)
{
    atomic_fetch_add(&walking, 1);
    atomic_fetch_add(&table[signal].delivered, 1);
    for (struct listener *l = atomic_load(&table[signal].first); l != NULL;
         l = atomic_load(&l->next))
        notice_send(&l->notice, l->loop);
    struct sigaction before = { .sa_handler = SIG_DFL };
    if (signal == SIGCHLD) /* (4) */
        before = table[signal].before;
    atomic_fetch_sub(&walking, 1); /* that handler may leave by longjmp(3) */
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(signal, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(signal);
}

bool signals_known(int signal)
{
    return signal > 0 && signal < SIGNALS && signal != SIGKILL && signal != SIGSTOP &&
           signal != SIGSEGV && signal != SIGBUS && signal != SIGFPE && signal != SIGILL;
}

unsigned signals_delivered(int signal)
{
    return atomic_load(&table[signal].delivered);
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handler;
}

/* Calls that are interrupted go on, and the handler runs on a stack of its own where there is one:
 * a greenlet's may be small. Where another handler is called too, all is as that one wanted it; and
 * where children were not to become zombies, they do not. */
static struct sigaction action_for(int signal, const struct sigaction *before)
{
    struct sigaction ours = { .sa_sigaction = handler,
                              .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
    if (signal != SIGCHLD || before->sa_handler == SIG_DFL) {
        ours.sa_flags |= before->sa_flags & SA_NOCLDWAIT;
    } else if (before->sa_handler == SIG_IGN) {
        ours.sa_flags |= SA_NOCLDWAIT;
    } else {
        ours.sa_flags = (before->sa_flags & ~(int)SA_RESETHAND) | SA_SIGINFO;
        ours.sa_mask = before->sa_mask;
    }
    return ours;
}

static int install(int signal)
{
    struct sigaction before;
    int error = sys_sigaction(signal, NULL, &before);
    if (error < 0 || is_ours(&before)) /* left over where it could not be taken away */
        return error;
    table[signal].before = before;
    struct sigaction ours = action_for(signal, &before);
    return sys_sigaction(signal, &ours, NULL);
}

static void take_away(int signal)
{
    struct sigaction now;
    if (sys_sigaction(signal, NULL, &now) == 0 && is_ours(&now))
        sys_sigaction(signal, &table[signal].before, NULL);
}

static void unlink_listener(struct listener *l)
{
    _Atomic(struct listener *) *at = &table[l->signal].first;
    while (atomic_load(at) != l)
        at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&l->next));
}

static bool is_only(const struct listener *l)
{
    return atomic_load(&table[l->signal].first) == l && atomic_load(&l->next) == NULL;
}

/* (1) */
static void wait_for_handlers(void)
{
    while (atomic_load(&walking) > 0)
        sys_sched_yield();
}

/* In a child: no handler walks, since that was in other threads, and only listeners of the loops
 * that live on are left. What was delivered before is the parent's. */
static void in_child(void)
{
    atomic_store(&walking, 0);
    for (int i = 1; i < SIGNALS; i++)
        for (_Atomic(struct listener *) *at = &table[i].first; atomic_load(at) != NULL;) {
            struct listener *l = atomic_load(at);
            if (l->loop->thread == cress__fork_survivor) {
                l->seen = atomic_load(&table[i].delivered);
                at = &l->next;
            } else {
                atomic_store(at, atomic_load(&l->next));
            }
        }
}

int signals_listen(struct listener *l)
{
    int error = 0;
    uint64_t mask = fork_lock();
    cress__fork_hooks[FORK_SIGNALS] = in_child;
    bool first = atomic_load(&table[l->signal].first) == NULL;
    l->seen = signals_delivered(l->signal);
    _Atomic(struct listener *) *end = &table[l->signal].first;
    while (atomic_load(end) != NULL)
        end = &atomic_load(end)->next;
    atomic_store(&l->next, atomic_load(end));
    atomic_store(end, l); /* told in the order in which they began to listen */
    if (first && (error = install(l->signal)) < 0)
        unlink_listener(l);
    fork_unlock(mask);
    if (error == 0 && l->seen != signals_delivered(l->signal)) /* (3) */
        notice_send(&l->notice, l->loop);
    return error;
}

void signals_unlisten(struct listener *l)
{
    uint64_t mask = fork_lock();
    if (is_only(l))
        take_away(l->signal);
    unlink_listener(l);
    fork_unlock(mask);
    wait_for_handlers();
    notice_end(&l->notice, l->loop);
}
