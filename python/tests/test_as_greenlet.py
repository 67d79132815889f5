"""cress.greenlet in the place of greenlet: for programs, their metadata, their extensions."""
import os
import subprocess
import sys
import sysconfig
import tempfile
import unittest

from support import HERE, SOURCE, Case, cannot_compile

FACTS = """
import greenlet
print(greenlet.greenlet.__module__, greenlet.__version__, greenlet.getcurrent().dead)
import cress.greenlet
assert greenlet.greenlet is cress.greenlet.greenlet
from greenlet._greenlet import greenlet as inner, get_total_main_greenlets
assert inner is cress.greenlet.greenlet and get_total_main_greenlets() == 1
from importlib.metadata import version
assert version("greenlet") == greenlet.__version__, version("greenlet")
"""


class InTheProcess(Case):
    def test_install_puts_it_under_the_name(self):
        out, _ = self.script("import cress; cress.install_as_greenlet()\n"
                             "cress.install_as_greenlet()\n" + FACTS)
        self.assertEqual(out, "greenlet 3.1.1 False\n")

    def test_it_comes_before_a_real_one_that_is_installed(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "greenlet.py"), "w") as file:
                file.write("__version__ = 'other'\n")
            self.script("import cress; cress.install_as_greenlet()\n" + FACTS,
                        PYTHONPATH=folder + os.pathsep + SOURCE)
            _, errors = self.script("import greenlet, cress; cress.install_as_greenlet()\n",
                                    PYTHONPATH=folder + os.pathsep + SOURCE, status=1)
        self.assertIn("install_as_greenlet() comes too late", errors)

    def test_cress_alone_leaves_the_name_alone(self):
        self.script("import sys, cress, cress.greenlet; assert 'greenlet' not in sys.modules")


class OtherPrograms(Case):
    def run_module(self, *arguments):
        env = dict(os.environ, PYTHONPATH=SOURCE, PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.run([sys.executable, "-m", "cress.greenlet", *arguments], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              universal_newlines=True, check=False)
        return done.returncode, done.stdout

    def test_a_program_is_run_with_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program.py")
            with open(os.path.join(folder, "beside.py"), "w") as file:
                file.write("x = 5\n")
            with open(path, "w") as file:
                file.write(FACTS + "import sys, beside; print(sys.argv[1:], beside.x, __name__)\n")
            status, out = self.run_module(path, "a", "-b")
        self.assertEqual((status, out), (0, "greenlet 3.1.1 False\n['a', '-b'] 5 __main__\n"))

    def test_a_module_is_run_with_it(self):
        status, out = self.run_module("-m", "platform", "--terse")
        self.assertEqual(status, 0, out)

    def test_the_status_is_the_programs(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program.py")
            with open(path, "w") as file:
                file.write("import sys; sys.exit(3)\n")
            self.assertEqual(self.run_module(path), (3, ""))

    def test_without_a_program_it_says_how(self):
        for arguments in ((), ("-m",), ("--help",)):
            status, out = self.run_module(*arguments)
            self.assertEqual(status, 1)
            self.assertIn("usage: python -m cress.greenlet", out)


@unittest.skipIf(cannot_compile(), str(cannot_compile()))
class Extensions(Case):
    def test_one_that_knows_greenlet_h_only_runs_unmodified(self):
        with tempfile.TemporaryDirectory() as folder:
            library = os.path.join(folder, "user" + sysconfig.get_config_var("EXT_SUFFIX"))
            subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-Wall",
                            "-I" + sysconfig.get_path("include"),
                            os.path.join(HERE, "capi_user.c"), "-o", library], check=True)
            out, _ = self.script("""
                import sys
                sys.path.insert(0, sys.argv[1])
                import cress
                cress.install_as_greenlet()
                import greenlet, user
                main = greenlet.getcurrent()
                assert user.size() == greenlet.greenlet.__basicsize__ == 24 + object.__basicsize__
                assert user.names() == (greenlet.greenlet, greenlet.error, greenlet.GreenletExit)
                assert user.current() is main
                assert user.state(main) == (1, 1, 1) and user.parent(main) is None
                g = user.new(lambda *a, **k: main.switch(a, k) and "end", None)
                assert user.state(g) == (0, 0, 0) and user.parent(g) is main
                assert user.switch(g, (1, 2), {"k": 3}) == ((1, 2), {"k": 3})
                assert user.state(g) == (0, 1, 1)
                assert user.switch(g, (1,), None) == "end" and user.state(g) == (0, 1, 0)
                assert user.switch(user.new(lambda: 5, main), None, None) == 5
                g = user.new(main.switch, None)
                g.switch()
                try:
                    user.throw(g, KeyError, "x", None)
                except KeyError as e:
                    assert e.args == ("x",)
                a, b = greenlet.greenlet(), greenlet.greenlet()
                user.set_parent(a, b)
                assert a.parent is b
                for call in (lambda: user.set_parent(b, a), lambda: user.set_parent(a, 5)):
                    try:
                        call()
                        raise SystemExit("no error")
                    except (ValueError, TypeError):
                        pass
                for call in (lambda: user.state(5), lambda: user.switch(5, (), None),
                             lambda: user.switch(a, [], None),
                             lambda: user.throw(5, KeyError, 1, 1)):
                    try:
                        call()
                        raise SystemExit("no error")
                    except TypeError:
                        pass
                class Mine(user.Derived):
                    pass
                assert Mine(lambda: 6).switch() == 6
                print("done")
                """, folder)
        self.assertEqual(out, "done\n")


if __name__ == "__main__":
    unittest.main()
