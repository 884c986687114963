"""Records and leases as rows of the run history, the same for both stores.

A row has the keys ``study`` and ``key``, and a JSON document. A run's row also has ``requested_at``, for the listings,
and ``week_counts``, compressed, which a listing leaves out.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from consent.errors import LedgerRefusedError
from consent.runs.ledger.record import LeaseRecord, RunRecord

Row = dict[str, str | bytes | None]
T = TypeVar("T")

# A property of an Azure table holds 64 KiB: of bytes, or of text as UTF-16.
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#property-types
MOST_BYTES = 64 * 1024
_MOST_DOCUMENT = 60_000  # bytes of UTF-16

LEASE, FIRST_SEEN = "lease", "first-seen"  # keys of a study's other rows

_NOT_IN_DOCUMENT = ("week_counts", "version")


def row_of(record: RunRecord) -> Row:
    """Return a record as a row.

    What does not fit is left out, the least important first: weekly counts, remarks, files, the end of the sentences.
    """
    requested_at = instant_text(record.requested_at)
    row: Row = {"study": record.study, "key": record.run_id, "requested_at": requested_at, "document": _fitting(record)}
    weeks = None if record.week_counts is None else zlib.compress(_json(record.week_counts).encode(), level=9)
    return row if weeks is None or len(weeks) > MOST_BYTES else {**row, "week_counts": weeks}


def row_of_lease(lease: LeaseRecord) -> Row:
    """Return a lease as a row."""
    return {"study": lease.study, "key": LEASE, "document": _json(lease)}


def row_of_first_sight(study: str, at: datetime) -> Row:
    """Return the instant at which a study was first seen as a row."""
    return {"study": study, "key": FIRST_SEEN, "document": json.dumps(instant_text(at))}


def record_in(row: Mapping[str, Any], version: str, *, place: str) -> RunRecord:
    """Return the record in a row; raises LedgerRefusedError if it cannot be read. place: names the store."""
    what = f"The record of run {row['key']} in {place}"
    return _read(RunRecord, row, what, version=version, week_counts=row.get("week_counts"))


def lease_in(row: Mapping[str, Any], version: str, *, place: str) -> LeaseRecord:
    """Return the lease in a row; raises LedgerRefusedError if it cannot be read."""
    return _read(LeaseRecord, row, f"The lease on '{row['study']}' in {place}", version=version)


def first_seen_in(row: Mapping[str, Any], version: str, *, place: str) -> datetime:
    """Return the instant in a row; raises LedgerRefusedError if it cannot be read."""
    return _read(datetime, row, f"The first sight of '{row['study']}' in {place}")


def instant_text(at: datetime) -> str:
    """Return an instant in UTC to the microsecond; the texts sort as the instants do."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _read(kind: type[T], row: Mapping[str, Any], what: str, **others: Any) -> T:
    try:
        document = json.loads(row["document"])
        value: T = _decoded(kind, {**document, **others} if others else document)
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error):
        raise LedgerRefusedError(
            f"{what} cannot be read; someone may have edited it.", "Delete that row, then run again."
        ) from None
    return value


def _fitting(record: RunRecord) -> str:
    while len((text := _json(record)).encode("utf-16-le")) > _MOST_DOCUMENT:
        if record.remarks:
            record = replace(record, remarks=record.remarks[:-1])
        elif record.files:
            record = replace(record, files=record.files[:-1])
        else:
            record = replace(record, what=_halved(record.what), fix=_halved(record.fix))
    return text


def _halved(text: str) -> str:
    return f"{text[: len(text) // 2]}…" if text else ""


def _json(value: Any) -> str:
    text = json.dumps(value, default=_encoded, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()  # no lone surrogates, which no store accepts


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return {field.name: getattr(value, field.name) for field in fields(value) if field.name not in _NOT_IN_DOCUMENT}


def _decoded(kind: Any, value: Any) -> Any:
    """Return plain JSON values as ``kind``; raises TypeError, ValueError or KeyError if they do not fit."""
    origin, arguments = get_origin(kind), get_args(kind)
    if hasattr(kind, "__dataclass_fields__"):
        hints = _hints(kind)
        value = json.loads(zlib.decompress(value)) if isinstance(value, bytes) else value
        if set(value) != set(hints):
            raise ValueError("fields missing or unknown")
        return kind(**{name: _decoded(hint, value[name]) for name, hint in hints.items()})
    if origin is Literal:
        return arguments[arguments.index(value)]
    if origin is UnionType:
        return None if value is None else _decoded(arguments[0], value)
    if origin is tuple:
        return tuple(_decoded(arguments[0], item) for item in _of_type(list, value))
    if origin is Mapping:
        return {key: _decoded(arguments[1], item) for key, item in value.items()}
    if kind is datetime:
        return _aware(datetime.fromisoformat(value))
    return date.fromisoformat(value) if kind is date else _of_type(kind, value)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _of_type(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError("of another type")
    return value


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an instant without a time zone")
    return at.astimezone(UTC)
