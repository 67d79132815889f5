/* Random operations on greenlets against a model (model.h): what each call returns, why it was
 * cancelled, who runs next, and when, are predicted before each step.
 *
 * Whoever runs chooses what to do next; main is one of them. Descriptors are looked at only when
 * nobody can run: a look in between, by a hub that is busy, would come at a time that depends on
 * the machine (fairness_test.c has that). Left to other tests are choose and iwait, fds in
 * cress_wait(), closing what others wait for, deferred functions, and threads.
 *
 *     CRESS_TEST_SEED=n random_test     the same once more
 *     random_test soak                  for ever, with another seed each time: make soak
 */
#include "support/test.h"
#include "hub/apart.h"
#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/model.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if defined(CRESS_ASAN) || defined(CRESS_TSAN)
enum { STEPS = 100 * 1000 }; /* they take about ten times as long for each */
#else
enum { STEPS = 1000 * 1000 };
#endif
enum { ROUND = 20 * 1000 }; /* steps of one hub */

static uint64_t seed, begun_with;
static long steps, left; /* done in all; to do in this round */

static cress_greenlet *gs[WORKERS];
static cress_timeout timeouts[WORKERS][SCOPES];
static cress_shield shields[WORKERS][SCOPES];
static cress_token tokens[TOKENS];
static int destroyed[TOKENS];
static cress_link_node nodes[NODES];
static cress_waiter waiters[WAITERS];
static int waiter_values[WAITERS];
static cress_sem sems[SEMS];
static cress_event events[EVENTS];
static cress_queue queue;
static cress_chan chan;
static int ends[STREAMS]; /* of socketpairs: stream i is written to i and read from i ^ 1 */
static int spawned, reports;

static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)((seed * 0x2545f4914f6cdd1d >> 16) % n);
}

static bool one_in(size_t n)
{
    return below(n) == 0;
}

static void say_where(int signal)
{
    (void)signal;
    char text[96];
    int n = snprintf(text, sizeof text, "CRESS_TEST_SEED=%" PRIu64 ", at step %ld\n", begun_with,
                     steps);
    ssize_t r = write(STDERR_FILENO, text, (size_t)n);
    _exit(r > 0 ? 99 : 98);
}

static void count_report(cress_hub *hub, cress_greenlet *g, const char *context, int error,
                         void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
    reports++;
}

static void count_destroyed(cress_token *token)
{
    destroyed[token - tokens]++;
}

/* --- comparing ------------------------------------------------------------------------------- */

static int error_of(const struct worker *m)
{
    return m->outcome == CRESS_FAILED ? (int)m->value : m->outcome == CRESS_KILLED ? -ECANCELED : 0;
}

static intptr_t value_of(const struct worker *m)
{
    return m->outcome == CRESS_RETURNED ? m->value : 0;
}

static void check_all(void)
{
    const struct cress_hub *h = cress_hub_current();
    size_t alive = 0;
    for (int w = 0; w < WORKERS; w++) {
        const struct worker *m = &model.workers[w];
        if (m->state == FREE)
            continue;
        bool ended = m->state == ENDED;
        CHECK_EQ(cress_ready(gs[w]), ended);
        CHECK_EQ(cress_started(gs[w]), m->state == LIVE);
        CHECK_EQ(cress_outcome(gs[w]), ended ? m->outcome : CRESS_ALIVE);
        CHECK_EQ(cress_error(gs[w]), ended ? error_of(m) : 0);
        CHECK_EQ(cress_value(gs[w]), ended ? value_of(m) : 0);
        alive += w != 0 && !ended;
    }
    for (int i = 0; i < SEMS; i++)
        CHECK_EQ(cress_sem_count(&sems[i]),
                 model.sems[i].units + (size_t)model.sems[i].line.n_granted);
    for (int i = 0; i < EVENTS; i++)
        CHECK_EQ(cress_event_is_set(&events[i]), model.events[i].set);
    CHECK_EQ(cress_queue_size(&queue), model.queue.n);
    CHECK_EQ(h->alive, alive);
    CHECK_EQ(h->loop.refs, references());
    CHECK_EQ(h->loop.timers.armed, model.n_timers);
    CHECK_EQ(clock_time, model.now);
    CHECK_EQ(reports, model.reports);
    CHECK_MEM(destroyed, model.destroyed, sizeof destroyed);
}

