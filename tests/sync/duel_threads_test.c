/* A thread waits and another one helps; neither has a hub. */
#include "sync/duel.h"

DUELS(false, false)
