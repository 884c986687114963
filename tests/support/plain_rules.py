"""The counting rules once more, as slow plain Python: one participant at a time, one rule after the other.

Written from the printed rules and not from the product's code, so that the two can be held against each other. Shares
with the product only the study file's values and the names of codes; reads every date and orders every consent itself.
"""

import re
from collections.abc import Iterable
from datetime import date

from consent.counting.consents import Counting
from consent.redcap.arrivals import EVENT, INSTANCE, RECORD
from consent.studies.model import ConsentForm, LeaveOut, Rider
from tests.support.plain_parts import has_rider, optional_of, quality_of_parts, refuses_after, withdrawal_of
from tests.support.plain_values import (
    PlainConsent,
    PlainParticipant,
    PlainWithdrawal,
    Row,
    day_named,
    event_number,
    in_order,
    value_of,
)

NOT_COUNTED_IN_ORDER = ("unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff")


def classify(rows: Iterable[Row], counting: Counting) -> dict[str, PlainParticipant]:
    """Every participant in the rows, by record id."""
    by_record: dict[str, list[Row]] = {}
    for row in rows:
        by_record.setdefault(row[RECORD], []).append(row)
    return {record: classify_one(record, own, counting) for record, own in by_record.items()}


def classify_one(record: str, rows: list[Row], counting: Counting) -> PlainParticipant:
    """The class, riders and quality codes of the participant whose rows these are."""
    no_answers = ("",) * len(counting.study.riders)
    nothing = optional_of([], [], "", False, PlainWithdrawal(), counting)
    for rule in counting.study.leave_out:
        if is_left_out(rule, record, rows):
            return PlainParticipant("left_out", rule.reason, riders=no_answers, optional=nothing)
    only = counting.study.only
    if only and not any(value_of(only.field, row) in only.codes for row in rows):
        return PlainParticipant("outside", riders=no_answers, optional=nothing)
    consents = consents_of(rows, counting)
    kind, reason = class_of(consents)
    agreed = in_order(consent for consent in consents if consent.verdict == "consented")
    withdrawal = withdrawal_of(agreed, rows, counting)
    quality = quality_of(consents, rows, counting) | quality_of_parts(kind, consents, withdrawal, rows, counting)
    if kind != "consented":
        optional = optional_of(consents, rows, kind, False, withdrawal, counting)
        return PlainParticipant(kind, reason, riders=no_answers, quality=quality, optional=optional)
    refused = any(refuses_after(agreed[-1], other, counting) for other in consents)
    taking_part = not refused and not withdrawal.ends
    return PlainParticipant(
        kind,
        consented_on=agreed[0].day,
        taking_part=taking_part,
        riders=tuple(answer_to(rider, agreed, rows, counting) for rider in counting.study.riders),
        quality=quality,
        optional=optional_of(consents, rows, kind, taking_part, withdrawal, counting),
    )


def consents_of(rows: list[Row], counting: Counting) -> list[PlainConsent]:
    """Each row of each form that holds a decision, or a date that waits for one."""
    return [
        read_consent(form, number, row, rows, counting)
        for number, form in enumerate(counting.study.consents)
        for row in rows
        if (not form.events or row[EVENT] in form.events) and has_consent(form, row, counting)
    ]


def read_consent(form: ConsentForm, number: int, row: Row, rows: list[Row], counting: Counting) -> PlainConsent:
    """What one row says by itself."""
    decision = decision_in(form, row)
    day = day_in(form, row, counting)
    certified = form.form_complete is None or row[form.form_complete] == "2"
    pending_text = row[form.date].strip() in (*form.pending_text, "[not completed]")
    return PlainConsent(
        verdict=verdict_of(form, decision, row[form.date].strip(), certified, pending_text, day, counting),
        says_agreed=decision in form.agreed,
        certified=certified,
        day=day,
        form=number,
        place=(event_number(row, rows, counting), number, int(row[INSTANCE] or 0)),
        row=row,
        agreed_but_open=decision in form.agreed and certified and pending_text,
    )


