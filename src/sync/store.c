#include "sync/store.h"

#include "base/alloc.h"

#include <errno.h>

enum { FIRST_ROOM = 8 };

static size_t slot_size(const struct store *s)
{
    return store_size(s) + (s->compare != NULL ? sizeof(uint64_t) : 0);
}

int store_grow(struct store *s)
{
    size_t room = s->room > 0 ? 2 * s->room : FIRST_ROOM, slot = slot_size(s);
    if (room > SIZE_MAX / 2 / slot)
        return -ENOMEM;
    char *slots = cress__malloc((room + 1) * slot); /* (1) */
    if (slots == NULL)
        return -ENOMEM;
    size_t before_end = s->n < s->room - s->first ? s->n : s->room - s->first;
    if (s->n > 0) {
        memcpy(slots, s->slots + s->first * slot, before_end * slot);
        memcpy(slots + before_end * slot, s->slots, (s->n - before_end) * slot);
    }
    cress__free(s->slots);
    s->slots = slots;
    s->room = room;
    s->first = 0;
    return 0;
}

void store_done(struct store *s)
{
    cress__free(s->slots);
    s->slots = NULL;
    s->room = s->n = s->first = 0;
}

/* --- the heap -------------------------------------------------------------------------------- */

static char *at(const struct store *s, size_t i)
{
    return s->slots + i * slot_size(s);
}

static void move(const struct store *s, size_t to, size_t from)
{
    memcpy(at(s, to), at(s, from), slot_size(s));
}

static const void *item(const struct store *s, size_t i)
{
    const char *bytes = at(s, i) + sizeof(uint64_t);
    const void *pointer;
    if (s->item_size != 0)
        return bytes;
    memcpy(&pointer, bytes, sizeof pointer);
    return pointer;
}

static bool before(const struct store *s, size_t a, size_t b)
{
    int order = s->compare(item(s, a), item(s, b));
    uint64_t put_a, put_b;
    memcpy(&put_a, at(s, a), sizeof put_a);
    memcpy(&put_b, at(s, b), sizeof put_b);
    return order != 0 ? order < 0 : put_a < put_b;
}

void store_heap_put(struct store *s, const void *bytes)
{
    size_t spare = s->room, i = s->n++;
    s->puts++;
    memcpy(at(s, spare), &s->puts, sizeof s->puts);
    store_copy(s, at(s, spare) + sizeof s->puts, bytes);
    for (size_t parent; i > 0 && before(s, spare, parent = (i - 1) / 2); i = parent)
        move(s, i, parent);
    move(s, i, spare);
}

void store_heap_drop(struct store *s)
{
    size_t last = --s->n, i = 0;
    for (size_t child; (child = 2 * i + 1) < s->n; i = child) {
        if (child + 1 < s->n && before(s, child + 1, child))
            child++;
        if (!before(s, child, last))
            break;
        move(s, i, child);
    }
    move(s, i, last);
}
