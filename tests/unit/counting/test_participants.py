"""Tests of the participants' classes: one rule each, and invented registries against the plain rules."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.counting.consents import Counting
from consent.redcap.arrivals import EVENT, INSTANCE, INSTRUMENT, RECORD
from consent.studies.model import FieldRef
from tests.support.builders import CONSENT, RIDER, a_column_map, a_counting, a_period, a_row, a_study, participants_of
from tests.support.odd_registries import odd_countings, odd_rows
from tests.support.plain_rules import classify
from tests.support.plain_values import PlainParticipant

Rows = list[dict[str, str]]

SECOND_FORM = CONSENT.replace("consent_date", "v2_date").replace("consent_obtained", "v2_obtained")
CHECKBOX = CONSENT.replace('"consent_obtained"', '"choices(7)"').replace('["2"]', "[]")
CHECKBOX_RIDER = RIDER.replace('"rider_a"', '"extras(7)"')
TWO_FORMS = a_study(consents=CONSENT + SECOND_FORM)
RIDER_FIELDS = (FieldRef("rider_a"),)
IN_EVENTS = a_study(consents=CONSENT + 'events = ["start", "year_1"]\n')
CERTIFIED = a_study(consents=CONSENT + 'form_complete = "consent_complete"\n')


def as_plain(participants: pd.DataFrame) -> dict[str, PlainParticipant]:
    """Return one plain value per participant."""
    riders = [name for name in participants.columns if name.startswith("rider:")]
    flags = [name for name in participants.columns if name.startswith("quality:")]
    required = {"participant_class", "reason", "consented_on", "taking_part", *riders, *flags}
    optional = [name for name in participants.columns if name not in required]
    return {
        str(record): PlainParticipant(
            kind=row["participant_class"],
            reason=row["reason"],
            consented_on=None if pd.isna(row["consented_on"]) else row["consented_on"].date(),
            taking_part=bool(row["taking_part"]),
            riders=tuple(row[name] for name in riders),
            quality=frozenset(name.removeprefix("quality:") for name in flags if row[name]),
            optional={name: row[name] for name in optional},
        )
        for record, row in participants.iterrows()
    }


def the_participants(rows: Rows, counting: Counting) -> dict[str, PlainParticipant]:
    return as_plain(participants_of(*rows, counting=counting))


def the_one(*rows: dict[str, str], counting: Counting | None = None) -> PlainParticipant:
    """Return the only participant in these rows."""
    (participant,) = the_participants(list(rows), counting or a_counting()).values()
    return participant


def class_of(*rows: dict[str, str], counting: Counting | None = None) -> tuple[str, str]:
    participant = the_one(*rows, counting=counting)
    return participant.kind, participant.reason


def on_day(day: str, *, event: str = "", decision: str = "1", instance: str = "", **values: str) -> dict[str, str]:
    """A decision with this date; agreed by default."""
    structure = {EVENT: event, INSTANCE: instance, INSTRUMENT: "consent" if instance else ""}
    return a_row(consent_date=day, consent_obtained=decision, **structure, **values)


def of_form_2(day: str, decision: str = "1", **values: str) -> dict[str, str]:
    """A row with the second form only."""
    empty = {"consent_date": "", "consent_obtained": "", "rider_a": ""}
    return a_row(**{EVENT: "later", **empty, "v2_date": day, "v2_obtained": decision, **values})


# All rules together


@settings(deadline=None, max_examples=100)
@given(rows=odd_rows(), counting=odd_countings())
def test_every_participant_matches_the_plain_rules(rows: Rows, counting: Counting) -> None:
    assert the_participants(rows, counting) == classify(rows, counting)


@settings(deadline=None, max_examples=25)
@given(rows=odd_rows(), counting=odd_countings(), data=st.data())
def test_the_order_of_rows_does_not_matter(rows: Rows, counting: Counting, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    assert the_participants(shuffled, counting) == the_participants(rows, counting)


def test_record_ids_are_kept_as_written() -> None:
    rows = [a_row(record) for record in ("1", "01", "1-1", "1e5", "NA", " 1", "None")]
    assert list(the_participants(rows, a_counting())) == ["1", "01", "1-1", "1e5", "NA", " 1", "None"]


# The four classes


@pytest.mark.parametrize(
    ("decision", "day", "expected"),
    [
        ("1", "2023-09-12", ("consented", "")),
        ("2", "2023-09-12", ("declined", "")),
        ("0", "", ("pending", "open")),
        ("", "", ("pending", "not_started")),
        ("1", "", ("not_counted", "no_date")),
        ("9", "2023-09-12", ("not_counted", "unknown_code")),
    ],
)
def test_a_decision_and_its_date_give_a_class(decision: str, day: str, expected: tuple[str, str]) -> None:
    counting = a_counting(period=a_period("2023-10-01", exported_on="2023-10-05"))
    assert class_of(a_row(consent_obtained=decision, consent_date=day), counting=counting) == expected


def test_a_complete_form_without_decision_and_date_is_not_started() -> None:
    row = a_row(consent_obtained="", consent_date="", consent_complete="2")
    assert class_of(row, counting=a_counting(CERTIFIED)) == ("pending", "not_started")


# Several consents of one participant


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([on_day("2023-09-12")], ("consented", "")),
        ([on_day("soon"), on_day("")], ("not_counted", "no_date")),
        ([on_day("2023-10-02"), on_day("soon")], ("not_counted", "unreadable_date")),
        ([on_day("2023-10-02"), on_day("2023-10-09")], ("not_counted", "future_date")),
        ([on_day("", decision="2"), on_day("2023-09-12")], ("consented", "")),
        ([on_day("2023-09-12", decision="9"), on_day("")], ("not_counted", "unknown_code")),
    ],
)
def test_the_class_is_the_first_that_any_consent_gives(others: list[dict[str, str]], expected: tuple[str, str]) -> None:
    rows = [row | {INSTANCE: str(n)} for n, row in enumerate([on_day("", decision="0"), *others], 1)]
    assert class_of(*rows, counting=a_counting(period=a_period(exported_on="2023-10-05"))) == expected


def test_the_first_agreed_consent_dates_the_enrolment() -> None:
    rows = [on_day("2023-09-20", instance="1"), on_day("2023-09-12", instance="2"), on_day("", instance="3")]
    assert the_one(*rows).consented_on == date(2023, 9, 12)


def test_a_consent_without_a_readable_date_does_not_hide_a_good_one() -> None:
    participant = the_one(on_day("soon", instance="1"), on_day("2023-09-12", instance="2"))
    assert (participant.kind, participant.quality) == ("consented", frozenset({"unreadable_date"}))


@pytest.mark.parametrize(
    "later",
    [on_day("2023-09-20", instance="2"), on_day("2023-09-20", decision="2", instance="2"), on_day("", instance="2")],
)
def test_a_first_agreement_before_the_start_excludes_for_good(later: dict[str, str]) -> None:
    assert class_of(on_day("2023-09-10", instance="1"), later) == ("not_counted", "before_start")


@pytest.mark.parametrize(
    ("refusal", "taking_part"),
    [
        (on_day("2023-09-20", decision="2", instance="2"), False),
        (on_day("2023-09-15", decision="2", instance="2"), False),  # the same day, a later instance
        (on_day("2023-09-15", decision="2", event="a"), False),
        (on_day("2023-09-15", decision="2"), True),  # the same day, an earlier row
        (on_day("", decision="2"), True),
        (on_day("2023-09-14", decision="2", instance="2"), True),
        (on_day("", decision="2", instance="2"), False),
        (on_day("2023-10-02", decision="2", instance="2"), True),  # after the cut-off, before the export
        (on_day("2203-09-20", decision="2", instance="2"), False),  # a future date is ignored: event and form decide
        (on_day("2203-09-20", decision="2"), True),
        (on_day("2023-09-20", decision="0", instance="2"), True),
    ],
)
def test_only_a_refusal_after_the_latest_consent_ends_taking_part(refusal: dict[str, str], taking_part: bool) -> None:
    counting = a_counting(period=a_period("2023-10-01", exported_on="2023-10-05"))
    assert the_one(on_day("2023-09-15", instance="1"), refusal, counting=counting).taking_part == taking_part


def test_a_new_agreement_after_a_refusal_restores_taking_part() -> None:
    rows = [
        on_day("2023-09-12", instance="1"),
        on_day("2023-09-15", decision="2", instance="2"),
        on_day("2023-09-20", instance="3"),
    ]
    assert the_one(*rows).taking_part


@pytest.mark.parametrize(
    ("event", "expected"),
    [("start", ("consented", "")), ("year_1", ("consented", "")), ("year_2", ("pending", "not_started"))],
)
def test_only_rows_of_the_forms_events_are_its_consents(event: str, expected: tuple[str, str]) -> None:
    assert class_of(on_day("2023-09-12", event=event), counting=a_counting(IN_EVENTS)) == expected


def test_consents_of_two_forms_are_sorted_by_date() -> None:
    rows = [a_row(consent_date="2023-09-20", v2_date="", v2_obtained=""), of_form_2("2023-09-13")]
    assert the_one(*rows, counting=a_counting(TWO_FORMS)).consented_on == date(2023, 9, 13)


def test_on_one_day_events_sort_before_forms() -> None:
    column_map = a_column_map(TWO_FORMS, event_order=("later", "last"))
    refusal = on_day("2023-09-13", decision="2", event="last", v2_date="", v2_obtained="")
    assert not the_one(
        of_form_2("2023-09-13"), refusal, counting=a_counting(TWO_FORMS, column_map=column_map)
    ).taking_part


# Riders


@pytest.mark.parametrize(
    ("value", "answer"),
    [("1", "agreed"), ("0", "declined"), ("", "not_answered"), ("-99", "not_answered"), ("7", "not_answered")],
)
def test_a_rider_is_answered_only_by_its_codes(value: str, answer: str) -> None:
    assert the_one(a_row(rider_a=value)).riders == (answer,)


def test_an_unlisted_zero_is_neither_a_no_nor_unknown() -> None:
    study = a_study(riders=RIDER.replace('declined = ["0"]', "declined = []"))
    participant = the_one(a_row(rider_a="0"), counting=a_counting(study))
    assert (participant.riders, participant.quality) == (("not_answered",), frozenset())


@pytest.mark.parametrize(("box", "answer"), [("1", "agreed"), ("0", "declined"), ("", "declined")])
def test_a_blank_box_of_a_rider_is_an_unticked_one(box: str, answer: str) -> None:
    counting = a_counting(a_study(riders=CHECKBOX_RIDER))
    assert the_one(a_row(extras___7=box), counting=counting).riders == (answer,)


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [("1", "0", "declined"), ("0", "1", "agreed"), ("1", "", "not_answered")],
)
def test_a_rider_comes_from_the_latest_consent(first: str, second: str, answer: str) -> None:
    rows = [on_day("2023-09-20", instance="1", rider_a=second), on_day("2023-09-12", instance="2", rider_a=first)]
    assert the_one(*rows).riders == (answer,)


@pytest.mark.parametrize("later", ["2023-10-02", ""])
def test_a_consent_that_does_not_count_changes_no_rider(later: str) -> None:
    assert the_one(on_day("2023-09-12", rider_a="1"), on_day(later, instance="2", rider_a="0")).riders == ("agreed",)


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ({INSTANCE: "2"}, {INSTANCE: "10"}, "declined"),
        ({EVENT: "enrolment", INSTANCE: "2"}, {EVENT: "closing", INSTANCE: "1"}, "declined"),
        ({EVENT: "enrolment"}, {EVENT: "unlisted"}, "declined"),
    ],
)
def test_consents_of_one_day_are_sorted_by_event_then_instance(
    one: dict[str, str], other: dict[str, str], answer: str
) -> None:
    column_map = a_column_map(a_study(), event_order=("enrolment", "closing"))
    rows = [on_day("2023-09-12", rider_a="0") | other, on_day("2023-09-12", rider_a="1") | one]
    assert the_one(*rows, counting=a_counting(column_map=column_map)).riders == (answer,)


@pytest.mark.parametrize(
    ("offering", "answer"),
    [({0, 1}, "declined"), ({0}, "agreed"), ({1}, "declined"), (set(), "not_offered")],
)
def test_a_rider_comes_from_the_latest_consent_whose_form_offers_it(offering: set[int], answer: str) -> None:
    column_map = a_column_map(TWO_FORMS, offered_by={"rider a": dict.fromkeys(offering, RIDER_FIELDS)})
    rows = [a_row(v2_date="", v2_obtained=""), of_form_2("2023-09-20", rider_a="0")]
    assert the_one(*rows, counting=a_counting(TWO_FORMS, column_map=column_map)).riders == (answer,)


def test_a_rider_of_a_form_without_agreement_is_not_offered() -> None:
    column_map = a_column_map(TWO_FORMS, offered_by={"rider a": {1: RIDER_FIELDS}})
    rows = [a_row(v2_date="", v2_obtained=""), of_form_2("2023-09-20", "2", rider_a="1")]
    assert the_one(*rows, counting=a_counting(TWO_FORMS, column_map=column_map)).riders == ("not_offered",)


@pytest.mark.parametrize(
    "structure", [{EVENT: "riders"}, {INSTRUMENT: "riders", INSTANCE: "1"}, {EVENT: "start", INSTANCE: "2"}]
)
def test_a_rider_may_have_its_own_form_or_event(structure: dict[str, str]) -> None:
    apart = a_row(consent_date="", consent_obtained="", rider_a="1") | structure
    assert the_one(on_day("2023-09-12", rider_a=""), apart).riders == ("agreed",)


def test_the_later_of_two_separate_rider_forms_counts() -> None:
    apart = {"consent_date": "", "consent_obtained": "", INSTRUMENT: "riders"}
    rows = [a_row(**apart, rider_a="0") | {INSTANCE: "10"}, a_row(**apart, rider_a="1") | {INSTANCE: "9"}]
    assert the_one(*rows, on_day("2023-09-12", rider_a="")).riders == ("declined",)


def test_a_separate_rider_form_is_found_beside_a_row_with_two_consents() -> None:
    both = a_row(v2_date="2023-09-12", v2_obtained="1", rider_a="")
    blank = dict.fromkeys(("consent_date", "consent_obtained", "v2_date", "v2_obtained"), "")
    apart = a_row(**blank, rider_a="1") | {INSTRUMENT: "riders", INSTANCE: "1"}

    assert the_one(both, apart, counting=a_counting(TWO_FORMS)).riders == ("agreed",)


def test_a_consent_in_an_event_that_does_not_count_answers_no_rider() -> None:
    rows = [on_day("2023-09-12", event="start", rider_a=""), on_day("2023-09-20", event="year_2", rider_a="1")]
    assert the_one(*rows, counting=a_counting(IN_EVENTS)).riders == ("not_answered",)


@pytest.mark.parametrize("decision", ["0", "2"])
def test_riders_of_those_who_did_not_consent_are_not_answers(decision: str) -> None:
    assert the_one(a_row(consent_obtained=decision)).riders == ("",)


# Records left out, and outside the study


LEAVE_OUT = """
[[leave_out]]
reason = "test record"
id_pattern = "TEST.*|999"
[[leave_out]]
reason = "moved away"
field = "moved"
codes = ["1", "2"]
"""
ONLY = '\n[only]\nfield = "cohort"\ncodes = ["ibd", "both"]\n'


@pytest.mark.parametrize(
    ("record", "moved", "expected"),
    [
        ("TEST 1", "", ("left_out", "test record")),
        ("999", "1", ("left_out", "test record")),
        ("1", "1", ("left_out", "moved away")),
        ("1", "2", ("left_out", "moved away")),
        ("9990", "", ("consented", "")),
        ("MY TEST", "0", ("consented", "")),
    ],
)
def test_records_are_left_out_by_their_full_id_or_a_code(record: str, moved: str, expected: tuple[str, str]) -> None:
    assert class_of(a_row(record, moved=moved), counting=a_counting(a_study(more=LEAVE_OUT))) == expected


@pytest.mark.parametrize(
    ("cohort", "expected"),
    [("both", "consented"), ("control", "outside"), ("", "outside")],
)
def test_records_without_a_code_of_only_are_outside(cohort: str, expected: str) -> None:
    assert the_one(a_row(cohort=cohort), counting=a_counting(a_study(more=ONLY))).kind == expected


def test_one_row_with_the_code_is_enough_to_be_inside() -> None:
    rows = [a_row(cohort=""), on_day("", event="later", cohort="ibd")]
    assert the_one(*rows, counting=a_counting(a_study(more=ONLY))).kind == "consented"


def test_left_out_comes_before_outside() -> None:
    counting = a_counting(a_study(more=LEAVE_OUT + ONLY))
    assert class_of(a_row("TEST", cohort="", moved=""), counting=counting) == ("left_out", "test record")


def test_working_copies_of_double_data_entry_are_no_participants() -> None:
    copies, others = ("1--1", "A 7--2", "1--1--2", "TEST--1"), ("--1", "1--3", "1--11", "1-1", "1--1 ")
    rows = [a_row(record, moved="", cohort="both") for record in (*copies, *others)]
    found = the_participants(rows, a_counting(a_study(more=LEAVE_OUT + ONLY)))
    assert {record for record, who in found.items() if who.kind == "working_copy"} == {*copies}
    assert {found[record].kind for record in others} == {"consented"}


def test_a_study_may_have_people_who_are_named_like_working_copies() -> None:
    study = a_study(consents="double_data_entry = false" + CONSENT)
    assert class_of(a_row("1--1"), counting=a_counting(study)) == ("consented", "")


def test_records_left_out_are_nothing_else() -> None:
    row = a_row("TEST", moved="", rider_a="7", consent_obtained="9")
    left_out = the_one(row, counting=a_counting(a_study(more=LEAVE_OUT)))
    assert left_out == PlainParticipant("left_out", "test record", riders=("",), optional={"contradicts": False})


def test_the_record_id_can_be_the_field_of_leave_out() -> None:
    study = a_study(more='[[leave_out]]\nreason = "trial run"\nfield = "record_id"\ncodes = ["1"]\n')
    columns = {**a_column_map(study).columns, FieldRef("record_id"): RECORD}

    counting = a_counting(study, column_map=a_column_map(study, columns=columns))

    assert class_of(a_row("1"), counting=counting) == ("left_out", "trial run")


# Records to review


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({}, set()),
        ({"consent_date": ""}, {"no_date"}),
        ({"consent_date": "soon"}, {"unreadable_date"}),
        ({"consent_date": "2023-10-03"}, set()),  # after the cut-off is no mistake
        ({"consent_date": "Consent not completed"}, {"agreed_but_open"}),
        ({"consent_obtained": "9", "rider_a": ""}, {"unknown_code"}),
        ({"consent_obtained": "0", "rider_a": ""}, {"dated_but_pending"}),
        ({"consent_obtained": "2"}, {"rider_without_consent"}),
        ({"rider_a": "7"}, {"unknown_code"}),
    ],
)
def test_quality_codes_of_one_consent(values: dict[str, str], codes: set[str]) -> None:
    counting = a_counting(period=a_period("2023-10-01", exported_on="2023-10-05"))
    assert the_one(a_row(**values), counting=counting).quality == codes


@pytest.mark.parametrize(("form", "codes"), [(0, set()), (1, {"rider_without_consent"})])
def test_a_rider_agreed_to_on_a_form_without_it_is_reviewed(form: int, codes: set[str]) -> None:
    column_map = a_column_map(TWO_FORMS, offered_by={"rider a": {form: RIDER_FIELDS}})
    row = a_row(v2_date="", v2_obtained="")
    assert the_one(row, counting=a_counting(TWO_FORMS, column_map=column_map)).quality == codes


def test_a_missing_data_code_is_not_unknown() -> None:
    counting = a_counting(column_map=a_column_map(a_study(), missing_codes=frozenset({"-99"})))
    assert the_one(a_row(rider_a="-99"), counting=counting).quality == set()


@pytest.mark.parametrize("untouched", ["0", ""])
def test_an_untouched_box_elsewhere_does_not_take_back_a_tick(untouched: str) -> None:
    rows = [
        {RECORD: "1", EVENT: "e1", "consent_date": "2023-09-12", "consent_obtained": "1", "extras___7": untouched},
        {RECORD: "1", EVENT: "e2", "consent_date": "", "consent_obtained": "", "extras___7": "1"},
        {RECORD: "1", EVENT: "e3", "consent_date": "", "consent_obtained": "", "extras___7": untouched},
    ]
    assert the_one(*rows, counting=a_counting(a_study(riders=CHECKBOX_RIDER))).riders == ("agreed",)


def test_a_rider_on_the_consent_form_is_not_read_from_unsigned_rows() -> None:
    rows = [
        a_row(redcap_event_name="e1", rider_a=""),
        a_row(redcap_event_name="e2", rider_a="1", consent_date="", consent_obtained=""),
    ]
    on_the_form = a_counting(column_map=a_column_map(a_study(), separate_fields={"rider a": ()}))
    assert the_one(*rows, counting=on_the_form).riders == ("not_answered",)


@pytest.mark.parametrize("waiting", ["", "0"])
def test_a_shared_date_belongs_to_the_decided_form_only(waiting: str) -> None:
    representative = CONSENT.replace('"consent_obtained"', '"representative_agreed"')
    counting = a_counting(a_study(consents=CONSENT + representative))
    assert the_one(a_row(representative_agreed=waiting), counting=counting).quality == set()


def test_an_instance_beyond_all_numbers_is_read_as_none() -> None:
    assert class_of(a_row(redcap_repeat_instance="9" * 25)) == ("consented", "")


def test_every_consent_has_quality_codes_not_only_the_decisive_one() -> None:
    rows = [on_day("2023-09-12", instance="1"), on_day("", instance="2"), on_day("soon", instance="3")]
    assert the_one(*rows).quality == {"no_date", "unreadable_date"}


# One form for several consents, and forms without a decision

SEVERAL = a_study(
    consents=CONSENT + 'where = { which = ["main"] }\n',
    riders=RIDER.replace('"rider_a"', '"consent_obtained"').replace('"0"', '"2"') + 'where = { which = ["blood"] }\n',
)


def signed_for(which: str, day: str = "2023-09-12", decision: str = "1", *, record: str = "1") -> dict[str, str]:
    """A repeat of the form that holds every consent."""
    return on_day(day, decision=decision, instance="1") | {RECORD: record, "which": which}


def test_only_the_rows_that_where_selects_are_consents() -> None:
    rows = [
        *(signed_for("main"), signed_for("blood", "2023-09-20")),
        *(signed_for("main", record="2"), signed_for("puncture", decision="2", record="2")),
        *(signed_for("main", decision="2", record="3"), signed_for("blood", record="3")),
        signed_for("blood", record="4"),
    ]
    found = the_participants(rows, a_counting(SEVERAL))
    assert {record: (one.kind, one.taking_part, one.riders, {*one.quality}) for record, one in found.items()} == {
        "1": ("consented", True, ("agreed",), set()),
        "2": ("consented", True, ("not_answered",), set()),
        "3": ("declined", False, ("",), {"rider_without_consent"}),
        "4": ("pending", False, ("",), {"rider_without_consent"}),
    }


@pytest.mark.parametrize(
    ("agreed_when", "values", "expected"),
    [
        ("dated", {}, ("consented", "")),
        ("dated", {"consent_date": ""}, ("pending", "not_started")),
        ("dated", {"consent_date": "Consent not completed"}, ("pending", "open")),
        ("dated", {"consent_date": "soon"}, ("not_counted", "unreadable_date")),
        ("complete", {"consent_complete": "2"}, ("consented", "")),
        ("complete", {"consent_complete": "1"}, ("pending", "open")),
        ("complete", {"consent_complete": "0", "consent_date": ""}, ("pending", "not_started")),
        ("complete", {"consent_complete": "2", "consent_date": ""}, ("not_counted", "no_date")),
    ],
)
def test_a_date_or_a_status_takes_the_place_of_a_decision(
    agreed_when: str, values: dict[str, str], expected: tuple[str, str]
) -> None:
    form = f'[[consent]]\ndate = "consent_date"\nagreed_when = "{agreed_when}"\n'
    status = 'form_complete = "consent_complete"\n' if agreed_when == "complete" else ""
    study = a_study(consents=form + status + 'pending_text = ["Consent not completed"]\n')
    assert class_of(a_row(consent_obtained="2", **values), counting=a_counting(study)) == expected


@pytest.mark.parametrize(
    ("answers", "answer"),
    [(("1", ""), "agreed"), (("", "0"), "declined"), (("1", "0"), "declined"), (("7", "1"), "agreed")],
)
def test_of_the_fields_of_one_rider_a_refusal_counts_before_an_agreement(answers: tuple[str, str], answer: str) -> None:
    study = a_study(riders=RIDER.replace('"rider_a"', '["rider_a", "rider_fr"]'))
    row = a_row(rider_a=answers[0], rider_fr=answers[1])
    assert the_one(row, counting=a_counting(study)).riders == (answer,)


def test_a_rider_on_the_row_beside_a_repeating_form_is_read_there() -> None:
    column_map = a_column_map(TWO_FORMS)
    repeat = of_form_2("2023-09-20") | {INSTRUMENT: "v2", INSTANCE: "1", EVENT: ""}
    rows = [a_row(v2_date="", v2_obtained="", rider_a="0"), repeat]
    assert the_one(*rows, counting=a_counting(TWO_FORMS, column_map=column_map)).riders == ("declined",)


def test_a_consent_in_an_event_without_the_riders_form_does_not_hide_its_answer() -> None:
    column_map = a_column_map(a_study(), rider_events={"rider a": frozenset({"start"})})
    rows = [on_day("2023-09-12", event="start", rider_a="1"), on_day("2023-09-20", event="year_1", rider_a="")]
    assert the_one(*rows, counting=a_counting(column_map=column_map)).riders == ("agreed",)