def verdict_of(
    form: ConsentForm,
    decision: str,
    date_text: str,
    certified: bool,
    pending_text: bool,
    day: date | None,
    counting: Counting,
) -> str:
    """The first rule that matches."""
    missing, period = counting.column_map.missing_codes, counting.period
    if decision in form.declined:
        return "declined"
    if decision == "" or decision in form.pending or decision in missing:
        return "open"
    if decision not in form.agreed:
        return "unknown_code"
    if not certified:
        return "open"
    if date_text == "" or date_text in missing:
        return "no_date"
    if pending_text:
        return "open"
    if day is None:
        return "unreadable_date"
    if day < period.start:
        return "before_start"
    if day > period.exported_on:
        return "future_date"
    if day > period.cutoff:
        return "after_cutoff"
    return "consented"


def class_of(consents: list[PlainConsent]) -> tuple[str, str]:
    """The class and its reason: before the start for good, else the first class that any consent gives."""
    verdicts = {consent.verdict for consent in consents}
    enrolling = in_order(consent for consent in consents if consent.verdict in ("consented", "before_start"))
    if enrolling and enrolling[0].verdict == "before_start":
        return "not_counted", "before_start"
    for kind in ("consented", "declined"):
        if kind in verdicts:
            return kind, ""
    for reason in NOT_COUNTED_IN_ORDER:
        if reason in verdicts:
            return "not_counted", reason
    return "pending", "open" if consents else "not_started"


def answer_to(rider: Rider, agreed: list[PlainConsent], rows: list[Row], counting: Counting) -> str:
    """The answer on the latest agreed consent whose form offers the rider."""
    offering = [consent for consent in agreed if has_rider(rider, consent, counting)]
    if not offering:
        return "not_offered"
    answer = answer_in(rider, offering[-1].row)
    if answer == "" and rider.key in counting.column_map.separate_riders:
        answer = answer_elsewhere(rider, rows, counting)
    if rider.field.is_checkbox and answer == "":
        answer = "0"
    if answer in rider.agreed:
        return "agreed"
    return "declined" if answer in rider.declined else "not_answered"


def answer_elsewhere(rider: Rider, rows: list[Row], counting: Counting) -> str:
    """The last answer on rows without any consent: a rider may have a form or an event of its own."""
    others = [row for row in rows if not any(has_consent(form, row, counting) for form in counting.study.consents)]
    answered = [row for row in others if answer_in(rider, row)]

    def place(row: Row) -> tuple[int, int]:
        return event_number(row, rows, counting), int(row[INSTANCE] or 0)

    return value_of(rider.field, max(answered, key=place)) if answered else ""


def answer_in(rider: Rider, row: Row) -> str:
    """What a row says of a rider; an unticked box is no answer, since an untouched form has it too."""
    value = value_of(rider.field, row)
    return "" if rider.field.is_checkbox and value == "0" else value


def has_consent(form: ConsentForm, row: Row, counting: Counting) -> bool:
    """Whether a row holds a decision of this form, or a date that waits for one."""
    return bool(decision_in(form, row)) or bool(row[form.date])


def quality_of(consents: list[PlainConsent], rows: list[Row], counting: Counting) -> frozenset[str]:
    """What a data manager should look at."""
    codes = {consent.verdict for consent in consents} & {*NOT_COUNTED_IN_ORDER} - {"after_cutoff"}
    if any(consent.agreed_but_open for consent in consents):
        codes.add("agreed_but_open")
    if any(consent.verdict == "open" and consent.day for consent in consents):
        codes.add("dated_but_pending")
    answers = [(rider, value_of(rider.field, row)) for rider in counting.study.riders for row in rows]
    if any(is_unknown(rider, answer, counting) for rider, answer in answers):
        codes.add("unknown_code")
    return frozenset(codes)


def is_unknown(rider: Rider, answer: str, counting: Counting) -> bool:
    """Whether the study file does not say what this answer means; 0 is a blank at least."""
    return answer not in ("", "0", *rider.agreed, *rider.declined, *counting.column_map.missing_codes)


def is_left_out(rule: LeaveOut, record: str, rows: list[Row]) -> bool:
    """Whether this rule takes the record out of the study."""
    if rule.field:
        return any(value_of(rule.field, row) in rule.codes for row in rows)
    return re.fullmatch(rule.id_pattern or "", record) is not None


def decision_in(form: ConsentForm, row: Row) -> str:
    """The decision in a row; an unticked box is no decision."""
    value = value_of(form.decision, row)
    return "" if form.decision.is_checkbox and value == "0" else value


def day_in(form: ConsentForm, row: Row, counting: Counting) -> date | None:
    """The day that a consent's date field names, where the study is."""
    return day_named(row[form.date].strip(), form.date, counting)
