#include "loop/loop.h"

#include "base/alloc.h"
#include "base/closed.h"
#include "base/options.h"
#include "base/step.h"
#include "base/sys.h"

#include <stdio.h>
#include <string.h>

/* --- the clock ------------------------------------------------------------------------------- */

#ifdef CRESS_TESTING
void (*cress__clock_pass)(cress_time by);

/* On a test's clock nobody waits: what comes at once is looked for, else the time has passed. */
static void wait_for_events(cress_loop *loop, cress_time timeout)
{
    if (cress__clock_pass == NULL || timeout == 0 || timeout == CRESS_FOREVER)
        loop->poller->wait(loop, timeout);
    else if (loop->poller->wait(loop, 0) <= 0)
        cress__clock_pass(timeout);
}
#else
static void wait_for_events(cress_loop *loop, cress_time timeout)
{
    loop->poller->wait(loop, timeout);
}
#endif

/* --- life ------------------------------------------------------------------------------------ */

bool loop_mine(const cress_loop *loop)
{
    return loop->thread == &cress__closed;
}

static void report_to_stderr(cress_loop *loop, cress_watch *watch, const char *context, int error)
{
    if (loop->error_fn != NULL)
        loop->error_fn(loop, watch, context, error, loop->error_arg);
    else
        cress__sys_complain("", "", context, error);
}

int loop_init(cress_loop *loop, const struct poller_ops *poller, bool hub)
{
    memset(loop, 0, sizeof *loop);
    runq_init(&loop->ready);
    timers_init(&loop->timers, base_clock());
    list_init(&loop->again);
    list_init(&loop->foreign);
    loop->checked = loop->timers.now;
    for (int i = 0; i < PARTS; i++)
        list_init(&loop->watchers[i]);
    for (int i = 0; i < LOOP_PRIORITIES; i++)
        list_init(&loop->pending[i]);
    loop->poller = loop->chosen = poller;
    loop->born = loop->forked = cress__forks;
    loop->report = report_to_stderr;
    loop->hub = hub;
    loop->thread = &cress__closed; /* its address names the thread */
    int error = poller->open(loop);
    if (error == 0 && (error = loop_enlist(loop)) < 0)
        poller->close(loop);
    return error;
}

static void take_posted(cress_loop *loop);

/* Callbacks that were posted and have not run are their owners' again. */
static void drop_callbacks(cress_loop *loop)
{
    take_posted(loop);
    while (!runq_empty(&loop->ready))
        runq_remove(loop->ready.head.next);
}

void loop_done(cress_loop *loop)
{
    watch_end_all(loop);
    fds_disown(loop);
    loop_delist(loop);
    step_reads(&loop->wakers);
    while (atomic_load(&loop->wakers) > 0) { /* (5) */
        step_waits(&loop->wakers);
        sys_sched_yield();
    }
    drop_callbacks(loop);
    loop->poller->close(loop);
}

int cress_loop_new(const cress_loop_options *options, cress_loop **out)
{
    cress_loop_options given = CRESS_LOOP_OPTIONS_INIT;
    int error = options_take(&given, sizeof given, options);
    if (out == NULL || error < 0)
        return -EINVAL;
    const struct poller_ops *poller = poller_by_name(given.poller);
    if (poller == NULL)
        return -EINVAL;
    cress_loop *loop = cress__malloc(sizeof *loop);
    if (loop == NULL)
        return -ENOMEM;
    error = loop_init(loop, poller, false);
    if (error < 0) {
        cress__free(loop);
        return error;
    }
    *out = loop;
    return 0;
}

int cress_loop_free(cress_loop *loop)
{
    if (loop == NULL)
        return 0;
    if (!loop_mine(loop))
        return -EXDEV;
    if (loop->hub || loop->running)
        return -EBUSY;
    loop_done(loop);
    cress__free(loop);
    return 0;
}

/* --- callbacks ------------------------------------------------------------------------------- */

