"""Values and exceptions on their way from one greenlet to another."""
import abc
import sys
import unittest

from cress.greenlet import GreenletExit, error, getcurrent, greenlet

from support import Case, main_switch, suspended


class Abstract(greenlet, metaclass=abc.ABCMeta):
    @abc.abstractmethod
    def run(self):
        pass


class Values(Case):
    def test_the_first_switch_calls_run_with_its_arguments(self):
        def run(a, b=0, *rest, **names):
            return a, b, rest, names
        self.assertEqual(greenlet(run).switch(1), (1, 0, (), {}))
        self.assertEqual(greenlet(run).switch(1, 2, 3, c=4), (1, 2, (3,), {"c": 4}))

    def test_a_switch_gives_what_the_other_side_passed(self):
        def run():
            got = []
            while len(got) < 5:
                got.append(main_switch())
            return got
        g = suspended(run)
        g.switch()
        g.switch(1)
        g.switch(1, 2)
        g.switch(a=3)
        self.assertEqual(g.switch(4, a=5), [(), 1, (1, 2), {"a": 3}, ((4,), {"a": 5})])

    def test_a_value_that_is_a_tuple_arrives_as_it_is(self):
        g = suspended(lambda: main_switch())
        self.assertEqual(g.switch((1,)), (1,))

    def test_greenlets_pass_a_value_around_a_ring(self):
        order = []

        def run(position):
            for _ in range(3):
                order.append(position)
                ring[(position + 1) % 3].switch((position + 1) % 3)
        ring = [greenlet(run) for _ in range(3)]
        ring[0].switch(0)
        self.assertEqual(order, [0, 1, 2] * 3)
        for g in ring:
            g.throw()

    def test_what_run_returns_goes_to_the_parent(self):
        outer = []

        def run():
            inner = greenlet(lambda: "inner", parent=getcurrent())
            outer.append(inner.switch())
            return "outer"
        self.assertEqual(greenlet(run).switch(), "outer")
        self.assertEqual(outer, ["inner"])

    def test_a_switch_to_oneself_gives_the_value_at_once(self):
        self.assertEqual(getcurrent().switch(7), 7)
        with self.assertRaises(KeyError):
            getcurrent().throw(KeyError)

    def test_a_switch_to_one_that_has_ended_goes_to_its_parent(self):
        g = greenlet(lambda: None)
        g.switch()
        self.assertTrue(g.dead)
        self.assertEqual(g.switch(5), 5)
        self.assertEqual(g.switch(5, a=6), ((5,), {"a": 6}))

    def test_a_parent_that_has_not_started_is_started_with_the_result(self):
        parent = greenlet(lambda value: ("parent got", value))
        child = greenlet(lambda: 8, parent=parent)
        self.assertEqual(child.switch(), ("parent got", 8))
        self.assertTrue(parent.dead)

    def test_the_parent_may_change_while_the_child_runs(self):
        def run():
            getcurrent().parent = other
            return 9
        other = greenlet(lambda value: ("other got", value))
        self.assertEqual(greenlet(run).switch(), ("other got", 9))

    def test_two_coroutines_take_turns(self):
        printed = []

        def f1():
            printed.append("f1 1")
            g2.switch()
            printed.append("f1 2")
            g2.switch()
            printed.append("f1 3")

        def f2():
            printed.append("f2 1")
            g1.switch()
            printed.append("f2 2")
            g1.switch()
        g1, g2 = greenlet(f1), greenlet(f2)
        g1.switch()
        self.assertEqual(printed, ["f1 1", "f2 1", "f1 2", "f2 2", "f1 3"])

    def test_red_is_done_and_blue_never_resumes(self):
        printed = []

        def red():
            printed.append("red")
            blue_one.switch()
            printed.append("red done")

        def blue():
            printed.append("blue")
            red_one.switch()
            printed.append("blue done")
        red_one, blue_one = greenlet(red), greenlet(blue)
        red_one.switch()
        self.assertEqual(printed, ["red", "blue", "red done"])
        self.assertTrue(red_one.dead)
        self.assertFalse(blue_one.dead)

    def test_a_hundred_nested_parents_return_one_by_one(self):
        def run(n):
            return n if n == 0 else greenlet(run).switch(n - 1) + 1
        self.assertEqual(greenlet(run).switch(100), 100)

    def test_ten_thousand_are_alive_at_once(self):
        alive = [suspended(lambda i: main_switch() + i, i) for i in range(10000)]
        self.assertEqual([g.switch(1) for g in alive], list(range(1, 10001)))


