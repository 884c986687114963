"""Tests of the outputs of one report side by side: a number that two of them show is the same in both."""

from collections.abc import Callable
from functools import cache
from itertools import combinations

import pytest

from tests.support.sample_summaries import SAMPLES
from tests.support.told_facts import Facts, of_csv, of_json, of_page, of_pdf, of_workbook

OUTPUTS: dict[str, Callable[[str], Facts]] = {
    "CSV": of_csv,
    "JSON": of_json,
    "workbook": of_workbook,
    "PDF": of_pdf,
    "page": of_page,
}


@cache
def facts_of(output: str, sample: str) -> Facts:
    return OUTPUTS[output](sample)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize(("one", "other"), [*combinations(OUTPUTS, 2)])
def test_two_outputs_show_the_same_numbers(one: str, other: str, sample: str) -> None:
    first, second = facts_of(one, sample), facts_of(other, sample)

    assert {fact: n for fact, n in first.items() if n != second.get(fact, n)} == {}


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_workbook_and_the_json_document_show_the_same_facts(sample: str) -> None:
    assert facts_of("workbook", sample) == facts_of("JSON", sample)


WEEKS, RIDERS, SITES = 168, 8, 6
ROWS = 19


@pytest.mark.parametrize(
    ("output", "facts"),
    [
        ("CSV", {"total": 1 + RIDERS, "week": WEEKS * (1 + RIDERS)}),
        ("page", {"total": 1 + RIDERS, "week": 12, "row": 1, "site": SITES * 4 + 3, "review": 6}),
        (
            "PDF",
            {
                "total": 1 + RIDERS,
                "week": 12 * (1 + RIDERS),
                "rider": RIDERS * 4,
                "site": SITES * 4 + 3,
                "renewal": 5 * 2 + 3,
                "version": 4,
                "changed": 2 * 2,
                "review": 6,
                "row": ROWS,
            },
        ),
    ],
)
def test_of_a_full_report_as_much_is_compared(output: str, facts: dict[str, int]) -> None:
    kinds = [fact[0] for fact in facts_of(output, "full")]

    assert {kind: kinds.count(kind) for kind in kinds} == facts
