/* closed - whether this thread is in a place where nothing may switch or block: a callback, a
 * switch hook, an exit function. They nest, so it is a count.
 */
#ifndef CRESS_BASE_CLOSED_H
#define CRESS_BASE_CLOSED_H

#include "base/compiler.h"

extern thread_local_fast unsigned cress__closed;

#endif
