"""cress.greenlet under the name greenlet: see cress.install_as_greenlet()."""

from cress.greenlet import *  # noqa: F401,F403
from cress.greenlet import (_C_API, GREENLET_USE_CONTEXT_VARS, GREENLET_USE_GC,  # noqa: F401
                            GREENLET_USE_TRACING, __version__)

from ._greenlet import (CLOCKS_PER_SEC, enable_optional_cleanup,  # noqa: F401
                        get_clocks_used_doing_optional_cleanup)

__all__ = ["__version__", "_C_API", "GreenletExit", "error", "getcurrent", "greenlet", "gettrace",
           "settrace"]
