"""Tests of what people outside the team are shown: rounded numbers from which nobody can work out an exact one."""

from collections import defaultdict
from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.counting.shareable import quarter_ends, round_sites, rounded
from tests.support.builders import a_period

bases, counts = st.integers(5, 100), st.integers(0, 5000)


@given(counts, bases)
def test_a_shown_number_is_the_nearest_multiple_of_the_base(count: int, base: int) -> None:
    number = rounded(count, base)

    assert (number is None) == (count < base)
    assert number is None or (number % base == 0 and 2 * abs(number - count) <= base)


@given(st.lists(counts), bases)
def test_rounded_numbers_never_fall_where_the_counts_do_not(found: list[int], base: int) -> None:
    numbers = [rounded(count, base) or 0 for count in sorted(found)]

    assert numbers == sorted(numbers)


@given(st.lists(st.one_of(counts, st.integers(0, 12)), max_size=30), bases)
def test_shown_sites_have_the_base_at_least_and_add_up_with_the_others(sites: list[int], base: int) -> None:
    shown, others = round_sites(sites, base)
    missing = (rounded(sum(sites), base) or 0) - sum(shown.values())

    assert [n for n, number in shown.items() if sites[n] < base or number < base or number % base] == []
    assert all(abs(number - sites[n]) < base for n, number in shown.items())
    assert not shown or (missing == others if others else missing in (0, base))


@pytest.mark.parametrize(
    ("base", "sites", "highest", "most"),
    [(5, 2, 30, 20), (5, 3, 20, 20), (5, 4, 8, 20), (5, 4, 8, 3), (6, 3, 16, 20), (9, 3, 12, 2)],
)
def test_no_count_of_a_site_can_be_worked_out(base: int, sites: int, highest: int, most: int) -> None:
    possible = defaultdict(list)
    for table in product(range(highest + 2 * base), repeat=sites):
        shown, others = round_sites(table, base, most)
        possible[rounded(sum(table), base), tuple(shown.items()), others].append(table)
    whole = [tables for tables in possible.values() if max(map(max, tables)) < highest + base]

    assert len(whole) > 5
    assert min(len(set(counts_of_one)) for tables in whole for counts_of_one in zip(*tables, strict=True)) >= 3


@pytest.mark.parametrize(
    ("sites", "shown"),
    [
        ([200, 3], ({}, None)),
        ([200, 150, 3], ({0: 200, 1: 150}, None)),
        ([200, 150, 3, 4], ({0: 200, 1: 150}, 5)),
        ([200, 150, 61, 4, 4], ({0: 200, 1: 150}, 70)),
        ([], ({}, None)),
    ],
)
def test_sites_below_the_base_are_a_sum(sites: list[int], shown: tuple[dict[int, int], int | None]) -> None:
    assert round_sites(sites, 5) == shown


@pytest.mark.parametrize(
    ("start", "cutoff", "exported_on", "ends"),
    [
        ("2023-09-11", "2023-09-30", "2023-09-30", []),
        ("2023-09-11", "2023-09-30", "2023-10-01", [date(2023, 9, 30)]),
        ("2023-09-11", "2023-12-30", "2024-02-01", [date(2023, 9, 30)]),
        ("2023-09-25", "2024-01-01", "2024-01-01", [date(2023, 12, 31)]),
    ],
)
def test_a_quarter_counts_once_it_is_over_and_holds_a_week(
    start: str, cutoff: str, exported_on: str, ends: list[date]
) -> None:
    assert quarter_ends(a_period(cutoff, exported_on=exported_on, start=start)) == ends
