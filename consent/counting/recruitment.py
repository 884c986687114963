"""How far recruitment is: against its target, against what was approved, and since the last approval.

Pure. Made of the same counts as the rest of the summary; forecasts nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from consent.counting.consents import CONSENTED, DECLINED
from consent.counting.participants import LEFT_OUT, NOT_COUNTED, OUTSIDE, PENDING, REFUSED_LATER, TAKING_PART, WITHDRAWN
from consent.counting.period import average_per_week
from consent.counting.tally import Tally
from consent.studies.model import AccrualGoals, StudyConfig

WARN_FROM = 0.9
"""The part of the approved number from which on the report warns that it will be passed."""


@dataclass(frozen=True)
class Accrual:
    """How far recruitment is: against a target, and against the number that the ethics board approved.

    agreed: everyone who agreed by the cut-off, dated or not, which is what an approved ceiling limits.
    recent_per_week: mean of the last (up to) 12 complete weeks, None before there are 4. needed_per_week: to reach the
    target by its date, over the complete weeks that are left; None without a target date, or where no complete week is
    left, and then no_rate_because says why in words. warning: in words, "" if none.
    """

    target: int | None
    target_date: date | None
    recent_per_week: float | None
    needed_per_week: float | None
    approved: int | None
    approval_date: date | None
    agreed: int
    warning: str
    no_rate_because: str | None = None


@dataclass(frozen=True)
class RenewalRow:
    """One line of the table that an ethics board asks for at renewal.

    since_approval: what is dated on or after the last approval (a withdrawal or later refusal by its own date); None
    where REDCap holds no date for it, so that it can only be counted since the start.
    """

    label: str
    since_approval: int | None
    since_start: int


def measure_accrual(tally: Tally, goals: AccrualGoals, complete_weeks: Sequence[int], cutoff: date) -> Accrual:
    """How far recruitment is.

    Args:
        complete_weeks: the consents of each complete week, oldest first.
    """
    needed = _needed_per_week(goals, tally.classes[CONSENTED, ""], cutoff)
    return Accrual(
        target=goals.target,
        target_date=goals.target_date,
        recent_per_week=average_per_week(complete_weeks),
        needed_per_week=needed,
        approved=goals.approved,
        approval_date=goals.approval_date,
        agreed=tally.agreed,
        warning=_warning(tally.agreed, goals.approved),
        no_rate_because=_why_no_rate(goals.target_date, cutoff) if needed is None else None,
    )


def _needed_per_week(goals: AccrualGoals, consented: int, cutoff: date) -> float | None:
    if goals.target is None or goals.target_date is None:
        return None
    if consented >= goals.target:
        return 0.0
    weeks_left = (goals.target_date - cutoff).days // 7
    return (goals.target - consented) / weeks_left if weeks_left > 0 else None


def _why_no_rate(target_date: date | None, cutoff: date) -> str | None:
    if target_date is None:
        return None
    return "target date has passed" if cutoff > target_date else "less than a week left"


def _warning(agreed: int, approved: int | None) -> str:
    """Before the approved number is passed, and once it is."""
    if approved is None or agreed < WARN_FROM * approved:
        return ""
    if agreed > approved:
        return (
            f"{agreed:,} have agreed, {agreed - approved:,} more than the {approved:,} approved: tell the ethics board."
        )
    if agreed == approved:
        return f"All {approved:,} approved participants have agreed: ask the ethics board before anybody else does."
    left = approved - agreed
    return f"{agreed:,} of the {approved:,} approved participants have agreed: only {left:,} more may."


def renewal_table(tally: Tally, study: StudyConfig) -> tuple[RenewalRow, ...]:
    """Everybody since the start, and what is dated on or after the last approval.

    Since the start, consented is the sum of the rows under it, and in all that of consented, declined, not counted and
    not yet decided. A decision is dated by the first agreement, or where there is none by the first refusal; a
    withdrawal or a later refusal by its own date, so that whoever consented earlier and left since is among them. What
    has no date is in the second column alone.
    """
    ended = [_ended("– refused later", REFUSED_LATER, tally)]
    if study.withdrawal:
        withdrawn = _ended("– withdrawn from taking part", WITHDRAWN, tally)
        ended.insert(0, withdrawn if study.withdrawal.date else replace(withdrawn, since_approval=None))
    return (
        _decided("Consented", (TAKING_PART, WITHDRAWN, REFUSED_LATER), tally),
        _decided("– still taking part", (TAKING_PART,), tally),
        *ended,
        _decided("Declined", (DECLINED,), tally),
        RenewalRow("Not counted", None, _classed(tally, NOT_COUNTED)),
        RenewalRow("Not yet decided", None, _classed(tally, PENDING)),
        RenewalRow("Total", None, tally.classes.total() - _classed(tally, LEFT_OUT) - _classed(tally, OUTSIDE)),
    )


def _decided(label: str, fates: tuple[str, ...], tally: Tally) -> RenewalRow:
    since_approval = sum(n for (found, since, _), n in tally.fates.items() if found in fates and since)
    return RenewalRow(label, since_approval, sum(n for (found, _, _), n in tally.fates.items() if found in fates))


def _ended(label: str, fate: str, tally: Tally) -> RenewalRow:
    since_approval = sum(n for (found, _, since), n in tally.fates.items() if found == fate and since)
    return RenewalRow(label, since_approval, sum(n for (found, _, _), n in tally.fates.items() if found == fate))


def _classed(tally: Tally, kind: str) -> int:
    return sum(n for (found, _), n in tally.classes.items() if found == kind)
