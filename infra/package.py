"""Builds what is deployed to Azure: the app with its dependencies beside it, compiled, tried out, in one zip.

Nothing is built in Azure, so what was tried out here is what runs there. Needs uv and Python 3.13 (the bytecode's),
nothing else::

    uv run --no-project --python 3.13 infra/package.py

Deploys nothing. On another system than Azure's the same wheels are put together, but cannot be tried out.
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
OWN = "studies"  # a folder that a checkout may have besides
OWN_FILES = ("*.toml", "*.pem")  # what is taken from it: study files, and certificates for REQUESTS_CA_BUNDLE
FOLDER = Path("dist", "package")
ARCHIVE = Path("dist", "consent-summary.zip")
SITE_PACKAGES = Path(".python_packages", "lib", "site-packages")  # where Azure's Python looks for them
PYTHON = (3, 13)
WHEELS_FOR = "x86_64-manylinux_2_28"
APP_IN_AZURE = "/home/site/wwwroot"  # stands in the bytecode in place of this machine's folder

_ENVIRONMENT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
_UNZIPPED_AT = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
_MEGABYTE = 1_000_000


class PackageError(Exception):
    """There is no package; the message says why, and what to do."""


def build(root: Path = ROOT, folder: Path = FOLDER, archive: Path = ARCHIVE) -> Iterator[str]:
    """Build the package of a checkout, and say of each step, once done, what came of it.

    folder, archive: below ``root``; what is there is replaced. Raises PackageError.
    """
    folder, archive = root / folder, root / archive
    refuse_other_python()
    remove_earlier(folder, archive)
    copy_app(root, folder)
    install_dependencies(root, folder / SITE_PACKAGES)
    compile_bytecode(folder)
    yield f"{folder}: {megabytes(size_of(folder))} in {len(files_in(folder)):,} files, all compiled"
    if is_azure_like():
        yield f"imported as built, with nothing else in reach; functions: {try_imports(folder)}"
    else:
        yield "NOT imported as built, which takes Linux on x64; the wheels are those for it all the same"
    write_archive(folder, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    yield f"{archive}: {megabytes(archive.stat().st_size)}, SHA-256 {digest}"
    (folder / ".funcignore").write_text("# Everything here is deployed, __pycache__ too.\n", encoding="utf-8")


def refuse_other_python(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Raise PackageError unless this Python's bytecode is the one that Azure's Python reads."""
    if version[:2] != PYTHON:
        command = "uv run --no-project --python 3.13 infra/package.py"
        raise PackageError(f"Needs Python 3.13, whose bytecode is deployed: {command}")


def is_azure_like(system: str = sys.platform, machine: str | None = None) -> bool:
    """Whether what Azure runs can run here too: Linux on x64."""
    return system == "linux" and (machine or platform.machine()) == "x86_64"


def remove_earlier(folder: Path, archive: Path) -> None:
    """Remove what was built before, so that a build that fails leaves nothing behind to be deployed.

    Raises PackageError if it cannot be removed.
    """
    try:
        archive.unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
    except OSError:
        raise PackageError(f"{folder} or {archive.name} cannot be removed: close what has it open.") from None


def copy_app(root: Path, folder: Path) -> Path:
    """Copy the app of a checkout to a new folder: only what belongs to it, without what .funcignore names.

    Whatever else lies in the checkout (an export, a file with a token) stays where it is.
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
    """The names and patterns of .funcignore, which whoever deploys without this program goes by."""
    lines = (root / ".funcignore").read_text(encoding="utf-8").splitlines()
    return [line.rstrip("/") for line in lines if line and not line.startswith("#")]


def install_dependencies(root: Path, site_packages: Path) -> None:
    """Install what uv.lock names, checked by its hashes, as wheels for Azure's Linux; without their own tests.

    Raises PackageError if uv is missing, or if one of them cannot be had as such a wheel.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise PackageError("Needs uv (https://docs.astral.sh/uv/): python -m pip install uv")
    site_packages.mkdir(parents=True)
    locked = site_packages / "locked.txt"
    export = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-annotate", "--no-header", "-o", str(locked)]
    _run([uv, *export, "--project", str(root)])
    _run([uv, "pip", "install", *_install_options(site_packages), "-r", str(locked)])
    locked.unlink()
    (site_packages / ".lock").unlink(missing_ok=True)
    for name in ("bin", "share"):  # commands and manual pages
        shutil.rmtree(site_packages / name, ignore_errors=True)
    for tests in [path for path in site_packages.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests, ignore_errors=True)


def compile_bytecode(folder: Path) -> None:
    """Compile every module, to be used whatever the times of the files: unzipping changes them.

    https://docs.python.org/3/library/py_compile.html#py_compile.PycInvalidationMode
    """
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    done = compileall.compile_dir(
        folder, quiet=1, force=True, stripdir=folder, prependdir=APP_IN_AZURE, invalidation_mode=mode
    )
    if not done:
        raise PackageError(f"A module in {folder} cannot be compiled; its name is above.")


def try_imports(folder: Path) -> str:
    """Import the app and all that it ever imports, from the package alone; give the names of its functions.

    Raises PackageError if something is missing; what is missing stands on stderr.
    """
    probe = Path(__file__).with_name("import_package.py")
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    command = [sys.executable, "-I", "-S", "-B", str(probe), str(folder), str(folder / SITE_PACKAGES)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, encoding="utf-8")  # noqa: S603 - this very Python, and a file of ours
    if done.returncode:
        raise PackageError("The package cannot be imported as it was built; see above what is missing.")
    return done.stdout.strip()


def write_archive(folder: Path, archive: Path) -> None:
    """Put a folder into a zip; the same files give the same bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in files_in(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _UNZIPPED_AT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            opened.writestr(entry, path.read_bytes())


def files_in(folder: Path) -> list[Path]:
    """Every file below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def size_of(folder: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(path.stat().st_size for path in files_in(folder))


def megabytes(size: int) -> str:
    """A number of bytes, for people."""
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
        raise PackageError(f"`uv {command[1]}` failed; it says above why.")


def main() -> int:
    """Build the package of this checkout; 0 if there is one, else 1."""
    try:
        for line in build():
            sys.stdout.write(f"{line}\n")
    except PackageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
