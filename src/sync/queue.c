/* queue - items handed from those who put to those who get.
 *
 * A getter that waits is granted the promise of an item when there is one more than is promised,
 * and takes the best at its turn; a promise can be revoked by whoever barges in, as with a
 * semaphore. A putter that waits is let in as soon as there is room.
 *
 * (1) `promised` counts the granted places among the getters; it is at most the number of items.
 * (2) While more items are there than promised, nobody waits to get; while there is room, nobody
 *     waits to put.
 * (3) A getter that is SETTLED was given its item before its turn.
 */
#include "base/options.h"
#include "sync/line.h"
#include "sync/store.h"

#include <cress/queue.h>

enum kind { GET, PEEK, SETTLED };

struct queue {
    struct line getters, putters, joiners;
    struct store store;
    size_t max;
    size_t promised;
    size_t tasks;
    void (*drop)(void *item);
    bool joinable, shut;
};
_Static_assert(sizeof(struct queue) <= sizeof(cress_queue), "cress_queue is too small");

static struct queue *inside(const cress_queue *q)
{
    return (struct queue *)(uintptr_t)q;
}

static int check(const struct queue *q)
{
    if (q == NULL)
        return -EINVAL;
    int error = line_check(&q->getters);
    if (error == 0)
        error = line_check(&q->putters);
    return error == 0 ? line_check(&q->joiners) : error;
}

static bool busy(const struct queue *q)
{
    return q->getters.hub != NULL || q->putters.hub != NULL || q->joiners.hub != NULL;
}

int cress_queue_init(cress_queue *public, const cress_queue_options *options)
{
    cress_queue_options o = CRESS_QUEUE_OPTIONS_INIT;
    struct queue *q = inside(public);
    if (q == NULL || options_take(&o, sizeof o, options) < 0 || o.kind > CRESS_QUEUE_SIMPLE)
        return -EINVAL;
    if ((o.kind == CRESS_QUEUE_PRIORITY) != (o.compare != NULL) ||
        (o.kind == CRESS_QUEUE_SIMPLE && (o.max > 0 || o.joinable)))
        return -EINVAL;
    if (o.shared)
        return -ENOTSUP;
    if (busy(q))
        return -EBUSY;
    *q = (struct queue){ .store = { .item_size = o.item_size,
                                    .compare = o.compare,
                                    .lifo = o.kind == CRESS_QUEUE_LIFO },
                         .max = o.max,
                         .drop = o.drop,
                         .joinable = o.joinable };
    return 0;
}

/* Throw all items away. */
static void empty(struct queue *q)
{
    struct store *s = &q->store;
    cress__closed += q->drop != NULL;
    while (q->drop != NULL && s->n > 0) {
        void *item = (void *)(uintptr_t)store_next(s);
        if (s->item_size == 0)
            memcpy(&item, item, sizeof item);
        q->drop(item);
        store_drop(s);
    }
    cress__closed -= q->drop != NULL;
    s->n = 0;
}

int cress_queue_done(cress_queue *public)
{
    struct queue *q = inside(public);
    if (q == NULL)
        return 0;
    if (busy(q))
        return -EBUSY;
    empty(q);
    store_done(&q->store);
    *q = (struct queue){ 0 };
    return 0;
}

/* --- serving those who wait ------------------------------------------------------------------ */

static bool has_room(const struct queue *q)
{
    return q->max == 0 || q->store.n < q->max;
}

static void store(struct queue *q, const void *bytes)
{
    store_put(&q->store, bytes);
    q->tasks += q->joinable;
}

static void serve(struct queue *q)
{
    struct store *s = &q->store;
    struct place *p;
    for (;;) {
        if (has_room(q) && (p = line_first(&q->putters)) != NULL) {
            int error = store_reserve(s);
            if (error == 0)
                store(q, p->item);
            line_settle(&q->putters, p, error);
        } else if (s->n > q->promised && (p = line_first(&q->getters)) != NULL) {
            if (p->co == NULL) {
                if (line_settle(&q->getters, p, 0))
                    store_take(s, p->c->data);
            } else if (p->kind == PEEK) {
                store_copy(s, p->item, store_next(s));
                line_settle(&q->getters, p, 0);
            } else {
                q->promised++;
                line_grant(&q->getters, p);
            }
        } else {
            return;
        }
    }
}