void loop_run_callback(cress_loop *loop)
{
    struct runnode *node = loop->ready.head.next;
    struct callback *callback = container_of(node, struct callback, node);
    runq_remove(node);
    int (*fn)(void *arg) = node->fn; /* the callback may post its node again, or free it */
    cress__closed++;
    int error = fn(callback->arg);
    cress__closed--;
    if (error < 0)
        loop->report(loop, NULL, "callback", error);
}

void loop_post_mt(cress_loop *loop, struct callback *callback)
{
    struct callback *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    step_writes(&loop->posted);
    do
        callback->next = head;
    while (!atomic_compare_exchange_weak(&loop->posted, &head, callback));
    loop_wake_mt(loop);
}

/* Either the loop sees what was put into the list after it has said that it is about to wait, or we
 * see that it has said so: both sides write first and look then, in one order for all. */
static bool falls_to_us(cress_loop *loop)
{
    step_reads(&loop->asleep);
    if (!atomic_load(&loop->asleep))
        return false;
    step_writes(&loop->asleep);
    return atomic_exchange(&loop->asleep, false);
}

static void wake(cress_loop *loop)
{
    atomic_fetch_add_explicit(&loop->wakeups, 1, memory_order_relaxed);
    loop->poller->wake(loop);
}

void loop_wake_mt(cress_loop *loop)
{
    if (falls_to_us(loop))
        wake(loop);
}

thread_local_fast struct wake_later cress__wake_later;

void loop_wake_later(cress_loop *loop)
{
    if (!falls_to_us(loop))
        return;
    wake_now(); /* there is room for one */
    step_writes(&loop->wakers);
    atomic_fetch_add(&loop->wakers, 1); /* (5) */
    cress__wake_later.loop = loop;
}

void word_wake_later(atomic_uint *word)
{
    wake_now();
    cress__wake_later.word = word;
}

noinline void cress__wake_now(void)
{
    struct wake_later later = cress__wake_later;
    cress__wake_later = (struct wake_later){ NULL, NULL };
    if (later.word != NULL)
        sys_futex_wake(later.word, 1);
    if (later.loop == NULL)
        return;
    wake(later.loop);
    step_writes(&later.loop->wakers);
    atomic_fetch_sub(&later.loop->wakers, 1); /* the last that we touch of it */
}

/* What other threads posted, oldest first, joins the line. */
static void take_posted(cress_loop *loop)
{
    step_reads(&loop->posted);
    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) == NULL)
        return;
    step_writes(&loop->posted);
    struct callback *newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    struct callback *oldest = NULL;
    while (newest != NULL) {
        struct callback *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct callback *next = oldest->next;
        oldest->node.next = NULL; /* it was marked as being under way */
        runq_push(&loop->ready, &oldest->node);
        oldest = next;
    }
}

/* --- the parts of a turn --------------------------------------------------------------------- */

/* Watchers join the line behind what was woken directly, by priority. */
static void flush_pending(cress_loop *loop)
{
    struct list *node;
    for (int i = LOOP_PRIORITIES - 1; i >= 0; i--)
        while ((node = list_pop(&loop->pending[i])) != NULL)
            runq_push(&loop->ready, watch_of_pending(node));
    loop->came = 0;
}

static cress_time fire_timers(cress_loop *loop)
{
    cress_time now = base_clock();
    timers_advance(&loop->timers, now);
    loop->read_in = loop->polls;
    return now;
}

cress_time loop_tick(cress_loop *loop)
{
    cress_time now = fire_timers(loop);
    take_posted(loop);
    notices_take(loop);
    flush_pending(loop);
    return now;
}

/* Whether something is to run already. */
static bool something_ready(const cress_loop *loop)
{
    for (int i = 0; i < LOOP_PRIORITIES; i++)
        if (!list_empty(&loop->pending[i]))
            return true;
    return !runq_empty(&loop->ready);
}

bool loop_told(const cress_loop *loop)
{
    step_reads(&loop->posted);
    if (atomic_load(&loop->posted) != NULL)
        return true;
    step_reads(&loop->noticed);
    return atomic_load(&loop->noticed) != NULL;
}