static const void *cause_of(int w)
{
    const struct worker *m = &model.workers[w];
    return m->cause == BY_KILL    ? (const void *)gs[w]
           : m->cause == BY_SCOPE ? (const void *)&timeouts[w][m->cause_id]
                                  : (const void *)&tokens[m->cause_id];
}

/* A call of w has returned. */
static void returned(int w, bool at_once, ssize_t r)
{
    if (!at_once)
        arrived(WORKER, w);
    CHECK_EQ(model.runs, w);
    CHECK_EQ(r, model.workers[w].result);
    if (r == -ECANCELED)
        CHECK_EQ(cress_cancel_cause(), cause_of(w));
    CHECK_EQ(cress_current(), gs[w]);
}

/* --- what anybody may do, callbacks too ------------------------------------------------------ */

static void *run_worker(void *arg);

static int any_worker(void)
{
    int w;
    do
        w = (int)below(WORKERS);
    while (model.workers[w].state == FREE);
    return w;
}

static cress_time duration(void)
{
    return (cress_time)(1 + below(9)) * CRESS_US(100); /* few, so that many are equal */
}

static void spawn(void)
{
    int w = 1;
    while (w < WORKERS && model.workers[w].state != FREE)
        w++;
    if (w == WORKERS)
        return;
    bool later = one_in(4);
    cress_time delay = duration();
    void *arg = (void *)(intptr_t)w;
    gs[w] = later ? cress_spawn_later(delay, run_worker, arg) : cress_spawn(run_worker, arg);
    CHECK(gs[w] != NULL);
    model.workers[w] = (struct worker){ .state = later ? LATER : NEW };
    if (later)
        set_timer(OF_START, w, 0, delay);
    else
        push(WORKER, w);
    spawned++;
}

/* Who has ended and of whom nobody speaks any more makes room. */
static void let_go(int t)
{
    if (t == 0 || model.workers[t].state != ENDED)
        return;
    for (int w = 0; w < WORKERS; w++) {
        const struct worker *m = &model.workers[w];
        bool speaks = m->call.kind == JOIN && m->call.target == t;
        for (int i = 0; i < m->call.n; i++)
            speaks |= m->call.cases[i].kind == ON_END && m->call.cases[i].target == t;
        if (m->busy && speaks)
            return;
    }
    for (int i = 0; i < NODES; i++)
        if (model.node_of[i] == t)
            return;
    cress_unref(gs[t]);
    model.workers[t].state = FREE;
}

static void unpark(int t)
{
    struct worker *m = &model.workers[t];
    int r = cress_unpark(cress_greenlet_coro(gs[t]));
    CHECK_EQ(r, m->state == ENDED ? -ESRCH : 0);
    if (m->state == ENDED)
        return;
    if (!(m->call.kind == PARK && wake(t, 0)))
        m->permit = true;
}

static void kill_one(int t)
{
    CHECK_EQ(cress_kill(gs[t], 0), t == 0 ? -EINVAL : 0);
    if (t != 0)
        kill_worker(t);
}

static void throw_at(int t)
{
    int i = (int)below(TOKENS);
    struct worker *m = &model.workers[t];
    int r = cress_throw(gs[t], &tokens[i]);
    CHECK_EQ(r, m->state == ENDED ? -ESRCH : model.token_of[i] != NOBODY ? -EALREADY : 0);
    if (r < 0)
        return;
    model.token_of[i] = t;
    m->tokens[m->n_tokens].delivered = false;
    m->tokens[m->n_tokens++].id = i;
    alarm_worker(t);
}

static void wake_waiter(int i)
{
    int r = cress_waiter_wake(&waiters[i], &waiter_values[i]);
    CHECK_EQ(r, model.waiters[i].woken ? -EALREADY : 0);
    if (r < 0)
        return;
    model.waiters[i].woken = true;
    if (model.waiters[i].waits != NOBODY)
        wake(model.waiters[i].waits, 0);
    for (int k = 0; k < model.waiters[i].n_cases; k++)
        fire_case(model.waiters[i].cases[k].who, model.waiters[i].cases[k].index);
    model.waiters[i].n_cases = 0;
}

static void renew_waiter(int i)
{
    if (model.waiters[i].waits != NOBODY || model.waiters[i].n_cases > 0)
        return;
    CHECK_EQ(cress_waiter_init(&waiters[i]), 0);
    model.waiters[i].woken = model.waiters[i].taken = false;
}

