/* check - checks that may stand inside a greenlet.
 *
 * cmocka's assertions leave by longjmp, which must not cross from one stack to another. These
 * print the place and both values and abort: the test program ends there, ctest has the reason.
 * Outside greenlets cmocka's own are as good.
 *
 *     CHECK(cress_ready(g));
 *     CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
 *     CHECK_STR(log, "1A 2A 1B 2B");
 *
 * Each value is evaluated once. Integers of any kind, bool, enum and pointers go into CHECK_EQ and
 * its kind; they are compared as 64-bit numbers, so -1 and 0xffffffffu differ.
 */
#ifndef SUPPORT_CHECK_H
#define SUPPORT_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum check_relation {
    CHECK_IS_EQ,
    CHECK_IS_NE,
    CHECK_IS_LT,
    CHECK_IS_LE,
    CHECK_IS_GT,
    CHECK_IS_GE
};

/** Where a check stands and what it says. */
struct check_place {
    const char *file;
    int line;
    const char *function;
    const char *text;
};

extern const struct check_place check__no_fraction;

void check_true(const struct check_place *place, bool holds);
void check_numbers(const struct check_place *place, enum check_relation relation, long long left,
                   long long right);
void check_strings(const struct check_place *place, const char *left, const char *right);
void check_bytes(const struct check_place *place, const void *left, const void *right, size_t size);

#ifdef __cplusplus
}
#define CHECK__NUMBER(x) ((long long)(x))
#else
/* A cast would cut a fraction off, and the check would hold where it must not: a floating number
 * becomes a struct here, which does not compile. */
#define CHECK__NUMBER(x)                               \
    ((long long)_Generic((x), float                    \
                         : check__no_fraction, double  \
                         : check__no_fraction, default \
                         : (x)))
#endif

#define CHECK__PLACE(text) \
    const struct check_place check__place = { __FILE__, __LINE__, __func__, text }

/* The text is made where a and b have not been expanded yet. */
#define CHECK__NUMBERS(relation, text, a, b)                                        \
    do {                                                                            \
        CHECK__PLACE(text);                                                         \
        check_numbers(&check__place, relation, CHECK__NUMBER(a), CHECK__NUMBER(b)); \
    } while (0)

#define CHECK(expression)                                       \
    do {                                                        \
        CHECK__PLACE(#expression);                              \
        check_true(&check__place, (expression) ? true : false); \
    } while (0)
#define CHECK_EQ(a, b) CHECK__NUMBERS(CHECK_IS_EQ, #a " == " #b, a, b)
#define CHECK_NE(a, b) CHECK__NUMBERS(CHECK_IS_NE, #a " != " #b, a, b)
#define CHECK_LT(a, b) CHECK__NUMBERS(CHECK_IS_LT, #a " < " #b, a, b)
#define CHECK_LE(a, b) CHECK__NUMBERS(CHECK_IS_LE, #a " <= " #b, a, b)
#define CHECK_GT(a, b) CHECK__NUMBERS(CHECK_IS_GT, #a " > " #b, a, b)
#define CHECK_GE(a, b) CHECK__NUMBERS(CHECK_IS_GE, #a " >= " #b, a, b)
#define CHECK_STR(a, b)                     \
    do {                                    \
        CHECK__PLACE(#a " == " #b);         \
        check_strings(&check__place, a, b); \
    } while (0)
#define CHECK_MEM(a, b, size)                   \
    do {                                        \
        CHECK__PLACE(#a " == " #b);             \
        check_bytes(&check__place, a, b, size); \
    } while (0)

#endif
