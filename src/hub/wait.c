#include "hub/wait.h"

#include "base/step.h"
#include "base/sys.h"
#include "hub/scope.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* --- one case -------------------------------------------------------------------------------- */

void cress_case_fire(cress_case *c)
{
    struct case_wait *wait = c != NULL ? case_core(c)->wait : NULL;
    if (wait == NULL || list_linked(&case_core(c)->fired)) /* (1) */
        return;
    list_push(&wait->fired, &case_core(c)->fired);
    if (wait->co != NULL)
        hub_wake(wait->hub, wait->co, 0);
}

/* (5) A choice that is not open, and a case that it can never be. */
static cress_case closed_choice;

void case_waits_shared(cress_case *c)
{
    struct case_wait *wait = case_core(c)->wait;
    case_core(c)->shared = true;
    if (wait->shared)
        return;
    wait->shared = wait->info.judges = true;
    atomic_store_explicit(&wait->choice, &closed_choice, memory_order_relaxed);
}

bool case_choose_shared(cress_case *c)
{
    struct case_wait *wait = case_core(c)->wait;
    cress_case *open = NULL;
    step_writes(&wait->choice);
    return wait->takes && atomic_compare_exchange_strong(&wait->choice, &open, c);
}

bool case_gives_way(cress_case *asks, cress_case *other)
{
    struct case_wait *wait = case_core(asks)->wait;
    const struct case_wait *before = case_core(other)->wait;
    if (!before->takes || (uintptr_t)before >= (uintptr_t)wait)
        return false;
    step_reads(&before->choice);
    if (atomic_load(&before->choice) != &closed_choice)
        return false;
    wait->behind = &before->choice;
    return true;
}

bool case_choose(cress_case *c)
{
    struct case_wait *wait = case_core(c)->wait;
    if (wait != NULL && wait->shared) {
        if (!case_choose_shared(c))
            return false;
        hub_wake(wait->hub, wait->co, 0);
        return true;
    }
    if (wait == NULL || !wait->takes || wait->co == NULL || wait->chosen != NULL) /* (3) */
        return false;
    wait->chosen = c;
    c->ready = true;
    hub_grant(wait->hub, wait->co);
    return true;
}

void cases_add(struct list *cases, struct case_node *node, cress_case *c)
{
    if (cases->next == NULL)
        list_init(cases);
    node->c = c;
    list_push(cases, &node->node);
}

void cases_fire(struct list *cases)
{
    struct list *node;
    while (cases->next != NULL && (node = list_pop(cases)) != NULL)
        cress_case_fire(container_of(node, struct case_node, node)->c);
}

static void unlink_case(cress_case *c)
{
    struct case_core *core = case_core(c);
    list_remove(&core->fired);
    if (core->linked) {
        core->linked = false;
        c->ops->unlink(c); /* (2) */
    }
}

static int link_case(cress_case *c)
{
    int error = c->ops->link(c);
    case_core(c)->linked |= error >= 0;
    return error;
}

/* --- all of them ----------------------------------------------------------------------------- */

static void leave(struct case_wait *wait)
{
    for (size_t i = 0; i < wait->n; i++) {
        unlink_case(&wait->cases[i]);
        case_core(&wait->cases[i])->wait = NULL;
    }
}

/* From now on nobody decides it any more; see (5). */
static void close_choice(struct case_wait *wait)
{
    step_writes(&wait->choice);
    cress_case *chosen = atomic_exchange(&wait->choice, &closed_choice);
    if (chosen == NULL || chosen == &closed_choice)
        return;
    wait->chosen = chosen;
    chosen->ready = true;
}

/* The greenlet is dropped: what was handed to it goes back, see (4) in wait.h. */
static void unlink_wait(const struct wait_info *info)
{
    struct case_wait *wait = container_of(info, struct case_wait, info);
    if (wait->shared)
        close_choice(wait);
    if (wait->chosen != NULL)
        wait->chosen->ready = false;
    leave(wait);
}

static void begin(struct case_wait *wait, struct cress_hub *h, cress_case *cases, size_t n)
{
    *wait = (struct case_wait){ .hub = h,
                                .cases = cases,
                                .n = n,
                                .counts = !(h->thread->current->flags & CORO_DAEMON),
                                .info = { .what = "waiting for several things",
                                          .unlink = unlink_wait } };
    list_init(&wait->fired);
    for (size_t i = 0; i < n; i++) {
        struct case_core *core = case_core(&cases[i]);
        cases[i].ready = false;
        cases[i].result = 0;
        memset(cases[i].words, 0, sizeof cases[i].words);
        *core = (struct case_core){ .wait = wait };
        list_init(&core->fired);
    }
}

static int enter(struct case_wait *wait, cress_case *cases, size_t n)
{
    struct cress_hub *h;
    closed(); /* in a child process things may be about to end */
    int error = hub_get(&h);
    if (error < 0)
        return error;
    if ((error = scope_point(h, h->thread->current)) < 0)
        return error;
    begin(wait, h, cases, n);
    return 0;
}

