"""Tests of the invented registry."""

from datetime import date
from itertools import islice

import pytest

from consent.counting.consents import NOT_COUNTED_REASONS
from consent.counting.participants import QUALITY_CODES
from sandbox.people import expected_counts, people

TODAY = date(2026, 11, 22)


def test_the_same_seed_makes_the_same_people() -> None:
    assert list(people(200, seed=5, today=TODAY)) == list(people(200, seed=5, today=TODAY))


def test_a_larger_registry_starts_with_the_smaller_one() -> None:
    assert list(islice(people(10_000, today=TODAY), 50)) == list(people(50, today=TODAY))


def test_ids_are_all_different_and_some_have_leading_zeros_and_dashes() -> None:
    ids = [person.record for person in people(3000, today=TODAY)]
    assert len(set(ids)) == 3000
    assert {"000001", "1-1", "1"} & set(ids)


@pytest.mark.parametrize("code", [code for code in QUALITY_CODES if not code.startswith("withdrawal")])
def test_a_small_registry_has_every_quality_code(code: str) -> None:
    assert expected_counts(people(20, today=TODAY)).quality[code] >= 1


@pytest.mark.parametrize("reason", [reason for reason in NOT_COUNTED_REASONS if reason != "after_cutoff"])
def test_a_small_registry_has_every_reason_for_not_counting(reason: str) -> None:
    assert expected_counts(people(20, today=TODAY)).outcomes[f"not_counted/{reason}"] >= 1


def test_nobody_consents_outside_the_study_or_after_today() -> None:
    days = [person.consented_on for person in people(2000, today=TODAY) if person.consented_on]
    assert date(2023, 9, 11) <= min(days) <= max(days) <= TODAY
