"""``consent exceptions``: who gets to see which record, and where."""

import csv
import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rich.console import Console

from consent.cli.exceptions.export import Exceptions, exceptions_csv, find_exceptions, find_rules
from consent.cli.exceptions.output import give_exceptions
from consent.cli.main import main
from consent.config.settings import Settings
from consent.counting.worklist import Entry, Worklist
from consent.runs.progress import NoProgress
from sandbox.demo import DemoWorld, demo_world
from sandbox.people import people, truth_of
from sandbox.redcap.app import Redcap
from tests.integration.cli.test_main import use
from tests.support.builders import a_study
from tests.unit.cli.test_quality_rules import OBRI

TODAY = date(2026, 11, 16)
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
    """A screen that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[DemoWorld]:
    with demo_world(60, today=TODAY) as world:
        use(world, tmp_path)
        yield world


def exceptions(folder: Path, *arguments: str) -> int:
    """Run the verb with the settings in a folder."""
    return main(["exceptions", "--settings", str(folder), "--as-of", "2026-11-16", *arguments])


def some(*entries: Entry) -> Exceptions:
    """These to look at, of 60 records."""
    return Exceptions(a_study(), TODAY, 60, Worklist(entries))


def an_entry(record: str = "007", code: str = "no_date", **place: str) -> Entry:
    """A record without a date of consent."""
    nowhere = {"event": "", "instrument": "", "instance": ""}
    return Entry(record=record, code=code, field="consent_date", **{**nowhere, **place})


def on_terminal(found: Exceptions, width: int = 80) -> str:
    """What somebody at a terminal sees."""
    screen = Terminal()
    out = Console(file=screen, width=width, highlight=False, markup=False, emoji=False, color_system=None)
    give_exceptions(found, None, out, as_json=False)
    return screen.getvalue()


def test_the_list_has_as_many_records_of_each_code_as_were_made_up(world: DemoWorld) -> None:
    noon = datetime(2026, 11, 16, 17, tzinfo=UTC)
    found = find_exceptions(OBRI, Settings(world.settings), NoProgress(), now=lambda: noon)
    assert found.worklist.records == dict(truth_of(people(60, today=TODAY)).quality)


def test_the_list_as_json_names_each_record_with_its_reason_and_field(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exceptions(tmp_path, "--json") == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["study"], outcome["cutoff"], outcome["records_received"]) == ("obri-ibd", "2026-11-16", 60)
    assert Counter(one["code"] for one in outcome["exceptions"]) == outcome["records"]
    assert {
        "record": "000004",
        "event": "",
        "instrument": "",
        "instance": "",
        "code": "no_date",
        "reason": "Agreed, but the date is missing",
        "field": "summary_consent_date",
    } in outcome["exceptions"]


def test_where_nobody_looks_only_the_numbers_are_printed(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exceptions(tmp_path) == 0
    printed = capsys.readouterr()
    assert "1 record: Agreed, but the date is missing (no_date)" in printed.out
    assert "000004" not in printed.out + printed.err


def test_at_a_terminal_each_record_stands_under_its_reason() -> None:
    assert on_terminal(some(an_entry())).splitlines()[2:] == [
        "1 record: Agreed, but the date is missing (no_date)",
        "  Record    Field         ",
        "  007       consent_date  ",
    ]


def test_at_a_terminal_event_form_and_instance_are_shown_where_they_tell_the_place() -> None:
    entry = an_entry(event="year_2_arm_1", instrument="consent", instance="2")
    assert on_terminal(some(entry)).splitlines()[3:] == [
        "  Record    Event           Form       Instance    Field         ",
        "  007       year_2_arm_1    consent    2           consent_date  ",
    ]


def test_with_nothing_to_look_at_it_says_in_how_many_records() -> None:
    assert "Nothing, in 60 records." in on_terminal(some())


def test_asked_for_standard_output_it_writes_the_csv_there(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exceptions(tmp_path, "--output", "-") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert "000004" in {row["record"] for row in rows if row["code"] == "no_date"}


def test_into_a_file_the_records_go_and_to_the_screen_only_numbers(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exceptions(tmp_path, "--output", str(tmp_path / "list.csv")) == 0
    assert "000004,,,,no_date," in (tmp_path / "list.csv").read_text(encoding="utf-8")
    printed = capsys.readouterr()
    assert "000004" not in printed.out + printed.err


def test_into_a_file_with_json_only_numbers_are_printed(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exceptions(tmp_path, "--json", "--output", str(tmp_path / "list.csv")) == 0
    assert sorted(json.loads(capsys.readouterr().out)) == ["cutoff", "records", "records_received", "study"]


def test_a_synced_folder_is_refused_before_any_record_is_asked_for(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Dropbox").mkdir()
    assert exceptions(tmp_path, "--output", str(tmp_path / "Dropbox" / "list.csv")) == 1
    assert "Give --output a place on this computer" in capsys.readouterr().err
    assert world.redcap.requests == []


def test_a_delivered_folder_is_refused(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16", "--to", str(tmp_path / "reports")])
    assert exceptions(tmp_path, "--output", str(tmp_path / "reports" / "list.csv")) == 1
    assert "delivered reports are in it" in capsys.readouterr().err


@pytest.mark.parametrize("record", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_a_record_id_cannot_become_a_formula(record: str) -> None:
    (_, line) = csv.reader(io.StringIO(exceptions_csv(some(an_entry(record)))))
    assert line[0] == f"'{record}"


def test_no_record_is_logged(world: DemoWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    exceptions(tmp_path, "--output", "-")
    assert "000004" not in caplog.text


def test_nothing_is_delivered_and_nothing_recorded(world: DemoWorld, tmp_path: Path) -> None:
    exceptions(tmp_path)
    assert world.account.files() == {}
    assert not (tmp_path / "runs.sqlite").exists()


def test_an_export_that_may_be_short_gives_no_list(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.redcap.app = Redcap([])  # a token that is none any more
    assert exceptions(tmp_path, "--output", str(tmp_path / "list.csv")) == 1
    assert not (tmp_path / "list.csv").exists()
    assert "refused the API token" in capsys.readouterr().err


def test_a_day_still_to_come_is_a_usage_error(world: DemoWorld, tmp_path: Path) -> None:
    assert main(["exceptions", "--settings", str(tmp_path), "--as-of", "2999-01-01"]) == 2


def test_the_rules_go_to_standard_output_and_how_to_use_them_is_a_message(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exceptions", "--settings", str(tmp_path), "--as-rules"]) == 0
    printed = capsys.readouterr()
    assert [rule["rule_name"].split()[2] for rule in csv.DictReader(io.StringIO(printed.out))] == CODES
    assert "In REDCap open Data Quality" in printed.err


def test_the_rules_are_made_without_asking_for_a_record(world: DemoWorld) -> None:
    find_rules(OBRI, Settings(world.settings), NoProgress())
    assert "record" not in {world.redcap.app.name_of(request) for request in world.redcap.requests}


def test_the_rules_are_written_into_a_new_file(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.csv"
    assert main(["exceptions", "--settings", str(tmp_path), "--as-rules", "--output", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith("rule_name,rule_logic,real_time_execution\n")
    assert "8 rules: unknown_code" in capsys.readouterr().out


def test_the_rules_as_json_tell_what_they_leave_unsaid(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["exceptions", "--settings", str(tmp_path), "--as-rules", "--json"])
    outcome = json.loads(capsys.readouterr().out)
    assert [rule["code"] for rule in outcome["rules"]] == CODES
    assert [one["code"] for one in outcome["unsaid"]] == ["unreadable_date"]


def test_rules_have_no_day(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        exceptions(tmp_path, "--as-rules")
