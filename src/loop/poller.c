#include "loop/poller.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct poller_ops *const pollers[] = { &poller_epoll, &poller_poll };

const struct poller_ops *poller_by_name(const char *name)
{
    if (name == NULL)
        name = secure_getenv("CRESS_POLLER");
    if (name == NULL || *name == '\0')
        return pollers[0];
    for (size_t i = 0; i < sizeof pollers / sizeof *pollers; i++)
        if (strcmp(pollers[i]->name, name) == 0)
            return pollers[i];
    return NULL;
}