/* What was taken for somebody who will not run. */
static void take_back(struct queue *q, const void *bytes)
{
    if (!q->shut && store_reserve(&q->store) == 0)
        store_put_back(&q->store, bytes);
    serve(q);
}

static void getter_dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    struct queue *q = w->object;
    line_leave(&q->getters, &w->place);
    if (!w->place.granted)
        return;
    if (w->place.kind == GET && w->place.error == 0) {
        q->promised--;
        serve(q);
    } else if (w->place.kind == SETTLED) {
        take_back(q, w->place.item);
    }
}

static void putter_dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    line_leave(&((struct queue *)w->object)->putters, &w->place);
}

static void joiner_dropped(const struct wait_info *info)
{
    struct waiting *w = waiting_of(info);
    line_leave(&((struct queue *)w->object)->joiners, &w->place);
}

/* --- putting --------------------------------------------------------------------------------- */

/* Of a full queue, the first who was promised an item takes it now. */
static bool make_room(struct queue *q)
{
    if (q->promised == 0)
        return false;
    struct place *p = place_of(q->getters.ring.next);
    q->promised--;
    p->kind = SETTLED;
    store_take(&q->store, p->item);
    line_leave(&q->getters, p);
    return has_room(q);
}

static int put_now(struct queue *q, const void *bytes)
{
    int error = check(q);
    if (error < 0)
        return error;
    if (q->shut)
        return -EPIPE;
    if (!has_room(q) && !make_room(q))
        return -EAGAIN;
    if ((error = store_reserve(&q->store)) < 0)
        return error;
    store(q, bytes);
    if (q->getters.hub != NULL)
        serve(q);
    return 0;
}

int cress_queue_put(cress_queue *public, const void *item, cress_time timeout)
{
    struct queue *q = inside(public);
    if (q == NULL || timeout < 0 || (item == NULL && q->store.item_size != 0))
        return -EINVAL;
    const void *bytes = q->store.item_size != 0 ? item : &item;
    int error = put_now(q, bytes);
    if (likely(error != -EAGAIN) || timeout == 0)
        return error;
    struct cress_hub *h;
    if ((error = line_enter(&q->putters, &h)) < 0)
        return error;
    if ((error = put_now(q, bytes)) != -EAGAIN) /* others have run */
        return error;
    struct waiting w;
    waiting_init(&w, q, "putting into a queue", putter_dropped);
    w.place.item = (void *)(uintptr_t)bytes;
    error = line_wait(&q->putters, &w, h, timeout);
    return error < 0 ? error : w.place.error;
}

int cress_queue_try_put(cress_queue *queue, const void *item)
{
    return cress_queue_put(queue, item, 0);
}

/* --- getting --------------------------------------------------------------------------------- */

static int get_now(struct queue *q, void *bytes, enum kind kind)
{
    int error = check(q);
    if (error < 0)
        return error;
    if (q->store.n == 0)
        return q->shut ? -EPIPE : -EAGAIN;
    if (kind == PEEK) {
        store_copy(&q->store, bytes, store_next(&q->store));
        return 0;
    }
    if (q->store.n == q->promised) {
        q->promised--;
        line_revoke(&q->getters);
    }
    store_take(&q->store, bytes);
    if (q->putters.hub != NULL)
        serve(q);
    return 0;
}

