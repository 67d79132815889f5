#!/usr/bin/env python3
"""The public headers keep their word: contract.py libcress.so [TREE]

Every prototype has its comment directly before it, and the library has every function, and no
other.
"""
import pathlib
import re
import sys

from report import finish
from symbols import INSTRUMENTED, exported

TOKEN = re.compile(r"""
    (?P<doc>/\*\*(?!<|/).*?\*/) | (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<directive>^[ \t]*\#(?:\\\n|[^\n])*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<word>\w+) | (?P<space>\s+) | (?P<mark>.)
""", re.VERBOSE | re.DOTALL | re.MULTILINE)


def without_cplusplus(text):
    """The text as a C compiler meets it: #ifdef __cplusplus ... [#else ...] #endif resolved."""
    lines, hidden, depth = [], [], 0
    for line in text.split("\n"):
        word = re.match(r"\s*#\s*(ifdef|ifndef|if|else|elif|endif)\b\s*(\w*)", line)
        if word and word[1] in ("ifdef", "ifndef", "if"):
            depth += 1
            if word[2] == "__cplusplus" or "defined(__cplusplus)" in line:
                hidden.append([depth, word[1] != "ifndef" and "!defined" not in line])
                line = ""
        elif word and hidden and hidden[-1][0] == depth:
            if word[1] == "endif":
                hidden.pop()
            else:
                hidden[-1][1] = not hidden[-1][1]
            line = ""
        if word and word[1] == "endif":
            depth -= 1
        lines.append("" if any(hide for _, hide in hidden) else line)
    return "\n".join(lines)


def declarations(text):
    """(line, doc, words) of each declaration at file scope; doc: a /** */ stood right before it."""
    text = without_cplusplus(text)
    line, start, doc, words, depth = 1, 1, False, [], 0
    for token in TOKEN.finditer(text):
        kind, value = token.lastgroup, token[0]
        if kind == "doc" and depth == 0:
            doc, words = True, []  # what stood before a comment is no part of the declaration
        elif kind in ("comment", "directive") and not words:
            doc = False  # something stands between the two
        elif kind in ("word", "mark", "string"):
            if not words:
                start = line
            if value in "([{":
                depth += 1
            elif value in ")]}":
                depth -= 1
            words.append(value)
            if depth == 0 and value in (";", "}"):
                if value == ";" or is_function(words):
                    yield start, doc, words
                    doc, words = False, []
        line += value.count("\n")


def is_function(words):
    """Whether the words up to a closing brace are a function with its body."""
    head = words[:words.index("{")]
    return ")" in head and "=" not in head


def declared(words):
    """The cress names a declaration declares as functions or variables: name, has a body."""
    if words[0] in ("typedef", "_Static_assert", "static_assert") or "cress" not in "".join(words):
        return
    body = "{" in words and is_function(words)
    if "{" in words and not body:
        return  # a struct, union or enum
    depth = 0
    for i, word in enumerate(words):
        if word == "{":
            return
        if word in "([":
            depth += 1
        elif word in ")]":
            depth -= 1
        elif depth == 0 and re.fullmatch(r"cress_[a-z]\w*", word):
            after = words[i + 1]
            if after == "(" or ("extern" in words and after in ";[,"):
                yield word, body


def problems(shared, tree):
    found = []
    library = {name for name in exported(shared) if not INSTRUMENTED.match(name)}
    promised = set()
    for header in sorted((tree / "include").rglob("*.h")):
        where = header.relative_to(tree)
        for line, doc, words in declarations(header.read_text()):
            for name, body in declared(words):
                if not doc:
                    found.append(f"{where}:{line}: {name} has no /** comment */ directly before it")
                if not body:
                    promised.add(name)
                    if name not in library:
                        found.append(f"{where}:{line}: {name} is declared and not in the library")
    for name in sorted(library - promised):
        found.append(f"{name} is exported and no public header declares it")
    return found, len(promised)


if __name__ == "__main__":
    found, count = problems(sys.argv[1], pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "."))
    finish(found, (count, "names"))
