#include "coro/thread.h"

#include "base/alloc.h"
#include "ctx/overflow.h"

#include <errno.h>
#include <pthread.h>

thread_local_fast struct thread *cress__thread;

/* Where libstdc++ is part of the program, the linker finds this; a C program has NULL here. */
extern struct eh_globals *__cxa_get_globals(void) __attribute__((weak));

static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static bool end_key_made;

static bool locate(const void *address, char *line, size_t size)
{
    struct thread *t = cress__thread;
    return t != NULL && coro_locate_overflow(t, address, line, size);
}

/* Whether a raw coroutine rests in the middle of its function. */
static bool some_rest(const struct thread *t)
{
    for (const struct list *l = t->raw.next; l != &t->raw; l = l->next)
        if (container_of(l, struct raw_coro, link)->co.stack != NULL)
            return true;
    return false;
}

/* The thread ends. Its greenlets were ended by the hub; raw coroutines that are still suspended can
 * never run again, but what lies on their stacks is their owners': somebody may have pointers to
 * it. So the stacks stay until all coroutines have been freed.
 */
static void thread_end(void *record)
{
    struct thread *t = record;
    cress__thread =
        t; /* the destructors of other keys may have made one more meanwhile: not ours */
    /* A thread that ends in the middle of a coroutine (pthread_exit(3)) has lost the frames of its
     * own stack, where others may have left what they wait with, and still stands on the
     * coroutine's: hub and stacks are better leaked than pulled away. */
    bool whole = t->current == &t->native;
    if (t->hub != NULL && whole)
        t->hub_done(t->hub);
    if (t->held != NULL)
        t->held_end(t, true);
    cress__thread = NULL;
    atomic_fetch_add(&t->refs, t->blocks.live); /* (2) */
    overflow_thread_done();
    t->stacks_kept = whole && some_rest(t);
    if (t->stacks_kept)
        stack_trim_all(&t->stacks);
    else if (whole)
        stack_pool_done(&t->stacks);
    atomic_store(&t->dead, true);
    cress__thread_unref(t);
}

static void make_key(void)
{
    end_key_made = pthread_key_create(&end_key, thread_end) == 0;
    overflow_set_locate(locate);
}

struct thread *cress__thread_make(void)
{
    pthread_once(&end_once, make_key);
    if (!end_key_made)
        return NULL;
    struct thread *t = cress__calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    atomic_init(&t->refs, 1);
    t->errno_at = &errno;
    stack_pool_init(&t->stacks);
    list_init(&t->raw);
    coro_init(&t->native, t, CORO_NATIVE);
    ctx_adopt(&t->native.ctx);
    t->native.state = CORO_RUNNING;
    t->current = &t->native;
    if (__cxa_get_globals != NULL)
        t->eh = __cxa_get_globals();
    t->extras = t->eh != NULL;
    if (pthread_setspecific(end_key, t) != 0) {
        cress__free(t);
        return NULL;
    }
    cress__thread = t;
    return t;
}

void cress__thread_ref(struct thread *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void cress__thread_unref(struct thread *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        if (t->stacks_kept)
            stack_pool_done(&t->stacks);
        blocks_done(&t->blocks);
        blocks_done(&t->hub_extras);
        cress__free(t);
    }
}