static int get(cress_queue *public, void *item, cress_time timeout, enum kind kind)
{
    struct queue *q = inside(public);
    if (q == NULL || item == NULL || timeout < 0)
        return -EINVAL;
    int error = get_now(q, item, kind);
    if (likely(error != -EAGAIN) || timeout == 0)
        return error;
    struct cress_hub *h;
    if ((error = line_enter(&q->getters, &h)) < 0)
        return error;
    if ((error = get_now(q, item, kind)) != -EAGAIN) /* others have run */
        return error;
    struct waiting w;
    waiting_init(&w, q, "getting from a queue", getter_dropped);
    w.place.item = item;
    w.place.kind = (uint8_t)kind;
    if ((error = line_wait(&q->getters, &w, h, timeout)) < 0)
        return error;
    if (w.place.kind != GET || w.place.error < 0)
        return w.place.error;
    q->promised--;
    store_take(&q->store, item);
    serve(q);
    return 0;
}

int cress_queue_get(cress_queue *queue, void *item, cress_time timeout)
{
    return get(queue, item, timeout, GET);
}

int cress_queue_try_get(cress_queue *queue, void *item)
{
    return get(queue, item, 0, GET);
}

int cress_queue_peek(cress_queue *queue, void *item, cress_time timeout)
{
    return get(queue, item, timeout, PEEK);
}

/* --- the rest -------------------------------------------------------------------------------- */

size_t cress_queue_size(const cress_queue *public)
{
    return public != NULL ? inside(public)->store.n : 0;
}

int cress_queue_resize(cress_queue *public, size_t max)
{
    struct queue *q = inside(public);
    int error = check(q);
    if (error < 0)
        return error;
    q->max = max;
    serve(q);
    return 0;
}

int cress_queue_task_done(cress_queue *public)
{
    struct queue *q = inside(public);
    int error = check(q);
    if (error < 0)
        return error;
    if (q->tasks == 0)
        return -EINVAL;
    if (--q->tasks == 0)
        line_grant_all(&q->joiners);
    return 0;
}

int cress_queue_join(cress_queue *public, cress_time timeout)
{
    struct queue *q = inside(public);
    if (q == NULL || timeout < 0 || !q->joinable)
        return -EINVAL;
    int error = wait_begins();
    if (error < 0 || (error = check(q)) < 0)
        return error;
    if (q->tasks == 0)
        return 0;
    if (timeout == 0)
        return -EAGAIN;
    struct cress_hub *h;
    if ((error = line_enter(&q->joiners, &h)) < 0)
        return error;
    struct waiting w;
    waiting_init(&w, q, "joining a queue", joiner_dropped);
    return line_wait(&q->joiners, &w, h, timeout);
}

int cress_queue_shutdown(cress_queue *public, bool now)
{
    struct queue *q = inside(public);
    int error = check(q);
    if (error < 0)
        return error;
    q->shut = true;
    line_turn_away(&q->putters, -EPIPE);
    if (now) {
        while (q->promised > 0) {
            q->promised--;
            line_revoke(&q->getters);
        }
        empty(q);
        q->tasks = 0;
        line_grant_all(&q->joiners);
    }
    line_turn_away(&q->getters, -EPIPE);
    return 0;
}

/* --- as a case ------------------------------------------------------------------------------- */

static int case_ready(cress_case *c, bool take)
{
    struct queue *q = c->object;
    int error = take && c->data == NULL ? -EINVAL : check(q);
    if (error < 0)
        return error;
    if (!take)
        error = q->store.n > 0 ? 0 : q->shut ? -EPIPE : -EAGAIN;
    else
        error = get_now(q, c->data, GET);
    c->result = error;
    return error != -EAGAIN;
}

static int case_links(cress_case *c)
{
    line_join_case(&((struct queue *)c->object)->getters, c);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    struct queue *q = c->object;
    line_leave(&q->getters, place_of_case(c));
    if (place_of_case(c)->granted && !c->ready && c->result == 0)
        take_back(q, c->data);
}

cress_case cress_on_queue(cress_queue *queue, void *item)
{
    static const cress_case_ops ops = { "queue", case_ready, case_links, case_unlinks };
    return (cress_case){ .ops = queue != NULL ? &ops : NULL, .object = queue, .data = item };
}
