"""Build the package for the Python that runs this, and try it:

    try.py unit|leaks|package|build FOLDER

The folder is emptied first; build only builds, into its site/. Ends with 77 where something is
missing, and says what.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "backend"))
import cress_backend  # noqa: E402

SMOKE = """
import cress.greenlet as c, importlib.metadata as m
assert c.greenlet(lambda: c.getcurrent().parent.switch(5)).switch() == 5
assert m.version("cress") == {version!r}, m.version("cress")
print(c.__file__)
"""
AS_GREENLET = "import greenlet, cress.greenlet as c; assert greenlet.greenlet is c.greenlet"


def environment(**more):
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env.update(PYTHONDONTWRITEBYTECODE="1", **more)
    return env


def built(folder):
    """The package, out of its wheel."""
    wheel = cress_backend.build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def unit(folder):
    command = [sys.executable, "-W", "error::ResourceWarning", "-X", "faulthandler", "-m",
               "unittest", "discover", str(HERE)]
    return subprocess.call(command, env=environment(PYTHONPATH=str(built(folder))))


def leaks(folder):
    command = [sys.executable, "-X", "faulthandler", str(HERE / "leaks.py")]
    return subprocess.call(command, env=environment(PYTHONPATH=str(built(folder))))


def package(folder):
    """With pip, and with nothing but pip, as users do."""
    try:
        import ensurepip  # noqa: F401
        import venv
        venv.create(folder / "first", with_pip=True)
    except (ImportError, subprocess.CalledProcessError) as error:
        print(f"skipped: no virtual environments here, in Debian python3-venv ({error})")
        return 77

    def run(*command, **more):
        # What is tried here is how it is installed: three quick compilations will do.
        subprocess.run([str(part) for part in command], check=True, cwd=folder,
                       env=environment(CFLAGS="-O0", **more))

    def install(python, what, *options):
        run(python, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "-q",
            *options, what)

    def check(python):
        run(python, "-c", SMOKE.format(version=cress_backend.version()))
        run(python, "-c", AS_GREENLET, CRESS_AS_GREENLET="1")
        run(python, "-c", "import sys; assert 'cress' not in sys.modules", CRESS_AS_GREENLET="0")
        run(python, "-m", "cress.greenlet", "-m", "platform")

    python = folder / "first" / "bin" / "python"
    archive = folder / cress_backend.build_sdist(str(folder))
    print("from the source archive", flush=True)
    install(python, archive)
    check(python)
    print("the tests of the source archive", flush=True)
    shutil.unpack_archive(str(archive), folder / "unpacked")
    tests = next((folder / "unpacked").iterdir()) / "tests"
    run(python, "-m", "unittest", "discover", "-s", tests, "-p", "test_switch.py")
    print("from the tree, of which pip makes a wheel", flush=True)
    install(python, HERE.parent, "--force-reinstall")
    check(python)
    print("editable", flush=True)
    tree = folder / "tree" / "python"
    root = cress_backend.core()
    skip = shutil.ignore_patterns("*.so", "__pycache__", "build", ".git")
    shutil.copytree(HERE.parent, tree, ignore=skip)
    for name in ("src", "include"):
        shutil.copytree(root / name, folder / "tree" / name, ignore=skip)
    shutil.copy(root / "LICENSE", folder / "tree")
    if subprocess.run([str(python), "-c", "import pip, sys; "
                       "sys.exit(int(pip.__version__.split('.')[0]) < 22)"]).returncode == 0:
        install(python, tree, "--force-reinstall", "--no-deps", "-e")
        check(python)
    else:
        print("  not tried: this pip is older than PEP 660")
    return 0


if __name__ == "__main__":
    what, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sys.exit({"unit": unit, "leaks": leaks, "package": package,
              "build": lambda folder: built(folder) and 0}[what](folder.resolve()))
