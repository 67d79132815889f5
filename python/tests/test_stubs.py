"""What the stubs say is there, and what is there they say."""
import ast
import inspect
import os
import unittest

import cress
from cress import greenlet as module
from cress.greenlet import greenlet

from support import Case


class Stubs(Case):
    def names(self, name, of=None):
        with open(os.path.join(os.path.dirname(cress.__file__), name), "rb") as file:
            body = ast.parse(file.read()).body
        if of is not None:
            body = [n for n in body if isinstance(n, ast.ClassDef) and n.name == of][0].body
        found = set()
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.AnnAssign):
                found.add(node.target.id)
            elif isinstance(node, ast.Assign):
                found.update(target.id for target in node.targets)
        return found

    def test_of_the_package(self):
        self.assertEqual(self.names("__init__.pyi"), set(cress.__all__))

    def test_of_the_module(self):
        stubs = self.names("greenlet.pyi")
        self.assertLessEqual(set(module.__all__), stubs)
        for name in stubs - {"_Trace"}:
            self.assertTrue(hasattr(module, name), name)

    def test_of_the_class(self):
        stubs = self.names("greenlet.pyi", "greenlet")
        own = {name for name in vars(greenlet) if not name.startswith("_")}
        self.assertLessEqual(own, stubs)
        self.assertEqual({name for name in stubs - own if not name.startswith("_")}, set())

    def test_all_that_is_public_has_a_docstring(self):
        for name in module.__all__:
            self.assertTrue(getattr(module, name).__doc__, name)
        for name in ("switch", "throw", "run", "parent", "dead", "gr_frame", "gr_context"):
            self.assertTrue(getattr(greenlet, name).__doc__, name)

    def test_signatures_can_be_read(self):
        """Those that Python has no way to write are in the docstring only."""
        self.assertEqual(str(inspect.signature(greenlet)), "(run=None, parent=None)")
        self.assertEqual(str(inspect.signature(greenlet.switch)), "(self, /, *args, **kwargs)")
        unwritten = set()
        for of in (module, greenlet):
            for name, value in vars(of).items():
                if isinstance(value, (type(len), type(greenlet.switch))):
                    try:
                        inspect.signature(value)
                    except ValueError as error:
                        self.assertIn("no signature found", str(error))
                        unwritten.add(name)
        self.assertEqual(unwritten - {"__getstate__", "__reduce__"}, {"throw", "stack_size"})


if __name__ == "__main__":
    unittest.main()
