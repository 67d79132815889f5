/* model - what greenlets do, without stacks, timers, lists or descriptors: arrays and loops.
 *
 * A worker is a greenlet; worker 0 is main. The model keeps who stands in the ready line, who waits
 * for what until when, what scopes and tokens each has, who is to be told of whose end, and the
 * bytes under way; and it says what each call returns and who runs next. A call under way is
 * advanced until it has a result or has to wait:
 *
 *     ENTER -> YIELDED (a second cancellation lets others run first) -> BODY -> WAITED -> result
 *
 * Time stands still while anybody can run, and moves to the next deadline when nobody can.
 *
 * Not predicted: in which order those run whose descriptors were found ready in one look. That is
 * the kernel's, so the model takes any of them (struct item.look).
 */
#ifndef TESTS_HUB_MODEL_H
#define TESTS_HUB_MODEL_H

#include "support/check.h"

#include <cress.h>

#include <errno.h>
#include <string.h>

enum {
    WORKERS = 14,
    SCOPES = 4, /* of each worker, open at once */
    TOKENS = 6,
    NODES = 8, /* of links */
    WAITERS = 4,
    SEMS = 3, /* the last one is fair */
    EVENTS = 2,
    QUEUE_MAX = 3,   /* of the one queue */
    CASES = 4,       /* of one wait */
    STREAMS = 6,     /* one direction of a socketpair each */
    IN_FLIGHT = 200, /* bytes of a stream: one by one they fit into its buffer */
    TIMERS = WORKERS * (SCOPES + CASES + 2),
    NOBODY = -1
};

enum call_kind {
    YIELD,
    SLEEP,
    PARK,
    IDLE,
    JOIN,
    POINT,
    TAKE,
    RECEIVE,
    SEND,
    WAIT,
    JOINALL,
    EVENT,
    ACQUIRE, /* from here on: cancelled only when it would have to wait */
    PUT,
    GET
};
enum phase { ENTER, YIELDED, BODY, WAITED, BREATHED };
enum case_kind { NEVER, ON_END, ON_WAITER, ON_TIME };
enum link_kind { JOINER, LINK, CASE };
enum item_kind { WORKER, LINK_CALL };
enum timer_kind { OF_WAIT, OF_SCOPE, OF_START, OF_CASE };

struct one_case {
    enum case_kind kind;
    int target;
    cress_time after;
    bool linked, fired, over, ready;
};

struct call {
    enum call_kind kind;
    enum phase phase;
    int target; /* worker, waiter or stream */
    cress_time timeout, deadline;
    size_t size; /* bytes; how many cases are wanted */
    size_t from; /* the first byte received; the item put, or got */
    bool granted, settled;
    int n;
    struct one_case cases[CASES]; /* of joinall: ON_END */
    int fired[CASES], n_fired;
    int happened[CASES], n_happened;
    bool timed; /* its own timer was started for this wait */
    bool raise; /* joinall: the first that fails is enough */
    int failed;
    long failed_as; /* its number among the ends */
};

struct told_of_end {
    enum link_kind kind;
    int who, index;
};

struct worker {
    enum { FREE, LATER, NEW, LIVE, ENDED } state;
    bool busy;     /* a call of it is under way */
    long ended_as; /* its number among the ends */
    bool waiting, permit, alarm, killed, kill_seen;
    unsigned kill_told;
    struct open_scope {
        int id;
        bool shield, over;
        unsigned told;
    } scopes[SCOPES]; /* the outermost first */
    int n_scopes;
    struct {
        int id;
        bool delivered;
    } tokens[TOKENS];
    int n_tokens;
    struct told_of_end links[WORKERS * CASES + NODES];
    int n_links;
    struct call call;
    int why;
    ssize_t result;
    enum { BY_KILL, BY_SCOPE, BY_TOKEN } cause;
    int cause_id;
    cress_outcome_kind outcome;
    intptr_t value;
};

/* Who waits for something, in order; the first ones have been granted it. */
struct line {
    int who[WORKERS], n, n_granted;
};

