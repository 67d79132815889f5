#!/usr/bin/env python3
"""Which names the libraries show: symbols.py libcress.so libcress.a

The shared library exports cress_x only, nothing of cress__x. In the static one, whose names meet
the user's, every global name begins with cress_.
"""
import re
import subprocess
import sys

from report import finish

# What the compiler itself adds to instrumented objects.
INSTRUMENTED = re.compile(r"__(asan|tsan|ubsan|odr_asan|gcov|llvm|covrec|prof)|_?_?sancov"
                          r"|\.?_?DW\.")


def names(path, *options):
    out = subprocess.run(["nm", "--defined-only", "--format=posix", *options, path], check=True,
                         text=True, stdout=subprocess.PIPE).stdout
    for line in out.splitlines():
        fields = line.split()
        if len(fields) >= 3:
            yield fields[0].split("@")[0], fields[1]


def exported(shared):
    """Names in the dynamic table, without the version node itself."""
    return {name for name, kind in names(shared, "--dynamic") if kind != "A"}


def problems(shared, static):
    found = []
    public = exported(shared)
    for name in sorted(public):
        if not re.fullmatch(r"cress_[a-z]\w*", name) and not INSTRUMENTED.match(name):
            found.append(f"{shared}: exports {name}")
    inside = {name for name, kind in names(static, "--extern-only")}
    for name in sorted(inside):
        if not name.startswith("cress_") and not INSTRUMENTED.match(name):
            found.append(f"{static}: {name} is in everybody's way: no cress_ in front")
    return found, len(public) + len(inside) if public and inside else 0


if __name__ == "__main__":
    found, count = problems(*sys.argv[1:])
    finish(found, (count, "names"))
