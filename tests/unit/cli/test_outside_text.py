"""Tests of text from outside where it leaves the program: no study file, terminal, JSON or page executes any of it."""

import contextlib
import io
import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from consent.app.page import Visit
from consent.app.sign_in import Person
from consent.cli.check.findings import Checkup, Finding
from consent.cli.check.output import show_checkup
from consent.cli.compare.output import show_comparison
from consent.cli.console import Screen, print_json, show_runs
from consent.cli.exceptions.export import Review
from consent.cli.exceptions.output import STDOUT, output_review
from consent.cli.init.candidates import study_candidates
from consent.cli.init.template import study_text
from consent.cli.login.prompts import Prompts
from consent.counting.summary import RiderCount
from consent.counting.worklist import Entry, Worklist
from consent.redcap.dictionary import Project, ProjectField
from consent.runs.pipeline import RunResult
from tests.support.builders import a_row, a_study
from tests.support.page_builders import a_late_overview, a_page_report, a_page_run, html_of, page_counts
from tests.unit.app.test_page import Reader
from tests.unit.cli.test_comparison import a_comparison
from tests.unit.cli.test_console import a_run, result_of

MARKS = "\n\r\t\x1b\x07\x7f\x85\x9b\u2028\u202e\u2066\u200b\ufeff\ud800\U000e0001\\\"'#[]{}<>&%$=,| "
ATTACKS = (
    'consent\n[redcap]\nproject_id = 1 # "',
    '"""\r\n[[riders]]\r\nkey = "',
    "\x1b]0;title\x07\x9b31m[red]\\[/red]:smile:\u202e\u2066\u200b\n0 records",
    "</code></title><script src=//example.org></script>{{ study }} onload='",
)
EMPTY = {
    **dict.fromkeys(("title", "start_date", "time_zone", "contact"), ""),
    "redcap": {"url_setting": "REDCAP_API_URL", "token_setting": "REDCAP_ACCESS_TOKEN"},
    "consent": [{"agreed": [], "declined": [], "pending": []}],
    "delivery": {"folder": "/", "archive": True},
}


def with_attacks(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test with known attacks, and with invented texts of the marks that they consist of."""
    for attack in ATTACKS:
        test = example(text=attack)(test)
    marks = st.one_of(st.sampled_from(MARKS), st.characters())
    return given(text=st.text(marks, min_size=1))(test)


@with_attacks
def test_no_text_of_a_project_is_active_in_its_study_file_and_each_candidate_is_a_line_of_toml(text: str) -> None:
    kinds = ("radio", "checkbox", "yesno", "text")
    names = [f"{word}_{kind}" for word in ("consent", "site", "version", "withdrawn", "other") for kind in kinds]
    choices = ((text, text), ("1", text))
    fields = [ProjectField(name, text, name.split("_")[1], text, choices, text, text) for name in names]
    places: dict[str, Any] = {"repeating": frozenset({(text, text)}), "groups": choices, "title": text}
    ends = ProjectField("record_id", text, "text"), ProjectField(text, text, text)
    project = Project((ends[0], *fields, ends[1]), forms_by_event={text: (text,)}, **places)
    written = study_text(project, study_candidates(project))
    assert tomllib.loads(written) == EMPTY
    found = [tomllib.loads(line[2:]) for line in written.splitlines() if line.startswith("# ")]
    assert {"events": [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")]} in found


@pytest.fixture(name="result", scope="module")
def _result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return result_of(tmp_path_factory.mktemp("result"), riders=1)


def printed(show: Callable[[Console], None]) -> str:
    """Return what a wide terminal without colours receives."""
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    show(Console(file=screen, width=10_000, highlight=False, markup=False, emoji=False, color_system=None))
    return screen.getvalue()


def a_review(text: str) -> Review:
    entry = Entry(record=text, event=text, instrument=text, instance=text, code="no_date", field=text)
    return Review(
        replace(a_study(), title=text), date(2026, 11, 16), 60, Worklist((entry,)), "https://redcap.example.org/?id="
    )


def lists_of(result: RunResult, text: str) -> list[str]:
    """Return the printed lists with this text in every cell from outside."""
    study, compared = replace(a_study(), title=text), a_comparison(a_row("1"))
    number = replace(compared.totals[0], column=text, week=date(2023, 9, 11), data_changed=1)
    comparison = replace(compared, study=study, totals=(number,), numbers=(number,))
    summary = replace(result.summary, study=study, left_out={text: 1}, notes=(text,))
    return [
        printed(lambda out: output_review(a_review(text), None, out, as_json=False)),
        printed(lambda out: show_comparison(comparison, out)),
        printed(lambda out: Screen(out).report(replace(result, summary=summary, place=text, remarks=(text,)))),
        printed(lambda out: show_runs([a_run(study=text)], out)),
    ]


def messages_of(text: str) -> list[str]:
    """Return the printed messages, and the CSV, with this text; it may be several lines."""
    finding = Finding(subject="REDCap", state="problem", what=text, fix=text)
    return [
        printed(lambda out: output_review(a_review(text), STDOUT, out, as_json=False)),
        printed(lambda out: show_runs([a_run("failed", what=text, fix=text)], out)),
        printed(lambda out: show_checkup(Checkup((finding,)), out, None)),
        printed(lambda out: Screen(out, out).problem(text)),
        printed(lambda out: Screen(out).say(text)),
        printed(lambda out: Prompts(out).say(text)),
    ]


@with_attacks
def test_a_terminal_receives_no_control_sequence_and_no_line_of_a_cell(result: RunResult, text: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as document:
        print_json({"what": text})
    lists = lists_of(result, text)
    printed_text = "".join([*lists, *messages_of(text), document.getvalue()])
    assert {mark for mark in printed_text if not mark.isprintable()} == {"\n"}
    assert json.loads(document.getvalue()) == {"what": text}
    assert [one.count("\n") for one in lists] == [one.count("\n") for one in lists_of(result, "x")]


@with_attacks
def test_a_page_has_the_same_tags_and_attributes_with_any_text(text: str) -> None:
    pages = []
    for each in (text, "x"):
        usual = a_late_overview(runs=(a_page_run("failed", reason=each, what=each, fix=each),))
        numbers = page_counts(1, 2, riders=(RiderCount("a", each, 1, 2, 3, 4),))
        study = replace(usual.study, title=each, contact=each)
        report = a_page_report(week_counts=numbers, remarks=(each,))
        pages.append(Reader(html_of(replace(usual, study=study, report=report), Visit(Person("1", each)))))
    assert (pages[0].tags, pages[0].attributes) == (pages[1].tags, pages[1].attributes)
