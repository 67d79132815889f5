#!/usr/bin/env python3
"""The sources look as clang-format 14 lays them out: format.py [--fix] [TREE]

One version only, since each lays out something differently; Debian 12 has this one.
"""
import pathlib
import shutil
import subprocess
import sys

from report import finish, skip

VERSION = "14."
FOLDERS = "include src tests fuzz bench examples tools python".split()
SUFFIXES = {".c", ".h", ".cc"}


def formatter():
    """The clang-format to use, or None with the reason."""
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path:
            version = subprocess.run([path, "--version"], text=True, stdout=subprocess.PIPE).stdout
            if f"version {VERSION}" in version:
                return path, None
    return None, "clang-format 14 not found (Debian 12: clang-format-14)"


def sources(tree):
    return [path for folder in FOLDERS for path in sorted((tree / folder).rglob("*"))
            if path.suffix in SUFFIXES and path.is_file()]


def problems(tree, tool):
    found, files = [], sources(tree)
    for path in files:
        done = subprocess.run([tool, "--style=file", "--dry-run", "-Werror", path], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            first = done.stdout.splitlines()[0] if done.stdout else "differs"
            found.append(f"{first} (make format)")
    return found, len(files)


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--fix"]
    tree = pathlib.Path(arguments[0] if arguments else ".")
    tool, reason = formatter()
    if tool is None:
        skip(reason)
    if "--fix" in sys.argv:
        subprocess.run([tool, "--style=file", "-i", *sources(tree)], check=True)
    finish(*(lambda found, count: (found, (count, "files")))(*problems(tree, tool)))
