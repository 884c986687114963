"""How records and claims become flat rows of plain values, and back.

Pure: knows neither SQLite nor Azure. Text that would not fit a store is cut here, so that both keep the same.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, TypeVar, get_args

from consent.errors import LedgerRefusedError, RecordChangedError
from consent.files import StoredFile
from consent.runs.ledger.record import LeaseRecord, RunCounts, RunRecord, State, Trigger, WeekCounts

Cell = str | int | bool | bytes | None
T = TypeVar("T")

_COUNTS = ("participants", "consented", "records_listed", "records_received")
_TAKING_PART = "taking_part"  # which older rows have not
COLUMNS = (
    *("run_id", "study", "trigger", "monday", "requested_at", "queued_at", "sandbox", "as_of", "dry_run"),
    *("accept_drop", "state", "reason", "what", "fix", "attempt", "started_at", "finished_at", "cutoff"),
    *(*_COUNTS, _TAKING_PART),
    *("has_groups", "set_id", "files", "remarks", "redcap_version", "study_sha256", "app_version", "week_counts"),
)

# A property of an Azure table holds 64 KiB: of bytes, or of text as UTF-16.
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#property-types
MOST_BYTES = 64 * 1024
MOST_MESSAGE = 8_000  # characters
_MOST_LIST = 60_000  # bytes of JSON


def instant_text(at: datetime) -> str:
    """An instant in UTC, to the microsecond, such that the order of the texts is the order of the instants."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def instant_in(text: object) -> datetime:
    """The instant that ``instant_text`` wrote; raises ValueError for any other text."""
    at = datetime.fromisoformat(_text(text))
    if at.tzinfo is None:
        raise ValueError("an instant without a time zone")
    return at.astimezone(UTC)


def row_of(record: RunRecord) -> dict[str, Cell]:
    """The record as a row of all ``COLUMNS``; what would not fit is cut (messages, remarks) or left out (counts)."""
    counts = asdict(record.counts) if record.counts else dict.fromkeys((*_COUNTS, _TAKING_PART))
    return {
        "run_id": record.run_id,
        "study": record.study,
        "trigger": record.trigger,
        "monday": record.monday.isoformat(),
        "requested_at": instant_text(record.requested_at),
        "queued_at": instant_text(record.queued_at),
        "sandbox": record.sandbox,
        "as_of": _day_text(record.as_of),
        "dry_run": record.dry_run,
        "accept_drop": record.accept_drop,
        "state": record.state,
        "reason": _cut(record.reason),
        "what": _cut(record.what),
        "fix": _cut(record.fix),
        "attempt": record.attempt,
        "started_at": record.started_at and instant_text(record.started_at),
        "finished_at": record.finished_at and instant_text(record.finished_at),
        "cutoff": _day_text(record.cutoff),
        **counts,
        "has_groups": record.has_groups,
        "set_id": record.set_id,
        "files": _json_that_fits([asdict(file) for file in record.files]),
        "remarks": _json_that_fits([_cut(remark) for remark in record.remarks]),
        "redcap_version": record.redcap_version,
        "study_sha256": record.study_sha256,
        "app_version": record.app_version,
        "week_counts": _packed(record.week_counts),
    }


def record_in(row: Mapping[str, Any], version: str, *, place: str) -> RunRecord:
    """The record that a row holds; a column that is missing counts as empty.

    place: where the row is, for the sentence. Raises LedgerRefusedError if it cannot be understood.
    """
    return _understood(lambda: _record(row, version), f"The record of run {row.get('run_id')}", place)


def row_of_lease(lease: LeaseRecord) -> dict[str, Cell]:
    """The claim as a row, without its version."""
    return {
        "study": lease.study,
        "run_id": lease.run_id,
        "attempt": lease.attempt,
        "holder": lease.holder,
        "expires_at": instant_text(lease.expires_at),
    }


def lease_in(row: Mapping[str, Any], version: str, *, place: str) -> LeaseRecord:
    """The claim that a row holds; raises LedgerRefusedError if it cannot be understood."""
    return _understood(lambda: _lease(row, version), f"The claim on '{row.get('study')}'", place)


