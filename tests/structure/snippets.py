"""The programs shown in README.md and docs/ compile: every ```c block with a main.

    snippets.py COMPILER...
"""
import pathlib
import re
import subprocess
import sys

from report import finish

STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsyntax-only"]


def programs(tree):
    """(page, number of the block, text) of each block with a main."""
    for page in [tree / "README.md", *sorted((tree / "docs").glob("*.md"))]:
        blocks = re.findall(r"```c\n(.*?)```", page.read_text(), re.S)
        for number, text in enumerate(blocks, 1):
            if "int main(" in text:
                yield page.relative_to(tree), number, text


def problems(tree, compilers):
    found, count = [], 0
    for page, number, text in programs(tree):
        count += 1
        for compiler in compilers:
            run = subprocess.run([compiler, *STRICT, "-I", tree / "include", "-x", "c", "-"],
                                 input=text, text=True, capture_output=True)
            if run.returncode != 0:
                found.append(f"{page}, block {number}, {compiler}: {run.stderr.strip()}")
    return found, count


if __name__ == "__main__":
    found, count = problems(pathlib.Path("."), sys.argv[1:])
    finish(found, (count, "programs in the documents"))
