#!/usr/bin/env python3
"""Run an example and compare what it prints: run.py PROGRAM

NAME.py beside this file takes over when it exists; else standard output must equal NAME.expected.
"""
import difflib
import pathlib
import subprocess
import sys

program = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent
script = here / (program.name + ".py")
expected = here / (program.name + ".expected")

if script.exists():
    sys.exit(subprocess.run([sys.executable, script, program]).returncode)
if not expected.exists():
    sys.exit(f"neither {script.name} nor {expected.name} says what this example prints")
done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                      timeout=50)
if done.stdout != expected.read_text():
    sys.stdout.writelines(difflib.unified_diff(
        expected.read_text().splitlines(True), done.stdout.splitlines(True), "expected", "printed"))
    sys.exit(1)
if done.returncode != 0:
    sys.exit(f"exit status {done.returncode}")
