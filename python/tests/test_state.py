"""What CPython keeps for running code, seen from greenlets: frames, contexts, tracing, depth."""
import contextvars
import sys
import traceback
import unittest

from cress.greenlet import getcurrent, gettrace, greenlet, settrace

from support import Case, in_thread, main_switch, suspended

variable = contextvars.ContextVar("variable", default=0)


class Frames(Case):
    def test_a_suspended_one_has_its_innermost_frame(self):
        def deeper(n):
            return deeper(n - 1) if n else main_switch()
        g = suspended(deeper, 3)
        names = [f.f_code.co_name for f, _ in traceback.walk_stack(g.gr_frame)]
        self.assertEqual(names, ["main_switch"] + 4 * ["deeper"])
        self.assertEqual(g.gr_frame.f_back.f_locals, {"n": 0, "deeper": deeper})

    def test_others_have_none(self):
        g = greenlet(main_switch)
        self.assertIsNone(g.gr_frame)
        self.assertIsNone(getcurrent().gr_frame)
        g.switch()
        g.switch()
        self.assertIsNone(g.gr_frame)

    def test_the_frame_of_main_is_seen_from_others(self):
        main = getcurrent()
        name = greenlet(lambda: main.gr_frame.f_code.co_name).switch()
        self.assertEqual(name, "test_the_frame_of_main_is_seen_from_others")

    def test_a_stack_ends_with_its_greenlet(self):
        def run():
            return [f.f_code.co_name for f, _ in traceback.walk_stack(sys._getframe())]
        self.assertEqual(greenlet(run).switch(), ["run"])

    def test_a_frame_that_is_kept_outlives_its_greenlet(self):
        frames = []

        def run(value):
            frames.append(sys._getframe())
            main_switch()
            return value
        g = suspended(run, "x")
        g.switch()
        del g
        frame = frames.pop()
        self.assertEqual(frame.f_locals["value"], "x")
        frame.clear()


class Contexts(Case):
    def test_each_has_a_context_of_its_own(self):
        def run(n):
            self.assertEqual(variable.get(), 0)
            variable.set(n)
            main_switch()
            return variable.get()
        alive = [suspended(run, n) for n in range(10)]
        self.assertEqual(variable.get(), 0)
        self.assertEqual([g.switch() for g in alive], list(range(10)))

    def test_a_context_can_be_given_before_the_start(self):
        context = contextvars.copy_context()
        context.run(variable.set, 7)
        g = greenlet(variable.get)
        self.assertIsNone(g.gr_context)
        g.gr_context = context
        self.assertIs(g.gr_context, context)
        self.assertEqual(g.switch(), 7)
        self.assertIs(g.gr_context, context)

    def test_a_context_can_be_exchanged_while_it_is_suspended(self):
        def run():
            main_switch()
            return variable.get()
        g = suspended(run)
        context = contextvars.copy_context()
        context.run(variable.set, 8)
        g.gr_context = context
        self.assertEqual(g.switch(), 8)

    def test_a_running_one_can_take_its_context_away(self):
        def run():
            variable.set(3)
            mine = getcurrent()
            context = mine.gr_context
            mine.gr_context = None
            before = variable.get()
            mine.gr_context = context
            return before, variable.get()
        self.assertEqual(greenlet(run).switch(), (0, 3))

    def test_a_switch_inside_context_run(self):
        def run():
            return contextvars.copy_context().run(inner)

        def inner():
            variable.set(4)
            main_switch()
            return variable.get()
        g = suspended(run)
        self.assertEqual(variable.get(), 0)
        self.assertEqual(g.switch(), 4)

    def test_what_is_no_context_is_refused(self):
        g = greenlet(len)
        with self.assertRaises(TypeError):
            g.gr_context = {}
        with self.assertRaises(AttributeError):
            del g.gr_context

    def test_that_of_one_that_runs_in_another_thread_is_refused(self):
        main = getcurrent()
        with self.assertRaises(ValueError):
            in_thread(lambda: main.gr_context)


