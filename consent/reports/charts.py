"""The charts of a report: their geometry as plain numbers, and what they show in words.

Texts are numbers, months and fixed words, so the names of a study file need no room here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from math import ceil

from consent.counting.period import DRAWN_WEEKS, RATE_WEEKS, average_per_week
from consent.counting.projection import Projection
from consent.counting.summary import OpeningNumbers, WeekCount
from consent.dates import WEEK, date_range, short_day
from consent.reports.headline import progress
from consent.reports.wording import share_words

BLUE, ORANGE, PALE, INK = "#0072B2", "#E69F00", "#DDDDDD", "#333333"

WIDTH, HEIGHT, TEXT_SIZE = 249.0, 152.0, 9.5
"""Points: half the width of the text on a page, and the size of all text in a chart."""

AVERAGE = f"{RATE_WEEKS}-week average"

_LETTER = 0.52 * TEXT_SIZE  # points: at least the mean width of a letter, and the width of a digit
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
_TICK_ROOM = 26.0  # points from one month to the next, for ``2026``
_FEWEST_DAYS = 8 * WEEK.days
_YEAR = timedelta(days=365)
_KEY_LINE, _AXIS_TEXT = 13.0, 25.0  # points: the height of a line of the key, and of the texts below an axis
MARK = 15.0
"""Points: the width of a mark in the key, with the gap to its text."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A place on an axis with its text; ``below`` is the second line."""

    at: float
    text: str
    below: str = ""


@dataclass(frozen=True)
class Bar:
    """One week; the bar of an incomplete one is hatched."""

    left: float
    top: float
    width: float
    complete: bool


@dataclass(frozen=True)
class Path:
    """A line through points, or the area within them; ``look`` names how it is drawn."""

    look: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Label:
    """A text at a point; ``anchor`` is ``start``, ``middle`` or ``end``."""

    at: Point
    text: str
    anchor: str = "start"


@dataclass(frozen=True)
class Plot:
    """The geometry of a chart in points from its top left corner; ``keys``: what each look means, at its place."""

    left: float
    top: float
    right: float
    bottom: float
    months: tuple[Tick, ...]
    counts: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    paths: tuple[Path, ...] = ()
    labels: tuple[Label, ...] = ()
    keys: tuple[tuple[str, Label], ...] = ()


def drawn_weeks(summary: OpeningNumbers) -> tuple[WeekCount, ...]:
    """Return the weeks that the chart of consents per week shows."""
    return summary.weeks[-DRAWN_WEEKS:]


def weekly_averages(summary: OpeningNumbers) -> list[float | None]:
    """Return for each week the mean of the 12 complete weeks up to it; None for an incomplete week or too few."""
    counts = [week.consented for week in summary.weeks]
    return [average_per_week(counts[: n + 1]) if week.complete else None for n, week in enumerate(summary.weeks)]


def planned_total(summary: OpeningNumbers, day: date) -> float | None:
    """Return the consents planned up to a day: a straight line from 0 at the start to the target on its date."""
    accrual, start = summary.accrual, summary.period.start
    if accrual is None or accrual.target is None or accrual.target_date is None:
        return None
    days = max(1, (accrual.target_date - start).days)
    return accrual.target * min(1.0, ((day - start).days + 1) / days)


def goal_lines(summary: OpeningNumbers) -> list[tuple[str, int]]:
    """Return the target, if it has no date and so no planned line, and the approved number, where configured.

    The approved number is compared with everyone who agreed, whom the chart does not show, so its label counts them.
    """
    accrual = summary.accrual
    if accrual is None:
        return []
    target = [(f"Target {accrual.target:,}", accrual.target)] if accrual.target and not accrual.target_date else []
    if accrual.approved is None:
        return target
    return [*target, (f"Approved {accrual.approved:,} ({accrual.agreed:,} agreed, dated or not)", accrual.approved)]


# Geometry


