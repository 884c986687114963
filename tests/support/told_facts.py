"""What each output of a report says, read as a reader does: numbers by what they count."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from typing import Any

from openpyxl import load_workbook
from pypdf import PdfReader

from consent.counting.summary import ConsentSummary
from consent.dates import date_range
from consent.reports.data_files import document
from consent.reports.headline import days_of
from consent.reports.wording import REASONS, RECORDS_TO_REVIEW
from consent.runs.changes import totals_of, weeks_of
from tests.support.page_builders import a_page_report, an_overview, html_of
from tests.support.sample_summaries import EXTENTS, SAMPLES, rendered

Facts = dict[tuple[str, ...], int]
"""Numbers by what they count, such as ``("week", "2023-09-11", "rider a")``; without a rider: the consents."""

NUMBERS = ("participants", "consented", "target", "taking_part", "recent")
ANSWERS = ("agreed", "declined", "not_answered", "not_offered")
COLUMNS = ("since_approval", "since_start")
THEN_AND_NOW = ("then", "now")
WHO = ("taking_part",)


def in_week(first_day: str, consented: int, riders: dict[str, int]) -> Facts:
    return {("week", first_day): consented, **{("week", first_day, key): n for key, n in riders.items()}}


def total(consented: int, riders: Iterable[tuple[str, int]]) -> Facts:
    return {("total",): consented, **{("total", key): n for key, n in riders}}


def named(kind: str, name: str, columns: Sequence[str], numbers: Iterable[Any]) -> Facts:
    """The numbers of one row; a word in the place of a number is left out."""
    return {(kind, name, at): n for at, n in zip(columns, numbers, strict=False) if isinstance(n, int)}


# JSON and CSV


def of_json(sample: str) -> Facts:
    found = document(SAMPLES[sample]())
    facts = total(found["totals"]["consented"], found["totals"]["riders"].items())
    for week in found["weeks"]:
        facts |= in_week(week["first_day"], week["consented"], week["riders"])
    for rider in found["riders"]:
        facts |= named("rider", rider["key"], ANSWERS, (rider[answer] for answer in ANSWERS))
    for site in found.get("sites", []):
        facts |= named("site", site["code"], NUMBERS, (site.get(what) for what in NUMBERS))
        facts |= {("site week", site["code"], f"{n}"): number for n, number in enumerate(site["weeks"])}
    for row in found.get("renewal", []):
        facts |= named("renewal", row["label"], COLUMNS, (row.get(column) for column in COLUMNS))
    for week in (found["changes"] or {}).get("weeks", []):
        facts |= named("changed", week["first_day"], THEN_AND_NOW, (week["before"], week["now"]))
    facts |= {("review", code): n for code, n in found["quality"].items()}
    for version in found.get("versions", []):
        facts |= named("version", version["version"], WHO, (version["taking_part"],))
    return facts | {("row", name): n for name, n in rows_of_json(found).items() if n is not None}


def rows_of_json(found: dict[str, Any]) -> dict[str, int]:
    """The numbers that stand alone, by the names that readers know them by."""
    people, accrual, withdrawals = found["participants"], found.get("accrual", {}), found.get("withdrawals", {})
    return {
        "Still taking part": found["taking_part_now"],
        "Declined": people["declined"],
        "Pending: open": people["pending"]["open"],
        "Pending: not started": people["pending"]["not_started"],
        **{f"Not counted: {REASONS[reason]}": n for reason, n in people["not_counted"].items()},
        "Total participants": people["total"],
        **{f"Left out: {reason}": n for reason, n in found["left_out"].items()},
        "Outside the study": found["outside"] or None,
        "Working copies of double data entry": found["working_copies"] or None,
        "All records": people["total"] + sum(found["left_out"].values()) + found["outside"] + found["working_copies"],
        "Records received": found["source"]["records_received"],
        "Records listed by REDCap": found["source"]["records_listed"],
        **{EXTENTS.get(extent, "(extent not stated)"): n for extent, n in withdrawals.get("by_extent", {}).items()},
        "Without a date": withdrawals.get("undated"),
        "Due to consent again": found.get("reconsent_due"),
        "Agreed, dated or not": accrual.get("agreed"),
        "Approved by the ethics board": accrual.get("approved"),
    }


def of_csv(sample: str) -> Facts:
    head, *weeks, sums = csv.reader(io.StringIO(rendered(sample)[".csv"].decode(), newline=""))
    facts = total(int(sums[1]), zip(head[2:], map(int, sums[2:]), strict=True))
    for period, consented, *riders in weeks:
        facts |= in_week(period[:10], int(consented), dict(zip(head[2:], map(int, riders), strict=True)))
    return facts


# Workbook


def of_workbook(sample: str) -> Facts:
    summary = SAMPLES[sample]()
    book = load_workbook(io.BytesIO(rendered(sample)[".xlsx"]))
    sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}
    keys = [rider.key for rider in summary.riders]
    *weeks, sums = below("First day", sheets["Weeks"])
    facts = total(sums[3], zip(keys, sums[4:], strict=False))
    for first_day, _, _, consented, *riders in weeks:
        facts |= in_week(f"{first_day:%Y-%m-%d}", consented, dict(zip(keys, riders, strict=False)))
    for key, row in zip(keys, below("Optional consent", sheets["Riders"]), strict=True):
        facts |= named("rider", key, ANSWERS, row[1:5])
    for row in below("Site", sheets.get("Sites", []))[:-1]:
        facts |= named("site", row[1] or "", NUMBERS, (row[3], row[4], row[5], row[7], row[8]))
    for n, row in enumerate(below("First day", sheets.get("Site weeks", []))[-2::-1]):
        facts |= {("site week", site.code, f"{n}"): x for site, x in zip(summary.sites or (), row[1:], strict=True)}
    for row in below("Participants", sheets["Summary"]):
        facts |= named("renewal", row[0], COLUMNS, row[1:3])
    first_days = {
        date_range(week.first_day, week.last_day, relative_to=summary.period.cutoff): f"{week.first_day}"
        for week in summary.weeks
    }
    for row in below("Week", sheets["Summary"])[:-1]:
        facts |= named("changed", first_days[row[0]], THEN_AND_NOW, row[1:3])
    facts |= {("review", row[2]): row[1] for row in below("Reason", sheets[RECORDS_TO_REVIEW])}
    for row in below("Version signed last", sheets["Summary"])[:-1]:
        facts |= named("version", row[0].replace("(blank)", ""), WHO, row[1:2])
    known = rows_of_json(document(summary))
    return facts | {("row", row[0]): row[1] for row in reversed(sheets["Summary"]) if row[0] in known}


def below(heading: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows under a table's column headings, down to the next empty one; none where there is no such table."""
    after = [n + 1 for n, row in enumerate(rows) if row[0] == heading][:1]
    ends = [n for n, row in enumerate(rows) if after and n > after[0] and row[0] is None]
    return [row for start in after for row in rows[start : (*ends, len(rows))[0]]]


