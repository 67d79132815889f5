/* The intrusive list. */
#include "base/list.h"

#include "support/test.h"

static size_t length(const struct list *head)
{
    size_t n = 0;
    for (const struct list *l = head->next; l != head; l = l->next) {
        CHECK_EQ(l->next->prev, l);
        CHECK_EQ(l->prev->next, l);
        n++;
    }
    return n;
}

static void first_in_is_first_out(void **state)
{
    (void)state;
    struct list head, node[3];
    list_init(&head);
    CHECK(list_empty(&head));
    CHECK_EQ(list_pop(&head), NULL);
    for (int i = 0; i < 3; i++) {
        list_init(&node[i]);
        CHECK(!list_linked(&node[i]));
        list_push(&head, &node[i]);
        CHECK(list_linked(&node[i]));
    }
    CHECK_EQ(length(&head), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(list_pop(&head), &node[i]);
        CHECK(!list_linked(&node[i]));
    }
    CHECK(list_empty(&head));
}

static void taking_out_twice_or_never_linked_is_harmless(void **state)
{
    (void)state;
    struct list head, zero = { NULL, NULL }, node[2];
    list_init(&head);
    CHECK(!list_linked(&zero));
    list_remove(&zero);
    for (int i = 0; i < 2; i++)
        list_push(&head, &node[i]);
    list_remove(&node[0]);
    CHECK(!list_linked(&node[0]));
    list_remove(&node[0]);
    CHECK_EQ(length(&head), 1);
    CHECK_EQ(head.next, &node[1]);
    list_insert_before(&node[1], &node[0]);
    CHECK_EQ(head.next, &node[0]);
    CHECK_EQ(length(&head), 2);
}

static void splicing_moves_all_in_order(void **state)
{
    (void)state;
    struct list a, b, node[4];
    list_init(&a);
    list_init(&b);
    list_splice(&a, &b); /* nothing */
    CHECK(list_empty(&a));
    for (int i = 0; i < 4; i++)
        list_push(i < 2 ? &a : &b, &node[i]);
    list_splice(&a, &b);
    CHECK(list_empty(&b));
    CHECK_EQ(length(&a), 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(list_pop(&a), &node[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_is_first_out),
        cmocka_unit_test(taking_out_twice_or_never_linked_is_harmless),
        cmocka_unit_test(splicing_moves_all_in_order),
    };
    return RUN_TESTS(tests);
}
