"""Tests of what the terminal shows: the result of a run, and the run history."""

import io
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from consent.cli.console import Screen, closing_sentence, show_runs
from consent.dates import utc_now
from consent.delivery.local_folder import LocalFolder
from consent.errors import INTERNAL, KINDS
from consent.runs.ledger.record import RunCounts, RunRecord
from consent.runs.pipeline import RunResult, summarise_file
from consent.runs.status import REASONS, ShownRun
from tests.support.builders import a_study
from tests.support.sample_summaries import CHINESE_LABELS, REAL_LABELS, a_full_summary

EXPORT = (
    "record_id,consent_date,consent_obtained,rider_a\n"
    "001,2023-09-12,1,1\n"
    "1,2023-09-20,1,0\n"
    "2,spring,1,\n"
    "3,Consent not completed,0,\n"
)
LEFT_OUT = '[[leave_out]]\nreason = "test [old]"\nid_pattern = "X.*"\n'


def result_of(folder: Path, riders: int) -> RunResult:
    export = folder / "export.csv"
    export.write_text(EXPORT, encoding="utf-8")
    texts = (f'[[riders]]\nkey = "rider {n}"\nfield = "rider_a"\nagreed = ["1"]\n' for n in range(riders))
    study, output = a_study(riders="".join(texts), more=LEFT_OUT), LocalFolder(folder / "out")
    return summarise_file(export, study, output, place="folder out", now=utc_now(), as_of=date(2023, 10, 1))


@pytest.fixture(name="result", scope="module")
def _result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return result_of(tmp_path_factory.mktemp("eight"), riders=8)


