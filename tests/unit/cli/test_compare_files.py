"""Tests of ``consent compare`` on files: an invented registry with every rule once, its old report and its export."""

import io
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rich.console import Console

from consent.cli.compare.comparison import Comparison, compare_files
from consent.cli.compare.output import show_comparison
from consent.cli.main import main
from consent.errors import ConfigurationError, CutoffError, SourceDataError
from consent.studies.model import StudyConfig
from consent.studies.parser import parse_study
from tests.support.builders import CONSENT, RIDER, STUDY, a_study

RIDER_B = RIDER.replace("rider a", "rider b").replace("rider_a", "rider_b")
APART = """
[[leave_out]]
reason = "test record"
id_pattern = "TEST.*"
[only]
field = "cohort"
codes = ["ibd"]
"""
PLANTED_STUDY = STUDY + CONSENT + RIDER + RIDER_B + APART
NOW = datetime(2023, 9, 29, 12, tzinfo=UTC)
AS_OF = date(2023, 9, 28)

EXPORT = """\
record_id,redcap_repeat_instrument,redcap_repeat_instance,cohort,consent_date,consent_obtained,rider_a,rider_b
QX-01,,,ibd,2023-09-12,1,1,1
QX-02,,,ibd,2023-09-13,1,1,0
QX-03,consent,1,ibd,2023-09-12,1,1,0
QX-03,consent,2,ibd,2023-09-26,1,0,1
QX-04,,,ibd,2023-09-14,2,1,0
QX-05,,,ibd,Consent not completed,0,1,1
QX-06,,,ibd,2023-10-05,1,1,1
QX-07,,,ibd,2023-09-01,1,1,1
QX-08,consent,1,ibd,2023-09-01,1,1,1
QX-08,consent,2,ibd,2023-09-20,1,1,1
QX-09,,,ibd,2023-09-30,1,1,1
QX-10,,,ibd,2023-09-19,,1,0
QX-11,,,ibd,soon,1,1,0
QX-12,,,ibd,2023-09-20,0,1,1
QX-13,,,ibd,2023-9-21,1,1,1
TEST-1,,,ibd,2023-09-21,1,1,1
QX-14,,,control,2023-09-22,1,1,1
QX-15,,,ibd,2023-09-25,1,1,0
QX-16,consent,1,ibd,2023-09-12,1,1,0
QX-16,consent,2,ibd,2023-09-15,1,1,0
QX-17,,,ibd,2023-09-25,9,1,0
QX-18,,,ibd,2023-09-29,1,0,1
"""
OLD = """\
period,consent,rider a,rider b
2023-09-11 - 2023-09-17,5,6,1
2023-09-18 - 2023-09-24,4,6,5
2023-09-25 - 2023-10-01,4,3,3
Total,13,15,9
"""  # as the old pipeline counted these rows, without the date that it could not read


@pytest.fixture(name="planted")
def _planted(tmp_path: Path) -> Path:
    for name, text in {"old.csv": OLD, "export.csv": EXPORT, "planted.toml": PLANTED_STUDY}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def comparison_of(folder: Path, *, now: datetime = NOW, as_of: date | None = AS_OF) -> Comparison:
    study = parse_study(PLANTED_STUDY, "planted")
    return compare_files(folder / "old.csv", folder / "export.csv", study, now=now, as_of=as_of)


def printed(comparison: Comparison) -> str:
    out = io.StringIO()
    show_comparison(comparison, Console(file=out, width=80, highlight=False, markup=False, emoji=False))
    return out.getvalue()


def arguments(folder: Path, *more: str) -> list[str]:
    files = [str(folder / name) for name in ("old.csv", "export.csv")]
    return ["compare", *files, "--study", str(folder / "planted.toml"), *more]


def test_the_old_rule_gives_the_old_report_to_the_last_number(planted: Path) -> None:
    assert {number.data_changed for number in comparison_of(planted).everything} == {0}


def test_every_rule_is_named_with_its_effect(planted: Path) -> None:
    found = comparison_of(planted).effects()
    assert {rule: (consents.fewer, riders.more, riders.fewer) for rule, (consents, riders) in found.items()} == {
        "another_row": (-2, 0, -1),
        "other_week": (0, 1, -1),
        "declined": (0, 0, -1),
        "open": (0, 0, -3),
        "unknown_code": (0, 0, -1),
        "unreadable_date": (-1, 0, -2),
        "before_start": (-1, 0, -2),
        "future_date": (-1, 0, -2),
        "after_cutoff": (-1, 0, -1),
        "left_out": (-1, 0, -2),
        "outside": (-1, 0, -2),
        "later_answer": (0, 0, -1),
    }


