"""Claims about the charts: what they show, in words too, to every reader and in the same bytes everywhere."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest

from consent.counting.summary import ConsentSummary
from consent.reports.charts import BLUE, ORANGE, PALE, Chart, cumulative_chart, drawn_weeks, riders_alt, weekly_chart
from tests.support.sample_summaries import (
    ALL_SUMMARIES,
    a_full_summary,
    a_huge_summary,
    a_summary_of_one,
    a_summary_without_a_code_for_no,
    an_empty_summary,
    an_odd_summary,
    an_ordinary_summary,
)

ROOT = Path(__file__).resolve().parents[3]
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


@pytest.mark.parametrize("sample", ALL_SUMMARIES.values(), ids=ALL_SUMMARIES)
@pytest.mark.parametrize("draw", CHARTS)
def test_a_chart_is_a_picture_that_stands_by_itself(draw: Draw, sample: Sample) -> None:
    root = ElementTree.fromstring(drawn(draw, sample).svg)

    links = {value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")}
    assert {link for link in links if not link.startswith("#")} == set()


@pytest.mark.parametrize("draw", CHARTS)
def test_no_readers_fonts_matter(draw: Draw) -> None:
    assert "<text" not in drawn(draw, an_odd_summary).svg


@pytest.mark.parametrize("draw", CHARTS)
def test_the_same_summary_gives_the_same_bytes(draw: Draw) -> None:
    assert draw(a_full_summary()) == drawn(draw, a_full_summary)


@pytest.mark.parametrize("draw", CHARTS)
def test_a_users_own_settings_change_nothing(draw: Draw) -> None:
    usual = drawn(draw, a_full_summary)

    with matplotlib.rc_context({"lines.linewidth": 9, "svg.fonttype": "none", "text.color": "red"}):
        assert draw(a_full_summary()) == usual


@pytest.mark.parametrize("draw", CHARTS)
def test_a_users_own_settings_are_left_as_they_were(draw: Draw) -> None:
    before = dict(matplotlib.rcParams)

    draw(a_full_summary())

    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("draw", CHARTS)
def test_a_chart_says_neither_when_nor_by_what_it_was_drawn(draw: Draw) -> None:
    assert not re.search("<dc:date>|<dc:creator>", drawn(draw, a_full_summary).svg)


def test_drawing_needs_no_window_system() -> None:
    code = "import sys, consent.reports.charts; print('matplotlib.pyplot' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("draw", CHARTS)
@pytest.mark.parametrize("sample", [an_empty_summary, a_summary_of_one])
def test_people_are_counted_in_whole_numbers(draw: Draw, sample: Sample) -> None:
    assert not {number for number in numbers_in(drawn(draw, sample)) if "." in number}


def test_the_colours_differ_in_grey() -> None:
    dark, middle, light = (luminance(colour) for colour in (BLUE, ORANGE, PALE))

    assert (middle - dark > 0.2, light - middle > 0.2) == (True, True)


@pytest.mark.parametrize(
    ("draw", "names"),
    [
        (weekly_chart, {"Week beginning", "Consents a week"}),
        (cumulative_chart, {"Week beginning", "Consents to date"}),
    ],
)
def test_the_axes_are_named(draw: Draw, names: set[str]) -> None:
    assert names <= set(texts_in(drawn(draw, an_ordinary_summary)))


# Consents a week


@pytest.mark.parametrize(
    ("sample", "weeks"), [(an_ordinary_summary, 52), (a_huge_summary, 52), (an_odd_summary, 6), (an_empty_summary, 1)]
)
def test_at_most_a_year_of_weeks_is_drawn(sample: Sample, weeks: int) -> None:
    assert len(drawn_weeks(sample())) == weeks


def test_the_drawn_weeks_are_the_last_ones() -> None:
    summary = an_ordinary_summary()

    assert drawn_weeks(summary)[-1] == summary.weeks[-1]


def test_the_week_in_progress_is_named() -> None:
    assert "in progress," in texts_in(drawn(weekly_chart, an_ordinary_summary))


def test_a_week_that_was_cut_before_the_export_is_said_to_be() -> None:
    named = texts_in(drawn(weekly_chart, an_odd_summary))

    assert named[named.index("counted to 18 Oct,") + 1] == "3 of 7 days"


def test_nothing_is_named_in_progress_once_it_is_complete() -> None:
    summary = an_ordinary_summary()

    chart = weekly_chart(replace(summary, weeks=summary.weeks[:-1]))

    assert "progress" not in chart.svg + chart.alt


def test_few_weeks_have_their_numbers_on_them() -> None:
    summary = an_odd_summary()

    assert {f"{week.consented:,}" for week in summary.weeks if week.complete} <= numbers_in(weekly_chart(summary))


# Consents to date


def test_the_line_ends_in_its_number() -> None:
    assert "805" in numbers_in(drawn(cumulative_chart, an_ordinary_summary))


def test_target_and_approved_number_are_named_on_their_lines() -> None:
    named = set(texts_in(drawn(cumulative_chart, a_full_summary)))

    assert {"Target 1,207", "Approved 850 (820 agreed, dated or not)"} <= named


def test_no_line_is_drawn_for_what_the_study_does_not_have() -> None:
    assert not re.search("Target|Approved", drawn(cumulative_chart, an_ordinary_summary).svg)


# In words


@pytest.mark.parametrize(
    ("draw", "sample", "words"),
    [
        (
            weekly_chart,
            an_ordinary_summary,
            "Bars of consents a week over 51 complete weeks, 1 Dec 2025–22 Nov 2026: 0 to 8 a week, 5 in the last. "
            "The hatched bar is the week in progress, 1 of 7 days: 2.",
        ),
        (
            weekly_chart,
            an_empty_summary,
            "Bars of consents a week: no week is complete yet. "
            "The hatched bar is the week in progress, 1 of 7 days: 0.",
        ),
        (
            cumulative_chart,
            a_full_summary,
            "Line of all consents from 0 on 11 Sep 2023 to 805 on 23 Nov 2026. "
            "Level lines: Target 1,207, Approved 850 (820 agreed, dated or not).",
        ),
        (cumulative_chart, a_summary_of_one, "Line of all consents from 0 on 11 Sep 2023 to 1 on 11 Sep 2023."),
    ],
)
def test_what_a_chart_shows_is_told_in_words(draw: Draw, sample: Sample, words: str) -> None:
    assert drawn(draw, sample).alt == words


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (an_ordinary_summary, "Agreement ranges from 41% (Sharing with industry) to 89% (Genetic research)."),
        (a_summary_of_one, "0% agreed to each."),
        (an_empty_summary, "Nobody was offered any."),
    ],
)
def test_what_the_chart_of_the_riders_shows_is_told_in_words(sample: Sample, words: str) -> None:
    bars = "Stacked bars of the answers to 8 optional consents: agreed, declined, not answered."

    assert riders_alt(sample()) == f"{bars} {words}"


def test_where_no_rider_has_a_code_for_no_none_is_said_to_be_declined() -> None:
    told = riders_alt(a_summary_without_a_code_for_no())

    assert told.startswith("Stacked bars of the answers to 8 optional consents: agreed, not answered. Agreement")


@pytest.mark.parametrize(
    ("agreed", "words"), [(999, ">99% agreed to each."), (1, "<1% agreed to each."), (1000, "100% agreed to each.")]
)
def test_nearly_everybody_is_not_everybody(agreed: int, words: str) -> None:
    summary = a_summary_of_one()
    riders = tuple(replace(rider, agreed=agreed, not_answered=1000 - agreed) for rider in summary.riders)

    assert riders_alt(replace(summary, riders=riders)).endswith(words)