static int linked(cress_greenlet *g, void *arg);

static void link_to(int t)
{
    int i = (int)below(NODES);
    if (t == 0)
        return;
    int r = cress_link(gs[t], &nodes[i], linked, (void *)(intptr_t)i);
    CHECK_EQ(r, model.node_of[i] != NOBODY ? -EALREADY : 0);
    if (r < 0)
        return;
    model.node_of[i] = t;
    if (model.workers[t].state == ENDED)
        push(LINK_CALL, i);
    else
        add_link(t, LINK, i, 0);
}

static void unlink_node(int i)
{
    cress_unlink(&nodes[i]);
    int t = model.node_of[i], at = in_line(LINK_CALL, i);
    if (at != NOBODY)
        take_from_line(at);
    else if (t != NOBODY)
        drop_link(t, LINK, i, 0);
    model.node_of[i] = NOBODY;
}

static void release(int i)
{
    if (model.sems[i].units < 3) {
        CHECK_EQ(cress_sem_release(&sems[i]), 0);
        release_unit(i);
    }
}

static void try_acquire(int i)
{
    CHECK_EQ(cress_sem_try_acquire(&sems[i]), take_unit(i) ? 0 : -EAGAIN);
}

static void set_or_clear(int i)
{
    if (one_in(2)) {
        CHECK_EQ(cress_event_set(&events[i]), 0);
        set_event(i);
    } else {
        CHECK_EQ(cress_event_clear(&events[i]), 0);
        model.events[i].set = false;
    }
}

static void try_put(void)
{
    size_t item = ++model.queue.put_so_far;
    CHECK_EQ(cress_queue_try_put(&queue, (void *)item), put_item(item) ? 0 : -EAGAIN);
}

static void try_get(void)
{
    size_t item = 0, expected = 0;
    CHECK_EQ(cress_queue_try_get(&queue, &item), get_item(&expected) ? 0 : -EAGAIN);
    CHECK_EQ(item, expected);
}

static void try_give(void)
{
    struct call call = { .from = ++model.chan.put_so_far };
    CHECK_EQ(cress_chan_try_send(&chan, (void *)call.from), give(&call) ? 0 : -EAGAIN);
}

static void try_take_given(void)
{
    struct call call = { .from = 0 };
    size_t item = 0;
    CHECK_EQ(cress_chan_try_recv(&chan, &item), take_given(&call) ? 0 : -EAGAIN);
    CHECK_EQ(item, call.from);
}

static void outside(void)
{
    switch (below(19)) {
    case 17:
        try_give();
        return;
    case 18:
        try_take_given();
        return;
    case 9:
    case 10:
        release((int)below(SEMS));
        return;
    case 11:
        try_acquire((int)below(SEMS));
        return;
    case 12:
    case 13:
        set_or_clear((int)below(EVENTS));
        return;
    case 14:
    case 15:
        try_put();
        return;
    case 16:
        try_get();
        return;
    case 0:
        kill_one(any_worker());
        break;
    case 1:
        throw_at(any_worker());
        break;
    case 2:
    case 3:
        unpark(any_worker());
        break;
    case 4:
        wake_waiter((int)below(WAITERS));
        break;
    case 5:
        renew_waiter((int)below(WAITERS));
        break;
    case 6:
        link_to(any_worker());
        break;
    case 7:
        unlink_node((int)below(NODES));
        break;
    default:
        let_go(any_worker());
        spawn();
    }
}

static int linked(cress_greenlet *g, void *arg)
{
    int i = (int)(intptr_t)arg;
    arrived(LINK_CALL, i);
    CHECK_EQ(g, gs[model.node_of[i]]);
    CHECK(cress_current() == NULL);
    model.node_of[i] = NOBODY;
    if (left > 0 && one_in(2))
        outside();
    return 0;
}

/* --- scopes of one's own --------------------------------------------------------------------- */

static void open_scope(int me)
{
    struct worker *m = &model.workers[me];
    bool shield = one_in(3), used[SCOPES] = { false };
    cress_time after = one_in(8) ? 0 : one_in(4) ? CRESS_FOREVER : duration();
    for (int i = 0; i < m->n_scopes; i++)
        used[m->scopes[i].id] = true;
    int id = (int)below(SCOPES);
    if (used[id])
        return;
    CHECK_EQ(shield ? cress_shield_begin(&shields[me][id], after)
                    : cress_timeout_start(&timeouts[me][id], after),
             0);
    m->scopes[m->n_scopes++] =
        (struct open_scope){ .id = id, .shield = shield, .over = after == 0 };
    if (after == 0)
        m->alarm = true;
    else if (after != CRESS_FOREVER)
        set_timer(OF_SCOPE, me, id, after);
}

