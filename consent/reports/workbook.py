"""The report as an Excel workbook: sheets that print, numbers that are numbers, and charts that can be copied.

Decides nothing about what stands in it (``workbook_sheets.py`` does), and holds no formula, so that no number can
change after it was counted.
"""

import io
from datetime import datetime

from xlsxwriter import Workbook

from consent.counting.summary import ConsentSummary
from consent.dates import long_day
from consent.files import ReportFile
from consent.reports.wording import marks
from consent.reports.workbook_charts import add_riders_chart, add_week_charts
from consent.reports.workbook_sheets import RIDERS, WEEKS, sheets
from consent.reports.workbook_summary import SUMMARY
from consent.reports.workbook_writer import SheetWriter, printable

_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def render_workbook(summary: ConsentSummary) -> ReportFile:
    """``<title>.xlsx``: Summary, Weeks, Riders, Sites (if there are any), Quality, Definitions; the bytes repeat."""
    content = io.BytesIO()
    with Workbook(content, _OPTIONS) as workbook:
        _describe(workbook, summary)
        _fill(workbook, summary)
    return ReportFile(f"{summary.study.title}.xlsx", content.getvalue())


def _describe(workbook: Workbook, summary: ConsentSummary) -> None:
    """What the file says of itself; it was created, as its numbers tell, on the day of the cut-off."""
    day = summary.period.cutoff
    workbook.set_properties(
        {
            "title": printable(summary.study.title),
            "subject": f"Consents as of {long_day(day)}",
            "author": printable(summary.study.contact),
            "created": datetime(day.year, day.month, day.day),  # noqa: DTZ001 - written as UTC, which it knows no zone for
        }
    )


def _fill(workbook: Workbook, summary: ConsentSummary) -> None:
    writer = SheetWriter(workbook, title=summary.study.title, as_of=_as_of(summary), marks=marks(summary))
    written = {sheet.name: writer.write(sheet) for sheet in sheets(summary)}
    (first, tables), (_, weeks), (riders, answers) = written[SUMMARY], written[WEEKS], written[RIDERS]
    add_week_charts(workbook, first, tables[0], weeks[0], summary)
    add_riders_chart(workbook, riders, answers[0], summary)


def _as_of(summary: ConsentSummary) -> str:
    cutoff, exported_on = summary.period.cutoff, summary.period.exported_on
    return f"Up to and including {long_day(cutoff)}; exported on {long_day(exported_on)}"
