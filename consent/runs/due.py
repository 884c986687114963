"""When a study's report is due, what its timer should do about it, and when silence has become an alarm.

Pure: the records, the claim and the instant are handed in. Queues nothing and changes no record. An instant further in
the future than clocks may differ comes of a clock that was wrong, and is never believed.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Literal

from consent.dates import WEEK
from consent.runs.ledger.record import CLOCK_DIFFERENCE, LeaseRecord, RunRecord, scheduled_id
from consent.runs.ledger.store import RunLedger
from consent.studies.catalog import Studies
from consent.studies.model import StudyConfig
from consent.studies.schedule import GRACE, due_at, latest_monday

STRANDED_AFTER = timedelta(minutes=15)
"""How long an open run may be silent before its message is taken for lost."""

REST_AFTER_REFUSAL = timedelta(hours=6)
"""How long a refused run is left alone, so that a person can act."""

Step = Literal["leave", "record", "reopen"]


def awaited_monday(study: StudyConfig, records: Iterable[RunRecord], now: datetime, *, sandbox: bool) -> date:
    """The Monday whose report is the next to come: the latest one that is due until it is reported, then the one after.

    Before the study's first day it is the first Monday from that day on.

    Args:
        records: the study's runs, of at least the last week.
    """
    monday = latest_monday(study, now)
    if monday < study.start_date:
        return study.start_date + timedelta(days=-study.start_date.weekday() % 7)
    return monday + WEEK if is_reported(records, monday, sandbox=sandbox) else monday


def is_reported(records: Iterable[RunRecord], monday: date, *, sandbox: bool) -> bool:
    """Whether one of the runs delivered that Monday's report, or found that it stood there already."""
    return any(
        record.is_report
        and record.monday == monday
        and record.sandbox == sandbox
        and record.cutoff is not None
        and record.cutoff >= monday
        for record in records
    )


def next_step(
    study: StudyConfig, records: Sequence[RunRecord], lease: LeaseRecord | None, now: datetime, *, sandbox: bool
) -> Step:
    """What a timer should do about the run of the latest Monday.

    Args:
        records: the study's runs, of at least the last week.
        claim: the one on the study.

    Returns:
        ``record`` (and queue) the Monday's own run, ``reopen`` it (it failed, or six hours ago it was refused or went
        to the archive alone), or ``leave``: nothing is due, or something is under way.
    """
    monday = latest_monday(study, now)
    if monday < study.start_date or is_reported(records, monday, sandbox=sandbox):
        return "leave"
    if lease is not None and lease.is_live(now):
        return "leave"
    run_id = scheduled_id(study.key, monday, sandbox=sandbox)
    others = [record for record in records if record.run_id != run_id]
    if any(_is_coming(record, monday, lease, now, sandbox=sandbox) for record in others):
        return "leave"
    own = next((record for record in records if record.run_id == run_id), None)
    return "record" if own is None else _next_step_of(own, now)


def is_stuck(record: RunRecord, lease: LeaseRecord | None, now: datetime) -> bool:
    """Whether an open run was forgotten: nobody is at work on its study, and nothing was heard for 15 minutes."""
    if not record.is_open or (lease is not None and lease.is_live(now)):
        return False
    heard = (record.queued_at, record.started_at, lease.expires_at if lease else None)
    return not any(_within(STRANDED_AFTER, instant, now) for instant in heard)


def shown_state(record: RunRecord, lease: LeaseRecord | None, now: datetime) -> str:
    """The state as people should see it: ``lost`` is a run that was begun and whose claim on its study ran out."""
    if record.state != "running":
        return record.state
    at_work = lease is not None and lease.run_id == record.run_id and lease.is_live(now)
    return "running" if at_work else "lost"


def is_late(
    study: StudyConfig, records: Sequence[RunRecord], first_seen: datetime, now: datetime, *, sandbox: bool
) -> bool:
    """Whether a report that was due has not come within its grace.

    While the newest Monday is within its grace the one before still counts: an alarm does not go silent each Monday
    morning. A study is on time until the first Monday that became due after it was first seen.

    Args:
        records: the study's runs, of at least the last two weeks.
    """
    newest = latest_monday(study, now)
    if is_reported(records, newest, sandbox=sandbox):
        return False
    return any(
        monday >= study.start_date
        and _is_overdue(due_at(study, monday), first_seen, now)
        and not is_reported(records, monday, sandbox=sandbox)
        for monday in (newest, newest - WEEK)
    )


def _is_coming(record: RunRecord, monday: date, lease: LeaseRecord | None, now: datetime, *, sandbox: bool) -> bool:
    """Whether an open run, asked for by a person, is about to deliver that Monday's report."""
    delivers = not record.dry_run and (record.as_of is None or record.as_of >= monday)
    is_for_it = record.monday == monday and record.sandbox == sandbox
    return record.is_open and delivers and is_for_it and not is_stuck(record, lease, now)


def _next_step_of(own: RunRecord, now: datetime) -> Step:
    if own.is_open:
        return "leave"
    rests = own.state != "failed" and _within(REST_AFTER_REFUSAL, own.finished_at, now)
    return "leave" if rests else "reopen"


def _is_overdue(due: datetime, first_seen: datetime, now: datetime) -> bool:
    was_known = first_seen <= due or first_seen > now + CLOCK_DIFFERENCE
    return was_known and now > due + GRACE


def _within(length: timedelta, instant: datetime | None, now: datetime) -> bool:
    """Whether that was less than ``length`` ago, and not in a future that no clock should tell of."""
    return instant is not None and now - length < instant <= now + CLOCK_DIFFERENCE


LOOKED_BACK = timedelta(weeks=3)  # reports for this Monday and the last are asked for since then


def late(ledger: RunLedger, studies: Studies, now: datetime, *, sandbox: bool) -> tuple[str, ...]:
    """The keys of the studies whose report is later than its grace, sorted; with them those whose file is unusable.

    Raises what the ledger raises.
    """
    missing = [study.key for study in studies.usable if _is_late(ledger, study, now, sandbox=sandbox)]
    return tuple(sorted([*missing, *studies.failed]))


def all_reported(ledger: RunLedger, studies: Studies, now: datetime, *, sandbox: bool) -> bool:
    """Whether every study that has begun has its report for the latest Monday; not so while any file is unusable.

    Raises what the ledger raises.
    """
    return not studies.failed and all(_is_reported(ledger, study, now, sandbox=sandbox) for study in studies.usable)


def _is_late(ledger: RunLedger, study: StudyConfig, now: datetime, *, sandbox: bool) -> bool:
    first_seen = ledger.first_seen(study.key, now)
    return is_late(study, _recent(ledger, study, now), first_seen, now, sandbox=sandbox)


def _is_reported(ledger: RunLedger, study: StudyConfig, now: datetime, *, sandbox: bool) -> bool:
    monday = latest_monday(study, now)
    return monday < study.start_date or is_reported(_recent(ledger, study, now), monday, sandbox=sandbox)


def _recent(ledger: RunLedger, study: StudyConfig, now: datetime) -> list[RunRecord]:
    return ledger.runs(study.key, since=now - LOOKED_BACK)
