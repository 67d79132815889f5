#include "hub/lent.h"

#include "hub/scope.h"

static void back(struct errand *errand)
{
    struct lent *lent = container_of(errand, struct lent, errand);
    lent->done = true;
    if (lent->co != NULL)
        hub_grant(errand->hub, lent->co);
    else if (lent->over != NULL)
        lent->over(lent);
}

static bool take_back(struct lent *lent)
{
    if (!lent->take_back(lent))
        return false;
    errand_end(&lent->errand);
    return true;
}

static void dropped(const struct wait_info *info)
{
    struct lent *lent = container_of((struct wait_info *)(uintptr_t)info, struct lent, info);
    lent->co = NULL;
    if (!lent->done && !take_back(lent))
        return; /* (3) */
    if (lent->over != NULL)
        lent->over(lent);
}

static void lost(struct errand *errand, bool in_child)
{
    struct lent *lent = container_of(errand, struct lent, errand);
    invariant(in_child && lent->co == NULL);
    (void)in_child;
    if (lent->over != NULL)
        lent->over(lent);
}

void lent_begin(struct lent *lent, struct cress_hub *h, const char *what)
{
    lent->co = h->thread->current;
    lent->done = false;
    lent->info = (struct wait_info){ .what = what, .unlink = dropped };
    lent->errand.lent = true;
    lent->errand.back = back;
    lent->errand.lost = lost;
    errand_begin(&lent->errand, h, !lent->uncounted && !(lent->co->flags & CORO_DAEMON));
}

void lent_undo(struct lent *lent)
{
    errand_end(&lent->errand);
}

int lent_wait(struct lent *lent, struct cress_hub *h)
{
    cress_coro *self = lent->co;
    hub_park_untold(h, self, &lent->info);
    if (likely(lent->done))
        return 0;
    if (take_back(lent))
        return scope_woken(self);
    lent->info.firm = true; /* (2) */
    while (!lent->done)
        hub_park_untold(h, self, &lent->info);
    return 0;
}