/* Link all that have not happened. */
static int link_all(cress_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cases[i].ops != NULL && !cases[i].ready) {
            int error = link_case(&cases[i]);
            if (error < 0)
                return error;
        }
    return 0;
}

/* Ask a case. 1: it has happened, and is done with; 0; or an error. */
static int ask(cress_case *c, bool take)
{
    int r = c->ops != NULL ? c->ops->ready(c, take) : 0;
    if (r > 0) {
        c->ready = true;
        unlink_case(c);
    }
    return r;
}

/* Ask one that was fired; when that was for nothing, it waits on. */
static int ask_again(cress_case *c, bool take)
{
    list_remove(&case_core(c)->fired);
    int r = ask(c, take);
    if (r == 0) {
        if (!case_core(c)->shared)
            unlink_case(c);
        r = link_case(c);
    }
    return r;
}

static cress_case *of_fired(struct list *node)
{
    uintptr_t *core = (uintptr_t *)(void *)container_of(node, struct case_core, fired);
    return container_of(core, cress_case, core[0]);
}

static int park_shared(struct case_wait *wait, cress_time timeout)
{
    cress_coro *self = wait->co;
    step_writes(&wait->choice);
    atomic_store(&wait->choice, NULL);
    int error = hub_park_until(wait->hub, self, &wait->info, timeout);
    close_choice(wait);
    wait->co = NULL;
    return error == 0 || wait->chosen != NULL ? 0 : scope_judge(self, error);
}

/* The other one is running, and about to open: it takes no longer than what we have just done. */
static void give_way(struct case_wait *wait)
{
    step_waits(wait->behind);
    wait->behind = NULL;
    sys_sched_yield();
}

/* Wait until one is fired. */
static int park(struct case_wait *wait, cress_time timeout)
{
    if (wait->behind != NULL)
        give_way(wait);
    if (!list_empty(&wait->fired))
        return 0;
    struct cress_hub *h;
    int error =
        hub_enter(&h); /* here, since what has happened may be asked for in a callback too */
    if (error < 0)
        return error;
    wait->co = wait->hub->thread->current;
    if (wait->shared)
        return park_shared(wait, timeout);
    error = hub_park_until(wait->hub, wait->co, &wait->info, timeout);
    wait->co = NULL;
    return error;
}

/* --- until some have happened ---------------------------------------------------------------- */

static size_t tell(size_t *ready, size_t so_far, size_t index)
{
    if (ready != NULL)
        ready[so_far] = index;
    return so_far + 1;
}

/* The happened ones are counted in *done. 0, or why there are fewer than count. */
static int wait_for(struct case_wait *wait, cress_case *cases, size_t n, size_t count,
                    cress_time timeout, size_t *ready, size_t *done)
{
    for (size_t i = 0; i < n && *done < count; i++) {
        int r = ask(&cases[i], false);
        if (r < 0)
            return r;
        if (r > 0)
            *done = tell(ready, *done, i);
    }
    if (*done >= count || timeout == 0)
        return 0;
    int error = link_all(cases, n);
    cress_time deadline = cress_deadline(timeout), left = timeout;
    while (error == 0 && *done < count) {
        if (left == 0)
            return -ETIMEDOUT;
        if ((error = park(wait, left)) < 0)
            break;
        while (!list_empty(&wait->fired) && *done < count && error == 0) {
            cress_case *c = of_fired(wait->fired.next);
            int r = ask_again(c, false);
            if (r > 0)
                *done = tell(ready, *done, (size_t)(c - cases));
            error = r < 0 ? r : 0;
        }
        left = cress_left(deadline);
    }
    return error;
}

ssize_t cress_wait(cress_case *cases, size_t n, size_t count, cress_time timeout, size_t *ready)
{
    if ((cases == NULL && n > 0) || timeout < 0 || n > SSIZE_MAX)
        return -EINVAL;
    struct case_wait wait;
    int error = enter(&wait, cases, n);
    if (error < 0)
        return error;
    size_t done = 0;
    error = wait_for(&wait, cases, n, count < n ? count : n, timeout, ready, &done);
    leave(&wait);
    if (error == 0)
        hub_ran_on(wait.hub);
    return error < 0 && error != -ETIMEDOUT ? error : (ssize_t)done;
}

/* --- exactly one ----------------------------------------------------------------------------- */

/* Where to begin, so that of several that can each is taken equally often. */
static size_t random_below(struct cress_hub *h, size_t n)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return (size_t)(h->random % n);
}

/* Of those that were fired, any may be first. */
static void shuffle_fired(struct case_wait *wait)
{
    size_t n = 0;
    for (const struct list *at = wait->fired.next; at != &wait->fired; at = at->next)
        n++;
    for (size_t k = n > 1 ? random_below(wait->hub, n) : 0; k > 0; k--)
        list_push(&wait->fired, list_pop(&wait->fired));
}