# PDF


def of_pdf(sample: str) -> Facts:
    """The numbers after the names of rows; a name that is broken over lines, as an odd label, is not found."""
    summary = SAMPLES[sample]()
    reader = PdfReader(io.BytesIO(rendered(sample)[".pdf"]))
    words = " ".join(" ".join(page.extract_text() for page in reader.pages).split())

    def after(heading: str, name: str) -> list[int]:
        return numbers_after(name, words.partition(heading)[2])

    table = re.split("Recent weeks|The weeks so far", words)[1]
    facts = weeks_as_rows(summary, table) or weeks_as_columns(summary, table)
    for rider in summary.riders:
        facts |= named("rider", rider.key, ANSWERS, after("Optional consents (riders)", rider.label))
    for site in summary.sites or ():
        columns = [name for name in NUMBERS if name != "target" or site.target is not None]
        facts |= named("site", site.code, columns, after("Sites by", site.label))
    for row in summary.renewal or ():
        since = COLUMNS if row.since_approval is not None else COLUMNS[1:]
        facts |= named("renewal", row.label, since, after("For renewal by the ethics board", row.label))
    for version in summary.versions or ():
        facts |= named("version", version.version, WHO, after("Version signed last", version.version or "(blank)"))
    for anew in summary.changes.weeks if summary.changes else ():
        days = date_range(anew.first_day, anew.last_day, relative_to=summary.period.cutoff)
        facts |= named("changed", f"{anew.first_day}", THEN_AND_NOW, after("Week Then Now Change", days))
    facts |= {("review", code): n for code in summary.quality for n in after(RECORDS_TO_REVIEW, REASONS[code])[:1]}
    names = rows_of_json(document(summary))
    return facts | {("row", name): n for name in names for n in numbers_after(name, words)[:1]}


