#include "base/fork.h"

#include "base/closed.h"
#include "base/step.h"
#include "base/sys.h"

#include <pthread.h>

unsigned cress__forks;
const void *cress__fork_survivor;
void (*cress__fork_hooks[FORK_HOOKS])(void);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t mask_of_forker; /* under the lock */

uint64_t fork_lock(void)
{
    uint64_t mask = sys_sigmask(SIG_BLOCK, UINT64_MAX);
    step_locks(&lock);
    pthread_mutex_lock(&lock);
    return mask;
}

void fork_unlock(uint64_t mask)
{
    pthread_mutex_unlock(&lock);
    step_unlocks(&lock);
    sys_sigmask(SIG_SETMASK, mask);
}

static void before(void)
{
    uint64_t mask = fork_lock();
    mask_of_forker = mask;
}

static void in_parent(void)
{
    fork_unlock(mask_of_forker);
}

static void in_child(void)
{
    cress__forks++;
    cress__fork_survivor = &cress__closed;
    for (int i = 0; i < FORK_HOOKS; i++)
        if (cress__fork_hooks[i] != NULL)
            cress__fork_hooks[i]();
    fork_unlock(mask_of_forker);
}

int fork_attend(void)
{
    static bool attended;
    int error = 0;
    uint64_t mask = fork_lock();
    if (!attended) {
        error = fault("pthread_atfork") ? -ENOMEM : -pthread_atfork(before, in_parent, in_child);
        attended = error == 0;
    }
    fork_unlock(mask);
    return error;
}
