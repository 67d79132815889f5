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

static int check(const struct chan *c)
{
    if (c == NULL)
        return -EINVAL;
    int error = line_check(&c->senders);
    return error == 0 ? line_check(&c->receivers) : error;
}

int cress_chan_init(cress_chan *public, size_t capacity, size_t item_size, unsigned flags)
{
    struct chan *c = inside(public);
    int error = c != NULL ? line_init_check(&c->senders, flags, 0) : -EINVAL;
    if (error < 0 || (error = line_init_check(&c->receivers, flags, 0)) < 0)
        return error;
    *c = (struct chan){ .store.item_size = item_size, .capacity = capacity };
    return 0;
}

int cress_chan_done(cress_chan *public)
{
    struct chan *c = inside(public);
    if (c == NULL)
        return 0;
    if (c->senders.hub != NULL || c->receivers.hub != NULL)
        return -EBUSY;
    store_done(&c->store);
    *c = (struct chan){ 0 };
    return 0;
}

size_t cress_chan_size(const cress_chan *public)
{
    return public != NULL ? inside(public)->store.n : 0;
}

int cress_chan_close(cress_chan *public)
{
    struct chan *c = inside(public);
    int error = check(c);
    if (error < 0)
        return error;
    c->closed = true;
    line_turn_away(&c->senders, -EPIPE);
    line_turn_away(&c->receivers, -EPIPE);
    return 0;
}

/* --- meeting --------------------------------------------------------------------------------- */

enum { MET = 1 };

/* Where a sender that waits has its item. */
static const void *item_of(const struct chan *c, const struct place *p)
{
    if (p->co != NULL)
        return p->item;
    return c->store.item_size != 0 ? p->c->data : &p->c->data;
}

/* The first in a line who really wants to has it. NULL: nobody. */
static struct place *meet(struct line *line)
{
    struct place *p;
    while ((p = line_first(line)) != NULL)
        if (line_settle(line, p, 0))
            return p;
    return NULL;
}

/* 0; MET, the other side will run; -EAGAIN; -EPIPE; -ENOMEM. */
static int send_now(struct chan *c, const void *bytes)
{
    int error = check(c);
    if (error < 0)
        return error;
    if (c->closed)
        return -EPIPE;
    struct place *p = meet(&c->receivers);
    if (p != NULL) {
        store_copy(&c->store, p->co != NULL ? p->item : p->c->data, bytes);
        return MET;
    }
    if (c->store.n >= c->capacity)
        return -EAGAIN;
    if ((error = store_reserve(&c->store)) == 0)
        store_put(&c->store, bytes);
    return error;
}

static int recv_now(struct chan *c, void *bytes)
{
    int error = check(c);
    if (error < 0)
        return error;
    bool buffered = c->store.n > 0;
    if (buffered)
        store_take(&c->store, bytes);
    struct place *p = meet(&c->senders);
    if (p != NULL && buffered)
        store_put(&c->store, item_of(c, p)); /* where one has just been taken */
    else if (p != NULL)
        store_copy(&c->store, bytes, item_of(c, p));
    if (buffered)
        return 0;
    return p != NULL ? MET : c->closed ? -EPIPE : -EAGAIN;
}

/* Both sides let others run when they meet: the receiver stands in line before the sender, which is
 * the last one if it has just been woken. */
static void let_others_run(bool receiver)
{
    struct cress_hub *h = hub_current();
    if (closed())
        return;
    cress_coro *self = h->thread->current;
    struct runnode *head = &h->loop.ready.head;
    runq_insert(receiver ? head->prev : head, &self->node);
    hub_switch(h, self);
}

static void dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    struct chan *c = w->object;
    line_leave(w->place.kind ? &c->receivers : &c->senders, &w->place);
}

