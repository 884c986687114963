"""Tests of ``consent review``: which records are listed, and where they are shown."""

import csv
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rich.console import Console

from consent.cli.exceptions.export import Review, find_quality_rules, find_records_to_review, review_csv
from consent.cli.exceptions.output import output_review
from consent.cli.main import main
from consent.config.settings import Settings
from consent.counting.worklist import Entry, Worklist
from consent.runs.progress import Progress
from consent.studies.catalog import choose_study, load_studies
from sandbox.demo import DemoWorld, demo_world
from sandbox.people import expected_counts, people
from sandbox.redcap.app import Redcap
from tests.integration.cli.test_main import use
from tests.support.builders import a_study

TODAY = date(2026, 11, 16)
PAGE = "https://redcap.example.org/redcap_v16.1.3/DataEntry/record_home.php?pid=14&id="
OBRI = choose_study(load_studies(Settings({})), "obri-ibd")
CODES = [
    "unknown_code",
    "no_date",
    "unreadable_date",
    "before_start",
    "future_date",
    "agreed_but_open",
    "dated_but_pending",
    "rider_without_consent",
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(name="shared_world", scope="module")
def _shared_world() -> Iterator[DemoWorld]:
    """60 invented people; no test changes them."""
    with demo_world(60, today=TODAY) as world:
        yield world


@pytest.fixture(name="world")
def _world(shared_world: DemoWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoWorld:
    """The shared world, with this test's own settings, no request yet and no pause between requests."""
    monkeypatch.setattr("consent.redcap.client.PAUSE", 0)
    use(shared_world, tmp_path)
    shared_world.redcap.requests.clear()
    return shared_world


def review(folder: Path, *arguments: str) -> int:
    return main(["review", "--settings", str(folder), "--as-of", "2026-11-16", *arguments])


def a_review(*entries: Entry) -> Review:
    return Review(a_study(), TODAY, 60, Worklist(entries), PAGE)


def an_entry(record: str = "007", code: str = "no_date", **place: str) -> Entry:
    nowhere = {"event": "", "instrument": "", "instance": ""}
    return Entry(record=record, code=code, field="consent_date", **{**nowhere, **place})


def in_terminal(review: Review) -> str:
    screen = Terminal()
    out = Console(file=screen, width=80, highlight=False, markup=False, emoji=False, color_system=None)
    output_review(review, None, out, as_json=False)
    return screen.getvalue()


def test_the_list_has_the_invented_number_of_records_of_each_code(world: DemoWorld) -> None:
    noon = datetime(2026, 11, 16, 17, tzinfo=UTC)
    found = find_records_to_review(OBRI, Settings(world.settings), Progress(), now=lambda: noon)
    assert found.worklist.records == dict(expected_counts(people(60, today=TODAY)).quality)


def test_the_json_list_has_each_record_with_its_reason_and_field(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert review(tmp_path, "--json") == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["study"], outcome["cutoff"], outcome["records_received"]) == ("obri-ibd", "2026-11-16", 60)
    assert Counter(one["code"] for one in outcome["records_to_review"]) == outcome["records"]
    assert {
        "record": "000004",
        "event": "",
        "instrument": "",
        "instance": "",
        "code": "no_date",
        "reason": "Agreed, but the date is missing",
        "field": "summary_consent_date",
        "link": f"{world.redcap.url}/redcap_v15.8.2/DataEntry/record_home.php?pid=14&id=000004",
    } in outcome["records_to_review"]


def test_where_nobody_looks_only_the_numbers_are_printed(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert review(tmp_path) == 0
    printed = capsys.readouterr()
    assert "1 record: Agreed, but the date is missing (no_date)" in printed.out
    assert "000004" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("place", "heading", "row"),
    [
        ({}, "  Record    Field         ", "  007       consent_date  "),
        (
            {"event": "year_2_arm_1", "instrument": "consent", "instance": "2"},
            "  Record    Event           Form       Instance    Field         ",
            "  007       year_2_arm_1    consent    2           consent_date  ",
        ),
    ],
)
def test_a_terminal_shows_each_record_and_its_place_under_the_reason(
    place: dict[str, str], heading: str, row: str
) -> None:
    reason = "1 record: Agreed, but the date is missing (no_date)"
    assert in_terminal(a_review(an_entry(**place))).splitlines()[2:5] == [reason, heading, row]


def test_a_link_opens_the_record_in_the_arm_of_its_event() -> None:
    review = a_review(an_entry("A/1 &", event="year_2_arm_3"))
    assert review.link(review.worklist.entries[0]) == f"{PAGE}A%2F1%20%26&arm=3"
    assert PAGE in in_terminal(review)


def test_what_is_in_the_field_is_shown_only_on_request(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (review(tmp_path, "--output", "-"), review(tmp_path, "--output", "-", "--show-values")) == (0, 0)
    lists = capsys.readouterr().out.split("record,")[1:]
    read = [list(csv.DictReader(io.StringIO("record," + text))) for text in lists]
    open_ones = [{row.get("value") for row in rows if row["code"] == "agreed_but_open"} for rows in read]
    assert open_ones == [{None}, {"Consent not completed"}]


def test_a_list_in_a_git_checkout_is_a_warning(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").mkdir()
    assert review(tmp_path, "--output", str(tmp_path / "list.csv")) == 0
    assert "Never commit" in capsys.readouterr().err


def test_a_terminal_shows_how_many_records_were_checked() -> None:
    assert "None of 60 records." in in_terminal(a_review())


def test_the_output_dash_is_csv_on_standard_output(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert review(tmp_path, "--output", "-") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert "000004" in {row["record"] for row in rows if row["code"] == "no_date"}


def test_records_go_to_the_file_and_only_numbers_to_the_screen(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert review(tmp_path, "--output", str(tmp_path / "list.csv")) == 0
    assert "000004,,,,no_date," in (tmp_path / "list.csv").read_text(encoding="utf-8")
    assert os.name == "nt" or (tmp_path / "list.csv").stat().st_mode & 0o777 == 0o600
    printed = capsys.readouterr()
    assert "000004" not in printed.out + printed.err


def test_with_a_file_the_json_has_only_numbers(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert review(tmp_path, "--json", "--output", str(tmp_path / "list.csv")) == 0
    assert sorted(json.loads(capsys.readouterr().out)) == ["cutoff", "records", "records_received", "study"]


def test_a_synced_folder_is_an_error_before_any_request(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Dropbox").mkdir()
    assert review(tmp_path, "--output", str(tmp_path / "Dropbox" / "list.csv")) == 1
    assert "is synced by Dropbox" in capsys.readouterr().err
    assert world.redcap.requests == []


@pytest.mark.parametrize("record", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_a_record_id_cannot_become_a_formula(record: str) -> None:
    (_, line) = csv.reader(io.StringIO(review_csv(a_review(an_entry(record)))))
    assert line[0] == f"'{record}"


def test_no_record_is_logged(world: DemoWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    review(tmp_path, "--output", "-")
    assert "000004" not in caplog.text


def test_nothing_is_delivered_or_recorded(world: DemoWorld, tmp_path: Path) -> None:
    review(tmp_path)
    assert world.account.files() == {}
    assert not (tmp_path / "runs.sqlite").exists()


def test_a_failed_export_gives_no_list(world: DemoWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.redcap, "app", Redcap([]))  # knows no token
    assert review(tmp_path, "--output", str(tmp_path / "list.csv")) == 1
    assert not (tmp_path / "list.csv").exists()


def test_the_rules_go_to_standard_output_and_the_instructions_are_a_message(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", "--settings", str(tmp_path), "--as-rules"]) == 0
    printed = capsys.readouterr()
    assert [rule["rule_name"].split()[2] for rule in csv.DictReader(io.StringIO(printed.out))] == CODES
    assert "In REDCap open Data Quality" in printed.err


def test_the_rules_need_no_record(world: DemoWorld) -> None:
    find_quality_rules(OBRI, Settings(world.settings), Progress())
    assert "record" not in {world.redcap.app.name_of(request) for request in world.redcap.requests}


def test_the_rules_are_written_into_a_new_file(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.csv"
    assert main(["review", "--settings", str(tmp_path), "--as-rules", "--output", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith("rule_name,rule_logic,real_time_execution\n")
    assert "8 rules: unknown_code" in capsys.readouterr().out


def test_the_json_rules_have_what_they_omit(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["review", "--settings", str(tmp_path), "--as-rules", "--json"])
    outcome = json.loads(capsys.readouterr().out)
    assert [rule["code"] for rule in outcome["rules"]] == CODES
    assert [one["code"] for one in outcome["omitted"]] == ["unreadable_date"]