def weekly_plot(summary: OpeningNumbers) -> Plot:
    """Return bars of consents per week, and their 12-week average as a line."""
    weeks = drawn_weeks(summary)
    means = weekly_averages(summary)[-len(weeks) :]
    texts = {"average": AVERAGE} if any(mean is not None for mean in means) else {}
    if not weeks[-1].complete:
        texts["running bar"] = "week in progress"
    scale = _Scale((weeks[0].first_day, weeks[-1].last_day), max(week.consented for week in weeks), _keys(texts))
    width = scale.x(weeks[0].last_day) - scale.left  # six days of seven, so a gap remains
    bars = tuple(Bar(scale.x(week.first_day), scale.y(week.consented), width, week.complete) for week in weeks)
    middles = [bar.left + bar.width / 2 for bar in bars]
    numbers = [f"{week.consented:,}" for week in weeks]
    fits = max(map(len, numbers)) * _LETTER < width
    labels = [Label((x, bar.top - 3), n, "middle") for x, bar, n in zip(middles, bars, numbers, strict=True) if fits]
    average = tuple((x, scale.y(mean)) for x, mean in zip(middles, means, strict=True) if mean is not None)
    return scale.plot(bars, [Path("average", average)], labels)


def total_plot(summary: OpeningNumbers) -> Plot:
    """Return the line of all consents to date, beside what is planned, projected and approved."""
    weeks, period, accrual, projection = summary.weeks, summary.period, summary.accrual, summary.projection
    days = [period.start, *(min(week.last_day, period.cutoff) + timedelta(days=1) for week in weeks)]
    totals = list(accumulate((week.consented for week in weeks), initial=0))
    target, target_date = (accrual.target, accrual.target_date) if accrual else (None, None)
    approved = accrual.approved if accrual else None
    last_days, texts = [days[-1], target_date or days[-1]], {}
    if target:
        texts["planned"] = f"{'planned to' if target_date else 'target'} {target:,}"
    if projection:
        texts["projected"] = "projected, 80% range"
        last_days.append(min(projection.latest or date.max, projection.middle + _YEAR))
    if accrual and approved:
        texts["approved"] = f"approved {approved:,} ({accrual.agreed:,} agreed)"
    room = 5 + len(f"{totals[-1]:,}") * _LETTER
    scale = _Scale((period.start, max(last_days)), max(totals[-1], target or 0, approved or 0), _keys(texts), room)
    paths = _projected(projection, target, scale, max(last_days)) if projection and target else []
    if target:
        reached = (scale.x(target_date), scale.y(target)) if target_date else (scale.left, scale.y(target))
        before = [(scale.left, scale.bottom)] if target_date else []
        paths.append(Path("planned", (*before, reached, (scale.right, scale.y(target)))))
    if approved:
        paths.append(Path("approved", ((scale.left, scale.y(approved)), (scale.right, scale.y(approved)))))
    points = [(scale.x(day), scale.y(total)) for day, total in zip(days, totals, strict=True)]
    complete = sum(week.complete for week in weeks) + 1
    paths += [Path("total", tuple(points[:complete])), Path("running total", tuple(points[complete - 1 :]))]
    (x, y), text = points[-1], f"{totals[-1]:,}"
    return scale.plot((), paths, [Label((x + 5, min(y + (10 if texts else 3), scale.bottom - 3)), text)])


def _projected(projection: Projection, target: int, scale: "_Scale", last_day: date) -> list[Path]:
    """Return the area between the ends of the range, and its middle; nothing is shown above the target."""
    fan = [(scale.x(point.day + timedelta(days=1)), point) for point in projection.fan if point.day < last_day]
    low = [(x, scale.y(min(point.low, target))) for x, point in fan]
    middle = tuple((x, scale.y(min(point.middle, target))) for x, point in fan)
    high = [(x, scale.y(min(point.high, target))) for x, point in fan]
    return [Path("projected", (*high, *reversed(low))), Path("projected middle", middle)]


