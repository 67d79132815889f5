/* slot - small numbers for greenlets, the lowest free one first.
 *
 * Given when first asked for, so that those who never ask do not pay. A bit for each in use.
 */
#include "base/alloc.h"
#include "hub/extra.h"
#include "hub/hub.h"
#include "hub/park.h"

uint32_t cress_slot(cress_greenlet *g)
{
    if (g == NULL)
        return UINT32_MAX;
    cress_coro *co = greenlet_any_coro(g);
    if (greenlet_is_shared(g) && (co->thread != cress__thread || co->state == CORO_ENDED))
        return UINT32_MAX;
    struct hub_extra *x = co->extra;
    if (x != NULL && x->slot != 0)
        return x->slot - 1;
    struct cress_hub *h = co->thread->hub;
    if (h == NULL || g->id < h->main.id) /* its hub has ended: nobody to be told apart from */
        return UINT32_MAX;
    if ((x = extra_get(co)) == NULL)
        return UINT32_MAX;
    size_t word = 0;
    while (word < h->n_slots && h->slots[word] == UINT64_MAX)
        word++;
    if (word == h->n_slots) {
        size_t n = h->n_slots == 0 ? 4 : h->n_slots * 2;
        uint64_t *slots = cress__realloc(h->slots, n * sizeof *slots);
        if (slots == NULL)
            return UINT32_MAX;
        for (size_t i = h->n_slots; i < n; i++)
            slots[i] = 0;
        h->slots = slots;
        h->n_slots = n;
    }
    int bit = __builtin_ctzll(~h->slots[word]);
    h->slots[word] |= (uint64_t)1 << bit;
    x->slot = (uint32_t)word * 64 + (uint32_t)bit + 1;
    return x->slot - 1;
}

void slot_release(struct cress_hub *h, uint32_t slot)
{
    slot--;
    if (slot / 64 < h->n_slots)
        h->slots[slot / 64] &= ~((uint64_t)1 << slot % 64);
}
