#!/usr/bin/env python3
"""No built file asks for an executable stack: stacks.py FOLDER

One assembly file without its note is enough to make every stack of the program executable. Looks
at every ELF program, shared library and object in the folder.
"""
import pathlib
import subprocess
import sys

from report import finish


def elf_files(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with open(path, "rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def problem(path):
    header = subprocess.run(["readelf", "--wide", "--file-header", "--program-headers",
                             "--section-headers", path],
                            check=True, text=True, stdout=subprocess.PIPE).stdout
    if "REL (Relocatable" in header:
        note = [line for line in header.splitlines() if ".note.GNU-stack" in line]
        if not note:
            return "has no .note.GNU-stack"
        # [Nr] Name Type Address Off Size ES Flg Lk ...: flags are missing when there are none
        flags = note[0].split("]", 1)[1].split()[6]
        return "has an executable .note.GNU-stack" if "X" in flags else None
    stack = [line for line in header.splitlines() if line.split()[:1] == ["GNU_STACK"]]
    if not stack:
        return "has no PT_GNU_STACK: the kernel then grants an executable stack"
    # Type Offset VirtAddr PhysAddr FileSiz MemSiz Flg Align
    flags = "".join(stack[0].split()[6:-1])
    return "asks for an executable stack" if "E" in flags else None


def problems(folder):
    found, count = [], 0
    for path in elf_files(folder):
        count += 1
        reason = problem(path)
        if reason:
            found.append(f"{path}: {reason}")
    return found, count


if __name__ == "__main__":
    found, count = problems(pathlib.Path(sys.argv[1]))
    finish(found, (count, "files"))