class _Scale:
    """Where days and counts are in a chart, below its key; ``room``: for a text at the right."""

    def __init__(
        self, days: tuple[date, date], highest: float, keys: Sequence[tuple[str, Label]], room: float = 0.0
    ) -> None:
        self._first, self._keys = days[0], tuple(keys)
        self._days = max((days[1] - days[0]).days + 1, _FEWEST_DAYS)
        self._counts = _nice_counts(highest)
        self.left = max(len(f"{count:,}") for count in self._counts) * _LETTER + 5
        self.right, self.bottom = WIDTH - 4 - room, HEIGHT - _AXIS_TEXT
        self.top = max((label.at[1] for _, label in keys), default=0.0) + 14
        self._highest = max(highest, self._counts[-1])

    def x(self, day: date) -> float:
        return self.left + (self.right - self.left) * (day - self._first).days / self._days

    def y(self, count: float) -> float:
        return self.bottom - (self.bottom - self.top) * count / self._highest

    def plot(self, bars: tuple[Bar, ...], paths: Sequence[Path], labels: Sequence[Label]) -> Plot:
        edges = (self.left, self.top, self.right, self.bottom)
        counts = tuple(Tick(self.y(count), f"{count:,}") for count in self._counts)
        drawn = tuple(path for path in paths if len(path.points) > 1)
        return Plot(*edges, tuple(self._months()), counts, bars, drawn, tuple(labels), self._keys)

    def _months(self) -> Iterator[Tick]:
        """Yield the starts of months or years that have room for their texts; the year is named where it changes."""
        per_month = (self.right - self.left) / self._days * 30
        step = next((step for step in _MONTH_STEPS if step * per_month >= _TICK_ROOM), _MONTH_STEPS[-1])
        first, last = (day.year * 12 + day.month - 1 for day in (self._first, self._first + timedelta(days=self._days)))
        year_before = None
        for month in range(-(-first // step) * step, last + 1, step):
            day = date(month // 12, month % 12 + 1, 1)
            at, year = self.x(day), f"{day.year}"
            if self.left <= at <= self.right - _TICK_ROOM / 2:
                name = short_day(day).split()[1]
                yield Tick(at, year) if step >= 12 else Tick(at, name, "" if year == year_before else year)
                year_before = year


def _nice_counts(highest: float) -> list[int]:
    """Return whole numbers from 0 to the highest or just above it: at most five steps of 1, 2 or 5 times a ten."""
    steps = (factor * 10**power for power in range(12) for factor in (1, 2, 5))
    step = next(step for step in steps if step * 5 >= highest)
    return [step * n for n in range(max(1, ceil(highest / step)) + 1)]


def _keys(texts: dict[str, str]) -> list[tuple[str, Label]]:
    """Place the texts of a key beside each other, in as many lines as they need."""
    placed: list[tuple[str, Label]] = []
    x, y = 0.0, 9.0
    for look, text in texts.items():
        width = MARK + len(text) * _LETTER + 10
        if x and x + width > WIDTH:
            x, y = 0.0, y + _KEY_LINE
        placed.append((look, Label((x + MARK, y), text)))
        x += width
    return placed


# In words


def weekly_alt(summary: OpeningNumbers) -> str:
    """Return the text alternative of the chart of consents per week."""
    complete = [week for week in drawn_weeks(summary) if week.complete]
    text = "Bars of consents per week: no week is complete yet."
    if counts := [week.consented for week in complete]:
        number = "1 complete week" if len(counts) == 1 else f"{len(counts)} complete weeks"
        days = date_range(complete[0].first_day, complete[-1].last_day)
        spread = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
        text = f"Bars of consents per week over {number}, {days}: {spread} per week, {counts[-1]:,} in the last."
    averages = [mean for mean in weekly_averages(summary) if mean is not None]
    line = [f"A line shows the {AVERAGE}, last {averages[-1]:,.1f}."] if averages else []
    running = [week for week in summary.weeks if not week.complete]
    marks = [f"The hatched bar is the week {progress(w, summary.period)}: {w.consented:,}." for w in running]
    return " ".join([text, *line, *marks])


def cumulative_alt(summary: OpeningNumbers) -> str:
    """Return the text alternative of the chart of consents to date."""
    first, cutoff, accrual = summary.weeks[0].first_day, summary.period.cutoff, summary.accrual
    number = summary.participants.consented
    lines = [f"Line of all consents from 0 on {short_day(first)} to {number:,} on {short_day(cutoff)}."]
    if accrual and accrual.target and accrual.target_date:
        lines.append(f"Planned line from 0 to {accrual.target:,} on {short_day(accrual.target_date)}.")
    if summary.projection:
        until = f"to {short_day(summary.projection.latest)}" if summary.projection.latest else "to beyond ten years"
        lines.append(f"The projection reaches the target from {short_day(summary.projection.earliest)} {until}.")
    goals = [label for label, _ in goal_lines(summary)]
    return " ".join([*lines, *([f"Level lines: {', '.join(goals)}."] if goals else [])])


def riders_alt(summary: OpeningNumbers) -> str:
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


def answers_shown(summary: OpeningNumbers) -> tuple[str, ...]:
    """Return the answers that the chart of the riders shows; "declined" only where a rider has a code for it."""
    declined = ("declined",) if any(rider.can_decline for rider in summary.riders) else ()
    return ("agreed", *declined, "not answered")
