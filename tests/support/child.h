/* child - run a function in a forked process, with a time limit and its stderr kept.
 *
 * For what must end the process (an abort, an overflow, exit in a greenlet) and for what must be
 * seen to leave nothing behind. The child is killed when the limit is over.
 */
#ifndef SUPPORT_CHILD_H
#define SUPPORT_CHILD_H

#include <stdbool.h>

struct child_result {
    bool timed_out;
    int signal;       /* that ended it, or 0 */
    int status;       /* its exit status when no signal did */
    char error[4096]; /* the end of what it wrote to stderr */
};

/** Run function(argument) in a child process; a return from it is exit status 0.
 *
 * The exit is _exit: no atexit handler of the parent runs a second time, and no leak report.
 */
void child_run(void (*function)(void *), void *argument, int limit_ms, struct child_result *result);

/** How the child ended, in words, for a message; a static buffer. */
const char *child_words(const struct child_result *result);

#endif
