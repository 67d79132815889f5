/* A greenlet of one hub waits, and another hub helps. */
#include "sync/duel.h"

DUELS(true, true)
