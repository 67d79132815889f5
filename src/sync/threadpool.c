/* threadpool - jobs for threads of a pool's own, and what becomes of their results.
 *
 * Room in the queue is a semaphore, the end of a job is an event; so waiting, cancelling and who
 * comes first are theirs. What is here is who owns what:
 *
 *     IN_POOL -> ENDED               [its worker: the value is there for get]
 *     IN_POOL -> GIVEN_UP            [the handle is given back: the worker will discard the value]
 *     ENDED, GIVEN_UP -> both        [whoever comes second discards it]
 *
 * (1) A job has a reference of its handle and one of the pool's, which is dropped when its errand
 *     has come back; by the worker, when the hub has ended.
 * (2) A job refers to the pool's workers as long as it exists, and so does the pool; the pool goes
 *     when neither is left and no thread.
 * (3) `room` has as many units as jobs may be put in. When the size was lowered below what is in,
 *     `owed` of them are missing: they are not given back.
 * (4) A pool counts in loop.refs, as a wait for a descriptor does, while something comes of it by
 *     itself that somebody wants who is no daemon. Something comes: a job or a call of map is under
 *     way, and not all that are lie in the queue of a pool that has no threads. Somebody wants it:
 *     who has put it in, or who waits for anything of the pool's.
 */
#include "base/alloc.h"
#include "base/options.h"
#include "hub/offload.h"
#include "hub/wait.h"

#include <cress/group.h>
#include <cress/sync.h>
#include <cress/threadpool.h>

#include <errno.h>
#include <string.h>

struct cress_threadpool {
    struct workers workers; /* first: what its threads know of it */
    struct cress_hub *hub;  /* whose it is; kept */
    size_t max;
    cress_sem room;
    size_t owed;    /* (3) */
    size_t waiting; /* for room, or to join, */
    unsigned forks; /* as of this one: in a child nobody does */
    size_t jobs;    /* that have not come back */
    size_t calls;   /* of map, so too */
    cress_event empty;
    size_t wanted;   /* (4): jobs, calls and cases of no daemon */
    size_t watchers; /* so too: who waits; as of `forks` */
    bool may_starve; /* the size is or was 0, or no thread could be made */
    bool counted;    /* in loop.refs */
};

enum fate { ENDED = 1, GIVEN_UP = 2 };

struct cress_job {
    struct job job;
    struct errand errand;
    struct cress_threadpool *pool;
    cress_fn fn;
    void *value; /* the argument, until fn has returned */
    void (*discard)(void *value);
    cress_event back;
    struct list cases; /* that wait for it */
    atomic_uint refs;  /* (1) */
    atomic_uint fate;
    bool taken; /* somebody got the value */
    bool takes_room;
    bool wanted; /* (4) */
    bool lost;   /* with the parent */
};

enum { THREADS = 10, MAX_THREADS = 1024, IN_QUEUE = 2 /* running and queued, for each thread */ };

static void gone(struct workers *w)
{
    struct cress_threadpool *pool = container_of(w, struct cress_threadpool, workers);
    hub_unkeep(pool->hub);
    cress__free(pool);
}

/* --- the pool -------------------------------------------------------------------------------- */

