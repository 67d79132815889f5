/* chan - where a send and a receive meet, with a buffer between them or without.
 *
 * (1) Never do one who sends and one who receives both wait: whoever comes second finds the first,
 *     and what it came for is done for both. Cases that only look do not count.
 * (2) With a buffer, senders wait only when it is full and receivers only when it is empty.
 */
#include "sync/line.h"
#include "sync/store.h"

#include <cress/chan.h>

struct chan {
    struct guard guard;
    struct line senders, receivers;
    struct store store;
    size_t capacity;
    bool closed;
};
_Static_assert(sizeof(struct chan) <= sizeof(cress_chan), "cress_chan is too small");

static struct chan *inside(const cress_chan *c)
{
    return (struct chan *)(uintptr_t)c;
}

int cress_chan_init(cress_chan *public, size_t capacity, size_t item_size, unsigned flags)
{
    struct chan *c = inside(public);
    if (c == NULL || flags & ~(unsigned)CRESS_SHARED)
        return -EINVAL;
    *c = (struct chan){ .store.item_size = item_size, .capacity = capacity };
    guard_init(&c->guard, flags);
    return 0;
}

int cress_chan_done(cress_chan *public)
{
    struct chan *c = inside(public);
    if (c == NULL)
        return 0;
    if (guard_busy(&c->guard))
        return -EBUSY;
    store_done(&c->store);
    *c = (struct chan){ 0 };
    return 0;
}

size_t cress_chan_size(const cress_chan *public)
{
    struct chan *c = inside(public);
    if (c == NULL || (guard_shared(&c->guard) && guard_lock(&c->guard) < 0))
        return 0;
    size_t n = c->store.n;
    guard_leave(&c->guard);
    return n;
}

int cress_chan_close(cress_chan *public)
{
    struct chan *c = inside(public);
    int error = c != NULL ? guard_enter(&c->guard) : -EINVAL;
    if (error < 0)
        return error;
    c->closed = true;
    line_turn_away(&c->senders, &c->guard, -EPIPE);
    line_turn_away(&c->receivers, &c->guard, -EPIPE);
    guard_leave(&c->guard);
    return 0;
}

/* --- meeting --------------------------------------------------------------------------------- */

enum { MET = 1 };

/* Where a sender that waits has its item. */
static const void *item_of(const struct chan *c, const struct place *p)
{
    if (p->c == NULL)
        return p->item;
    return c->store.item_size != 0 ? p->c->data : &p->c->data;
}

/* Whether a place is of the choice that looks for a partner: it is none for itself. */
static bool own(const struct place *p, cress_case *self)
{
    return self != NULL && p->c != NULL && case_core(p->c)->wait == case_core(self)->wait;
}

/* Whether it may be met by one who is not, or is, a case. */
static bool partner(const struct place *p, cress_case *self)
{
    return self == NULL || p->c == NULL || (!own(p, self) && !case_gives_way(self, p->c));
}

/* The same for a line in which there are cases, or for a case. Nobody here is granted and stays (3
 * in line.h), so the line may be served from the middle. */
static noinline struct place *meet_partner(struct chan *c, struct line *line, cress_case *self)
{
    struct place *p = line_first(line), *found = NULL;
    while (p != NULL && found == NULL) {
        struct list *after = p->node.next;
        if (partner(p, self)) {
            line->next = &p->node;
            if (line_settle(line, &c->guard, p, 0))
                found = p;
        }
        p = line->next != NULL && after != &line->ring ? place_of(after) : NULL;
    }
    if (line->next != NULL)
        line->next = line->ring.next;
    return found;
}

/* The first in a line who really wants to has it. NULL: nobody. */
static inline struct place *meet(struct chan *c, struct line *line, cress_case *self)
{
    struct place *p = line_first(line);
    if (p == NULL)
        return NULL;
    if (unlikely(self != NULL || p->c != NULL))
        return meet_partner(c, line, self);
    line_settle(line, &c->guard, p, 0);
    return p;
}

