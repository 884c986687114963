"""The rules of a study file's optional parts once more, as slow plain Python: sites, versions, withdrawals, accrual.

Written from the printed rules and not from the product's code; one participant at a time.
"""

from datetime import date
from typing import Any

from consent.counting.consents import Counting
from consent.counting.period import ReportPeriod
from consent.redcap.arrivals import GROUP, INSTANCE
from consent.studies.model import FieldRef, Rider, SiteRules, WithdrawalRules
from tests.support.plain_values import (
    PlainConsent,
    PlainOptional,
    PlainWithdrawal,
    Row,
    day_named,
    event_number,
    in_order,
    text_in,
    value_of,
)


def optional_of(
    consents: list[PlainConsent],
    rows: list[Row],
    kind: str,
    taking_part: bool,
    withdrawal: PlainWithdrawal,
    counting: Counting,
) -> PlainOptional:
    """The optional parts, of somebody of this class (none for whoever is left out or outside)."""
    study, consented = counting.study, kind == "consented"
    agreed = in_order(consent for consent in consents if consent.verdict == "consented")
    found: dict[str, Any] = {}
    if study.sites:
        found["site"] = site_of(agreed, rows, study.sites, counting)
        found["recent"] = consented and is_recent(agreed[0].day, counting.period)
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
    return PlainOptional(**found)


def site_of(agreed: list[PlainConsent], rows: list[Row], rules: SiteRules, counting: Counting) -> str:
    """Where the latest agreed consent was given, else the first site that any row names, in the order of events."""

    def place(row: Row) -> tuple[int, int]:
        return event_number(row, rows, counting), int(row[INSTANCE] or 0)

    by_place = [*(consent.row for consent in reversed(agreed[-1:])), *sorted(rows, key=place)]
    named = [text_in(rules.by, row, counting) if rules.by else row[GROUP] for row in by_place]
    return next((site for site in named if site), "")


def is_recent(day: date | None, period: ReportPeriod) -> bool:
    """Whether a day is in one of the last four complete weeks."""
    last = [week for week in period.weeks if week.complete][-4:]
    return any(day and week.first_day <= day <= week.last_day for week in last)


def version_of(consent: PlainConsent, counting: Counting) -> str:
    """The form version that was signed."""
    rules = counting.study.version
    return text_in(rules.field, consent.row, counting) if rules else ""


def has_rider(rider: Rider, consent: PlainConsent, counting: Counting) -> bool:
    """Whether the form that was signed, in the version that was signed, has the rider."""
    on_form = consent.form in counting.column_map.offered_by[rider.key]
    return on_form and (not rider.offered_in or version_of(consent, counting) in rider.offered_in)


def counts_against_the_approved(consent: PlainConsent) -> bool:
    """Whether this is an agreement up to the cut-off, or one that no usable date puts anywhere."""
    pending = consent.agreed_but_open or not consent.certified
    return consent.says_agreed and not pending and consent.verdict != "after_cutoff"


def outcome_of(kind: str, taking_part: bool, withdrawal: PlainWithdrawal) -> str:
    """What became of whoever decided."""
    if kind == "declined":
        return "declined"
    if kind != "consented":
        return ""
    if taking_part:
        return "taking_part"
    return "withdrawn" if withdrawal.ends else "refused_later"


def is_since_approval(kind: str, consents: list[PlainConsent], counting: Counting) -> bool:
    """Whether whoever decided did so on the day of the last approval or later, as far as a date says."""
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
    days = [other.day for other in consents if refuses_after(latest, other, counting)]
    usable = [day for day in days if usable_day(day, counting)]
    return bool(usable and min(day for day in usable if day) >= approved_on)


def refuses_after(latest: PlainConsent, other: PlainConsent, counting: Counting) -> bool:
    """Whether another consent is a refusal that came after the latest agreement, by the cut-off."""
    if other.verdict != "declined":
        return False
    day = usable_day(other.day, counting)
    if day is None or latest.day is None:
        return other.place > latest.place
    return day <= counting.period.cutoff and (day, other.place) > (latest.day, latest.place)


