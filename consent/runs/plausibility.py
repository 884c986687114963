"""Refuses a report with far fewer people than the last one, or from one site only, until a person accepts it.

A rise is never questioned. ``redcap/export.py`` checks that all records of an export arrived.
"""

import math
from fractions import Fraction

from consent.counting.summary import ConsentSummary
from consent.errors import ImplausibleDropError
from consent.runs.ledger.record import RunRecord

SMALL_DROP = 5  # people fewer, which are delivered whatever the registry's size

_ACCEPT = (
    "If the new numbers are right, run 'consent run --accept-drop'. For the function app, add --accept-drop to consent "
    'request ("accept_drop": true in the HTTP request).'
)


def check_drop(
    summary: ConsentSummary, has_groups: bool, last: RunRecord | None, *, accept_drop: bool
) -> tuple[str, ...]:
    """Compare a report with the last one that was delivered.

    The participants, and the consented among them, may each drop by 5 or by ``max_drop`` of the last number, whichever
    is larger. For an earlier day than the last report's only the participants are compared: consents are fewer then.

    Args:
        has_groups: REDCap sent the data access group of each record.
        last: the run of the last delivered report of the study.
        accept_drop: a person checked REDCap and confirmed the new numbers.

    Returns:
        Remarks, in totals only: a small or accepted drop; without an earlier report, a total to compare with REDCap.

    Raises:
        ImplausibleDropError: ``groups-vanished``, or else ``shrunk``.
    """
    vanished = _vanished_groups(has_groups, last)
    drops = _drops(summary, last)
    large = [text for text, is_large in drops if is_large]
    if (vanished or large) and not accept_drop:
        raise _refusal(summary, vanished, large, last)
    found = (*vanished, *(text for text, _ in drops))
    accepted = ("The person who requested the run accepted this.",) if vanished or large else ()
    return _not_compared(summary, last) + found + accepted


def allowed_drop(before: int, max_drop: float) -> int:
    """Return the largest drop from this number that is delivered (0.29 of 100 is 29, which floats get wrong)."""
    return max(SMALL_DROP, math.floor(Fraction(str(max_drop)) * before))


def _refusal(
    summary: ConsentSummary, vanished: tuple[str, ...], large: list[str], last: RunRecord | None
) -> ImplausibleDropError:
    what = [*vanished, *large]
    if large and last and last.study_sha256 != summary.study.sha256:
        what.append("The study file changed since then; its new rules may be the reason.")
    fix = (
        "Remove the token's user from the data access group, under User Rights in REDCap."
        if vanished
        else "Check in REDCap whether records were deleted or moved, and whether the token's user sees all of them."
    )
    return ImplausibleDropError("groups-vanished" if vanished else "shrunk", " ".join(what), f"{fix} {_ACCEPT}")


def _vanished_groups(has_groups: bool, last: RunRecord | None) -> tuple[str, ...]:
    if has_groups or last is None or not last.has_groups:
        return ()
    return (
        f"REDCap no longer sends the data access groups that it sent for the report as of {last.cutoff}. Either the "
        "token's user was put into a group and sees only that site, or the project no longer has groups.",
    )


def _drops(summary: ConsentSummary, last: RunRecord | None) -> list[tuple[str, bool]]:
    """Return each number that dropped, in words, and whether it dropped too far."""
    if last is None or last.counts is None:
        return []
    pairs = [("Participants", last.counts.participants, summary.participants.total)]
    if last.cutoff is None or summary.period.cutoff >= last.cutoff:
        pairs.append(("Consented participants", last.counts.consented, summary.participants.consented))
    return [
        (
            f"{what} dropped by {before - after:,}: from {before:,} as of {last.cutoff} "
            f"to {after:,} as of {summary.period.cutoff}.",
            before - after > allowed_drop(before, summary.study.max_drop),
        )
        for what, before, after in pairs
        if after < before
    ]


def _not_compared(summary: ConsentSummary, last: RunRecord | None) -> tuple[str, ...]:
    if last is not None and last.counts is not None:
        return ()
    why = (
        "This is the study's first report, so it was not compared with an earlier one."
        if last is None
        else f"The counts of the last report, as of {last.cutoff}, were purged, so nothing was compared."
    )
    return (
        f"{why} It counts {summary.everyone:,} records: compare this with the number that REDCap shows to a user who "
        "is in no data access group.",
    )
