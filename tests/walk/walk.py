#!/usr/bin/env python3
"""What gdb and perf see of a stack that was switched to: walk.py gdb|perf PROGRAM LIBRARY

All frames down to the entry of the coroutine, and no step further. PROGRAM is walked.c. What the
processor's registers are called matters only for the stack that rests: x86-64 only, so far.
"""
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).parents[1] / "structure"))
from report import finish, skip

RUNS = ["innermost", "second", "third", "runs"]
RESTS = ["rests", "rests_below", "sleeps"]
ENTRY = "cress__ctx_start"
TURNS = 500_000_000  # about a third of a second
FEWEST = 20          # samples that say something


def run(*command):
    # No symbols from the network, nothing in the user's language.
    environment = {**os.environ, "DEBUGINFOD_URLS": "", "LC_ALL": "C"}
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def problem(names, expected, where):
    """What is wrong with a walk, innermost first, or None."""
    at = names.index(expected[0]) if expected[0] in names else 0
    if names[at:at + len(expected)] == expected and names[-1] == ENTRY and "??" not in names:
        return None
    return f"{where}: {' < '.join(names)}; expected {' < '.join(expected)} < ... < {ENTRY}"


# --- gdb -----------------------------------------------------------------------------------------

# What a resting context has on its stack, from its stack pointer up: src/ctx/switch_x86_64.h.
GO_TO_RESTING = ["set $at = (long *) resting.sp", "set $rsp = $at + 3", "set $rbp = $at[1]",
                 "set $rip = $at[2]"]


def gdb(program, *commands):
    options = [option for command in commands for option in ("-ex", command)]
    # Undemangled: a name with __ could be one of Ada's.
    return run("gdb", "-nx", "-batch", "-ex", "set width 0", "-ex", "set print demangle off",
               *options, program).stdout


def walked(where, said, expected):
    """What is wrong with the frames that gdb printed, and its own complaints."""
    names = re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) \(", said, re.M)
    if not names:
        return [f"{where}: gdb shows no frame: {said}"]
    complaint = re.search(r"^(Backtrace stopped|.*corrupt|.*previous frame).*", said, re.M)
    return list(filter(None, [problem(names, expected, where),
                              complaint and f"{where}: gdb says: {complaint[0]}"]))


def check_gdb(program):
    if shutil.which("gdb") is None:
        skip("gdb not found (Debian 12: gdb)")
    probe = gdb(shutil.which("true"), "run")
    if "exited normally" not in probe:
        skip("gdb cannot run a program here: " + " ".join(probe.split()))
    found, count = [], 1
    said = gdb(program, "break innermost", "run", "bt", "kill")
    found += walked("the stack that runs", said, RUNS)
    if platform.machine() != "x86_64":
        print("the stack that rests is not walked: only the registers of x86-64 are known here")
    else:
        count += 1
        said = gdb(program, "break innermost", "run", *GO_TO_RESTING, "bt", "kill")
        found += walked("the stack that rests", said, RESTS)
    finish(found, (count, "stacks walked by gdb"))


# --- perf ----------------------------------------------------------------------------------------

EVENT = ["-e", "cpu-clock:u", "-F", "999", "-B", "-N"]


def record(data, method, *command):
    return run("perf", "record", "-q", *EVENT, "--call-graph", method, "-o", data, "--", *command)


def samples(data):
    """The walk of each sample as names, innermost first."""
    text = run("perf", "script", "--no-inline", "-F", "ip,sym", "-i", data).stdout
    for sample in re.split(r"\n\s*\n", text):
        names = re.findall(r"^\s*[0-9a-f]+ (\S+)", sample, re.M)
        if names:
            yield ["??" if name == "[unknown]" else name for name in names]


def check_perf(program):
    if shutil.which("perf") is None:
        skip("perf not found (Debian 12: linux-perf)")
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder, "perf.data")
        probe = record(data, "fp", shutil.which("true"))
        if probe.returncode != 0:
            skip("perf cannot record here: " + " ".join(probe.stdout.split()))
        found, count = [], 0
        for method in "dwarf,16384", "fp":
            done = record(data, method, program, TURNS)
            if done.returncode != 0:
                found.append(f"{method}: {done.stdout.strip()}")
                continue
            walks = [names for names in samples(data) if names[0] == RUNS[0]]
            wrong = [p for names in walks if (p := problem(names, RUNS, method))]
            if len(walks) < FEWEST:
                found.append(f"{method}: {len(walks)} samples in {RUNS[0]}()")
            if wrong:
                found.append(f"{len(wrong)} of {len(walks)} walks, such as {wrong[0]}")
            count += len(walks)
    finish(found, (count, "samples of perf walked"))


if __name__ == "__main__":
    tool, program, library = sys.argv[1:]
    if ENTRY.encode() not in pathlib.Path(library).read_bytes():
        skip("switched by swapcontext(3), whose outermost frame is the C library's")
    {"gdb": check_gdb, "perf": check_perf}[tool](pathlib.Path(program))
