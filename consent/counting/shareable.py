"""Rounding for people outside the team: no count below the base, and no exact count, can be worked out.

A count below the base is not shown. Any other is rounded to the nearest multiple, as in England's hospital data
(https://digital.nhs.uk/data-and-information/data-tools-and-services/data-services/hospital-episode-statistics/change-to-disclosure-control-methodology-for-hes-and-ecds-from-september-2018).
With base 5 a shown 5 stands for 5, 6 or 7, and a difference of two shown numbers is as uncertain as both.

Quarters and riders only limit each other, but the sites add up to the total. Rounded one by one they could give all of
it away: a total of 20 with sites of 5, 5 and fewer than 5 can only be 7, 7 and 4. So they are rounded together until
they add up to the rounded total (controlled rounding, https://www150.statcan.gc.ca/n1/en/catalogue/12-001-X197500254825).
The tests try every small table: each site could have at least three numbers, even for a reader of this code. With a
base below 5 there are tables that leave only one.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from consent.counting.period import ReportPeriod
from consent.dates import WEEK

MOST_SITES = 20
"""The most sites that are shown, in the order of the study file: an order by size would tell more than the numbers."""


def rounded(count: int, base: int) -> int | None:
    """Return the nearest multiple of the base, the lower one of two; None for a count below the base."""
    return None if count < base else (count + (base - 1) // 2) // base * base


def round_sites(counts: Sequence[int], base: int, most: int = MOST_SITES) -> tuple[dict[int, int], int | None]:
    """Return the sites that can be shown by their position, and the sum of all others; nothing if that is one site.

    If each site below the base has the most that it can have, the smallest other one joins them.
    """
    shown = [n for n, count in enumerate(counts) if count >= base][:most]
    if shown and {count for n, count in enumerate(counts) if n not in shown} == {base - 1}:
        shown.remove(min(shown, key=lambda n: counts[n]))
    if len(shown) < 2:
        return {}, None
    exact = [sum(counts) - sum(counts[n] for n in shown), *(counts[n] for n in shown)]
    numbers = [count // base * base for count in exact]
    up = ((rounded(sum(counts), base) or 0) - sum(numbers)) // base
    for n in sorted(range(len(exact)), key=lambda n: -(exact[n] % base))[:up]:
        numbers[n] += base
    return dict(zip(shown, numbers[1:], strict=True)), None if exact[0] < base else numbers[0]


def quarter_ends(period: ReportPeriod) -> list[date]:
    """Return the last day of each calendar quarter that holds the end of a week and was over before the export."""
    first_end = period.start + WEEK - timedelta(days=1)
    first, last = (day.year * 4 + (day.month - 1) // 3 for day in (first_end, period.cutoff))
    ends = (date((n + 1) // 4, (n + 1) % 4 * 3 + 1, 1) - timedelta(days=1) for n in range(first, last + 1))
    return [end for end in ends if end <= period.cutoff and end < period.exported_on]
