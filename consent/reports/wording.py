"""Reasons and quality codes in readers' words, and numbers that plain digits would tell wrongly.

The codes themselves stay what machines read; the reasons of runs are in ``run_words.py``.
"""

import unicodedata
from collections.abc import Iterator

from consent.counting.summary import ConsentSummary, RiderCount, VersionCount, Withdrawals

NO_NUMBER = "–"
"""Stands where there is no number to be had, such as a share of nobody."""

NO_CODE_FOR_A_NO = f"Declined {NO_NUMBER}: not recorded, this study has no code for a no."

REASONS = {
    "unknown_code": "a code that the study file does not know",
    "no_date": "agreed, without a date",
    "unreadable_date": "agreed, with a date that cannot be read",
    "before_start": "agreed before the study's first day",
    "future_date": "agreed on a day still to come",
    "after_cutoff": "agreed after the cut-off",
    "agreed_but_open": "agreed, yet the date says it is not completed",
    "dated_but_pending": "a date, but the consent is still pending",
    "rider_without_consent": "agreed to an optional consent, but to no form that has it",
    "withdrawal_without_consent": "a withdrawal, but never an agreement",
    "withdrawal_before_consent": "a withdrawal dated before the agreement",
    "withdrawal_undated": "a withdrawal without a usable date",
}
"""Why a participant is not counted, or what a data manager should look at."""


def without_controls(text: str) -> str:
    """The text with a mark in place of each control character but line breaks: no font has one, and no workbook."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in text)


def share_words(share: float) -> str:
    """A share (0 to 1) in whole percent; nearly nobody is not ``0%``, and nearly everybody not ``100%``."""
    if 0 < share <= 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


SMALLEST_SAFE = 5
"""Counts from 1 up to but without this are small; 0 is not."""

SMALL_COUNTS_MARK = "Contains small counts: for the study team only"


def holds_small_counts(summary: ConsentSummary) -> bool:
    """Whether any count of people in the report, other than 0, is below ``SMALLEST_SAFE``."""
    return any(0 < count < SMALLEST_SAFE for count in _counts(summary))


def _counts(summary: ConsentSummary) -> Iterator[int]:
    people = summary.participants
    yield from (people.consented, people.declined, people.pending_open, people.pending_not_started)
    yield from (people.total, summary.taking_part, summary.outside)
    for counts in (people.not_counted, summary.left_out, summary.quality):
        yield from counts.values()
    for week in summary.weeks:
        yield from (week.consented, *week.riders.values())
    for rider in summary.riders:
        yield from (rider.agreed, rider.declined, rider.not_answered, rider.not_offered)
    yield from _optional_counts(summary)


def _optional_counts(summary: ConsentSummary) -> Iterator[int]:
    for site in summary.sites.counts if summary.sites else ():
        yield from (site.participants, site.consented, site.taking_part, site.recent)
    for version in summary.versions.counts if summary.versions else ():
        yield version.taking_part
    if summary.withdrawals:
        yield from (summary.withdrawals.total, summary.withdrawals.undated, *summary.withdrawals.by_extent.values())
    if summary.accrual:
        yield summary.accrual.agreed
    for row in summary.renewal or ():
        yield from (row.since_approval or 0, row.since_start)
    if summary.changes:
        yield abs(summary.changes.new_consents)
        for week in summary.changes.weeks:
            yield from (week.before, week.now, abs(week.now - week.before))


EVERY_RECORD = "Every record accounted for"


def marks(summary: ConsentSummary) -> tuple[str, ...]:
    """What a reader must know before any number: who may see it, and what was not checked."""
    return (*((SMALL_COUNTS_MARK,) if holds_small_counts(summary) else ()), *summary.notes)


def every_record(summary: ConsentSummary) -> tuple[tuple[tuple[str, int | str], ...], tuple[int, ...]]:
    """A row for each class and for what is counted apart, their sums, and what REDCap listed and sent.

    Returns:
        The rows, and the positions of those that are sums.
    """
    people, source = summary.participants, summary.source
    classes = [
        ("Consented", people.consented),
        ("Declined", people.declined),
        ("Pending: open", people.pending_open),
        ("Pending: not started", people.pending_not_started),
        *((f"Not counted: {REASONS[reason]}", n) for reason, n in people.not_counted.items()),
        ("Participants in all", people.total),
    ]
    apart = [(f"Left out: {reason}", n) for reason, n in summary.left_out.items()]
    if summary.study.only or summary.outside:
        apart.append(("Outside the study", summary.outside))
    records: list[tuple[str, int | str]] = [
        ("All records", summary.everyone),
        ("Records received", source.records_received),
        ("Records listed by REDCap", "not checked" if source.records_listed is None else source.records_listed),
    ]
    return (*classes, *apart, *records), (len(classes) - 1, len(classes) + len(apart))


def rider_name(rider: RiderCount) -> str:
    """``rider a: Storage of blood``, or the key alone where there is no label."""
    return rider.key if rider.label == rider.key else f"{rider.key}: {rider.label}"


def extent_name(extent: str, withdrawals: Withdrawals) -> str:
    """What an extent's code means, as far as the study file says."""
    return withdrawals.labels.get(extent, extent) or "(extent not stated)"


def standing(version: VersionCount) -> str:
    """Whether whoever signed this version last is due to consent again."""
    if not version.version:
        return "not known"
    return "accepted" if version.accepted else "re-consent due"
