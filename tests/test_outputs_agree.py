"""Claims about the outputs of one report side by side: whatever number two of them show, they show alike."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from html.parser import HTMLParser
from itertools import combinations
from typing import Any

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from consent.day_words import span
from consent.ledger import RunCounts, RunRecord, WeekCounts
from consent.reports.csv_table import render_csv
from consent.reports.json_document import document
from consent.reports.page import study_page
from consent.reports.pdf import render_pdf
from consent.reports.words import REASONS
from consent.reports.workbook import render_workbook
from consent.summary import ConsentSummary, SiteCount
from tests.page_builders import a_page_report, an_overview
from tests.sample_summaries import ALL_SUMMARIES, EXTENTS

Facts = dict[tuple[str, ...], int]
"""Numbers by what they are of, such as ``("week", "2023-09-11", "rider a")``; no rider stands for the consents."""

NUMBERS = ("participants", "consented", "taking_part", "recent")
ANSWERS = ("agreed", "declined", "not_answered", "not_offered")
COLUMNS = ("since_approval", "since_start")


def in_week(first_day: str, consented: int, riders: dict[str, int]) -> Facts:
    return {("week", first_day): consented, **{("week", first_day, key): n for key, n in riders.items()}}


def in_all(consented: int, riders: Iterable[tuple[str, int]]) -> Facts:
    return {("in all",): consented, **{("in all", key): n for key, n in riders}}


def named(kind: str, name: str, columns: Sequence[str], numbers: Iterable[Any]) -> Facts:
    """The numbers of one row; a word that stands for a number that is not known is none."""
    return {(kind, name, at): n for at, n in zip(columns, numbers, strict=False) if isinstance(n, int)}


# JSON and CSV


def of_json(summary: ConsentSummary) -> Facts:
    found = document(summary)
    facts = in_all(found["totals"]["consented"], found["totals"]["riders"].items())
    for week in found["weeks"]:
        facts |= in_week(week["first_day"], week["consented"], week["riders"])
    for rider in found["riders"]:
        facts |= named("rider", rider["key"], ANSWERS, (rider[answer] for answer in ANSWERS))
    for site in found.get("sites", []):
        facts |= named("site", site["code"], NUMBERS, (site[what] for what in NUMBERS))
    for row in found.get("renewal", []):
        facts |= named("renewal", row["label"], COLUMNS, (row.get(column) for column in COLUMNS))
    return facts | {("row", name): n for name, n in rows_of_json(found).items() if n is not None}


def rows_of_json(found: dict[str, Any]) -> dict[str, int]:
    """The numbers that stand alone, by the names that readers know them by."""
    people, accrual = found["participants"], found.get("accrual", {})
    extents = found.get("withdrawals", {}).get("by_extent", {})
    return {
        "Pending: open": people["pending"]["open"],
        "Pending: not started": people["pending"]["not_started"],
        **{f"Not counted: {REASONS[reason]}": n for reason, n in people["not_counted"].items()},
        "Participants in all": people["total"],
        "Records received": found["source"]["records_received"],
        **{EXTENTS.get(extent, "(extent not stated)"): n for extent, n in extents.items()},
        "Due to consent again": found.get("reconsent_due"),
        "Agreed, dated or not": accrual.get("agreed"),
        "Approved by the ethics board": accrual.get("approved"),
    }


def of_csv(summary: ConsentSummary) -> Facts:
    head, *weeks, total = csv.reader(io.StringIO(render_csv(summary).content.decode(), newline=""))
    facts = in_all(int(total[1]), zip(head[2:], map(int, total[2:]), strict=True))
    for period, consented, *riders in weeks:
        facts |= in_week(period[:10], int(consented), dict(zip(head[2:], map(int, riders), strict=True)))
    return facts


# Workbook


def of_workbook(summary: ConsentSummary) -> Facts:
    book = load_workbook(io.BytesIO(render_workbook(summary).content))
    sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}
    keys = [rider.key for rider in summary.riders]
    *weeks, total = below("First day", sheets["Weeks"])
    facts = in_all(total[3], zip(keys, total[4:], strict=False))
    for first_day, _, _, consented, *riders in weeks:
        facts |= in_week(f"{first_day:%Y-%m-%d}", consented, dict(zip(keys, riders, strict=False)))
    for key, row in zip(keys, below("Optional consent (rider)", sheets["Riders"]), strict=True):
        facts |= named("rider", key, ANSWERS, (*row[1:4], row[6]))
    for row in below("Site", sheets.get("Sites", []))[:-1]:
        facts |= named("site", row[1] or "", NUMBERS, (row[3], row[4], row[7], row[8]))
    for row in below("Participants", sheets["Summary"]):
        facts |= named("renewal", row[0], COLUMNS, row[1:3])
    known = rows_of_json(document(summary))
    return facts | {("row", row[0]): row[1] for row in sheets["Summary"] if row[0] in known}


def below(heading: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows under a table's column headings, down to the next empty one; none where there is no such table."""
    after = [n + 1 for n, row in enumerate(rows) if row[0] == heading][:1]
    ends = [n for n, row in enumerate(rows) if after and n > after[0] and row[0] is None]
    return [row for start in after for row in rows[start : (*ends, len(rows))[0]]]


# PDF