struct item {
    enum item_kind kind;
    int who;
    unsigned look; /* not 0: found ready in this look, see above */
};

struct alarm_clock {
    enum timer_kind kind;
    int who, index;
    cress_time at;
    uint64_t number;
};

static struct model {
    struct worker workers[WORKERS];
    struct item line[2 * WORKERS + NODES];
    int n_line;
    struct alarm_clock timers[TIMERS];
    int n_timers;
    uint64_t timers_started;
    int idlers[WORKERS], n_idlers;
    int token_of[TOKENS];  /* whose chain it is in, or NOBODY */
    int destroyed[TOKENS]; /* how often */
    int node_of[NODES];    /* whose end it waits for, or NOBODY */
    struct {
        int waits;
        bool woken, taken;
        struct {
            int who, index;
        } cases[WORKERS * CASES];
        int n_cases;
    } waiters[WAITERS];
    struct {
        int reader;
        cress_time timeout;
        size_t sent, received;
    } streams[STREAMS];
    struct {
        size_t units;
        struct line line;
    } sems[SEMS];
    struct {
        bool set;
        struct line line;
    } events[EVENTS];
    struct {
        size_t items[QUEUE_MAX], n, promised, put_so_far;
        struct line getters, putters;
    } queue;
    long ends;
    int io_run; /* I/O calls that have succeeded since somebody waited for I/O */
    int runs;   /* which worker; NOBODY: the line decides */
    cress_time now;
    unsigned looks;
    int reports;
} model;

/* --- the line and the clock ------------------------------------------------------------------ */

static void push(enum item_kind kind, int who)
{
    model.line[model.n_line++] = (struct item){ .kind = kind, .who = who };
}

static struct item take_from_line(int at)
{
    struct item item = model.line[at];
    memmove(&model.line[at], &model.line[at + 1],
            (size_t)(--model.n_line - at) * sizeof model.line[0]);
    return item;
}

static int in_line(enum item_kind kind, int who)
{
    for (int i = 0; i < model.n_line; i++)
        if (model.line[i].kind == kind && model.line[i].who == who)
            return i;
    return NOBODY;
}

static void set_timer(enum timer_kind kind, int who, int index, cress_time after)
{
    CHECK_LT(model.n_timers, TIMERS);
    model.timers[model.n_timers++] = (struct alarm_clock){
        .kind = kind,
        .who = who,
        .index = index,
        .at = model.now + after,
        .number = ++model.timers_started,
    };
}

static bool stop_timer(enum timer_kind kind, int who, int index)
{
    for (int i = 0; i < model.n_timers; i++)
        if (model.timers[i].kind == kind && model.timers[i].who == who &&
            model.timers[i].index == index) {
            model.timers[i] = model.timers[--model.n_timers];
            return true;
        }
    return false;
}

static bool wake(int w, int why)
{
    struct worker *m = &model.workers[w];
    if (!m->waiting)
        return false;
    m->waiting = false;
    m->why = why;
    push(WORKER, w);
    return true;
}

/* --- cancellation ---------------------------------------------------------------------------- */

/* What cancels w's calls now: 0, nothing; else cause and cause_id are set. told: its count. */
static unsigned *canceller(struct worker *m)
{
    int outermost = 0;
    for (int i = m->n_scopes; i > 0; i--)
        if (m->scopes[i - 1].shield && !m->scopes[i - 1].over) {
            outermost = i;
            break;
        }
    if (outermost == 0 && m->killed) {
        m->cause = BY_KILL;
        return &m->kill_told;
    }
    for (int i = outermost; i < m->n_scopes; i++)
        if (!m->scopes[i].shield && m->scopes[i].over) {
            m->cause = BY_SCOPE;
            m->cause_id = m->scopes[i].id;
            return &m->scopes[i].told;
        }
    static unsigned never;
    for (int i = 0; outermost == 0 && i < m->n_tokens; i++)
        if (!m->tokens[i].delivered) {
            m->cause = BY_TOKEN;
            m->cause_id = m->tokens[i].id;
            never = 0;
            return &never;
        }
    return NULL;
}

