"""Tests of the charts: what they show, in words too, to every reader and in the same bytes everywhere."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html import unescape
from xml.etree import ElementTree

import matplotlib
import pytest

from consent.counting.summary import ConsentSummary
from consent.reports.charts import BLUE, ORANGE, PALE, Chart, cumulative_chart, drawn_weeks, riders_alt, weekly_chart
from tests.support.sample_summaries import SAMPLES, a_full_summary, an_empty_summary, an_odd_summary

CHARTS = (weekly_chart, cumulative_chart)
Draw = Callable[[ConsentSummary], Chart]
Sample = Callable[[], ConsentSummary]


@cache
def drawn(draw: Draw, sample: Sample) -> Chart:
    """A chart of a sample, drawn once for all tests that look at it."""
    return draw(sample())


def texts_in(chart: Chart) -> list[str]:
    """Every line of text in a chart: drawn as outlines, it is kept as a comment beside them."""
    return [unescape(text) for text in re.findall("<!-- (.*?) -->", chart.svg)]


def numbers_in(chart: Chart) -> set[str]:
    return {text for text in texts_in(chart) if re.fullmatch(r"[\d,.]+", text)}


def luminance(colour: str) -> float:
    """How light a colour is in grey, 0 to 1 (https://www.w3.org/TR/WCAG21/#dfn-relative-luminance)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# Every chart of every sample


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("draw", CHARTS)
def test_a_chart_is_a_picture_that_stands_by_itself(draw: Draw, sample: Sample) -> None:
    root = ElementTree.fromstring(drawn(draw, sample).svg)

    links = {value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")}
    assert {link for link in links if not link.startswith("#")} == set()


@pytest.mark.parametrize("draw", CHARTS)
def test_no_readers_fonts_matter(draw: Draw) -> None:
    assert "<text" not in drawn(draw, an_odd_summary).svg


@pytest.mark.parametrize("draw", CHARTS)
def test_a_users_own_settings_change_nothing_and_are_kept(draw: Draw) -> None:
    usual = drawn(draw, a_full_summary)

    with matplotlib.rc_context({"lines.linewidth": 9, "svg.fonttype": "none", "text.color": "red"}):
        before = dict(matplotlib.rcParams)
        assert (draw(a_full_summary()), dict(matplotlib.rcParams)) == (usual, before)


@pytest.mark.parametrize("draw", CHARTS)
def test_a_chart_says_neither_when_nor_by_what_it_was_drawn(draw: Draw) -> None:
    assert not re.search("<dc:date>|<dc:creator>", drawn(draw, a_full_summary).svg)


@pytest.mark.parametrize("draw", CHARTS)
@pytest.mark.parametrize("sample", [an_empty_summary, an_odd_summary])
def test_people_are_counted_in_whole_numbers(draw: Draw, sample: Sample) -> None:
    assert not {number for number in numbers_in(drawn(draw, sample)) if "." in number}


def test_the_colours_differ_in_grey() -> None:
    dark, middle, light = (luminance(colour) for colour in (BLUE, ORANGE, PALE))

    assert (middle - dark > 0.2, light - middle > 0.2) == (True, True)


@pytest.mark.parametrize(
    ("draw", "name"), [(weekly_chart, "Consents per week"), (cumulative_chart, "Consents to date")]
)
def test_the_axes_are_named(draw: Draw, name: str) -> None:
    assert {"Week beginning", name} <= set(texts_in(drawn(draw, a_full_summary)))


# Consents per week


@pytest.mark.parametrize(("sample", "weeks"), [(a_full_summary, 52), (an_odd_summary, 6), (an_empty_summary, 1)])
def test_the_last_year_of_weeks_is_drawn(sample: Sample, weeks: int) -> None:
    assert drawn_weeks(sample()) == sample().weeks[-weeks:]


def test_the_week_in_progress_is_named() -> None:
    assert "in progress," in texts_in(drawn(weekly_chart, a_full_summary))


def test_a_week_that_was_cut_before_the_export_is_said_to_be() -> None:
    named = texts_in(drawn(weekly_chart, an_odd_summary))

    assert named[named.index("counted to 18 Oct,") + 1] == "3 of 7 days"


def test_nothing_is_named_in_progress_once_it_is_complete() -> None:
    summary = a_full_summary()

    chart = weekly_chart(replace(summary, weeks=summary.weeks[:-1]))

    assert "progress" not in chart.svg + chart.alt


def test_few_weeks_have_their_numbers_on_them() -> None:
    summary = an_odd_summary()

    assert {f"{week.consented:,}" for week in summary.weeks if week.complete} <= numbers_in(weekly_chart(summary))


# Consents to date


def test_the_line_ends_in_its_number() -> None:
    assert "805" in numbers_in(drawn(cumulative_chart, a_full_summary))


def test_target_and_approved_number_are_named_on_their_lines() -> None:
    named = set(texts_in(drawn(cumulative_chart, a_full_summary)))

    assert {"Target 1,207", "Approved 850 (820 agreed, dated or not)"} <= named


def test_no_line_is_drawn_for_what_the_study_does_not_have() -> None:
    assert not re.search("Target|Approved", drawn(cumulative_chart, an_empty_summary).svg)


# In words


@pytest.mark.parametrize(
    ("draw", "sample", "words"),
    [
        (
            weekly_chart,
            a_full_summary,
            "Bars of consents per week over 51 complete weeks, 1 Dec 2025–22 Nov 2026: 0 to 8 per week, 5 in the last. "
            "The hatched bar is the week in progress, 1 of 7 days: 2.",
        ),
        (
            weekly_chart,
            an_empty_summary,
            "Bars of consents per week: no week is complete yet. "
            "The hatched bar is the week in progress, 1 of 7 days: 0.",
        ),
        (
            cumulative_chart,
            a_full_summary,
            "Line of all consents from 0 on 11 Sep 2023 to 805 on 23 Nov 2026. "
            "Level lines: Target 1,207, Approved 850 (820 agreed, dated or not).",
        ),
        (cumulative_chart, an_empty_summary, "Line of all consents from 0 on 11 Sep 2023 to 0 on 11 Sep 2023."),
    ],
)
def test_what_a_chart_shows_is_described(draw: Draw, sample: Sample, words: str) -> None:
    assert drawn(draw, sample).alt == words


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
