"""The history of runs in a terminal: what a line says, and that it fits."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from rich.console import Console

from consent.cli.console import show_runs
from consent.errors import INTERNAL, KINDS
from consent.runs.ledger.record import RunCounts, RunRecord
from consent.runs.status import REASONS, ShownRun

ASKED_AT = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
RECORD = RunRecord(
    run_id="a-study.2026-11-16",
    study="a-study",
    trigger="monday",
    monday=date(2026, 11, 16),
    requested_at=ASKED_AT,
    queued_at=ASKED_AT,
    attempt=1,
    state="delivered",
    counts=RunCounts(1000, 812, 1000, 1000, 812),
)


def a_run(state: str = "delivered", **changes: Any) -> ShownRun:
    """Monday's run, delivered unless told otherwise."""
    return ShownRun(replace(RECORD, **changes), state)


def shown(*runs: ShownRun, width: int = 80) -> str:
    """What is printed of these runs, without a terminal."""
    out = io.StringIO()
    show_runs(runs, Console(file=out, width=width, highlight=False, markup=False, emoji=False))
    return out.getvalue()


def test_a_delivered_run_tells_when_it_was_asked_for_by_what_for_which_monday_and_how_many_consented() -> None:
    words = " ".join(shown(a_run()).split())
    assert "2026-11-16 12:00 a-study Monday timer 2026-11-16 delivered 812 of 1,000 consented" in words


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (a_run("refused", counts=None, reason="shrunk"), "much lower than the last report"),
        (a_run("requested", counts=None, reason="source-unavailable", attempt=3), "REDCap could not be reached;"),
        (a_run("requested", counts=None, reason="source-unavailable", attempt=3), "attempt 3"),
        (a_run("lost", counts=None), "cut off before its end"),
        (a_run(reason="archived"), "a newer report stands"),
        (a_run(sandbox=True), "sandbox"),
        (a_run(trigger="catch_up"), "daily timer"),
        (a_run(counts=None, reason="a word of a newer version"), "a word of a newer version"),
    ],
    ids=["refused", "waiting", "attempt", "lost", "archived", "sandbox", "catch-up", "unknown reason"],
)
def test_what_is_special_about_a_run_is_said_in_words(run: ShownRun, said: str) -> None:
    assert said in " ".join(shown(run, width=200).split())


def test_the_table_fits_eighty_columns() -> None:
    widest = a_run("requested", trigger="command line", study="a-study-with-a-long-key", reason="delivery-unverified")
    assert max(map(len, shown(widest, a_run()).splitlines())) <= 80


def test_the_latest_run_s_own_words_follow_if_it_was_refused() -> None:
    refused = a_run("refused", what="Look in REDCap first.")
    assert "The latest: Look in REDCap first." in shown(refused, a_run())


def test_the_words_of_an_older_refusal_are_not_repeated() -> None:
    assert "Look in REDCap first." not in shown(a_run(), a_run("refused", what="Look in REDCap first."))


@pytest.mark.parametrize("reason", [kind.code for kind in [*KINDS.values(), INTERNAL]])
def test_every_kind_of_failure_has_its_words(reason: str) -> None:
    assert REASONS[reason]
