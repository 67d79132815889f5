/* pool_imap - results as they come, from a pool of ten; with equal delays in the order of the
 * items. */
#include <cress.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *sleeps(void *n)
{
    cress_sleep(CRESS_MS(1));
    return n;
}

static int next_number(void *arg, void **item)
{
    intptr_t *next = arg;
    *item = (void *)*next;
    return (*next)++ < 10;
}

static void run(cress_pool *pool, int order[10])
{
    cress_imap it;
    cress_imap_options o = CRESS_IMAP_OPTIONS_INIT;
    intptr_t next = 0;
    void *value;
    o.unordered = true;
    if (cress_imap_init(&it, pool, sleeps, next_number, &next, &o) < 0)
        return;
    for (int i = 0; i < 10 && cress_imap_next(&it, CRESS_FOREVER, &value, NULL) == 0; i++)
        order[i] = (int)(intptr_t)value;
    cress_imap_done(&it);
}

int main(void)
{
    static int orders[4][10];
    cress_pool pool = { { 0 } };
    cress_pool_init(&pool, 10, 0);
    for (int i = 0; i < 4; i++)
        run(&pool, orders[i]);
    bool equal = true;
    for (int i = 1; i < 4; i++)
        equal &= memcmp(orders[0], orders[i], sizeof orders[0]) == 0;
    for (int i = 0; i < 10; i++)
        printf("%d%s", orders[0][i], i < 9 ? " " : "\n");
    puts(equal ? "four times the same" : "not always the same");
    cress_group_join(&pool, CRESS_FOREVER);
    return cress_group_done(&pool);
}
