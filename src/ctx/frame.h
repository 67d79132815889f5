/* frame - what ctx.c needs of the file that knows the processor: x86_64.S, aarch64.S, or in place
 * of both ucontext.c.
 */
#ifndef CRESS_CTX_FRAME_H
#define CRESS_CTX_FRAME_H

#include <stdint.h>

/* The thread's floating-point control, in a form of its own. */
uint64_t cress__ctx_fp(void) __attribute__((visibility("hidden")));

/* Write below top (16-aligned) what a context rests in whose first switch calls
 * first(value, second) under the control fp. Returns what goes into its sp.
 */
void *cress__ctx_frame(char *top, uint64_t fp, void (*first)(void *value, void *second),
                       void *second) __attribute__((visibility("hidden")));

#endif