static void destroy_first_token(struct worker *m)
{
    int id = m->tokens[0].id;
    model.destroyed[id]++;
    model.token_of[id] = NOBODY;
    memmove(&m->tokens[0], &m->tokens[1], (size_t)--m->n_tokens * sizeof m->tokens[0]);
}

static ssize_t cancelled(struct worker *m, unsigned *told)
{
    if (m->cause == BY_KILL)
        m->kill_seen = true;
    for (int i = 0; m->cause == BY_TOKEN && i < m->n_tokens; i++)
        if (m->tokens[i].id == m->cause_id)
            m->tokens[i].delivered = true;
    model.reports += ++*told == 1000;
    return -ECANCELED;
}

/* 1: others run first; -ECANCELED; 0. */
static int point(struct worker *m, bool yielded)
{
    if (!m->alarm)
        return 0;
    if (m->n_tokens > 0 && m->tokens[0].delivered)
        destroy_first_token(m);
    unsigned *told = canceller(m);
    if (told != NULL && *told > 0 && !yielded)
        return 1;
    if (told != NULL)
        return (int)cancelled(m, told);
    bool over = m->killed || m->n_tokens > 0;
    for (int i = 0; i < m->n_scopes; i++)
        over |= m->scopes[i].over && !m->scopes[i].shield;
    m->alarm = over;
    return 0;
}

