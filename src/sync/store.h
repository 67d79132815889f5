/* store - the items of a queue or channel, without those who wait.
 *
 * A ring of slots, or for priorities a heap of them. A slot of a heap begins with the number of its
 * put, so that equal items come out in their order.
 *
 * (1) There is room for `room` items, and in a heap for one more beyond, to move things about.
 */
#ifndef CRESS_SYNC_STORE_H
#define CRESS_SYNC_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct store {
    char *slots;
    size_t room, n, first;
    size_t item_size;                             /* 0: pointers */
    int (*compare)(const void *a, const void *b); /* a heap */
    uint64_t puts;
    bool lifo;
};

/* Room for one more. 0; -ENOMEM, nothing is changed. */
int store_grow(struct store *s);
void store_heap_put(struct store *s, const void *bytes);
void store_heap_drop(struct store *s);
void store_done(struct store *s);

static inline size_t store_size(const struct store *s)
{
    return s->item_size != 0 ? s->item_size : sizeof(void *);
}

static inline void store_copy(const struct store *s, void *to, const void *from)
{
    if (s->item_size == 0)
        memcpy(to, from, sizeof(void *));
    else
        memcpy(to, from, s->item_size);
}

static inline int store_reserve(struct store *s)
{
    return s->n < s->room ? 0 : store_grow(s);
}

static inline char *store_slot(const struct store *s, size_t i)
{
    size_t at = s->first + i;
    return s->slots + (at < s->room ? at : at - s->room) * store_size(s);
}

/* There is room. */
static inline void store_put(struct store *s, const void *bytes)
{
    if (s->compare != NULL) {
        store_heap_put(s, bytes);
        return;
    }
    s->n++;
    store_copy(s, store_slot(s, s->n - 1), bytes);
}

/* The next one to come out, of at least one. */
static inline const char *store_next(const struct store *s)
{
    if (s->compare != NULL)
        return s->slots + sizeof(uint64_t);
    return store_slot(s, s->lifo ? s->n - 1 : 0);
}

/* It is gone. */
static inline void store_drop(struct store *s)
{
    if (s->compare != NULL) {
        store_heap_drop(s);
        return;
    }
    s->n--;
    if (!s->lifo && ++s->first == s->room)
        s->first = 0;
}

static inline void store_take(struct store *s, void *bytes)
{
    store_copy(s, bytes, store_next(s));
    store_drop(s);
}

/* What was taken comes back; there is room. */
static inline void store_put_back(struct store *s, const void *bytes)
{
    if (s->compare != NULL || s->lifo) {
        store_put(s, bytes);
        return;
    }
    s->first = s->first > 0 ? s->first - 1 : s->room - 1;
    s->n++;
    store_copy(s, store_slot(s, 0), bytes);
}

#endif
