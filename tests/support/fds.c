/* fds - see fds.h. */
#include "support/fds.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fds_mark(struct fds *now)
{
    memset(now, 0, sizeof *now);
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        perror("/proc/self/fd");
        abort();
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        long fd = strtol(entry->d_name, NULL, 10);
        if (fd == dirfd(folder)) {
            continue;
        }
        now->count++;
        if (fd < FDS_MAX) {
            now->open[fd / 64] |= UINT64_C(1) << (fd % 64);
        }
    }
    closedir(folder);
}

size_t fds_count(void)
{
    struct fds now;
    fds_mark(&now);
    return now.count;
}

size_t fds_leaked(const struct fds *before)
{
    struct fds now;
    fds_mark(&now);
    size_t leaked = 0;
    for (int fd = 0; fd < FDS_MAX; fd++) {
        uint64_t bit = UINT64_C(1) << (fd % 64);
        if ((now.open[fd / 64] & bit) == 0 || (before->open[fd / 64] & bit) != 0) {
            continue;
        }
        leaked++;
        char link[64], target[256];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = '\0';
        fprintf(stderr, "fd %d was left open: %s\n", fd, target);
    }
    if (leaked == 0 && now.count > before->count) {
        leaked = now.count - before->count; /* beyond FDS_MAX */
    }
    return leaked;
}