static void alarm_worker(int w)
{
    struct worker *m = &model.workers[w];
    m->alarm = true;
    if (m->waiting && canceller(m) != NULL)
        wake(w, -ECANCELED);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void fire_case(int w, int index)
{
    struct call *c = &model.workers[w].call;
    if (c->cases[index].fired)
        return;
    c->cases[index].fired = true;
    c->fired[c->n_fired++] = index;
    wake(w, 0);
}

/* Of several that are joined one has ended: is that enough? */
static bool count_end(struct call *c, const struct worker *ended)
{
    c->n_happened++;
    if (c->raise && ended->outcome == CRESS_FAILED &&
        (c->failed == 0 || ended->ended_as < c->failed_as)) {
        c->failed = (int)ended->value;
        c->failed_as = ended->ended_as;
    }
    return c->n_happened >= (int)c->size || c->failed != 0;
}

static void add_link(int target, enum link_kind kind, int who, int index)
{
    struct worker *t = &model.workers[target];
    t->links[t->n_links++] = (struct told_of_end){ .kind = kind, .who = who, .index = index };
}

static void drop_link(int target, enum link_kind kind, int who, int index)
{
    struct worker *t = &model.workers[target];
    for (int i = 0; i < t->n_links; i++)
        if (t->links[i].kind == kind && t->links[i].who == who && t->links[i].index == index) {
            memmove(&t->links[i], &t->links[i + 1],
                    (size_t)(--t->n_links - i) * sizeof t->links[0]);
            return;
        }
}

static void end_worker(int w, cress_outcome_kind outcome, intptr_t value)
{
    struct worker *m = &model.workers[w];
    for (int i = 0; i < m->n_scopes; i++)
        stop_timer(OF_SCOPE, w, m->scopes[i].id);
    model.reports += m->state == LIVE && m->n_scopes > 0; /* test builds say so */
    while (m->n_tokens > 0)
        destroy_first_token(m);
    m->state = ENDED;
    m->outcome = outcome;
    m->ended_as = ++model.ends;
    m->value = value;
    for (int i = 0; i < m->n_links; i++) {
        struct told_of_end *l = &m->links[i];
        if (l->kind == LINK)
            push(LINK_CALL, l->who);
        else if (l->kind == JOINER)
            wake(l->who, 0);
        else if (model.workers[l->who].call.kind != JOINALL)
            fire_case(l->who, l->index);
        else if (count_end(&model.workers[l->who].call, m))
            wake(l->who, 0);
    }
    m->n_links = 0;
    model.reports += outcome == CRESS_FAILED;
}

static void kill_worker(int w)
{
    struct worker *m = &model.workers[w];
    if (m->state == NEW || m->state == LATER) {
        if (m->state == NEW)
            take_from_line(in_line(WORKER, w));
        else
            stop_timer(OF_START, w, 0);
        end_worker(w, CRESS_KILLED, 0);
    } else if (m->state == LIVE && !m->killed) {
        m->killed = true;
        alarm_worker(w);
    }
}

/* --- calls ----------------------------------------------------------------------------------- */

static bool result(struct worker *m, ssize_t r)
{
    m->result = r;
    return true;
}

static void unlink_case(int w, int i);

static bool stop_waiting(int w, ssize_t r)
{
    for (int i = 0; i < model.workers[w].call.n; i++)
        if (model.workers[w].call.cases[i].linked)
            unlink_case(w, i);
    return result(&model.workers[w], r);
}

/* w waits, unless it was cancelled since its last wait. */
static bool park(int w, cress_time timeout)
{
    struct worker *m = &model.workers[w];
    unsigned *told = canceller(m);
    if (told != NULL)
        return stop_waiting(w, cancelled(m, told));
    m->call.phase = WAITED;
    m->waiting = true;
    m->call.timed = timeout != CRESS_FOREVER;
    if (m->call.timed)
        set_timer(OF_WAIT, w, 0, timeout);
    return false;
}

/* --- lines ----------------------------------------------------------------------------------- */

static void join_line(struct line *line, int w)
{
    line->who[line->n++] = w;
}

static void leave_line(struct line *line, int w)
{
    for (int i = 0; i < line->n; i++)
        if (line->who[i] == w) {
            line->n_granted -= i < line->n_granted;
            memmove(&line->who[i], &line->who[i + 1],
                    (size_t)(--line->n - i) * sizeof line->who[0]);
        }
}

static int first_waiting(const struct line *line)
{
    return line->n_granted < line->n ? line->who[line->n_granted] : NOBODY;
}

/* Whatever has woken it before, its call succeeds. */
static void grant(struct line *line)
{
    int w = line->who[line->n_granted++];
    model.workers[w].call.granted = true;
    if (!wake(w, 0))
        model.workers[w].why = 0;
}

static void take_back(struct line *line)
{
    model.workers[line->who[--line->n_granted]].call.granted = false;
}

static void settle(struct line *line, int w)
{
    if (!model.workers[w].call.granted)
        grant(line);
    model.workers[w].call.settled = true;
    leave_line(line, w);
}

static bool take_unit(int s)
{
    struct line *line = &model.sems[s].line;
    if (model.sems[s].units > 0)
        model.sems[s].units--;
    else if (line->n_granted > 0 && s < SEMS - 1)
        take_back(line);
    else
        return false;
    return true;
}

static void release_unit(int s)
{
    if (first_waiting(&model.sems[s].line) != NOBODY)
        grant(&model.sems[s].line);
    else
        model.sems[s].units++;
}

static void set_event(int e)
{
    model.events[e].set = true;
    while (first_waiting(&model.events[e].line) != NOBODY)
        grant(&model.events[e].line);
}

static size_t take_item(void)
{
    size_t item = model.queue.items[0];
    memmove(&model.queue.items[0], &model.queue.items[1],
            --model.queue.n * sizeof model.queue.items[0]);
    return item;
}

static void serve_queue(void)
{
    for (;;) {
        int putter = first_waiting(&model.queue.putters);
        if (model.queue.n < QUEUE_MAX && putter != NOBODY) {
            model.queue.items[model.queue.n++] = model.workers[putter].call.from;
            settle(&model.queue.putters, putter);
        } else if (model.queue.n > model.queue.promised &&
                   first_waiting(&model.queue.getters) != NOBODY) {
            model.queue.promised++;
            grant(&model.queue.getters);
        } else {
            return;
        }
    }
}

static bool put_item(size_t item)
{
    if (model.queue.n == QUEUE_MAX && model.queue.promised > 0) {
        int getter = model.queue.getters.who[0];
        model.queue.promised--;
        model.workers[getter].call.from = take_item();
        settle(&model.queue.getters, getter);
    }
    if (model.queue.n == QUEUE_MAX)
        return false;
    model.queue.items[model.queue.n++] = item;
    serve_queue();
    return true;
}

static bool get_item(size_t *item)
{
    if (model.queue.n == 0)
        return false;
    if (model.queue.n == model.queue.promised) {
        model.queue.promised--;
        take_back(&model.queue.getters);
    }
    *item = take_item();
    serve_queue();
    return true;
}

static struct line *line_of(const struct call *c)
{
    return c->kind == ACQUIRE ? &model.sems[c->target].line
           : c->kind == EVENT ? &model.events[c->target].line
           : c->kind == PUT   ? &model.queue.putters
                              : &model.queue.getters;
}

/* Without waiting. */
static bool try_it(struct call *c)
{
    return c->kind == ACQUIRE ? take_unit(c->target)
           : c->kind == PUT   ? put_item(c->from)
                              : get_item(&c->from);
}

static bool wait_in_line(int w)
{
    struct worker *m = &model.workers[w];
    if (!park(w, m->call.timeout))
        return false;
    leave_line(line_of(&m->call), w);
    return true;
}

/* w, which stood in a line, has been woken and runs. */
static bool waited_in_line(int w)
{
    struct call *c = &model.workers[w].call;
    int why = model.workers[w].why;
    if (!c->granted && why == 0) { /* somebody barged in */
        cress_time left = c->timeout == CRESS_FOREVER ? CRESS_FOREVER : c->deadline - model.now;
        if (left > 0 && !park(w, left))
            return false;
        why = left > 0 ? (int)model.workers[w].result : -ETIMEDOUT;
    }
    leave_line(line_of(c), w);
    if (c->granted && c->kind == GET && !c->settled) {
        model.queue.promised--;
        c->from = take_item();
        serve_queue();
    }
    return result(&model.workers[w], c->granted ? 0 : why);
}

static size_t under_way(int stream)
{
    return model.streams[stream].sent - model.streams[stream].received;
}

/* I/O has succeeded; after many in a row others get a turn. */
static bool io_done(int w, size_t n)
{
    struct worker *m = &model.workers[w];
    m->result = (ssize_t)n;
    if (++model.io_run < 64)
        return true;
    model.io_run = 0;
    m->call.phase = BREATHED;
    push(WORKER, w);
    return false;
}

static bool receive(int w)
{
    struct call *c = &model.workers[w].call;
    size_t n = under_way(c->target);
    if (n > c->size)
        n = c->size;
    c->from = model.streams[c->target].received;
    model.streams[c->target].received += n;
    return io_done(w, n);
}

static bool has_happened(const struct one_case *c)
{
    switch (c->kind) {
    case ON_END:
        return model.workers[c->target].state == ENDED;
    case ON_WAITER:
        return model.waiters[c->target].woken;
    case ON_TIME:
        return c->after == 0 || c->over;
    default:
        return false;
    }
}

static void link_case(int w, int i)
{
    struct one_case *c = &model.workers[w].call.cases[i];
    c->linked = true;
    if (c->kind == ON_END) {
        add_link(c->target, CASE, w, i);
    } else if (c->kind == ON_WAITER) {
        int n = model.waiters[c->target].n_cases++;
        model.waiters[c->target].cases[n].who = w;
        model.waiters[c->target].cases[n].index = i;
    } else if (c->kind == ON_TIME) {
        set_timer(OF_CASE, w, i, c->after);
    }
}

static void unlink_case(int w, int i)
{
    struct one_case *c = &model.workers[w].call.cases[i];
    c->linked = false;
    if (c->kind == ON_END)
        drop_link(c->target, CASE, w, i);
    else if (c->kind == ON_TIME)
        stop_timer(OF_CASE, w, i);
    for (int k = 0; c->kind == ON_WAITER && k < model.waiters[c->target].n_cases; k++)
        if (model.waiters[c->target].cases[k].who == w &&
            model.waiters[c->target].cases[k].index == i) {
            int left = --model.waiters[c->target].n_cases - k;
            memmove(&model.waiters[c->target].cases[k], &model.waiters[c->target].cases[k + 1],
                    (size_t)left * sizeof model.waiters[0].cases[0]);
        }
}

static void ask_case(int w, int i)
{
    struct call *c = &model.workers[w].call;
    if (!has_happened(&c->cases[i])) {
        if (c->cases[i].linked) { /* fired for nothing: behind all others again */
            unlink_case(w, i);
            link_case(w, i);
        }
        return;
    }
    c->cases[i].ready = true;
    c->happened[c->n_happened++] = i;
    if (c->cases[i].linked)
        unlink_case(w, i);
}

static bool wait_on(int w)
{
    struct call *c = &model.workers[w].call;
    for (;;) {
        while (c->n_fired > 0 && c->n_happened < (int)c->size) {
            int i = c->fired[0];
            memmove(&c->fired[0], &c->fired[1], (size_t)--c->n_fired * sizeof c->fired[0]);
            c->cases[i].fired = false;
            ask_case(w, i);
        }
        cress_time left = c->timeout == CRESS_FOREVER ? CRESS_FOREVER : c->deadline - model.now;
        if (c->n_happened >= (int)c->size || left <= 0)
            return stop_waiting(w, c->n_happened);
        return park(w, left);
    }
}

static bool begin_wait(int w)
{
    struct call *c = &model.workers[w].call;
    for (int i = 0; i < c->n && c->n_happened < (int)c->size; i++)
        ask_case(w, i);
    if (c->n_happened >= (int)c->size || c->timeout == 0)
        return result(&model.workers[w], c->n_happened);
    for (int i = 0; i < c->n; i++)
        if (c->cases[i].kind != NEVER && !c->cases[i].ready)
            link_case(w, i);
    return wait_on(w);
}

/* Of several, as many as are wanted. */
static bool join_some(int w)
{
    struct call *c = &model.workers[w].call;
    int there = 0, itself = 0;
    for (int i = 0; i < c->n; i++) {
        if (c->cases[i].kind == NEVER)
            continue;
        there++;
        itself += c->cases[i].target == w;
        if (has_happened(&c->cases[i]))
            count_end(c, &model.workers[c->cases[i].target]);
    }
    if (c->size == 0 || (int)c->size > there)
        c->size = (size_t)there;
    if (c->n_happened >= (int)c->size || c->failed != 0)
        return result(&model.workers[w], c->failed);
    if ((int)c->size > there - itself)
        return result(&model.workers[w], -EDEADLK);
    if (c->timeout == 0)
        return result(&model.workers[w], -EAGAIN);
    for (int i = 0; i < c->n; i++)
        if (c->cases[i].kind != NEVER && !has_happened(&c->cases[i]))
            link_case(w, i);
    return park(w, c->timeout);
}

static bool body(int w)
{
    struct worker *m = &model.workers[w];
    struct call *c = &m->call;
    switch (c->kind) {
    case YIELD:
    case POINT:
        return result(m, 0);
    case SLEEP:
        return park(w, c->timeout);
    case PARK:
        if (m->permit) {
            m->permit = false;
            return result(m, 0);
        }
        return c->timeout == 0 ? result(m, -EAGAIN) : park(w, c->timeout);
    case IDLE:
        model.idlers[model.n_idlers++] = w;
        return park(w, CRESS_FOREVER);
    case JOIN:
        if (model.workers[c->target].state == ENDED)
            return result(m, 0);
        if (c->target == w)
            return result(m, -EDEADLK);
        if (c->timeout == 0)
            return result(m, -EAGAIN);
        add_link(c->target, JOINER, w, 0);
        return park(w, c->timeout);
    case TAKE:
        if (model.waiters[c->target].waits != NOBODY)
            return result(m, -EBUSY);
        if (model.waiters[c->target].taken)
            return result(m, -EALREADY);
        if (model.waiters[c->target].woken) {
            model.waiters[c->target].taken = true;
            return result(m, 0);
        }
        if (c->timeout == 0)
            return result(m, -EAGAIN);
        model.waiters[c->target].waits = w;
        return park(w, c->timeout);
    case RECEIVE:
        if (model.streams[c->target].reader != NOBODY)
            return result(m, -EBUSY);
        if (under_way(c->target) > 0)
            return receive(w);
        if (model.streams[c->target].timeout == 0)
            return result(m, -EAGAIN);
        model.streams[c->target].reader = w;
        model.io_run = 0;
        return park(w, model.streams[c->target].timeout);
    case SEND:
        model.streams[c->target].sent += c->size;
        return io_done(w, c->size);
    case JOINALL:
        return join_some(w);
    case EVENT:
        if (model.events[c->target].set && (c->timeout == 0 || line_of(c)->n_granted == 0))
            return result(m, 0);
        if (model.events[c->target].set) {
            c->phase = BREATHED;
            m->result = 0;
            push(WORKER, w);
            return false;
        }
        if (c->timeout == 0)
            return result(m, -EAGAIN);
        join_line(line_of(c), w);
        return wait_in_line(w);
    case ACQUIRE:
    case PUT:
    case GET:
        if (try_it(c))
            return result(m, 0);
        join_line(line_of(c), w);
        return wait_in_line(w);
    default:
        return begin_wait(w);
    }
}

/* It was woken, and it is its turn. */
static bool waited(int w)
{
    struct worker *m = &model.workers[w];
    struct call *c = &m->call;
    stop_timer(OF_WAIT, w, 0);
    c->timed = false;
    if (c->kind == JOIN)
        drop_link(c->target, JOINER, w, 0);
    if (c->kind == TAKE)
        model.waiters[c->target].waits = NOBODY;
    if (c->kind == RECEIVE)
        model.streams[c->target].reader = NOBODY;
    for (int i = 0; c->kind == IDLE && i < model.n_idlers; i++)
        if (model.idlers[i] == w)
            memmove(&model.idlers[i], &model.idlers[i + 1],
                    (size_t)(--model.n_idlers - i) * sizeof model.idlers[0]);
    unsigned *told = m->why == -ECANCELED || m->why == -ETIMEDOUT ? canceller(m) : NULL;
    if (told != NULL && c->kind >= EVENT)
        leave_line(line_of(c), w);
    if (told != NULL)
        return stop_waiting(w, cancelled(m, told));
    if (c->kind >= EVENT)
        return waited_in_line(w);
    if (c->kind == SLEEP && m->why == -ETIMEDOUT)
        return result(m, 0);
    if (c->kind == WAIT && m->why == -ETIMEDOUT)
        return stop_waiting(w, c->n_happened);
    if (m->why < 0)
        return stop_waiting(w, m->why);
    switch (c->kind) {
    case RECEIVE:
        return receive(w);
    case TAKE:
        model.waiters[c->target].taken = true;
        return result(m, 0);
    case WAIT:
        return wait_on(w);
    default:
        return stop_waiting(w, c->failed);
    }
}

/* Go on with w's call. true: it has its result; false: w waits, or stands in the line. */
static bool advance(int w)
{
    struct worker *m = &model.workers[w];
    struct call *c = &m->call;
    bool yields = c->kind == YIELD || (c->kind == SLEEP && m->alarm);
    int p = 0;
    switch (c->phase) {
    case ENTER:
        if (c->kind >= ACQUIRE && try_it(c))
            return result(m, 0);
        if (c->kind >= ACQUIRE && c->timeout == 0)
            return result(m, -EAGAIN);
        if (yields || (p = point(m, false)) > 0) {
            c->phase = YIELDED;
            push(WORKER, w);
            return false;
        }
        return p < 0 ? result(m, p) : body(w);
    case YIELDED:
        p = point(m, true);
        return p < 0 ? result(m, p) : body(w);
    case WAITED:
        return waited(w);
    default:
        return true; /* BREATHED */
    }
}

/* --- who is next ----------------------------------------------------------------------------- */

/* What keeps the loop going: waits for time and descriptors, open scopes with a deadline. */
static size_t references(void)
{
    size_t n = 0;
    for (int i = 0; i < model.n_timers; i++)
        n += model.timers[i].kind == OF_SCOPE || model.timers[i].kind == OF_START;
    for (int w = 0; w < WORKERS; w++) {
        const struct call *c = &model.workers[w].call;
        n += c->timed;
        for (int i = 0; i < c->n; i++)
            n += c->cases[i].linked && c->cases[i].kind == ON_TIME;
    }
    for (int s = 0; s < STREAMS; s++)
        n += model.streams[s].reader != NOBODY;
    return n;
}

static void fire_timer(int at)
{
    struct alarm_clock t = model.timers[at];
    model.timers[at] = model.timers[--model.n_timers];
    struct worker *m = &model.workers[t.who];
    switch (t.kind) {
    case OF_WAIT:
        wake(t.who, -ETIMEDOUT);
        break;
    case OF_SCOPE:
        for (int i = 0; i < m->n_scopes; i++)
            if (m->scopes[i].id == t.index)
                m->scopes[i].over = true;
        alarm_worker(t.who);
        break;
    case OF_START:
        m->state = NEW;
        push(WORKER, t.who);
        break;
    default:
        m->call.cases[t.index].over = true;
        fire_case(t.who, t.index);
    }
}

/* The first in the order of (deadline, number). */
static int first_timer(void)
{
    int first = NOBODY;
    for (int i = 0; i < model.n_timers; i++) {
        const struct alarm_clock *t = &model.timers[i], *f = &model.timers[i > 0 ? first : 0];
        if (i == 0 || t->at < f->at || (t->at == f->at && t->number < f->number))
            first = i;
    }
    return first;
}

static bool look_at_streams(void)
{
    int before = model.n_line;
    model.looks++;
    for (int s = 0; s < STREAMS; s++)
        if (model.streams[s].reader != NOBODY && under_way(s) > 0 &&
            wake(model.streams[s].reader, 0))
            model.line[model.n_line - 1].look = model.looks;
    return model.n_line > before;
}

/* Nobody is in the line. */
static void idle(void)
{
    if (model.n_idlers > 0) {
        if (!look_at_streams())
            wake(model.idlers[0], 0);
        return;
    }
    if (references() == 0) {
        for (int w = 0; w < WORKERS; w++)
            model.reports += model.workers[w].state == LIVE && model.workers[w].waiting;
        CHECK(wake(0, -EDEADLK));
        return;
    }
    if (look_at_streams())
        return;
    int t = first_timer();
    CHECK_NE(t, NOBODY);
    model.now = model.timers[t].at;
    while ((t = first_timer()) != NOBODY && model.timers[t].at <= model.now)
        fire_timer(t);
}

/* Who has just begun to run, or to run on, is the one whose turn it is. */
static void arrived(enum item_kind kind, int who)
{
    for (;;) {
        while (model.n_line == 0)
            idle();
        int at = 0;
        while (model.line[0].look != 0 && at + 1 < model.n_line &&
               model.line[at].look == model.line[0].look && model.line[at].who != who)
            at++;
        if (model.line[at].look != model.line[0].look)
            at = 0;
        struct item item = take_from_line(at);
        struct worker *m = &model.workers[item.who];
        bool runs = item.kind == LINK_CALL || m->state == NEW || advance(item.who);
        if (!runs)
            continue;
        CHECK_EQ(item.kind, kind);
        CHECK_EQ(item.who, who);
        if (kind == WORKER) {
            m->state = LIVE;
            m->busy = false;
        }
        model.runs = kind == WORKER ? who : NOBODY;
        return;
    }
}

/* w, which runs, begins a call. true: it returns without letting anybody run. */
static bool begin_call(int w, struct call call)
{
    CHECK_EQ(model.runs, w);
    model.workers[w].call = call;
    model.workers[w].call.deadline =
        call.timeout == CRESS_FOREVER ? CRESS_FOREVER : model.now + call.timeout;
    if (advance(w))
        return true;
    model.workers[w].busy = true;
    model.runs = NOBODY;
    return false;
}

#endif
