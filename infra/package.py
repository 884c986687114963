"""Build the deployment package: the app and its dependencies, compiled, test-imported, in one zip.

Nothing is built in Azure, so exactly the tested package runs there. Needs uv and Python 3.13, whose bytecode Azure
reads::

    uv run --no-project --python 3.13 infra/package.py

Only Linux on x64 can import the package as a test; other systems build the same package without the test.
"""

import compileall
import hashlib
import os
import platform
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APP = ("LICENSE.txt", "consent", "function_app.py", "host.json", "requirements.txt")
OWN = "studies"  # an optional folder of the checkout
OWN_FILES = ("*.toml", "*.pem")  # the files copied from it: study files, and certificates for REQUESTS_CA_BUNDLE
FOLDER = Path("dist", "package")
ARCHIVE = Path("dist", "consent-summary.zip")
SITE_PACKAGES = Path(".python_packages", "lib", "site-packages")  # where Azure's Python looks for packages
PYTHON = (3, 13)
WHEELS_FOR = "x86_64-manylinux_2_28"
MOST_MEGABYTES = 260  # unpacked
NEVER_IMPORTED = (  # of the dependencies
    *("tests", "conftest.py", "_*_tests.*.so"),
    *("*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "*.a"),  # type stubs, and what extensions are compiled from
    *("*.po", "RECORD"),  # the source of translations, and the list of files before this removal
    "f2py",  # numpy's interface to Fortran
    *("pandas", "pandas-*.dist-info"),  # only `consent compare` uses it
)
APP_IN_AZURE = "/home/site/wwwroot"  # replaces this machine's folder in the bytecode

_ENVIRONMENT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_MEGABYTE = 1_000_000


class PackageError(Exception):
    """The package could not be built; the message gives the reason and the fix."""


def build(root: Path = ROOT, folder: Path = FOLDER, archive: Path = ARCHIVE) -> Iterator[str]:
    """Build the package of a checkout; yield a line after each step.

    folder, archive: below ``root``; existing ones are replaced. Raises PackageError.
    """
    folder, archive = root / folder, root / archive
    ensure_azure_python()
    remove_earlier(folder, archive)
    copy_app(root, folder)
    install_dependencies(root, folder / SITE_PACKAGES)
    remove_never_imported(folder / SITE_PACKAGES)
    compile_bytecode(folder)
    ensure_small(folder)
    yield f"{folder}: {megabytes(size_of(folder))} in {len(files_in(folder)):,} files, all compiled"
    if is_azure_like():
        yield f"imported from the package alone; functions: {try_imports(folder)}"
    else:
        yield "NOT imported: the wheels are for Linux on x64"
    write_archive(folder, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    yield f"{archive}: {megabytes(archive.stat().st_size)}, SHA-256 {digest}"
    (folder / ".funcignore").write_text("# Everything here is deployed, __pycache__ too.\n", encoding="utf-8")


def ensure_azure_python(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Raise PackageError unless this Python has the version, and so the bytecode, of Azure's Python."""
    if version[:2] != PYTHON:
        command = "uv run --no-project --python 3.13 infra/package.py"
        raise PackageError(f"Needs Python 3.13, because its bytecode is deployed. Run: {command}")


def is_azure_like(system: str = sys.platform, machine: str | None = None) -> bool:
    """Return whether Azure's wheels run here: Linux on x64."""
    return system == "linux" and (machine or platform.machine()) == "x86_64"


def remove_earlier(folder: Path, archive: Path) -> None:
    """Remove the previous package, so that a failed build leaves nothing to deploy.

    Raises PackageError if it cannot be removed.
    """
    try:
        archive.unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
    except OSError:
        raise PackageError(f"{folder} or {archive.name} cannot be removed. Close the program that uses it.") from None


def copy_app(root: Path, folder: Path) -> Path:
    """Copy the app to a new folder: the files named in ``APP``, without those that .funcignore excludes.

    Other files of the checkout, such as an export or a token, are not copied.
    """
    folder.mkdir(parents=True)
    for path in (root / name for name in APP):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns(*never_deployed(root)))
        else:
            shutil.copy2(path, folder)
    for own in (path for pattern in OWN_FILES for path in (root / OWN).glob(pattern)):
        (folder / OWN).mkdir(exist_ok=True)
        shutil.copy2(own, folder / OWN)
    return folder


def never_deployed(root: Path) -> list[str]:
    """Return the names and patterns of .funcignore, which other deployment tools use."""
    lines = (root / ".funcignore").read_text(encoding="utf-8").splitlines()
    return [line.rstrip("/") for line in lines if line and not line.startswith("#")]


def install_dependencies(root: Path, site_packages: Path) -> None:
    """Install the packages of uv.lock, verified by hash, as wheels for Azure's Linux.

    Raises PackageError if uv is missing or a package has no such wheel.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise PackageError("Needs uv (https://docs.astral.sh/uv/). Run: python -m pip install uv")
    site_packages.mkdir(parents=True)
    locked = site_packages / "locked.txt"
    export = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-annotate", "--no-header", "-o", str(locked)]
    _run([uv, *export, "--project", str(root)])
    _run([uv, "pip", "install", *_install_options(site_packages), "-r", str(locked)])
    locked.unlink()
    (site_packages / ".lock").unlink(missing_ok=True)
    for name in ("bin", "share"):  # commands and manual pages
        shutil.rmtree(site_packages / name, ignore_errors=True)


def remove_never_imported(site_packages: Path) -> None:
    """Remove the files and folders that no run imports; keep every licence."""
    for path in [path for pattern in NEVER_IMPORTED for path in site_packages.rglob(pattern)]:
        if path.is_dir():
            shutil.rmtree(path)
        elif "licenses" not in path.parts:
            path.unlink(missing_ok=True)


def ensure_small(folder: Path, most: int = MOST_MEGABYTES) -> None:
    """Raise PackageError if the package has more than ``most`` megabytes: each cold start downloads and unpacks it."""
    if (size := size_of(folder)) > most * _MEGABYTE:
        fix = "Use a smaller library, or add what no run imports to NEVER_IMPORTED."
        raise PackageError(f"The package has {megabytes(size)}; at most {most} MB are allowed. {fix}")


def compile_bytecode(folder: Path) -> None:
    """Compile every module to bytecode that stays valid when unzipping changes the file times.

    https://docs.python.org/3/library/py_compile.html#py_compile.PycInvalidationMode
    """
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    done = compileall.compile_dir(
        folder, quiet=1, force=True, stripdir=folder, prependdir=APP_IN_AZURE, invalidation_mode=mode
    )
    if not done:
        raise PackageError(f"A module in {folder} cannot be compiled. Fix the module named above.")


def try_imports(folder: Path) -> str:
    """Import the app and every module it can import, from the package alone; return the names of its functions.

    Raises PackageError if a module is missing; stderr names it.
    """
    probe = Path(__file__).with_name("import_package.py")
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    command = [sys.executable, "-I", "-S", "-B", str(probe), str(folder), str(folder / SITE_PACKAGES)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, encoding="utf-8")  # noqa: S603 - this Python, and our own file
    if done.returncode:
        raise PackageError("The package cannot be imported. Fix the import error above.")
    return done.stdout.strip()


def write_archive(folder: Path, archive: Path) -> None:
    """Zip a folder; the same files give the same bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in files_in(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            opened.writestr(entry, path.read_bytes())


def files_in(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def size_of(folder: Path) -> int:
    """Return the total size in bytes of the files below a folder."""
    return sum(path.stat().st_size for path in files_in(folder))


def megabytes(size: int) -> str:
    """Format a number of bytes."""
    return f"{size / _MEGABYTE:.1f} MB"


def _install_options(site_packages: Path) -> list[str]:
    wheels = ["--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy"]
    version = ".".join(map(str, PYTHON))
    return [
        *("--target", str(site_packages), "--python", sys.executable),
        *("--python-version", version, "--python-platform", WHEELS_FOR, *wheels),
    ]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run([*command, "--quiet"], stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - uv, as above
    if done.returncode:
        raise PackageError(f"`uv {command[1]}` failed. See its message above.")


def main() -> int:
    """Build the package of this checkout; return the exit code."""
    try:
        for line in build():
            sys.stdout.write(f"{line}\n")
    except PackageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
