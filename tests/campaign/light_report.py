"""A light report: a real table and document, a short text for workbook and PDF. The campaign tests delivery alone."""

import hashlib

from consent.counting.summary import ConsentSummary
from consent.files import ReportFile
from consent.reports.data_files import render_csv, render_json


def render_light_report(summary: ConsentSummary) -> tuple[ReportFile, ...]:
    """Return as many files as a whole report has, under the same names."""
    table, document = render_csv(summary), render_json(summary)
    digest = hashlib.sha256(table.content + document.content).hexdigest()
    drawn = (ReportFile(f"{summary.study.title}.{kind}", f"{kind} of {digest}".encode()) for kind in ("xlsx", "pdf"))
    return (table, *drawn, document)
