"""Tests of days and date ranges as text."""

from datetime import date

import pytest

from consent.dates import date_range, long_day, short_day

TODAY = date(2026, 11, 16)


def test_a_day_is_written_in_words() -> None:
    assert (long_day(TODAY), short_day(TODAY)) == ("Monday 16 November 2026", "16 Nov 2026")


@pytest.mark.parametrize(
    ("first", "last", "with_year", "in_the_same_year"),
    [
        ("2026-11-16", "2026-11-22", "16–22 Nov 2026", "16–22 Nov"),
        ("2026-09-28", "2026-10-04", "28 Sep–4 Oct 2026", "28 Sep–4 Oct"),
        ("2025-12-29", "2026-01-04", "29 Dec 2025–4 Jan 2026", "29 Dec 2025–4 Jan"),
        ("2025-11-17", "2025-11-23", "17–23 Nov 2025", "17–23 Nov 2025"),
    ],
)
def test_a_date_range_repeats_no_month_or_year(first: str, last: str, with_year: str, in_the_same_year: str) -> None:
    days = date.fromisoformat(first), date.fromisoformat(last)

    assert (date_range(*days), date_range(*days, relative_to=TODAY)) == (with_year, in_the_same_year)
