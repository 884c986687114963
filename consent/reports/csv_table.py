"""The weekly table as CSV: header and rows as the registry's earlier pipeline wrote them, so that nothing breaks."""

import csv
import io

from consent.reports.report_file import ReportFile
from consent.summary import ConsentSummary


def render_csv(summary: ConsentSummary) -> ReportFile:
    r"""``period,consent,<riders>``, a row per week and a last row ``Total``; ``\n`` line ends, UTF-8 without BOM."""
    riders = [rider.key for rider in summary.study.riders]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["period", "consent", *riders])
    for week in summary.weeks:
        table.writerow(
            [f"{week.first_day} - {week.last_day}", week.consented, *(week.riders[rider] for rider in riders)]
        )
    table.writerow(["Total", summary.participants.consented, *(rider.agreed for rider in summary.riders)])
    return ReportFile(f"{summary.study.title}.csv", text.getvalue().encode())
