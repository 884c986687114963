"""What became of every run, and which run is at work: the record of a run, the claim on a study, and what keeps them.

Decides nothing about when to run, and stores nothing itself: ``sqlite_ledger.py`` and ``table_ledger.py`` do.
"""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, Protocol

from consent.files import StoredFile
from consent.runs.request import RunRequest

State = Literal["requested", "running", "delivered", "unchanged", "refused", "failed"]
Trigger = Literal["monday", "catch_up", "http", "command line"]

OPEN: frozenset[State] = frozenset({"requested", "running"})
REPORTED: frozenset[State] = frozenset({"delivered", "unchanged"})

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]*\.[A-Za-z0-9-]+")

CLAIM_LENGTH = timedelta(minutes=10)
CLOCK_DIFFERENCE = timedelta(minutes=5)  # between two machines, at most


@dataclass(frozen=True)
class RunCounts:
    """The totals of a report, in people and records; no count by week, site or rider.

    taking_part: of those who consented; None in records of a time when it was not kept.
    """

    participants: int
    consented: int
    records_listed: int
    records_received: int
    taking_part: int | None = None


@dataclass(frozen=True)
class WeekCounts:
    """The weekly numbers of one report: week by week from the study's first, and by rider.

    complete: how many of the weeks, from the first, were complete then. rules: a fingerprint of each counting rule that
    made them (see ``rule_fingerprints``); empty where that was not kept yet.
    """

    first_day: date
    complete: int
    consented: tuple[int, ...]
    riders: Mapping[str, tuple[int, ...]]
    rules: Mapping[str, str] = field(default_factory=dict)

    @property
    def over(self) -> dict[date, int]:
        """The consents of each week that was complete then, by its first day."""
        return {self.first_day + n * timedelta(weeks=1): self.consented[n] for n in range(self.complete)}

    def packed(self) -> bytes:
        """A few kilobytes for years of weeks (zlib over JSON); the same counts give the same bytes."""
        document = {
            "first_day": self.first_day.isoformat(),
            "complete": self.complete,
            "consented": self.consented,
            "riders": dict(self.riders),
            "rules": dict(self.rules),
        }
        return zlib.compress(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(), level=9)

    @classmethod
    def unpacked(cls, data: bytes) -> "WeekCounts":
        """The counts that ``packed`` made these bytes of."""
        found: dict[str, Any] = json.loads(zlib.decompress(data))
        return cls(
            first_day=date.fromisoformat(found["first_day"]),
            complete=found["complete"],
            consented=tuple(found["consented"]),
            riders={key: tuple(counts) for key, counts in found["riders"].items()},
            rules=found.get("rules", {}),
        )


@dataclass(frozen=True)
class RunRecord:
    """One run: what was asked for, how far it is, and what came of it.

    Attributes:
        monday: the Monday whose report was due when the run was asked for; ``as_of`` the day asked for, if any.
        sandbox: the run goes to a stand-in, and counts only among its like.
        requested_at: when it was asked for; ``queued_at`` when a message for it was last known to be in the queue.
        attempt: how often it was begun.
        reason: the error code of the last attempt, or ``archived``, ``dry-run``, ``lost`` or ``stopped``. ``what`` and
            ``fix`` are the error's two sentences.
        remarks: what the person who asked should know of a run that went well.
        week_counts: kept of delivered reports; not filled in by a listing.
        version: of the stored record, given by the ledger; a record is only replaced by one of the same version.
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
    def request(self) -> RunRequest:
        """What was asked for."""
        return RunRequest(self.study, self.as_of, self.dry_run, self.accept_drop)

    @property
    def is_open(self) -> bool:
        """Whether the run has yet to end."""
        return self.state in OPEN

    @property
    def is_report(self) -> bool:
        """Whether its report stands, or stood, under the stable names."""
        return self.state in REPORTED and not self.dry_run and self.reason != "archived"


@dataclass(frozen=True)
class LeaseRecord:
    """Which run is at work on a study, and until when nobody else may be.

    holder: names the process, for whoever looks into it. version: of the stored claim; by it those are told apart who
    carry out the same run.
    """

    study: str
    run_id: str
    attempt: int
    holder: str
    expires_at: datetime
    version: str = ""

    def is_live(self, now: datetime) -> bool:
        """Whether the run may still be at work; a claim that ends too far ahead is one of a clock that is wrong."""
        return now < self.expires_at <= now + CLAIM_LENGTH + CLOCK_DIFFERENCE


class RunLedger(Protocol):
    """Keeps the records and claims; each change is all or nothing, and repeating one whose answer was lost is harmless.

    All methods raise ``LedgerUnavailableError`` or ``LedgerRefusedError``. Instants are aware, in UTC, kept to the
    microsecond.
    """

    def add(self, record: RunRecord) -> RunRecord | None:
        """Keep a new record and return it with its version; None if there already is another of its id."""

    def read(self, run_id: str) -> RunRecord | None:
        """The record of that id, whole."""

    def write(self, record: RunRecord) -> RunRecord:
        """Replace the record that has this one's version; return it with its new version.

        Raises ``RecordChangedError`` if it was changed meanwhile.
        """

    def runs(self, study: str | None = None, *, since: datetime | None = None) -> list[RunRecord]:
        """The records of a study (or of all) asked for since then, newest first, without their week counts."""

    def last_report(self, study: str, *, sandbox: bool) -> RunRecord | None:
        """The run whose report is the newest under the stable names (latest cut-off, then latest end), whole."""

    def report_before(self, study: str, cutoff: date, *, sandbox: bool) -> RunRecord | None:
        """The run whose report is the newest under the stable names among those with an earlier cut-off, whole."""

    def lease_of(self, study: str) -> LeaseRecord | None:
        """The claim on a study, live or not."""

    def put_lease(self, lease: LeaseRecord) -> LeaseRecord | None:
        """Replace the claim of this one's version (none, if that is empty); None if somebody else did first."""

    def drop_lease(self, lease: LeaseRecord) -> None:
        """Remove exactly this claim; nothing happens if it is gone or another's."""

    def first_seen(self, study: str, now: datetime) -> datetime:
        """When this was first asked of the study; the first time, that is now."""

    def purge_counts(self, before: datetime) -> int:
        """Drop the counts of ended runs asked for earlier (totals, weeks, sentences), but not of a study's last report.

        Returns how many records lost theirs.
        """

    def close(self) -> None:
        """Let go of connections."""


def scheduled_id(study: str, monday: date, *, sandbox: bool) -> str:
    """The id of the one run that delivers a Monday's report by itself."""
    return f"{study}.{'sandbox-' if sandbox else ''}{monday.isoformat()}"


def asked_id(study: str, now: datetime, nonce: str) -> str:
    """The id of a run that a person asked for; ``nonce`` tells apart those of one second."""
    return f"{study}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{nonce}"


def is_run_id(text: str) -> bool:
    """Whether a text could be the id of a run."""
    return len(text) <= 200 and _RUN_ID.fullmatch(text) is not None


def study_of(run_id: str) -> str:
    """The key of the study that a run is of; a key holds no dot."""
    return run_id.partition(".")[0]