/* 0; MET, the other side will run; -EAGAIN; -EPIPE; -ENOMEM. self: for a case. */
static int send_now(struct chan *c, const void *bytes, cress_case *self)
{
    if (c->closed)
        return -EPIPE;
    struct place *p = meet(c, &c->receivers, self);
    if (p != NULL) {
        store_copy(&c->store, p->c == NULL ? p->item : p->c->data, bytes);
        return MET;
    }
    if (c->store.n >= c->capacity)
        return -EAGAIN;
    int error = store_reserve(&c->store);
    if (error == 0)
        store_put(&c->store, bytes);
    return error;
}

static int recv_now(struct chan *c, void *bytes, cress_case *self)
{
    bool buffered = c->store.n > 0;
    if (buffered)
        store_take(&c->store, bytes);
    struct place *p = meet(c, &c->senders, self);
    if (p != NULL && buffered)
        store_put(&c->store, item_of(c, p)); /* where one has just been taken */
    else if (p != NULL)
        store_copy(&c->store, bytes, item_of(c, p));
    if (buffered)
        return 0;
    return p != NULL ? MET : c->closed ? -EPIPE : -EAGAIN;
}

/* Both sides let others run when they meet: the receiver stands in line before the sender, which is
 * the last one if it has just been woken. Between threads there is no such order. */
static void let_others_run(bool receiver, bool shared)
{
    struct cress_hub *h = hub_current();
    if (h == NULL || closed())
        return;
    if (shared) {
        hub_ran_on(h);
        return;
    }
    cress_coro *self = h->thread->current;
    struct runnode *head = &h->loop.ready.head;
    runq_insert(receiver ? head->prev : head, &self->node);
    hub_switch(h, self);
}

/* In the guard, and leaves it: wait in a line until somebody has met us there. Inlined, as all
 * between the user and the switch (park.h). */
static always_inline int wait_in(struct chan *c, struct waiting *w, struct cress_hub *h,
                                 cress_time timeout)
{
    int error = line_wait(w->place.kind ? &c->receivers : &c->senders, &c->guard, w, h, timeout);
    guard_leave(&c->guard);
    return error < 0 ? error : w->place.error;
}

int cress_chan_send(cress_chan *public, const void *item, cress_time timeout)
{
    struct chan *c = inside(public);
    if (c == NULL || timeout < 0 || (item == NULL && c->store.item_size != 0))
        return -EINVAL;
    int error = guard_enter(&c->guard);
    if (error < 0)
        return error;
    const void *bytes = c->store.item_size != 0 ? item : &item;
    error = send_now(c, bytes, NULL);
    if (error == -EAGAIN && timeout > 0) {
        struct cress_hub *h;
        if ((error = line_enter(&c->guard, &h)) < 0)
            return error;
        if ((error = send_now(c, bytes, NULL)) == -EAGAIN) { /* others may have run */
            struct waiting w;
            waiting_init(&w, "sending to a channel", NULL);
            w.place.item = (void *)(uintptr_t)bytes;
            return wait_in(c, &w, h, timeout);
        }
    }
    bool met = error == MET && timeout > 0 && c->capacity == 0, shared = guard_shared(&c->guard);
    guard_leave(&c->guard); /* it may be gone */
    if (met)
        let_others_run(false, shared);
    return error < 0 ? error : 0;
}

int cress_chan_try_send(cress_chan *chan, const void *item)
{
    return cress_chan_send(chan, item, 0);
}

int cress_chan_recv(cress_chan *public, void *item, cress_time timeout)
{
    struct chan *c = inside(public);
    if (c == NULL || item == NULL || timeout < 0)
        return -EINVAL;
    int error = guard_enter(&c->guard);
    if (error < 0)
        return error;
    error = recv_now(c, item, NULL);
    if (error == -EAGAIN && timeout > 0) {
        struct cress_hub *h;
        if ((error = line_enter(&c->guard, &h)) < 0)
            return error;
        if ((error = recv_now(c, item, NULL)) == -EAGAIN) { /* others may have run */
            struct waiting w;
            waiting_init(&w, "receiving from a channel", NULL);
            w.place.item = item;
            w.place.kind = 1;
            return wait_in(c, &w, h, timeout);
        }
    }
    bool met = error == MET && timeout > 0 && c->capacity == 0, shared = guard_shared(&c->guard);
    guard_leave(&c->guard); /* it may be gone */
    if (met)
        let_others_run(true, shared);
    return error < 0 ? error : 0;
}

