"""``consent init``: a study file that says what is missing, and with that filled in fits the project."""

import json
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from consent.cli.init.candidates import study_candidates
from consent.cli.init.new_study import begin_study, study_key
from consent.cli.init.template import study_text
from consent.cli.main import main
from consent.config.settings import Settings
from consent.errors import ConfigurationError, StudyFileError
from consent.redcap.dictionary import Project, ProjectField
from consent.studies.parser import parse_study
from sandbox.demo import DemoWorld, demo_world
from tests.integration.cli.test_main import use
from tests.support.study_files import filled, uncommented, with_rider
from tests.unit.redcap.test_dictionary import HEADINGS, LINES, a_dictionary

TODAY = date(2026, 11, 16)
MISSING = [
    "title: expected text, found none",
    "start_date: expected a date, such as 2023-09-11",
    "time_zone: expected text, found none",
    "contact: expected text, found none",
    "consent[1].date: missing; expected text",
    "consent[1].decision: missing; expected text",
    "consent[1].agreed: expected at least one entry",
]
BASICS = {
    "title": '"OBRI Consent Summary"',
    "start_date": "2023-09-11",
    "time_zone": '"America/Toronto"',
    "contact": '"the registry office"',
}


@pytest.fixture(name="world")
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoWorld]:
    monkeypatch.chdir(tmp_path)
    with demo_world(60, today=TODAY) as world:
        use(world, tmp_path)
        yield world


def begun(folder: Path, *more: str) -> str:
    """The text of the study file that ``init`` writes with the settings in a folder."""
    assert main(["init", "--settings", str(folder), "--output", str(folder / "obri.toml"), *more]) == 0
    return (folder / "obri.toml").read_text(encoding="utf-8")


def completed(text: str) -> str:
    """The text as the registry's coordinator completes it."""
    text = uncommented(text, 'date = "summary_consent_date"', 'decision = "consent_obtained"')
    text = uncommented(
        text, 'pending_text = ["Consent not completed"]    ## text in the date field while consent is open'
    )
    text = filled(text, **BASICS, agreed='["1"]', pending='["0"]')
    return with_rider(text, "summary_event_a", "rider a")


def problems_of(text: str) -> list[str]:
    """What is wrong with a study file."""
    with pytest.raises(StudyFileError, match="cannot be used") as caught:
        parse_study(text, "obri")
    return list(caught.value.problems)


def text_of(*fields: ProjectField, **about: object) -> str:
    """The study file that is begun for a project of these fields."""
    first = ProjectField("record_id", "enrolment", "text", "Record ID")
    project = Project((first, *fields), **about)  # type: ignore[arg-type]
    return study_text(project, study_candidates(project))


def test_as_written_the_file_lacks_exactly_what_a_person_must_say(world: DemoWorld, tmp_path: Path) -> None:
    assert problems_of(begun(tmp_path)) == MISSING


def test_completed_the_file_reports_on_the_project_that_it_was_begun_for(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "obri.toml").write_text(completed(begun(tmp_path)), encoding="utf-8")
    use_studies_of(tmp_path)
    capsys.readouterr()
    assert main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["participants"] == 60


def use_studies_of(folder: Path) -> None:
    """Have the settings in a folder name it as the one of the study files."""
    path = folder / "local.settings.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["Values"]["CONSENT_STUDIES"] = str(folder)
    path.write_text(json.dumps(settings), encoding="utf-8")


def test_completed_the_file_counts_as_the_packaged_one(world: DemoWorld, tmp_path: Path) -> None:
    study = parse_study(completed(begun(tmp_path)), "obri")
    (form,) = study.consents
    assert (form.date, str(form.decision), form.agreed, form.pending) == (
        "summary_consent_date",
        "consent_obtained",
        ("1",),
        ("0",),
    )
    assert [(rider.key, str(rider.field)) for rider in study.riders] == [("rider a", "summary_event_a")]


def test_the_file_refuses_a_token_of_another_project(world: DemoWorld, tmp_path: Path) -> None:
    assert tomllib.loads(begun(tmp_path))["redcap"]["project_id"] == 14


def test_the_sites_of_the_project_are_ready_to_be_named(world: DemoWorld, tmp_path: Path) -> None:
    text = begun(tmp_path)
    assert '# by = "data_access_group"' in text
    assert '# code = "kingston"\n# label = "Kingston"' in text


def test_without_a_name_the_file_is_called_after_the_project_and_lies_here(world: DemoWorld, tmp_path: Path) -> None:
    assert main(["init", "--settings", str(tmp_path)]) == 0
    assert (tmp_path / "obri-ibd-registry-made-up.toml").is_file()


def test_with_a_folder_of_studies_the_file_lies_there(world: DemoWorld, tmp_path: Path) -> None:
    studies = tmp_path / "studies"
    studies.mkdir()
    written = begin_study(Settings({**world.settings, "CONSENT_STUDIES": str(studies)}))
    assert (written.path.parent, written.is_found) == (studies, True)


