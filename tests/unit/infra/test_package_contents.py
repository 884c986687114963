"""Tests of what a deployment copies from a checkout: the app, and nothing else that lies beside it."""

import shutil
from pathlib import Path

import pytest

from infra.package import APP, OWN, ROOT, copy_app, never_deployed

MODULES = ("consent/__init__.py", "consent/job.py")


def copied_from_a_checkout(tmp_path: Path, *others: str) -> Path:
    """The copy of an app in a checkout that also holds other files."""
    checkout = tmp_path / "checkout"
    for name in (*MODULES, *others, *(name for name in APP if name != "consent")):
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    shutil.copy(ROOT / ".funcignore", checkout)
    return copy_app(checkout, tmp_path / "package")


def test_the_whole_app_is_copied(tmp_path: Path) -> None:
    copied = copied_from_a_checkout(tmp_path)

    assert {path.name for path in copied.iterdir()} == set(APP)
    assert [name for name in MODULES if not (copied / name).is_file()] == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("token.txt", id="a token"),
        pytest.param(".env.old", id="old settings"),
        pytest.param("tests/test_x.py", id="tests"),
        pytest.param("studies/export.csv", id="an export beside a study file"),
        pytest.param("consent/.env", id="settings in the wrong folder"),
        pytest.param("consent/local.settings.json", id="the other settings in the wrong folder"),
        pytest.param("consent/__pycache__/job.cpython-311.pyc", id="bytecode of another Python"),
    ],
)
def test_other_files_of_a_checkout_are_not_copied(name: str, tmp_path: Path) -> None:
    assert not (copied_from_a_checkout(tmp_path, name) / name).exists()


@pytest.mark.parametrize("name", ["studies/adults.toml", "studies/hospital.pem"])
def test_study_files_and_certificates_are_copied(name: str, tmp_path: Path) -> None:
    assert (copied_from_a_checkout(tmp_path, name) / name).is_file()


def test_a_deployment_by_funcignore_deploys_the_same() -> None:
    ignored = shutil.ignore_patterns(*never_deployed(ROOT))
    names = [path.name for path in ROOT.iterdir()]

    assert set(names) - ignored(str(ROOT), names) - {OWN} == set(APP)
