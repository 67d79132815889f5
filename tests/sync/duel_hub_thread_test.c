/* A hub waits, and a thread without one helps. */
#include "sync/duel.h"

DUELS(true, false)
