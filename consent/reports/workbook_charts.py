"""The workbook's native charts, drawn from the cells of its sheets, so readers can change and copy them.

They show what the charts of the PDF show (``charts.py``), in the same colours and with the same alternative texts.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.chart import Chart
from xlsxwriter.utility import xl_range

from consent.counting.period import DRAWN_WEEKS
from consent.counting.summary import ConsentSummary
from consent.reports.charts import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    answers_shown,
    cumulative_alt,
    drawn_weeks,
    goal_lines,
    planned_total,
    riders_alt,
    weekly_alt,
    weekly_averages,
)
from consent.reports.model import ChartKind
from consent.reports.optional_sections import RIDERS, SITE_WEEKS, SITES, TREND
from consent.reports.sections import AVERAGE_COLUMN, CONSENTS, FIRST_DAY, PLANNED, RUNNING_TOTAL, WEEKS
from consent.reports.workbook_looks import printable
from consent.reports.workbook_writer import CHART_SIZE, PlacedTable, SheetWriter

_MOVE_ONLY = 2  # a chart moves with its cells and keeps its size
_HATCH = {"pattern": "wide_upward_diagonal", "fg_color": INK}
_ANSWERS: dict[str, dict[str, Any]] = {
    "Agreed": {"fill": {"color": BLUE}},
    "Declined": {"pattern": {**_HATCH, "bg_color": ORANGE}},
    "Not answered": {"fill": {"color": PALE}},
}


def add_charts(workbook: Workbook, sheets: Mapping[str, SheetWriter], summary: ConsentSummary) -> None:
    """Draw each chart at its place, from the tables of the sheets."""
    draw = {
        ChartKind.WEEKLY: (_weekly, WEEKS, weekly_alt),
        ChartKind.TO_DATE: (_cumulative, WEEKS, cumulative_alt),
        ChartKind.RIDERS: (_riders, RIDERS, riders_alt),
    }
    for sheet in sheets.values():
        for kind, row in sheet.charts.items():
            chart_of, source, alt = draw[kind]
            chart = chart_of(workbook, sheets[source].tables[0], summary)
            options = {"description": printable(alt(summary)), "object_position": _MOVE_ONLY}
            sheet.worksheet.insert_chart(row, 0, chart, options)


def add_trends(sheets: Mapping[str, SheetWriter]) -> None:
    """Draw a small line of the last year of weeks beside each rider and site."""
    for name, source, before in ((RIDERS, WEEKS, CONSENTS), (SITES, SITE_WEEKS, FIRST_DAY)):
        if name in sheets:
            placed, weeks = sheets[name].tables[0], sheets[source].tables[0]
            top, bottom = weeks.first_row, min(weeks.last_row - 1, weeks.first_row + DRAWN_WEEKS - 1)
            for n in range(len(placed.table.rows) - len(placed.table.totals)):
                column = weeks.column(before) + 1 + n
                cells = f"'{source}'!{xl_range(top, column, bottom, column)}"
                look = {"range": cells, "reverse": True, "series_color": BLUE, "min": 0}  # the newest week comes first
                sheets[name].worksheet.add_sparkline(placed.first_row + n, placed.column(TREND), look)


def _weekly(workbook: Workbook, weeks: PlacedTable, summary: ConsentSummary) -> Chart:
    drawn = drawn_weeks(summary)[::-1]
    running = {"pattern": {**_HATCH, "bg_color": "white"}}
    points = [None if week.complete else running for week in drawn]
    cells = _cells(WEEKS, weeks, CONSENTS, FIRST_DAY, last=len(drawn))
    chart = workbook.add_chart({"type": "column"})
    chart.add_series({**cells, "fill": {"color": BLUE}, "gap": 30, "points": points})
    chart.set_x_axis(_week_axis(len(drawn)))
    chart.set_y_axis(_count_axis(max(week.consented for week in drawn)))
    chart.set_legend({"none": True})
    if any(mean is not None for mean in weekly_averages(summary)):
        line = workbook.add_chart({"type": "line"})
        means = _cells(WEEKS, weeks, AVERAGE_COLUMN, FIRST_DAY, last=len(drawn))
        line.add_series({**means, "line": {"color": ORANGE, "width": 2}, "marker": {"type": "none"}})
        chart.combine(line)
        chart.set_legend({"position": "top"})
    _finish(chart, f"Consents per week{'' if drawn[0].complete else ' (hatched: not complete)'}")
    return chart


def _cumulative(workbook: Workbook, weeks: PlacedTable, summary: ConsentSummary) -> Chart:
    running = {"line": {"color": BLUE, "width": 2.25, "dash_type": "round_dot"}}
    points = [None if week.complete else running for week in summary.weeks[::-1]]
    marker = {"type": "circle" if len(points) == 1 else "none", "fill": {"color": BLUE}}  # a line needs two points
    cells = {**_cells(WEEKS, weeks, RUNNING_TOTAL, FIRST_DAY), "name": "Consents to date"}
    goals = goal_lines(summary)
    chart = workbook.add_chart({"type": "line"})
    chart.add_series({**cells, "line": {"color": BLUE, "width": 2.25}, "points": points, "marker": marker})
    lines = [label for label, _ in goals]
    lines += [PLANNED] if planned_total(summary, summary.period.cutoff) is not None else []
    for label, dash in zip(lines, ("dash", "round_dot", "long_dash"), strict=False):
        line = {"color": INK, "width": 1.25, "dash_type": dash}
        chart.add_series({**_cells(WEEKS, weeks, label, FIRST_DAY), "line": line, "marker": {"type": "none"}})
    chart.set_x_axis(_week_axis(len(points)))
    highest = max([summary.participants.consented, *(number for _, number in goals)])
    chart.set_y_axis(_count_axis(highest))
    chart.set_legend({"position": "top"} if lines else {"none": True})
    _finish(chart, "Consents to date")
    return chart


def _riders(workbook: Workbook, riders: PlacedTable, summary: ConsentSummary) -> Chart:
    chart = workbook.add_chart({"type": "bar", "subtype": "stacked"})
    for heading, look in _ANSWERS.items():
        if heading.lower() in answers_shown(summary):
            cells = _cells(RIDERS, riders, heading, riders.table.columns[0].heading)
            chart.add_series({**cells, **look, "gap": 40})
    axis = _count_axis(max(rider.offered for rider in summary.riders))
    chart.set_y_axis({"reverse": True, "interval_unit": 1})
    axis["name"] = "Consented participants who were offered it"
    chart.set_x_axis({**axis, "label_position": "high", "major_tick_mark": "none", "line": {"none": True}})
    chart.set_legend({"position": "top"})
    _finish(chart, "Answers to each optional consent (rider)", (900, 140 + 30 * len(summary.riders)))
    return chart


def _cells(sheet: str, placed: PlacedTable, heading: str, names: str, *, last: int | None = None) -> dict[str, Any]:
    """Return a column of numbers and the column of their names, without totals; ``last``: only so many rows."""
    top, bottom = placed.first_row, placed.last_row - len(placed.table.totals)
    bottom = bottom if last is None else top + last - 1
    column, named = placed.column(heading), placed.column(names)
    return {
        "name": [sheet, placed.first_row - 1, column],
        "categories": [sheet, top, named, bottom, named],
        "values": [sheet, top, column, bottom, column],
    }


def _week_axis(number: int) -> dict[str, Any]:
    step = max(1, ceil(number / 10))
    unit = {"interval_unit": step, "interval_tick": step}
    newest_first = {"reverse": True, "crossing": "max"}  # as in the sheet: time still runs to the right
    return {"name": "Week beginning", "num_format": "d mmm yy", "text_axis": True, **unit, **newest_first}


def _count_axis(peak: int) -> dict[str, Any]:
    """Return an axis of whole numbers from 0; Excel itself would use halves for small counts."""
    few = {"max": max(4, peak + 1), "major_unit": 1 if peak < 8 else 2} if peak < 16 else {}
    lines = {"major_gridlines": {"visible": True, "line": {"color": PALE, "width": 0.5}}}
    return {"num_format": "#,##0", "min": 0, **few, **lines}


def _finish(chart: Chart, title: str, size: tuple[int, int] = CHART_SIZE) -> None:
    chart.set_title({"name": title, "name_font": {"bold": True, "size": 12}, "overlay": False})
    chart.set_size({"width": size[0], "height": size[1]})
