/* options - how a structure of options is taken in: what the caller's version of it does not have
 * stays as it is here, the default.
 */
#ifndef CRESS_BASE_OPTIONS_H
#define CRESS_BASE_OPTIONS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Copy the caller's options, whose first member is their size, over the defaults in `into`. NULL
 * leaves all of these. 0; -EINVAL, the size was not set. */
static inline int options_take(void *into, size_t size, const void *options)
{
    if (options == NULL)
        return 0;
    size_t theirs;
    memcpy(&theirs, options, sizeof theirs);
    if (theirs == 0)
        return -EINVAL;
    memcpy(into, options, theirs < size ? theirs : size);
    return 0;
}

#endif
