#!/usr/bin/env python3
"""Which file may include which: layers.py [TREE]

A file of src/ includes its own folder, the layers below it, the public headers of these, and the
system's. A public header includes public headers of its own layer or below. Examples see nothing
but public headers; the Python package its own and that of the coroutine layer. What must go up goes
as a callback.
"""
import pathlib
import re
import sys

from report import finish

# layer: the layers directly below it; what those may see, it may see too
BELOW = {
    "base": [],
    "ctx": ["base"],
    "coro": ["ctx"],
    "loop": ["base"],
    "hub": ["coro", "loop"],
    "sync": ["hub"],
    "io": ["sync"],
    "os": ["io"],
    "net": ["io"],
    "serve": ["os", "net"],
    # looks at all of them; none looks at it
    "debug": ["serve"],
}

# The C sources of the Python package, which is compiled together with these layers only.
PYTHON = "python/src/cress/_greenlet"

# The layer that implements a public header include/cress/<name>.h.
PUBLIC = {
    "base": "base",
    "coro": "coro",
    "loop": "loop",
    "hub": "hub",
    "waiter": "hub",
    "offload": "hub",
    "greenlet": "hub",
    "scope": "hub",
    "wait": "hub",
    "sync": "sync",
    "queue": "sync",
    "key": "sync",
    "group": "sync",
    "threadpool": "sync",
    "chan": "sync",
    "io": "io",
    "net": "net",
    "server": "serve",
}

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b[ \t]*(.*?)[ \t]*(?:/[/*].*)?$", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def visible(layer):
    seen = {layer}
    for below in BELOW[layer]:
        seen |= visible(below)
    return seen


def includes(path):
    """(line, bracket, name) of each include; bracket is < or " or, for a macro, empty."""
    text = COMMENT.sub(lambda m: "\n" * m[0].count("\n"), path.read_text())
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        name = re.fullmatch(r'([<"])([^>"]+)[>"]', match[1])
        yield (line, name[1], name[2]) if name else (line, "", match[1])


def why_not(tree, layer, bracket, name):
    """The reason why a file of that layer may not include this, or None. Layer None: an example."""
    if not bracket:
        return "an include must name its file"
    if layer == PYTHON:
        if name.startswith("cress/") and PUBLIC.get(pathlib.PurePath(name).stem) in visible("coro"):
            return None
        if bracket == "<":
            return "the package must see cress/coro.h and no more" if "cress" in name else None
        return None if (tree / PYTHON / name).is_file() else f"there is no {PYTHON}/{name}"
    if name == "cress.h":
        return None if layer is None else "cress.h is for users: include the one header you need"
    if name.startswith("cress/"):
        if not (tree / "include" / name).is_file():
            return f"there is no include/{name}"
        if layer is None:
            return None
        owner = PUBLIC.get(pathlib.PurePath(name).stem)
        if owner is None:
            return f"{name} has no layer in tests/structure/layers.py"
        return None if owner in visible(layer) else f"{layer} must not see {owner}"
    if bracket == "<":
        return f'write it as "{name}"' if (tree / "src" / name).is_file() else None
    folder = name.split("/")[0] if "/" in name else None
    if layer is None:
        return "an example sees public headers only"
    if folder is None or not (tree / "src" / name).is_file():
        return f"there is no src/{name}"
    if folder not in BELOW:
        return f"{folder} has no layer in tests/structure/layers.py"
    return None if folder in visible(layer) else f"{layer} must not see {folder}"


def files(tree):
    """(path, layer) of everything the rule is about; layer "?" when there is none."""
    for path in sorted((tree / "src").rglob("*")):
        if path.suffix in (".c", ".h", ".S"):
            folder = path.relative_to(tree / "src").parts[0]
            yield path, folder if folder in BELOW else "?"
    for path in sorted((tree / "include" / "cress").rglob("*.h")):
        yield path, PUBLIC.get(path.stem, "?")
    for path in sorted((tree / "examples").glob("*.[ch]")):
        yield path, None
    for path in sorted((tree / PYTHON).glob("*.[ch]")):
        yield path, PYTHON


def problems(tree):
    found, count = [], 0
    for path, layer in files(tree):
        where = path.relative_to(tree)
        count += 1
        if layer == "?":
            found.append(f"{where}: has no layer in tests/structure/layers.py")
            continue
        for line, bracket, name in includes(path):
            reason = why_not(tree, layer, bracket, name)
            if reason:
                found.append(f"{where}:{line}: includes {name}: {reason}")
    return found, count


if __name__ == "__main__":
    found, count = problems(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    finish(found, (count, "files"))