class Tracing(Case):
    def tearDown(self):
        settrace(None)

    def test_every_switch_is_told(self):
        told = []

        def run():
            main_switch()
            main_switch()
        g, main = greenlet(run), getcurrent()
        self.assertIsNone(settrace(lambda *event: told.append(event)))
        g.switch()
        g.switch()
        with self.assertRaises(KeyError):
            g.throw(KeyError)
        settrace(None)
        there, back = ("switch", (main, g)), ("switch", (g, main))
        self.assertEqual(told, [there, back, there, back, ("throw", (main, g)),
                                ("throw", (g, main))])

    def test_one_that_raises_is_not_told_again(self):
        def trace(event, args):
            raise KeyError(event)
        settrace(trace)
        with self.assertRaises(KeyError):
            greenlet(lambda: None).switch()
        self.assertIsNone(gettrace())

    def test_each_thread_has_its_own(self):
        def trace(event, args):
            pass
        settrace(trace)
        self.assertIs(gettrace(), trace)
        self.assertIsNone(in_thread(gettrace))

    def test_python_tracing_belongs_to_the_thread(self):
        seen = []

        def trace(frame, event, arg):
            if frame.f_code is run.__code__:
                seen.append(event)
            return trace

        def run():
            main_switch()
            return 1
        g = greenlet(run)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            g.switch()
            g.switch()
        finally:
            sys.settrace(before)
        self.assertEqual(seen, ["call", "line", "line", "return"])

    def test_tracing_that_begins_while_one_is_suspended_sees_it(self):
        seen = []

        def callee():
            return 1

        def run():
            main_switch()
            return callee()

        def trace(frame, event, arg):
            seen.append(frame.f_code.co_name)
        g = suspended(run)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            g.switch()
        finally:
            sys.settrace(before)
        self.assertIn("callee", seen)

    def test_tracing_that_ends_in_a_greenlet_ends_for_all(self):
        seen = []

        def callee():
            return 1

        def run():
            sys.settrace(None)
        before = sys.gettrace()
        sys.settrace(lambda frame, event, arg: seen.append(frame.f_code.co_name))
        try:
            greenlet(run).switch()
            callee()
        finally:
            sys.settrace(before)
        self.assertNotIn("callee", seen)

    def test_a_profile_function_may_switch(self):
        seen = []
        other = suspended(lambda: [main_switch() for _ in iter(int, 1)])

        def profile(frame, event, arg):
            seen.append(event)
            other.switch()

        def callee():
            return 1
        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            callee()
            callee()
        finally:
            sys.setprofile(before)
        self.assertEqual(seen.count("call"), 2)
        other.throw()


class Depth(Case):
    def test_recursion_without_end_is_an_error(self):
        def forever():
            return forever()

        def run():
            try:
                forever()
            except RecursionError:
                return "error"
        self.assertEqual(greenlet(run).switch(), "error")
        self.assertEqual(greenlet(run).switch(), "error")

    def test_nine_hundred_calls_deep(self):
        def deeper(n):
            return 1 + deeper(n - 1) if n else 0
        self.assertEqual(greenlet(deeper).switch(900 - len(traceback.extract_stack())),
                         900 - len(traceback.extract_stack()))

    def test_each_counts_its_own_depth(self):
        def deeper(n):
            return deeper(n - 1) if n else main_switch()
        alive = [suspended(deeper, 600) for _ in range(5)]
        for g in alive:
            g.switch()

    def test_greenlets_that_start_each_other_without_end_are_an_error(self):
        def run():
            greenlet(run).switch()
        with self.assertRaises(RecursionError):
            greenlet(run).switch()

    def test_destructors_that_switch_in_deep_structures(self):
        log = []

        class Thing:
            def __del__(self):
                log.append(1)
                helper.switch(getcurrent())

        def help(back):
            while back is not None:
                back = back.switch()
        helper = greenlet(help)

        def run():
            chain = None
            for _ in range(2000):
                chain = [chain, Thing()]
            del chain
            main_switch()
        g = suspended(run)
        g.switch()
        self.assertEqual(len(log), 2000)
        helper.parent = getcurrent()
        helper.switch(None)


if __name__ == "__main__":
    unittest.main()
