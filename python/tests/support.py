"""What the tests share: scripts in a process of their own, and calls from other threads."""
import gc
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import threading
import unittest

from cress.greenlet import getcurrent, greenlet

HERE = os.path.dirname(os.path.abspath(__file__))
# Where the package is that is being tested.
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(sys.modules["cress"].__file__)))


def main_switch(*args):
    """Back to the parent of the greenlet that runs."""
    return getcurrent().parent.switch(*args)


def suspended(function=main_switch, *args):
    """A greenlet that has run up to its first switch."""
    g = greenlet(function)
    g.switch(*args)
    return g


def in_thread(function, *args):
    """Call it in a new thread, wait until that has ended; what it returned, or its exception."""
    outcome = []

    def run():
        try:
            outcome.append((True, function(*args)))
        except BaseException as error:
            outcome.append((False, error))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    if thread.is_alive():
        raise AssertionError("the thread did not end")
    fine, value = outcome.pop()
    if not fine:
        raise value
    return value


def cannot_compile():
    """Why no extension can be built here, or None."""
    if shutil.which(os.environ.get("CC", "cc")) is None:
        return "no C compiler"
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "no Python.h"
    return None


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        gc.collect()

    def script(self, text, *arguments, status=0, **environment):
        """Run a program in a process of its own; its standard output and standard error."""
        env = dict(os.environ, PYTHONPATH=SOURCE, PYTHONDONTWRITEBYTECODE="1")
        env.update(environment)
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(text), *arguments], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              universal_newlines=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout, done.stderr
