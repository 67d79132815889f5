"""Greenlets belong to the thread in which they were started."""
import gc
import os
import sys
import threading
import time
import unittest
import weakref

from cress import _greenlet
from cress.greenlet import GreenletExit, error, getcurrent, greenlet

from support import Case, in_thread, main_switch, suspended


class Threads(Case):
    def test_each_thread_has_a_main_greenlet_of_its_own(self):
        mine = getcurrent()
        theirs = in_thread(getcurrent)
        self.assertIsNot(mine, theirs)
        self.assertIsNone(theirs.parent)
        self.assertTrue(theirs.dead)
        self.assertIn("thread exited", repr(theirs))

    def test_one_is_started_in_the_thread_of_its_parent(self):
        g = greenlet(lambda: 5)
        with self.assertRaisesRegex(error, "different thread"):
            in_thread(g.switch)
        self.assertEqual(g.switch(), 5)

    def test_one_made_here_is_started_there_when_it_has_a_parent_there(self):
        g = greenlet(lambda: threading.get_ident())

        def run():
            g.parent = getcurrent()
            return g.switch() == threading.get_ident()
        self.assertTrue(in_thread(run))

    def test_main_is_told_when_all_parents_have_moved_to_another_thread(self):
        steps = [threading.Event(), threading.Event()]
        parent = greenlet(lambda value: value)
        g = greenlet(getcurrent().switch, parent)
        g.switch()

        def thread():
            parent.parent = getcurrent()
            steps[0].set()
            steps[1].wait(10)
        t = threading.Thread(target=thread)
        t.start()
        steps[0].wait(10)
        try:
            with self.assertRaisesRegex(error, "different thread"):
                g.switch()
        finally:
            steps[1].set()
            t.join(10)
        self.assertTrue(g.dead)

    def test_another_threads_greenlet_is_refused(self):
        g = suspended()
        for call in (g.switch, g.throw):
            with self.assertRaisesRegex(error, "Cannot switch to a different thread"):
                in_thread(call)
        g.switch()
        with self.assertRaises(error):
            in_thread(g.switch)

    def test_one_whose_thread_has_ended_is_refused(self):
        g = in_thread(suspended)
        for call in (g.switch, g.throw):
            with self.assertRaisesRegex(error, "which happens to have exited"):
                call()
        self.assertIsNotNone(g.gr_frame)
        self.assertTrue(g.dead)
        self.assertIsNone(g.gr_frame)

    def test_frames_can_be_looked_at_after_their_thread_has_ended(self):
        kept = []

        def run(value):
            local = value
            kept.append(sys._getframe())
            main_switch()
            return local
        g = in_thread(suspended, run, "here")
        self.assertEqual(g.gr_frame.f_back.f_locals["local"], "here")
        del g
        gc.collect()
        for frame in kept:
            self.assertEqual(frame.f_code.co_name, "run")
            repr(frame)
            frame.f_locals
        del frame, kept[:]

    def test_what_one_refers_to_goes_with_it_after_its_thread(self):
        class Thing:
            pass

        def run():
            thing = Thing()
            found.append(weakref.ref(thing))
            main_switch()
        found = []
        g = in_thread(suspended, run)
        self.assertIsNotNone(found[0]())
        del g
        gc.collect()
        self.assertIsNone(found[0]())

    def test_one_dropped_elsewhere_ends_in_its_own_thread(self):
        log, steps = [], [threading.Event(), threading.Event()]

        def run():
            try:
                main_switch()
            except GreenletExit:
                log.append(threading.get_ident())

        def thread():
            kept.append(suspended(run))
            steps[0].set()
            steps[1].wait(10)
            getcurrent()
            return threading.get_ident(), list(log)
        kept = []
        outcome = []
        t = threading.Thread(target=lambda: outcome.append(thread()))
        t.start()
        steps[0].wait(10)
        del kept[:]
        self.assertEqual(log, [])
        steps[1].set()
        t.join(10)
        ident, seen = outcome[0]
        self.assertEqual(seen, [ident])

    def test_one_dropped_elsewhere_ends_with_its_thread_at_the_latest(self):
        log, steps = [], [threading.Event(), threading.Event()]

        def run():
            try:
                main_switch()
            finally:
                log.append("finally")

        def thread():
            kept.append(suspended(run))
            steps[0].set()
            steps[1].wait(10)
        kept = []
        t = threading.Thread(target=thread)
        t.start()
        steps[0].wait(10)
        del kept[:]
        steps[1].set()
        t.join(10)
        for _ in range(100):
            if log:
                break
            time.sleep(0.01)
        self.assertEqual(log, ["finally"])

    def test_threads_take_turns_while_their_greenlets_switch(self):
        def count():
            g = suspended(lambda: [main_switch(i) for i in range(2000)])
            return sum(g.switch() for _ in range(1999))
        results = []
        threads = [threading.Thread(target=lambda: results.append(count())) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        self.assertEqual(results, [sum(range(1, 2000))] * 4)

    def test_what_a_thread_lets_go_last_has_no_greenlets(self):
        """Since 3.13 a thread's variables go before the rest of its Python state."""
        class Thing:
            def __del__(self):
                try:
                    greenlet(len)
                    log.append("greenlets")
                except RuntimeError as e:
                    log.append(str(e))

        def run():
            getcurrent()
            local.thing = Thing()
        local, log, threads = threading.local(), [], _greenlet._threads()
        t = threading.Thread(target=run)
        t.start()
        t.join(10)
        for _ in range(100): # it goes a little later than its thread is joined
            if log:
                break
            time.sleep(0.01)
        self.assertEqual(log, ["greenlets" if sys.version_info >= (3, 13) else
                               "this thread's Python state has ended"])
        self.assertEqual(_greenlet._threads(), threads)

    def test_many_threads_come_and_go(self):
        for _ in range(50):
            g = in_thread(suspended)
            del g

    def test_a_parent_in_another_thread_is_refused(self):
        g, other = suspended(), in_thread(getcurrent)
        with self.assertRaises(ValueError):
            g.parent = other


@unittest.skipUnless(hasattr(os, "fork"), "no fork here")
class Fork(Case):
    def child(self, function):
        """What it returns in a child process."""
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writable, str(function()).encode())
            finally:
                os._exit(0)
        os.close(writable)
        text = os.read(readable, 1000).decode()
        os.close(readable)
        os.waitpid(pid, 0)
        return text

    def test_greenlets_go_on_in_a_child_process(self):
        g = suspended(lambda: main_switch() + 1)
        self.assertEqual(self.child(lambda: g.switch(4)), "5")
        self.assertEqual(g.switch(5), 6)

    def test_a_greenlet_may_fork(self):
        readable, writable = os.pipe()
        parent = os.getpid()

        def forks():
            pid = os.fork()
            main_switch(pid)
        g = greenlet(forks)
        pid = g.switch()
        if os.getpid() != parent:
            try:
                os.write(writable, b"child is in main")
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        self.assertEqual(os.read(readable, 100), b"child is in main")
        os.close(readable)
        os.close(writable)
        g.switch()

    def test_other_threads_greenlets_are_dead_in_a_child_process(self):
        steps = [threading.Event(), threading.Event()]
        kept = []

        def thread():
            kept.append(suspended())
            steps[0].set()
            steps[1].wait(10)
        t = threading.Thread(target=thread)
        t.start()
        steps[0].wait(10)

        def look():
            dead = kept[0].dead
            del kept[:]
            gc.collect()
            return dead, suspended().switch()
        self.assertEqual(self.child(look), "(True, ())")
        steps[1].set()
        t.join(10)

    def test_one_that_another_thread_runs_is_lost_in_a_child_process(self):
        """When it last stood still it had frames that have ended since."""
        steps = [threading.Event(), threading.Event()]
        kept = []

        def deeper(n):
            return deeper(n - 1) if n else main_switch()

        def run():
            deeper(300)
            steps[0].set()
            steps[1].wait(10)

        def thread():
            kept.append(suspended(run))
            kept[0].switch()
        t = threading.Thread(target=thread)
        t.start()
        steps[0].wait(10)

        def look():
            dead, frame = kept[0].dead, kept[0].gr_frame
            with self.assertRaisesRegex(error, "which happens to have exited"):
                kept[0].switch()
            del kept[:]
            gc.collect()
            return dead, frame, suspended().switch()
        self.assertEqual(self.child(look), "(True, None, ())")
        steps[1].set()
        t.join(10)
        self.assertTrue(kept[0].dead)


if __name__ == "__main__":
    unittest.main()
