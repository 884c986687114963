"""The report as an Excel workbook: sheets that print, values that stay numbers and days, and native charts.

It holds no formula, so no number can change after it was counted.
"""

import io
from collections.abc import Sequence
from datetime import datetime

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from consent.counting.summary import ConsentSummary
from consent.dates import long_day
from consent.files import ReportFile
from consent.reports.definitions import definitions
from consent.reports.headline import export_words, headline
from consent.reports.model import SUMMARY, Medium, Section, Table, columns_of
from consent.reports.optional_sections import PROJECTION, RIDERS, SITE_WEEKS, SITES
from consent.reports.sections import WEEKS, provenance, sections
from consent.reports.workbook_charts import add_charts, add_trends
from consent.reports.workbook_looks import Layout, formats_of, in_margin, printable
from consent.reports.workbook_writer import SheetWriter

DEFINITIONS = "Definitions"

_LAYOUTS = {
    SUMMARY: Layout(several=True),
    WEEKS: Layout(fixed=2, landscape=True, filtered=True),
    RIDERS: Layout(one_page=True),
    SITES: Layout(landscape=True),
    SITE_WEEKS: Layout(landscape=True),
    PROJECTION: Layout(landscape=True),
    DEFINITIONS: Layout(widest=550),
}
_OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_LETTER, _EVERY_CELL = 1, "A1:XFD1048576"


def render_workbook(summary: ConsentSummary) -> ReportFile:
    """Return ``<title>.xlsx``: the Summary sheet, then a sheet for each long table. The bytes repeat."""
    content = io.BytesIO()
    with Workbook(content, _OPTIONS) as workbook:
        _describe(workbook, summary)
        format_of = formats_of(workbook)
        writers: dict[str, SheetWriter] = {}
        for name, shown in _sheets(summary).items():
            worksheet, layout = workbook.add_worksheet(name), _LAYOUTS.get(name, Layout())
            _set_up_page(worksheet, name, layout, summary)
            writers[name] = SheetWriter(worksheet, layout, format_of)
            writers[name].write(_head(name, shown, summary), shown)
        add_charts(workbook, writers, summary)
        add_trends(writers)
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


def _set_up_page(worksheet: Worksheet, name: str, layout: Layout, summary: ConsentSummary) -> None:
    """Print on Letter (or A4); every page shows its title, its day and its first note."""
    worksheet.hide_gridlines(2)
    worksheet.ignore_errors({"number_stored_as_text": _EVERY_CELL})  # a version "2.0" is text, and stays so
    if layout.landscape:
        worksheet.set_landscape()
    worksheet.set_paper(_LETTER)
    worksheet.set_margins(left=0.5, right=0.5, top=0.8, bottom=0.8)
    left = "\n".join(in_margin(line, 60) for line in (summary.study.title, *summary.notes[:1]))
    worksheet.set_header(f"&L{left}&R{name}")
    worksheet.set_footer(f"&L{in_margin(_as_of(summary), 100)}&RPage &P of &N")


def _head(name: str, shown: Sequence[Section], summary: ConsentSummary) -> list[tuple[str, str]]:
    """The lines at the top of a sheet, and the look of each."""
    title = summary.study.title if name == SUMMARY else f"{summary.study.title}: {name}"
    lines = headline(summary) if name == SUMMARY else [line for section in shown for line in section.sentences]
    looks = [("mark", summary.notes), ("plain", lines)]
    return [(title, "title"), (_as_of(summary), "plain"), *((text, look) for look, texts in looks for text in texts)]


def _as_of(summary: ConsentSummary) -> str:
    cutoff, exported_on = summary.period.cutoff, summary.period.exported_on
    return f"Up to and including {long_day(cutoff)}; {export_words(summary.source)} {long_day(exported_on)}"
