"""What the PDF and the workbook show in the same words: the classes of records, marks, and names of rows.

Lays nothing out, and counts nothing: every number is one of the summary's.
"""

from consent.reports.small_counts import SMALL_COUNTS_MARK, holds_small_counts
from consent.reports.words import REASONS
from consent.summary import ConsentSummary, RiderCount, VersionCount, Withdrawals

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
