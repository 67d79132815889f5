#!/usr/bin/env python3
"""No line is wider than the page, 100 columns: width.py [TREE]

clang-format leaves comments as they are, and knows neither Python nor the rest. Tables in Markdown
have no other way, and may be wider.
"""
import os
import pathlib
import sys

from report import finish

WIDTH = 100
SUFFIXES = {".c", ".h", ".cc", ".cpp", ".S", ".go", ".py", ".cmake", ".sh", ".md"}
NAMES = {"CMakeLists.txt", "Makefile"}


def written_by_hand(tree):
    """What is read by people: not what was built, nor data."""
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name not in (".git", "build")
                            and not os.path.exists(os.path.join(folder, name, "CMakeCache.txt")))
        for path in sorted(pathlib.Path(folder, name) for name in names):
            if path.suffix in SUFFIXES or path.name in NAMES or is_script(path):
                yield path


def is_script(path):
    return path.suffix == "" and path.is_file() and path.read_bytes()[:2] == b"#!"


def problems(tree):
    found, count = [], 0
    for path in written_by_hand(tree):
        count += 1
        for number, line in enumerate(path.read_text().splitlines(), 1):
            width = len(line.expandtabs())
            if width > WIDTH and not (path.suffix == ".md" and line.startswith("|")):
                found.append(f"{path.relative_to(tree)}:{number}: {width} columns, "
                             f"the page has {WIDTH}")
    return found, count


if __name__ == "__main__":
    found, count = problems(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    finish(found, (count, "files"))
