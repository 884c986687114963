"""The counting rules that only some studies have, in plain words; see ``definitions.py``."""

from datetime import date

from consent.counting.period import FEWEST_RATE_WEEKS, RATE_WEEKS, RECENT_WEEKS
from consent.dates import short_day
from consent.reports.wording import UNUSABLE_DATE, code_names, either, field_name
from consent.studies.model import AccrualGoals, ListedSite, SiteRules, VersionRules, WithdrawalRules


def versions_rule(rules: VersionRules) -> str:
    """Return how form versions are read, and which are due to consent again."""
    return (
        f"The form version is {field_name(rules.field)} on the latest agreed consent. "
        f"Accepted: {either(rules.accepted)}. Participants still taking part on any other version are due to consent "
        "again. A blank version has a line of its own and is not due."
    )


def withdrawal_rule(rules: WithdrawalRules) -> str:
    """Return who has withdrawn, and when that ends taking part."""
    signs = [f"a date up to the cut-off in field {rules.date}"] if rules.date else []
    if rules.flag:
        signs.append(
            f"{code_names(rules.codes)} in {field_name(rules.flag)}{' without a usable date' if rules.date else ''}"
        )
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


def sites_rule(rules: SiteRules) -> str:
    """Return how a site is found, and a line per listed site."""
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
    return "\n".join([text, *(_site(site) for site in rules.listed)])


def _site(site: ListedSite) -> str:
    text = site.label if site.label == site.code else f"{site.label}: {site.code}"
    text += f", target {site.target:,}" if site.target is not None else ""
    return f"{text}, open from {short_day(site.opened)}." if site.opened else f"{text}."


def recruitment_rule(goals: AccrualGoals) -> str:
    """Return how recruitment is measured against its goals."""
    text = [
        f"Consents per week are the mean of the last {RATE_WEEKS} complete weeks, or of all of them where there are "
        f"{FEWEST_RATE_WEEKS} to {RATE_WEEKS - 1}. This is not a forecast."
    ]
    if goals.target is not None:
        until = f" by {short_day(goals.target_date)}" if goals.target_date else ""
        text.insert(0, f"The target is {goals.target:,} consented{until}.")
    if goals.target_date:
        text.append(
            "The needed number per week is what is missing, divided by the whole weeks from the cut-off to the target "
            "date. With less than one week left there is none."
        )
    if goals.approved is not None:
        text.append(
            f"The ethics board approved {goals.approved:,}. This is compared with everyone who agreed up to the "
            f"cut-off, or without a usable date {UNUSABLE_DATE}. It includes agreements before the first day counted, "
            "and participants who refused or withdrew later. It excludes pending agreements, and those dated between "
            "the cut-off and the export. The report warns from 90%."
        )
    return " ".join(text)


def renewal_rule(approved_on: date, withdrawal: WithdrawalRules | None) -> str:
    """Return what counts since the last approval."""
    ends = "A later refusal counts by its own date"
    if withdrawal:
        ends = "A withdrawal that ends taking part and a later refusal count by their own dates"
    return (
        f"The last approval was on {short_day(approved_on)}. The column counts what is dated on that day or "
        "later. Consented and still taking part count by the first agreement, declined by the first refusal. "
        f"{ends}, also for participants who consented before the approval. What has no usable date counts only since "
        "the start."
    )