static void close_scope(int me, int at)
{
    struct worker *m = &model.workers[me];
    struct open_scope s = m->scopes[at];
    bool innermost = true;
    for (int i = at + 1; i < m->n_scopes; i++)
        innermost &= !m->scopes[i].shield;
    if (s.shield) {
        CHECK_EQ(cress_shield_end(&shields[me][s.id]), innermost ? 0 : -EINVAL);
        if (!innermost)
            return;
    } else {
        CHECK_EQ(cress_timeout_pending(&timeouts[me][s.id]), !s.over);
        CHECK_EQ(cress_timeout_stop(&timeouts[me][s.id]), s.told > 0);
    }
    stop_timer(OF_SCOPE, me, s.id);
    memmove(&m->scopes[at], &m->scopes[at + 1], (size_t)(--m->n_scopes - at) * sizeof m->scopes[0]);
}

static void acknowledge(int me)
{
    struct worker *m = &model.workers[me];
    CHECK_EQ(cress_cancel_ack(), m->killed ? 0 : -EINVAL);
    m->killed = m->kill_seen = false;
    m->kill_told = 0;
}

/* --- calls that may wait --------------------------------------------------------------------- */

/* What a kill cannot end ends by itself. */
static cress_time limit(int me)
{
    bool shielded = false;
    for (int i = 0; i < model.workers[me].n_scopes; i++)
        shielded |= model.workers[me].scopes[i].shield;
    return one_in(10) ? 0 : one_in(3) && !shielded ? CRESS_FOREVER : duration();
}

static void do_yield(int me)
{
    bool at_once = begin_call(me, (struct call){ .kind = YIELD });
    returned(me, at_once, cress_yield());
}

static void do_sleep(int me)
{
    cress_time d = duration();
    bool at_once = begin_call(me, (struct call){ .kind = SLEEP, .timeout = d });
    returned(me, at_once, cress_sleep(d));
}

static void do_park(int me)
{
    cress_time timeout = limit(me);
    bool at_once = begin_call(me, (struct call){ .kind = PARK, .timeout = timeout });
    returned(me, at_once, cress_park(timeout));
}

static void do_idle(int me)
{
    bool at_once = begin_call(me, (struct call){ .kind = IDLE });
    returned(me, at_once, cress_idle());
}

static int do_join(int me, int t, cress_time timeout)
{
    bool at_once = begin_call(me, (struct call){ .kind = JOIN, .target = t, .timeout = timeout });
    int r;
    if (one_in(2)) {
        r = cress_join(gs[t], timeout);
        returned(me, at_once, r);
    } else {
        void *value = &value;
        int error = 1;
        r = cress_get(gs[t], timeout, &value, &error);
        returned(me, at_once, r);
        CHECK_EQ(error, r == 0 ? error_of(&model.workers[t]) : 1);
        CHECK_EQ(value, r == 0 ? value_of(&model.workers[t]) : (intptr_t)&value);
    }
    return r;
}

static void kill_and_wait(int me, int t)
{
    cress_time timeout = limit(me);
    if (t == 0 || model.workers[t].state == ENDED || timeout == 0) {
        CHECK_EQ(cress_kill(gs[t], timeout), t == 0 ? -EINVAL : 0);
        if (t != 0)
            kill_worker(t);
        return;
    }
    kill_worker(t);
    struct call call = { .kind = t == me ? POINT : JOIN, .target = t, .timeout = timeout };
    bool at_once = begin_call(me, call);
    returned(me, at_once, cress_kill(gs[t], timeout));
}

static void take_value(int me)
{
    int i = (int)below(WAITERS);
    cress_time timeout = limit(me);
    void *value = NULL;
    bool at_once = begin_call(me, (struct call){ .kind = TAKE, .target = i, .timeout = timeout });
    int r = cress_waiter_wait(&waiters[i], timeout, &value);
    returned(me, at_once, r);
    CHECK(value == (r == 0 ? &waiter_values[i] : NULL));
}

