/* fds - which file descriptors this process has open, and which of them are new.
 *
 *     struct fds before;
 *     fds_mark(&before);
 *     ...
 *     CHECK_EQ(fds_leaked(&before), 0);
 */
#ifndef SUPPORT_FDS_H
#define SUPPORT_FDS_H

#include <stddef.h>
#include <stdint.h>

/* Numbers beyond this are counted and not told apart. */
#define FDS_MAX 65536

struct fds {
    uint64_t open[FDS_MAX / 64];
    size_t count;
};

/** How many descriptors are open now. */
size_t fds_count(void);

/** Remember what is open now. */
void fds_mark(struct fds *now);

/** How many are open now that were not at the mark; each is named on stderr. */
size_t fds_leaked(const struct fds *before);

#endif