class Exceptions(Case):
    def test_an_exception_of_run_goes_to_the_parent(self):
        try:
            greenlet(lambda: 1 // 0).switch()
            self.fail("nothing was raised")
        except ZeroDivisionError as error:
            step = error.__traceback__
        names = []
        while step is not None:
            names.append(step.tb_frame.f_code.co_name)
            step = step.tb_next
        self.assertEqual(names[-1], "<lambda>")

    def test_what_is_thrown_is_raised_at_the_switch(self):
        def run():
            try:
                main_switch()
            except KeyError as error:
                return error.args
        self.assertEqual(suspended(run).throw(KeyError("a")), ("a",))
        self.assertEqual(suspended(run).throw(KeyError, "b"), ("b",))
        self.assertEqual(suspended(run).throw(KeyError, KeyError("c")), ("c",))
        with self.assertRaises(ValueError):
            suspended(run).throw(ValueError)

    def test_a_traceback_that_is_thrown_is_kept(self):
        try:
            raise KeyError
        except KeyError:
            kind, value, traceback = sys.exc_info()
        try:
            suspended().throw(kind, value, traceback)
            self.fail("nothing was raised")
        except KeyError as error:
            step, steps = error.__traceback__, []
        while step is not None:
            steps.append(step)
            step = step.tb_next
        self.assertIn(traceback, steps)
        del traceback, steps, value

    def test_only_exceptions_can_be_thrown(self):
        for bad in ((1,), (object,), ("text",), (KeyError("a"), "b"), (KeyError, None, 1)):
            with self.assertRaises(TypeError, msg=repr(bad)):
                suspended().throw(*bad)

    def test_one_that_was_thrown_at_before_it_started_never_runs(self):
        ran = []
        g = greenlet(lambda: ran.append(1))
        with self.assertRaises(KeyError):
            g.throw(KeyError)
        self.assertTrue(g.dead)
        self.assertEqual(ran, [])

    def test_greenlet_exit_is_a_value(self):
        value = suspended().throw()
        self.assertIsInstance(value, GreenletExit)
        exit_value = GreenletExit("x")
        self.assertIs(suspended().throw(exit_value), exit_value)
        self.assertIsInstance(greenlet(lambda: 1).throw(), GreenletExit)

        def run():
            raise exit_value
        self.assertIs(greenlet(run).switch(), exit_value)

    def test_greenlet_exit_thrown_at_one_that_has_ended_is_a_value(self):
        g = greenlet(lambda: None)
        g.switch()
        self.assertIsInstance(g.throw(), GreenletExit)
        with self.assertRaises(KeyError):
            g.throw(KeyError)

    def test_each_handles_its_own_exception(self):
        def run():
            try:
                raise KeyError
            except KeyError:
                self.assertIs(sys.exc_info()[0], KeyError)
                main_switch()
                self.assertIs(sys.exc_info()[0], KeyError)
            self.assertIsNone(sys.exc_info()[0])
            main_switch()
        try:
            raise IndexError
        except IndexError:
            g = greenlet(run)
            g.switch()
            self.assertIs(sys.exc_info()[0], IndexError)
            g.switch()
            self.assertIs(sys.exc_info()[0], IndexError)
        self.assertIsNone(sys.exc_info()[0])
        g.switch()

    def test_an_exception_is_raised_through_three_greenlets(self):
        def run(depth):
            if depth == 0:
                raise KeyError(depth)
            greenlet(run).switch(depth - 1)
        with self.assertRaises(KeyError):
            greenlet(run).switch(3)

    def test_generators_switch_in_the_middle(self):
        def numbers():
            for i in range(3):
                yield main_switch(i)
        g = greenlet(lambda: list(numbers()))
        self.assertEqual([g.switch(), g.switch("a"), g.switch("b")], [0, 1, 2])
        self.assertEqual(g.switch("c"), ["a", "b", "c"])

    def test_a_generator_is_resumed_by_another_greenlet(self):
        def numbers():
            yield 1
            yield 2
        shared = numbers()
        self.assertEqual(greenlet(lambda: next(shared)).switch(), 1)
        self.assertEqual(greenlet(lambda: next(shared)).switch(), 2)


class Starts(Case):
    def test_a_subclass_overrides_run(self):
        class Adder(greenlet):
            def run(self, a, b):
                return a + b
        self.assertEqual(Adder().switch(2, 3), 5)

    def test_run_can_be_set_until_the_start(self):
        g = greenlet()
        with self.assertRaises(AttributeError):
            g.run
        with self.assertRaises(AttributeError):
            g.switch()
        g.run = lambda: main_switch(g)
        self.assertIs(g.switch(), g)
        with self.assertRaises(AttributeError):
            g.run = len
        with self.assertRaises(AttributeError):
            g.run
        g.switch()

    def test_run_may_be_looked_up_by_code_that_starts_it(self):
        class Convoluted(greenlet):
            count = 0

            def __getattribute__(self, name):
                if name == "run" and self.count == 0:
                    self.count = 1
                    self.switch(43)
                return greenlet.__getattribute__(self, name)

            def run(self, value):
                while True:
                    main_switch(value)
        g = Convoluted()
        self.assertEqual(g.switch(42), 43)
        g.throw()

    def test_what_is_not_callable_is_an_error_of_the_greenlet(self):
        g = greenlet(7)
        with self.assertRaises(TypeError):
            g.switch()
        self.assertTrue(g.dead)

    def test_an_abstract_subclass_cannot_be_made(self):
        with self.assertRaises(TypeError):
            Abstract()

    def test_parents_are_checked(self):
        g = greenlet(len)
        for bad in (None, 1):
            with self.assertRaises(TypeError):
                g.parent = bad
        with self.assertRaises(AttributeError):
            del g.parent
        with self.assertRaises(ValueError):
            g.parent = greenlet(len, parent=g)
        with self.assertRaises(AttributeError):
            getcurrent().parent = g
        self.assertIsNone(getcurrent().parent)

    def test_wrong_arguments_are_refused(self):
        with self.assertRaises(TypeError):
            greenlet(len, getcurrent(), 1)
        with self.assertRaises(TypeError):
            greenlet(funktion=len)

    def test_it_is_true_while_it_is_active(self):
        g = greenlet(main_switch)
        self.assertEqual((bool(g), g.dead), (False, False))
        g.switch()
        self.assertEqual((bool(g), g.dead), (True, False))
        g.switch()
        self.assertEqual((bool(g), g.dead), (False, True))
        self.assertTrue(getcurrent())

    def test_its_repr_tells_its_state(self):
        g = greenlet(main_switch)
        self.assertIn(" pending", repr(g))
        g.switch()
        self.assertIn(" suspended active started", repr(g))
        g.switch()
        self.assertIn(" dead", repr(g))
        self.assertIn(" current active started main", repr(getcurrent()))

    def test_it_cannot_be_pickled_or_copied(self):
        import copy
        import pickle
        with self.assertRaises(TypeError):
            pickle.dumps(greenlet(len))
        with self.assertRaises(TypeError):
            copy.copy(greenlet(len))

    def test_attributes_and_weak_references(self):
        import weakref
        g = greenlet(len)
        g.name = "x"
        self.assertEqual(g.__dict__, {"name": "x"})
        reference = weakref.ref(g)
        self.assertIs(reference(), g)
        del g
        self.assertIsNone(reference())

    def test_the_names_are_attributes_of_the_class_too(self):
        self.assertIs(greenlet.GreenletExit, GreenletExit)
        self.assertIs(greenlet.error, error)
        self.assertIs(greenlet.getcurrent(), getcurrent())
        self.assertTrue(issubclass(GreenletExit, BaseException))
        self.assertFalse(issubclass(GreenletExit, Exception))
        self.assertTrue(issubclass(error, Exception))


if __name__ == "__main__":
    unittest.main()
