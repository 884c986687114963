"""The counting rules of one study in plain words, made from its study file: what is printed is what was applied.

Applies no rule: ``consents.py``, ``participants.py`` and what they use do. What a study does not have is not mentioned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from consent.dates import WEEK, long_day, short_day, weekday_of
from consent.studies.model import (
    NOT_COMPLETED,
    AccrualGoals,
    ConsentForm,
    FieldRef,
    LeaveOut,
    ListedSite,
    Rider,
    SiteRules,
    StudyConfig,
    VersionRules,
    WithdrawalRules,
)


def field(ref: FieldRef) -> str:
    """``field consent_obtained``, or one option of a checkbox."""
    return f"field {ref}" if ref.code is None else f"option {ref.code} of checkbox {ref.field} (1 ticked, 0 not)"


def codes(values: Sequence[str]) -> str:
    """``code 1``, ``code 1 or 2``."""
    return f"code {either(values)}"


def either(values: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last


def version_rules(rules: VersionRules) -> str:
    """Which form version somebody signed, and when another is due."""
    return (
        f"The version of the form is {field(rules.field)} on the latest agreed consent. Accepted: "
        f"{either(rules.accepted)}. Those taking part now on any other version are due to consent again; a blank "
        "version stands on a line of its own and is not due."
    )


def withdrawal_rules(rules: WithdrawalRules) -> str:
    """Who has withdrawn, how far, and what that ends."""
    signs = [f"a date up to the cut-off in field {rules.date}"] if rules.date else []
    if rules.flag:
        without = " without a usable date" if rules.date else ""
        signs.append(f"{codes(rules.codes)} in {field(rules.flag)}{without}")
    told = [f"Withdrawn is who consented and has {either(signs)}"]
    told[0] += ", unless a consent was agreed to on a later day." if rules.date else "."
    if rules.extent:
        told.append(f"How far it goes is {field(rules.extent)}{_extents(rules)}.")
    told.append(_ending(rules))
    told.append("Withdrawals are shown beside those who ever consented and never subtracted from them.")
    return " ".join(told)


def _extents(rules: WithdrawalRules) -> str:
    named = [f"{code} ({label})" for code, label in rules.extent_labels.items()]
    return f": {', '.join(named)}" if named else ""


def _ending(rules: WithdrawalRules) -> str:
    if rules.ends:
        return f"It ends taking part where the extent is {either(rules.ends)}, or blank."
    return "It ends taking part, whatever its extent." if rules.extent else "It ends taking part."


def site_rules(rules: SiteRules) -> str:
    """Which site a participant is in, and the sites that the study file lists."""
    told = "A participant's site is the data access group that the record is in now, whatever it was in before."
    if rules.by:
        told = (
            f"A participant's site is {field(rules.by)} on the latest agreed consent or, where that is blank, the "
            "record's first value."
        )
    told += (
        " Whoever has none is under '(no site)'; the sites add up to the total. Recent consents are those of the last "
        "four complete weeks."
    )
    return "\n".join([told, *(_site(site) for site in rules.listed)])


def _site(site: ListedSite) -> str:
    told = site.label if site.label == site.code else f"{site.label}: {site.code}"
    told += f", target {site.target:,}" if site.target is not None else ""
    told += f", open from {short_day(site.opened)}" if site.opened else ""
    return f"{told}."


def accrual_rules(goals: AccrualGoals) -> str:
    """What recruitment is compared with."""
    told = [
        "The recent rate is the mean of the last 12 complete weeks, or of as many as there are from 4 on; it is no "
        "forecast."
    ]
    if goals.target is not None:
        until = f" by {short_day(goals.target_date)}" if goals.target_date else ""
        told.insert(0, f"The target is {goals.target:,} consented{until}.")
    if goals.target_date:
        told.append(
            "The rate needed is what is missing, divided by the whole weeks from the cut-off until then; with less "
            "than one left there is none."
        )
    if goals.approved is not None:
        told.append(
            f"The ethics board approved {goals.approved:,}. That is compared with everyone who agreed: up to the "
            "cut-off, or without a usable date (blank, unreadable or after the day of the export), also before the "
            "first day counted, and whatever came later. An agreement dated between the cut-off and the export, or "
            "still pending, is not among them. From 90% on the report warns."
        )
    return " ".join(told)


def renewal_rules(goals: AccrualGoals, withdrawal: WithdrawalRules | None) -> str:
    """What the renewal table counts since the last approval; "" without one."""
    if goals.approval_date is None:
        return ""
    ends = "A later refusal counts by its own date"
    if withdrawal:
        ends = "A withdrawal that ends taking part and a later refusal count by their own dates"
    return (
        f"The last approval was on {short_day(goals.approval_date)}. What is dated on that day or later is counted "
        "since then: consented (and of these taking part now) by the first agreement, declined by the first refusal. "
        f"{ends}, also of those who consented before the approval. What has no usable date is counted "
        "since the start alone."
    )


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
        f"below those of the last one by more than 5 and by more than {study.guard.max_drop * 100:g}% is not delivered "
        "until a person has confirmed it."
    )
    project = study.redcap.project_id
    return told + (f" Any other REDCap project than number {project} is refused." if project is not None else "")


_CHANGES = (
    "Compared with the last report delivered with an earlier cut-off: how many more consented, and each week that was "
    "complete then and counts differently now. Where counting rules have changed since, they are named, and no "
    "difference is called a correction."
)