static void do_acquire(int me)
{
    int i = (int)below(SEMS);
    cress_time timeout = limit(me);
    bool at_once =
        begin_call(me, (struct call){ .kind = ACQUIRE, .target = i, .timeout = timeout });
    returned(me, at_once, cress_sem_acquire(&sems[i], timeout));
}

static void wait_for_event(int me)
{
    int i = (int)below(EVENTS);
    cress_time timeout = limit(me);
    bool at_once = begin_call(me, (struct call){ .kind = EVENT, .target = i, .timeout = timeout });
    returned(me, at_once, cress_event_wait(&events[i], timeout));
}

static void do_put(int me)
{
    size_t item = ++model.queue.put_so_far;
    cress_time timeout = limit(me);
    bool at_once = begin_call(me, (struct call){ .kind = PUT, .from = item, .timeout = timeout });
    returned(me, at_once, cress_queue_put(&queue, (void *)item, timeout));
}

static void do_get(int me)
{
    size_t item = 0;
    cress_time timeout = limit(me);
    bool at_once = begin_call(me, (struct call){ .kind = GET, .timeout = timeout });
    int r = cress_queue_get(&queue, &item, timeout);
    returned(me, at_once, r);
    CHECK_EQ(item, r == 0 ? model.workers[me].call.from : 0);
}

static void do_give(int me)
{
    size_t item = ++model.chan.put_so_far;
    cress_time timeout = limit(me);
    bool at_once = begin_call(me, (struct call){ .kind = GIVE, .from = item, .timeout = timeout });
    returned(me, at_once, cress_chan_send(&chan, (void *)item, timeout));
}

static void do_accept(int me)
{
    size_t item = 0;
    cress_time timeout = limit(me);
    bool at_once = begin_call(me, (struct call){ .kind = ACCEPT, .timeout = timeout });
    int r = cress_chan_recv(&chan, &item, timeout);
    returned(me, at_once, r);
    CHECK_EQ(item, r == 0 ? model.workers[me].call.from : 0);
}

/* The n-th byte of a stream. */
static unsigned char byte_at(size_t n)
{
    return (unsigned char)(n * 7 + n / 256);
}

static bool send_some(int me, int s, size_t n)
{
    unsigned char data[64];
    size_t from = model.streams[s].sent;
    for (size_t i = 0; i < n; i++)
        data[i] = byte_at(from + i);
    bool at_once = begin_call(me, (struct call){ .kind = SEND, .target = s, .size = n });
    returned(me, at_once, cress_send(ends[s], data, n, 0));
    return at_once;
}

static void do_send(int me)
{
    int s = (int)below(STREAMS);
    if (under_way(s) <= IN_FLIGHT - 64)
        send_some(me, s, 1 + below(64));
}

/* So many in a row that others get their turn. */
static void send_many(int me)
{
    for (int s = 0; s < STREAMS; s++)
        if (under_way(s) <= IN_FLIGHT - 64) {
            while (under_way(s) < IN_FLIGHT && send_some(me, s, 1))
                ;
            return;
        }
}

static void do_receive(int me)
{
    int s = (int)below(STREAMS), fd = ends[s ^ 1];
    unsigned char data[128];
    size_t n = 1 + below(sizeof data);
    model.streams[s].timeout = one_in(10) ? 0 : duration();
    CHECK_EQ(cress_fd_set_timeout(fd, CRESS_IN, model.streams[s].timeout), 0);
    bool at_once = begin_call(me, (struct call){ .kind = RECEIVE, .target = s, .size = n });
    ssize_t r = cress_recv(fd, data, n, 0);
    returned(me, at_once, r);
    for (ssize_t i = 0; i < r; i++)
        CHECK_EQ(data[i], byte_at(model.workers[me].call.from + (size_t)i));
}