def test_by_default_the_old_reports_last_week_is_counted_to_its_end(planted: Path) -> None:
    comparison = comparison_of(planted, now=datetime(2026, 11, 16, 12, tzinfo=UTC), as_of=None)
    assert comparison.period.cutoff == date(2023, 10, 1)


def test_by_default_a_week_in_progress_is_counted_to_today(planted: Path) -> None:
    assert comparison_of(planted, as_of=None).period.cutoff == date(2023, 9, 29)


def test_the_output_fits_into_eighty_columns(planted: Path) -> None:
    assert max(map(len, printed(comparison_of(planted)).splitlines())) <= 80


def test_no_record_is_named_anywhere(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(planted))
    main(arguments(planted, "--json"))
    told = capsys.readouterr()
    assert not [who for who in ("QX-", "TEST-") if who in told.out + told.err]


def test_the_tables_show_how_each_number_changed(planted: Path) -> None:
    shown = " ".join(printed(comparison_of(planted)).split())
    parts = (
        ("Totals", "consent 13 0 −8 5", "rider b 9 0 −7 2"),
        ("Why the numbers differ", "other_week +1 −1 counted in the week of the", "Total −8 −18"),
        ("Week by week", "rider b 1 2 +1 other_week (from 25 Sep–1 Oct 2023)"),
    )
    assert [text for part in parts for text in part if text not in shown] == []


def test_only_what_changed_is_listed(planted: Path) -> None:
    rows = EXPORT.splitlines(keepends=True)
    (planted / "export.csv").write_text(rows[0] + rows[1], encoding="utf-8")
    (planted / "old.csv").write_text(
        "period,consent,rider a,rider b\n2023-09-11 - 2023-09-17,1,1,1\nTotal,1,1,1\n", encoding="utf-8"
    )
    shown = printed(comparison_of(planted, as_of=None))
    assert "Numbers that differ from the old report: 0 of 6." in shown
    assert "Week by week" not in shown


def test_differences_that_are_explained_are_no_failure(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(planted)) == 0
    assert "explain every difference" in " ".join(capsys.readouterr().out.split())


def test_the_json_output_has_every_number(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(planted, "--json", "--as-of", "2023-09-28"))
    document = json.loads(capsys.readouterr().out)
    assert (document["cutoff"], len(document["weeks"]), len(document["totals"])) == ("2023-09-28", 9, 3)


@pytest.mark.parametrize("file", ["old.csv", "export.csv"])
def test_a_file_that_cannot_be_compared_fails(planted: Path, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    (planted / file).write_text("something,else\n", encoding="utf-8")
    assert main(arguments(planted)) == 1
    assert f"The file {file} cannot be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("now", "as_of"),
    [(NOW, date(2023, 9, 24)), (NOW, date(2023, 10, 2)), (datetime(2023, 9, 20, 12, tzinfo=UTC), None)],
    ids=["a day before it", "a day after it", "today before it"],
)
def test_a_day_of_another_week_is_an_error(planted: Path, now: datetime, as_of: date | None) -> None:
    with pytest.raises(CutoffError, match="last week, 2023-09-25 to 2023-10-01"):
        comparison_of(planted, now=now, as_of=as_of)


def test_a_day_in_the_future_is_an_error(planted: Path) -> None:
    with pytest.raises(CutoffError, match="2023-10-01"):
        comparison_of(planted, as_of=date(2023, 10, 1))


def test_a_missing_old_report_is_an_error_of_ours(planted: Path) -> None:
    (planted / "old.csv").unlink()
    with pytest.raises(ConfigurationError, match=r"old\.csv cannot be opened"):
        comparison_of(planted)


def test_an_export_of_labels_is_an_error(planted: Path) -> None:
    header, *_ = EXPORT.splitlines()
    (planted / "export.csv").write_text(f"{header}\n1,,,ibd,2023-09-12,Yes,Yes,Yes\n", encoding="utf-8")
    with pytest.raises(SourceDataError, match=r"export\.csv"):
        comparison_of(planted)


@pytest.mark.parametrize(
    "study",
    [
        a_study(consents=CONSENT + 'where = { which = ["1"] }\n'),
        a_study(consents='[[consent]]\ndate = "consent_date"\nagreed_when = "dated"\n'),
        a_study(riders=RIDER.replace('"rider_a"', '["rider_a", "rider_b"]')),
        a_study(riders=RIDER + 'where = { which = ["1"] }\n'),
    ],
    ids=["where", "agreed_when", "several fields", "where of a rider"],
)
def test_a_study_that_the_old_pipeline_could_not_count_is_refused(study: StudyConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        compare_files(tmp_path / "old.csv", tmp_path / "export.csv", study, now=datetime(2026, 11, 28, tzinfo=UTC))