@pytest.fixture(name="many_riders", scope="module")
def _many_riders(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return result_of(tmp_path_factory.mktemp("twenty"), riders=20)


def printed(result: RunResult, *, width: int = 80, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=terminal or None, highlight=False, markup=False, emoji=False
    )
    screen = Screen(console, Console(file=out, force_terminal=terminal or None))
    screen.problem("x")
    screen.report(result)
    return out.getvalue()


def test_the_headline_comes_first(result: RunResult) -> None:
    lines = printed(result).splitlines()[2:]
    assert lines[0].startswith("OBRI Consent Summary, as of 1 Oct 2023 (read from a file on ")
    assert lines[2].startswith("0 new consents in the week of 25 Sep–1 Oct")


@pytest.mark.parametrize("text", ["test [old]", "Records to review", "unreadable_date", "completeness not checked"])
def test_left_out_records_records_to_review_and_notes_are_printed(text: str, result: RunResult) -> None:
    assert text in " ".join(printed(result).split())


@pytest.mark.parametrize("width", [80, 60])
def test_no_line_is_wider_than_the_terminal(width: int, result: RunResult, many_riders: RunResult) -> None:
    for each in (result, many_riders):
        lines = printed(each, width=width).splitlines()
        assert max(map(len, lines[:-1])) <= width  # the last is one sentence, unwrapped outside a terminal


@pytest.mark.parametrize("labels", [REAL_LABELS, CHINESE_LABELS])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_riders_are_named_by_their_labels_in_full(result: RunResult, labels: tuple[str, ...], width: int) -> None:
    lines = printed(replace(result, summary=a_full_summary(labels)), width=width).splitlines()

    assert max(map(cell_len, lines[:-1])) <= width
    letters = "".join("".join(lines).split())
    assert Counter("".join("".join(labels).split())) <= Counter(letters)
    assert "ridera" not in letters


def test_riders_are_columns_if_they_fit_and_otherwise_a_table_of_their_own(
    result: RunResult, many_riders: RunResult
) -> None:
    assert "Optional consents (riders)" not in printed(result)
    assert printed(many_riders).count("declined not recorded, not answered") == 20


def test_the_closing_sentence_has_the_numbers_and_the_outcome(result: RunResult) -> None:
    assert closing_sentence(result).startswith(
        "OBRI Consent Summary, as of 1 Oct 2023: 2 consented (0 in the week 25 Sep–1 Oct 2023); 5 files written to "
    )


def test_colours_appear_only_in_a_terminal_without_no_color(result: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, coloured = printed(result), printed(result, terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert ["\x1b[" in plain, "31mx" in coloured, "31mx" in printed(result, terminal=True)] == [False, True, False]


# --- the run history

REQUESTED_AT = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
RECORD = RunRecord(
    run_id="a-study.2026-11-16",
    study="a-study",
    trigger="monday",
    monday=date(2026, 11, 16),
    requested_at=REQUESTED_AT,
    queued_at=REQUESTED_AT,
    attempt=1,
    state="delivered",
    counts=RunCounts(1000, 812, 1000, 1000, taking_part=800),
)


def a_run(state: str = "delivered", **changes: Any) -> ShownRun:
    """Monday's run, delivered by default."""
    return ShownRun(replace(RECORD, **changes), state)


def history(*runs: ShownRun, width: int = 140) -> str:
    out = io.StringIO()
    show_runs(runs, Console(file=out, width=width, highlight=False, markup=False, emoji=False))
    return out.getvalue()


@pytest.fixture(name="in_toronto")
def _in_toronto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/Toronto")
    getattr(time, "tzset", lambda: None)()
    yield
    monkeypatch.undo()
    getattr(time, "tzset", lambda: None)()


@pytest.mark.not_windows
@pytest.mark.usefixtures("in_toronto")
def test_a_run_is_shown_by_cutoff_local_time_and_id() -> None:
    words = " ".join(history(a_run(cutoff=date(2026, 11, 15))).split())
    shown = "2026-11-15 2026-11-16 07:00 EST Monday timer delivered 812 of 1,000 consented a-study.2026-11-16"
    assert (shown in words, "Study" in words) == (True, False)


def test_the_study_is_shown_if_there_are_several() -> None:
    assert "Study" in history(a_run(), a_run(study="b-study"))


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_terminal_shows_a_run_below_the_other_with_its_whole_id(width: int) -> None:
    run_id = "a-study-with-a-long-key.20261116T120000Z-a574d0"
    widest = a_run("requested", trigger="command line", run_id=run_id, reason="delivery-unverified")
    lines = history(widest, a_run(study="another"), width=width).splitlines()
    assert (max(map(len, lines)) <= width, any(run_id in line for line in lines)) == (True, True)
    assert [line.split()[0] for line in lines if line[:1].strip()] == 2 * [
        *("Study", "Cut-off", "Requested", "By", "State", "Outcome", "Run")
    ]


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (a_run("requested", counts=None, reason="source-unavailable", attempt=3), "REDCap could not be reached;"),
        (a_run("requested", counts=None, reason="source-unavailable", attempt=3), "attempt 3"),
        (a_run(sandbox=True), "sandbox"),
        (a_run(trigger="catch_up"), "daily timer"),
        (a_run(counts=None, reason="reason-of-a-newer-version"), "reason-of-a-newer-version"),
    ],
    ids=["waiting", "attempt", "sandbox", "catch-up", "unknown reason"],
)
def test_what_is_special_about_a_run_is_shown(run: ShownRun, text: str) -> None:
    assert text in " ".join(history(run, width=200).split())


@pytest.mark.parametrize("reason", [kind.code for kind in [*KINDS.values(), INTERNAL]])
def test_every_kind_of_error_has_a_text(reason: str) -> None:
    assert REASONS[reason]


def test_the_full_reason_is_printed_only_if_the_latest_run_failed() -> None:
    refused = a_run("refused", what="The report is lower.", fix="Look in REDCap first.")
    sentence = "Latest run: The report is lower. Look in REDCap first."
    assert (sentence in history(refused, a_run()), sentence in history(a_run(), refused)) == (True, False)
