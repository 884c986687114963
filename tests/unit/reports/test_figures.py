"""Tests of the figures that open the PDF: each says a number, what it counts, and what it is compared with."""

from dataclasses import replace
from datetime import date

from consent.counting.projection import Projection
from consent.counting.summary import Accrual
from consent.reports.figures import Figure, figures
from tests.support.sample_summaries import a_full_summary, an_empty_summary

DATED = Accrual(1207, date(2027, 12, 28), 850, None, 4.6, 7.1, 820, "")
RANGE = Projection(date(2028, 4, 9), date(2028, 7, 29), date(2028, 12, 22), ())


def recruitment(accrual: Accrual, projection: Projection | None = None) -> list[Figure]:
    """The figures of recruitment for the first study, of which 805 have consented."""
    return list(figures(replace(a_full_summary(), accrual=accrual, projection=projection)))[3:]


def test_the_first_three_say_what_is_new_and_how_many_there_are() -> None:
    assert figures(a_full_summary())[:3] == (
        Figure("5", "new in the week of 16–22 Nov", "5 the week before; 12-week average 4.6"),
        Figure("805", "have consented", "of 975 participants"),
        Figure("777", "still taking part", "28 no longer take part"),
    )


def test_the_others_say_whether_recruitment_is_on_track() -> None:
    assert recruitment(DATED, RANGE) == [
        Figure("67%", "of the target of 1,207", "402 to go by 28 Dec 2027"),
        Figure("4.6", "per week (12-week average)", "7.1 per week needed"),
        Figure("Jul 2028", "target expected", "80% range Apr 2028–Dec 2028"),
    ]


def test_a_range_without_an_end_says_so() -> None:
    assert recruitment(DATED, replace(RANGE, latest=None))[-1].detail == "80% range Apr 2028–more than ten years"


def test_without_a_projection_the_approved_number_is_shown() -> None:
    assert recruitment(DATED)[-1] == Figure("96%", "of the 850 approved", "820 have agreed, dated or not")


def test_a_pace_that_cannot_be_compared_says_why() -> None:
    late = replace(DATED, needed_per_week=None, no_rate_because="target date has passed")

    assert recruitment(late)[1].detail == "target date has passed"


def test_what_is_not_known_is_not_shown() -> None:
    unknown = Accrual(None, None, None, date(2026, 5, 1), None, None, 820, "")

    assert recruitment(unknown) == []
    assert figures(an_empty_summary()) == (
        Figure("–", "no week is complete yet"),
        Figure("0", "have consented", "of 0 participants"),
        Figure("0", "still taking part"),
    )
