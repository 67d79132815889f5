"""Sizes of stacks, overflows and pages given back."""
import gc
import unittest

from cress import _greenlet, greenlet as module
from cress.greenlet import greenlet

from support import Case, main_switch, suspended


def recursion(name):
    """Source of a function that recurses through C without end."""
    return {
        "sorted": "def forever(n=0): return sorted([0], key=lambda x: forever())",
        "map": "def forever(n=0): return list(map(forever, [0]))",
        "call": "class C:\n    def __call__(self): return C()()\nforever = C()",
        "getattr": "class A:\n    def __getattr__(self, k): return A().x\n"
                   "def forever(): return A().x",
        "compile": "def forever(): return compile('('*150+'1'+')'*150, 'x', 'eval') and "
                   "compile('-'*100000+'1', 'x', 'eval')",
        "repr": "def forever():\n    x = []\n    for _ in range(100000): x = [x]\n"
                "    return repr(x)",
        "json": "import json\ndef forever():\n    x = []\n    for _ in range(100000): x = [x]\n"
                "    return json.dumps(x)",
    }[name]


class Sizes(Case):
    def tearDown(self):
        module.stack_size(self.size)

    def setUp(self):
        self.size = module.stack_size()

    def test_the_size_can_be_asked_and_set(self):
        self.assertGreaterEqual(self.size, 64 << 10)
        self.assertEqual(module.stack_size(256 << 10), self.size)
        self.assertEqual(module.stack_size(), 256 << 10)
        for bad in (0, -1, 65535, (1 << 30) + 1):
            with self.assertRaises(ValueError):
                module.stack_size(bad)
        with self.assertRaises(TypeError):
            module.stack_size("64k")

    def test_every_size_runs(self):
        import json
        for shift in (16, 17, 18, 20, 23):
            module.stack_size(1 << shift)
            for _ in range(2):
                self.assertEqual(greenlet(json.loads).switch("[1, {}]"), [1, {}])

    def test_the_environment_sets_it(self):
        text = "import cress.greenlet as c; print(c.stack_size())"
        self.assertEqual(self.script(text, CRESS_GREENLET_STACK="128")[0], "131072\n")
        for bad in ("x", "0", "-1", "12k", "99999999999"):
            _, errors = self.script(text, CRESS_GREENLET_STACK=bad, status=1)
            self.assertIn("CRESS_GREENLET_STACK" if bad != "12" else "64 KiB", errors)

    def test_imports_and_libraries_run_on_the_default(self):
        self.script("""
            import cress.greenlet as c
            def run():
                import asyncio, sqlite3, ctypes, decimal, email.mime.text, xml.dom.minidom
                import socket, re
                try:
                    socket.getaddrinfo("localhost", 80)
                except socket.gaierror: # a machine without /etc/hosts
                    pass
                try:
                    import ssl
                    ssl.create_default_context()
                except ImportError:
                    pass
                sqlite3.connect(":memory:").execute("select 1").fetchall()
                re.match(r"(?:a|b)*c|((((((x))))))", "ab" * 20000 + "c")
            c.greenlet(run).switch()
            """)


class Overflows(Case):
    def test_recursion_through_c_is_an_error_as_elsewhere(self):
        for name in ("map", "call", "getattr", "compile", "repr", "json"):
            with self.subTest(name):
                out, _ = self.script(recursion(name) + """
def run():
    try:
        return forever()
    except (RecursionError, MemoryError) as e:
        return "error"
import cress.greenlet as c
print(c.greenlet(run).switch())
""")
                self.assertEqual(out, "error\n")

    def test_what_overflows_all_the_same_is_named(self):
        _, errors = self.script(recursion("sorted") + """
import sys
import cress.greenlet as c
sys.setrecursionlimit(10**6)
c.stack_size(65536)
def digger():
    forever()
c.greenlet(digger).switch()
""", status=-11)
        self.assertIn("cress: stack overflow in the greenlet of digger, which has ", errors)


class Memory(Case):
    def test_no_room_for_a_stack_is_a_memory_error(self):
        out, _ = self.script("""
            import resource, sys
            import cress.greenlet as c
            c.stack_size(16 << 20)
            main = c.getcurrent()
            first = c.greenlet(lambda: main.switch())
            first.switch()
            with open("/proc/self/statm") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
            kept = []
            try:
                while True:
                    kept.append(c.greenlet(lambda: main.switch()))
                    kept[-1].switch()
            except MemoryError:
                pass
            print(1 < len(kept) < 20, bool(kept[-1]), kept[-1].dead)
            # the heir of one that ends has no room either: its parent is told
            child = c.greenlet(lambda: c.stack_size(512 << 20), parent=kept.pop())
            del kept[-1]
            try:
                child.switch()
                print("no error")
            except MemoryError:
                print(child.dead, child.parent.dead)
            """)
        self.assertEqual(out.splitlines(), ["True False False", "True True"])


class Pages(Case):
    def test_deep_work_is_given_back(self):
        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1])

        def deep(n):
            return sorted([n], key=lambda n: deep(n - 1) if n else 0)

        def run():
            deep(50)
            main_switch()
        alive = [suspended(run) for _ in range(200)]
        before = resident()
        module.trim()
        self.assertLess(resident(), before - 200 * 20)
        self.assertEqual(module.trim(), 0)
        for g in alive:
            g.switch()
        self.assertTrue(all(g.dead for g in alive))

    def test_the_second_full_collection_has_those_that_rest_give_back(self):
        alive = [suspended() for _ in range(20)]
        gc.disable()
        try:
            gc.collect()
            younger = [suspended() for _ in range(5)]
            gc.collect()
            self.assertEqual(_greenlet._rest(), len(younger))
            self.assertEqual(_greenlet._rest(), 0)
        finally:
            gc.enable()

    def test_suspended_ones_say_how_much_they_use(self):
        g = greenlet(main_switch)
        self.assertEqual(g._stack_saved, 0)
        g.switch()
        self.assertGreater(g._stack_saved, 0)
        g.switch()
        self.assertEqual(g._stack_saved, 0)


if __name__ == "__main__":
    unittest.main()
