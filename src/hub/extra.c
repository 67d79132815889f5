#include "hub/extra.h"

#include "hub/park.h"

noinline struct hub_extra *extra_make(cress_coro *co)
{
    struct hub_extra *x = blocks_get(&co->thread->hub_extras);
    if (x == NULL)
        return NULL;
    *x = (struct hub_extra){ .co = co };
    timer_init(&x->timer, park_time_out); /* (1) */
    return co->extra = x;
}

void extra_drop(cress_coro *co)
{
    extra_end_locals(co->extra, true);
    blocks_put(&co->thread->hub_extras, co->extra);
    co->extra = NULL;
}
