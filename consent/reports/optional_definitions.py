"""The counting rules that only some studies have: riders, form versions, withdrawal, sites, recruitment, renewal."""

from collections.abc import Iterator, Sequence
from datetime import date

from consent.counting.period import FEWEST_RATE_WEEKS, RATE_WEEKS, RECENT_WEEKS
from consent.counting.projection import FEWEST_CONSENTS, FEWEST_WEEKS, SPREAD_WEEKS
from consent.dates import short_day
from consent.reports.wording import UNUSABLE_DATE, code_names, either, field_name, rows_where
from consent.studies.model import AccrualGoals, Rider, SiteRules, StudyConfig, VersionRules, WithdrawalRules


def optional_rules(study: StudyConfig) -> Iterator[tuple[str, str]]:
    """Yield the heading and the text of each rule that the study file configures."""
    if study.riders:
        yield "Optional consents (riders)", _riders(study.riders)
    if study.version:
        yield "Form versions", _versions(study.version)
    if study.withdrawal:
        yield "Withdrawal", _withdrawals(study.withdrawal)
    if study.sites:
        yield "Sites", _sites(study.sites)
    if study.accrual:
        yield "Recruitment", _recruitment(study.accrual)
        if study.accrual.approval_date:
            yield "Since the last approval", _renewal(study.accrual.approval_date, withdraws=bool(study.withdrawal))


def _riders(riders: Sequence[Rider]) -> str:
    text = (
        "An optional consent (rider) counts only for consented participants, in the week of their consent. The answer "
        "is on the latest agreed consent that offers it. A rider on a form, event or rows of its own has the last "
        "answer given there. Not answered means blank or any other code. Not offered means that no agreed form has it. "
        "Uptake: share who agreed among those offered it (agreed, declined or not answered)."
    )
    meanings = [
        f"{code_names(rider.agreed)} means agreed{f', {code_names(rider.declined)} declined' if rider.declined else ''}"
        for rider in riders
    ]
    if any(len(rider.fields) > 1 for rider in riders):
        text += " Where fields of one rider differ, a refusal counts before an agreement."
    shared = len(riders) > 1 and len(set(meanings)) == 1
    lines = [text, f"In each of them {meanings[0]}."] if shared else [text]
    for rider, meaning in zip(riders, meanings, strict=True):
        name = rider.key if rider.label == rider.key else f"{rider.key} ({rider.label})"
        means = "" if shared else f", {meaning}"
        offered = f"; only form version {either(rider.offered_in)} has it" if rider.offered_in else ""
        fields = " or ".join(map(field_name, rider.fields))
        rows = f", only on rows where {rows_where(rider.where)}" if rider.where else ""
        lines.append(f"{name}: {fields}{means}{rows}{offered}.")
    return "\n".join(lines)


def _versions(rules: VersionRules) -> str:
    return (
        f"The form version is {field_name(rules.field)} on the latest agreed consent. Where that is a repeat of a "
        "form without this field, it is read from the record's row beside it, in the same event. Accepted: "
        f"{either(rules.accepted)}. Participants still taking part on any other version are due to consent "
        "again. A blank version has a line of its own and is not due."
    )


def _withdrawals(rules: WithdrawalRules) -> str:
    signs = [f"a date up to the cut-off in field {rules.date}"] if rules.date else []
    if rules.flag:
        undated = " without a usable date" if rules.date else ""
        signs.append(f"{code_names(rules.codes)} in {field_name(rules.flag)}{undated}")
    later = ", unless a consent was agreed on a later day" if rules.date else ""
    text = [f"A consented participant with {either(signs)} has withdrawn{later}."]
    if rules.extent:
        named = ", ".join(f"{code} ({label})" for code, label in rules.extent_labels.items())
        text.append(f"The extent is {field_name(rules.extent)}{f': {named}' if named else ''}.")
    ending = "It ends taking part"
    if rules.ends:
        ending += f" where the extent is {either(rules.ends)}, or blank"
    elif rules.extent:
        ending += " at any extent"
    text.append(f"{ending}. Those who withdrew still count as consented.")
    return " ".join(text)


def _sites(rules: SiteRules) -> str:
    text = "A participant's site is the data access group that the record is in now, not an earlier one."
    if rules.by:
        text = (
            f"A participant's site is {field_name(rules.by)} on the latest agreed consent. Where that is blank, it is "
            "the record's first value."
        )
    text += (
        " Participants without one are under '(no site)'. The sites add up to the total. Recent consents are those of "
        f"the last {RECENT_WEEKS} complete weeks."
    )
    lines = [text]
    for site in rules.listed:
        name = site.label if site.label == site.code else f"{site.label}: {site.code}"
        target = "" if site.target is None else f", target {site.target:,}"
        lines.append(f"{name}{target}{f', open from {short_day(site.opened)}' if site.opened else ''}.")
    return "\n".join(lines)


def _recruitment(goals: AccrualGoals) -> str:
    text = [
        f"Consents per week are the mean of the last {RATE_WEEKS} complete weeks, or of all of them where there are "
        f"{FEWEST_RATE_WEEKS} to {RATE_WEEKS - 1}."
    ]
    if goals.target is not None:
        until = f" by {short_day(goals.target_date)}" if goals.target_date else ""
        text.insert(0, f"The target is {goals.target:,} consented{until}.")
    if goals.target_date:
        text.append(
            "The needed number per week is what is missing, divided by the whole weeks from the cut-off to the target "
            "date. With less than one week left there is none."
        )
    if goals.target is not None:
        text.append(
            "The projection is the range of days that holds the day of the target with a probability of 80%, and the "
            f"middle day. It takes the pace of the last {RATE_WEEKS} complete weeks, and assumes that it goes on: "
            "seasons and planned changes, such as a new site, are not in it. How much the last "
            f"{SPREAD_WEEKS} weeks differ gives the width; a pace that has clearly changed adds to it. Consents "
            f"entered late are not corrected for: they make it later. It needs {FEWEST_WEEKS} complete weeks and "
            f"{FEWEST_CONSENTS} consents, and looks ten years ahead. Method: over-dispersed Poisson process, gamma "
            "prior (Anisimov and Fedorov 2007, doi.org/10.1002/sim.2956)."
        )
    if goals.approved is not None:
        text.append(
            f"The ethics board approved {goals.approved:,}. This is compared with everyone who agreed up to the "
            f"cut-off, or without a usable date {UNUSABLE_DATE}. It includes agreements before the first day counted, "
            "and participants who refused or withdrew later. It excludes pending agreements, and those dated between "
            "the cut-off and the export. The report warns from 90%."
        )
    return " ".join(text)


def _renewal(approved_on: date, *, withdraws: bool) -> str:
    ends = "A later refusal counts by its own date"
    if withdraws:
        ends = "A withdrawal that ends taking part and a later refusal count by their own dates"
    return (
        f"The last approval was on {short_day(approved_on)}. The column counts what is dated on that day or "
        "later. Consented and still taking part count by the first agreement, declined by the first refusal. "
        f"{ends}, also for participants who consented before the approval. What has no usable date counts only since "
        "the start."
    )