def test_it_says_where_the_file_is_and_what_to_do_next(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["init", "--settings", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == [
        "Wrote obri-ibd-registry-made-up.toml, a study file to complete: 14 fields on 2 forms.",
        "1. Fill in the lines marked FILL IN, and uncomment the candidates that are right.",
        f"2. Set CONSENT_STUDIES to the file's folder: {tmp_path.resolve()}",
        "3. consent check --study obri-ibd-registry-made-up: says what is still missing.",
    ]


def test_for_a_script_it_says_so_as_json(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", "--settings", str(tmp_path), "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "file": "obri-ibd-registry-made-up.toml",
        "study": "obri-ibd-registry-made-up",
        "project_id": 14,
        "fields": 14,
        "found_by_runs": False,
    }


def test_a_file_that_is_there_is_never_written_over(world: DemoWorld, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("title = 'mine'", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"mine\.toml is there already"):
        begin_study(Settings(world.settings), output=tmp_path / "mine.toml")
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == "title = 'mine'"


def test_the_name_that_a_project_gives_is_never_written_over_either(world: DemoWorld, tmp_path: Path) -> None:
    begin_study(Settings(world.settings))
    with pytest.raises(ConfigurationError, match=r"made-up\.toml cannot be written: it is there already"):
        begin_study(Settings(world.settings))


@pytest.mark.parametrize("name", ["My Study.toml", "study.txt", "Study.toml", ".toml", f"{'a' * 300}.toml"])
def test_a_name_that_no_study_can_go_by_is_refused_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a study file"):
        begin_study(Settings({}), output=tmp_path / name)


def test_without_settings_it_says_which_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--settings", str(tmp_path)]) == 1
    assert "REDCAP_API_URL is missing" in capsys.readouterr().err


def test_a_downloaded_dictionary_needs_no_settings(tmp_path: Path) -> None:
    written = begin_study(Settings({}), dictionary=a_dictionary(tmp_path), output=tmp_path / "obri.toml")
    assert problems_of(written.path.read_text(encoding="utf-8")) == MISSING


def test_a_study_file_from_a_download_leaves_the_project_number_to_a_person(tmp_path: Path) -> None:
    written = begin_study(Settings({}), dictionary=a_dictionary(tmp_path), output=tmp_path / "obri.toml")
    assert "# project_id = 123" in written.path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("OBRI-IBD registry (made up)", "obri-ibd-registry-made-up"),
        ("Étude Montréal", "etude-montreal"),
        ("研究", "study"),
        ("a" * 200, "a" * 60),
    ],
)
def test_a_title_becomes_a_key_of_plain_letters(title: str, key: str) -> None:
    assert study_key(title) == key


def test_codes_are_listed_with_their_labels() -> None:
    text = text_of(ProjectField("agreed", "consent", "radio", "Agreed?", (("1", "Yes"), ("-9", 'Said "no"'))))
    assert '## Agreed? (radio buttons; form consent): "1" Yes, "-9" Said "no"\n# decision = "agreed"' in text


def test_a_long_list_of_codes_is_cut_and_the_rest_counted() -> None:
    codes = tuple((str(n), f"Hospital {n}") for n in range(400))
    text = text_of(ProjectField("hospital", "consent", "dropdown", "Hospital", codes))
    assert "and 388 more" in " ".join(text.split())
    assert "Hospital 12" not in text


def test_in_a_yes_or_no_the_one_is_taken_for_a_yes() -> None:
    text = text_of(ProjectField("biobank", "consent", "yesno", "Biobank", (("1", "Yes"), ("0", "No"))))
    assert '# field    = "biobank"\n# agreed   = ["1"]\n# declined = []' in text


def test_events_and_repeats_are_named() -> None:
    text = text_of(
        ProjectField("agreed", "consent", "yesno", "Agreed"),
        forms_by_event={"first_arm_1": ("consent",), "second_arm_1": ("consent",)},
        repeating=frozenset({("second_arm_1", "consent")}),
    )
    assert '# events = ["first_arm_1", "second_arm_1"]' in text
    assert "## What repeats in this project: consent in second_arm_1." in text


def test_whatever_labels_hold_the_file_stays_toml() -> None:
    odd = 'x\u0000\u007f"\\\n[[consent]]\ndate = "\u2028' + "é" * 300
    choices = ((odd, odd), ("'''", '"""'))
    text = text_of(
        ProjectField("agreed", "consent", "radio", odd, choices),
        ProjectField("options", "consent", "checkbox", odd, choices),
        title=odd,
        groups=((odd, odd),),
        project_id=14,
    )
    assert problems_of(text) == MISSING


def test_uncommenting_all_that_names_sites_gives_toml(tmp_path: Path) -> None:
    odd = 'St. "Mary\'s" \\ Hospital'
    lines = [
        line for line in text_of(groups=(("st_marys", odd),)).splitlines() if "code =" in line or "label =" in line
    ]
    site = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines))
    assert site == {"code": "st_marys", "label": odd}


def test_the_headings_of_a_download_are_those_that_redcap_writes(tmp_path: Path) -> None:
    text = begin_study(
        Settings({}), dictionary=a_dictionary(tmp_path, HEADINGS, *LINES), output=tmp_path / "obri.toml"
    ).path.read_text(encoding="utf-8")
    assert '## Consent, given (radio buttons; form consent): "1" Yes, "0" No, thanks\n# decision = "agreed"' in text
