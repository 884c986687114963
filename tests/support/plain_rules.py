"""The counting rules once more, as slow plain Python: one participant at a time, one rule after the other.

Written from the printed rules, independently of the product's code, so the two can be compared. Shares with the product
only the study file's values and the names of codes; reads every date and sorts every consent itself.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from consent.counting.consents import Counting
from consent.redcap.arrivals import EVENT, GROUP, RECORD
from consent.studies.model import ConsentForm, FieldRef, LeaveOut, Rider, SiteRules
from tests.support.plain_values import (
    PlainConsent,
    PlainParticipant,
    PlainWithdrawal,
    Row,
    answer_in,
    day_named,
    in_order,
    is_chosen,
    place_of,
    row_beside,
    text_in,
    ticked,
    value_of,
)

NOT_COUNTED_IN_ORDER = ("unknown_code", "no_date", "unreadable_date", "before_start", "future_date", "after_cutoff")


def classify(rows: Iterable[Row], counting: Counting) -> dict[str, PlainParticipant]:
    """Return every participant in the rows, by record id."""
    by_record: dict[str, list[Row]] = {}
    for row in rows:
        by_record.setdefault(row[RECORD], []).append(row)
    return {record: classify_one(record, own, counting) for record, own in by_record.items()}


def classify_one(record: str, rows: list[Row], counting: Counting) -> PlainParticipant:
    """Apply every rule to the rows of one participant."""
    study, no_answers = counting.study, ("",) * len(counting.study.riders)
    nothing = optional_of([], [], "", False, PlainWithdrawal(), counting)
    if re.search(r".--[12]$", record):
        return PlainParticipant("working_copy", riders=no_answers, optional=nothing)
    for rule in study.leave_out:
        if is_left_out(rule, record, rows):
            return PlainParticipant("left_out", rule.reason, riders=no_answers, optional=nothing)
    if study.only and not any(value_of(study.only.field, row) in study.only.codes for row in rows):
        return PlainParticipant("outside", riders=no_answers, optional=nothing)
    consents = consents_of(rows, counting)
    kind, reason = class_of(consents)
    agreed = in_order(consent for consent in consents if consent.verdict == "consented")
    withdrawal = withdrawal_of(agreed, rows, counting)
    consented = kind == "consented"
    refused = consented and any(refuses_after(agreed[-1], other, counting) for other in consents)
    taking_part = consented and not refused and not withdrawal.ends
    return PlainParticipant(
        kind,
        reason,
        consented_on=agreed[0].day if consented else None,
        taking_part=taking_part,
        riders=tuple(answer_to(rider, agreed, rows, counting) for rider in study.riders) if consented else no_answers,
        quality=quality_of(kind, consents, withdrawal, rows, counting),
        optional=optional_of(consents, rows, kind, taking_part, withdrawal, counting),
    )


def is_left_out(rule: LeaveOut, record: str, rows: list[Row]) -> bool:
    """Whether this rule leaves the record out of the study."""
    if rule.field:
        return any(value_of(rule.field, row) in rule.codes for row in rows)
    return re.fullmatch(rule.id_pattern or "", record) is not None


# Consents and the class


def consents_of(rows: list[Row], counting: Counting) -> list[PlainConsent]:
    """Read each row of each form that holds a decision, or a date for a pending one."""
    return [
        read_consent(form, number, row, rows, counting)
        for number, form in enumerate(counting.study.consents)
        for row in rows
        if (not form.events or row[EVENT] in form.events) and has_consent(form, row)
    ]


def has_consent(form: ConsentForm, row: Row) -> bool:
    """Whether a row holds a decision of this form, or a date for a pending one."""
    is_complete = form.agreed_when == "complete" and is_certified(form, row)
    return is_chosen(form.where, row) and bool(ticked(form.decision, row) or row[form.date] or is_complete)


def decision_in(form: ConsentForm, row: Row, counting: Counting) -> str:
    """Return the code of the decision; a form without one is decided by its date or its status."""
    if form.agreed_when == "complete":
        return "complete" if is_certified(form, row) else ""
    if form.agreed_when == "dated":
        is_dated = text_in(FieldRef(form.date), row, counting) and not has_pending_text(form, row)
        return "dated" if is_dated else ""
    return ticked(form.decision, row)


def read_consent(form: ConsentForm, number: int, row: Row, rows: list[Row], counting: Counting) -> PlainConsent:
    """Read what one row says by itself."""
    says_agreed, certified = decision_in(form, row, counting) in form.agreed, is_certified(form, row)
    event, instance = place_of(row, rows, counting)
    return PlainConsent(
        verdict=verdict_of(form, row, counting),
        says_agreed=says_agreed,
        certified=certified,
        agreed_but_open=says_agreed and certified and has_pending_text(form, row),
        day=day_named(row[form.date].strip(), form.date, counting),
        form=number,
        place=(event, number, instance),
        row=row,
        beside=row_beside(row, rows),
    )


def is_certified(form: ConsentForm, row: Row) -> bool:
    """Whether the form is complete, if the study asks for that."""
    return form.form_complete is None or row[form.form_complete] == "2"


def has_pending_text(form: ConsentForm, row: Row) -> bool:
    """Whether the date says that the consent is not completed."""
    return row[form.date].strip() in (*form.pending_text, "[not completed]")


def verdict_of(form: ConsentForm, row: Row, counting: Counting) -> str:
    """Return the first rule that matches."""
    missing, period = counting.column_map.missing_codes, counting.period
    decision, date_text = decision_in(form, row, counting), row[form.date].strip()
    day = day_named(date_text, form.date, counting)
    if decision in form.declined:
        return "declined"
    if decision == "" or decision in form.pending or decision in missing:
        return "open"
    if decision not in form.agreed:
        return "unknown_code"
    if not is_certified(form, row):
        return "open"
    if date_text == "" or date_text in missing:
        return "no_date"
    if has_pending_text(form, row):
        return "open"
    if day is None:
        return "unreadable_date"
    if day < period.start:
        return "before_start"
    if day > period.exported_on:
        return "future_date"
    return "after_cutoff" if day > period.cutoff else "consented"


def class_of(consents: list[PlainConsent]) -> tuple[str, str]:
    """Return the class and its reason: before the start for good, else the first class that any consent gives."""
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


def refuses_after(latest: PlainConsent, other: PlainConsent, counting: Counting) -> bool:
    """Whether another consent is a refusal after the latest agreement, by the cut-off."""
    if other.verdict != "declined":
        return False
    day = usable_day(other.day, counting)
    if day is None or latest.day is None:
        return other.place > latest.place
    return day <= counting.period.cutoff and (day, other.place) > (latest.day, latest.place)


def usable_day(day: date | None, counting: Counting) -> date | None:
    """Return a day that was not in the future when the data were exported."""
    return day if day and day <= counting.period.exported_on else None


# Riders


def answer_to(rider: Rider, agreed: list[PlainConsent], rows: list[Row], counting: Counting) -> str:
    """Return the answer on the latest agreed consent that has the rider."""
    offering = [consent for consent in agreed if has_rider(rider, consent, counting)]
    if not offering:
        return "not_offered"
    events = counting.column_map.rider_events.get(rider.key, ())
    latest = ([consent for consent in offering if consent.row[EVENT] in events] or offering)[-1]
    fields = counting.column_map.offered_by[rider.key][latest.form]
    answer = answer_in(rider, fields, latest.row) or (latest.beside and answer_in(rider, fields, latest.beside)) or ""
    answer = answer or answer_elsewhere(rider, rows, counting)
    if rider.fields[0].is_checkbox and answer == "":
        answer = "0"
    if answer in rider.agreed:
        return "agreed"
    return "declined" if answer in rider.declined else "not_answered"


def has_rider(rider: Rider, consent: PlainConsent, counting: Counting) -> bool:
    """Whether the form that was signed, in the version that was signed, has the rider."""
    on_form = consent.form in counting.column_map.offered_by[rider.key]
    return on_form and (not rider.offered_in or version_of(consent, counting) in rider.offered_in)


def version_of(consent: PlainConsent, counting: Counting) -> str:
    """Return the form version that was signed."""
    field = counting.study.version and counting.study.version.field
    beside = consent.beside and text_in(field, consent.beside, counting)
    return text_in(field, consent.row, counting) or beside or ""


def answer_elsewhere(rider: Rider, rows: list[Row], counting: Counting) -> str:
    """Return the last answer on the rows that the rider selects, else on rows without any consent."""
    fields = counting.column_map.separate_fields[rider.key]
    forms = () if rider.where else counting.study.consents
    others = [row for row in rows if is_chosen(rider.where, row) and not any(has_consent(form, row) for form in forms)]
    answered = [row for row in others if answer_in(rider, fields, row)]
    return answer_in(rider, fields, max(answered, key=lambda row: place_of(row, rows, counting))) if answered else ""


# Withdrawals


def withdrawal_of(agreed: list[PlainConsent], rows: list[Row], counting: Counting) -> PlainWithdrawal:
    """Read the withdrawal by the cut-off: dates up to then, or a flag without a usable date."""
    rules = counting.study.withdrawal
    if rules is None:
        return PlainWithdrawal()
    dates = [withdrawal_date_in(row, counting) for row in rows]
    usable = [day for day in dates if day]
    past = [day for day in usable if day <= counting.period.cutoff]
    flagged = any(rules.flag and text_in(rules.flag, row, counting) in rules.codes for row in rows)
    day = max(past, default=None)
    recorded = bool(past) or (flagged and not usable)
    extent = extent_of(day, rows, counting)
    holds = recorded and not (day and agreed and agreed[-1].day and agreed[-1].day > day)
    texts = [text_in(FieldRef(rules.date) if rules.date else None, row, counting) for row in rows]
    return PlainWithdrawal(
        recorded=recorded,
        day=day,
        extent=extent,
        holds=holds,
        ends=holds and (extent == "" or not rules.ends or extent in rules.ends),
        has_unusable_date=any(text and day is None for text, day in zip(texts, dates, strict=True)),
    )


def withdrawal_date_in(row: Row, counting: Counting) -> date | None:
    """Return the usable withdrawal date in a row."""
    name = counting.study.withdrawal and counting.study.withdrawal.date
    return usable_day(day_named(text_in(FieldRef(name), row, counting), name, counting), counting) if name else None


def extent_of(day: date | None, rows: list[Row], counting: Counting) -> str:
    """Return the last extent on a row with the withdrawal's date, else the last on a row without a usable date."""
    beside_date, beside_none = [], []
    for row in rows:
        extent = text_in(counting.study.withdrawal and counting.study.withdrawal.extent, row, counting)
        own_day = withdrawal_date_in(row, counting)
        place = (*place_of(row, rows, counting), extent)
        if extent and own_day is None:
            beside_none.append(place)
        elif extent and own_day == day:
            beside_date.append(place)
    return max(beside_date or beside_none, default=(0, 0, ""))[2]


