/* blocking_work - what blocks or computes for long, in threads, while the hub goes on.
 *
 * A call that blocks in the kernel is offloaded, its arguments stay on our stack. Computing goes
 * into a pool of threads, as many as there are processors. A second hub in a thread of its own is
 * called like a function.
 */
#include <cress.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

/* --- a call that blocks ---------------------------------------------------------------------- */

struct query {
    const char *key;
    const char *answer;
};

/* An old client library that knows nothing of greenlets. */
static int look_up(void *arg)
{
    struct query *q = arg;
    usleep(20000);
    q->answer = "42";
    return 0;
}

static bool answered;
static int ticks;

static void *ticker(void *arg)
{
    for (; !answered; ticks++)
        cress_sleep(CRESS_MS(1));
    return arg;
}

/* --- work for a pool ------------------------------------------------------------------------- */

static void *count_primes(void *arg)
{
    long below = (long)(intptr_t)arg, primes = 0;
    for (long n = 2; n < below; n++) {
        long d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        primes += d * d > n;
    }
    return (void *)(intptr_t)primes;
}

/* --- another hub ----------------------------------------------------------------------------- */

struct second {
    sem_t ready;
    cress_hub *hub;
    int visits;
};

static void *serve(void *arg)
{
    struct second *second = arg;
    if (cress_hub_get(&second->hub) < 0 || cress_hub_hold(NULL) < 0)
        return NULL;
    sem_post(&second->ready);
    cress_run(CRESS_FOREVER); /* until it is released */
    return NULL;
}

static int visit(void *arg)
{
    struct second *second = arg;
    cress_sleep(CRESS_MS(1)); /* in a greenlet of that hub: it may wait */
    return ++second->visits;  /* of that thread, so without a lock */
}

static int leave(void *arg)
{
    (void)arg;
    return cress_hub_release(NULL);
}

int main(void)
{
    struct query q = { .key = "meaning" };
    cress_go(ticker, NULL);
    int error = cress_offload(look_up, &q);
    answered = true;
    printf("%s: %s%s\n", q.key, error == 0 ? q.answer : "?", ticks > 0 ? ", and it ticked" : "");

    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    cress_threadpool *pool;
    o.threads = 2;
    o.name = "primes";
    if (cress_threadpool_new(&o, &pool) < 0)
        return 1;
    void *limits[] = { (void *)10, (void *)1000, (void *)100000 }, *primes[3];
    if (cress_threadpool_map(pool, count_primes, limits, 3, primes) == 0)
        for (int i = 0; i < 3; i++)
            printf("%ld primes below %ld\n", (long)(intptr_t)primes[i], (long)(intptr_t)limits[i]);
    cress_threadpool_free(pool);

    struct second second = { .visits = 0 };
    pthread_t thread;
    sem_init(&second.ready, 0, 0);
    if (pthread_create(&thread, NULL, serve, &second) != 0)
        return 1;
    sem_wait(&second.ready);
    for (int i = 0; i < 3; i++)
        printf("visit %d\n", cress_call_on(second.hub, visit, &second));
    cress_call_on(second.hub, leave, NULL);
    pthread_join(thread, NULL);
    return 0;
}
