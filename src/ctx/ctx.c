/* ctx - the birth of a context, and what the sanitizers are told about it.
 *
 * AddressSanitizer wants to know the bounds of the stack that is about to run, before the switch,
 * and to be told afterwards that it is there: ctx_switch() says the former, whoever arrives the
 * latter, which for a new context is begin(). ThreadSanitizer wants a fiber for each context and to
 * be told just before the switch.
 */
#define _GNU_SOURCE 1

#include "ctx/ctx.h"

#include "ctx/frame.h"

#include <pthread.h>

/* What new contexts start with: that of whoever happens to run when a context is made would depend
 * on the scheduler.
 */
static thread_local_fast uint64_t fp;

void ctx_adopt(struct ctx *c)
{
    c->sp = NULL;
    fp = cress__ctx_fp();
#ifdef CRESS_ASAN
    pthread_attr_t attributes;
    void *low = NULL;
    c->size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &low, &c->size);
        pthread_attr_destroy(&attributes);
    }
    c->low = low;
    c->fake = NULL;
#endif
#ifdef CRESS_TSAN
    c->fiber = __tsan_get_current_fiber();
#endif
}

#ifdef CRESS_ASAN
static void begin(void *value, void *entry)
{
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    ((void (*)(void *))entry)(value);
}
#endif

void ctx_make(struct ctx *c, char *low, char *top, void (*entry)(void *value))
{
#ifdef CRESS_ASAN
    c->low = low;
    c->size = (size_t)(top - low);
    c->fake = NULL;
    c->sp = cress__ctx_frame(top, fp, begin, (void *)entry);
#else
    (void)low;
    /* It is called with a second argument, which by every ABI we know it may ignore. */
    c->sp = cress__ctx_frame(top, fp, (void (*)(void *, void *))(void *)entry, NULL);
#endif
#ifdef CRESS_TSAN
    c->fiber = __tsan_create_fiber(0);
#endif
}

/* What AddressSanitizer keeps for a forgotten context under detect_stack_use_after_return cannot be
 * released from outside; it is lost until the process ends.
 */
void ctx_forget(struct ctx *c)
{
#ifdef CRESS_TSAN
    __tsan_destroy_fiber(c->fiber);
    c->fiber = NULL;
#endif
    c->sp = NULL;
}

#ifndef CRESS_CTX_UCONTEXT
char *ctx_sp(const struct ctx *c)
{
    return c->sp;
}
#endif
