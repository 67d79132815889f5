"""Greenlets of Python: the package greenlet, or with --cress DIR ours in its place."""

import gc
import sys
import time

import rows

if sys.argv[1:2] == ["--cress"]:
    sys.path.insert(0, sys.argv[2])
    del sys.argv[1:3]
    import cress
    cress.install_as_greenlet()

import greenlet  # noqa: E402

getcurrent, new = greenlet.getcurrent, greenlet.greenlet


def best(run, n):
    """The best of many short runs of n steps, in ns for each: a switch is shorter than noise."""
    repeats = 10 if rows.quick else 300
    least = float("inf")
    for _ in range(repeats):
        start = time.perf_counter_ns()
        run(n)
        least = min(least, time.perf_counter_ns() - start)
    return least / n


def turns(g):
    switch = g.switch

    def run(n):
        for _ in range(n):
            switch()
    return best(run, 2000) / 2


def switches(name, n):
    """There and back, from just below the start of a greenlet and from within 20 calls by C."""
    def body():
        switch = getcurrent().parent.switch
        while True:
            switch()

    def deep(n):
        return list(map(deep, [n - 1])) if n > 0 else body()
    flat, nested = new(body), new(deep)
    flat.switch()
    nested.switch(20)
    rows.say("py_switch", turns(flat), "ns")
    rows.say("py_switch_deep", turns(nested), "ns")


def spawns(name, n):
    def body():
        pass

    def run(n):
        for _ in range(n):
            new(body).switch()
    rows.say(name, best(run, 500), "ns")


def alive(name, n):
    main = getcurrent()

    def body():
        main.switch()

    def run(count):
        there = [new(body) for _ in range(count)]
        for g in there:
            g.switch()
        for g in there:
            g.switch()
    repeats = 3 if rows.quick else 20
    least = float("inf")
    for _ in range(repeats):
        start = time.perf_counter_ns()
        run(n)
        least = min(least, time.perf_counter_ns() - start)
    rows.say(name, least / n, "ns")


def memory(name, n): # which ends without ending them all
    """Of one that called nothing but a switch: what is resident, and with the page tables."""
    main = getcurrent()
    n = rows.steps(n)

    def body():
        main.switch()

    def kilobytes():
        return [rows.field_kb("/proc/self/status", field) for field in ("VmRSS", "VmPTE")]
    there = [None] * n
    resident, tables = kilobytes()
    for i in range(n):
        there[i] = new(body)
        there[i].switch()
    more_resident, more_tables = kilobytes()
    resident, tables = more_resident - resident, more_tables - tables
    rows.say("py_memory", resident / n, "KB")
    rows.say("py_memory_tables", (resident + tables) / n, "KB")


if __name__ == "__main__":
    gc.disable()
    rows.main([("py_switch", switches, 2), ("py_spawn", spawns, 1), ("py_alive_1000", alive, 1000),
               ("py_memory", memory, 50000)])
