"""Holds back a report that fell too far below the last one, or that shows one site alone, until a person accepts it.

Pure: compares totals of two reports. Whether all records of an export arrived is asked in ``redcap/export.py``; a rise
is never questioned.
"""

import math
from fractions import Fraction

from consent.counting.summary import ConsentSummary
from consent.errors import ImplausibleDropError
from consent.runs.ledger.record import RunRecord

SMALL_FALL = 5
"""So many people fewer are delivered in a registry of any size."""

_ACCEPT = (
    "If the new report is right, run again with --accept-drop on the command line, or with "
    '"accept_drop": true in the request.'
)


def check_drop(
    summary: ConsentSummary, has_groups: bool, last: RunRecord | None, *, accept_drop: bool
) -> tuple[str, ...]:
    """Compare a report with the last one that was delivered, and say what a person should know before trusting it.

    The participants, and the consented among them, may each be fewer by the larger of 5 and ``max_drop`` of the last
    number. A report as of an earlier day than the last one's has fewer consents by nature, so there only the
    participants are compared.

    Args:
        has_groups: whether REDCap sent the data access group of each record.
        last: the record of the last delivered report of the study, if there is one.
        accept_drop: a person looked and found the new numbers right.

    Returns:
        Remarks, in totals only: a fall that is small or was accepted, or the total to compare with REDCap's own when
        there is no earlier one.

    Raises:
        FallenReportError: it must not be delivered as things are: ``groups-vanished``, or else ``shrunk``.
    """
    vanished = _vanished_groups(has_groups, last)
    falls = _falls(summary, last)
    large = [text for text, is_large in falls if is_large]
    if (vanished or large) and not accept_drop:
        raise _refusal(summary, vanished, large, last)
    found = (*vanished, *(text for text, _ in falls))
    accepted = ("This was accepted by the person who asked for the run.",) if vanished or large else ()
    return _not_compared(summary, last) + found + accepted


def _refusal(
    summary: ConsentSummary, vanished: tuple[str, ...], large: list[str], last: RunRecord | None
) -> ImplausibleDropError:
    parts = [f"The report of '{summary.study.key}' was not delivered.", *vanished, *large]
    parts.append(
        "Have that user taken out of the group, under User Rights in REDCap."
        if vanished
        else "Look in REDCap whether records were deleted or moved, and whether the token's user still sees them all."
    )
    if large and last and last.study_sha256 != summary.study.sha256:
        parts.append("The study file has changed in between: its new rules may explain it.")
    return ImplausibleDropError("groups-vanished" if vanished else "shrunk", " ".join(parts), _ACCEPT)


def _vanished_groups(has_groups: bool, last: RunRecord | None) -> tuple[str, ...]:
    if has_groups or last is None or not last.has_groups:
        return ()
    return (
        f"For the report as of {last.cutoff} REDCap told the data access group of each record, and now it no longer "
        "does. Either the token's user was put into a group and now sees the records of that one site, or the project "
        "no longer has groups.",
    )


def _falls(summary: ConsentSummary, last: RunRecord | None) -> list[tuple[str, bool]]:
    """Each number that fell, in words, and whether by more than it may by itself."""
    if last is None or last.counts is None:
        return []
    pairs = [("Participants", last.counts.participants, summary.participants.total)]
    if last.cutoff is None or summary.period.cutoff >= last.cutoff:
        pairs.append(("Consented participants", last.counts.consented, summary.participants.consented))
    return [
        (
            f"{what} fell by {before - after:,}: from {before:,} as of {last.cutoff} "
            f"to {after:,} as of {summary.period.cutoff}.",
            before - after > allowed_fall(before, summary.study.guard.max_drop),
        )
        for what, before, after in pairs
        if after < before
    ]


def allowed_fall(before: int, max_drop: float) -> int:
    """The largest fall from this number that is delivered (0.29 of 100 is 29, which floats do not say)."""
    return max(SMALL_FALL, math.floor(Fraction(str(max_drop)) * before))


def _not_compared(summary: ConsentSummary, last: RunRecord | None) -> tuple[str, ...]:
    if last is not None and last.counts is not None:
        return ()
    why = (
        "This is the first report of the study, so there is none to compare it with."
        if last is None
        else f"The counts of the last report, as of {last.cutoff}, are no longer kept, so this one was not compared."
    )
    return (
        f"{why} It is made of {summary.everyone:,} records: compare this with the number that REDCap shows to a user "
        "who is in no data access group.",
    )
