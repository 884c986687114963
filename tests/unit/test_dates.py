"""Tests of days and spans of days in words."""

from datetime import date

import pytest

from consent.dates import long_day, short_day, span

TODAY = date(2026, 11, 16)


def test_a_day_is_written_in_words() -> None:
    assert (long_day(TODAY), short_day(TODAY)) == ("Monday 16 November 2026", "16 Nov 2026")


@pytest.mark.parametrize(
    ("first", "last", "with_year", "seen_from_today"),
    [
        ("2026-11-16", "2026-11-22", "16–22 Nov 2026", "16–22 Nov"),
        ("2026-09-28", "2026-10-04", "28 Sep–4 Oct 2026", "28 Sep–4 Oct"),
        ("2025-12-29", "2026-01-04", "29 Dec 2025–4 Jan 2026", "29 Dec 2025–4 Jan"),
        ("2025-11-17", "2025-11-23", "17–23 Nov 2025", "17–23 Nov 2025"),
    ],
)
def test_a_span_of_days_repeats_no_month_or_year(first: str, last: str, with_year: str, seen_from_today: str) -> None:
    days = date.fromisoformat(first), date.fromisoformat(last)

    assert (span(*days), span(*days, seen_from=TODAY)) == (with_year, seen_from_today)