int cress_threadpool_new(const cress_threadpool_options *options, cress_threadpool **out)
{
    cress_threadpool_options o = CRESS_THREADPOOL_OPTIONS_INIT;
    if (out == NULL || options_take(&o, sizeof o, options) < 0)
        return -EINVAL;
    size_t most = o.threads > 0 ? o.threads : THREADS;
    size_t max = o.max_threads > 0 ? o.max_threads : MAX_THREADS;
    if (o.idle < 0 || most > max || max > UINT32_MAX / IN_QUEUE)
        return -EINVAL;
    struct cress_hub *h;
    int error = hub_get(&h);
    if (error < 0)
        return error;
    struct cress_threadpool *pool = cress__malloc(sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    *pool = (struct cress_threadpool){
        .workers = { WORKERS_INIT, .most = most, .refs = 1, .gone = gone,
                     .idle_time = o.idle > 0 ? o.idle : CRESS_SECONDS(10),
                     .stack_size = o.stack_size },
        .hub = h,
        .max = max,
        .forks = cress__forks,
    };
    atomic_init(&pool->workers.forks, cress__forks);
    label_copy(o.name != NULL ? o.name : "cress-pool", pool->workers.name,
               sizeof pool->workers.name);
    cress_sem_init(&pool->room, (uint32_t)(IN_QUEUE * most), CRESS_FAIR);
    cress_event_set(&pool->empty);
    hub_keep(h);
    *out = pool;
    return 0;
}

/* Whether the pool may be used here: 0; -EXDEV; -EOWNERDEAD. */
static int check(struct cress_threadpool *pool)
{
    closed(); /* in a child process its jobs are about to be lost */
    if (pool->hub != hub_current())
        return hub_has_ended(pool->hub) ? -EOWNERDEAD : -EXDEV;
    if (unlikely(pool->forks != cress__forks)) {
        pool->forks = cress__forks;
        pool->waiting = pool->watchers = 0;
    }
    return 0;
}

/* --- what keeps the hub going, see (4) ------------------------------------------------------- */

/* Whether what is under way will come. That a queue has no threads is changed by this thread only,
 * which puts more in, or sets the size. */
static bool will_come(struct cress_threadpool *pool, size_t under_way)
{
    if (likely(!pool->may_starve))
        return true;
    struct workers_counts w = workers_count(&pool->workers);
    return under_way > w.queued || (w.most > 0 && w.threads > 0);
}

/* Something of that has changed. */
static void recount(struct cress_threadpool *pool)
{
    size_t under_way = pool->jobs + pool->calls;
    bool counts = under_way > 0 && pool->wanted + pool->watchers > 0 && will_come(pool, under_way);
    pool->hub->loop.refs += (size_t)counts - (size_t)pool->counted;
    pool->counted = counts;
}

static bool is_no_daemon(const struct cress_threadpool *pool)
{
    return !(pool->hub->thread->current->flags & CORO_DAEMON);
}

/* Before and after a wait. */
static bool watch(struct cress_threadpool *pool)
{
    bool counts = is_no_daemon(pool);
    pool->watchers += counts;
    recount(pool);
    return counts;
}

static void unwatch(struct cress_threadpool *pool, bool counts)
{
    pool->watchers -= counts;
    recount(pool);
}

static int wait_for(struct cress_threadpool *pool, cress_event *event, cress_time timeout)
{
    bool counts = watch(pool);
    int error = cress_event_wait(event, timeout);
    unwatch(pool, counts);
    return error;
}

/* --- its end, its size ----------------------------------------------------------------------- */

/* Have threads for what is queued, if it has none. */
static int give_threads(struct cress_threadpool *pool)
{
    struct workers_counts w = workers_count(&pool->workers);
    if (w.most > 0 && w.threads > 0)
        return 0;
    int error = workers_resize(&pool->workers, w.most > 0 ? w.most : 1);
    if (error < 0)
        workers_resize(&pool->workers, w.most);
    return error;
}

int cress_threadpool_free(cress_threadpool *pool)
{
    if (pool == NULL)
        return 0;
    int error = check(pool);
    if (error == -EXDEV)
        return error;
    bool alive = error == 0;
    if (alive && pool->waiting > 0)
        return -EBUSY;
    if ((error = give_threads(pool)) < 0)
        return error;
    if (alive)
        recount(pool);
    workers_unref(&pool->workers);
    return 0;
}

/* So many more jobs may be put in. */
static void give_room(struct cress_threadpool *pool, size_t units)
{
    for (; units > 0; units--)
        if (pool->owed > 0)
            pool->owed--;
        else
            cress_sem_release(&pool->room);
}

static void take_room(struct cress_threadpool *pool, size_t units)
{
    for (; units > 0; units--)
        if (cress_sem_try_acquire(&pool->room) < 0)
            pool->owed++;
}

int cress_threadpool_set_size(cress_threadpool *pool, size_t threads)
{
    int error = pool != NULL ? check(pool) : -EINVAL;
    if (error < 0)
        return error;
    if (threads > pool->max)
        return -EINVAL;
    size_t before = workers_count(&pool->workers).most;
    error = workers_resize(&pool->workers, threads);
    pool->may_starve |= threads == 0 || error < 0;
    if (threads > before)
        give_room(pool, IN_QUEUE * (threads - before));
    else
        take_room(pool, IN_QUEUE * (before - threads));
    recount(pool);
    return error;
}

int cress_threadpool_join(cress_threadpool *pool, cress_time timeout)
{
    int error = pool != NULL ? check(pool) : -EINVAL;
    if (error < 0)
        return error;
    pool->waiting++;
    error = wait_for(pool, &pool->empty, timeout);
    pool->waiting--;
    return error;
}

int cress_threadpool_stats(cress_threadpool *pool, cress_threadpool_counts *out)
{
    if (pool == NULL || out == NULL || out->size == 0)
        return -EINVAL;
    int error = check(pool);
    if (error < 0)
        return error;
    struct workers_counts w = workers_count(&pool->workers);
    cress_threadpool_counts counts = { .size = out->size,
                                       .most = w.most,
                                       .threads = w.threads,
                                       .idle = w.idle,
                                       .queued = w.queued,
                                       .jobs = pool->jobs };
    memcpy(out, &counts, out->size < sizeof counts ? out->size : sizeof counts);
    return 0;
}

/* --- a job ----------------------------------------------------------------------------------- */

static void release(struct cress_job *job)
{
    if (atomic_fetch_sub(&job->refs, 1) > 1)
        return;
    struct cress_threadpool *pool = job->pool;
    cress__free(job);
    workers_unref(&pool->workers); /* (2) */
}

static void discard(struct cress_job *job)
{
    if (job->discard == NULL)
        return;
    cress__closed++; /* it may stand on the stack of anybody */
    job->discard(job->value);
    cress__closed--;
}

static void run(struct job *node)
{
    struct cress_job *job = container_of(node, struct cress_job, job);
    job->value = job->fn(job->value);
}

static void done(struct job *node)
{
    struct cress_job *job = container_of(node, struct cress_job, job);
    if (atomic_fetch_or(&job->fate, ENDED) & GIVEN_UP)
        discard(job);
    if (!errand_done(&job->errand))
        release(job); /* (1) */
}

/* To the pool. */
static void job_is_over(struct cress_job *job)
{
    struct cress_threadpool *pool = job->pool;
    pool->wanted -= job->wanted;
    if (--pool->jobs == 0)
        cress_event_set(&pool->empty);
}

static void settle(struct cress_job *job)
{
    struct cress_threadpool *pool = job->pool;
    if (job->takes_room)
        give_room(pool, 1);
    job_is_over(job);
    cress_event_set(&job->back);
    cases_fire(&job->cases);
    recount(pool);
    release(job);
}

static void came_back(struct errand *errand)
{
    settle(container_of(errand, struct cress_job, errand));
}

/* The hub ends: then its worker will find out. */
static void lost(struct errand *errand, bool in_child)
{
    struct cress_job *job = container_of(errand, struct cress_job, errand);
    if (!in_child)
        return;
    job->lost = true;
    settle(job);
}

/* Nothing waits here; room has been taken if there has to be. */
static int put(struct cress_threadpool *pool, bool takes_room, cress_fn fn, void *arg,
               void (*discard_fn)(void *value), struct cress_job **out)
{
    struct cress_job *job = cress__calloc(1, sizeof *job);
    if (job == NULL)
        return -ENOMEM;
    job->job.run = run;
    job->job.done = done;
    job->errand.back = came_back;
    job->errand.lost = lost;
    job->pool = pool;
    job->fn = fn;
    job->value = arg;
    job->discard = discard_fn;
    job->takes_room = takes_room;
    job->wanted = is_no_daemon(pool);
    atomic_init(&job->refs, out != NULL ? 2 : 1);
    atomic_init(&job->fate, out != NULL ? 0 : GIVEN_UP);
    workers_ref(&pool->workers);
    pool->jobs++;
    pool->wanted += job->wanted;
    cress_event_clear(&pool->empty);
    errand_begin(&job->errand, pool->hub, false); /* (4) */
    int error = workers_put(&pool->workers, &job->job);
    if (error == 0) {
        recount(pool);
        if (out != NULL)
            *out = job;
        return 0;
    }
    errand_end(&job->errand);
    job_is_over(job);
    workers_unref(&pool->workers);
    cress__free(job);
    return error;
}

int cress_threadpool_spawn(cress_threadpool *pool, cress_fn fn, void *arg,
                           void (*discard_fn)(void *value), cress_time timeout, cress_job **out)
{
    if (pool == NULL || fn == NULL || timeout < 0)
        return -EINVAL;
    int error = check(pool);
    if (error < 0)
        return error;
    pool->waiting++;
    bool counts = watch(pool);
    error = cress_sem_acquire(&pool->room, timeout);
    unwatch(pool, counts);
    pool->waiting--;
    if (error < 0)
        return error;
    if ((error = put(pool, true, fn, arg, discard_fn, out)) < 0)
        give_room(pool, 1);
    return error;
}

int cress_threadpool_apply(cress_threadpool *pool, cress_fn fn, void *arg,
                           void (*discard_fn)(void *value), void **value)
{
    if (pool == NULL || fn == NULL)
        return -EINVAL;
    struct cress_job here = { .discard = discard_fn };
    if (workers_inside(&pool->workers)) {
        here.value = fn(arg);
        if (value != NULL)
            *value = here.value;
        else
            discard(&here);
        return 0;
    }
    struct cress_hub *h;
    int error = check(pool);
    if (error < 0 || (error = hub_enter(&h)) < 0)
        return error;
    struct cress_job *job;
    if ((error = put(pool, false, fn, arg, discard_fn, &job)) < 0)
        return error;
    error = wait_for(pool, &job->back, CRESS_FOREVER);
    if (error == 0 && value != NULL) { /* no new cancellation point */
        job->taken = true;
        *value = job->value;
    }
    cress_job_free(job);
    return error;
}

/* --- its result ------------------------------------------------------------------------------ */

int cress_job_get(cress_job *job, cress_time timeout, void **value)
{
    int error = job != NULL ? check(job->pool) : -EINVAL;
    if (error == 0)
        error = wait_for(job->pool, &job->back, timeout);
    if (error < 0)
        return error;
    if (job->lost)
        return -EOWNERDEAD;
    job->taken = true;
    if (value != NULL)
        *value = job->value;
    return 0;
}

bool cress_job_ready(const cress_job *job)
{
    return job != NULL && cress_event_is_set(&job->back);
}

void cress_job_free(cress_job *job)
{
    if (job == NULL)
        return;
    if (atomic_fetch_or(&job->fate, GIVEN_UP) & ENDED && !job->taken)
        discard(job);
    release(job);
}

/* What a case keeps while it waits. */
struct on_job {
    struct case_node node;
    bool counts;
};
_Static_assert(sizeof(struct on_job) <= sizeof(((cress_case *)0)->words), "cress_case.words");

static int case_ready(cress_case *c, bool take)
{
    (void)take;
    struct cress_job *job = c->object;
    int error = check(job->pool);
    return error < 0 ? error : cress_event_is_set(&job->back);
}

static int case_links(cress_case *c)
{
    struct cress_job *job = c->object;
    struct on_job *on = (struct on_job *)(void *)c->words;
    int error = check(job->pool);
    if (error < 0)
        return error;
    *on = (struct on_job){ .counts = case_counts(c) };
    cases_add(&job->cases, &on->node, c);
    job->pool->wanted += on->counts;
    recount(job->pool);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    struct cress_job *job = c->object;
    struct on_job *on = (struct on_job *)(void *)c->words;
    list_remove(&on->node.node);
    job->pool->wanted -= on->counts;
    recount(job->pool);
}

cress_case cress_on_job(cress_job *job)
{
    static const cress_case_ops ops = { "job", case_ready, case_links, case_unlinks };
    return cress_on(job != NULL ? &ops : NULL, job);
}

/* --- map ------------------------------------------------------------------------------------- */

/* As many greenlets as the pool has threads take one arg after the other, and wait for it. */
struct map {
    struct cress_threadpool *pool;
    cress_fn fn;
    void *const *args;
    void **results;
    size_t n, next;
    int error; /* the first */
};

struct map_call {
    struct loan loan;
    struct cress_threadpool *pool;
    bool wanted; /* (4) */
    cress_fn fn;
    void *value;
};

static void map_one(struct job *job)
{
    struct map_call *call = container_of(job, struct map_call, loan.job);
    call->value = call->fn(call->value);
}

static void call_is_over(struct map_call *call)
{
    call->pool->calls--;
    call->pool->wanted -= call->wanted;
    recount(call->pool);
}

static void dropped(struct lent *lent)
{
    call_is_over(container_of(lent, struct map_call, loan.lent));
}

static int make_call(struct map_call *call)
{
    struct cress_threadpool *pool = call->pool;
    call->loan.job.run = map_one;
    call->loan.lent.over = dropped;
    call->loan.lent.uncounted = true;
    call->wanted = is_no_daemon(pool);
    int error = offload_begin(&pool->workers, &call->loan, pool->hub);
    if (error < 0)
        return error;
    pool->calls++;
    pool->wanted += call->wanted;
    recount(pool);
    error = lent_wait(&call->loan.lent, pool->hub);
    call_is_over(call);
    return error;
}

static void *map_some(void *arg)
{
    struct map *map = arg;
    while (map->next < map->n && map->error == 0) {
        size_t i = map->next++;
        struct map_call call = { .pool = map->pool, .fn = map->fn, .value = map->args[i] };
        int error = make_call(&call);
        if (error == 0 && map->results != NULL)
            map->results[i] = call.value;
        if (error < 0 && map->error == 0)
            map->error = error;
    }
    return NULL;
}

/* Nobody of it runs any more when this returns, whatever it says. */
static int join_all(struct map *map, cress_group *group)
{
    int error;
    while ((error = cress_group_join(group, CRESS_FOREVER)) == -EDEADLK) {
        if (map->error == 0)
            map->error = error;
        cress_group_kill(group, 0); /* all are in the queue */
    }
    return error;
}

static int map_in_greenlets(struct map *map)
{
    cress_group group = { { 0 } };
    cress_group_init(&group, CRESS_STRUCTURED);
    size_t most = workers_count(&map->pool->workers).most;
    int error = 0;
    for (size_t i = 0; i < map->n && (i < most || i == 0) && error == 0; i++)
        error = cress_group_spawn(&group, map_some, map, NULL);
    if (error < 0 && map->error == 0)
        map->error = error;
    map->pool->waiting++;
    error = join_all(map, &group);
    map->pool->waiting--;
    cress_group_done(&group);
    return error < 0 ? error : map->error;
}

int cress_threadpool_map(cress_threadpool *pool, cress_fn fn, void *const *args, size_t n,
                         void **results)
{
    if (pool == NULL || fn == NULL || (args == NULL && n > 0))
        return -EINVAL;
    for (size_t i = 0; results != NULL && i < n; i++)
        results[i] = NULL;
    if (workers_inside(&pool->workers)) {
        for (size_t i = 0; i < n; i++) {
            void *value = fn(args[i]);
            if (results != NULL)
                results[i] = value;
        }
        return 0;
    }
    struct cress_hub *h;
    int error = check(pool);
    if (error < 0 || (error = hub_enter(&h)) < 0)
        return error;
    struct map map = { .pool = pool, .fn = fn, .args = args, .results = results, .n = n };
    return map_in_greenlets(&map);
}
