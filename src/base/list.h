/* list - an intrusive doubly linked ring with a head.
 *
 * A node that is in no list points to itself, so taking it out twice is harmless and "is it
 * linked?" needs no second field. A node of zeroes counts as unlinked too, because public objects
 * may be all-zero.
 */
#ifndef CRESS_BASE_LIST_H
#define CRESS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

/* Of a head: whether nothing is in it. */
static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Of a node. */
static inline bool list_linked(const struct list *node)
{
    return node->next != NULL && node->next != node;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}

/* At the end. */
static inline void list_push(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void list_remove(struct list *node)
{
    if (!list_linked(node))
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first, taken out; NULL from an empty list. */
static inline struct list *list_pop(struct list *head)
{
    struct list *node = head->next;
    if (node == head)
        return NULL;
    head->next = node->next;
    node->next->prev = head;
    list_init(node);
    return node;
}

/* Move all of from to the end of to. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
