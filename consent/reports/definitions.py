"""The counting rules of one study in plain words, made from its study file. What a study does not have is absent.

The rules are applied in ``consent/counting``; a change there needs a change here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from consent.dates import WEEK, long_day, short_day, weekday_of
from consent.files import shareable_stem
from consent.reports.optional_definitions import optional_rules
from consent.reports.wording import RECORDS_TO_REVIEW, UNUSABLE_DATE, code_names, either, field_name, rows_where
from consent.studies.model import NOT_COMPLETED, ConsentForm, StudyConfig


@dataclass(frozen=True)
class Definition:
    """One rule: its subject, and its text; a line break begins a new line of a list."""

    heading: str
    text: str


def definitions(study: StudyConfig) -> tuple[Definition, ...]:
    """Return every counting rule of this study, in the order in which they apply to a record."""
    return tuple(Definition(heading, text) for heading, text in _rules(study))


def _rules(study: StudyConfig) -> Iterator[tuple[str, str]]:
    yield "Days and weeks", _days(study)
    yield "Who is a participant", _people(study)
    for n, form in enumerate(study.consents, 1):
        yield "Consent form" if len(study.consents) == 1 else f"Consent form {n}", _form(form, study)
    yield "What one consent means", _decision(study)
    yield "Classes", _CLASSES
    yield "Several consents of one participant", _several(study)
    yield "Still taking part", _taking_part(study)
    yield from optional_rules(study)
    yield RECORDS_TO_REVIEW, _review(study)
    yield "Completeness", _completeness(study)
    yield "Changed since the last report", _CHANGES
    yield "For whom this report is", _audience(study)


def _days(study: StudyConfig) -> str:
    start = study.start_date
    last = start + WEEK - timedelta(days=1)
    return (
        f"The first day counted is {long_day(start)}. Weeks are 7-day periods from that day, {weekday_of(start)} to "
        f"{weekday_of(last)}, by the calendar of {study.time_zone}. A week without consents is shown as 0. "
        "The cut-off is the last day counted. A week is complete when its last day is counted and was over on the day "
        "of the export. Until then it is marked 'in progress', or 'counted to' its last day counted. A report as of an "
        "earlier day uses the data of the day of the export, cut at that earlier day. It does not show what REDCap "
        "held then."
    )


def _people(study: StudyConfig) -> str:
    text = ["A participant is one REDCap record."]
    if study.redcap.double_data_entry:
        text.append("Working copies of double data entry (ids ending in --1 or --2) are none, and counted separately.")
    if study.only:
        text.append(
            f"Only records with {code_names(study.only.codes)} in {field_name(study.only.field)} are in the study."
        )
        text.append("All others are outside it.")
    if study.leave_out:
        text.append("These records are left out first and counted separately, by the first reason that applies:")
    lines = [" ".join(text)]
    for rule in study.leave_out:
        pattern = f"the whole record id matches the pattern {rule.id_pattern}"
        lines.append(
            f"{rule.reason}: {f'{code_names(rule.codes)} in {field_name(rule.field)}' if rule.field else pattern}."
        )
    return "\n".join(lines)


def _form(form: ConsentForm, study: StudyConfig) -> str:
    text = [*_answer(form, study)]
    text.append(f"The date is field {form.date}, read as YYYY-MM-DD (or the date part of a date and time).")
    if form.date.endswith("_timestamp"):
        text.append(f"A survey timestamp is converted from the server's time zone, {study.redcap.time_zone}.")
    if texts := _pending_texts(form):
        text.append(f"An agreement is still pending while its date says {either(texts)}.")
    if form.events:
        text.append(f"The form counts only on rows of the event {either(form.events)}.")
    if form.where:
        text.append(f"The form counts only on rows where {rows_where(form.where)}.")
    if form.form_complete:
        text.append(f"An agreement is pending until {form.form_complete} is 2 (complete).")
    return " ".join(text)


def _answer(form: ConsentForm, study: StudyConfig) -> Iterator[str]:
    if form.agreed_when:
        sign = "its date is filled in" if form.agreed_when == "dated" else f"{form.form_complete} is 2 (complete)"
        yield f"The form has no yes or no: it means agreed once {sign}. It records no refusals."
        return
    yield f"The decision is {field_name(form.decision)}: {code_names(form.agreed)} means agreed."
    if form.declined:
        yield f"{code_names(form.declined).capitalize()} means declined."
    waiting = ["blank", *([code_names(form.pending)] if form.pending else []), "a missing-data code of the project"]
    if study.redcap.missing_codes:
        waiting[-1] += f" ({either(study.redcap.missing_codes)} among them)"
    yield f"Pending means {either(waiting)}."


def _pending_texts(form: ConsentForm) -> list[str]:
    """The texts of the date, in quotation marks, that keep an agreement pending."""
    of_surveys = [NOT_COMPLETED] if form.date.endswith("_timestamp") else []
    return [f"'{text}'" for text in (*form.pending_text, *of_surveys)]


def _decision(study: StudyConfig) -> str:
    steps = [
        "declined: declined, at any date;",
        "blank, pending or not completed: pending;",
        "a code that is not in the study file: not counted;",
        "agreed, with a missing or unreadable date: not counted;",
        f"agreed before {short_day(study.start_date)}: not counted;",
        "agreed after the day of the export or the cut-off: not counted;",
        "agreed: consented, on its date.",
    ]
    text = "A consent is one row with a decision. The first of these that applies decides; a date alone never does:"
    if any(form.agreed_when for form in study.consents):
        text = "A consent is one row with a decision, or with a date on a form without one. The first of these decides:"
    return "\n".join([text, *(f"{n}. {step}" for n, step in enumerate(steps, 1))])


_CLASSES = (
    "Each participant is in exactly one class: consented, declined, not counted (by the first reason in the list "
    "above) or pending. Pending is either open or, without a decision and a date, not started. The total is the sum of "
    "the classes."
)


def _several(study: StudyConfig) -> str:
    return (
        "The class is the first that any consent gives, in this order: consented, declined, not counted, pending. The "
        "first agreement up to the cut-off gives the day of consent. A participant who first agreed before "
        f"{short_day(study.start_date)} is not counted, even with a later consent. A re-consent is not a new "
        "participant."
    )


def _taking_part(study: StudyConfig) -> str:
    ends = ["refused after the latest agreement", *(["withdrew (see Withdrawal)"] if study.withdrawal else [])]
    return (
        f"Everyone who consented, except those who {either(ends)} up to the cut-off. Some refusals have the same day "
        f"as the agreement or no usable date {UNUSABLE_DATE}. These are later if they follow the agreement in the "
        "order of event, form and repeat instance. Everyone who ever consented stays in the number of people who have "
        "consented."
    )


def _review(study: StudyConfig) -> str:
    found = ["an agreement that is not counted, except for the cut-off", "a date while the consent is pending"]
    if any(_pending_texts(form) for form in study.consents):
        found.append("agreed, while the date says not completed")
    if study.riders:
        form = "form version" if any(rider.offered_in for rider in study.riders) else "form"
        found.append(f"agreed to an optional consent, but to no {form} that offers it, at any date")
    if study.withdrawal:
        found.append("a withdrawal without an agreement, dated before it, or without a usable date")
    no_code = " (0 in an optional consent is allowed)" if study.riders else ""
    found.append(f"a code that is not in the study file{no_code}")
    return f"A data manager should review participants of any class with one of these: {'; '.join(found)}."


def _completeness(study: StudyConfig) -> str:
    text = (
        "REDCap lists its records separately from the export. Every listed record must arrive, or nothing is "
        "delivered. (A report made from a file says that this was not checked.) A report is not delivered when its "
        f"total or its consented drop by more than 5 and more than {study.max_drop * 100:g}%, until a person "
        "confirms it."
    )
    project = study.redcap.project_id
    return text + (f" Any REDCap project other than number {project} is refused." if project is not None else "")


def _audience(study: StudyConfig) -> str:
    text = "The study team: small numbers are not rounded, and can tell who somebody is. Others get"
    name = f"'{shareable_stem(study.title)}.pdf' instead, with rounded numbers"
    return (
        f"{text} {name if study.shareable else 'no copy, but a page of rounded numbers if the study file asks for it'}."
    )


_CHANGES = (
    "The report is compared with the last one delivered for an earlier cut-off. It shows the difference in consents, "
    "and each week that was complete then and counts differently now. Where counting rules have changed since, they "
    "are named, and a difference is not called a correction."
)
