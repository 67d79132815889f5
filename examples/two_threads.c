/* two_threads - greenlets hand work to plain threads and wait for the answers, through a queue and
 * results that are shared. */
#include <cress.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { WORKERS = 2, JOBS = 6 };

struct job {
    long n;
    cress_result answer;
};

static cress_queue jobs;

/* A thread as any other: it has no hub, and needs none to wait here. */
static void *works(void *arg)
{
    (void)arg;
    struct job *job;
    while (cress_queue_get(&jobs, &job, CRESS_FOREVER) == 0) {
        long sum = 0;
        for (long i = 1; i <= job->n; i++)
            sum += i;
        cress_result_set(&job->answer, (void *)(intptr_t)sum);
    }
    return NULL; /* the queue was shut down */
}

static void *asks(void *arg)
{
    struct job job = { .n = (long)(intptr_t)arg };
    void *sum = NULL;
    int error = 0;
    cress_result_init(&job.answer, CRESS_SHARED);
    cress_queue_put(&jobs, &job, CRESS_FOREVER);
    if (cress_result_get(&job.answer, CRESS_FOREVER, &sum, &error) < 0)
        return NULL;
    return sum;
}

int main(void)
{
    pthread_t workers[WORKERS];
    cress_greenlet *greenlets[JOBS];
    cress_queue_options options = CRESS_QUEUE_OPTIONS_INIT;
    options.shared = true;
    cress_queue_init(&jobs, &options);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&workers[i], NULL, works, NULL);
    for (int i = 0; i < JOBS; i++)
        greenlets[i] = cress_spawn(asks, (void *)(intptr_t)(1000 * (i + 1)));
    for (int i = 0; i < JOBS; i++) {
        cress_join(greenlets[i], CRESS_FOREVER);
        printf("1 + ... + %d = %ld\n", 1000 * (i + 1), (long)(intptr_t)cress_value(greenlets[i]));
        cress_unref(greenlets[i]);
    }
    cress_queue_shutdown(&jobs, false);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    cress_queue_done(&jobs);
    return 0;
}
