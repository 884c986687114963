"""The charts of a report as SVG: readable in grey and by colour-blind readers, with the same bytes on every machine.

Text is drawn as outlines of matplotlib's own font. That font lacks many alphabets, so no name of a study file is drawn.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from consent.counting.period import DRAWN_WEEKS
from consent.counting.summary import ConsentSummary, WeekCount
from consent.dates import WEEK, date_range, short_day
from consent.reports.headline import progress
from consent.reports.wording import share_words

BLUE, ORANGE, PALE, INK = "#0072B2", "#E69F00", "#DDDDDD", "#333333"

WIDTH, HEIGHT = 7.0, 1.6
"""Inches: the width of the text on a page, and a small part of its height."""

_FONT = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
_COUNTED_WEEKS = 26  # the most bars that have room for their numbers
_TICKS = 9
_ONE_AT_A_TIME = Lock()  # matplotlib's settings are shared by the whole process
_STYLE: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "consent",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.6,
    "hatch.color": INK,
}


def drawn_weeks(summary: ConsentSummary) -> tuple[WeekCount, ...]:
    """Return the weeks that the chart of consents per week shows."""
    return summary.weeks[-DRAWN_WEEKS:]


def weekly_alt(summary: ConsentSummary) -> str:
    """Return the text alternative of the chart of consents per week."""
    complete = [week for week in drawn_weeks(summary) if week.complete]
    text = "Bars of consents per week: no week is complete yet."
    if counts := [week.consented for week in complete]:
        number = "1 complete week" if len(counts) == 1 else f"{len(counts)} complete weeks"
        days = date_range(complete[0].first_day, complete[-1].last_day)
        spread = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
        text = f"Bars of consents per week over {number}, {days}: {spread} per week, {counts[-1]:,} in the last."
    running = [week for week in summary.weeks if not week.complete]
    marks = [f"The hatched bar is the week {progress(w, summary.period)}: {w.consented:,}." for w in running]
    return " ".join([text, *marks])


def cumulative_alt(summary: ConsentSummary) -> str:
    """Return the text alternative of the chart of consents to date."""
    first, cutoff = summary.weeks[0].first_day, summary.period.cutoff
    number = summary.participants.consented
    line = f"Line of all consents from 0 on {short_day(first)} to {number:,} on {short_day(cutoff)}."
    goals = [label for label, _ in goal_lines(summary)]
    return f"{line} Level lines: {', '.join(goals)}." if goals else line


def riders_alt(summary: ConsentSummary) -> str:
    """Return the text alternative of the chart of the riders' answers."""
    number, answers = len(summary.riders), ", ".join(answers_shown(summary))
    text = f"Stacked bars of the answers to {number} optional consent{'' if number == 1 else 's'}: {answers}."
    offered = sorted((rider.uptake, rider.label) for rider in summary.riders if rider.uptake is not None)
    if not offered:
        return f"{text} Nobody was offered any."
    (least, lowest), (most, highest) = offered[0], offered[-1]
    if least == most:
        return f"{text} {share_words(most)} agreed to each."
    return f"{text} Agreement ranges from {share_words(least)} ({lowest}) to {share_words(most)} ({highest})."


def answers_shown(summary: ConsentSummary) -> tuple[str, ...]:
    """Return the answers that the chart of the riders shows; "declined" only where a rider has a code for it."""
    declined = ("declined",) if any(rider.can_decline for rider in summary.riders) else ()
    return ("agreed", *declined, "not answered")


def goal_lines(summary: ConsentSummary) -> list[tuple[str, int]]:
    """Return the level lines of the chart of consents to date: the target and the approved number, where configured.

    The approved number is compared with everyone who agreed, whom the chart does not show, so its label counts them.
    """
    accrual = summary.accrual
    if accrual is None:
        return []
    target = [] if accrual.target is None else [(f"Target {accrual.target:,}", accrual.target)]
    if accrual.approved is None:
        return target
    return [*target, (f"Approved {accrual.approved:,} ({accrual.agreed:,} agreed, dated or not)", accrual.approved)]


@dataclass(frozen=True)
class Chart:
    """A picture (``svg``: a whole document, UTF-8) and its text alternative (``alt``)."""

    svg: str
    alt: str


def weekly_chart(summary: ConsentSummary) -> Chart:
    """Draw consents per week as bars; the week in progress is hatched and named."""
    return Chart(_drawn(_draw_weeks, "Consents per week", summary), weekly_alt(summary))


