/* test - see test.h. */
#include "support/test.h"
#include "support/fds.h"
#include "base/alloc.h"

#include <stdio.h>

static struct fds fds_before;
static size_t blocks_before;

int tests_begin(void **state)
{
    (void)state;
    fds_mark(&fds_before);
    blocks_before = cress__alloc_live();
    return 0;
}

int tests_left(int failed)
{
    size_t fds = fds_leaked(&fds_before);
    size_t blocks = cress__alloc_live() - blocks_before;
    if (fds != 0 || blocks != 0) {
        fprintf(stderr, "the tests left %zu fds open and %zu blocks allocated\n", fds, blocks);
        return failed + 1;
    }
    return failed;
}