def withdrawal_of(agreed: list[PlainConsent], rows: list[Row], counting: Counting) -> PlainWithdrawal:
    """What the rows say by the cut-off: dates up to then, or a flag that no date explains."""
    rules = counting.study.withdrawal
    if rules is None:
        return PlainWithdrawal()
    dates = [withdrawal_date_in(rules, row, counting) for row in rows]
    usable = [day for day in dates if day and day <= counting.period.exported_on]
    past = [day for day in usable if day <= counting.period.cutoff]
    flagged = any(rules.flag and text_in(rules.flag, row, counting) in rules.codes for row in rows)
    day = max(past, default=None)
    says_so = bool(past) or (flagged and not usable)
    extent = extent_of(rules, day, rows, counting)
    holds = says_so and not (day and agreed and agreed[-1].day and agreed[-1].day > day)
    return PlainWithdrawal(
        says_so=says_so,
        day=day,
        extent=extent,
        holds=holds,
        ends=holds and (extent == "" or not rules.ends or extent in rules.ends),
        has_unusable_date=any(
            rules.date and text_in(FieldRef(rules.date), row, counting) and usable_day(day, counting) is None
            for row, day in zip(rows, dates, strict=True)
        ),
    )


def withdrawal_date_in(rules: WithdrawalRules, row: Row, counting: Counting) -> date | None:
    """The withdrawal date in a row."""
    return day_named(text_in(FieldRef(rules.date), row, counting), rules.date, counting) if rules.date else None


def usable_day(day: date | None, counting: Counting) -> date | None:
    """A day that can have been, when the data were exported."""
    return day if day and day <= counting.period.exported_on else None


def extent_of(rules: WithdrawalRules, day: date | None, rows: list[Row], counting: Counting) -> str:
    """The last extent beside the withdrawal's date, else the last that stands beside no usable date."""
    beside_date, beside_none = [], []
    for row in rows:
        extent = text_in(rules.extent, row, counting) if rules.extent else ""
        own_day = usable_day(withdrawal_date_in(rules, row, counting), counting)
        place = (event_number(row, rows, counting), int(row[INSTANCE] or 0), extent)
        if extent and own_day is None:
            beside_none.append(place)
        elif extent and own_day == day:
            beside_date.append(place)
    return max(beside_date or beside_none, default=(0, 0, ""))[2]


def quality_of_parts(
    kind: str, consents: list[PlainConsent], withdrawal: PlainWithdrawal, rows: list[Row], counting: Counting
) -> frozenset[str]:
    """What a data manager should look at in the optional parts."""
    study, codes = counting.study, set()
    agreed = in_order(consent for consent in consents if consent.verdict == "consented")
    if withdrawal.says_so and not any(consent.says_agreed for consent in consents):
        codes.add("withdrawal_without_consent")
    first = agreed[0].day if kind == "consented" else None
    if first and withdrawal.day and withdrawal.day < first:
        codes.add("withdrawal_before_consent")
    if withdrawal.undated or withdrawal.has_unusable_date:
        codes.add("withdrawal_undated")
    if study.withdrawal and study.withdrawal.extent and any(has_unknown_extent(row, counting) for row in rows):
        codes.add("unknown_code")
    listed = [site.code for site in study.sites.listed] if study.sites else []
    if study.sites and listed and site_of(agreed, rows, study.sites, counting) not in ("", *listed):
        codes.add("unknown_code")
    if any(is_agreed_on_no_such_form(rider, consents, rows, counting) for rider in study.riders):
        codes.add("rider_without_consent")
    return frozenset(codes)


def has_unknown_extent(row: Row, counting: Counting) -> bool:
    """Whether a row has an extent that the study file does not know, though it names some."""
    rules = counting.study.withdrawal
    if rules is None or rules.extent is None:
        return False
    known = {*rules.ends, *rules.extent_labels}
    return bool(known) and text_in(rules.extent, row, counting) not in ("", *known)


def is_agreed_on_no_such_form(rider: Rider, consents: list[PlainConsent], rows: list[Row], counting: Counting) -> bool:
    """Whether a rider was agreed to by somebody who never agreed on a form, and version of it, that has it."""
    if not any(value_of(rider.field, row) in rider.agreed for row in rows):
        return False
    return not any(consent.says_agreed and has_rider(rider, consent, counting) for consent in consents)
