#!/usr/bin/env python3
"""docs/behaviour.md is complete and its tests exist: behaviour.py [--strict] [TREE]

Each section says in its heading which numbers it has; each of them is a row, in order, and names
tests that exist, or says what is left out and why. Rows with "not yet" are listed; with --strict
they are wrong.
"""
import pathlib
import re
import sys

from report import finish

PAGE = "docs/behaviour.md"
HEADING = re.compile(r"## (\d+) .*\(\1\.1 to \1\.(\d+)\)$")
ROW = re.compile(r"\| (\d+\.\d+) \| (.+?) \| (.+) \|$")
TEST = re.compile(r"`(\w+)\.(\w+): (\w+)`")
REASON = re.compile(r"(Left out|Differs): \w+ \w+")
NOT_YET = re.compile(r"\*\*not yet\*\*", re.IGNORECASE)


def rows(text):
    """(number, case, shown by) of each row, and the numbers that the headings promise."""
    found, promised = [], []
    for line in text.splitlines():
        if heading := HEADING.match(line):
            promised += [f"{heading[1]}.{i}" for i in range(1, int(heading[2]) + 1)]
        elif row := ROW.match(line):
            found.append(row.groups())
        elif line.startswith("## ") or re.match(r"\| *\d", line):
            found.append((line, "", ""))  # in no form that we know
    return found, promised


def sources(tree, layer, subject):
    names = [f"{subject}.c"] if layer == "faults" else [f"{subject}_test.c", f"{subject}_test.cc"]
    return [path for name in names if (path := tree / "tests" / layer / name).is_file()]


def why_not(tree, layer, subject, function):
    """What is wrong with a reference, or None."""
    files = sources(tree, layer, subject)
    if not files:
        return f"there is no test {layer}.{subject}"
    if not any(re.search(rf"^static void {function}\(", path.read_text(), re.MULTILINE)
               for path in files):
        return f"{layer}.{subject} has no {function}"
    return None


def problems(tree, strict=False):
    """What is wrong, how many rows there are, and the numbers that wait for a test."""
    text = (tree / PAGE).read_text()
    found, waiting = [], []
    table, promised = rows(text)
    numbers = [number for number, _, _ in table]
    for number in promised:
        if number not in numbers:
            found.append(f"{PAGE}: {number} is missing")
    if not found and numbers != promised:
        wrong = next((a for a, b in zip(numbers, promised) if a != b), numbers[len(promised):])
        found.append(f"{PAGE}: out of order, twice, or no row: {wrong}")
    for number, _, shown in table:
        tests = TEST.findall(shown)
        if NOT_YET.search(shown):
            waiting.append(number)
        elif not tests and not REASON.search(shown):
            found.append(f"{PAGE}: {number} names no test, and no reason")
        for test in tests:
            reason = why_not(tree, *test)
            if reason:
                found.append(f"{PAGE}: {number}: {reason}")
    if strict:
        found += [f"{PAGE}: {number} has no test yet" for number in waiting]
    return found, len(table), waiting


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--strict"]
    found, count, waiting = problems(pathlib.Path(arguments[0] if arguments else "."),
                                     "--strict" in sys.argv)
    if waiting:
        print(f"not yet: {', '.join(waiting)}")
    finish(found, (count, "cases"))
