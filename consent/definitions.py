"""The counting rules of one study in plain words, made from its study file: what is printed is what was applied.

Applies no rule: ``consents.py``, ``participants.py`` and what they use do. What a study does not have is not mentioned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from consent.day_words import long_day, short_day, weekday_of
from consent.optional_definitions import accrual_rules, renewal_rules, site_rules, version_rules, withdrawal_rules
from consent.period import WEEK
from consent.study import NOT_COMPLETED, ConsentForm, LeaveOut, Rider, StudyConfig
from consent.study_words import codes, either, field


@dataclass(frozen=True)
class Definition:
    """One rule: what it is about, and the rule in plain words (a line break begins a new line of a list)."""

    heading: str
    text: str


def definitions(study: StudyConfig) -> tuple[Definition, ...]:
    """Every counting rule of this study, in the order in which a record meets them."""
    return tuple(Definition(heading, text) for heading, text in _all(study) if text)


def _all(study: StudyConfig) -> Iterator[tuple[str, str]]:
    yield "Days and weeks", _days(study)
    yield "Who is a participant", _people(study)
    for n, form in enumerate(study.consents, 1):
        yield "Consent form" if len(study.consents) == 1 else f"Consent form {n}", _form(form, study)
    yield "What one consent says", _decision(study)
    yield "Classes", _CLASSES
    yield "Several consents of one participant", _several(study)
    yield "Taking part now", _taking_part(study)
    yield "Optional consents (riders)", _riders(study)
    yield "Form versions", version_rules(study.version) if study.version else ""
    yield "Withdrawal", withdrawal_rules(study.withdrawal) if study.withdrawal else ""
    yield "Sites", site_rules(study.sites) if study.sites else ""
    yield "Recruitment", accrual_rules(study.accrual) if study.accrual else ""
    yield "Since the last approval", renewal_rules(study.accrual, study.withdrawal) if study.accrual else ""
    yield "To look at", _quality(study)
    yield "Completeness", _completeness(study)
    yield "Changed since the last report", _CHANGES


def _days(study: StudyConfig) -> str:
    start = study.start_date
    last = start + WEEK - timedelta(days=1)
    return (
        f"The first day counted is {long_day(start)}. Weeks are the 7-day periods from then on, {weekday_of(start)} to "
        f"{weekday_of(last)}, by the calendar of {study.time_zone}; a week without consents is shown as 0. The cut-off "
        "is the last day counted. A week is complete once all its days are counted and were over on the day of the "
        "export; until then it is marked 'in progress', or 'counted to' its last day counted. A report as of an "
        "earlier day is the data of the day of the export cut at that day, not what REDCap held then."
    )


def _people(study: StudyConfig) -> str:
    told = "A participant is one REDCap record."
    if study.only:
        told += f" Only records with {codes(study.only.codes)} in {field(study.only.field)} are in the study; the "
        told += "others are outside it."
    if study.leave_out:
        told += " Left out and counted apart, before everything else and by the first reason that applies:"
    return "\n".join([told, *(f"{rule.reason}: {_matching(rule)}." for rule in study.leave_out)])


def _matching(rule: LeaveOut) -> str:
    if rule.field is None:
        return f"the record's whole id matches the pattern {rule.id_pattern}"
    return f"{codes(rule.codes)} in {field(rule.field)}"


def _form(form: ConsentForm, study: StudyConfig) -> str:
    told = [f"The decision is {field(form.decision)}: {codes(form.agreed)} means agreed."]
    if form.declined:
        told.append(f"{codes(form.declined).capitalize()} means declined.")
    waiting = ["blank", *([codes(form.pending)] if form.pending else []), "a missing-data code of the project"]
    told.append(f"Still pending is what is {either(waiting)}.")
    told.append(f"The date is field {form.date}, read as YYYY-MM-DD (or the date part of a date and time).")
    if form.date.endswith("_timestamp"):
        told.append(f"A survey's timestamp is taken from the server's time zone, {study.redcap.time_zone}.")
    if texts := _texts_of_the_undecided(form):
        told.append(f"Where the date says {either(texts)}, an agreement is still pending.")
    if form.events:
        told.append(f"It counts on rows of the event {either(form.events)} alone.")
    if form.form_complete:
        told.append(f"An agreement counts only where {form.form_complete} is 2 (complete); until then it is pending.")
    return " ".join(told)


def _texts_of_the_undecided(form: ConsentForm) -> list[str]:
    """What the date can say of a consent that nobody has completed, in quotation marks."""
    of_surveys = [NOT_COMPLETED] if form.date.endswith("_timestamp") else []
    return [f"'{text}'" for text in (*form.pending_text, *of_surveys)]


def _decision(study: StudyConfig) -> str:
    start = short_day(study.start_date)
    steps = [
        "declined: declined, whatever its date;",
        "blank, pending or not completed: pending;",
        "a code that the study file does not name: not counted;",
        "agreed, without a date or an unreadable one: not counted;",
        f"agreed before {start}: not counted;",
        "agreed after the day of export or the cut-off: not counted;",
        "agreed: consented, on its date.",
    ]
    told = "A consent is one row with a decision. The first of these that applies decides, never a date alone:"
    return "\n".join([told, *(f"{n}. {step}" for n, step in enumerate(steps, 1))])


_CLASSES = (
    "Each participant is in exactly one class: consented, declined, not counted (with the first "
    "reason of the list above) or pending (open, or not started where there is neither decision nor date). The total "
    "is the sum of the classes."
)


def _several(study: StudyConfig) -> str:
    return (
        "The class is the first that any of them gives, in the order consented, declined, not counted, pending. The "
        "first agreement up to the cut-off is the day of consent; whoever first agreed before "
        f"{short_day(study.start_date)} is not counted, whatever came later. Consenting again makes no second "
        "participant."
    )


def _taking_part(study: StudyConfig) -> str:
    ends = ["refused after the latest agreement", *(["withdrew (see Withdrawal)"] if study.withdrawal else [])]
    return (
        f"Everyone who consented, except those who, up to the cut-off, {either(ends)}. A refusal of the same day as "
        "the agreement, or without a usable date (blank, unreadable or after the day of the export), came later if it "
        "stands after it in the order of event, form and repeat instance. Whoever has once consented stays among those "
        "who ever did, whom the headline calls 'in all'."
    )


def _riders(study: StudyConfig) -> str:
    if not study.riders:
        return ""
    told = (
        "An optional consent (rider) is counted for consented participants alone, in the week of their consent, as "
        "answered on the latest agreed consent that has it; where it is kept on a form or in an event of its own, as "
        "last answered there. Not answered is blank or any other code; not offered is who agreed to no form that has "
        "it. Uptake is agreed, divided by agreed, declined and not answered."
    )
    coded = {(rider.agreed, rider.declined) for rider in study.riders}
    if len(coded) > 1 or len(study.riders) == 1:
        return "\n".join(
            [told, *(f"{_named(rider)}, {_meanings(rider)}{_versions_with(rider)}." for rider in study.riders)]
        )
    shared = f"In each of them {_meanings(study.riders[0])}."
    fields = (f"{rider.key}: {field(rider.field)}{_versions_with(rider)}." for rider in study.riders)
    return "\n".join([told, shared, *fields])


def _named(rider: Rider) -> str:
    return f"{rider.key if rider.label == rider.key else f'{rider.key} ({rider.label})'}: {field(rider.field)}"


def _meanings(rider: Rider) -> str:
    declined = f", {codes(rider.declined)} declined" if rider.declined else ""
    return f"{codes(rider.agreed)} means agreed{declined}"


def _versions_with(rider: Rider) -> str:
    return f"; only form version {either(rider.offered_in)} has it" if rider.offered_in else ""


def _quality(study: StudyConfig) -> str:
    told = [
        "Participants whose data should be looked at, whatever their class: those with an agreement that is not "
        "counted (but for the cut-off), and those with one of these:",
        "a date, but the consent is still pending;",
    ]
    if any(_texts_of_the_undecided(form) for form in study.consents):
        told.append("agreed, yet the date says that it is not completed: pending;")
    if study.riders:
        form = "form version" if any(rider.offered_in for rider in study.riders) else "form"
        told.append(f"agreed to an optional consent, but to no {form} that has it, whatever the date;")
    if study.withdrawal:
        told.append("a withdrawal without an agreement, or dated before it, or without a usable date;")
    no_code = " (0 in an optional consent is none)" if study.riders else ""
    return " ".join([*told, f"a code that the study file does not name{no_code}."])


def _completeness(study: StudyConfig) -> str:
    told = (
        "REDCap lists its records apart from the export; every record listed must arrive, or nothing is delivered. (A "
        "report made by hand from a file says that this was not checked.) A report whose total or whose consented are "
        f"below those of the last one by more than 5 and by more than {study.guard.max_fall * 100:g}% is not delivered "
        "until a person has confirmed it."
    )
    project = study.redcap.project_id
    return told + (f" Any other REDCap project than number {project} is refused." if project is not None else "")


_CHANGES = (
    "Compared with the last report delivered with an earlier cut-off: how many more consented, and each week that was "
    "complete then and counts differently now. Where counting rules have changed since, they are named, and no "
    "difference is called a correction."
)
