"""The charts of the workbook: Excel's own, of the cells of its sheets, so that they can be changed and copied.

They show what the charts of the PDF show (``charts.py``), in the same colours and with the same words for those who
cannot see them.
"""

from math import ceil
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.chart import Chart
from xlsxwriter.worksheet import Worksheet

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
    riders_alt,
    weekly_alt,
)
from consent.reports.workbook_model import CHART_ROWS, CHART_SIZE
from consent.reports.workbook_sheets import CONSENTS, FIRST_DAY, RIDERS, RUNNING_TOTAL, WEEKS
from consent.reports.workbook_writer import Placed, printable

_MOVE_ONLY = 2  # with its cells; their sizes do not change it
_EDGE = {"border": {"color": INK, "width": 0.5}}
_DASHES = ("dash", "round_dot")


def add_week_charts(
    workbook: Workbook, worksheet: Worksheet, above: Placed, weeks: Placed, summary: ConsentSummary
) -> None:
    """Put the consents a week, and those to date, under the table ``above``."""
    row = above.last_row + 2
    _insert(worksheet, row, _weekly(workbook, weeks, summary), weekly_alt(summary))
    _insert(worksheet, row + CHART_ROWS, _cumulative(workbook, weeks, summary), cumulative_alt(summary))


def add_riders_chart(workbook: Workbook, worksheet: Worksheet, riders: Placed, summary: ConsentSummary) -> None:
    """Put the answers to the riders under their table."""
    if not summary.riders:
        return
    chart = workbook.add_chart({"type": "bar", "subtype": "stacked"})
    looks: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Agreed", {"fill": {"color": BLUE}}),
        ("Declined", {"pattern": {"pattern": "wide_upward_diagonal", "fg_color": INK, "bg_color": ORANGE}}),
        ("Not answered", {"fill": {"color": PALE}}),
    )
    for heading, look in looks:
        if heading.lower() in answers_shown(summary):
            chart.add_series({**_cells(RIDERS, riders, heading, names=0), **look, **_EDGE, "gap": 40})
    peak = max(rider.offered for rider in summary.riders)
    chart.set_y_axis({"reverse": True, "interval_unit": 1, "num_font": {"size": 9}})
    chart.set_x_axis(
        {
            **_count_axis("Consented participants who were offered it", peak),
            "label_position": "high",
            "major_tick_mark": "none",
            "line": {"none": True},
        }
    )
    chart.set_legend({"position": "top"})
    _finish(chart, "Answers to each optional consent (rider)")
    chart.set_size({"width": 900, "height": 140 + 30 * len(summary.riders)})
    _insert(worksheet, riders.last_row + 2, chart, riders_alt(summary))


def _weekly(workbook: Workbook, weeks: Placed, summary: ConsentSummary) -> Chart:
    drawn = drawn_weeks(summary)
    running = {"pattern": {"pattern": "wide_upward_diagonal", "fg_color": INK, "bg_color": "white"}, **_EDGE}
    chart = workbook.add_chart({"type": "column"})
    chart.add_series(
        {
            **_cells(WEEKS, weeks, CONSENTS, last=len(drawn)),
            "fill": {"color": BLUE},
            **_EDGE,
            "gap": 30,
            "points": [None if week.complete else running for week in drawn],
        }
    )
    chart.set_x_axis(_week_axis(len(drawn)))
    chart.set_y_axis(_count_axis("Consents a week", max(week.consented for week in drawn)))
    chart.set_legend({"none": True})
    hatched = "" if drawn[-1].complete else " (hatched: not complete)"
    _finish(chart, f"Consents a week{hatched}")
    return chart


def _cumulative(workbook: Workbook, weeks: Placed, summary: ConsentSummary) -> Chart:
    running = {"line": {"color": BLUE, "width": 2.25, "dash_type": "round_dot"}}
    points = [None if week.complete else running for week in summary.weeks]
    chart = workbook.add_chart({"type": "line"})
    line = {"color": BLUE, "width": 2.25}
    marker = {"type": "circle" if len(points) == 1 else "none", "fill": {"color": BLUE}}  # a line of one is no line
    consents = {**_cells(WEEKS, weeks, RUNNING_TOTAL), "name": "Consents to date"}
    chart.add_series({**consents, "line": line, "points": points, "marker": marker})
    for (label, _), dash in zip(goal_lines(summary), _DASHES, strict=False):
        look = {"line": {"color": INK, "width": 1.25, "dash_type": dash}, "marker": {"type": "none"}}
        chart.add_series({**_cells(WEEKS, weeks, label), **look})
    chart.set_x_axis(_week_axis(len(points)))
    goals = (number for _, number in goal_lines(summary))
    chart.set_y_axis(_count_axis("Consents to date", max([summary.participants.consented, *goals])))
    chart.set_legend({"position": "top"})
    _finish(chart, "Consents to date")
    return chart


def _cells(
    sheet: str, placed: Placed, heading: str, *, names: int | None = None, last: int | None = None
) -> dict[str, Any]:
    """A column of numbers and its names, without the sums below; only so many of the last rows where that is given."""
    bottom = placed.last_row - len(placed.table.strong)
    top = placed.first_row if last is None else bottom - last + 1
    column, named = placed.column(heading), placed.column(FIRST_DAY) if names is None else names
    return {
        "name": [sheet, placed.first_row - 1, column],
        "categories": [sheet, top, named, bottom, named],
        "values": [sheet, top, column, bottom, column],
    }


def _week_axis(number: int) -> dict[str, Any]:
    step = max(1, ceil(number / 10))
    unit = {"interval_unit": step, "interval_tick": step}
    return {"name": "Week beginning", "num_format": "d mmm yy", "text_axis": True, **unit, **_fonts()}


def _count_axis(name: str, peak: int) -> dict[str, Any]:
    """Whole numbers from 0; Excel would divide the few of a small study into halves."""
    few = {"max": max(4, peak + 1), "major_unit": 1 if peak < 8 else 2} if peak < 16 else {}
    lines = {"major_gridlines": {"visible": True, "line": {"color": PALE, "width": 0.5}}}
    return {"name": name, "num_format": "#,##0", "min": 0, **few, **lines, **_fonts()}


def _fonts() -> dict[str, Any]:
    return {"name_font": {"bold": False, "size": 10}, "num_font": {"size": 9}}


def _finish(chart: Chart, title: str) -> None:
    chart.set_title({"name": title, "name_font": {"bold": True, "size": 12}, "overlay": False})
    chart.set_size({"width": CHART_SIZE[0], "height": CHART_SIZE[1]})


def _insert(worksheet: Worksheet, row: int, chart: Chart, alt: str) -> None:
    worksheet.insert_chart(row, 0, chart, {"description": printable(alt), "object_position": _MOVE_ONLY})
