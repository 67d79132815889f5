#!/usr/bin/env python3
"""Install into a scratch tree and use it from outside: run.py BUILD cmake cc c++ pkg-config

The library is installed as a packager does (DESTDIR, prefix /usr) and the tree is used where it
lies. outside/ is built as C and as C++, with the shared and with the static library, once by what
pkg-config says and once by find_package; each program is run.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
OUTSIDE = HERE / "outside"


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def version():
    text = (HERE.parents[1] / "include/cress/base.h").read_text()
    return ".".join(re.search(rf"#define CRESS_VERSION_{part} (\d+)", text)[1]
                    for part in ("MAJOR", "MINOR", "PATCH"))


def use(program, libdir, shared):
    """Run it, and see that it is linked as it should be."""
    needed = run("readelf", "--dynamic", "--wide", program)
    soname = f"libcress.so.{version().split('.')[0]}"
    if (f"[{soname}]" in needed) != shared:
        sys.exit(f"{program}: {'not ' if shared else ''}linked with {soname}")
    printed = run(program, env={**os.environ, "LD_LIBRARY_PATH": str(libdir) if shared else ""})
    if printed != f"cress {version()}: ping pong done\n":
        sys.exit(f"{program} printed {printed!r}")
    print(f"{program.relative_to(program.parents[1])}: {printed.strip()}")


def by_pkg_config(pkg_config, compilers, libdir, scratch):
    folder = scratch / "pkg-config"
    folder.mkdir()
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": str(libdir / "pkgconfig")}
    said = run(pkg_config, "--modversion", "cress", env=environment).strip()
    if said != version():
        sys.exit(f"cress.pc says version {said}, base.h {version()}")
    for language, compiler in compilers.items():
        for kind, options, link in (("shared", [], []), ("static", ["--static"], ["-static"])):
            flags = run(pkg_config, *options, "--cflags", "--libs", "cress",
                        env=environment).split()
            program = folder / f"{kind}_{language}"
            run(compiler, "-Wall", "-Wextra", "-Werror", OUTSIDE / f"outside.{language}",
                "-o", program, *link, *flags)
            use(program, libdir, kind == "shared")


def by_find_package(cmake, compilers, prefix, libdir, scratch):
    folder = scratch / "find_package"
    run(cmake, "-S", OUTSIDE, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_C_COMPILER={compilers['c']}", f"-DCMAKE_CXX_COMPILER={compilers['cc']}")
    run(cmake, "--build", folder)
    for language in compilers:
        for kind in ("shared", "static"):
            use(folder / f"{kind}_{language}", libdir, kind == "shared")


def main():
    build, cmake, cc, cxx, pkg_config = sys.argv[1:]
    compilers = {"c": cc, "cc": cxx}
    scratch = pathlib.Path(tempfile.mkdtemp())
    try:
        run(cmake, "--install", build, "--prefix", "/usr",
            env={**os.environ, "DESTDIR": str(scratch)})
        prefix = scratch / "usr"
        libdir = next(prefix.rglob("libcress.so")).parent
        installed = {path.relative_to(prefix / "include").as_posix()
                     for path in (prefix / "include").rglob("*") if path.is_file()}
        include = HERE.parents[1] / "include"
        wanted = {path.relative_to(include).as_posix() for path in include.rglob("*.h")}
        if installed != wanted:
            sys.exit(f"installed headers differ from include/: {sorted(installed ^ wanted)}")
        by_pkg_config(pkg_config, compilers, libdir, scratch)
        by_find_package(cmake, compilers, prefix, libdir, scratch)
    finally:
        shutil.rmtree(scratch)


main()
