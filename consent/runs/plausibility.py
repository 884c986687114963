"""Refuse a report with far fewer people than earlier ones, until a person accepts it; remark on what may be wrong.

A rise is never questioned. ``redcap/export.py`` checks that all records of an export arrived.
"""

import math
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from consent.counting.summarise import MERGE_COPIES
from consent.counting.summary import ConsentSummary
from consent.counting.tally import Tally
from consent.dates import WEEK, short_day
from consent.errors import ImplausibleDropError
from consent.runs.ledger.record import RunRecord

SMALL_DROP = 5  # people fewer, which are delivered in a registry of any size
REPORTS_COMPARED = 26  # half a year: many small drops are not one large drop unnoticed
SOME_UNREADABLE, MOST_UNREADABLE = 5, 0.1  # dates, and their fraction of all, above which they are remarked on

_ACCEPT = (
    "If the new numbers are right, run 'consent run --accept-drop'. For the function app, add --accept-drop to consent "
    'request ("accept_drop": true in the HTTP request).'
)


def check_drop(
    summary: ConsentSummary, has_groups: bool, reports: Sequence[RunRecord], *, accept_drop: bool
) -> tuple[str, ...]:
    """Compare a report with the last one that was delivered, and with the highest of the last 26.

    The participants, and the consented among them, may each drop by 5 or by ``max_drop`` of the number before,
    whichever is larger. Consents are not compared with a report of a later day: they are fewer on an earlier one.
    Reports before a drop that a person accepted no longer count.

    Args:
        has_groups: REDCap sent the data access group of each record.
        reports: the runs of the study's delivered reports, newest first.
        accept_drop: a person checked REDCap and confirmed the new numbers.

    Returns:
        Remarks, in totals only: a small or accepted drop; without an earlier report, a total to compare with REDCap.

    Raises:
        ImplausibleDropError: ``groups-vanished``, or else ``shrunk``.
    """
    last = next(iter(reports), None)
    vanished = _vanished_groups(has_groups, last)
    drops = _drops(summary, comparable_reports(reports))
    large = [text for text, is_large in drops if is_large]
    if (vanished or large) and not accept_drop:
        raise _refusal(summary, vanished, large, last)
    found = (*vanished, *(text for text, _ in drops))
    accepted = ("The person who requested the run accepted this.",) if vanished or large else ()
    return _not_compared(summary, last) + found + accepted


def allowed_drop(before: int, max_drop: float) -> int:
    """Return the largest drop from this number that is delivered (0.29 of 100 is 29, which floats get wrong)."""
    return max(SMALL_DROP, math.floor(Fraction(str(max_drop)) * before))


def comparable_reports(reports: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the reports of the last 26 Mondays that have any, back to the last that a person accepted."""
    mondays = sorted({report.monday for report in reports}, reverse=True)[:REPORTS_COMPARED]
    recent = [report for report in reports if report.monday in mondays]
    accepted = next((n for n, report in enumerate(recent, 1) if report.accept_drop), len(recent))
    return recent[:accepted]


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


def _drops(summary: ConsentSummary, reports: Sequence[RunRecord]) -> list[tuple[str, bool]]:
    """Return each number that dropped, in words, and whether it dropped too far."""
    if not reports or reports[0].counts is None:
        return []
    last, cutoff, people = reports[0], summary.period.cutoff, summary.participants
    counted = [(report, report.counts) for report in reports if report.counts]
    numbers = [("Participants", people.total, [(counts.participants, report) for report, counts in counted])]
    if last.cutoff is None or cutoff >= last.cutoff:
        before = [(counts.consented, report) for report, counts in counted]
        numbers.append(("Consented participants", people.consented, before))
    drops = []
    for what, now, earlier in numbers:
        for (number, report), since in _last_and_highest(earlier):
            is_large = number - now > allowed_drop(number, summary.study.max_drop)
            if is_large or (now < number and report is last):
                text = f"{what} dropped by {number - now:,}{since}: from {number:,} as of {report.cutoff} "
                drops.append((f"{text}to {now:,} as of {cutoff}.", is_large))
    return drops


def _last_and_highest(numbers: Sequence[tuple[int, RunRecord]]) -> list[tuple[tuple[int, RunRecord], str]]:
    """Return the newest number, and the highest if that is another, each with the words that name it."""
    highest = max(numbers, key=lambda number: number[0])
    others = [(highest, f" since the highest of the last {REPORTS_COMPARED} reports")]
    return [(numbers[0], ""), *(others if highest[0] > numbers[0][0] else [])]


def _not_compared(summary: ConsentSummary, last: RunRecord | None) -> tuple[str, ...]:
    if last is not None and last.counts is not None:
        return ()
    why = (
        "Not compared: the run history has no earlier report of this study."
        if last is None
        else f"The counts of the last report, as of {last.cutoff}, were purged, so nothing was compared."
    )
    return (
        f"{why} This report counts {summary.everyone:,} records: compare this with the number that REDCap shows to a "
        "user who is in no data access group.",
    )


def remarks_on(summary: ConsentSummary, tally: Tally) -> tuple[str, ...]:
    """Return remarks on rules that match no record, dates that cannot be read, and records that may be wrong."""
    study, people, remarks = summary.study, summary.participants, []
    for n, form in enumerate(study.consents):
        if (form.where or form.events) and not tally.forms[n]:
            remarks.append(f"No row is selected by where or events of consent[{n + 1}] in the study file.")
    if summary.working_copies:
        remarks.append(
            f"{summary.working_copies:,} records named like working copies of double data entry (ending in --1 or --2) "
            f"are not counted. {MERGE_COPIES}"
        )
    unreadable = people.not_counted.get("unreadable_date", 0)
    dated = unreadable + people.consented
    if unreadable > max(SOME_UNREADABLE, dated * MOST_UNREADABLE):
        remarks.append(
            f"{unreadable:,} of {dated:,} dates of consent cannot be read, so these consents are not counted. REDCap "
            "writes 2026-08-19; a file that was saved by Excel has other dates: export it again."
        )
    listed = {"", *(site.code for site in study.sites.listed)} if study.sites else {""}
    others = sum(site.code not in listed for site in summary.sites or ())
    if others and len(listed) > 1:
        remarks.append(
            f"The study file does not list {others:,} of the sites. Their participants are counted, and are among "
            "the records to review, as unrecognised codes: add these sites to [sites]."
        )
    for rule in study.leave_out:
        if rule.id_pattern and not summary.left_out[rule.reason]:
            remarks.append(f"No record was left out as '{rule.reason}' (by id_pattern).")
    if study.only and summary.outside and not people.total:
        remarks.append(f"No participant has a code of [only] in {study.only.field}; everyone is outside the study.")
    return tuple(remarks)


def remarks_on_age(changed: date, cutoff: date) -> tuple[str, ...]:
    """Return a remark if a file was last changed a week before the cut-off or earlier."""
    if cutoff - changed < WEEK:
        return ()
    what = f"The file was last changed on {short_day(changed)}, so later weeks may be empty."
    return (f"{what} If it was exported on that day, add --as-of {changed}.",)
