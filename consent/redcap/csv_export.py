"""Count a flat CSV export made by hand, for ``summarise``.

It is counted like an export by API, but nobody can check that it is complete. It must hold raw codes, and the record id
first; other columns are ignored. The file may have any size.
"""

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from consent.config.checks import os_reason
from consent.errors import ConfigurationError, SourceDataError
from consent.redcap.arrivals import (
    EVENT,
    GROUP,
    INSTANCE,
    INSTRUMENT,
    RECORD,
    SURVEY,
    ReceivedRows,
    Rows,
    RowShape,
    ensure_no_repeated_rows,
    record_batches,
)
from consent.redcap.coded_columns import CodedColumn, coded_columns
from consent.redcap.csv_blocks import LONGEST_ROW, CsvTable, Damage, is_utf8
from consent.redcap.dictionary import TIMESTAMP
from consent.redcap.export import Counts
from consent.redcap.export_plan import ColumnMap, value_columns
from consent.studies.model import FieldRef, StudyConfig, named_fields

PIECE = 1_000_000  # bytes
_EXPORT_AGAIN = "Export it from REDCap again, as 'CSV (raw data)'."
_AS_EXPORTED = "Export it from REDCap again, as 'CSV (raw data)', and do not save it from another program."
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ROW_NUMBERS = re.compile(r"index|level_0|(row|obs|line)_?(id|names?|num|number|no)?s?|rn|x1?|v1|unnamed_?0")
_STRUCTURE = (EVENT, INSTRUMENT, INSTANCE, GROUP, SURVEY)


def csv_column_map(study: StudyConfig, record_id: str) -> ColumnMap:
    """Return where a file holds the study's fields, without a data dictionary.

    The column of a checkbox option follows from REDCap's rule. The forms of the riders are unknown, so every consent
    form offers each rider, and the answer may be on a row without a consent.
    """
    columns = {ref: RECORD if ref.field == record_id else _column_of(ref) for _, ref in named_fields(study)}
    return ColumnMap(
        columns=columns,
        missing_codes=frozenset(study.redcap.missing_codes),
        event_order=(),
        offered_by={
            rider.key: dict.fromkeys(range(len(study.consents)), () if rider.where else rider.fields)
            for rider in study.riders
        },
        separate_fields={rider.key: rider.fields for rider in study.riders},
        timestamps=frozenset(
            ref.field for key, ref in named_fields(study) if key.endswith(".date") and ref.field.endswith(TIMESTAMP)
        ),
    )


def count_file(
    path: Path, study: StudyConfig, count: Callable[[ColumnMap, Rows], Counts], nothing: Counts
) -> tuple[Counts, int]:
    """Return the counts of a CSV export, and its number of records.

    ``count`` counts a batch of rows that splits no record, ``nothing`` no rows.

    Raises SourceDataError unless the file is a whole CSV export with the study's fields.
    """

    def read(split: frozenset[int]) -> tuple[ReceivedRows, Counts]:
        received, counts = ReceivedRows(source=_source(path)), nothing
        with path.open("rb") as file:
            table = _open_table(file, path)
            column_map = csv_column_map(study, table.names[0] if table.names else "")
            shape = _shape(table.names, study, value_columns(study, column_map.columns), path)
            columns, events = coded_columns(study, column_map), set[str]()
            for batch in record_batches(_with_ids(table, shape, path), received, split=split):
                counts = counts + count(column_map, batch)
                events.update(batch.cells(EVENT).counted())
                for column in columns:
                    column.see(batch.cells(column.name))
        if received.rows:
            _ensure_raw(columns, events - {""}, study, path)
        return received, counts

    _ensure_csv(path)
    received, counts = read(frozenset())
    if split := received.split_records():
        received, counts = read(split)
    if not received.rows:
        raise unusable_file(path, "it has a header but no rows", "Export it again, with all records.")
    ensure_no_repeated_rows(received)
    return counts, received.record_count


def unusable_file(path: Path, why: str, fix: str = _EXPORT_AGAIN) -> SourceDataError:
    """Return the error for a file that cannot be counted; ``why`` is a clause, ``fix`` a sentence."""
    return SourceDataError(f"{_source(path)} cannot be counted: {why}.", fix)


