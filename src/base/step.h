/* step - where one thread may see what another has done: before each operation on a word that
 * several threads share.
 *
 * In test builds a hook is told of each, so that a test can let another thread go on there, and try
 * all orders (tests/sync/orders_test.c). In the shipped library nothing of this exists; the
 * operations are the same.
 */
#ifndef CRESS_BASE_STEP_H
#define CRESS_BASE_STEP_H

#include <stdatomic.h>
#include <stdbool.h>

#ifdef CRESS_TESTING
/* `of` is about to be read, or written. */
extern void (*cress__step_hook)(const volatile void *of, bool write);
#define step_reads(of) (cress__step_hook != NULL ? cress__step_hook(of, false) : (void)0)
#define step_writes(of) (cress__step_hook != NULL ? cress__step_hook(of, true) : (void)0)
/* Nothing is to be done until somebody else has written `of`. */
extern void (*cress__step_waits_hook)(const volatile void *of);
#define step_waits(of) (cress__step_waits_hook != NULL ? cress__step_waits_hook(of) : (void)0)
/* A lock, inside of which there are steps, is about to be taken; it has been given back. */
extern void (*cress__step_lock_hook)(const volatile void *of, bool taken);
#define step_locks(of) (cress__step_lock_hook != NULL ? cress__step_lock_hook(of, true) : (void)0)
#define step_unlocks(of) \
    (cress__step_lock_hook != NULL ? cress__step_lock_hook(of, false) : (void)0)
/* Whether looking again for a while may help: not where only one thread runs at a time. */
#define step_by_step() (cress__step_hook != NULL)
#else
#define step_reads(of) ((void)0)
#define step_writes(of) ((void)0)
#define step_waits(of) ((void)0)
#define step_locks(of) ((void)0)
#define step_unlocks(of) ((void)0)
#define step_by_step() false
#endif

#endif
