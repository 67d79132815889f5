#define _GNU_SOURCE 1

#include "ctx/overflow.h"

#include "base/compiler.h"
#include "base/sys.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>

/* Room for our handler, which needs little, and for one that was there before, beside what the
 * processor's registers take in a signal frame (AT_MINSIGSTKSZ: up to 11 KiB with AMX).
 */
#define ROOM 65536
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static _Atomic(overflow_locate) locate;

/* The rest is changed under the lock only; the handler reads active and previous. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool installed; /* our handler is the process's, or was when it was last seen */
static bool refused;   /* somebody switched the report off */
static atomic_bool active;
static struct sigaction previous; /* what was there before; constant while installed */

static thread_local_fast char *alternate;
static thread_local_fast size_t alternate_size;

void overflow_set_locate(overflow_locate l)
{
    atomic_store(&locate, l);
}

bool overflow_tell(const void *address)
{
    char line[256];
    overflow_locate l = atomic_load(&locate);
    if (l == NULL || !l(address, line, sizeof line))
        return false;
    sys_write(2, line, strnlen(line, sizeof line));
    return true;
}

/* Put back what was there before us. A fault recurs as soon as the handler has returned; a signal
 * that was sent does not, so it is sent again, and arrives then.
 */
static void step_aside(bool sent)
{
    sys_sigaction(SIGSEGV, &previous, NULL);
    if (sent)
        sys_raise(SIGSEGV);
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
    bool sent = info->si_code <= 0;
    if (!sent && atomic_load(&active) && overflow_tell(info->si_addr)) {
        step_aside(false);
        return;
    }

    /* Not ours. A handler that was here before may well go on after a fault, so it is called and we
     * stay; except one that wants to be called once, and the two that are no functions.
     */
    if (((unsigned)previous.sa_flags & SA_RESETHAND) != 0 || previous.sa_handler == SIG_DFL)
        step_aside(sent);
    else if (previous.sa_handler == SIG_IGN && !sent)
        step_aside(false); /* the kernel does not let a fault be ignored: it ends the process */
    else if (previous.sa_handler != SIG_IGN && (previous.sa_flags & SA_SIGINFO) != 0)
        previous.sa_sigaction(sig, info, context);
    else if (previous.sa_handler != SIG_IGN)
        previous.sa_handler(sig);
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == on_segv;
}

static int alternate_set(void)
{
    stack_t now;
    if (alternate != NULL)
        return 0;
    int r = sys_sigaltstack(NULL, &now);
    if (r < 0)
        return r;
    if ((now.ss_flags & SS_DISABLE) == 0)
        return 0; /* somebody else's will do */

    int error = errno;
    size_t size = (ROOM + getauxval(AT_MINSIGSTKSZ) + 65535) & ~(size_t)65535;
    errno = error; /* ENOENT where the system does not say */
    char *p = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_NORESERVE | MAP_STACK);
    if (p == NULL)
        return -ENOMEM;
    r = sys_sigaltstack(&(stack_t){ .ss_sp = p, .ss_size = size }, NULL);
    if (r < 0) {
        sys_munmap(p, size);
        return r;
    }
    alternate = p;
    alternate_size = size;
    return 0;
}

void overflow_thread_done(void)
{
    stack_t now;
    if (alternate == NULL)
        return;
    /* Ours is unmapped only when it is no longer what the kernel would use. */
    int r = sys_sigaltstack(NULL, &now);
    if (r == 0 && now.ss_sp == alternate)
        r = sys_sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    if (r == 0)
        sys_munmap(alternate, alternate_size);
    alternate = NULL;
}

static int switch_on(bool only_if_default)
{
    struct sigaction now;
    if (only_if_default && refused)
        return 0;
    int r = sys_sigaction(SIGSEGV, NULL, &now);
    if (r < 0)
        return r;
    bool ours = is_ours(&now);
    if (!ours && only_if_default && !(now.sa_handler == SIG_DFL))
        return 0;
    r = alternate_set();
    if (r < 0)
        return r;

    /* Where we were installed and another one is in front now, we must not be put in front of it
     * again: it may call us, and we would call it.
     */
    if (!ours && (!installed || now.sa_handler == SIG_DFL)) {
        previous = now;
        struct sigaction action = { .sa_sigaction = on_segv,
                                    .sa_mask = now.sa_mask,
                                    .sa_flags = SA_SIGINFO | SA_ONSTACK |
                                                (now.sa_flags & (SA_NODEFER | SA_RESTART)) };
        r = sys_sigaction(SIGSEGV, &action, NULL);
        if (r < 0)
            return r;
        installed = true;
    }
    atomic_store(&active, true);
    if (!only_if_default)
        refused = false;
    return 0;
}

static int switch_off(void)
{
    struct sigaction now;
    refused = true;
    atomic_store(&active, false);
    int r = sys_sigaction(SIGSEGV, NULL, &now);
    if (r == 0 && is_ours(&now)) {
        r = sys_sigaction(SIGSEGV, &previous, NULL);
        if (r == 0)
            installed = false;
    }
    if (!installed)
        overflow_thread_done();
    return r;
}

int overflow_report(bool on, bool only_if_default)
{
    pthread_mutex_lock(&lock);
    int r = on ? switch_on(only_if_default) : switch_off();
    pthread_mutex_unlock(&lock);
    return r;
}