int cress_chan_send(cress_chan *public, const void *item, cress_time timeout)
{
    struct chan *c = inside(public);
    if (c == NULL || timeout < 0 || (item == NULL && c->store.item_size != 0))
        return -EINVAL;
    const void *bytes = c->store.item_size != 0 ? item : &item;
    int error = send_now(c, bytes);
    if (error == -EAGAIN && timeout > 0) {
        struct cress_hub *h;
        if ((error = line_enter(&c->senders, &h)) < 0)
            return error;
        if ((error = send_now(c, bytes)) == -EAGAIN) { /* others may have run */
            struct waiting w;
            waiting_init(&w, c, "sending to a channel", dropped);
            w.place.item = (void *)(uintptr_t)bytes;
            error = line_wait(&c->senders, &w, h, timeout);
            return error < 0 ? error : w.place.error;
        }
    }
    if (error == MET && timeout > 0 && c->capacity == 0)
        let_others_run(false);
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
    int error = recv_now(c, item);
    if (error == -EAGAIN && timeout > 0) {
        struct cress_hub *h;
        if ((error = line_enter(&c->receivers, &h)) < 0)
            return error;
        if ((error = recv_now(c, item)) == -EAGAIN) { /* others may have run */
            struct waiting w;
            waiting_init(&w, c, "receiving from a channel", dropped);
            w.place.item = item;
            w.place.kind = 1;
            error = line_wait(&c->receivers, &w, h, timeout);
            return error < 0 ? error : w.place.error;
        }
    }
    if (error == MET && timeout > 0 && c->capacity == 0)
        let_others_run(true);
    return error < 0 ? error : 0;
}

int cress_chan_try_recv(cress_chan *chan, void *item)
{
    return cress_chan_recv(chan, item, 0);
}

/* --- as cases -------------------------------------------------------------------------------- */

/* Whether somebody waits who does not only look. */
static bool anybody(const struct line *line)
{
    const struct place *p = line_first(line);
    for (; p != NULL; p = p->node.next != &line->ring ? place_of(p->node.next) : NULL)
        if (p->co != NULL || case_takes(p->c))
            return true;
    return false;
}

static int happened(cress_case *c, int result)
{
    if (result == -EAGAIN || result == -EINVAL || result == -EXDEV || result == -ENOMEM)
        return result == -EAGAIN ? 0 : result;
    c->result = result == MET ? 0 : result;
    return 1;
}

static int recv_ready(cress_case *of, bool take)
{
    struct chan *c = of->object;
    if (take)
        return happened(of, of->data != NULL ? recv_now(c, of->data) : -EINVAL);
    int error = check(c);
    if (error < 0)
        return error;
    bool some = c->store.n > 0 || anybody(&c->senders);
    return happened(of, some ? 0 : c->closed ? -EPIPE : -EAGAIN);
}

static int recv_links(cress_case *c)
{
    line_join_case(&((struct chan *)c->object)->receivers, c);
    return 0;
}

static void recv_unlinks(cress_case *c)
{
    line_leave(&((struct chan *)c->object)->receivers, place_of_case(c));
}

cress_case cress_on_chan_recv(cress_chan *chan, void *item)
{
    static const cress_case_ops ops = { "channel", recv_ready, recv_links, recv_unlinks };
    return (cress_case){ .ops = chan != NULL ? &ops : NULL, .object = chan, .data = item };
}

static int send_ready(cress_case *of, bool take)
{
    struct chan *c = of->object;
    if (take && of->data == NULL && c->store.item_size != 0)
        return -EINVAL;
    if (take)
        return happened(of, send_now(c, c->store.item_size != 0 ? of->data : &of->data));
    int error = check(c);
    if (error < 0)
        return error;
    bool room = c->store.n < c->capacity || anybody(&c->receivers);
    return happened(of, c->closed ? -EPIPE : room ? 0 : -EAGAIN);
}

static int send_links(cress_case *c)
{
    line_join_case(&((struct chan *)c->object)->senders, c);
    return 0;
}

static void send_unlinks(cress_case *c)
{
    line_leave(&((struct chan *)c->object)->senders, place_of_case(c));
}

cress_case cress_on_chan_send(cress_chan *chan, const void *item)
{
    static const cress_case_ops ops = { "channel", send_ready, send_links, send_unlinks };
    return (cress_case){ .ops = chan != NULL ? &ops : NULL,
                         .object = chan,
                         .data = (void *)(uintptr_t)item };
}
