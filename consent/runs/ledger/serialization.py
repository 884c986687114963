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
from consent.runs.ledger.record import LeaseRecord, RunRecord, WeekCounts

Row = dict[str, str | bytes | None]
StoredRow = Mapping[str, Any]  # a row and its ``version``, which every change renews
T = TypeVar("T")

# A property of an Azure table holds 64 KiB: of bytes, or of text as UTF-16.
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#property-types
MOST_BYTES = 64 * 1024
_MOST_DOCUMENT = 60_000  # bytes of UTF-16

_NOT_IN_DOCUMENT = ("week_counts", "version")


def row_of(record: RunRecord) -> Row:
    """Return a record as a row.

    What does not fit is left out, the least important first: opening numbers, weekly counts, remarks, files, the end of
    the sentences.
    """
    requested_at = instant_text(record.requested_at)
    row: Row = {"study": record.study, "key": record.run_id, "requested_at": requested_at, "document": _fitting(record)}
    counts = record.week_counts
    for stored in (counts, replace(counts, opening=None)) if counts else ():
        weeks = zlib.compress(_json(stored).encode(), level=9)
        if len(weeks) <= MOST_BYTES:
            return {**row, "week_counts": weeks}
    return row


def small_row(study: str, key: str, value: LeaseRecord | datetime | str) -> Row:
    """Return the lease on a study, the instant at which it was first seen, or the key of its forms, as a row."""
    return {"study": study, "key": key, "document": _json(value)}


def read_row(kind: type[T], row: StoredRow, what: str) -> T:
    """Return what a row holds; raises LedgerRefusedError if it cannot be read. what: names the row for people."""
    columns = [name for name in _NOT_IN_DOCUMENT if name in getattr(kind, "__dataclass_fields__", ())]
    try:
        document = json.loads(row["document"])
        value: T = _decoded(kind, document | {name: row.get(name) for name in columns} if columns else document)
        return value
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, zlib.error):
        pass
    raise LedgerRefusedError(f"{what} cannot be read; someone may have edited it.", "Delete that row, then run again.")


def instant_text(at: datetime) -> str:
    """Return an instant in UTC to the microsecond; the texts sort as the instants do."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


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
    if kind is not WeekCounts:
        return get_type_hints(kind)
    from consent.counting.summary import OpeningNumbers

    return get_type_hints(kind, localns={"OpeningNumbers": OpeningNumbers})


def _of_type(kind: type[T], value: Any) -> T:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise TypeError("of another type")
    return value


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an instant without a time zone")
    return at.astimezone(UTC)
