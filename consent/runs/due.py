"""When a study's report is due, what its timer must do, and when a missing report is late.

An instant further in the future than clocks may differ was written with a wrong clock, and is ignored.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Literal

from consent.dates import WEEK
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import CLOCK_DIFFERENCE, LeaseRecord, RunRecord, scheduled_id
from consent.studies.catalog import Studies
from consent.studies.model import StudyConfig
from consent.studies.schedule import GRACE, due_at, latest_monday

STUCK_AFTER = timedelta(minutes=15)  # without a sign of life from an open run
REST_AFTER_REFUSAL = timedelta(hours=2)
"""Before a refused run is tried again: a person can act, and the hourly timer still retries before the report is late.

The first attempt, this rest and the second attempt, each run preceded by up to an hour without a timer, fit in GRACE.
"""

_LOOK_BACK = timedelta(weeks=3)  # runs for this Monday and the last were requested since then

Step = Literal["leave", "record", "reopen"]


def late(ledger: RunLedger, studies: Studies, now: datetime, *, sandbox: bool) -> tuple[str, ...]:
    """Return the keys, sorted, of the studies whose report is late or whose study file cannot be used."""
    missing = [study.key for study in studies.usable if late_report(ledger, study, now, sandbox=sandbox)]
    return tuple(sorted([*missing, *studies.failed]))


def late_report(ledger: RunLedger, study: StudyConfig, now: datetime, *, sandbox: bool) -> date | None:
    """Return the Monday of the study's late report; see ``late_monday``."""
    records, first_seen = _recent(ledger, study, now), ledger.first_seen(study.key, now)
    return late_monday(study, records, first_seen, now, sandbox=sandbox)


def all_reported(ledger: RunLedger, studies: Studies, now: datetime, *, sandbox: bool) -> bool:
    """Whether every study file can be used and every study that has started has the latest Monday's report."""
    mondays = {study.key: latest_monday(study, now) for study in studies.usable}
    return not studies.failed and all(
        mondays[study.key] < study.start_date
        or is_reported(_recent(ledger, study, now), mondays[study.key], sandbox=sandbox)
        for study in studies.usable
    )


def awaited_monday(
    study: StudyConfig, records: Iterable[RunRecord], first_seen: datetime, now: datetime, *, sandbox: bool
) -> date:
    """Return the Monday whose report comes next: the latest one until it is reported, then the one after.

    Before the study's first day it is the first Monday from that day on, and never one that was due before the study
    was first seen. records: the study's runs of the last week.
    """
    monday = latest_monday(study, now)
    if monday < study.start_date:
        return study.start_date + timedelta(days=-study.start_date.weekday() % 7)
    is_done = is_reported(records, monday, sandbox=sandbox)
    return monday if not is_done and _was_known(due_at(study, monday), first_seen, now) else monday + WEEK


def is_reported(records: Iterable[RunRecord], monday: date, *, sandbox: bool) -> bool:
    """Whether one of the runs delivered that Monday's report, or found it delivered."""
    return any(
        record.is_report
        and record.monday == monday
        and record.sandbox == sandbox
        and record.cutoff is not None
        and record.cutoff >= monday
        for record in records
    )


def late_monday(
    study: StudyConfig, records: Sequence[RunRecord], first_seen: datetime, now: datetime, *, sandbox: bool
) -> date | None:
    """Return the newest Monday whose report is missing after its grace period.

    While the newest Monday is within its grace period, the one before still counts, so that an alert stays. A study is
    on time until the first Monday that became due after it was first seen. records: of the last two weeks.
    """
    newest = latest_monday(study, now)
    if is_reported(records, newest, sandbox=sandbox):
        return None
    for monday in (newest, newest - WEEK):
        is_overdue = monday >= study.start_date and _is_overdue(due_at(study, monday), first_seen, now)
        if is_overdue and not is_reported(records, monday, sandbox=sandbox):
            return monday
    return None


def next_step(
    study: StudyConfig, records: Sequence[RunRecord], lease: LeaseRecord | None, now: datetime, *, sandbox: bool
) -> Step:
    """Return what a timer must do about the run of the latest Monday.

    Args:
        records: the study's runs of the last week.
        lease: the lease on the study.

    Returns:
        ``record`` (and queue) the Monday's own run; ``reopen`` it, because it failed, or because it was refused or only
        archived ``REST_AFTER_REFUSAL`` ago; or ``leave``, because nothing is due or a run is in progress.
    """
    monday = latest_monday(study, now)
    if monday < study.start_date or is_reported(records, monday, sandbox=sandbox):
        return "leave"
    if lease is not None and lease.is_live(now):
        return "leave"
    run_id = scheduled_id(study.key, monday, sandbox=sandbox)
    others = [record for record in records if record.run_id != run_id]
    if any(_will_report(record, monday, lease, now, sandbox=sandbox) for record in others):
        return "leave"
    own = next((record for record in records if record.run_id == run_id), None)
    if own is None:
        return "record"
    rests = own.state != "failed" and _within(REST_AFTER_REFUSAL, own.finished_at, now)
    return "leave" if own.is_open or rests else "reopen"


def is_stuck(record: RunRecord, lease: LeaseRecord | None, now: datetime) -> bool:
    """Whether an open run gave no sign of life for 15 minutes and no run of its study is in progress."""
    if not record.is_open or (lease is not None and lease.is_live(now)):
        return False
    signs = (record.queued_at, record.started_at, lease.expires_at if lease else None)
    return not any(_within(STUCK_AFTER, instant, now) for instant in signs)


def shown_state(record: RunRecord, lease: LeaseRecord | None, now: datetime) -> str:
    """Return the state for readers: ``lost`` is a run that started and no longer holds the lease on its study."""
    if record.state != "running":
        return record.state
    in_progress = lease is not None and lease.run_id == record.run_id and lease.is_live(now)
    return "running" if in_progress else "lost"


def _recent(ledger: RunLedger, study: StudyConfig, now: datetime) -> list[RunRecord]:
    return ledger.runs(study.key, since=now - _LOOK_BACK)


def _will_report(record: RunRecord, monday: date, lease: LeaseRecord | None, now: datetime, *, sandbox: bool) -> bool:
    """Whether an open run that a person requested will deliver that Monday's report."""
    delivers = not record.dry_run and (record.as_of is None or record.as_of >= monday)
    is_for_it = record.monday == monday and record.sandbox == sandbox
    return record.is_open and delivers and is_for_it and not is_stuck(record, lease, now)


def _is_overdue(due: datetime, first_seen: datetime, now: datetime) -> bool:
    return _was_known(due, first_seen, now) and now > due + GRACE


def _was_known(due: datetime, first_seen: datetime, now: datetime) -> bool:
    return first_seen <= due or first_seen > now + CLOCK_DIFFERENCE


def _within(length: timedelta, instant: datetime | None, now: datetime) -> bool:
    return instant is not None and now - length < instant <= now + CLOCK_DIFFERENCE