/* We are about to wait, or somebody is: from now on others wake us. Whether they have told
 * something before. */
static bool told_before(cress_loop *loop)
{
    step_writes(&loop->asleep);
    atomic_store(&loop->asleep, true);
    return loop_told(loop);
}

/* (4) */
static void look_out(cress_loop *loop)
{
    bool told = false;
    for (unsigned left = spin_begin(&loop->spin); left > 0 && !told; left--) {
        cpu_relax();
        told = atomic_load_explicit(&loop->noticed, memory_order_relaxed) != NULL ||
               atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL;
    }
    spin_end(&loop->spin, told);
}

bool loop_look(cress_loop *loop, cress_time timeout)
{
    loop_refresh(loop);
    if (!loop->prepared)
        watch_prepare(loop);
    loop->prepared = false;
    fds_rearm(loop);
    fds_check(loop);
    if (timeout > 0 && something_ready(loop)) /* who was asked for turned out to be closed */
        timeout = 0;
    loop->polls++;
    if (timeout > 0 && loop->listeners > 0)
        look_out(loop);
    if (timeout > 0) {
        if (told_before(loop))
            timeout = 0;
        else
            loop->poll_waits++;
    }
    wait_for_events(loop, timeout);
    step_reads(&loop->asleep);
    if (atomic_load_explicit(&loop->asleep, memory_order_relaxed)) {
        step_writes(&loop->asleep);
        atomic_store_explicit(&loop->asleep, false, memory_order_relaxed);
    }
    notices_take(loop);
    watch_part_ready(loop, PART_CHECK);
    if (loop->timers.armed > 0 || !list_empty(&loop->foreign))
        fire_timers(loop);
    take_posted(loop);
    if (loop->embedded)
        loop_rest(loop);
    if (loop->came == 0 && runq_empty(&loop->ready))
        watch_part_ready(loop, PART_IDLE);
    bool came = loop->came > 0 || !runq_empty(&loop->ready);
    flush_pending(loop);
    return came;
}

void loop_wait_told(cress_loop *loop)
{
    loop->poller->wait(loop, told_before(loop) ? 0 : CRESS_FOREVER);
    step_writes(&loop->asleep);
    atomic_store(&loop->asleep, false);
    notices_take(loop);
}

/* Who waits for a file of others must not wait longer than that, to see whether it is gone. */
static cress_time patience(const cress_loop *loop)
{
    return list_empty(&loop->foreign) ? CRESS_FOREVER : FDS_CHECK_EVERY;
}

/* How long until the next timer, as of now. */
static cress_time until_due(cress_loop *loop, cress_time now)
{
    cress_time next = timers_next(&loop->timers), most = patience(loop);
    if (next == TIMER_NEVER || next - now > most)
        return most;
    return next > now ? next - now : 0;
}

cress_time loop_next(cress_loop *loop)
{
    flush_pending(loop); /* what cress_close() has told */
    if (!loop->prepared && runq_empty(&loop->ready)) {
        loop->prepared = true;
        watch_prepare(loop);
    }
    if (!runq_empty(&loop->ready) || !list_empty(&loop->watchers[PART_IDLE]))
        return 0;
    if (loop->timers.armed == 0)
        return patience(loop);
    cress_time now = loop_tick(loop);
    return runq_empty(&loop->ready) ? until_due(loop, now) : 0;
}

/* --- a loop by itself ------------------------------------------------------------------------ */

static int mark(void *arg)
{
    (void)arg;
    return 0;
}

static bool loop_busy(const cress_loop *loop)
{
    return loop_alive(loop) || something_ready(loop);
}

/* The clock is read, but nothing fires: in a turn descriptors come first. */
static cress_time read_clock(cress_loop *loop)
{
    cress_time now = base_clock();
    timers_read(&loop->timers, now);
    return now;
}

/* As loop_next(), and nothing has become ready by it. */
static cress_time left_alone(cress_loop *loop)
{
    if (something_ready(loop) || !list_empty(&loop->watchers[PART_IDLE]) || loop_told(loop))
        return 0;
    if (loop->timers.armed == 0)
        return patience(loop);
    return until_due(loop, read_clock(loop));
}

