#include "base/closed.h"

thread_local_fast unsigned cress__closed;