def cumulative_chart(summary: ConsentSummary) -> Chart:
    """Draw all consents to date as a line, with the target and the approved number where the study has them."""
    return Chart(_drawn(_draw_line, "Consents to date", summary), cumulative_alt(summary))


def _drawn(draw: Callable[[Axes, ConsentSummary], None], counted: str, summary: ConsentSummary) -> str:
    """Draw with our own settings, and leave the user's settings of matplotlib as they were."""
    svg = io.StringIO()
    with _ONE_AT_A_TIME, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        draw(axes, summary)
        axes.set_xlabel("Week beginning", fontproperties=_font(8))
        axes.set_ylabel(counted, fontproperties=_font(8))
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return svg.getvalue()


def _draw_weeks(axes: Axes, summary: ConsentSummary) -> None:
    weeks = drawn_weeks(summary)
    for at, week in enumerate(weeks):
        look: dict[str, Any] = {"color": BLUE} if week.complete else {"color": "white", "hatch": "////"}
        axes.bar(at, week.consented, width=0.8, **{"edgecolor": INK, "linewidth": 0.4, **look})
        if not week.complete:
            text = f"{week.consented:,}\n{progress(week, summary.period)}".replace(", ", ",\n")
            axes.annotate(text, (at + 0.4, 0), **_beside(3, 2), ha="left", va="bottom")
        elif len(weeks) <= _COUNTED_WEEKS:
            axes.annotate(f"{week.consented:,}", (at, week.consented), **_beside(0, 2), ha="center", va="bottom")
    axes.set_xlim(-0.7, max(len(weeks), 8) - 0.3)
    _label_axes(axes, list(enumerate(weeks)), [week.consented for week in weeks])


def _draw_line(axes: Axes, summary: ConsentSummary) -> None:
    """Draw from 0 at the start to each week's end or the cut-off; the week in progress is dotted."""
    weeks, start = summary.weeks, summary.period.start
    days = [0, *((min(week.last_day, summary.period.cutoff) - start).days + 1 for week in weeks)]
    totals = list(accumulate((week.consented for week in weeks), initial=0))
    over = sum(week.complete for week in weeks) + 1
    axes.plot(days[:over], totals[:over], color=BLUE, linewidth=1.8)
    axes.plot(days[over - 1 :], totals[over - 1 :], color=BLUE, linewidth=1.8, linestyle=(0, (1, 1)))
    axes.plot(days[-1], totals[-1], "o", color=BLUE, markersize=4, clip_on=False)
    axes.annotate(f"{totals[-1]:,}", (days[-1], totals[-1]), **_beside(6, 0), ha="left", va="center")
    goals = goal_lines(summary)
    for (label, number), at, dashes in zip(goals, (0.01, 0.3), ((6, 3), (2, 2)), strict=False):
        axes.axhline(number, color=INK, linewidth=0.9, linestyle=(0, dashes))
        where = {"xycoords": axes.get_yaxis_transform(), **_beside(0, 2)}
        axes.annotate(label, (at, number), **where, ha="left", va="bottom")
    axes.set_xlim(0, max(days[-1], 8 * WEEK.days))
    places = [((week.first_day - start).days, week) for week in weeks]
    _label_axes(axes, places, [*totals, *(number for _, number in goals)])


def _font(size: float) -> FontProperties:
    return FontProperties(fname=_FONT, size=size)


def _beside(right: float, up: float) -> dict[str, Any]:
    """Where to write beside a point of a chart, in points."""
    return {
        "xytext": (right, up),
        "textcoords": "offset points",
        "fontproperties": _font(7),
        "annotation_clip": False,
    }


def _label_axes(axes: Axes, weeks: Sequence[tuple[float, WeekCount]], counts: Sequence[int]) -> None:
    """Label some weeks, counted back from the last one, the year where it changes, and whole numbers from 0."""
    step = -(-len(weeks) // _TICKS)
    named = weeks[::-1][::step][::-1]
    days = [week.first_day for _, week in named]
    years = ["" if n and day.year == days[n - 1].year else day.year for n, day in enumerate(days)]
    texts = [f"{short_day(day, relative_to=day)}\n{year}" for day, year in zip(days, years, strict=True)]
    axes.set_xticks([at for at, _ in named], texts, fontproperties=_font(7))
    axes.set_ylim(0, max(4, *counts) * 1.25)  # a text has room above the highest
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for label in axes.get_yticklabels():
        label.set_fontproperties(_font(7))
    axes.grid(axis="y", color=PALE, linewidth=0.5)
