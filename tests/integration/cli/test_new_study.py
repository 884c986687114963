"""Tests of ``consent init`` with a REDCap: the completed study file matches the project."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from consent.cli.init.new_study import create_study_file
from consent.cli.main import main
from consent.config.settings import Settings
from consent.errors import ConfigurationError
from consent.studies.catalog import load_studies
from consent.studies.parser import parse_study
from sandbox.demo import DemoWorld, demo_world
from tests.integration.cli.test_main import use
from tests.support.study_files import filled, uncommented, with_rider
from tests.unit.cli.test_new_study import MISSING, missing_in

BASICS = {
    "title": '"OBRI Consent Summary"',
    "start_date": "2023-09-11",
    "time_zone": '"America/Toronto"',
    "contact": '"the registry office"',
}


@pytest.fixture(name="shared_world", scope="module")
def _shared_world() -> Iterator[DemoWorld]:
    with demo_world(60, today=date(2026, 11, 16)) as world:
        yield world


@pytest.fixture(name="world")
def _world(shared_world: DemoWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoWorld:
    """An invented registry, with settings in the current folder and no pause between requests."""
    monkeypatch.setattr("consent.redcap.client.PAUSE", 0)
    monkeypatch.chdir(tmp_path)
    use(shared_world, tmp_path)
    return shared_world


def created(folder: Path) -> str:
    assert main(["init", "--settings", str(folder), "--output", str(folder / "obri.toml")]) == 0
    return (folder / "obri.toml").read_text(encoding="utf-8")


def completed(text: str) -> str:
    pending = 'pending_text = ["Consent not completed"]    ## text in the date field while consent is open'
    text = uncommented(text, 'date = "summary_consent_date"', 'decision = "consent_obtained"', pending)
    text = filled(text, **BASICS, agreed='["1"]', pending='["0"]')
    return with_rider(text, "summary_event_a", "rider a")


def test_the_file_lacks_exactly_what_a_person_must_fill_in(world: DemoWorld, tmp_path: Path) -> None:
    assert missing_in(created(tmp_path)) == MISSING


def test_the_completed_file_matches_its_project(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "obri.toml").write_text(completed(created(tmp_path)), encoding="utf-8")
    capsys.readouterr()
    assert main(["review", "--settings", ".", "--study", "obri.toml", "--as-of", "2026-11-16", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records_received"] == 60


def test_the_completed_file_counts_as_the_packaged_one(world: DemoWorld, tmp_path: Path) -> None:
    study = parse_study(completed(created(tmp_path)), "obri")
    (form,) = study.consents
    assert (form.date, str(form.decision)) == ("summary_consent_date", "consent_obtained")
    assert (form.agreed, form.pending) == (("1",), ("0",))
    assert [(rider.key, str(rider.fields[0])) for rider in study.riders] == [("rider a", "summary_event_a")]


def test_the_file_has_the_project_number_and_the_sites(world: DemoWorld, tmp_path: Path) -> None:
    text = created(tmp_path)
    assert tomllib.loads(text)["redcap"]["project_id"] == 14
    assert '# by = "data_access_group"' in text
    assert '# code = "kingston"\n# label = "Kingston"' in text


def test_the_folder_of_studies_is_the_default(world: DemoWorld, tmp_path: Path) -> None:
    studies = tmp_path / "studies"
    studies.mkdir()
    file = create_study_file(Settings({**world.settings, "CONSENT_STUDIES": str(studies)}))
    assert (file.file.parent, file.found_by_runs) == (studies, True)


def test_a_new_file_is_in_the_folder_that_runs_read(world: DemoWorld, tmp_path: Path) -> None:
    settings = replace(Settings(world.settings), folder=tmp_path)
    file = create_study_file(settings)
    assert (file.file.parent, file.found_by_runs) == (tmp_path / "studies", True)
    assert load_studies(settings).keys == (file.study,)
    assert not create_study_file(settings, output=tmp_path / "elsewhere.toml").found_by_runs


def test_the_output_names_the_file_and_the_next_steps(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, check = tmp_path / "studies/obri-ibd-registry-made-up.toml", "consent check --study obri-ibd-registry-made-up"
    assert main(["init", "--settings", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Created {file}, a study file to complete: 14 fields on 2 forms.",
        "1. Fill in the lines marked FILL IN, and uncomment the right candidates.",
        f"2. Run 'uv run {check} --settings {tmp_path}' to see what is missing.",
        "Runs now use the study files in this folder, and not the packaged one.",
    ]


def test_the_json_output(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", "--settings", str(tmp_path), "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "file": str(tmp_path / "studies/obri-ibd-registry-made-up.toml"),
        "study": "obri-ibd-registry-made-up",
        "project_id": 14,
        "fields": 14,
        "forms": 2,
        "found_by_runs": True,
    }


@pytest.mark.parametrize("name", [None, "mine.toml"], ids=["the project's name", "a given name"])
def test_an_existing_file_is_never_overwritten(world: DemoWorld, tmp_path: Path, name: str | None) -> None:
    existing = Path(name or "studies/obri-ibd-registry-made-up.toml")
    existing.parent.mkdir(exist_ok=True)
    existing.write_text("title = 'mine'", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"\.toml: the file already exists"):
        create_study_file(Settings(world.settings), output=Path(name) if name else None)
    assert existing.read_text(encoding="utf-8") == "title = 'mine'"
