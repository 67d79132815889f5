/* on_poll - tests that count the calls of one poller, or need what only it has, say so. */
#ifndef TESTS_LOOP_ON_POLL_H
#define TESTS_LOOP_ON_POLL_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the suite runs on poll(2): then the test is left, having said why. */
static inline bool only_on_epoll(const char *why)
{
    const char *poller = getenv("CRESS_POLLER");
    if (poller == NULL || strcmp(poller, "poll") != 0)
        return false;
    printf("        left out on poll: %s\n", why);
    return true;
}

#endif