static void do_wait(int me)
{
    cress_case cases[CASES];
    size_t ready[CASES];
    struct call call = { .kind = WAIT, .timeout = limit(me), .n = (int)below(CASES + 1) };
    for (int i = 0; i < call.n; i++) {
        struct one_case *c = &call.cases[i];
        c->kind = (enum case_kind)below(4);
        c->target = c->kind == ON_WAITER ? (int)below(WAITERS) : any_worker();
        c->after = one_in(10) ? 0 : duration();
        cases[i] = c->kind == NEVER     ? cress_on_greenlet(NULL)
                   : c->kind == ON_END  ? cress_on_greenlet(gs[c->target])
                   : c->kind == ON_TIME ? cress_on_timer(c->after)
                                        : cress_on_waiter(&waiters[c->target]);
    }
    size_t count = one_in(3) ? CRESS_ALL : below(CASES + 1);
    call.size = count < (size_t)call.n ? count : (size_t)call.n;
    bool at_once = begin_call(me, call);
    ssize_t r = cress_wait(cases, (size_t)call.n, count, call.timeout, ready);
    returned(me, at_once, r);
    const struct call *done = &model.workers[me].call;
    for (ssize_t i = 0; i < r; i++)
        CHECK_EQ(ready[i], done->happened[i]);
    for (int i = 0; i < call.n; i++)
        CHECK_EQ(cases[i].ready, done->cases[i].ready);
}

static void do_joinall(int me)
{
    cress_greenlet *all[CASES];
    struct call call = { .kind = JOINALL, .timeout = limit(me), .n = CASES, .size = below(3) };
    int there = 0;
    for (int i = 0; i < CASES; i++) {
        struct one_case *c = &call.cases[i];
        *c = (struct one_case){ .kind = one_in(4) ? NEVER : ON_END, .target = any_worker() };
        all[i] = c->kind == NEVER ? NULL : gs[c->target];
        there += c->kind != NEVER;
    }
    /* All of them are joined one after the other, unless the first that fails is enough. */
    call.raise = call.size == 0 || (int)call.size >= there || one_in(2);
    cress_join_options o = CRESS_JOIN_OPTIONS_INIT;
    o.count = call.size;
    o.raise_error = call.raise;
    size_t ended = 0, expected = 0;
    bool at_once = begin_call(me, call);
    returned(me, at_once, cress_joinall(all, CASES, call.timeout, &o, &ended));
    for (int i = 0; i < CASES; i++)
        expected += call.cases[i].kind == ON_END && has_happened(&call.cases[i]);
    CHECK_EQ(ended, expected);
}

/* --- the machine ----------------------------------------------------------------------------- */

static void operate(int me)
{
    steps++;
    left--;
    cress_hub_current()->ran_on = 0; /* who runs on for long is fairness_test.c's affair */
    struct worker *m = &model.workers[me];
    switch (below(34)) {
    case 30:
    case 31:
        do_give(me);
        break;
    case 32:
    case 33:
        do_accept(me);
        break;
    case 22:
    case 23:
        do_acquire(me);
        break;
    case 24:
    case 25:
        wait_for_event(me);
        break;
    case 26:
        do_put(me);
        break;
    case 27:
        do_get(me);
        break;
    case 0:
        do_yield(me);
        break;
    case 1:
    case 2:
        do_sleep(me);
        break;
    case 3:
    case 4:
        do_park(me);
        break;
    case 5:
        do_idle(me);
        break;
    case 6:
        do_join(me, any_worker(), limit(me));
        break;
    case 7:
        kill_and_wait(me, any_worker());
        break;
    case 8:
        take_value(me);
        break;
    case 9:
        do_send(me);
        break;
    case 10:
        if (one_in(16))
            send_many(me);
        break;
    case 11:
    case 12:
        do_receive(me);
        break;
    case 13:
        do_wait(me);
        break;
    case 14:
        do_joinall(me);
        break;
    case 15:
        if (m->n_scopes < SCOPES)
            open_scope(me);
        break;
    case 16:
        if (m->n_scopes > 0)
            close_scope(me, (int)below((size_t)m->n_scopes));
        break;
    case 17:
        acknowledge(me);
        break;
    default:
        outside();
    }
    check_all();
}

static void *run_worker(void *arg)
{
    int me = (int)(intptr_t)arg;
    struct worker *m = &model.workers[me];
    arrived(WORKER, me);
    while (left > 0 && !one_in(m->killed ? 4 : 20))
        operate(me);
    while (m->n_scopes > 0 && !one_in(20)) /* some forget one */
        close_scope(me, m->n_scopes - 1);
    intptr_t value = spawned;
    int error = one_in(4) ? -EIO - (int)below(5) : 0; /* to be told apart */
    end_worker(me,
               error < 0      ? CRESS_FAILED
               : m->kill_seen ? CRESS_KILLED
                              : CRESS_RETURNED,
               error < 0 ? error : value);
    model.runs = NOBODY;
    if (error < 0)
        cress_exit_error(error);
    if (one_in(2))
        cress_exit((void *)value);
    return (void *)value;
}

