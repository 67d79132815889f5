"""The PEP 517 backend: compiles one extension and zips it, with nothing but the standard library.

The extension holds the parts of the C library that it needs, src/base, src/ctx and src/coro, from
the repository around this folder or, in a source distribution, from its folder core/. All of it is
compiled at once, so that the compiler sees across files (-flto): a switch is 1 ns faster then.

What a builder may set: CC, CFLAGS and LDFLAGS, as everywhere.
"""
import base64
import hashlib
import io
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = HERE / "src" / "cress"
LAYERS = ("base", "ctx", "coro")
# Runs at the start of every Python that has the package: see cress.install_as_greenlet().
PTH = ("import os; os.environ.get('CRESS_AS_GREENLET', '0') in ('', '0') "
       "or __import__('cress').install_as_greenlet()\n")


def core():
    """Where include/ and src/ of the C library are."""
    inside = HERE / "core"
    return inside if inside.is_dir() else HERE.parent


def version():
    text = (core() / "include/cress/base.h").read_text()
    return ".".join(re.search(rf"#define CRESS_VERSION_{part} +(\d+)", text)[1]
                    for part in ("MAJOR", "MINOR", "PATCH"))


# --- the extension -------------------------------------------------------------------------------

def refuse_what_cannot_work():
    if sys.implementation.name != "cpython":
        raise SystemExit(f"cress: {sys.implementation.name} is not supported, only CPython")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise SystemExit("cress: free-threaded Python is not supported: greenlets rely on the GIL")
    if not sys.platform.startswith("linux"):
        raise SystemExit(f"cress: {sys.platform} is not supported, only Linux")
    header = pathlib.Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise SystemExit(f"cress: {header} not found; in Debian it is in python3-dev")


def sources():
    """The C sources, and the macros that go with them."""
    found = [path for layer in LAYERS for path in sorted((core() / "src" / layer).glob("*.c"))]
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(),
                                                         platform.machine().lower())
    assembly = core() / "src" / "ctx" / f"{machine}.S"
    flags = ["-D_GNU_SOURCE=1"]
    if assembly.is_file():
        found = [path for path in found if path.name != "ucontext.c"] + [assembly]
    else:
        flags.append("-DCRESS_CTX_UCONTEXT=1")
    if machine == "x86_64":
        flags += ["-mno-red-zone", "-DCRESS_NO_RED_ZONE=1"]
    return found + sorted((PACKAGE / "_greenlet").glob("*.c")), flags


