/** @file cress/base.h
 * Version, time, and how calls report their outcome.
 *
 * A call that can fail returns `int` or `ssize_t`: 0 or more is success, a negative number is a
 * negated errno. cress never reports through errno, since another greenlet may run before the
 * caller looks at it, and leaves errno as it found it.
 */
#ifndef CRESS_BASE_H
#define CRESS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Major version: changes when programs must be changed. */
#define CRESS_VERSION_MAJOR 0
/** Minor version: changes when something is added (while major is 0: also when it breaks). */
#define CRESS_VERSION_MINOR 1
/** Patch version: changes with corrections only. */
#define CRESS_VERSION_PATCH 0
/** One number to compare: major * 10000 + minor * 100 + patch. */
#define CRESS_VERSION \
    (CRESS_VERSION_MAJOR * 10000 + CRESS_VERSION_MINOR * 100 + CRESS_VERSION_PATCH)

/** Marks what the shared library exports. */
#define CRESS_API __attribute__((visibility("default")))

/* What every CRESS_X_INIT stands for: all zero, except that size is set. C++ learned to name
 * members in initialisers only with C++20, and warns of those that are not named. */
#ifdef __cplusplus
template <typename options> static inline options cress__sized(void)
{
    options o = options();
    o.size = sizeof(options);
    return o;
}
#define CRESS__SIZED(type) cress__sized<type>()
#else
#define CRESS__SIZED(type)   \
    {                        \
        .size = sizeof(type) \
    }
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** A duration or a point of the monotonic clock, in nanoseconds. */
typedef int64_t cress_time;

/** As a timeout: wait for ever. As a deadline: never. (A wait with a limit needs a timer; the first
 * one of a coroutine may therefore give -ENOMEM.) */
#define CRESS_FOREVER INT64_MAX
/** n microseconds. */
#define CRESS_US(n) ((cress_time)(n)*1000)
/** n milliseconds. */
#define CRESS_MS(n) ((cress_time)(n)*1000000)
/** n seconds. */
#define CRESS_SECONDS(n) ((cress_time)(n)*1000000000)

/** The version of the library that is running, as CRESS_VERSION was when it was built.
 *
 * Never switches. Any thread.
 */
CRESS_API int cress_version(void);

/** The monotonic clock, read now (not the reading that the loop keeps for a turn).
 *
 * Never switches, makes no hub. Any thread. See clock_gettime(2), CLOCK_MONOTONIC.
 */
CRESS_API cress_time cress_now(void);

/** The point at which a timeout that begins now is over; CRESS_FOREVER stays CRESS_FOREVER, and a
 * sum too large for the clock becomes it.
 *
 * Never switches. Any thread.
 */
CRESS_API cress_time cress_deadline(cress_time timeout);

/** What is left until deadline, 0 when it has passed; CRESS_FOREVER for CRESS_FOREVER. For loops
 * that wait several times under one deadline:
 *
 *     cress_time deadline = cress_deadline(timeout);
 *     while (!ready(x))
 *         if ((error = cress_park(cress_left(deadline))) < 0)
 *             break;
 *
 * Never switches. Any thread.
 */
CRESS_API cress_time cress_left(cress_time deadline);

/** The symbolic name of an error, "ECANCELED" for -ECANCELED or ECANCELED; "?" when unknown. The
 * text is constant.
 *
 * Never switches. Any thread.
 */
CRESS_API const char *cress_error_name(int error);

#ifdef __cplusplus
}
#endif

#endif