static void begin_round(void)
{
    clock_begin(NULL);
    CHECK_EQ(cress_hub_set_error_hook(NULL, count_report, NULL), 0);
    cress_hub_current()->last_look = CRESS_FOREVER / 2; /* only when nobody can run: see above */
    model = (struct model){ .now = clock_time };
    model.workers[0].state = LIVE;
    gs[0] = cress_main();
    for (int i = 0; i < TOKENS; i++) {
        model.token_of[i] = NOBODY;
        tokens[i] = (cress_token){ .destroy = count_destroyed };
        destroyed[i] = 0;
    }
    for (int i = 0; i < NODES; i++)
        model.node_of[i] = NOBODY;
    for (int i = 0; i < WAITERS; i++) {
        model.waiters[i].waits = NOBODY;
        waiters[i] = (cress_waiter){ { 0 } };
    }
    for (int i = 0; i < SEMS; i++)
        CHECK_EQ(cress_sem_init(&sems[i], 0, i == SEMS - 1 ? CRESS_FAIR : 0), 0);
    for (int i = 0; i < EVENTS; i++)
        CHECK_EQ(cress_event_init(&events[i], 0), 0);
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    o.max = QUEUE_MAX;
    CHECK_EQ(cress_queue_init(&queue, &o), 0);
    CHECK_EQ(cress_chan_init(&chan, 0, 0, 0), 0);
    for (int s = 0; s < STREAMS; s += 2) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, &ends[s]), 0);
        for (int i = s; i < s + 2; i++) {
            int room = 200 * 1000;
            CHECK_EQ(setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
            model.streams[i].reader = NOBODY;
            if (one_in(2))
                CHECK_EQ(cress_fd_adopt(ends[i], 0), 0);
        }
    }
    reports = 0;
    left = ROUND;
}

/* Everybody finds out that it is over, and ends. */
static void end_round(void)
{
    while (model.workers[0].n_scopes > 0)
        close_scope(0, model.workers[0].n_scopes - 1);
    for (int w = 1; w < WORKERS; w++)
        if (model.workers[w].state != FREE)
            kill_one(w);
    for (int w = 1; w < WORKERS; w++)
        for (int r = -1; model.workers[w].state != FREE && r < 0;) {
            r = do_join(0, w, CRESS_FOREVER);
            CHECK_NE(r, -EDEADLK); /* a kill is never lost */
        }
    do
        do_yield(0);
    while (model.n_line > 0 || model.workers[0].n_tokens > 0);
    check_all();
    CHECK_EQ(model.n_timers, 0);
    CHECK_EQ(references(), 0);
    for (int i = 0; i < TOKENS; i++)
        CHECK_EQ(model.token_of[i], NOBODY);
    for (int i = 0; i < NODES; i++)
        CHECK_EQ(model.node_of[i], NOBODY);
    CHECK_EQ(cress_queue_done(&queue), 0); /* nobody waits any more */
    CHECK_EQ(cress_chan_done(&chan), 0);
    for (int w = 1; w < WORKERS; w++)
        if (model.workers[w].state != FREE)
            cress_unref(gs[w]);
    for (int s = 0; s < STREAMS; s++)
        CHECK_EQ(cress_close(ends[s]), 0);
    clock_end(NULL);
}

static void rounds_of_random_operations_do_what_the_model_says(void **state)
{
    (void)state;
    steps = 0;
    spawned = 0;
    while (steps < STEPS) {
        begin_round();
        while (left > 0)
            operate(0);
        end_round();
    }
    printf("seed %" PRIu64 ", %ld steps, %d greenlets\n", begun_with, steps, spawned);
    CHECK_GT(spawned, STEPS / 200);
}

static void soak(void)
{
    for (uint64_t i = 0;; i++) {
        seed = begun_with = (uint64_t)time(NULL) * 1000 + i;
        rounds_of_random_operations_do_what_the_model_says(NULL);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    signal(SIGABRT, say_where);
    if (argc > 1 && strcmp(argv[1], "soak") == 0)
        apart(soak);
    const char *chosen = getenv("CRESS_TEST_SEED");
    seed = begun_with = chosen != NULL ? strtoull(chosen, NULL, 10) : 0x9e3779b97f4a7c15;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_of_random_operations_do_what_the_model_says),
    };
    return RUN_TESTS_APART(tests);
}
