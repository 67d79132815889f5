"""What cannot work is refused with a sentence that says why."""
import os
import subprocess
import sys
import sysconfig
import tempfile
import unittest
from unittest import mock

from support import HERE, Case, cannot_compile

sys.path.insert(0, os.path.join(os.path.dirname(HERE), "backend"))
import cress_backend  # noqa: E402


class Builds(Case):
    def refusal(self):
        with self.assertRaises(SystemExit) as caught:
            cress_backend.refuse_what_cannot_work()
        return str(caught.exception)

    def test_of_a_free_threaded_python(self):
        real = sysconfig.get_config_var

        def variable(name):
            return 1 if name == "Py_GIL_DISABLED" else real(name)
        with mock.patch.object(sysconfig, "get_config_var", variable):
            self.assertEqual(self.refusal(), "cress: free-threaded Python is not supported: "
                                             "greenlets rely on the GIL")

    def test_of_another_implementation(self):
        with mock.patch.object(sys.implementation, "name", "pypy"):
            self.assertEqual(self.refusal(), "cress: pypy is not supported, only CPython")

    def test_of_another_system(self):
        with mock.patch.object(sys, "platform", "darwin"):
            self.assertEqual(self.refusal(), "cress: darwin is not supported, only Linux")

    def test_without_headers(self):
        with mock.patch.object(sysconfig, "get_path", lambda name: "/nowhere"):
            self.assertIn("/nowhere/Python.h not found", self.refusal())


@unittest.skipIf(cannot_compile(), str(cannot_compile()))
class Compilations(Case):
    def errors(self, *lines):
        """Of the file that knows versions, compiled as if Python.h had said these too."""
        with tempfile.TemporaryDirectory() as folder:
            header = os.path.join(folder, "also.h")
            with open(header, "w") as file:
                print("#include <Python.h>", *lines, sep="\n", file=file)
            done = subprocess.run(
                [os.environ.get("CC", "cc"), "-fsyntax-only", "-w", "-include", header,
                 f"-I{cress_backend.core() / 'include'}", f"-I{sysconfig.get_path('include')}",
                 str(cress_backend.PACKAGE / "_greenlet" / "pystate.c")],
                stderr=subprocess.PIPE, universal_newlines=True, check=False)
        self.assertEqual(done.returncode != 0, bool(done.stderr))
        return done.stderr

    def test_for_this_version(self):
        self.assertEqual(self.errors(), "")

    def test_for_versions_that_nobody_has_looked_at(self):
        for version in ("0x03070000", "0x030F0000"):
            self.assertIn("knows CPython 3.8 to 3.14: go through the table above",
                          self.errors("#undef PY_VERSION_HEX", f"#define PY_VERSION_HEX {version}"))

    def test_for_a_free_threaded_python(self):
        self.assertIn("does not support free-threaded Python",
                      self.errors("#define Py_GIL_DISABLED 1"))


class Interpreters(Case):
    def test_a_second_interpreter_of_the_process(self):
        out, _ = self.script("""
            import sys, cress.greenlet
            try:
                import _interpreters as interpreters
            except ImportError:
                import _xxsubinterpreters as interpreters
            interpreters.run_string(interpreters.create(), '''if True:
                import sys
                sys.path[:0] = %r
                try:
                    import cress.greenlet
                except ImportError as error:
                    print("refused:", error, flush=True)
                ''' % sys.path)
            print(cress.greenlet.greenlet(lambda: "goes on").switch())
            """)
        first, second = out.splitlines()
        self.assertRegex(first, "^refused: .*(main interpreter|subinterpreters)")
        self.assertEqual(second, "goes on")


if __name__ == "__main__":
    unittest.main()
