#!/usr/bin/env python3
"""Each public header compiles alone, as C11 and as C++17: headers.py [TREE]

With every compiler of gcc, g++, clang and clang++ that is here, and without a warning even from
options a strict user might have. Each CRESS_X_INIT is used once, for a macro is compiled only then.
"""
import pathlib
import re
import shutil
import subprocess
import sys

from report import finish

WARNINGS = "-Wall -Wextra -Wconversion -Wshadow -Wpedantic -Werror".split()
LANGUAGES = [
    ("gcc", ["-x", "c", "-std=c11"]),
    ("clang", ["-x", "c", "-std=c11"]),
    ("g++", ["-x", "c++", "-std=c++17"]),
    ("clang++", ["-x", "c++", "-std=c++17"]),
]


def user_of(header, name):
    """A program that includes the header, twice: the guard is part of it."""
    lines = [f"#include <{name}>", f"#include <{name}>", "int use(void);", "int use(void)", "{"]
    for macro in re.findall(r"^#define (CRESS_[A-Z_]+)_INIT\b", header.read_text(), re.MULTILINE):
        lines += [f"    {macro.lower()} {macro.lower()}_one = {macro}_INIT;",
                  f"    (void){macro.lower()}_one;"]
    return "\n".join([*lines, "    return 0;", "}", ""])


def problems(tree):
    here = [(compiler, options) for compiler, options in LANGUAGES if shutil.which(compiler)]
    for compiler, options in LANGUAGES:
        if not shutil.which(compiler):
            print(f"without {compiler}: not found")
    found, count = [], 0
    include = tree / "include"
    for header in sorted(include.rglob("*.h")):
        name = header.relative_to(include)
        for compiler, options in here:
            count += 1
            done = subprocess.run(
                [compiler, *options, *WARNINGS, "-I", include, "-fsyntax-only", "-"],
                input=user_of(header, name), text=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            if done.returncode != 0:
                found.append(f"{name} with {compiler} {' '.join(options)}:\n{done.stdout}")
    return found, count


if __name__ == "__main__":
    found, count = problems(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    finish(found, (count, "compilations"))