def weeks_as_rows(summary: ConsentSummary, table: str) -> Facts:
    """The numbers beside each week, behind which a day may follow; none where the table is turned."""
    keys = [rider.key for rider in summary.riders]
    facts: Facts = {}
    for sums in filter(None, [numbers_after("Since the start", table)]):
        facts |= total(sums[0], zip(keys, sums[1:], strict=True))
        for week in summary.weeks[-12:]:
            days = date_range(week.first_day, week.last_day, relative_to=summary.period.cutoff)
            consented, *agreed = numbers_after(days, table)[: len(sums)]
            facts |= in_week(f"{week.first_day}", consented, dict(zip(keys, agreed, strict=True)))
    return facts


def weeks_as_columns(summary: ConsentSummary, table: str) -> Facts:
    """The numbers beside the consents and each rider: some weeks, then the total."""
    facts: Facts = {}
    for key, name in (((), "Consents"), *(((rider.key,), rider.label) for rider in summary.riders)):
        for *numbers, sums in filter(None, [numbers_after(name, table.partition("Since the start")[2])]):
            weeks = summary.weeks[-len(numbers) :]
            facts |= {("total", *key): sums}
            facts |= {("week", f"{week.first_day}", *key): n for week, n in zip(weeks, numbers, strict=True)}
    return facts


def numbers_after(name: str, words: str) -> list[int]:
    """The numbers in a row behind a name (and a mark, or a day); none where the name is followed by something else."""
    beside = r"\*?(?: \([^)]*\)| \d+ [A-Z][a-z]{2} \d{4}| not dated|:)?"
    found = re.search(rf"(?<!\S){re.escape(name)}{beside}((?: [\d,]*\d(?![\w%–]|\.\d))+)", words)
    return [int(number.replace(",", "")) for number in found[1].split()] if found else []


# Page


def of_page(sample: str) -> Facts:
    summary = SAMPLES[sample]()
    kept = a_page_report(cutoff=summary.period.cutoff, counts=totals_of(summary), week_counts=weeks_of(summary))
    html = html_of(an_overview(study=summary.study, report=kept))
    rows = {row[0]: row[1:] for row in Rows(html).rows if row}
    agreed = {
        row[0]: row[-1].split()[0] for row in Rows(html).rows if row and re.fullmatch("[0-9,]+ of [0-9,]+", row[-1])
    }
    days = {week.first_day: days_of(week, summary.period.cutoff) for week in summary.weeks[-12:]}
    figures = re.findall(r"<dt>([^<]+?)(?: <span[^/]*</span>)?</dt><dd>([\d,]+)</dd>", html.replace("\n", ""))
    facts: Facts = {("total",): number_in(rows[days[summary.weeks[-1].first_day]][-1])}
    facts |= {("total", rider.key): number_in(agreed[rider.label.strip()]) for rider in summary.riders}
    facts |= {("row", name.capitalize()): number_in(n) for name, n in figures if name == "still taking part"}
    for site in summary.sites or ():
        shown = [number_in(text) for text in rows[site.label.strip()] if re.fullmatch(r"[\d,]+", text)]
        columns = NUMBERS if site.target else [name for name in NUMBERS if name != "target"]
        facts |= named("site", site.code, columns, shown)
    facts |= {("review", code): number_in(rows[REASONS[code]][0]) for code in summary.quality}
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
