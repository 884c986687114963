"""Tests of the charts: their geometry shows the numbers of the summary, and their texts have room."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from consent.counting.summary import Accrual, ConsentSummary
from consent.reports.charts import (
    BLUE,
    ORANGE,
    PALE,
    WIDTH,
    Path,
    Plot,
    Tick,
    cumulative_alt,
    drawn_weeks,
    riders_alt,
    total_plot,
    weekly_alt,
    weekly_averages,
    weekly_plot,
)
from consent.reports.svg import to_svg
from tests.support.sample_summaries import SAMPLES, a_full_summary, a_huge_summary, an_empty_summary, an_odd_summary

Draw = Callable[[ConsentSummary], Plot]
Sample = Callable[[], ConsentSummary]

MONTHS = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

any_chart = pytest.mark.parametrize("draw", [weekly_plot, total_plot])
any_sample = pytest.mark.parametrize("sample", [*SAMPLES.values(), a_huge_summary])


def path_of(plot: Plot, look: str) -> Path:
    return next(path for path in plot.paths if path.look == look)


def height_of(plot: Plot, y: float) -> float:
    """The number at a height of the chart, by its axis."""
    zero, *_, highest = plot.counts
    return int(highest.text.replace(",", "")) * (zero.at - y) / (zero.at - highest.at)


def luminance(colour: str) -> float:
    """How light a colour is in grey, 0 to 1 (https://www.w3.org/TR/WCAG21/#dfn-relative-luminance)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# Every chart of every sample


@any_sample
@any_chart
def test_a_chart_is_a_picture_that_stands_by_itself(draw: Draw, sample: Sample) -> None:
    root = ElementTree.fromstring(to_svg(draw(sample())))

    links = {value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")}
    assert {link for link in links if not link.startswith("#")} == set()


@any_sample
@any_chart
def test_everything_is_drawn_within_the_chart(draw: Draw, sample: Sample) -> None:
    plot = draw(sample())
    across = [x for path in plot.paths for x, _ in path.points] + [bar.left + bar.width for bar in plot.bars]
    down = [y for path in plot.paths for _, y in path.points] + [bar.top for bar in plot.bars]

    assert [x for x in across if not plot.left <= x <= plot.right + 0.01] == []
    assert [y for y in down if not 0 <= y <= plot.bottom + 0.01] == []
    assert plot.left < plot.right < WIDTH


@any_sample
@any_chart
def test_ticks_are_the_starts_of_months_or_years_with_room_for_their_texts(draw: Draw, sample: Sample) -> None:
    ticks = draw(sample()).months

    assert {tick.text for tick in ticks} <= MONTHS or {len(tick.text + tick.below) for tick in ticks} == {4}
    assert [one for one, other in pairwise(ticks) if other.at - one.at < 24] == []
    assert ticks


def test_a_month_is_marked_on_its_first_day() -> None:
    summary = a_full_summary()
    first_day, plot = drawn_weeks(summary)[0].first_day, weekly_plot(summary)
    per_day = (plot.right - plot.left) / (52 * 7)

    assert plot.months[0] == Tick(
        pytest.approx(plot.left + (date(2026, 1, 1) - first_day).days * per_day), "Jan", "2026"
    )


@any_sample
@any_chart
def test_people_are_counted_in_whole_numbers_from_zero(draw: Draw, sample: Sample) -> None:
    counts = [int(tick.text.replace(",", "")) for tick in draw(sample()).counts]

    assert (counts[0], len(counts) <= 6) == (0, True)
    assert len({after - before for before, after in pairwise(counts)}) == 1


def test_the_colours_differ_in_grey() -> None:
    dark, middle, light = (luminance(colour) for colour in (BLUE, ORANGE, PALE))

    assert (middle - dark > 0.2, light - middle > 0.2) == (True, True)


# Consents per week


@pytest.mark.parametrize(("sample", "weeks"), [(a_full_summary, 52), (an_odd_summary, 6), (an_empty_summary, 1)])
def test_the_last_year_of_weeks_is_drawn(sample: Sample, weeks: int) -> None:
    assert drawn_weeks(sample()) == sample().weeks[-weeks:]


@any_sample
def test_each_bar_is_as_high_as_its_week(sample: Sample) -> None:
    plot, weeks = weekly_plot(sample()), drawn_weeks(sample())

    assert [height_of(plot, bar.top) for bar in plot.bars] == pytest.approx([week.consented for week in weeks])
    assert [bar.complete for bar in plot.bars] == [week.complete for week in weeks]


def test_the_line_is_the_average_of_twelve_weeks() -> None:
    summary = a_full_summary()
    counts, plot = [week.consented for week in summary.weeks], weekly_plot(summary)

    assert weekly_averages(summary)[:4] == [None, None, None, sum(counts[:4]) / 4]
    assert height_of(plot, path_of(plot, "average").points[-1][1]) == pytest.approx(sum(counts[-13:-1]) / 12)


def test_few_weeks_have_their_numbers_on_them_and_many_have_none() -> None:
    numbers = [label.text for label in weekly_plot(an_odd_summary()).labels]

    assert numbers == [f"{week.consented:,}" for week in an_odd_summary().weeks]
    assert weekly_plot(a_full_summary()).labels == ()


# Consents to date


def test_the_line_ends_in_its_number() -> None:
    plot = total_plot(a_full_summary())

    assert [label.text for label in plot.labels] == ["805"]
    assert height_of(plot, path_of(plot, "running total").points[-1][1]) == pytest.approx(805)


def test_the_planned_line_rises_from_zero_to_the_target_on_its_day() -> None:
    summary, plot = a_full_summary(), total_plot(a_full_summary())
    start, reached, end = path_of(plot, "planned").points

    assert summary.accrual
    assert [height_of(plot, y) for _, y in (start, reached, end)] == pytest.approx([0, 1207, 1207])
    assert start[0] < reached[0] < end[0]


def test_the_projection_leaves_the_line_and_ends_at_the_target() -> None:
    plot = total_plot(a_full_summary())
    heights = [height_of(plot, y) for _, y in path_of(plot, "projected").points]

    assert heights[0] == heights[-1] == pytest.approx(803)  # up to the last complete week
    assert max(heights) == pytest.approx(1207)
    assert height_of(plot, path_of(plot, "projected middle").points[-1][1]) == pytest.approx(1207)


def test_a_projection_without_an_end_ends_a_year_after_its_middle() -> None:
    summary = a_full_summary()
    assert summary.projection
    endless = replace(summary, projection=replace(summary.projection, latest=None))
    far = replace(summary, projection=replace(summary.projection, latest=summary.projection.middle + timedelta(9999)))

    assert total_plot(endless).months == total_plot(far).months


def test_what_the_lines_mean_is_named() -> None:
    keys = [(look, label.text) for look, label in total_plot(a_full_summary()).keys]

    assert keys == [
        ("planned", "planned to 1,207"),
        ("projected", "projected, 80% range"),
        ("approved", "approved 850 (820 agreed)"),
    ]


def test_a_target_without_a_day_is_a_level_line() -> None:
    accrual = Accrual(60, None, None, None, None, None, 0, "")
    plot = total_plot(replace(an_empty_summary(), accrual=accrual))

    assert [height_of(plot, y) for _, y in path_of(plot, "planned").points] == [60, 60]


def test_no_line_is_drawn_for_what_the_study_does_not_have() -> None:
    assert total_plot(an_empty_summary()).keys == ()


# In words


@pytest.mark.parametrize(
    ("alt", "sample", "words"),
    [
        (
            weekly_alt,
            a_full_summary,
            "Bars of consents per week over 51 complete weeks, 1 Dec 2025–22 Nov 2026: 0 to 8 per week, 5 in the last. "
            "A line shows the 12-week average, last 4.6. The hatched bar is the week in progress, 1 of 7 days: 2.",
        ),
        (
            weekly_alt,
            an_empty_summary,
            "Bars of consents per week: no week is complete yet. "
            "The hatched bar is the week in progress, 1 of 7 days: 0.",
        ),
        (
            cumulative_alt,
            lambda: replace(a_full_summary(), projection=None),
            "Line of all consents from 0 on 11 Sep 2023 to 805 on 23 Nov 2026. "
            "Planned line from 0 to 1,207 on 28 Dec 2027. "
            "Level lines: Approved 850 (820 agreed, dated or not).",
        ),
        (cumulative_alt, an_empty_summary, "Line of all consents from 0 on 11 Sep 2023 to 0 on 11 Sep 2023."),
    ],
)
def test_what_a_chart_shows_is_described(alt: Callable[[ConsentSummary], str], sample: Sample, words: str) -> None:
    assert alt(sample()) == words


def test_the_days_of_the_projection_are_described() -> None:
    summary = a_full_summary()
    assert summary.projection
    days = replace(summary.projection, earliest=date(2028, 4, 9), latest=date(2028, 12, 22))
    endless = replace(days, latest=None)

    words = [cumulative_alt(replace(summary, projection=projection)) for projection in (days, endless)]
    assert "The projection reaches the target from 9 Apr 2028 to 22 Dec 2028." in words[0]
    assert "The projection reaches the target from 9 Apr 2028 to beyond ten years." in words[1]


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (a_full_summary, "Agreement ranges from 41% (Sharing with industry) to 97% (Return of findings)."),
        (an_empty_summary, "Nobody was offered any."),
    ],
)
def test_what_the_chart_of_the_riders_shows_is_described(sample: Sample, words: str) -> None:
    bars = "Stacked bars of the answers to 8 optional consents: agreed, declined, not answered."

    assert riders_alt(sample()) == f"{bars} {words}"


def test_where_refusals_are_not_recorded_none_is_named() -> None:
    summary = a_full_summary()
    riders = tuple(replace(rider, can_decline=False) for rider in summary.riders)

    assert "optional consents: agreed, not answered. Agreement" in riders_alt(replace(summary, riders=riders))


@pytest.mark.parametrize(
    ("agreed", "words"), [(999, ">99% agreed to each."), (1, "<1% agreed to each."), (1000, "100% agreed to each.")]
)
def test_nearly_everybody_is_not_everybody(agreed: int, words: str) -> None:
    summary = an_empty_summary()
    riders = tuple(replace(rider, agreed=agreed, not_answered=1000 - agreed) for rider in summary.riders)

    assert riders_alt(replace(summary, riders=riders)).endswith(words)
