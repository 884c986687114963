"""Tests of the reasons: every difference between the old rule and the current one has its rule."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.cli.compare.old_pipeline import CONSENT, NOWHERE, Cell
from consent.cli.compare.reasons import ANOTHER_ROW, OTHER_WEEK, RULES, BothCounts, Reason, count_by_both_rules, explain
from consent.counting.consents import STATES, Counting
from consent.redcap.arrivals import EVENT, INSTANCE, INSTRUMENT, RECORD
from consent.studies.model import StudyConfig
from tests.support.builders import CONSENT as FORM
from tests.support.builders import RIDER, a_counting, a_period, a_row, a_study, as_rows
from tests.support.odd_registries import COMPARABLE, odd_countings, odd_rows

Rows = list[dict[str, str]]

PERIOD = a_period("2023-09-28", exported_on="2023-09-30")  # the last week, of 25 September, is still running
COUNTING = a_counting(period=PERIOD)
APART = a_study(
    more='[[leave_out]]\nreason = "test"\nid_pattern = "TEST.*"\n[only]\nfield = "cohort"\ncodes = ["ibd"]\n'
)
TWO_FORMS = a_study(consents=FORM + FORM.replace("consent_", "v2_"))
REPRESENTED = a_study(consents=FORM + FORM.replace("consent_obtained", "by_proxy"))  # one date for both
CERTIFIED = a_study(consents=FORM + 'form_complete = "consent_complete"\nevents = ["start"]\n')
VERSIONED = a_study(riders=RIDER + 'offered_in = ["2.0"]\n', more='[version]\nfield = "version"\naccepted = ["2.0"]\n')
NO_IS_ONE = a_study(riders=RIDER.replace('declined = ["0"]', "declined = []").replace('["1"]', '["2"]'))
TWO_CODES = a_study(consents=FORM.replace('agreed = ["1"]', 'agreed = ["1", "3"]'))
BY_TIMESTAMP = a_study(
    consents='time_zone = "Pacific/Auckland"\n' + FORM.replace("consent_date", "consent_timestamp"), riders=""
)
ON_FORM_2 = {"v2_date": "2023-09-20", "v2_obtained": "1"}
BY_PROXY = {"consent_obtained": "", "by_proxy": "1"}


def compared(*rows: dict[str, str], counting: Counting = COUNTING) -> BothCounts:
    return count_by_both_rules(as_rows(rows), counting) if rows else BothCounts()


def differences(*rows: dict[str, str], study: StudyConfig | None = None) -> set[tuple[int, str, str, int]]:
    """Return week, column, rule and number of every difference in these rows."""
    counting = a_counting(study, PERIOD) if study else COUNTING
    found = compared(*rows, counting=counting).reasons
    return {(*cell, reason.code, n) for (cell, reason), n in found.items()}


def a_repeat(instance: int, **values: str) -> dict[str, str]:
    return a_row("1", **{INSTRUMENT: "consent", INSTANCE: str(instance), **values})


def counted_now(found: BothCounts) -> Counter[Cell]:
    columns = {CONSENT: found.tally.weeks, **found.tally.rider_weeks}
    return +Counter({(week, key): n for key, column in columns.items() for week, n in enumerate(column.counts)})


def explained(found: BothCounts) -> Counter[Cell]:
    cells = found.old.copy()
    for (cell, _), n in found.reasons.items():
        cells[cell] += n
    return cells


@given(rows=odd_rows(), counting=odd_countings(COMPARABLE))
def test_the_reasons_add_up_to_the_difference_in_every_cell(rows: Rows, counting: Counting) -> None:
    found = compared(*rows, counting=counting)
    assert {reason.code for _, reason in found.reasons} <= set(RULES)
    assert {cell: n for cell, n in explained(found).items() if n} == counted_now(found)


@given(rows=odd_rows(), counting=odd_countings(COMPARABLE), data=st.data())
def test_the_order_of_rows_does_not_matter(rows: Rows, counting: Counting, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    assert compared(*shuffled, counting=counting) == compared(*rows, counting=counting)


@given(rows=odd_rows(), counting=odd_countings(COMPARABLE), data=st.data())
def test_the_differences_of_a_whole_are_the_sum_of_its_parts(
    rows: Rows, counting: Counting, data: st.DataObject
) -> None:
    first = data.draw(st.sets(st.sampled_from([row[RECORD] for row in rows])))
    one, other = ([row for row in rows if (row[RECORD] in first) == side] for side in (True, False))
    assert compared(*one, counting=counting) + compared(*other, counting=counting) == compared(*rows, counting=counting)


def test_every_state_of_a_consent_has_a_meaning() -> None:
    assert {*STATES} - {"consented"} <= set(RULES)


@given(
    answers=st.lists(
        st.tuples(st.sampled_from(("2023-09-11", "2023-09-17", "2023-09-28")), st.sampled_from(("", "0", "1")))
    )
)
def test_nothing_differs_where_no_rule_applies(answers: list[tuple[str, str]]) -> None:
    rows = [a_row(str(n), consent_date=day, rider_a=answer) for n, (day, answer) in enumerate(answers)]
    assert compared(*rows).reasons == {}


def test_the_counts_hold_no_record_id() -> None:
    assert "OBRI-0042" not in repr(compared(a_row("OBRI-0042"), a_row("OBRI-0042")))


def consent(week: int, rule: str, n: int = -1) -> set[tuple[int, str, str, int]]:
    return {(week, "consent", rule, n)}


def rider(week: int, rule: str, n: int = -1) -> set[tuple[int, str, str, int]]:
    return {(week, "rider a", rule, n)}


def both(week: int, rule: str, n: int = -1) -> set[tuple[int, str, str, int]]:
    return consent(week, rule, n) | rider(week, rule, n)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (a_row(consent_date="2023-09-30"), both(2, "after_cutoff")),
        (a_row(consent_date="2023-10-01"), both(2, "future_date")),
        (a_row(consent_date="2023-9-27"), both(2, "unreadable_date")),
        (a_row(consent_date=" 2023-09-12", rider_a=""), consent(0, "other_date", 1)),
        (a_row(consent_obtained="2"), rider(0, "declined")),
        (a_row(consent_obtained="0"), rider(0, "open")),
        (a_row(consent_obtained=""), rider(0, "open")),
        (a_row(consent_obtained="9"), rider(0, "unknown_code")),
        (a_row(consent_date=""), set()),
        (a_row(consent_date="Consent not completed"), set()),
        (a_row(consent_date="soon"), set()),
        (a_row(consent_date="2023-09-10"), set()),
    ],
)
def test_a_row_that_only_one_rule_counts_has_its_reason(
    row: dict[str, str], expected: set[tuple[int, str, str, int]]
) -> None:
    assert differences(row) == expected


@pytest.mark.parametrize(
    ("study", "row", "expected"),
    [
        (APART, a_row("TEST-1", cohort="ibd"), both(0, "left_out")),
        (APART, a_row("1", cohort="control"), both(0, "outside")),
        (CERTIFIED, a_row(consent_complete="0", **{EVENT: "start"}), both(0, "open")),
        (CERTIFIED, a_row(consent_complete="2", **{EVENT: "other"}), both(0, "no_consent_on_row")),
        (VERSIONED, a_row(version="1.0"), rider(0, "not_offered")),
        (NO_IS_ONE, a_row(), rider(0, "other_code")),
        (TWO_CODES, a_row(consent_obtained="3"), consent(0, "other_code", 1)),
        (TWO_FORMS, a_row(consent_date="", consent_obtained="", **ON_FORM_2), both(1, "other_form", 1)),
        (TWO_FORMS, a_row(consent_date="2023-09-01", consent_obtained="2", **ON_FORM_2), both(1, "other_form", 1)),
        (
            BY_TIMESTAMP,
            a_row(consent_timestamp="2023-09-18 10:00:00"),  # still Sunday in Toronto
            consent(1, OTHER_WEEK) | consent(0, OTHER_WEEK, 1),
        ),
    ],
)
def test_a_rule_of_the_study_file_is_the_reason(
    study: StudyConfig, row: dict[str, str], expected: set[tuple[int, str, str, int]]
) -> None:
    assert differences(row, study=study) == expected


@pytest.mark.parametrize(
    ("study", "first", "second", "expected"),
    [
        (None, {"rider_a": ""}, {"rider_a": ""}, consent(1, ANOTHER_ROW)),
        (None, {}, {"rider_a": "0"}, consent(1, ANOTHER_ROW) | rider(0, "later_answer")),
        (None, {"consent_date": "2023-09-01"}, {}, both(1, "before_start")),
        (REPRESENTED, {}, BY_PROXY, rider(1, ANOTHER_ROW)),
        (REPRESENTED, {"rider_a": "0"}, BY_PROXY, rider(1, OTHER_WEEK) | rider(0, OTHER_WEEK, 1)),
    ],
)
def test_two_rows_of_a_participant_have_their_reasons(
    study: StudyConfig | None,
    first: dict[str, str],
    second: dict[str, str],
    expected: set[tuple[int, str, str, int]],
) -> None:
    assert (
        differences(a_repeat(1, **first), a_repeat(2, **{"consent_date": "2023-09-20", **second}), study=study)
        == expected
    )


def test_a_consent_that_counts_now_has_its_own_reason_not_that_of_another_row() -> None:
    rows = [a_repeat(1, consent_obtained="3", rider_a=""), a_repeat(2, consent_date=" 2023-09-20", rider_a="")]
    assert differences(*rows, study=TWO_CODES) == consent(0, "other_code", 1)


def test_a_rider_of_a_later_consent_moves_to_the_week_of_the_first() -> None:
    rows = [a_repeat(1, rider_a="0"), a_repeat(2, consent_date="2023-09-20")]
    found = compared(*rows).reasons
    assert {key: n for key, n in found.items() if key[0][1] == "rider a"} == {
        ((1, "rider a"), Reason(OTHER_WEEK, 0)): -1,
        ((0, "rider a"), Reason(OTHER_WEEK, 1)): 1,
    }


def test_a_rider_on_a_row_without_a_date_counts_now() -> None:
    answer = {RECORD: "1", EVENT: "visit", "rider_a": "1", "consent_date": "", "consent_obtained": ""}
    assert differences(a_row("1", rider_a=""), answer) == rider(0, "undated_row", 1)


@pytest.mark.parametrize(
    ("old", "now", "expected"),
    [
        ([], NOWHERE, []),
        ([(0, "")], 0, []),
        ([(0, "declined")], 0, []),
        ([], 2, [(2, Reason("found"), 1)]),
        ([(1, "")], NOWHERE, [(1, Reason("lost"), -1)]),
        ([(1, "open")], NOWHERE, [(1, Reason("open"), -1)]),
        ([(1, ""), (1, "")], 1, [(1, Reason(ANOTHER_ROW), -1)]),
        ([(1, "open"), (1, "")], 1, [(1, Reason("open"), -1)]),
        ([(1, "")], 0, [(1, Reason(OTHER_WEEK, 0), -1), (0, Reason(OTHER_WEEK, 1), 1)]),
        ([(1, "open")], 0, [(0, Reason("found"), 1), (1, Reason("open"), -1)]),
        (
            [(2, ""), (1, "")],
            0,
            [(1, Reason(OTHER_WEEK, 0), -1), (0, Reason(OTHER_WEEK, 1), 1), (2, Reason(ANOTHER_ROW), -1)],
        ),
    ],
)
def test_one_participant_is_explained(
    old: list[tuple[int, str]], now: int, expected: list[tuple[int, Reason, int]]
) -> None:
    assert list(explain(old, now, "lost", "found")) == expected
