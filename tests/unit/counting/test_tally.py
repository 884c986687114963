"""Claims about counts that add up, on made-up registries: nobody is lost or counted twice."""

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from consent.counting.consents import Counting
from consent.counting.participants import build_participants
from consent.counting.tally import Tally, tally_participants
from consent.redcap.arrivals import RECORD
from tests.support.builders import a_counting, a_row, rows_frame, tally_of
from tests.support.odd_registries import odd_countings, odd_rows
from tests.support.plain_rules import classify
from tests.support.plain_values import PlainParticipant

Rows = list[dict[str, str]]

made_up = settings(deadline=None, max_examples=25)


def the_tally(rows: Rows, counting: Counting) -> Tally:
    """The counts of these rows; of none at all, those of nothing."""
    return tally_of(*rows, counting=counting) if rows else Tally()


def answered(tally: Tally, key: str) -> int:
    return sum(n for (rider, _), n in tally.riders.items() if rider == key)


def agreed_in_weeks(tally: Tally) -> Counter[str]:
    """How many agreed to each rider, all weeks together."""
    agreed: Counter[str] = Counter()
    for (key, _), n in tally.rider_weeks.items():
        agreed[key] += n
    return agreed


def plain_tally(participants: list[PlainParticipant], counting: Counting) -> Tally:
    """The same counts from the plain rules' participants, counted one by one."""
    consented = [who for who in participants if who.kind == "consented"]
    keys = [rider.key for rider in counting.study.riders]
    weeks = [((who.consented_on or counting.period.start) - counting.period.start) // timedelta(7) for who in consented]
    return Tally(
        classes=Counter((who.kind, who.reason) for who in participants),
        weeks=Counter(weeks),
        rider_weeks=Counter(
            (key, week)
            for who, week in zip(consented, weeks, strict=True)
            for key, answer in zip(keys, who.riders, strict=True)
            if answer == "agreed"
        ),
        riders=Counter(pair for who in consented for pair in zip(keys, who.riders, strict=True)),
        quality=Counter(code for who in participants for code in who.quality),
        taking_part=sum(who.taking_part for who in participants),
        **plain_parts(participants),
    )


def plain_parts(participants: list[PlainParticipant]) -> dict[str, Any]:
    """The counts of the parts that only some study files ask for."""
    inside = [who for who in participants if who.kind not in ("left_out", "outside") and who.optional.site is not None]
    withdrawn = [who.optional for who in participants if who.optional.withdrawn]
    decided = [who.optional for who in participants if who.optional.outcome]
    counted = {
        "participants": inside,
        "consented": [who for who in inside if who.kind == "consented"],
        "taking_part": [who for who in inside if who.taking_part],
        "recent": [who for who in inside if who.optional.recent],
    }
    versions = (who.optional.version for who in participants if who.taking_part and who.optional.version is not None)
    return {
        "sites": Counter((who.optional.site, what) for what, some in counted.items() for who in some),
        "versions": Counter(versions),
        "withdrawals": Counter((part.extent, part.undated) for part in withdrawn),
        "agreed": sum(bool(who.optional.agreed) for who in participants),
        "outcomes": Counter((part.outcome, part.since_approval, part.ended_since) for part in decided),
    }


@made_up
@given(rows=odd_rows(), counting=odd_countings())
def test_the_counts_are_those_of_the_plain_rules(rows: Rows, counting: Counting) -> None:
    assert the_tally(rows, counting) == plain_tally(list(classify(rows, counting).values()), counting)


@made_up
@given(rows=odd_rows(), counting=odd_countings())
def test_everyone_is_in_exactly_one_class(rows: Rows, counting: Counting) -> None:
    assert the_tally(rows, counting).classes.total() == len({row[RECORD] for row in rows})


@made_up
@given(rows=odd_rows(), counting=odd_countings(), data=st.data())
def test_the_counts_of_a_whole_are_the_sum_of_its_parts(rows: Rows, counting: Counting, data: st.DataObject) -> None:
    first = data.draw(st.sets(st.sampled_from([row[RECORD] for row in rows])))
    one, other = ([row for row in rows if (row[RECORD] in first) == side] for side in (True, False))

    assert the_tally(one, counting) + the_tally(other, counting) == the_tally(rows, counting)


@made_up
@given(rows=odd_rows(), counting=odd_countings(), data=st.data())
def test_the_order_of_rows_and_records_does_not_matter(rows: Rows, counting: Counting, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))

    assert the_tally(shuffled, counting) == the_tally(rows, counting)


@made_up
@given(rows=odd_rows(), counting=odd_countings())
def test_the_weeks_add_up_to_all_who_consented(rows: Rows, counting: Counting) -> None:
    tally = the_tally(rows, counting)

    assert tally.weeks.total() == tally.classes["consented", ""]


@made_up
@given(rows=odd_rows(), counting=odd_countings())
def test_every_consent_falls_in_a_week_of_the_report(rows: Rows, counting: Counting) -> None:
    assert set(the_tally(rows, counting).weeks) <= set(range(len(counting.period.weeks)))


@made_up
@given(rows=odd_rows(), counting=odd_countings())
def test_the_answers_to_each_rider_add_up_to_all_who_consented(rows: Rows, counting: Counting) -> None:
    tally = the_tally(rows, counting)

    assert {answered(tally, rider.key) for rider in counting.study.riders} == {tally.classes["consented", ""]}


@made_up
@given(rows=odd_rows(), counting=odd_countings())
def test_each_riders_weeks_add_up_to_all_who_agreed(rows: Rows, counting: Counting) -> None:
    tally = the_tally(rows, counting)

    assert agreed_in_weeks(tally) == {key: n for (key, answer), n in tally.riders.items() if answer == "agreed"}


@made_up
@given(rows=odd_rows(), counting=odd_countings())
def test_only_those_who_consented_can_take_part(rows: Rows, counting: Counting) -> None:
    tally = the_tally(rows, counting)

    assert 0 <= tally.taking_part <= tally.classes["consented", ""]


def test_nothing_adds_nothing() -> None:
    tally = tally_of(a_row("1"), a_row("2", consent_obtained="2"), a_row("3", consent_date=""))

    assert tally + Tally() == tally


def test_no_participant_is_kept_in_the_counts() -> None:
    assert "OBRI-0042" not in repr(tally_of(a_row("OBRI-0042")))


def test_a_consent_counts_in_the_week_of_its_day() -> None:
    days = ["2023-09-11", "2023-09-17", "2023-09-18", "2023-10-01"]

    assert tally_of(*(a_row(str(n), consent_date=day) for n, day in enumerate(days))).weeks == {0: 2, 1: 1, 2: 1}


def test_a_rider_counts_in_the_week_of_the_consent() -> None:
    rows = [a_row("1", consent_date="2023-09-20"), a_row("2", consent_date="2023-09-20", rider_a="0")]

    assert tally_of(*rows).rider_weeks == {("rider a", 1): 1}


def test_a_batch_without_any_consent_has_no_weeks() -> None:
    counting = a_counting()
    participants = build_participants(rows_frame([a_row(consent_obtained="2")]), counting)

    assert tally_participants(participants, counting.period.start).weeks == {}
