"""A flat CSV export made by hand -> counts, for ``summarise``.

The same counting as for REDCap's API, on a file whose completeness nobody can check. Raw codes are expected; extra
columns are ignored. Rows are read one by one, so the file may be of any size.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Generic

import pandas as pd

from consent.errors import ConfigurationError, SourceDataError
from consent.redcap.arrivals import (
    EVENT,
    INSTANCE,
    INSTRUMENT,
    RECORD,
    ReceivedRows,
    Row,
    RowShape,
    ensure_no_repeated_rows,
    frame_of,
    record_batches,
)
from consent.redcap.dictionary import TIMESTAMP
from consent.redcap.export import Counts
from consent.redcap.export_plan import ColumnMap, value_columns
from consent.studies.model import FieldRef, StudyConfig, named_fields

LONGEST_VALUE = 10_000_000  # characters; a notes field can hold a whole letter


@dataclass(frozen=True)
class Counted(Generic[Counts]):
    """What a file held."""

    counts: Counts
    records: int


def coding_of_columns(study: StudyConfig, record_id: str) -> ColumnMap:
    """How the study's fields are written in a file, where no data dictionary tells.

    A checkbox option's column is computed by REDCap's rule. Which form has a rider cannot be known: every consent
    offers it, and where its own row is blank the answer may stand on a row that holds no consent.
    """
    columns = {ref: RECORD if ref.field == record_id else _column_of(ref) for _, ref in named_fields(study)}
    return ColumnMap(
        columns=columns,
        missing_codes=frozenset(),
        event_order=(),
        offered_by={rider.key: frozenset(range(len(study.consents))) for rider in study.riders},
        kept_apart=frozenset(rider.key for rider in study.riders),
        timestamps=frozenset(
            ref.field for key, ref in named_fields(study) if key.endswith(".date") and ref.field.endswith(TIMESTAMP)
        ),
    )


def count_file(
    path: Path, study: StudyConfig, count: Callable[[ColumnMap, pd.DataFrame], Counts], nothing: Counts
) -> Counted[Counts]:
    """Count a CSV export.

    Args:
        count: counts a batch of rows that splits no record.
        nothing: the counts of no row at all.

    Raises:
        SourceDataError: the file is not a whole CSV export with the study's fields.
    """
    _ensure_csv(path)
    arrived, counts = _pass(path, study, count, nothing, frozenset())
    if apart := arrived.split_records():
        arrived, counts = _pass(path, study, count, nothing, apart)
    if not arrived.rows:
        raise unusable_file(path, "it has a header but no rows", "Export again, with all records")
    ensure_no_repeated_rows(arrived, f"The file {path.name}")
    return Counted(counts, arrived.record_count)


def _pass(
    path: Path,
    study: StudyConfig,
    count: Callable[[ColumnMap, pd.DataFrame], Counts],
    nothing: Counts,
    held_back: frozenset[int],
) -> tuple[ReceivedRows, Counts]:
    arrived, counts = ReceivedRows(), nothing
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _lines(file, path)
        header = next(lines, [])
        _ensure_record_id(header, study, path)
        coding = coding_of_columns(study, header[0] if header else "")
        shape = _shape(header, value_columns(study, coding.columns), path)
        for batch in record_batches(_rows(lines, header, shape, path), arrived, held_back=held_back):
            counts = counts + count(coding, frame_of(batch, shape))
    return arrived, counts


def _lines(file: Iterable[str], path: Path) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_VALUE)
    reader = csv.reader(file, strict=True)
    try:
        yield from reader
        return
    except csv.Error:
        failure = unusable_file(
            path, f"line {reader.line_num} is not CSV (a quote is opened there or before, and not closed?)"
        )
    except UnicodeDecodeError:
        failure = unusable_file(path, "it is not UTF-8 text", "Save it as 'CSV UTF-8', or export it again")
    except OSError as error:
        failure = unusable_file(
            path, f"reading it broke off ({error.strerror})", "Copy it to this computer and try again"
        )
    raise failure  # here, where the error that holds the file's bytes is gone


def _rows(lines: Iterator[list[str]], header: list[str], shape: RowShape, path: Path) -> Iterator[Row]:
    place = {name: position for position, name in enumerate(header)}
    absent = len(header)  # where a blank is put behind every line, for structure columns that the file does not have
    structure = (place.get(name, absent) for name in (EVENT, INSTRUMENT, INSTANCE))
    take = itemgetter(0, *structure, *(place[name] for name in shape.values))
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        if len(line) != absent:
            raise unusable_file(
                path, f"row {number} has {len(line)} values where the header has {absent} (the header is row 1)"
            )
        if not line[0].strip():
            raise unusable_file(path, f"row {number} has no record id (the header is row 1)")
        line.append("")
        yield take(line)


def _shape(header: list[str], values: tuple[str, ...], path: Path) -> RowShape:
    if len(header) == 1 and (other := re.search(r"[;\t|^]", header[0])):
        mark = "tabs" if other[0] == "\t" else f"'{other[0]}'"
        raise unusable_file(path, f"its columns are separated by {mark}", "Export it with commas as the CSV delimiter")
    if missing := [name for name in values if name not in header]:
        raise unusable_file(
            path,
            f"it has no column {', '.join(missing)}",
            "Export these fields too, as raw data (codes, not labels)",
        )
    if twice := [name for name in values if header.count(name) > 1]:
        raise unusable_file(path, f"the column {', '.join(twice)} stands in it twice")
    return RowShape(record_id=header[0], values=values, structure=())


def _ensure_record_id(header: list[str], study: StudyConfig, path: Path) -> None:
    """The first column names the record, so no field that is counted can stand there, nor its name elsewhere."""
    counted = {_column_of(ref) for key, ref in named_fields(study) if not key.startswith(("leave_out", "only"))}
    if header and header[0] in {EVENT, INSTRUMENT, INSTANCE, *counted}:
        raise unusable_file(path, f"its first column is {header[0]}, not the record id", "Export it with the record id")
    if header and header[0] != RECORD and RECORD in {_column_of(ref) for _, ref in named_fields(study)}:
        raise unusable_file(path, f"a field named '{RECORD}' cannot be told from the record id", "Rename it in REDCap")


def _column_of(ref: FieldRef) -> str:
    """REDCap's name of a checkbox option's column: three underscores, then the code in lower case, safe characters."""
    if ref.code is None:
        return ref.field
    return f"{ref.field}___{re.sub(r'[^a-z0-9_]', '_', ref.code.lower())}"


def _ensure_csv(path: Path) -> None:
    """Recognise what is no CSV export by its first and last bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(1024)
            file.seek(max(0, path.stat().st_size - 1))
            last = file.read(1)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ConfigurationError(f"The file {path} cannot be opened: {reason}. Check its name and place.") from None
    if not head.strip():
        raise unusable_file(path, "it is empty")
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise unusable_file(path, "it is an Excel workbook, whatever its name says", "Export as 'CSV (raw data)'")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head:
        raise unusable_file(
            path, "it is UTF-16 or binary, not UTF-8 text", "Save it as 'CSV UTF-8', or export it again"
        )
    if last not in (b"\n", b"\r"):
        raise unusable_file(path, "it does not end with a line break as every REDCap export does, so it may be cut off")


def unusable_file(
    path: Path, why: str, advice: str = "Export it from REDCap again, as 'CSV (raw data)'"
) -> SourceDataError:
    """Return the error of a file that cannot be counted."""
    return SourceDataError(f"The file {path.name} cannot be counted: {why}. {advice}. Nothing was written.")
