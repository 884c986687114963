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
from tests.support.builders import RIDER, a_counting, a_period, a_row, a_study, rows_frame
from tests.support.odd_registries import odd_countings, odd_rows

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


def compared(*rows: dict[str, str], counting: Counting = COUNTING) -> BothCounts:
    """Count these rows by both rules."""
    return count_by_both_rules(rows_frame(rows), counting) if rows else BothCounts()


def differences(*rows: dict[str, str], study: StudyConfig | None = None) -> set[tuple[int, str, str, int]]:
    """Return week, column, rule and number of every difference in these rows."""
    counting = a_counting(study, PERIOD) if study else COUNTING
    found = compared(*rows, counting=counting).reasons
    return {(*cell, reason.code, n) for (cell, reason), n in found.items()}


def a_repeat(instance: int, **values: str) -> dict[str, str]:
    """Return a repeat of one participant's consent form."""
    return a_row("1", **{INSTRUMENT: "consent", INSTANCE: str(instance), **values})


def counted_now(found: BothCounts) -> Counter[Cell]:
    """Return what is counted now in every cell."""
    consents = Counter({(week, CONSENT): n for week, n in found.tally.weeks.items()})
    return consents + Counter({(week, key): n for (key, week), n in found.tally.rider_weeks.items()})


def explained(found: BothCounts) -> Counter[Cell]:
    """Return what the old pipeline counted plus every reason."""
    cells = found.old.copy()
    for (cell, _), n in found.reasons.items():
        cells[cell] += n
    return cells


# Laws


@given(rows=odd_rows(), counting=odd_countings())
def test_the_reasons_add_up_to_the_difference_in_every_cell(rows: Rows, counting: Counting) -> None:
    found = compared(*rows, counting=counting)

    assert {reason.code for _, reason in found.reasons} <= set(RULES)
    assert {cell: n for cell, n in explained(found).items() if n} == counted_now(found)


@given(rows=odd_rows(), counting=odd_countings(), data=st.data())
def test_the_order_of_rows_does_not_matter(rows: Rows, counting: Counting, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))

    assert compared(*shuffled, counting=counting) == compared(*rows, counting=counting)


@given(rows=odd_rows(), counting=odd_countings(), data=st.data())
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


# The rule behind a difference


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"consent_date": "2023-09-30"}, "after_cutoff"),
        ({"consent_date": "2023-10-01"}, "future_date"),
        ({"consent_date": "2023-9-27"}, "unreadable_date"),
    ],
)
def test_a_consent_that_no_longer_counts_has_its_rule(values: dict[str, str], rule: str) -> None:
    assert differences(a_row(**values)) == {(2, "consent", rule, -1), (2, "rider a", rule, -1)}


@pytest.mark.parametrize(
    ("code", "rule"), [("2", "declined"), ("0", "open"), ("", "open"), ("9", "unknown_code"), ("-1", "unknown_code")]
)
def test_a_rider_without_a_consent_no_longer_counts(code: str, rule: str) -> None:
    assert differences(a_row(consent_obtained=code)) == {(0, "rider a", rule, -1)}


@pytest.mark.parametrize("text", ["", "Consent not completed", "soon", "2023-09-10"])
def test_a_row_that_neither_rule_counts_is_no_difference(text: str) -> None:
    assert differences(a_row(consent_date=text)) == set()


def test_a_second_row_no_longer_counts() -> None:
    assert differences(a_repeat(1, rider_a=""), a_repeat(2, rider_a="", consent_date="2023-09-20")) == {
        (1, "consent", ANOTHER_ROW, -1)
    }


def test_somebody_who_first_agreed_before_the_start_no_longer_counts() -> None:
    assert differences(a_repeat(1, consent_date="2023-09-01"), a_repeat(2)) == {
        (0, "consent", "before_start", -1),
        (0, "rider a", "before_start", -1),
    }


def test_a_rider_of_a_later_consent_moves_to_the_week_of_the_first() -> None:
    rows = [a_repeat(1, rider_a="0"), a_repeat(2, consent_date="2023-09-20")]
    found = compared(*rows).reasons

    assert {key: n for key, n in found.items() if key[0][1] == "rider a"} == {
        ((1, "rider a"), Reason(OTHER_WEEK, 0)): -1,
        ((0, "rider a"), Reason(OTHER_WEEK, 1)): 1,
    }