# Sites, versions, withdrawals and recruitment, for studies that have them


def optional_of(
    consents: list[PlainConsent],
    rows: list[Row],
    kind: str,
    taking_part: bool,
    withdrawal: PlainWithdrawal,
    counting: Counting,
) -> dict[str, Any]:
    """Return the optional columns of a participant of this class (none for those left out or outside)."""
    study, consented = counting.study, kind == "consented"
    agreed = in_order(consent for consent in consents if consent.verdict == "consented")
    found: dict[str, Any] = {}
    agreed_on = {(consent.form, consent.day) for consent in agreed}
    found["contradicts"] = any(one.verdict == "declined" and (one.form, one.day) in agreed_on for one in consents)
    for n, form in enumerate(study.consents):
        if form.where or form.events:
            found[f"form:{n}"] = any(consent.form == n for consent in consents)
    if study.sites:
        last = [week for week in counting.period.weeks if week.complete][-4:]
        day = agreed[0].day if consented else None
        found["site"] = site_of(agreed, rows, study.sites, counting)
        found["recent"] = any(day and week.first_day <= day <= week.last_day for week in last)
    if study.version:
        found["version"] = version_of(agreed[-1], counting) if consented else ""
    if study.withdrawal:
        found["withdrawn"] = consented and withdrawal.holds
        found["extent"] = withdrawal.extent if found["withdrawn"] else ""
        found["undated"] = found["withdrawn"] and withdrawal.undated
    if study.accrual:
        found["agreed"] = any(counts_against_the_approved(consent) for consent in consents)
        found["outcome"] = outcome_of(kind, taking_part, withdrawal)
        found["since_approval"] = is_since_approval(kind, consents, counting)
        found["ended_since"] = has_ended_since_approval(found["outcome"], consents, withdrawal, counting)
    return found


