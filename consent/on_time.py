"""Which studies lack the report they are due, and whether none does; goes by the ledger and asks nobody else.

Decides no rule (``due.py`` does) and tells nobody.
"""

from datetime import datetime, timedelta

from consent.due import is_late, is_reported, latest_monday
from consent.known_studies import Studies
from consent.ledger import RunLedger, RunRecord
from consent.study import StudyConfig

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