def test_a_rider_that_a_later_consent_cancels_no_longer_counts() -> None:
    rows = [a_repeat(1), a_repeat(2, rider_a="0", consent_date="2023-09-13")]

    assert (0, "rider a", "later_answer", -1) in differences(*rows)


@pytest.mark.parametrize(("record", "cohort", "rule"), [("TEST-1", "ibd", "left_out"), ("1", "control", "outside")])
def test_an_excluded_record_no_longer_counts(record: str, cohort: str, rule: str) -> None:
    assert differences(a_row(record, cohort=cohort), study=APART) == {
        (0, "consent", rule, -1),
        (0, "rider a", rule, -1),
    }


@pytest.mark.parametrize(("event", "complete", "rule"), [("start", "0", "open"), ("other", "2", "no_consent_on_row")])
def test_a_row_without_a_complete_consent_no_longer_counts(event: str, complete: str, rule: str) -> None:
    row = a_row(consent_complete=complete, **{EVENT: event})

    assert differences(row, study=CERTIFIED) == {(0, "consent", rule, -1), (0, "rider a", rule, -1)}


def test_a_rider_that_the_form_version_does_not_have_no_longer_counts() -> None:
    assert differences(a_row(version="1.0"), study=VERSIONED) == {(0, "rider a", "not_offered", -1)}


def test_a_rider_where_one_means_no_no_longer_counts() -> None:
    study = a_study(riders=RIDER.replace('declined = ["0"]', "declined = []").replace('["1"]', '["2"]'))

    assert differences(a_row(), study=study) == {(0, "rider a", "other_code", -1)}


def test_another_code_for_yes_counts_now() -> None:
    study = a_study(consents=FORM.replace('agreed = ["1"]', 'agreed = ["1", "3"]'))

    assert differences(a_row(consent_obtained="3"), study=study) == {(0, "consent", "other_code", 1)}


@pytest.mark.parametrize(("day", "code"), [("", ""), ("2023-09-01", "2")], ids=["blank", "declined"])
def test_another_form_counts_now_whatever_the_first_form_says(day: str, code: str) -> None:
    row = a_row(consent_date=day, consent_obtained=code, v2_date="2023-09-20", v2_obtained="1")

    assert differences(row, study=TWO_FORMS) == {(1, "consent", "other_form", 1), (1, "rider a", "other_form", 1)}


def test_a_consent_that_counts_now_has_its_own_reason_not_that_of_another_row() -> None:
    study = a_study(consents=FORM.replace('agreed = ["1"]', 'agreed = ["1", "3"]'))
    rows = [a_repeat(1, consent_obtained="3", rider_a=""), a_repeat(2, consent_date=" 2023-09-20", rider_a="")]

    assert differences(*rows, study=study) == {(0, "consent", "other_code", 1)}


def test_a_rider_agreed_by_a_representative_moves_to_the_week_of_the_first_consent() -> None:
    rows = [a_repeat(1, rider_a="0"), a_repeat(2, consent_obtained="", by_proxy="1", consent_date="2023-09-20")]

    assert differences(*rows, study=REPRESENTED) == {(1, "rider a", OTHER_WEEK, -1), (0, "rider a", OTHER_WEEK, 1)}


def test_a_second_row_agreed_by_a_representative_is_another_row() -> None:
    rows = [a_repeat(1), a_repeat(2, consent_obtained="", by_proxy="1", consent_date="2023-09-20")]

    assert differences(*rows, study=REPRESENTED) == {(1, "rider a", ANOTHER_ROW, -1)}


def test_a_rider_on_a_row_without_a_date_counts_now() -> None:
    answer = {RECORD: "1", EVENT: "visit", "rider_a": "1", "consent_date": "", "consent_obtained": ""}

    assert differences(a_row("1", rider_a=""), answer) == {(0, "rider a", "undated_row", 1)}


def test_a_date_with_a_space_counts_now() -> None:
    assert differences(a_row(consent_date=" 2023-09-12", rider_a="")) == {(0, "consent", "other_date", 1)}


def test_a_timestamp_moves_to_its_week_in_the_studys_time_zone() -> None:
    server = 'time_zone = "Pacific/Auckland"\n'
    study = a_study(consents=server + FORM.replace("consent_date", "consent_timestamp"), riders="")
    row = a_row(consent_timestamp="2023-09-18 10:00:00")  # still Sunday in Toronto

    assert differences(row, study=study) == {(1, "consent", OTHER_WEEK, -1), (0, "consent", OTHER_WEEK, 1)}


# One participant at a time


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
