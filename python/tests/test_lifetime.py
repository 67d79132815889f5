"""What becomes of greenlets that nobody refers to."""
import gc
import io
import sys
import unittest
import weakref

from cress.greenlet import GreenletExit, getcurrent, greenlet

from support import Case, main_switch, suspended


in_expressions = unittest.skipIf(
    sys.version_info < (3, 11), "up to 3.10 what is called and its arguments are in the caller's "
    "expression too, which the collector cannot be shown")


class Dropped(Case):
    def test_one_that_is_suspended_is_told_to_end(self):
        log = []

        def run():
            try:
                main_switch()
            except GreenletExit:
                log.append("exit")
                raise
            finally:
                log.append("finally")
        g = suspended(run)
        del g
        self.assertEqual(log, ["exit", "finally"])

    def test_one_that_was_never_started_just_goes(self):
        ran = []
        reference = weakref.ref(greenlet(lambda: ran.append(1)))
        self.assertIsNone(reference())
        self.assertEqual(ran, [])

    def test_its_clean_up_may_switch(self):
        log = []

        def helper():
            log.append("helper")

        def run():
            try:
                main_switch()
            finally:
                greenlet(helper).switch()
                log.append("after")
        g = suspended(run)
        del g
        self.assertEqual(log, ["helper", "after"])

    def test_an_exception_of_its_clean_up_is_reported_not_raised(self):
        def run():
            try:
                main_switch()
            finally:
                raise KeyError("in clean-up")
        g = suspended(run)
        errors, sys.stderr = sys.stderr, io.StringIO()
        try:
            del g
            text = sys.stderr.getvalue()
        finally:
            sys.stderr = errors
        self.assertIn("KeyError: 'in clean-up'", text)

    def test_an_exception_in_flight_is_not_disturbed(self):
        def run():
            try:
                main_switch()
            finally:
                try:
                    raise IndexError
                except IndexError:
                    pass

        def fails():
            local = suspended(run)  # noqa: F841  goes with the frame
            raise KeyError("mine")
        with self.assertRaisesRegex(KeyError, "mine"):
            fails()

    def test_one_that_does_not_end_lives_on(self):
        kept = []

        def run():
            try:
                main_switch()
            except GreenletExit:
                kept.append(getcurrent())
                main_switch("alive")
            return "end"
        g = suspended(run)
        del g
        self.assertEqual(len(kept), 1)
        self.assertFalse(kept[0].dead)
        self.assertEqual(kept.pop().switch(), "end")

    def test_one_that_lives_on_without_references_is_named(self):
        text = self.script("""
            from cress.greenlet import *
            def run():
                while True:
                    try:
                        getcurrent().parent.switch()
                    except GreenletExit:
                        pass
            g = greenlet(run)
            g.switch()
            del g
            print("on")
            """)
        self.assertEqual(text[0], "on\n")
        self.assertIn("GreenletExit did not kill <greenlet.greenlet object", text[1])

    def test_a_subclass_made_in_python_is_told_too(self):
        log = []

        class Mine(greenlet):
            __slots__ = ("extra",)

            def run(self):
                self.extra = [self.parent]
                try:
                    self.parent.switch()
                finally:
                    log.append("finally")
        g = Mine()
        g.switch()
        del g
        self.assertEqual(log, [])  # its frame refers to it: see Cycles
        gc.collect()
        self.assertEqual(log, ["finally"])

    def test_arguments_and_results_are_let_go(self):
        class Thing:
            pass
        things = [Thing() for _ in range(4)]
        references = [weakref.ref(t) for t in things]

        def run(thing, key=None):
            return things[2]
        greenlet(run).switch(things[0], key=things[1])
        g = suspended()
        g.switch(things[3])
        del things
        self.assertEqual([r() for r in references], [None] * 4)


