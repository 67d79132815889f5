/* fork - how a child process finds out that it is one, and what it finds whole.
 *
 * `cress__forks` counts the forks between the first process that used cress and this one. Who holds
 * what a child must have anew (a poller, a wake-up) remembers the count it was made under, and
 * compares when it is used next. So a child that calls exec(3) next pays for nothing.
 *
 * There is one lock for what the threads of a process share and a child needs: the list of loops,
 * the table of signals. It is held over fork(2), so that no other thread is in the middle of a
 * change then. Signals are blocked while it is held: a handler that forks would wait for itself.
 *
 * Not seen: clone(2) by hand, vfork(2) and posix_spawn(3), after which nothing but exec(3) is
 * allowed anyway.
 */
#ifndef CRESS_BASE_FORK_H
#define CRESS_BASE_FORK_H

#include <stdint.h>

extern unsigned cress__forks;

/* In a child: which thread of the parent it was, as the address of its cress__closed. */
extern const void *cress__fork_survivor;

/* Called in the child when it has just begun, with the lock held: for what cannot wait. */
enum { FORK_SIGNALS, FORK_HUB, FORK_HOOKS };
extern void (*cress__fork_hooks[FORK_HOOKS])(void);

/* From now on forks are counted. Any number of times. 0; -ENOMEM. */
int fork_attend(void);

/* Returns what fork_unlock() is to be given: the signal mask. */
uint64_t fork_lock(void);
void fork_unlock(uint64_t mask);

#endif
