"""Claims about what a deployment takes from a checkout: the app, and nothing that happens to lie beside it."""

import shutil
from pathlib import Path

import pytest

from infra.package import APP, OWN, ROOT, copy_app, never_deployed
from tests.system.test_package import a_package


def a_checkout(tmp_path: Path, *others: str) -> Path:
    """The app in a checkout, with other files there too."""
    checkout = tmp_path / "checkout"
    shutil.copytree(a_package(tmp_path / "made") / "consent", checkout / "consent")
    for name in (*APP, *others):
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text("", encoding="utf-8")
    shutil.copy(ROOT / ".funcignore", checkout)
    return checkout


def test_the_app_is_copied_whole(tmp_path: Path) -> None:
    copied = copy_app(a_checkout(tmp_path), tmp_path / "package")

    assert {path.name for path in copied.iterdir()} == set(APP)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("token.txt", id="a token on its way into the vault"),
        pytest.param(".env.old", id="settings put aside"),
        pytest.param("export.csv", id="an export"),
        pytest.param(".git/config", id="the repository"),
        pytest.param("tests/test_x.py", id="tests"),
        pytest.param("studies/export.csv", id="an export beside a study file"),
        pytest.param("consent/.env", id="settings in the wrong folder"),
        pytest.param("consent/local.settings.json", id="the other settings in the wrong folder"),
        pytest.param("consent/__pycache__/job.cpython-311.pyc", id="bytecode of another Python"),
    ],
)
def test_what_lies_in_a_checkout_and_is_not_the_app_stays_there(name: str, tmp_path: Path) -> None:
    copied = copy_app(a_checkout(tmp_path, name), tmp_path / "package")

    assert not (copied / name).exists()


@pytest.mark.parametrize("name", ["studies/adults.toml", "studies/hospital.pem"])
def test_the_study_files_and_certificates_of_whoever_deploys_go_along(name: str, tmp_path: Path) -> None:
    copied = copy_app(a_checkout(tmp_path, name), tmp_path / "package")

    assert (copied / name).is_file()


def test_whoever_deploys_without_this_program_deploys_the_same() -> None:
    left_out = shutil.ignore_patterns(*never_deployed(ROOT))
    names = [path.name for path in ROOT.iterdir()]

    assert set(names) - left_out(str(ROOT), names) - {OWN} == set(APP)