class Cycles(Case):
    """A greenlet that only its own frames refer to is found by the garbage collector."""

    def check(self, body, pass_it=False):
        log, found = [], []

        class Thing:
            pass

        def run():
            thing = Thing()
            thing.me = getcurrent()
            found.append(weakref.ref(thing))
            try:
                body(thing) if pass_it else body()
            finally:
                log.append("finally")
        suspended(run)
        self.assertEqual(log, [])
        gc.collect()
        self.assertEqual(log, ["finally"])
        self.assertIsNone(found[0]())

    def test_through_a_local_variable(self):
        self.check(main_switch)

    def test_through_a_frame_further_out(self):
        def deeper(n=20):
            return deeper(n - 1) if n else main_switch()
        self.check(deeper)

    def test_through_frames_on_a_second_chunk(self):
        def deeper(n=300):
            return deeper(n - 1) if n else main_switch()
        self.check(deeper)

    def test_through_an_exception_that_is_handled(self):
        def body():
            try:
                raise KeyError(getcurrent())
            except KeyError:
                main_switch()
        self.check(body)

    @in_expressions
    def test_through_a_closure(self):
        def body():
            me = getcurrent()

            def inner():
                value = main_switch()
                return me, value
            inner()
        self.check(body)

    @in_expressions
    def test_through_an_argument(self):
        self.check(lambda thing: main_switch(), pass_it=True)

    def test_what_only_a_running_expression_refers_to_may_be_kept(self):
        """The loop below holds the generator, where the collector is not shown it before 3.12."""
        log, found = [], []

        class Thing:
            pass

        def numbers(thing):
            yield main_switch()

        def run():
            thing = Thing()
            thing.me = getcurrent()
            found.append(weakref.ref(thing))
            try:
                for _ in numbers(thing):
                    pass
            finally:
                log.append("finally")
        suspended(run)
        gc.collect()
        if not log:
            found[0]().me.throw()
        self.assertEqual(log, ["finally"])

    def test_through_its_arguments(self):
        log = []

        class Box:
            pass

        def run(box):
            try:
                main_switch()
            finally:
                log.append("finally")
        box = Box()
        box.g = greenlet(run)
        box.g.switch(box)
        del box
        gc.collect()
        self.assertEqual(log, ["finally"])

    def test_two_that_refer_to_each_other(self):
        log = []

        def run(other):
            try:
                main_switch()
            finally:
                log.append("finally")
        a, b = greenlet(run), greenlet(run)
        a.switch(b)
        b.switch(a)
        del a, b
        gc.collect()
        self.assertEqual(log, ["finally", "finally"])

    def test_one_that_does_not_end_is_not_taken_apart(self):
        kept = []

        def run():
            mine = [getcurrent(), "precious"]
            try:
                main_switch()
            except GreenletExit:
                main_switch()
            kept.append(list(mine))
            return "end"
        suspended(run)
        gc.collect()
        gc.collect()
        found = [g for g in gc.get_objects() if type(g) is greenlet and g and g.parent]
        self.assertEqual(len(found), 1)
        self.assertEqual(found.pop().switch(), "end")
        self.assertEqual(kept[0][1], "precious")

    def test_what_is_referred_to_from_outside_stays(self):
        class Thing:
            pass
        outside = Thing()

        def run(thing):
            mine = [thing, getcurrent()]
            main_switch()
            return len(mine)
        g = suspended(run, outside)
        gc.collect()
        self.assertFalse(g.dead)
        self.assertEqual(g.switch(), 2)

    def test_collections_while_hundreds_are_suspended_harm_none(self):
        def run(n):
            box = [n]
            box.append(box)
            for _ in range(3):
                main_switch()
                gc.collect(0)
            return box[0]
        alive = [suspended(run, n) for n in range(300)]
        gc.collect()
        for g in alive:
            g.switch()
        gc.collect()
        for g in alive:
            g.switch()
        self.assertEqual([g.switch() for g in alive], list(range(300)))


class Late(Case):
    def test_a_program_may_end_with_suspended_greenlets(self):
        out, _ = self.script("""
            import cress.greenlet as c
            def run():
                try:
                    c.getcurrent().parent.switch()
                finally:
                    print("finally", flush=True)
            kept = [c.greenlet(run) for _ in range(3)]
            for g in kept:
                g.switch()
            print("end", flush=True)
            """)
        self.assertEqual(out.splitlines()[0], "end")

    def test_a_program_may_end_inside_a_greenlet(self):
        out, _ = self.script("""
            import sys, cress.greenlet as c
            c.greenlet(lambda: sys.exit(7)).switch()
            """, status=7)

    def test_there_is_no_current_greenlet_while_modules_go(self):
        out, _ = self.script("""
            import os, cress.greenlet as c
            class Last:
                def __del__(self, current=c.getcurrent, write=os.write):
                    try:
                        current()
                    except RuntimeError as e:
                        write(1, str(e).encode())
            last = Last()
            last.cycle = last
            """)
        self.assertEqual(out, "greenlet is being finalized")

    def test_daemon_threads_with_greenlets_do_no_harm_at_the_end(self):
        self.script("""
            import threading, time, cress.greenlet as c
            started = threading.Event()
            def run():
                frames.append(__import__("sys")._getframe())
                c.getcurrent().parent.switch()
            frames, kept = [], []
            def thread():
                for _ in range(50):
                    kept.append(c.greenlet(run))
                    kept[-1].switch()
                started.set()
                while True:
                    time.sleep(0.001)
            for _ in range(3):
                started.clear()
                threading.Thread(target=thread, daemon=True).start()
                started.wait()
            """)

    def test_a_daemon_thread_may_be_in_a_greenlet_at_the_end(self):
        """When that last stood still it had frames that have ended since."""
        out, _ = self.script("""
            import threading, time, cress.greenlet as c
            started = threading.Event()
            def deeper(n):
                return deeper(n - 1) if n else c.getcurrent().parent.switch()
            def run():
                deeper(300)
                started.set()
                time.sleep(60)
            def thread():
                g = c.greenlet(run)
                g.switch()
                g.switch()
            threading.Thread(target=thread, daemon=True).start()
            started.wait()
            print("end")
            """)
        self.assertEqual(out, "end\n")

    def test_exit_functions_have_greenlets(self):
        """Also those that were registered before the import, which run last."""
        out, _ = self.script("""
            import atexit
            def last():
                main = c.getcurrent()
                g = c.greenlet(lambda: main.switch(1) + 1)
                print(g.switch(), g.switch(2))
            atexit.register(last)
            import cress.greenlet as c
            """)
        self.assertEqual(out, "1 3\n")


if __name__ == "__main__":
    unittest.main()
