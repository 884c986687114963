"""The report as an Excel workbook: sheets that print, values that stay numbers and days, and native charts.

It holds no formula, so no number can change after it was counted.
"""

import io
from datetime import datetime

from xlsxwriter import Workbook

from consent.counting.summary import ConsentSummary
from consent.dates import long_day
from consent.files import ReportFile
from consent.reports.definitions import definitions
from consent.reports.headline import headline
from consent.reports.model import SUMMARY, Medium, Section, Table, columns_of
from consent.reports.optional_sections import SITES
from consent.reports.sections import RIDERS, WEEKS, marks, provenance, sections
from consent.reports.workbook_charts import add_charts
from consent.reports.workbook_looks import Layout, printable
from consent.reports.workbook_writer import SheetWriter

DEFINITIONS = "Definitions"

_LAYOUTS = {
    SUMMARY: Layout(several=True),
    WEEKS: Layout(fixed=2, landscape=True, filtered=True),
    RIDERS: Layout(one_page=True),
    SITES: Layout(landscape=True),
    DEFINITIONS: Layout(widest=550),
}
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def render_workbook(summary: ConsentSummary) -> ReportFile:
    """Return ``<title>.xlsx``: the Summary sheet, then a sheet for each long table. The bytes repeat."""
    content = io.BytesIO()
    with Workbook(content, _OPTIONS) as workbook:
        _describe(workbook, summary)
        writer = SheetWriter(workbook, title=summary.study.title, as_of=_as_of(summary), marks=marks(summary))
        for name, shown in _sheets(summary).items():
            writer.write(name, shown, _LAYOUTS.get(name, Layout()), headline(summary) if name == SUMMARY else ())
        add_charts(workbook, writer.charts, writer.tables, summary)
    return ReportFile(f"{summary.study.title}.xlsx", content.getvalue())


def _sheets(summary: ConsentSummary) -> dict[str, list[Section]]:
    """The sections of each sheet, in order."""
    sheets: dict[str, list[Section]] = {}
    for section in (*sections(summary), provenance(summary), _definitions(summary)):
        if section.only is not Medium.PDF:
            sheets.setdefault(section.sheet, []).append(section)
    return sheets


def _definitions(summary: ConsentSummary) -> Section:
    rows = tuple(
        (rule.heading if n == 0 else None, line)
        for rule in definitions(summary.study)
        for n, line in enumerate(rule.text.split("\n"))
    )
    sentence = "The rules behind these numbers, made from the study file."
    return Section(DEFINITIONS, (sentence,), Table(columns_of("Rule", "In words"), rows), sheet=DEFINITIONS)


def _describe(workbook: Workbook, summary: ConsentSummary) -> None:
    """Set the file's properties; the day of its creation is the cut-off, so that the bytes repeat."""
    day = summary.period.cutoff
    workbook.set_properties(
        {
            "title": printable(summary.study.title),
            "subject": f"Consents as of {long_day(day)}",
            "author": printable(summary.study.contact),
            "created": datetime(day.year, day.month, day.day),  # noqa: DTZ001 - xlsxwriter writes it as UTC
        }
    )


def _as_of(summary: ConsentSummary) -> str:
    cutoff, exported_on = summary.period.cutoff, summary.period.exported_on
    return f"Up to and including {long_day(cutoff)}; exported on {long_day(exported_on)}"
