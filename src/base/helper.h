/* helper - starting a thread of our own.
 *
 * It belongs to nobody's program but ours: detached, with a name that ps(1) and debuggers show, and
 * with all signals blocked, so that the program's handlers run in the program's threads. Left open
 * are those that a thread raises itself (SIGSEGV and its kind: blocked, they would kill the process
 * without its handler), and the two that libc sends to all threads by itself, for setuid(2).
 */
#ifndef CRESS_BASE_HELPER_H
#define CRESS_BASE_HELPER_H

#include <stddef.h>

enum { HELPER_NAME = 16 }; /* bytes that the kernel keeps of a name, with the 0 */

/* Run fn(arg) in a new thread; stack_size 0: as all threads have. 0; -EAGAIN and its kind. */
int helper_start(void *(*fn)(void *arg), void *arg, size_t stack_size);

/* Name the thread that runs. Best effort. */
void helper_name(const char *name);

#endif
