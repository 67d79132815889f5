"""The programs shown in README.md and docs/ compile, run, and do what the page says.

    snippets.py LIBRARY COMPILER [OPTION...]

A program is a ```c block with a main. The ```text block that comes next holds what it prints; one
that listens is talked to instead, and must be the echo server that the page calls it.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

from report import finish

sys.path.append(str(pathlib.Path(__file__).parents[1] / "examples"))
import echo_server

STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
ADDRESS = re.compile(r'"tcp:127\.0\.0\.1:\d+"')


def programs(tree):
    """(name, text, what it prints or None) of each block with a main."""
    for page in [tree / "README.md", *sorted((tree / "docs").glob("*.md"))]:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.S | re.M)
        for number, (kind, text) in enumerate(blocks):
            if kind == "c" and "int main(" in text:
                following = blocks[number + 1] if number + 1 < len(blocks) else (None, None)
                yield (f"{page.relative_to(tree)}, block {number + 1}", text,
                       following[1] if following[0] == "text" else None)


def failure(command, text=None):
    """What a command that failed had to say, or None."""
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    return None if done.returncode == 0 else done.stderr.strip() or f"status {done.returncode}"


def misbehaviour(program, listens, output):
    """What the running program does otherwise than its page says, or None."""
    try:
        if listens:
            echo_server.check([program], listens)
            return None
        if output is None:
            return "the page does not say what it prints"
        done = subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=20)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    if done.returncode != 0:
        return f"status {done.returncode}: {done.stderr.strip()}"
    return None if done.stdout == output else f"prints {done.stdout!r}, not {output!r}"


def problems(tree, library, compiler):
    """compiler: the command with its options."""
    found, count = [], 0
    folder = library.resolve().parent
    link = ["-x", "none", library, f"-Wl,-rpath,{folder}"]
    with tempfile.TemporaryDirectory() as scratch:
        program = pathlib.Path(scratch, "program")
        for name, text, output in programs(tree):
            count += 1
            listens = None
            if ADDRESS.search(text): # its port may be taken here
                listens = ("127.0.0.1", echo_server.free_port())
                text = ADDRESS.sub('"tcp:%s:%d"' % listens, text)
            problem = failure([*compiler, *STRICT, "-I", tree / "include", "-x", "c", "-", *link,
                               "-o", program], text)
            if problem is None:
                problem = misbehaviour(program, listens, output)
            if problem is not None:
                found.append(f"{name}: {problem}")
    return found, count


if __name__ == "__main__":
    library, *compiler = sys.argv[1:]
    found, count = problems(pathlib.Path("."), pathlib.Path(library), compiler)
    finish(found, (count, "programs in the documents"))