def of_pdf(summary: ConsentSummary) -> Facts:
    """What stands behind the names of rows; one that is broken over lines, as of an odd label, is not found."""
    reader = PdfReader(io.BytesIO(render_pdf(summary).content))
    words = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    facts: Facts = {("in all",): numbers_after("Since the start", words)[0]}
    for week in summary.weeks[-12:]:
        days = span(week.first_day, week.last_day, seen_from=summary.period.cutoff)
        facts |= {("week", f"{week.first_day}"): n for n in numbers_after(days, words)[:1]}
    for rider in summary.riders:
        facts |= named("rider", rider.key, ANSWERS, numbers_after(f"{rider.key}: {rider.label}", words))
    for site in summary.sites.counts if summary.sites else ():
        facts |= named(
            "site", site.code, NUMBERS, without_target(site, numbers_after(site.label, words.partition("Sites by")[2]))
        )
    for row in summary.renewal or ():
        columns = COLUMNS if row.since_approval is not None else COLUMNS[1:]
        facts |= named(
            "renewal",
            row.label,
            columns,
            numbers_after(row.label, words.partition("For renewal by the ethics board")[2]),
        )
    names = rows_of_json(document(summary))
    return facts | {("row", name): n for name in names for n in numbers_after(name, words)[:1]}


def numbers_after(name: str, words: str) -> list[int]:
    """The numbers in a row behind a name (and a mark, or a day); none where the name is followed by something else."""
    beside = r"(?: \([^)]*\)| \d+ [A-Z][a-z]{2} \d{4}| not dated|:)?"
    found = re.search(rf"(?<!\S){re.escape(name)}{beside}((?: [\d,]*\d(?![\w.%–]))+)", words)
    return [int(number.replace(",", "")) for number in found[1].split()] if found else []


def without_target(site: SiteCount, numbers: list[int]) -> list[int]:
    return [*numbers[:2], *numbers[3:]] if site.target is not None else numbers


# Page


def of_page(summary: ConsentSummary) -> Facts:
    html = study_page(an_overview(study=summary.study, report=record_of(summary), before=None))
    rows = {row[0]: row[1:] for row in Rows(html).rows if row}
    days = {week.first_day: span(week.first_day, week.last_day) for week in summary.weeks[-12:]}
    facts: Facts = {("in all",): number_in(rows[days[summary.weeks[-1].first_day]][-1])}
    facts |= {("in all", rider.key): number_in(rows[rider.label.strip()][0]) for rider in summary.riders}
    return facts | {("week", f"{day}"): number_in(rows[name][-2]) for day, name in days.items()}


class Rows(HTMLParser):
    """The rows of every table of a page: the texts of each, in pieces."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = [[]]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a row."""
        self.rows += [[]] if tag == "tr" else []

    def handle_endtag(self, tag: str) -> None:
        """End a row, before the heading of another table."""
        self.rows += [[]] if tag == "tr" else []

    def handle_data(self, data: str) -> None:
        """Keep what is no space."""
        self.rows[-1] += [data.strip()] if data.strip() else []


def number_in(text: str) -> int:
    return int(text.replace(",", ""))


def record_of(summary: ConsentSummary) -> RunRecord:
    """What the record of runs keeps of a report."""
    people, received = summary.participants, summary.source.records_received
    weeks, riders = summary.weeks, summary.riders
    return a_page_report(
        cutoff=summary.period.cutoff,
        counts=RunCounts(people.total, people.consented, received, received),
        week_counts=WeekCounts(
            first_day=summary.period.start,
            complete=sum(week.complete for week in weeks),
            consented=tuple(week.consented for week in weeks),
            riders={rider.key: tuple(week.riders[rider.key] for week in weeks) for rider in riders},
        ),
    )


# Any two of them

OUTPUTS: dict[str, Callable[[ConsentSummary], Facts]] = {
    "CSV": of_csv,
    "JSON": of_json,
    "workbook": of_workbook,
    "PDF": of_pdf,
    "page": of_page,
}


@cache
def told_by(output: str, sample: str) -> Facts:
    return OUTPUTS[output](ALL_SUMMARIES[sample]())


@pytest.mark.parametrize("sample", ALL_SUMMARIES)
@pytest.mark.parametrize(("one", "other"), [*combinations(OUTPUTS, 2)])
def test_what_two_outputs_show_they_show_alike(one: str, other: str, sample: str) -> None:
    first, second = told_by(one, sample), told_by(other, sample)

    assert {fact: n for fact, n in first.items() if n != second.get(fact, n)} == {}


@pytest.mark.parametrize("sample", ALL_SUMMARIES)
def test_the_workbook_and_the_json_document_show_the_same_facts(sample: str) -> None:
    assert told_by("workbook", sample) == told_by("JSON", sample)


WEEKS, RIDERS, SITES = 168, 8, 6
ROWS = 13


@pytest.mark.parametrize(
    ("output", "facts"),
    [
        ("CSV", {"in all": 1 + RIDERS, "week": WEEKS * (1 + RIDERS)}),
        ("page", {"in all": 1 + RIDERS, "week": 12}),
        ("PDF", {"in all": 1, "week": 12, "rider": RIDERS * 4, "site": SITES * 4, "renewal": 5 * 2 + 3, "row": ROWS}),
    ],
)
def test_of_a_full_report_as_much_is_compared(output: str, facts: dict[str, int]) -> None:
    kinds = [fact[0] for fact in told_by(output, "full")]

    assert {kind: kinds.count(kind) for kind in kinds} == facts
