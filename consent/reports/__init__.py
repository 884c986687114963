"""Numbers -> files: every file of a report, from one ``ConsentSummary``."""

from consent.reports.csv_table import render_csv
from consent.reports.json_document import render_json
from consent.reports.report_file import ReportFile
from consent.summary import ConsentSummary

RENDERERS = (render_csv, render_json)


def render_reports(summary: ConsentSummary) -> tuple[ReportFile, ...]:
    """All files of a report; the same summary always gives the same bytes."""
    return tuple(render(summary) for render in RENDERERS)