def first_seen_in(text: object, study: str, *, place: str) -> datetime:
    """The instant that is kept of a study's first sight; raises LedgerRefusedError if it cannot be understood."""
    return _understood(lambda: instant_in(text), f"The first sight of '{study}'", place)


def changed_meanwhile(run_id: str) -> RecordChangedError:
    """What to raise for a record that is not of the version that was to be replaced."""
    return RecordChangedError(
        f"The record of run {run_id} was changed by somebody else meanwhile, so this change was not written. Another "
        "process works on the same run: see `consent runs`."
    )


def _understood(read: Callable[[], T], what: str, place: str) -> T:
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error):
        raise LedgerRefusedError(
            f"{what} in {place} cannot be understood: somebody seems to have edited it. Put it right, or delete that "
            "row; then run again."
        ) from None


def _lease(row: Mapping[str, Any], version: str) -> LeaseRecord:
    return LeaseRecord(
        study=_text(row["study"]),
        run_id=_text(row["run_id"]),
        attempt=_number(row["attempt"]),
        holder=_text(row["holder"]),
        expires_at=instant_in(row["expires_at"]),
        version=version,
    )


def _record(row: Mapping[str, Any], version: str) -> RunRecord:
    groups, weeks = row.get("has_groups"), row.get("week_counts")
    return RunRecord(
        run_id=_text(row["run_id"]),
        study=_text(row["study"]),
        trigger=_one_of(get_args(Trigger), row["trigger"]),
        monday=date.fromisoformat(row["monday"]),
        requested_at=instant_in(row["requested_at"]),
        queued_at=instant_in(row["queued_at"]),
        sandbox=_flag(row["sandbox"]),
        as_of=_day(row.get("as_of")),
        dry_run=_flag(row["dry_run"]),
        accept_drop=_flag(row["accept_drop"]),
        state=_one_of(get_args(State), row["state"]),
        reason=_text(row.get("reason") or ""),
        what=_text(row.get("what") or ""),
        fix=_text(row.get("fix") or ""),
        attempt=_number(row["attempt"]),
        started_at=_instant(row.get("started_at")),
        finished_at=_instant(row.get("finished_at")),
        cutoff=_day(row.get("cutoff")),
        counts=_counts(row),
        has_groups=None if groups is None else _flag(groups),
        set_id=_text(row.get("set_id") or ""),
        files=tuple(StoredFile(**file) for file in json.loads(row.get("files") or "[]")),
        remarks=tuple(_text(remark) for remark in json.loads(row.get("remarks") or "[]")),
        redcap_version=_text(row.get("redcap_version") or ""),
        study_sha256=_text(row.get("study_sha256") or ""),
        app_version=_text(row.get("app_version") or ""),
        week_counts=None if weeks is None else WeekCounts.unpacked(weeks),
        version=version,
    )


def _counts(row: Mapping[str, Any]) -> RunCounts | None:
    if row.get(_COUNTS[0]) is None:
        return None
    taking_part = row.get(_TAKING_PART)
    return RunCounts(
        **{name: _number(row[name]) for name in _COUNTS},
        taking_part=None if taking_part is None else _number(taking_part),
    )


def _packed(counts: WeekCounts | None) -> bytes | None:
    """A record without its weekly counts is worth more than none at all."""
    packed = counts.packed() if counts else None
    return packed if packed is None or len(packed) <= MOST_BYTES else None


def _json_that_fits(items: Sequence[object]) -> str:
    kept = list(items)
    while len((text := _json(kept)).encode("utf-16-le")) > _MOST_LIST:
        kept.pop()
    return text


def _json(items: Sequence[object]) -> str:
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def _cut(text: str) -> str:
    readable = text.encode(errors="replace").decode()
    return readable if len(readable) <= MOST_MESSAGE else readable[: MOST_MESSAGE - 1] + "…"


def _day_text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _instant(text: object) -> datetime | None:
    return None if text is None else instant_in(text)


def _one_of(allowed: tuple[T, ...], value: Any) -> T:
    """The value, or the ValueError that ``index`` raises for any other."""
    return allowed[allowed.index(value)]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("not a number")
    return value


def _flag(value: object) -> bool:
    """SQLite keeps 0 and 1."""
    if value not in (0, 1):
        raise ValueError("neither yes nor no")
    return bool(value)
