"""Measure recruitment against its target and the approved number, and since the last approval."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from consent.counting.consents import CONSENTED, DECLINED
from consent.counting.participants import EXCLUDED, NOT_COUNTED, PENDING, REFUSED_LATER, TAKING_PART, WITHDRAWN
from consent.counting.period import average_per_week
from consent.counting.summary import Accrual, RenewalRow
from consent.counting.tally import Tally
from consent.studies.model import AccrualGoals, StudyConfig

WARN_FROM = 0.9
"""The fraction of the approved number from which the report warns."""


def measure_accrual(tally: Tally, goals: AccrualGoals, complete_weeks: Sequence[int], cutoff: date) -> Accrual:
    """Measure recruitment; ``complete_weeks`` are the consents of each complete week, oldest first."""
    consented = tally.classes[CONSENTED, ""]
    needed, no_rate_because = _needed_per_week(goals, consented, cutoff)
    return Accrual(
        **asdict(goals),
        recent_per_week=average_per_week(complete_weeks),
        needed_per_week=needed,
        agreed=tally.agreed,
        warning=_warning(tally.agreed, goals.approved, consented),
        no_rate_because=no_rate_because,
    )


def renewal_table(tally: Tally, study: StudyConfig) -> tuple[RenewalRow, ...]:
    """Build the renewal table: everyone since the start, and since the last approval.

    The first agreement, else the first refusal, dates a decision. A withdrawal or a later refusal has its own date, so
    people who consented before the approval and stopped after it are included.
    """
    withdrawn = _row("Withdrawn (by day of withdrawal)", (WITHDRAWN,), tally, by_end=True)
    if study.withdrawal and not study.withdrawal.date:
        withdrawn = RenewalRow(withdrawn.label, None, withdrawn.since_start)
    return (
        _row("Consented", (TAKING_PART, WITHDRAWN, REFUSED_LATER), tally),
        _row("– still taking part", (TAKING_PART,), tally),
        *([withdrawn] if study.withdrawal else []),
        _row("Refused later (by day of refusal)", (REFUSED_LATER,), tally, by_end=True),
        _row("Declined", (DECLINED,), tally),
        RenewalRow("Not counted", None, _in_class(NOT_COUNTED, tally)),
        RenewalRow("Not yet decided", None, _in_class(PENDING, tally)),
        RenewalRow("Total", None, tally.classes.total() - sum(_in_class(name, tally) for name in EXCLUDED)),
    )


def _needed_per_week(goals: AccrualGoals, consented: int, cutoff: date) -> tuple[float | None, str | None]:
    """Return the rate, or why there is none although there is a target date."""
    if goals.target is None or goals.target_date is None:
        return None, None
    if consented >= goals.target:
        return 0.0, None
    weeks_left = (goals.target_date - cutoff).days // 7
    if weeks_left > 0:
        return (goals.target - consented) / weeks_left, None
    return None, "target date has passed" if cutoff > goals.target_date else "less than a week left"


def _warning(agreed: int, approved: int | None, consented: int) -> str:
    if approved is None or agreed < WARN_FROM * approved:
        return ""
    if agreed > approved:
        return (
            f"{agreed:,} have agreed, {agreed - approved:,} above the {approved:,} approved. Notify the ethics board."
        )
    if agreed == approved:
        return f"All {approved:,} approved participants have agreed. Ask the ethics board before anyone else agrees."
    left, counted = approved - agreed, "" if agreed == consented else f" ({consented:,} of them count as consented)"
    return f"{agreed:,} of the {approved:,} approved participants have agreed{counted}. Only {left:,} more may agree."


def _row(label: str, outcomes: tuple[str, ...], tally: Tally, *, by_end: bool = False) -> RenewalRow:
    """Count these outcomes, dated by the decision or (``by_end``) by what ended taking part."""
    counts = [(end if by_end else start, n) for (name, start, end), n in tally.outcomes.items() if name in outcomes]
    return RenewalRow(label, sum(n for since, n in counts if since), sum(n for _, n in counts))


def _in_class(name: str, tally: Tally) -> int:
    return sum(n for (participant_class, _), n in tally.classes.items() if participant_class == name)
