"""The types of the run history: a run's record, and a study's lease."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from consent.counting.period import WeekChange
from consent.dates import WEEK
from consent.files import StoredFile
from consent.runs.request import RunRequest

if TYPE_CHECKING:
    from consent.counting.summary import OpeningNumbers  # its many classes take time at a cold start

State = Literal["requested", "running", "delivered", "unchanged", "refused", "failed"]
Trigger = Literal["monday", "catch_up", "http", "page", "command line"]

OPEN: frozenset[State] = frozenset({"requested", "running"})
REPORTED: frozenset[State] = frozenset({"delivered", "unchanged"})

LEASE_LENGTH = timedelta(minutes=10)
CLOCK_DIFFERENCE = timedelta(minutes=5)  # the most that the clocks of two machines may differ

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]*\.[A-Za-z0-9-]+")


@dataclass(frozen=True)
class RunCounts:
    """The totals of a report, in people and records."""

    participants: int
    consented: int
    records_listed: int
    records_received: int
    taking_part: int


@dataclass(frozen=True)
class WeekCounts:
    """The weekly numbers of one report, from the study's first week on.

    complete: how many weeks, from the first, were complete then. rules: see ``rule_fingerprints``. opening: the other
    numbers that open the report, without any weeks; None if there is no room for them.
    """

    first_day: date
    complete: int
    consented: tuple[int, ...]
    riders: Mapping[str, tuple[int, ...]]
    rules: Mapping[str, str]
    opening: "OpeningNumbers | None" = None

    def changes_since(self, earlier: "WeekCounts") -> tuple[WeekChange, ...]:
        """Return the weeks that were complete in an earlier report and have another count now, oldest first."""
        before = {earlier.first_day + n * WEEK: earlier.consented[n] for n in range(earlier.complete)}
        weeks = [(self.first_day + n * WEEK, consented) for n, consented in enumerate(self.consented)]
        return tuple(
            WeekChange(day, day + WEEK - timedelta(days=1), before[day], consented)
            for day, consented in weeks
            if before.get(day, consented) != consented
        )


@dataclass(frozen=True)
class RunRecord:
    """One run: what was requested, how far it is, and how it ended.

    Attributes:
        monday: the Monday whose report was due at the time of the request.
        sandbox: the run delivers to a simulated Dropbox; such runs are compared only with each other.
        queued_at: when a message for the run was last put into the queue.
        attempt: how often the run was started. tries: how often since it was last put into the queue.
        reason: the error code of the last attempt, or ``archived``, ``dry-run``, ``lost`` or ``stopped``.
        what: what failed; ``fix`` says how to fix it. Both are empty after a success.
        remarks: notes for the person who requested a run that succeeded.
        week_counts: stored for delivered reports; a listing leaves them out.
        version: set by the store. A record replaces only a record of the same version.
    """

    run_id: str
    study: str
    trigger: Trigger
    monday: date
    requested_at: datetime
    queued_at: datetime
    sandbox: bool = False
    as_of: date | None = None
    dry_run: bool = False
    accept_drop: bool = False
    state: State = "requested"
    reason: str = ""
    what: str = ""
    fix: str = ""
    attempt: int = 0
    tries: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cutoff: date | None = None
    counts: RunCounts | None = None
    has_groups: bool | None = None
    set_id: str = ""
    files: tuple[StoredFile, ...] = ()
    remarks: tuple[str, ...] = ()
    redcap_version: str = ""
    study_sha256: str = ""
    app_version: str = ""
    week_counts: WeekCounts | None = None
    version: str = ""

    @property
    def opening(self) -> "OpeningNumbers | None":
        """The numbers that open the report, with its weeks; None if they were purged."""
        counts = self.week_counts
        if counts is None or counts.opening is None:
            return None
        from consent.counting.summary import WeekCount

        series = {key: iter(numbers) for key, numbers in counts.riders.items()}
        weeks = (
            WeekCount(**vars(week), consented=consented, riders={key: next(series[key]) for key in series})
            for week, consented in zip(counts.opening.period.weeks, counts.consented, strict=True)
        )
        return replace(counts.opening, weeks=tuple(weeks))

    @property
    def request(self) -> RunRequest:
        """What was requested."""
        return RunRequest(self.study, self.as_of, self.dry_run, self.accept_drop)

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return self.state in OPEN

    @property
    def is_report(self) -> bool:
        """Whether the run delivered the study's current report, at that time."""
        return self.state in REPORTED and not self.dry_run and self.reason != "archived"


@dataclass(frozen=True)
class LeaseRecord:
    """The right of one run to work on a study, until it expires.

    holder: the process, for whoever investigates. version: set by the store; it differs for every owner and renewal.
    """

    study: str
    run_id: str
    attempt: int
    holder: str
    expires_at: datetime
    version: str = ""

    def is_live(self, now: datetime) -> bool:
        """Whether the lease is in force; one that ends too far ahead was written with a wrong clock."""
        return now < self.expires_at <= now + LEASE_LENGTH + CLOCK_DIFFERENCE


def scheduled_id(study: str, monday: date, *, sandbox: bool) -> str:
    """Return the id of the one scheduled run of a Monday."""
    return f"{study}.{'sandbox-' if sandbox else ''}{monday.isoformat()}"


def asked_id(study: str, now: datetime, nonce: str) -> str:
    """Return the id of a run that a person requests; ``nonce`` separates those of one second."""
    return f"{study}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{nonce}"


def repeated_id(request: RunRequest, previous: str, *, sandbox: bool) -> str:
    """Return the id of the run that equal requests share; ``previous`` is the id of the equal run before it."""
    text = repr((request, previous, sandbox))
    return f"{request.study}.asked-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def is_run_id(text: str) -> bool:
    """Whether a text has the form of a run's id."""
    return len(text) <= 200 and _RUN_ID.fullmatch(text) is not None


def study_of(run_id: str) -> str:
    """Return the key of the run's study; a key contains no dot."""
    return run_id.partition(".")[0]
