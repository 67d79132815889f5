"""bench.h for the peers in Python: rows, clocks, memory. Each row in a process of its own."""

import os
import resource
import socket
import sys
import time

REPEATS = 5
NAPS = 3
MESSAGE = b"12345678901234567890123456789012"

quick = False


def steps(n):
    return max(1, n // 50) if quick else n


allowed = sorted(os.sched_getaffinity(0))


def cores(n):
    """The last n of those that the process may use."""
    os.sched_setaffinity(0, allowed[-n:])


def say(name, value, unit):
    print(f"{name}\t{value:.4g}\t{unit}", flush=True)


def cannot(name, reason):
    print(f"{name}\t-\t{reason}", flush=True)


def field_kb(path, field):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def memory_kb():
    return field_kb("/proc/self/status", "VmRSS") + field_kb("/proc/self/status", "VmPTE")


def room(name, n, kb_each):
    """False, and the row is answered, when the machine has no room for n of that size."""
    available = field_kb("/proc/meminfo", "MemAvailable")
    if available // kb_each > n:
        return True
    cannot(name, f"not run: it takes up to {n * kb_each // 1024} MB, "
                 f"{available // 1024} MB are available")
    return False


def naps(i):
    """The naps of sleeper number i in seconds: the xorshift of bench.h."""
    state = (i * 2654435761 + 1) & 0xffffffff
    for _ in range(NAPS):
        state = state or 1
        state ^= (state << 13) & 0xffffffff
        state ^= state >> 17
        state ^= (state << 5) & 0xffffffff
        yield (1 + state % 1000) / 1000


class Laps:
    """bench_laps of bench.h."""

    def __init__(self, n, switches):
        self.n = n
        self.each = max(2, steps(switches) // n)
        self.lap = 0
        self.segment = -1
        self.start = 0
        self.values = []
        self.done = False

    def next(self):
        if self.lap == self.each:
            now = time.monotonic_ns()
            if self.segment >= 0:
                self.values.append((now - self.start) / (self.each * self.n))
            self.segment += 1
            self.lap = 0
            self.done = self.segment == REPEATS
            self.start = time.monotonic_ns()
        self.lap += 1

    def best(self):
        return min(self.values)


def best_of(run, n):
    """The best of some runs of n steps, in ns for each step; the first one warms up."""
    values = []
    for _ in range(REPEATS + 1):
        start = time.monotonic_ns()
        run()
        values.append((time.monotonic_ns() - start) / n)
    return min(values[1:])


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def main(rows):
    """rows: (name, function, n). Those named in the arguments, or all of them."""
    global quick
    wanted = sys.argv[1:]
    if wanted and wanted[0] == "--quick":
        quick = True
        wanted = wanted[1:]
    for name in wanted:
        if name not in [row[0] for row in rows]:
            sys.exit(f"{sys.argv[0]}: no row {name}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cores(1)
    failed = False
    for name, run, n in rows:
        if wanted and name not in wanted:
            continue
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run(name, n)
                status = 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                if status != 0:
                    import traceback
                    traceback.print_exc()
                os._exit(status)
        failed = os.waitpid(child, 0)[1] != 0 or failed
    sys.exit(1 if failed else 0)