/* Run what stands in front of the mark. */
static void run_to(cress_loop *loop, struct callback *end)
{
    while (loop->ready.head.next != &end->node && !loop->stop)
        loop_run_callback(loop);
    runq_remove(&end->node);
}

/* What is ready already waits for its place in the turn. */
static void run_prepare(cress_loop *loop)
{
    struct callback end = { .node.fn = mark };
    runq_push_front(&loop->ready, &end.node);
    watch_prepare(loop);
    loop->prepared = true;
    run_to(loop, &end);
}

/* Run what is ready now, not what it makes ready. */
static void run_ready(cress_loop *loop)
{
    struct callback end = { .node.fn = mark };
    runq_push(&loop->ready, &end.node);
    run_to(loop, &end);
}

void loop_rest(cress_loop *loop)
{
    fds_rearm(loop);
    if (told_before(loop))
        loop_wake_mt(loop);
}

int cress_loop_run(cress_loop *loop, cress_run_mode mode)
{
    if (loop == NULL || (int)mode < CRESS_RUN_DEFAULT || mode > CRESS_RUN_NOWAIT)
        return -EINVAL;
    if (!loop_mine(loop))
        return -EXDEV;
    if (loop->hub || loop->running)
        return -EBUSY;
    int error = loop_refresh(loop);
    if (error < 0)
        return error;
    int error_number = errno; /* the callbacks' own */
    loop->running = true;
    loop->stop = false;
    do {
        run_prepare(loop);
        if (loop->stop)
            break;
        /* What is not referenced is called when it is ready, but not waited for. */
        bool wait = mode != CRESS_RUN_NOWAIT && loop_alive(loop);
        do { /* again when it was but a signal, or time to look at files of others */
            loop->prepared = true;
            loop_look(loop, wait ? left_alone(loop) : 0);
        } while (wait && !something_ready(loop) && loop_alive(loop));
        run_ready(loop);
    } while (mode == CRESS_RUN_DEFAULT && !loop->stop && loop_busy(loop));
    loop->running = false;
    errno = error_number;
    return loop_busy(loop);
}

int cress_loop_break(cress_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    if (!loop_mine(loop))
        return -EXDEV;
    if (!loop->running)
        return -EINVAL;
    loop->stop = true;
    return 0;
}

/* Where no timer runs the clock is not read every turn: then now. */
cress_time cress_loop_now(cress_loop *loop)
{
    if (loop == NULL)
        return 0;
    if (loop->read_in != loop->polls) {
        timers_read(&loop->timers, base_clock());
        loop->read_in = loop->polls;
    }
    return loop->timers.now;
}

cress_time cress_loop_update(cress_loop *loop)
{
    return loop == NULL ? 0 : read_clock(loop);
}

size_t cress_loop_active(const cress_loop *loop)
{
    return loop == NULL ? 0 : loop->refs;
}

const char *cress_loop_poller(const cress_loop *loop)
{
    return loop == NULL ? NULL : loop->chosen->name;
}

int cress_loop_fd(const cress_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    if (!loop_mine(loop))
        return -EXDEV;
    cress_loop *l = (cress_loop *)(uintptr_t)loop;
    int error = loop_refresh(l);
    if (error < 0)
        return error;
    int fd = l->poller->fd(l);
    if (fd >= 0 && !l->embedded && !l->hub) {
        l->embedded = true;
        loop_rest(l);
    }
    return fd;
}

cress_time cress_loop_timeout(cress_loop *loop)
{
    return loop == NULL ? CRESS_FOREVER : left_alone(loop);
}

int cress_loop_set_error_hook(cress_loop *loop, cress_loop_error_fn fn, void *arg)
{
    if (loop == NULL)
        return -EINVAL;
    if (!loop_mine(loop))
        return -EXDEV;
    if (loop->hub)
        return -EBUSY;
    loop->error_fn = fn;
    loop->error_arg = arg;
    return 0;
}
