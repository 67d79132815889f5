/* A thread without a hub waits, and a hub helps. */
#include "sync/duel.h"

DUELS(false, true)