def site_of(agreed: list[PlainConsent], rows: list[Row], rules: SiteRules, counting: Counting) -> str:
    """Return the site of the latest agreed consent, else the first site on any row, in the order of events."""
    by_place = sorted(rows, key=lambda row: place_of(row, rows, counting))
    candidates = [*(consent.row for consent in agreed[-1:]), *by_place]
    named = [text_in(rules.by, row, counting) if rules.by else row[GROUP] for row in candidates]
    return next((site for site in named if site), "")


def counts_against_the_approved(consent: PlainConsent) -> bool:
    """Whether this is an agreement up to the cut-off, or one without a usable date."""
    pending = consent.agreed_but_open or not consent.certified
    return consent.says_agreed and not pending and consent.verdict != "after_cutoff"


def outcome_of(kind: str, taking_part: bool, withdrawal: PlainWithdrawal) -> str:
    """Return the outcome of a decision."""
    if kind != "consented":
        return "declined" if kind == "declined" else ""
    if taking_part:
        return "taking_part"
    return "withdrawn" if withdrawal.ends else "refused_later"


def is_since_approval(kind: str, consents: list[PlainConsent], counting: Counting) -> bool:
    """Whether the decision is dated on the day of the last approval or later."""
    approved_on = counting.study.accrual and counting.study.accrual.approval_date
    days = [consent.day for consent in consents if consent.verdict == kind and consent.day]
    in_time = [day for day in days if day <= counting.period.cutoff]
    return bool(approved_on and in_time and min(in_time) >= approved_on)


