"""Tests of the study files in a folder: which can be used, and which study is chosen."""

from pathlib import Path

import pytest

from consent.config.settings import Settings
from consent.errors import ConfigurationError, StudyNotChosenError, UnknownStudyError
from consent.studies.catalog import Studies, choose_study, ensure_known_study, load_studies
from tests.support.builders import CONSENT, STUDY


def write_study(folder: Path, key: str, title: str = "OBRI", delivery: str = "/") -> None:
    text = STUDY.replace("OBRI Consent Summary", title) + CONSENT + f'[delivery]\nfolder = "{delivery}"'
    (folder / f"{key}.toml").write_text(text, encoding="utf-8")


def load(folder: Path) -> Studies:
    return load_studies(Settings({"CONSENT_STUDIES": str(folder)}))


def test_a_folder_without_a_study_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert str(tmp_path) in caught.value.what


def test_without_a_key_the_only_study_is_chosen(tmp_path: Path) -> None:
    write_study(tmp_path, "one")
    assert choose_study(load(tmp_path), None).key == "one"


def test_several_studies_need_a_choice(tmp_path: Path) -> None:
    write_study(tmp_path, "one")
    write_study(tmp_path, "two", "Another")

    with pytest.raises(StudyNotChosenError) as caught:
        choose_study(load(tmp_path), None)
    assert caught.value.fix == "Choose one: one, two."


def test_an_unknown_key_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    write_study(tmp_path, "one")
    with pytest.raises(UnknownStudyError) as caught:
        ensure_known_study(load(tmp_path), "other")
    assert (caught.value.what, caught.value.fix) == ("There is no study 'other'.", "Use one of: one.")


@pytest.mark.parametrize("title", ["OBRI", "obri", "OBRI.manifest"])
def test_studies_that_would_overwrite_each_other_cannot_be_used(tmp_path: Path, title: str) -> None:
    write_study(tmp_path, "one")
    write_study(tmp_path, "two", title)

    studies = load(tmp_path)

    assert (studies.usable, sorted(studies.failed)) == ((), ["one", "two"])
    assert "one and two" in studies.failed["one"].what


@pytest.mark.parametrize(("folder", "overwrites"), [("/", True), ("/Others", False)])
def test_an_edition_for_others_may_not_overwrite_a_report(tmp_path: Path, folder: str, overwrites: bool) -> None:
    write_study(tmp_path, "one", delivery=f'/Team"\n[shareable]\nfolder = "{folder}')
    write_study(tmp_path, "two", "OBRI (shareable)")
    assert sorted(load(tmp_path).failed) == ["one", "two"] * overwrites


def test_two_spellings_of_one_accent_are_one_name(tmp_path: Path) -> None:
    write_study(tmp_path, "one", "Étude")
    write_study(tmp_path, "two", "E\u0301tude")
    assert sorted(load(tmp_path).failed) == ["one", "two"]


@pytest.mark.parametrize(("title", "delivery"), [("OBRI 2", "/"), ("OBRI", "/two")])
def test_another_title_or_folder_is_enough(tmp_path: Path, title: str, delivery: str) -> None:
    write_study(tmp_path, "one")
    write_study(tmp_path, "two", title, delivery)
    assert load(tmp_path).failed == {}
