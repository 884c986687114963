"""Tests of counts that add up, on invented registries: no participant is lost or counted twice."""

from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.counting.consents import Counting
from consent.counting.participants import EXCLUDED
from consent.counting.tally import Tally, WeeklyCounts, ensure_dates_meet_decisions, ensure_one_consent_a_form
from consent.errors import ConfigurationError, Problem
from consent.redcap.arrivals import RECORD
from tests.support.builders import a_counting, a_period, a_row, a_study, tally_of
from tests.support.odd_registries import odd_countings, odd_rows
from tests.support.plain_rules import classify
from tests.support.plain_values import PlainParticipant

Rows = list[dict[str, str]]

invented = settings(deadline=None, max_examples=25)


def the_tally(rows: Rows, counting: Counting) -> Tally:
    """The tally of these rows; an empty tally of no rows."""
    return tally_of(*rows, counting=counting) if rows else Tally()


def plain_tally(participants: list[PlainParticipant], counting: Counting) -> Tally:
    """Count the participants of the plain rules one by one."""
    consented = [who for who in participants if who.kind == "consented"]
    keys = [rider.key for rider in counting.study.riders]
    weeks = [((who.consented_on or counting.period.start) - counting.period.start) // timedelta(7) for who in consented]
    return Tally(
        classes=Counter((who.kind, who.reason) for who in participants),
        weeks=weekly(weeks),
        contradictions=sum(who.optional["contradicts"] for who in participants),
        forms=Counter(
            int(key[5:]) for who in participants for key, has in who.optional.items() if "form:" in key and has
        ),
        rider_weeks={
            key: weekly(week for who, week in zip(consented, weeks, strict=True) if who.riders[n] == "agreed")
            for n, key in enumerate(keys)
        },
        riders=Counter(pair for who in consented for pair in zip(keys, who.riders, strict=True)),
        quality=Counter(code for who in participants for code in who.quality),
        taking_part=sum(who.taking_part for who in participants),
        **plain_optional(participants, counting),
    )


def weekly(weeks: Iterable[int]) -> WeeklyCounts:
    """Count the occurrences of each week number."""
    counts = Counter(weeks)
    return WeeklyCounts(tuple(counts[week] for week in range(max(counts, default=-1) + 1)))


def plain_optional(participants: list[PlainParticipant], counting: Counting) -> dict[str, Any]:
    """Count the columns that only some studies have."""
    counts: dict[str, Any] = {}
    optional = [who.optional for who in participants]
    if "site" in optional[0]:
        inside = [who for who in participants if who.kind not in EXCLUDED]
        counted = {
            "participants": inside,
            "consented": [who for who in inside if who.kind == "consented"],
            "taking_part": [who for who in inside if who.taking_part],
            "recent": [who for who in inside if who.optional["recent"]],
        }
        counts["site_weeks"] = Counter(
            (who.optional["site"], (who.consented_on - counting.period.start).days // 7) for who in counted["consented"]
        )
        counts["sites"] = Counter((who.optional["site"], what) for what, some in counted.items() for who in some)
    if "version" in optional[0]:
        counts["versions"] = Counter(who.optional["version"] for who in participants if who.taking_part)
    if "withdrawn" in optional[0]:
        counts["withdrawals"] = Counter((part["extent"], part["undated"]) for part in optional if part["withdrawn"])
    if "outcome" in optional[0]:
        dated = ("outcome", "since_approval", "ended_since")
        counts["agreed"] = sum(part["agreed"] for part in optional)
        counts["outcomes"] = Counter(tuple(part[name] for name in dated) for part in optional if part["outcome"])
    return counts


@invented
@given(rows=odd_rows(), counting=odd_countings())
def test_the_tally_matches_the_plain_rules(rows: Rows, counting: Counting) -> None:
    assert the_tally(rows, counting) == plain_tally(list(classify(rows, counting).values()), counting)


@invented
@given(rows=odd_rows(), counting=odd_countings())
def test_everyone_is_in_exactly_one_class(rows: Rows, counting: Counting) -> None:
    assert the_tally(rows, counting).classes.total() == len({row[RECORD] for row in rows})


@invented
@given(rows=odd_rows(), counting=odd_countings(), data=st.data())
def test_the_tallies_of_two_batches_add_up(rows: Rows, counting: Counting, data: st.DataObject) -> None:
    first = data.draw(st.sets(st.sampled_from([row[RECORD] for row in rows])))
    one, other = ([row for row in rows if (row[RECORD] in first) == side] for side in (True, False))
    assert the_tally(one, counting) + the_tally(other, counting) == the_tally(rows, counting)


def test_an_empty_tally_changes_nothing() -> None:
    tally = tally_of(a_row("1"), a_row("2", consent_obtained="2"), a_row("3", consent_date=""))
    assert tally + Tally() == tally


def test_a_tally_holds_no_record_id() -> None:
    assert "OBRI-0042" not in repr(tally_of(a_row("OBRI-0042")))


def test_a_consent_counts_in_the_week_of_its_day() -> None:
    days = ["2023-09-11", "2023-09-17", "2023-09-18", "2023-10-01"]
    assert tally_of(*(a_row(str(n), consent_date=day) for n, day in enumerate(days))).weeks.counts == (2, 1, 1)


def test_each_of_many_sites_over_many_years_has_its_own_weeks() -> None:
    study, first = a_study(more='[sites]\nby = "site"\n'), date(2003, 9, 15)
    days = [first + timedelta(weeks=3 * n) for n in range(350)]
    rows = [a_row(str(n), site=f"s{n}", consent_date=str(day)) for n, day in enumerate(days)]
    tally = tally_of(*rows, counting=a_counting(study, a_period("2024-01-01", start=str(first))))
    assert tally.site_weeks == {(f"s{n}", 3 * n): 1 for n in range(350)}


def test_a_rider_counts_in_the_week_of_the_consent() -> None:
    rows = [a_row("1", consent_date="2023-09-20"), a_row("2", consent_date="2023-09-20", rider_a="0")]
    assert tally_of(*rows).rider_weeks == {"rider a": WeeklyCounts((0, 1))}


@pytest.mark.parametrize(("n", "refused"), [(2, False), (3, True)])
def test_agreements_and_dates_on_different_rows_are_no_report(n: int, refused: bool) -> None:
    rows = [
        row
        for record in map(str, range(n))
        for row in (a_row(record, consent_obtained=""), a_row(record, consent_date="", redcap_repeat_instance="1"))
    ]
    with pytest.raises(ConfigurationError) if refused else nullcontext():
        ensure_dates_meet_decisions(tally_of(*rows))
    ensure_dates_meet_decisions(tally_of(*rows, a_row("consented")))


@pytest.mark.parametrize(
    ("contradicting", "mixed", "refused"),
    [(2, True, True), (1, True, False), (2, False, False)],
    ids=["several people", "one person", "a form with one consent"],
)
def test_a_form_that_is_seen_to_hold_several_consents_is_no_report(
    contradicting: int, mixed: bool, refused: bool
) -> None:
    again = {"redcap_repeat_instrument": "consent", "redcap_repeat_instance": "2", "consent_obtained": "2"}
    rows = [row for n in range(contradicting) for row in (a_row(f"{n}"), a_row(f"{n}", **again))]
    warnings = [Problem("The form repeats and has another choice.", "Add where.")] if mixed else []
    with pytest.raises(ConfigurationError) if refused else nullcontext():
        ensure_one_consent_a_form(tally_of(*rows, a_row("other")), warnings)
