/* fault - where tests make system calls and allocations fail.
 *
 * In test builds the hook is asked before each system call and each allocation, with its name; when
 * it says true the call fails with an error that its manual page lists. In the shipped library
 * nothing of this exists.
 */
#ifndef CRESS_BASE_FAULT_H
#define CRESS_BASE_FAULT_H

#include <stdbool.h>

#ifdef CRESS_TESTING
extern bool (*cress__fault_hook)(const char *what);
#define fault(what) (cress__fault_hook && cress__fault_hook(what))
#else
#define fault(what) false
#endif

#endif
