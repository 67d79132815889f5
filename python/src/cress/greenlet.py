"""Greenlets: functions with a stack of their own, which switch to each other.

The interface is that of the package greenlet, whose documentation holds here too. Beyond it there
are stack_size() and trim(). To put this in the place of greenlet, see cress.install_as_greenlet();
for a whole program:

    python -m cress.greenlet [-m MODULE | PROGRAM] [ARGUMENT...]
"""

import gc as _gc

from . import _greenlet
from ._greenlet import (_C_API, GreenletExit, error, getcurrent, gettrace, greenlet, settrace,
                        stack_size, trim)

__all__ = ["GreenletExit", "error", "getcurrent", "gettrace", "greenlet", "settrace",
           "stack_size", "trim"]

# The version of greenlet whose interface this is.
__version__ = "3.1.1"

# What greenlet says of itself: all of these can be relied on.
GREENLET_USE_CONTEXT_VARS = True
GREENLET_USE_GC = True
GREENLET_USE_TRACING = True


def _after_collection(phase, info, rest=_greenlet._rest):
    if phase == "stop" and info["generation"] == 2:
        rest()


_gc.callbacks.append(_after_collection)


def _main():
    import os
    import runpy
    import sys

    import cress
    arguments = sys.argv[1:]
    if not arguments or arguments == ["-m"] or arguments[0] in ("-h", "--help"):
        sys.exit("usage: python -m cress.greenlet [-m MODULE | PROGRAM] [ARGUMENT...]")
    if arguments[0] != "-m": # which finds its modules from here on, as Python's own -m does
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
    cress.install_as_greenlet()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    _main()
