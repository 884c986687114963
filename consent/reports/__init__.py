"""Numbers -> files: every file of a report, from one ``ConsentSummary``.

Loads what makes a file only when files are made: the page, which has none, should come fast.
"""

from typing import TYPE_CHECKING

from consent.reports.report_file import ReportFile

if TYPE_CHECKING:
    from consent.summary import ConsentSummary


def render_reports(summary: "ConsentSummary") -> tuple[ReportFile, ...]:
    """All files of a report; the same summary always gives the same bytes."""
    from consent.reports.csv_table import render_csv
    from consent.reports.json_document import render_json
    from consent.reports.pdf import render_pdf
    from consent.reports.workbook import render_workbook

    return tuple(render(summary) for render in (render_csv, render_workbook, render_pdf, render_json))