def has_ended_since_approval(
    outcome: str, consents: list[PlainConsent], withdrawal: PlainWithdrawal, counting: Counting
) -> bool:
    """Whether what ended taking part is dated on the day of the last approval or later."""
    approved_on = counting.study.accrual and counting.study.accrual.approval_date
    if not approved_on or outcome not in ("withdrawn", "refused_later"):
        return False
    if outcome == "withdrawn":
        return bool(withdrawal.day and withdrawal.day >= approved_on)
    latest = in_order(consent for consent in consents if consent.verdict == "consented")[-1]
    days = [usable_day(other.day, counting) for other in consents if refuses_after(latest, other, counting)]
    return min((day for day in days if day), default=date.min) >= approved_on


# Records to review


def quality_of(
    kind: str, consents: list[PlainConsent], withdrawal: PlainWithdrawal, rows: list[Row], counting: Counting
) -> frozenset[str]:
    """Return the reasons to review the record."""
    study = counting.study
    agreed = in_order(consent for consent in consents if consent.verdict == "consented")
    first = agreed[0].day if kind == "consented" else None
    listed = [site.code for site in study.sites.listed] if study.sites else []
    site = site_of(agreed, rows, study.sites, counting) if study.sites and listed else ""
    extents = {*study.withdrawal.ends, *study.withdrawal.extent_labels} if study.withdrawal else set()
    extent = study.withdrawal.extent if study.withdrawal and extents else None
    unknown = (
        (site not in ("", *listed))
        or any(text_in(extent, row, counting) not in ("", *extents) for row in rows)
        or any(is_unknown(rider, row, counting) for rider in study.riders for row in rows)
    )
    tests = {
        "agreed_but_open": any(consent.agreed_but_open for consent in consents),
        "dated_but_pending": any(consent.verdict == "open" and consent.day for consent in consents),
        "unknown_code": unknown,
        "rider_without_consent": any(is_agreed_without(rider, consents, rows, counting) for rider in study.riders),
        "withdrawal_without_consent": withdrawal.recorded and not any(consent.says_agreed for consent in consents),
        "withdrawal_before_consent": first and withdrawal.day and withdrawal.day < first,
        "withdrawal_undated": withdrawal.undated or withdrawal.has_unusable_date,
    }
    verdicts = {consent.verdict for consent in consents} & {*NOT_COUNTED_IN_ORDER} - {"after_cutoff"}
    return frozenset(verdicts | {code for code, holds in tests.items() if holds})


def is_unknown(rider: Rider, row: Row, counting: Counting) -> bool:
    """Whether the study file does not list an answer in this row; 0 is always known."""
    known = ("", "0", *rider.agreed, *rider.declined, *counting.column_map.missing_codes)
    return is_chosen(rider.where, row) and any(value_of(ref, row) not in known for ref in rider.fields)


def is_agreed_without(rider: Rider, consents: list[PlainConsent], rows: list[Row], counting: Counting) -> bool:
    """Whether a rider was agreed to without any agreement on a form, and version of it, that has it."""
    chosen = [row for row in rows if is_chosen(rider.where, row)]
    if not any(value_of(ref, row) in rider.agreed for row in chosen for ref in rider.fields):
        return False
    return not any(consent.says_agreed and has_rider(rider, consent, counting) for consent in consents)
