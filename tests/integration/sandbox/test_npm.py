"""Tests of installing packages of npm."""

import shutil
import sys
from pathlib import Path

import pytest

from sandbox import npm as module
from sandbox.npm import PackageMissingError, installed

PACKAGE = "@scope/tool@1.2.3"


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder."""
    for name in ("XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def an_npm(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Replace npm by a Python script."""
    (folder / "install").write_text(script, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(shutil, "which", lambda name: sys.executable)


INSTALLS = """
import pathlib, sys
tool = pathlib.Path(sys.argv[2], "node_modules", "@scope", "tool")
tool.mkdir(parents=True)
(tool / "made").write_text("by npm", encoding="utf-8")
"""
INSTALLS_SECOND = """
import pathlib, sys
home = pathlib.Path(sys.argv[2]).parent
for place in (home / "scope-tool-1.2.3", pathlib.Path(sys.argv[2])):
    tool = place / "node_modules" / "@scope" / "tool"
    tool.mkdir(parents=True)
    (tool / "made").write_text(place.name, encoding="utf-8")
"""


def made() -> str:
    return (installed(PACKAGE) / "made").read_text(encoding="utf-8")


def test_a_package_is_installed_once(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, INSTALLS)
    (installed(PACKAGE) / "made").write_text("still there", encoding="utf-8")

    assert made() == "still there"


def test_an_installation_by_another_process_is_kept(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, INSTALLS_SECOND)

    assert made() == "scope-tool-1.2.3"


def test_a_failed_installation_leaves_nothing_behind(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, "import pathlib, sys; pathlib.Path(sys.argv[2], 'half').touch(); sys.exit(1)")

    with pytest.raises(PackageMissingError, match=r"npm could not install @scope/tool@1\.2\.3.* run `npm install"):
        installed(PACKAGE)

    assert list(empty_cache.rglob("half")) == []


def test_an_npm_that_does_not_end_fails(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_npm(monkeypatch, empty_cache, "import time; time.sleep(60)")
    monkeypatch.setattr(module, "_INSTALL_SECONDS", 0.2)

    with pytest.raises(PackageMissingError, match=r"npm could not install @scope/tool@1\.2\.3"):
        installed(PACKAGE)


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_without_node_the_error_has_a_fix(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else f"/usr/bin/{name}")

    with pytest.raises(PackageMissingError, match=r"needs Node\.js with npm\. Install it from https://nodejs\.org"):
        installed(PACKAGE)
