"""Tests of ``consent init`` without a REDCap: the study file says what is missing, and stays valid TOML."""

import tomllib
from pathlib import Path

import pytest

from consent.cli.init.candidates import study_candidates
from consent.cli.init.new_study import create_study_file, study_key
from consent.cli.init.template import study_text
from consent.cli.main import main
from consent.config.settings import Settings
from consent.errors import ConfigurationError, StudyFileError
from consent.redcap.dictionary import Project, ProjectField
from consent.studies.parser import parse_study
from tests.support.builders import RIDER, a_study
from tests.unit.redcap.test_dictionary import a_dictionary

MISSING = ["title", "start_date", "time_zone", "contact", "consent[1].date", "consent[1].decision", "consent[1].agreed"]


def missing_in(text: str) -> list[str]:
    with pytest.raises(StudyFileError) as caught:
        parse_study(text, "obri")
    return [problem.what.partition(":")[0] for problem in caught.value.problems]


def text_of(*fields: ProjectField, **about: object) -> str:
    first = ProjectField("record_id", "enrolment", "text", "Record ID")
    project = Project((first, *fields), **about)  # type: ignore[arg-type]
    return study_text(project, study_candidates(project))


@pytest.mark.parametrize("name", ["My Study.toml", "study.txt", ".toml", f"{'a' * 300}.toml"])
def test_a_name_that_is_no_study_key_is_an_error_before_any_request(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a study file"):
        create_study_file(Settings({}), output=tmp_path / name)


def test_a_missing_setting_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("REDCAP_API_URLS=https://redcap.example.org/api/\n", encoding="utf-8")
    assert main(["init", "--settings", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "REDCAP_API_URL is missing. In .env, rename REDCAP_API_URLS to REDCAP_API_URL.\n" in message


def test_a_downloaded_dictionary_needs_no_settings(tmp_path: Path) -> None:
    created = create_study_file(Settings({}), dictionary=a_dictionary(tmp_path), output=tmp_path / "obri.toml")
    text = created.file.read_text(encoding="utf-8")
    assert missing_in(text) == MISSING
    assert "# project_id = 123" in text
    assert '## Consent, given (radio buttons; form consent): "1" Yes, "0" No, thanks\n# decision = "agreed"' in text


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


def test_in_a_yes_no_field_1_means_yes() -> None:
    text = text_of(ProjectField("biobank", "consent", "yesno", "Biobank", (("1", "Yes"), ("0", "No"))))
    assert '# field    = "biobank"\n# agreed   = ["1"]\n# declined = []' in text


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("<b>May we store</b>\u200b your blood?", "May we store your blood?"),
        ("(Optional) Biobank", "Optional Biobank"),
        ("word " * 40, "word " * 15 + "…"),
        ("字" * 100, "字" * 80),
        ("= - +", None),
    ],
)
def test_a_rider_has_the_label_of_its_field_ready_to_use(label: str, shown: str | None) -> None:
    text = text_of(ProjectField("blood", "consent", "yesno", label))
    lines = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# label    =")]
    assert [tomllib.loads(line)["label"] for line in lines] == ([shown] if shown else [])
    rider = RIDER.replace("[[riders]]", "\n".join(["[[riders]]", *lines]))
    assert a_study(riders=rider).riders[0].label == (shown or "rider a")


def test_events_and_repeats_are_named() -> None:
    text = text_of(
        ProjectField("agreed", "consent", "yesno", "Agreed"),
        forms_by_event={"first_arm_1": ("consent",), "second_arm_1": ("consent",)},
        repeating=frozenset({("second_arm_1", "consent")}),
    )
    assert '# events = ["first_arm_1", "second_arm_1"]' in text
    assert "## What repeats in this project: consent in second_arm_1." in text
