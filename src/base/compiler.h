/* compiler - the few things we ask of the compiler beyond C11, under short names. */
#ifndef CRESS_BASE_COMPILER_H
#define CRESS_BASE_COMPILER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline))
#define always_inline inline __attribute__((always_inline))
#define prefetch(p) __builtin_prefetch(p)

enum { CACHE_LINE = 64 };

/* For a loop that waits for another processor: be slow, and do not guess. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/* A thread-local that is found with one addition. All of cress's thread-locals are read through a
 * pointer kept in one of these; the static TLS block of every process has room for a few words.
 */
#define thread_local_fast __thread __attribute__((tls_model("initial-exec")))

#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* The invariants of a module, checked in test builds: too many and too hot for the shipped one. */
#ifdef CRESS_TESTING
#define invariant(x) assert(x)
#else
#define invariant(x) ((void)0)
#endif

#if defined(__SANITIZE_ADDRESS__)
#define CRESS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CRESS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CRESS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CRESS_TSAN 1
#endif
#endif

#endif