int cress_chan_try_recv(cress_chan *chan, void *item)
{
    return cress_chan_recv(chan, item, 0);
}

/* --- as cases -------------------------------------------------------------------------------- */

/* Whether somebody waits who does not only look, and is not of the same choice. */
static bool anybody(const struct line *line, cress_case *self)
{
    const struct place *p = line_first(line);
    for (; p != NULL; p = p->node.next != &line->ring ? place_of(p->node.next) : NULL)
        if (p->c == NULL || (case_takes(p->c) && !own(p, self)))
            return true;
    return false;
}

static int happened(cress_case *c, int result)
{
    if (result == -EAGAIN || result == -EINVAL || result == -ENOMEM)
        return result == -EAGAIN ? 0 : result;
    c->result = result == MET ? 0 : result;
    return 1;
}

/* What a receive, a send would come to. */
static int recv_looks(const struct chan *c, cress_case *self)
{
    bool some = c->store.n > 0 || anybody(&c->senders, self);
    return some ? 0 : c->closed ? -EPIPE : -EAGAIN;
}

static int send_looks(const struct chan *c, cress_case *self)
{
    bool room = c->store.n < c->capacity || anybody(&c->receivers, self);
    return c->closed ? -EPIPE : room ? 0 : -EAGAIN;
}

static int recv_ready(cress_case *of, bool take)
{
    struct chan *c = of->object;
    int error = take && of->data == NULL ? -EINVAL : guard_enter(&c->guard);
    if (error < 0)
        return error;
    error = happened(of, take ? recv_now(c, of->data, of) : recv_looks(c, of));
    guard_leave(&c->guard);
    return error;
}

static int recv_links(cress_case *of)
{
    struct chan *c = of->object;
    int error = guard_enter(&c->guard);
    if (error < 0)
        return error;
    line_join_case(&c->receivers, &c->guard, of);
    if (guard_shared(&c->guard) && recv_looks(c, of) != -EAGAIN)
        cress_case_fire(of);
    guard_leave(&c->guard);
    return 0;
}

static void recv_unlinks(cress_case *of)
{
    struct chan *c = of->object;
    if (line_leave_case(&c->receivers, &c->guard, of) == 0)
        guard_leave(&c->guard);
}

cress_case cress_on_chan_recv(cress_chan *chan, void *item)
{
    static const cress_case_ops ops = { "channel", recv_ready, recv_links, recv_unlinks };
    return (cress_case){ .ops = chan != NULL ? &ops : NULL, .object = chan, .data = item };
}

static int send_ready(cress_case *of, bool take)
{
    struct chan *c = of->object;
    bool by_value = c->store.item_size != 0;
    int error = take && by_value && of->data == NULL ? -EINVAL : guard_enter(&c->guard);
    if (error < 0)
        return error;
    const void *bytes = by_value ? of->data : &of->data;
    error = happened(of, take ? send_now(c, bytes, of) : send_looks(c, of));
    guard_leave(&c->guard);
    return error;
}

static int send_links(cress_case *of)
{
    struct chan *c = of->object;
    int error = guard_enter(&c->guard);
    if (error < 0)
        return error;
    line_join_case(&c->senders, &c->guard, of);
    if (guard_shared(&c->guard) && send_looks(c, of) != -EAGAIN)
        cress_case_fire(of);
    guard_leave(&c->guard);
    return 0;
}

static void send_unlinks(cress_case *of)
{
    struct chan *c = of->object;
    if (line_leave_case(&c->senders, &c->guard, of) == 0)
        guard_leave(&c->guard);
}

cress_case cress_on_chan_send(cress_chan *chan, const void *item)
{
    static const cress_case_ops ops = { "channel", send_ready, send_links, send_unlinks };
    return (cress_case){ .ops = chan != NULL ? &ops : NULL,
                         .object = chan,
                         .data = (void *)(uintptr_t)item };
}
