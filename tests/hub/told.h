/* told - an error hook that remembers what it was told, and a log for orders.
 *
 *     struct told told = { 0 };
 *     cress_hub_set_error_hook(NULL, told_hook, &told);
 */
#ifndef TESTS_HUB_TOLD_H
#define TESTS_HUB_TOLD_H

#include "support/check.h"

#include <cress.h>

#include <stdio.h>
#include <string.h>

enum { TOLD_MAX = 32 };

struct told {
    int count;
    struct told_line {
        const cress_hub *hub;
        const cress_greenlet *greenlet;
        char name[32]; /* its, at that time */
        char context[160];
        int error;
    } lines[TOLD_MAX];
};

static inline void told_hook(cress_hub *hub, cress_greenlet *greenlet, const char *context,
                             int error, void *arg)
{
    struct told *told = arg;
    CHECK_LT(told->count, TOLD_MAX);
    struct told_line *line = &told->lines[told->count++];
    line->hub = hub;
    line->greenlet = greenlet;
    line->error = error;
    snprintf(line->name, sizeof line->name, "%s", greenlet != NULL ? cress_name(greenlet) : "");
    snprintf(line->context, sizeof line->context, "%s", context);
}

/* Words in the order in which they were said. */
struct words {
    char text[1024];
};

static inline void say(struct words *words, const char *word)
{
    size_t n = strlen(words->text);
    CHECK_LT(n + strlen(word) + 2, sizeof words->text);
    snprintf(words->text + n, sizeof words->text - n, "%s%s", n > 0 ? " " : "", word);
}

#endif
