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
    struct guard guard;
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

static int enter(struct queue *q)
{
    return q != NULL ? guard_enter(&q->guard) : -EINVAL;
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
    *q = (struct queue){ .store = { .item_size = o.item_size,
                                    .compare = o.compare,
                                    .lifo = o.kind == CRESS_QUEUE_LIFO },
                         .max = o.max,
                         .drop = o.drop,
                         .joinable = o.joinable };
    guard_init(&q->guard, o.shared ? CRESS_SHARED : 0);
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
    if (guard_busy(&q->guard))
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
            line_settle(&q->putters, &q->guard, p, error);
        } else if (s->n > q->promised && (p = line_first(&q->getters)) != NULL) {
            if (p->c != NULL) {
                if (line_settle(&q->getters, &q->guard, p, 0))
                    store_take(s, p->c->data);
            } else if (p->kind == PEEK) {
                store_copy(s, p->item, store_next(s));
                line_settle(&q->getters, &q->guard, p, 0);
            } else {
                q->promised++;
                line_grant(&q->getters, &q->guard, p);
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

static void getter_dropped(struct waiting *w)
{
    struct queue *q = container_of(w->guard, struct queue, guard);
    if (w->place.granted && w->place.kind == SETTLED) {
        take_back(q, w->place.item);
    } else if (w->place.granted && w->place.kind == GET && w->place.error == 0) {
        q->promised--;
        serve(q);
    }
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
    line_leave(&q->getters, &q->guard, p);
    return has_room(q);
}

static int put_now(struct queue *q, const void *bytes)
{
    if (q->shut)
        return -EPIPE;
    if (!has_room(q) && !make_room(q))
        return -EAGAIN;
    int error = store_reserve(&q->store);
    if (error < 0)
        return error;
    store(q, bytes);
    if (q->getters.next != NULL)
        serve(q);
    return 0;
}

/* In the guard, and leaves it. Inlined, as all between the user and the switch (park.h). */
static always_inline int put_slowly(struct queue *q, const void *bytes, cress_time timeout)
{
    struct cress_hub *h;
    int error = line_enter(&q->guard, &h);
    if (error < 0)
        return error;
    if ((error = put_now(q, bytes)) == -EAGAIN) { /* else others have run */
        struct waiting w;
        waiting_init(&w, "putting into a queue", NULL);
        w.place.item = (void *)(uintptr_t)bytes;
        error = line_wait(&q->putters, &q->guard, &w, h, timeout);
        if (error == 0)
            error = w.place.error;
    }
    guard_leave(&q->guard);
    return error;
}

int cress_queue_put(cress_queue *public, const void *item, cress_time timeout)
{
    struct queue *q = inside(public);
    if (q == NULL || timeout < 0 || (item == NULL && q->store.item_size != 0))
        return -EINVAL;
    int error = guard_enter(&q->guard);
    if (error < 0)
        return error;
    const void *bytes = q->store.item_size != 0 ? item : &item;
    error = put_now(q, bytes);
    if (unlikely(error == -EAGAIN) && timeout > 0)
        return put_slowly(q, bytes, timeout);
    guard_leave(&q->guard);
    return error;
}

int cress_queue_try_put(cress_queue *queue, const void *item)
{
    return cress_queue_put(queue, item, 0);
}

/* --- getting --------------------------------------------------------------------------------- */

static int get_now(struct queue *q, void *bytes, enum kind kind)
{
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
    if (q->putters.next != NULL)
        serve(q);
    return 0;
}

/* Wait for an item, which may be given before its turn. */
static always_inline int get_in_line(struct queue *q, void *item, struct cress_hub *h,
                                     cress_time timeout, enum kind kind)
{
    struct waiting w;
    waiting_init(&w, "getting from a queue", getter_dropped);
    w.place.item = item;
    w.place.kind = (uint8_t)kind;
    int error = line_wait(&q->getters, &q->guard, &w, h, timeout);
    if (error < 0)
        return error;
    if (w.place.kind != GET || w.place.error < 0)
        return w.place.error;
    q->promised--;
    store_take(&q->store, item);
    serve(q);
    return 0;
}

/* In the guard, and leaves it. */
static always_inline int get_slowly(struct queue *q, void *item, cress_time timeout, enum kind kind)
{
    struct cress_hub *h;
    int error = line_enter(&q->guard, &h);
    if (error < 0)
        return error;
    if ((error = get_now(q, item, kind)) == -EAGAIN) /* else others have run */
        error = get_in_line(q, item, h, timeout, kind);
    guard_leave(&q->guard);
    return error;
}

static int get(cress_queue *public, void *item, cress_time timeout, enum kind kind)
{
    struct queue *q = inside(public);
    if (q == NULL || item == NULL || timeout < 0)
        return -EINVAL;
    int error = guard_enter(&q->guard);
    if (error < 0)
        return error;
    error = get_now(q, item, kind);
    if (unlikely(error == -EAGAIN) && timeout > 0)
        return get_slowly(q, item, timeout, kind);
    guard_leave(&q->guard);
    return error;
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
    struct queue *q = inside(public);
    if (q == NULL || (guard_shared(&q->guard) && guard_lock(&q->guard) < 0))
        return 0;
    size_t n = q->store.n;
    guard_leave(&q->guard);
    return n;
}

int cress_queue_resize(cress_queue *public, size_t max)
{
    struct queue *q = inside(public);
    int error = enter(q);
    if (error < 0)
        return error;
    q->max = max;
    serve(q);
    guard_leave(&q->guard);
    return 0;
}

int cress_queue_task_done(cress_queue *public)
{
    struct queue *q = inside(public);
    int error = enter(q);
    if (error < 0)
        return error;
    if (q->tasks == 0)
        error = -EINVAL;
    else if (--q->tasks == 0)
        line_grant_all(&q->joiners, &q->guard);
    guard_leave(&q->guard);
    return error;
}

int cress_queue_join(cress_queue *public, cress_time timeout)
{
    struct queue *q = inside(public);
    if (q == NULL || timeout < 0 || !q->joinable)
        return -EINVAL;
    int error = wait_begins();
    if (error < 0 || (error = guard_enter(&q->guard)) < 0)
        return error;
    struct cress_hub *h;
    if (q->tasks > 0 && timeout > 0) {
        if ((error = line_enter(&q->guard, &h)) < 0)
            return error;
        if (q->tasks > 0) { /* others may have run */
            struct waiting w;
            waiting_init(&w, "joining a queue", NULL);
            error = line_wait(&q->joiners, &q->guard, &w, h, timeout);
        }
    } else if (q->tasks > 0) {
        error = -EAGAIN;
    }
    guard_leave(&q->guard);
    return error;
}

int cress_queue_shutdown(cress_queue *public, bool now)
{
    struct queue *q = inside(public);
    int error = enter(q);
    if (error < 0)
        return error;
    q->shut = true;
    line_turn_away(&q->putters, &q->guard, -EPIPE);
    if (now) {
        while (q->promised > 0) {
            q->promised--;
            line_revoke(&q->getters);
        }
        empty(q);
        q->tasks = 0;
        line_grant_all(&q->joiners, &q->guard);
    }
    line_turn_away(&q->getters, &q->guard, -EPIPE);
    guard_leave(&q->guard);
    return 0;
}

/* --- as a case ------------------------------------------------------------------------------- */

/* What a get would come to. */
static int looks(const struct queue *q)
{
    return q->store.n > 0 ? 0 : q->shut ? -EPIPE : -EAGAIN;
}

static int case_ready(cress_case *c, bool take)
{
    struct queue *q = c->object;
    int error = take && c->data == NULL ? -EINVAL : guard_enter(&q->guard);
    if (error < 0)
        return error;
    c->result = take ? get_now(q, c->data, GET) : looks(q);
    guard_leave(&q->guard);
    return c->result != -EAGAIN;
}

static int case_links(cress_case *c)
{
    struct queue *q = c->object;
    int error = guard_enter(&q->guard);
    if (error < 0)
        return error;
    line_join_case(&q->getters, &q->guard, c);
    if (guard_shared(&q->guard) && looks(q) != -EAGAIN)
        cress_case_fire(c);
    guard_leave(&q->guard);
    return 0;
}

static void case_unlinks(cress_case *c)
{
    struct queue *q = c->object;
    if (line_leave_case(&q->getters, &q->guard, c) < 0)
        return;
    if (place_of_case(c)->granted && !c->ready && c->result == 0)
        take_back(q, c->data);
    guard_leave(&q->guard);
}

cress_case cress_on_queue(cress_queue *queue, void *item)
{
    static const cress_case_ops ops = { "queue", case_ready, case_links, case_unlinks };
    return (cress_case){ .ops = queue != NULL ? &ops : NULL, .object = queue, .data = item };
}