def compile_extension(folder):
    """Compile it into folder; returns its path."""
    refuse_what_cannot_work()
    files, flags = sources()
    result = pathlib.Path(folder, "_greenlet" + sysconfig.get_config_var("EXT_SUFFIX"))
    with tempfile.TemporaryDirectory() as scratch:
        exports = pathlib.Path(scratch, "exports.map")
        exports.write_text("{ global: PyInit__greenlet; local: *; };\n")
        command = shlex.split(os.environ.get("CC", "cc")) + [
            "-std=gnu11", "-O2", "-g", "-DNDEBUG", "-fPIC", "-shared", "-fvisibility=hidden",
            "-fno-omit-frame-pointer", "-fno-semantic-interposition", "-fno-strict-aliasing",
            # Loading at once what was just stored in halves makes the processor wait.
            "-fno-tree-vectorize",
            *flags, f"-I{core() / 'include'}", f"-I{core() / 'src'}",
            f"-I{sysconfig.get_path('include')}", f"-I{sysconfig.get_path('platinclude')}",
            *shlex.split(os.environ.get("CFLAGS", "")), *map(str, files), "-o", str(result),
            f"-Wl,--version-script={exports}", "-Wl,-z,noexecstack", "-pthread",
            *shlex.split(os.environ.get("LDFLAGS", ""))]
        # Not every compiler comes with a linker that can do the former.
        whole = subprocess.run(command + ["-flto"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, check=False)
        if whole.returncode != 0:
            subprocess.run(command, check=True)
        else:
            sys.stderr.buffer.write(whole.stdout)
    return result


# --- what goes into an archive -------------------------------------------------------------------

def package_files():
    """(path, name in the wheel) of all that is not compiled."""
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(PACKAGE)
        if path.is_file() and name.parts[0] != "_greenlet" and "__pycache__" not in name.parts and \
                path.suffix not in (".so", ".pyc"):
            yield path, f"cress/{name.as_posix()}"


def metadata():
    text = (HERE / "pyproject.toml").read_text()

    def field(name):
        return re.search(rf'^{name} = "(.*)"$', text, re.MULTILINE)[1]
    lines = ["Metadata-Version: 2.1", "Name: cress", f"Version: {version()}",
             f"Summary: {field('description')}", f"Requires-Python: {field('requires-python')}",
             "License-File: LICENSE", "Description-Content-Type: text/markdown"]
    lines += [f"Classifier: {name}"
              for name in re.findall(r'^    "(.* :: .*)",$', text, re.MULTILINE)]
    return "\n".join(lines) + "\n\n" + (HERE / "README.md").read_text()


def license_file():
    inside = HERE / "LICENSE"
    return inside if inside.is_file() else HERE.parent / "LICENSE"


def tag():
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    abi = python + ("d" if hasattr(sys, "gettotalrefcount") else "")
    return f"{python}-{abi}-{re.sub('[-.]', '_', sysconfig.get_platform())}"


class Wheel:
    """A wheel that is being written, with its RECORD."""

    def __init__(self, folder):
        self.name = f"cress-{version()}-{tag()}.whl"
        self.info = f"cress-{version()}.dist-info"
        self.record = []
        self.archive = zipfile.ZipFile(pathlib.Path(folder, self.name), "w", zipfile.ZIP_DEFLATED)

    def add(self, name, data, mode=0o644):
        entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
        entry.external_attr = mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self.archive.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(data)}")

    def close(self):
        self.add(f"{self.info}/METADATA", metadata().encode())
        self.add(f"{self.info}/LICENSE", license_file().read_bytes())
        self.add(f"{self.info}/WHEEL", ("Wheel-Version: 1.0\nGenerator: cress_backend\n"
                                        f"Root-Is-Purelib: false\nTag: {tag()}\n").encode())
        self.record.append(f"{self.info}/RECORD,,")
        self.archive.writestr(f"{self.info}/RECORD", "\n".join(self.record) + "\n")
        self.archive.close()
        return self.name


# --- the hooks of PEP 517 and 660 ----------------------------------------------------------------

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with tempfile.TemporaryDirectory() as folder:
        extension = compile_extension(folder)
        wheel = Wheel(wheel_directory)
        for path, name in package_files():
            wheel.add(name, path.read_bytes())
        wheel.add(f"cress/{extension.name}", extension.read_bytes(), 0o755)
    wheel.add("cress_as_greenlet.pth", PTH.encode())
    return wheel.close()


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    with tempfile.TemporaryDirectory() as folder:
        extension = compile_extension(folder)
        shutil.move(str(extension), PACKAGE / extension.name)
    wheel = Wheel(wheel_directory)
    wheel.add("cress.pth", f"{PACKAGE.parent}\n".encode())
    wheel.add("cress_as_greenlet.pth", PTH.encode())
    return wheel.close()


def build_sdist(sdist_directory, config_settings=None):
    top = f"cress-{version()}"
    with tarfile.open(pathlib.Path(sdist_directory, f"{top}.tar.gz"), "w:gz",
                      format=tarfile.PAX_FORMAT) as archive:
        def put(path, name):
            archive.add(path, f"{top}/{name}", recursive=False, filter=anonymous)

        def anonymous(entry):
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            return entry

        for name in ("pyproject.toml", "README.md", "backend/cress_backend.py"):
            put(HERE / name, name)
        put(license_file(), "LICENSE")
        for path, name in package_files():
            put(path, f"src/{name}")
        for path in sorted((PACKAGE / "_greenlet").glob("*.[ch]")):
            put(path, f"src/cress/_greenlet/{path.name}")
        for path in sorted((HERE / "tests").rglob("*.[pc]*")):
            if "__pycache__" not in path.parts:
                put(path, f"tests/{path.relative_to(HERE / 'tests').as_posix()}")
        put(core() / "include/cress/base.h", "core/include/cress/base.h")
        put(core() / "include/cress/coro.h", "core/include/cress/coro.h")
        for layer in LAYERS:
            for path in sorted((core() / "src" / layer).glob("*.[chS]")):
                put(path, f"core/src/{layer}/{path.name}")
        info = tarfile.TarInfo(f"{top}/PKG-INFO")
        data = metadata().encode()
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return f"{top}.tar.gz"


if __name__ == "__main__":
    # For the build of the repository: compile for the Python that runs this, into a folder.
    print(compile_extension(sys.argv[1]))
