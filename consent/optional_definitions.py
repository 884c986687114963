"""The counting rules of what a study file may leave out, in plain words: versions, withdrawal, sites, recruitment.

Says nothing about a study that does not have them; ``definitions.py`` asks only for those it has.
"""

from consent.day_words import short_day
from consent.study import AccrualGoals, ListedSite, SiteRules, VersionRules, WithdrawalRules
from consent.study_words import codes, either, field


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
