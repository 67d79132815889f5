/* overflow - the report of a stack overflow: a handler for SIGSEGV that says which coroutine ran
 * into its guard, and then lets the signal take the course it would have taken.
 *
 * The handler is the process's; it runs on an alternate stack, of which every thread needs its own,
 * because the one that overflowed has no room. A thread that has an alternate stack keeps it.
 *
 * Off, the handler is taken out, unless somebody has put another one in front of it, which may call
 * it: then it stays and passes everything on.
 */
#ifndef CRESS_CTX_OVERFLOW_H
#define CRESS_CTX_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>

/* Tells whether address lies in the guard of the coroutine that runs, and if so fills one line with
 * what to report, ending in a newline. Called in the signal handler: async-signal-safe. The same
 * for all threads.
 */
typedef bool (*overflow_locate)(const void *address, char *line, size_t size);
void overflow_set_locate(overflow_locate locate);

/* Switch the report on (for the process, with an alternate stack for this thread) or off.
 *
 * only_if_default: nobody asked for it; do so only where SIGSEGV is at its default or ours already,
 * and not after somebody has switched it off.
 *
 * 0; -ENOMEM; what sigaction(2) and sigaltstack(2) say.
 */
int overflow_report(bool on, bool only_if_default);

/* This thread ends: its alternate stack, if it is ours, goes. */
void overflow_thread_done(void);

/* Write the line for address to stderr, if the locator knows it. */
bool overflow_tell(const void *address);

#endif
