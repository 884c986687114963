"""Tests of the edition for people outside the team: one page, only rounded numbers, the same for a quarter."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import combinations

import pytest
from pypdf import PdfReader

from consent.counting.summary import ConsentSummary
from consent.dates import WEEK
from consent.reports.model import Cell
from consent.reports.shareable import render_shareable, shareable_sections
from tests.support.builders import a_study
from tests.support.printed_text import printed_on
from tests.support.sample_summaries import (
    REAL_LABELS,
    START,
    a_full_summary,
    a_huge_summary,
    a_summary,
    an_empty_summary,
    an_odd_summary,
    riders_text,
    with_every_part,
)

LONG_NAMES = [f"{label} ({who})" for who in ("adults", "their children", "others") for label in REAL_LABELS][:20]
HOSPITALS = [f"St Joseph's Healthcare, Institute of Digestive Diseases, clinic {n}" for n in range(20)]


def with_people(weeks: list[int], riders: list[str], sites: list[str]) -> ConsentSummary:
    cutoff = START + (len(weeks) - 1) * WEEK
    study = with_every_part(a_study(riders=riders_text(riders)), weeks, cutoff, sites)
    return a_summary(study, weeks, {}, cutoff=cutoff)


SUMMARIES: dict[str, Callable[[], ConsentSummary]] = {
    "no quarter yet": an_empty_summary,
    "nobody": lambda: with_people([0] * 20, LONG_NAMES[:8], HOSPITALS[:3]),
    "one": lambda: with_people([0] * 3 + [1] + [0] * 16, LONG_NAMES[:8], HOSPITALS[:3]),
    "twenty of each": lambda: with_people([20] * 120, LONG_NAMES, HOSPITALS),
    "ten years": a_huge_summary,
    "odd": an_odd_summary,
    "usual": a_full_summary,
}


@pytest.fixture(name="summary", params=SUMMARIES)
def _summary(request: pytest.FixtureRequest) -> ConsentSummary:
    return SUMMARIES[request.param]()


def rows_of(summary: ConsentSummary, base: int = 5) -> dict[str, dict[str, tuple[Cell, ...]]]:
    """The tables by their headings: each row by its name."""
    tables = [(section.heading, section.table) for section in shareable_sections(summary, base) if section.table]
    return {heading: {str(row[0]): tuple(row[1:]) for row in table.rows} for heading, table in tables}


@pytest.mark.parametrize("base", [5, 7, 100])
def test_every_number_is_a_multiple_of_the_base(summary: ConsentSummary, base: int) -> None:
    shown = [row[0] for rows in rows_of(summary, base).values() for row in rows.values()]

    assert [n for n in shown if n != f"below {base}" and not (isinstance(n, int) and n >= base and n % base == 0)] == []


def test_the_numbers_are_those_of_the_summary_rounded() -> None:
    summary = a_full_summary()
    weeks = [week for week in summary.weeks if week.last_day <= date(2026, 9, 30)]
    riders = {r.label: 5 * round(sum(week.riders[r.key] for week in weeks) / 5) for r in summary.riders}
    sites = {site.label: sum(site.weeks[: len(weeks)]) for site in summary.sites or ()}
    found = rows_of(summary)

    assert found["Consents by quarter"]["Sep 2026"] == (5 * round(sum(week.consented for week in weeks) / 5),)
    assert {name: row[0] for name, row in found["Agreement to each optional consent"].items()} == riders
    assert [name for name, n in sites.items() if abs(int(str(found["Sites"][name][0])) - n) > 4] == []


def test_a_share_that_could_tell_what_everyone_said_is_not_shown() -> None:
    summary = a_full_summary()
    first, second, *others = summary.riders
    weeks = tuple(replace(w, riders={**w.riders, first.key: w.consented, second.key: 0}) for w in summary.weeks)
    found = rows_of(replace(summary, weeks=weeks))["Agreement to each optional consent"]

    assert (found[first.label], found[second.label]) == ((770, "–"), ("below 5", "–"))
    assert found[others[0].label] == (570, "74%")
    assert found["Contact about other studies"][1] == "–"  # only the later forms have it


def test_nothing_changes_before_another_quarter_is_over() -> None:
    summary = a_full_summary()
    period = replace(summary.period, cutoff=date(2026, 12, 30), exported_on=date(2026, 12, 31))
    later = replace(
        summary, period=period, weeks=(*summary.weeks, replace(summary.weeks[-1], consented=9)), taking_part=9
    )

    assert render_shareable(later, 5) == render_shareable(summary, 5)


def test_it_is_one_page_that_can_be_read(summary: ConsentSummary) -> None:
    file = render_shareable(summary, 5)
    pages = PdfReader(io.BytesIO(file.content)).pages
    printed = printed_on(pages[0])

    assert (len(pages), file.shared) == (1, True)
    assert [(a.text, b.text) for a, b in combinations(printed, 2) if a.overlaps(b)] == []
    assert min(text.size for text in printed) >= 7
    assert max(text.right for text in printed) < float(pages[0].mediabox.width) - 45


def test_the_page_states_its_limits(summary: ConsentSummary) -> None:
    text = PdfReader(io.BytesIO(render_shareable(summary, 5).content)).pages[0].extract_text()

    for words in ("do not publish differences", "Late corrections", "no proof", summary.study.contact):
        assert words in " ".join(text.split())


def test_very_many_riders_do_not_keep_the_edition_from_being_made() -> None:
    summary = an_empty_summary()
    later = replace(summary.period, cutoff=START + 8 * WEEK, exported_on=START + 8 * WEEK)

    assert render_shareable(replace(summary, period=later, riders=summary.riders * 15), 5).content
