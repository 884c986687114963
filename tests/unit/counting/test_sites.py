"""Tests of sites: each participant is in one site or none, and the sites add up to the total."""

import pytest
from hypothesis import given, settings

from consent.counting.consents import Counting
from consent.counting.summary import SiteCount
from consent.redcap.arrivals import EVENT, GROUP, INSTANCE
from tests.support.builders import a_column_map, a_counting, a_period, a_row, a_study, participants_of, summary_of
from tests.support.odd_registries import FULL_STUDY, odd_countings, odd_rows

Rows = list[dict[str, str]]

BY_FIELD = '[sites]\nby = "site"\n'
BY_GROUP = '[sites]\nby = "data_access_group"\n'
LISTED = '[[sites.site]]\ncode = "n"\nlabel = "North"\ntarget = 30\n[[sites.site]]\ncode = "s"\n'


def a_counting_by(sites: str, *, cutoff: str = "2023-10-01", exported_on: str = "2023-10-02") -> Counting:
    return a_counting(a_study(more=sites), a_period(cutoff, exported_on=exported_on))


def at(site: str, record: str = "1", **values: str) -> dict[str, str]:
    return a_row(record, site=site, **values)


def again_at(site: str, day: str, *, event: str = "", instance: str = "2", **values: str) -> dict[str, str]:
    """Another row of the same participant, with a consent of this day."""
    return at(site, consent_date=day, **values) | {EVENT: event, INSTANCE: instance}


def no_consent_at(site: str, event: str) -> dict[str, str]:
    return at(site, consent_date="", consent_obtained="", rider_a="") | {EVENT: event}


def sites_of(*rows: dict[str, str], counting: Counting | None = None) -> tuple[SiteCount, ...]:
    found = summary_of(*rows, counting=counting or a_counting_by(BY_FIELD)).sites
    assert found is not None
    return found


def site_of(*rows: dict[str, str], counting: Counting | None = None) -> str:
    """Return the site of the only participant in these rows."""
    return str(participants_of(*rows, counting=counting or a_counting_by(BY_FIELD))["site"].iloc[0])


# Which site


@pytest.mark.parametrize(
    ("rows", "site"),
    [
        ([at("n")], "n"),
        ([at(" n ")], "n"),
        ([at("")], ""),
        ([at("n"), again_at("s", "2023-09-20")], "s"),
        ([at("n"), again_at("", "2023-09-20")], "n"),
        ([at("n"), again_at("s", "2023-10-05")], "n"),  # a future day
        ([at("n"), again_at("s", "2023-09-20", consent_obtained="2")], "n"),
    ],
)
def test_the_latest_consent_gives_the_site_if_it_has_one(rows: Rows, site: str) -> None:
    assert site_of(*rows) == site


def test_without_a_consent_the_first_site_by_event_counts() -> None:
    study = a_study(more=BY_FIELD)
    counting = a_counting(study, column_map=a_column_map(study, event_order=("screening", "a_visit")))
    rows = [no_consent_at("s", "a_visit"), no_consent_at("n", "screening")]

    assert site_of(*rows, counting=counting) == "n"


def test_a_data_access_group_may_be_the_site() -> None:
    assert site_of(a_row(**{GROUP: "hamilton"}), counting=a_counting_by(BY_GROUP)) == "hamilton"


# The numbers of a site


def test_sites_are_sorted_as_in_the_study_file_then_by_code_then_none() -> None:
    rows = [at(site, str(n)) for n, site in enumerate(["", "z", "s", "a", "n"])]
    assert [site.label for site in sites_of(*rows, counting=a_counting_by(BY_FIELD + LISTED))] == [
        "North",
        "s",
        "a",
        "z",
        "(no site)",
    ]


def test_a_site_has_the_label_and_target_of_the_study_file() -> None:
    found = sites_of(at("n"), counting=a_counting_by(BY_FIELD + LISTED))[0]
    assert found == SiteCount(
        "n", "North", 30, None, participants=1, consented=1, taking_part=1, recent=1, weeks=(1, 0, 0)
    )


def test_a_site_counts_participants_consented_and_taking_part() -> None:
    rows = [at("n", "1"), at("n", "2", consent_obtained="2"), at("n", "3", left_on="2023-09-20")]
    counting = a_counting_by(BY_FIELD + '[withdrawal]\ndate = "left_on"\n')

    found = sites_of(*({"left_on": "", **row} for row in rows), counting=counting)[0]

    assert (found.participants, found.consented, found.taking_part) == (3, 2, 1)


@pytest.mark.parametrize(
    ("day", "recent"),
    [("2023-09-24", 0), ("2023-09-25", 1), ("2023-10-22", 1), ("2023-10-23", 0), ("2023-10-24", 0)],
)
def test_recent_are_the_last_four_complete_weeks(day: str, recent: int) -> None:
    counting = a_counting_by(BY_FIELD, cutoff="2023-10-24", exported_on="2023-10-24")
    assert sites_of(at("n", consent_date=day), counting=counting)[0].recent == recent


@pytest.mark.parametrize(
    ("site", "sites", "codes"),
    [
        ("n", BY_FIELD + LISTED, {}),
        ("x", BY_FIELD + LISTED, {"unknown_code": 1}),
        ("", BY_FIELD + LISTED, {}),
        ("x", BY_FIELD, {}),  # the study file lists none, so none is unknown
    ],
)
def test_a_site_that_the_study_file_does_not_list_is_reviewed(site: str, sites: str, codes: dict[str, int]) -> None:
    assert summary_of(at(site), counting=a_counting_by(sites)).quality == codes


# Adding up


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(), counting=odd_countings(studies=(FULL_STUDY,)))
def test_the_sites_add_up_to_the_whole_report(rows: Rows, counting: Counting) -> None:
    summary = summary_of(*rows, counting=counting)
    sites = summary.sites or ()

    sums = [
        sum(numbers) for numbers in zip(*((s.participants, s.consented, s.taking_part) for s in sites), strict=True)
    ]

    assert sums == [summary.participants.total, summary.participants.consented, summary.taking_part]
