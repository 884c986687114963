"""Renders all files of a report."""

from consent.counting.summary import ConsentSummary
from consent.files import ReportFile


def render_reports(summary: ConsentSummary) -> tuple[ReportFile, ...]:
    """Return all files of a report. The same summary always gives the same bytes."""
    from consent.reports.data_files import render_csv, render_json
    from consent.reports.pdf import render_pdf
    from consent.reports.shareable import render_shareable
    from consent.reports.workbook import render_workbook

    edition = summary.study.shareable
    shared = [render_shareable(summary, edition.base)] if edition else []
    return (*(render(summary) for render in (render_csv, render_workbook, render_pdf, render_json)), *shared)