def _source(path: Path) -> str:
    return f"The file {path.name}"


def _open_table(file: BinaryIO, path: Path) -> CsvTable:
    def refuse(damage: Damage, block: bytes) -> SourceDataError:
        if damage == "encoding":
            return unusable_file(path, "it is not UTF-8 text", "Save it as 'CSV UTF-8', or export it again.")
        return unusable_file(path, _first_damage(path))

    csv.field_size_limit(LONGEST_ROW)
    line = file.readline(LONGEST_ROW).removeprefix(codecs.BOM_UTF8)
    if line.rstrip() == b"sep=,":  # a line for Excel
        line = file.readline(LONGEST_ROW)
    if not is_utf8(line):
        raise refuse("encoding", line)
    if line.count(b'"') % 2 or b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
        why = "its first line is not CSV (a quote is not closed in it, or its lines end with CR alone)"
        raise unusable_file(path, why, _AS_EXPORTED)
    names = next(csv.reader(io.StringIO(line.decode(), newline="")), [])
    end = "\r\n" if line.endswith(b"\r\n") else "\n"
    repair = partial(_rewritten, line_end=end)
    return CsvTable(tuple(names), _pieces(file, path), end.encode(), refuse, repair=repair, source=_source(path))


def _rewritten(block: bytes, line_end: str) -> bytes:
    """Return the rows of a block with one line end, without blank lines, and as they are if they are not CSV."""
    rewritten = io.StringIO()
    with contextlib.suppress(csv.Error):
        rows = csv.reader(io.StringIO(block.decode(), newline=""), strict=True)
        csv.writer(rewritten, lineterminator=line_end).writerows(row for row in rows if row)
        return rewritten.getvalue().encode()
    return block


def _pieces(file: BinaryIO, path: Path) -> Iterator[bytes]:
    why = ""
    while not why:
        try:
            if not (piece := file.read(PIECE)):
                return
        except OSError as failure:
            why = f"it cannot be read to its end ({failure.strerror})"
        else:
            yield piece
    raise unusable_file(path, why, "Copy it to this computer and try again.")


