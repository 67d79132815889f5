"""Green threads for Python: see cress.greenlet."""

import os
import sys

__all__ = ["install_as_greenlet"]


def install_as_greenlet():
    """Make ``import greenlet`` mean cress.greenlet, in this process.

    To be called before anything has imported greenlet, which is refused afterwards: two kinds of
    greenlets cannot switch to each other. Extensions compiled against greenlet.h and
    importlib.metadata find it too. Programs that cannot call this are started by
    ``python -m cress.greenlet PROGRAM``, or with CRESS_AS_GREENLET=1 in the environment.
    """
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_as_greenlet")
    known = sys.modules.get("greenlet")
    if known is not None and not (getattr(known, "__file__", None) or "").startswith(folder):
        raise ImportError("install_as_greenlet() comes too late: another greenlet is imported, "
                          f"from {getattr(known, '__file__', None)}")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import greenlet  # noqa: F401  so that whatever happens to sys.path later, this one is known
