"""Run every test again and again: neither references, nor blocks of memory, nor stacks may grow.

What a debug build counts are references (sys.gettotalrefcount), any other blocks of memory. Caches
fill in the first runs, and chance adds and takes a few: a leak is what grows in every one of the
last runs.
"""
import gc
import os
import sys
import unittest
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
WARM, RUNS = 4, 5
# Not run again: each is a process of its own, or leaves something by its nature.
NOT_AGAIN = {
    "Late": "programs that end",
    "OtherPrograms": "programs",
    "InTheProcess": "programs",
    "Extensions": "programs",
    "Compilations": "programs",
    "Interpreters": "programs",
    "Overflows": "programs",
    "Memory": "a program",
    "Fork": "child processes",
    "Stubs": "no greenlet runs, but inspect and ast do, which keep what they have read",
    "test_the_environment_sets_it": "a program",
    "test_imports_and_libraries_run_on_the_default": "a program",
    "test_one_that_lives_on_without_references_is_named": "a program",
    # CPython leaves a block behind where it opens a text file or a StringIO, without greenlets too.
    "test_an_exception_of_its_clean_up_is_reported_not_raised": "StringIO",
    "test_deep_work_is_given_back": "a text file",
    # Its thread ended in the middle of calls: what CPython computed with at that moment is lost.
    "test_one_whose_thread_has_ended_is_refused": "frames of a thread that has ended",
    "test_frames_can_be_looked_at_after_their_thread_has_ended": "the same",
    "test_what_one_refers_to_goes_with_it_after_its_thread": "the same",
    "test_many_threads_come_and_go": "the same",
}


def cases(suite):
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from cases(part)
        else:
            yield part


def measure():
    for _ in range(3):
        gc.collect()
    return getattr(sys, "gettotalrefcount", sys.getallocatedblocks)()


def growth(case):
    """What the last runs added, each."""
    added = []
    for i in range(WARM + RUNS):
        before = measure()
        result = unittest.TestResult()
        type(case)(case._testMethodName).run(result)
        if not result.wasSuccessful():
            raise SystemExit(f"{case.id()} fails:\n{(result.errors + result.failures)[0][1]}")
        del result
        after = measure()
        if i >= WARM:
            added.append(after - before)
    return added


def main():
    warnings.simplefilter("ignore")
    suite = unittest.defaultTestLoader.discover(HERE)
    gc.freeze() # what is there now is neither looked at nor a leak: a collection is short then
    leaking, count = [], 0
    for case in cases(suite):
        if type(case).__name__ in NOT_AGAIN or case._testMethodName in NOT_AGAIN:
            continue
        for _ in range(6): # caches are full some time, and chance does not come six times
            added = growth(case)
            if min(added) <= 0:
                break
        else:
            leaking.append(f"{case.id()}: {added}")
        count += 1
    what = "references" if hasattr(sys, "gettotalrefcount") else "blocks"
    print(f"{count} tests, {WARM + RUNS} times each: {len(leaking)} leave {what} behind")
    print("\n".join(leaking))
    return 1 if leaking or count < 80 else 0


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    sys.exit(main())
