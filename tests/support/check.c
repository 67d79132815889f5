/* check - see check.h. */
#include "support/check.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct check_place check__no_fraction = { 0 };

/* One write(2) to stderr: a full stdio buffer of another stack does not get in between. */
static _Noreturn void give_up(const struct check_place *place, const char *format, ...)
{
    char line[1024];
    int n = snprintf(line, sizeof line, "%s:%d: %s: failed: %s", place->file, place->line,
                     place->function, place->text);
    if (n > 0 && (size_t)n < sizeof line) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(line + n, sizeof line - (size_t)n, format, arguments);
        va_end(arguments);
    }
    fflush(stdout);
    size_t length = strnlen(line, sizeof line - 1);
    line[length++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
    abort();
}

void check_true(const struct check_place *place, bool holds)
{
    if (!holds) {
        give_up(place, "%s", "");
    }
}

static bool related(enum check_relation relation, long long left, long long right)
{
    switch (relation) {
    case CHECK_IS_EQ:
        return left == right;
    case CHECK_IS_NE:
        return left != right;
    case CHECK_IS_LT:
        return left < right;
    case CHECK_IS_LE:
        return left <= right;
    case CHECK_IS_GT:
        return left > right;
    case CHECK_IS_GE:
        return left >= right;
    }
    return false;
}

void check_numbers(const struct check_place *place, enum check_relation relation, long long left,
                   long long right)
{
    if (related(relation, left, right)) {
        return;
    }
    /* Small negative numbers are errors: say which. */
    bool error = left < 0 && left > -200;
    give_up(place, "\n    left  %lld 0x%llx%s%s\n    right %lld 0x%llx", left, left,
            error ? " " : "", error ? strerror((int)-left) : "", right, right);
}

void check_strings(const struct check_place *place, const char *left, const char *right)
{
    bool same = left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
    if (!same) {
        give_up(place, "\n    left  \"%s\"\n    right \"%s\"", left ? left : "(NULL)",
                right ? right : "(NULL)");
    }
}

void check_bytes(const struct check_place *place, const void *left, const void *right, size_t size)
{
    const unsigned char *l = left, *r = right;
    for (size_t i = 0; i < size; i++) {
        if (l[i] != r[i]) {
            give_up(place, "\n    byte %zu of %zu: left 0x%02x '%c', right 0x%02x '%c'", i, size,
                    l[i], isprint(l[i]) ? l[i] : '.', r[i], isprint(r[i]) ? r[i] : '.');
        }
    }
}
