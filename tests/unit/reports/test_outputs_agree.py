"""Claims about the outputs of one report side by side: whatever number two of them show, they show alike."""

from collections.abc import Callable
from functools import cache
from itertools import combinations

import pytest

from consent.counting.summary import ConsentSummary
from tests.support.sample_summaries import ALL_SUMMARIES
from tests.support.told_facts import Facts, of_csv, of_json, of_page, of_pdf, of_workbook

OUTPUTS: dict[str, Callable[[ConsentSummary], Facts]] = {
    "CSV": of_csv,
    "JSON": of_json,
    "workbook": of_workbook,
    "PDF": of_pdf,
    "page": of_page,
}


@cache
def told_by(output: str, sample: str) -> Facts:
    return OUTPUTS[output](ALL_SUMMARIES[sample]())


@pytest.mark.parametrize("sample", ALL_SUMMARIES)
@pytest.mark.parametrize(("one", "other"), [*combinations(OUTPUTS, 2)])
def test_what_two_outputs_show_they_show_alike(one: str, other: str, sample: str) -> None:
    first, second = told_by(one, sample), told_by(other, sample)

    assert {fact: n for fact, n in first.items() if n != second.get(fact, n)} == {}


@pytest.mark.parametrize("sample", ALL_SUMMARIES)
def test_the_workbook_and_the_json_document_show_the_same_facts(sample: str) -> None:
    assert told_by("workbook", sample) == told_by("JSON", sample)


WEEKS, RIDERS, SITES = 168, 8, 6
ROWS = 16


@pytest.mark.parametrize(
    ("output", "facts"),
    [
        ("CSV", {"in all": 1 + RIDERS, "week": WEEKS * (1 + RIDERS)}),
        ("page", {"in all": 1 + RIDERS, "week": 12, "row": 1}),
        (
            "PDF",
            {
                "in all": 1,
                "week": 12,
                "rider": RIDERS * 4,
                "site": SITES * 4,
                "renewal": 5 * 2 + 3,
                "version": 4,
                "changed": 2 * 2,
                "quality": 6,
                "row": ROWS,
            },
        ),
    ],
)
def test_of_a_full_report_as_much_is_compared(output: str, facts: dict[str, int]) -> None:
    kinds = [fact[0] for fact in told_by(output, "full")]

    assert {kind: kinds.count(kind) for kind in kinds} == facts