/* The index; or why none. */
static ssize_t choose(struct case_wait *wait, cress_case *cases, size_t n, cress_time timeout)
{
    size_t first = n > 1 ? random_below(wait->hub, n) : 0;
    wait->takes = true;
    for (size_t k = 0; k < n; k++) {
        size_t i = first + k < n ? first + k : first + k - n;
        int r = ask(&cases[i], true);
        if (r != 0)
            return r > 0 ? (ssize_t)i : r;
    }
    if (timeout == 0)
        return -EAGAIN;
    int error = link_all(cases, n);
    cress_time deadline = cress_deadline(timeout), left = timeout;
    while (error == 0) {
        if (left == 0)
            return -ETIMEDOUT;
        error = park(wait, left);
        if (wait->chosen != NULL)
            return wait->chosen - cases;
        if (error < 0)
            break;
        shuffle_fired(wait);
        while (!list_empty(&wait->fired) && wait->behind == NULL && error == 0) {
            cress_case *c = of_fired(wait->fired.next);
            int r = ask_again(c, true);
            if (r > 0)
                return c - cases;
            error = r;
        }
        left = cress_left(deadline);
    }
    return error;
}

int cress_choose(cress_case *cases, size_t n, cress_time timeout)
{
    if ((cases == NULL && n > 0) || timeout < 0 || n > INT_MAX)
        return -EINVAL;
    struct case_wait wait;
    int error = enter(&wait, cases, n);
    if (error < 0)
        return error;
    ssize_t r = choose(&wait, cases, n, timeout);
    leave(&wait);
    if (r >= 0)
        hub_ran_on(wait.hub);
    return (int)r;
}

/* --- one after the other --------------------------------------------------------------------- */

struct iwait {
    struct case_wait wait;
    size_t told;
    struct list open;        /* in hub.iwaits */
    const cress_coro *begun; /* by whom */
};
_Static_assert(sizeof(struct iwait) <= sizeof(cress_iwait), "cress_iwait is too small");

static void end_iwait(struct iwait *it)
{
    list_remove(&it->open);
    leave(&it->wait);
    it->wait.hub = NULL;
}

void iwaits_end(struct cress_hub *h, const cress_coro *co, bool others)
{
    for (struct list *n = h->iwaits.next, *next; n != &h->iwaits; n = next) {
        next = n->next;
        struct iwait *it = container_of(n, struct iwait, open);
        if ((it->begun != co) == others)
            end_iwait(it);
    }
}

int cress_iwait_init(cress_iwait *public, cress_case *cases, size_t n)
{
    struct iwait *it = (struct iwait *)(void *)public;
    if (it == NULL || (cases == NULL && n > 0))
        return -EINVAL;
    *it = (struct iwait){ 0 };
    struct cress_hub *h;
    int error = hub_get(&h);
    if (error < 0)
        return error;
    begin(&it->wait, h, cases, n); /* no cancellation point */
    it->begun = h->thread->current;
    list_push(&h->iwaits, &it->open);
    for (size_t i = 0; i < n && error >= 0; i++)
        if (cases[i].ops == NULL)
            it->told++; /* it will never be */
        else if ((error = cases[i].ops->ready(&cases[i], false)) > 0)
            cress_case_fire(&cases[i]);
        else if (error == 0)
            error = link_case(&cases[i]);
    if (error < 0)
        end_iwait(it);
    return error < 0 ? error : 0;
}

ssize_t cress_iwait_next(cress_iwait *public, cress_time timeout)
{
    struct iwait *it = (struct iwait *)(void *)public;
    if (it == NULL || timeout < 0)
        return -EINVAL;
    struct cress_hub *h;
    closed();
    int error = hub_get(&h);
    if (error < 0)
        return error;
    if (h != it->wait.hub)
        return it->wait.hub != NULL ? -EXDEV : -EINVAL;
    if ((error = scope_point(h, h->thread->current)) < 0)
        return error;
    if (it->told == it->wait.n)
        return -ENOENT;
    cress_time deadline = cress_deadline(timeout), left = timeout;
    for (;;) {
        while (!list_empty(&it->wait.fired)) {
            cress_case *c = of_fired(it->wait.fired.next);
            int r = ask_again(c, false);
            if (r < 0)
                return r;
            if (r > 0) {
                it->told++;
                hub_ran_on(h);
                return c - it->wait.cases;
            }
        }
        if (left == 0)
            return timeout == 0 ? -EAGAIN : -ETIMEDOUT;
        if ((error = park(&it->wait, left)) < 0)
            return error;
        left = cress_left(deadline);
    }
}

void cress_iwait_done(cress_iwait *public)
{
    struct iwait *it = (struct iwait *)(void *)public;
    if (it == NULL || it->wait.hub == NULL)
        return;
    end_iwait(it);
}