def _first_damage(path: Path) -> str:
    """Return what is wrong with a file whose rows cannot be read, by the first row that shows it."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file, contextlib.suppress(csv.Error):
        reader, width = csv.reader(file, strict=True), 0
        for number, line in enumerate((line for line in reader if line != ["sep=", ""]), 1):
            width = width or len(line)
            if line and len(line) != width:
                return f"row {number} has {len(line)} values where the header has {width} (the header is row 1)"
    where = f"line {reader.line_num} is not CSV"
    return f"{where} (perhaps a quote is opened there or before, and not closed, or a value lacks its quotes)"


def _with_ids(table: CsvTable, shape: RowShape, path: Path) -> Iterator[Rows]:
    """Yield the batches of a file; raise SourceDataError if its first column holds row numbers."""
    # A field may be named like a column of row numbers: then its values and the next column decide.
    are_numbers = _ROW_NUMBERS.fullmatch(table.names[0]) is not None and table.names[1].endswith("id")
    before = 0
    for batch in table.batches(shape):
        if are_numbers:
            are_numbers = all(record in (str(n), str(n + 1)) for n, record in enumerate(batch.ids(), before))
            before += len(batch)
        yield batch
    if are_numbers:
        raise _no_record_id(path, f"its first column, {table.names[0]}, holds row numbers")


def _shape(header: tuple[str, ...], study: StudyConfig, values: tuple[str, ...], path: Path) -> RowShape:
    """Check the header: the record id comes first, and every value has one column."""
    columns = [(key, _column_of(ref)) for key, ref in named_fields(study)]
    counted = {column for key, column in columns if not key.startswith(("leave_out", "only"))}
    if header and header[0] in {*_STRUCTURE, *counted}:
        raise _no_record_id(path, f"its first column is {header[0]}, not the record id")
    if header and header[0] != RECORD and RECORD in {column for _, column in columns}:
        why = f"a field named '{RECORD}' cannot be distinguished from the record id"
        raise unusable_file(path, why, "Rename the field in REDCap.")
    if len(header) == 1 and (other := re.search(r"[;\t|^]", header[0])):
        delimiter = "tabs" if other[0] == "\t" else f"'{other[0]}'"
        why = f"its columns are separated by {delimiter}"
        raise unusable_file(path, why, "Export it with commas as the CSV delimiter.")
    if header and not _FIELD_NAME.fullmatch(header[0]):
        named = "is not named like a REDCap field" if header[0].strip() else "has no name"
        raise _no_record_id(
            path, f"its first column {named} (an export with labels, or the row numbers of R or pandas)"
        )
    structure = [position for position, name in enumerate(header) if name in _STRUCTURE]
    if structure != [*range(1, len(structure) + 1)]:
        why = f"REDCap puts {header[structure[-1]]} right behind the record id, and here another column is there"
        raise unusable_file(path, why, _AS_EXPORTED)
    if any(form.events for form in study.consents) and EVENT not in header:
        why = f"it has no column {EVENT}, and the study file names events"
        raise unusable_file(path, why, "Export it from the longitudinal project, with the event names.")
    if missing := [name for name in values if name not in header]:
        fix = "Export these fields too, as raw data (codes, not labels)."
        if any(name.partition("___")[0] in header for name in missing if "___" in name):
            fix = "Untick 'Combine checkbox options into single column' in REDCap's export."
        raise unusable_file(path, f"it has no column {', '.join(missing)}", fix)
    if repeated := [name for name in dict.fromkeys((header[0], *_STRUCTURE, *values)) if header.count(name) > 1]:
        raise unusable_file(path, f"it has the column {', '.join(repeated)} twice")
    refs = {_column_of(ref): ref for _, ref in named_fields(study)}
    if shared := [str(ref) for _, ref in named_fields(study) if refs[_column_of(ref)] != ref]:
        why = f"REDCap exports {shared[0]} and another option of the study file as one column"
        raise unusable_file(path, why, "Give one of these options another code in REDCap.")
    return RowShape(record_id=header[0], values=values, structure=())


def _no_record_id(path: Path, why: str) -> SourceDataError:
    fix = "Export it from REDCap again, as 'CSV (raw data)' with the record id, and do not save it elsewhere."
    return unusable_file(path, why, fix)


def _ensure_raw(columns: tuple[CodedColumn, ...], events: set[str], study: StudyConfig, path: Path) -> None:
    """Raise SourceDataError if no row is of an event of the study file, or a column holds labels in place of codes."""
    named = {event for form in study.consents for event in form.events}
    are_raw = any(re.search(r"_arm_\d+[a-z]*$", event) for event in events)
    if named.isdisjoint(events) and (all(form.events for form in study.consents) or (named and not are_raw)):
        found = ", ".join(sorted(events)[:3]) or "none"
        why = f"no row is of an event that the study file names (events in the file: {found})"
        raise unusable_file(path, why, _EXPORT_AGAIN if not are_raw else "Correct events in the study file.")
    if labels := [column.why for column in columns if not column.is_raw]:
        fix = f"{_AS_EXPORTED} If these are missing-data codes, add them to missing_codes under [redcap]."
        raise unusable_file(path, "; ".join(labels), fix)


def _column_of(ref: FieldRef) -> str:
    """A checkbox option's column: three underscores, then the code in lower case with only safe characters."""
    if ref.code is None:
        return ref.field
    return f"{ref.field}___{re.sub(r'[^a-z0-9_]', '_', ref.code.lower())}"


def _ensure_csv(path: Path) -> None:
    """Recognise a file that is not a CSV export by its first and last bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(1024)
            file.seek(max(0, path.stat().st_size - 1))
            last = file.read(1)
    except OSError as error:
        what = f"The file {path} cannot be opened: {os_reason(error, path)}."
        raise ConfigurationError(what, "Check its name and folder.") from None
    if not head.strip():
        raise unusable_file(path, "it is empty")
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise unusable_file(path, "it is an Excel workbook, despite its name")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head:
        fix = "Save it as 'CSV UTF-8', or export it again."
        raise unusable_file(path, "it is UTF-16 or binary, not UTF-8 text", fix)
    if last not in (b"\n", b"\r"):
        raise unusable_file(path, "it does not end with a line break, so it may be truncated")
