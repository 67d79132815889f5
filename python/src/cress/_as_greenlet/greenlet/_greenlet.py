"""What greenlet._greenlet has beside the public names, as far as it means anything here."""

from cress._greenlet import (_C_API, GreenletExit, error, getcurrent, gettrace,  # noqa: F401
                             greenlet, settrace)
from cress._greenlet import _threads as get_total_main_greenlets  # noqa: F401
from cress.greenlet import (GREENLET_USE_CONTEXT_VARS, GREENLET_USE_GC,  # noqa: F401
                            GREENLET_USE_TRACING)

GREENLET_USE_STANDARD_THREADING = True
CLOCKS_PER_SEC = 1000000


# greenlet looks for frames that nobody refers to by itself, and says how long that took. Here the
# garbage collector finds them.

def enable_optional_cleanup(flag):
    return bool(flag)


def get_clocks_used_doing_optional_cleanup():
    return 0


def get_pending_cleanup_count():
    return 0
