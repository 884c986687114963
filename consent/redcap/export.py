"""Export all records of a project, again while its completeness is in doubt; raise an error if it remains so.

The caller counts each batch of rows.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, Self, TypeVar

from consent.dates import utc_now
from consent.errors import IncompleteExportError, SourceRefusedError, SourceUnavailableError, log_text
from consent.redcap.arrivals import GROUP, ReceivedRows, Rows, ensure_no_repeated_rows, record_batches
from consent.redcap.client import Parameter, RedcapClient
from consent.redcap.completeness import BUNDLE, CompletenessCheck, SameGroups, list_ids, split_ids
from consent.redcap.csv_blocks import CsvTable
from consent.redcap.error_mapping import TooLargeError
from consent.redcap.export_plan import ExportPlan

MAX_BUNDLES = 32  # in one request: 800 ids
MAX_EXPORTS = 3  # of all records; then the registry changes too much for now
MAX_PASSES = 3  # the third for records that were added during the second
MAX_KEYS = 890  # in one request: PHP silently drops form keys beyond its limit of 1,000

logger = logging.getLogger(__name__)


class Addable(Protocol):
    """Counts of batches without a common record add up to the counts of the whole."""

    def __add__(self, other: Self, /) -> Self:
        """Add the counts of both."""


Counts = TypeVar("Counts", bound=Addable)
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Exported(Generic[Counts]):
    """A complete export: its counts, and how many records were listed and received."""

    counts: Counts
    records_listed: int
    records_received: int
    has_groups: bool


def export_registry(
    client: RedcapClient,
    plan: ExportPlan,
    count: Callable[[Rows], Counts],
    nothing: Counts,
    progress: Callable[[int, int], None] = lambda received, listed: None,
    now: Callable[[], datetime] = utc_now,
) -> Exported[Counts]:
    """Export and count every record of a registry of any size, in memory for one batch.

    Exports up to three times, while people change the registry or a response may be incomplete.

    count: counts a batch of rows (columns as in ``plan.shape``) that splits no record. nothing: the
    counts of no rows. progress: called after each batch with the numbers of records received and listed. now: for the
    message of the error, in its time zone.

    Raises IncompleteExportError if doubts about the last export remain, or a row was received twice.
    """
    check, in_batches, doubt, started = CompletenessCheck(client, plan), False, "", now()
    for number in range(1, MAX_EXPORTS + 1):
        listed = check.request_listing().record_count
        reader = _Reader(client, plan, count, nothing, progress, listed, check.groups)
        part = None if in_batches else _read_whole(reader)
        if part is None:
            in_batches, part = True, _read_in_batches(reader, list_ids(client, plan, check.groups))
        ensure_no_repeated_rows(part.received)
        doubt = check.find_doubt(part.received, in_batches=in_batches)
        if not doubt:
            has_groups = check.groups.sent is True
            return Exported(part.counts, check.listed.record_count, part.received.record_count, has_groups)
        logger.warning("event=redcap_export_doubted attempt=%d what=%s", number, doubt)
    hours = f"from {started:%H:%M} to {now():%H:%M} ({started.tzinfo})"
    raise IncompleteExportError(
        f"{doubt} It was tried {MAX_EXPORTS} times, {hours}.",
        "Run again at an hour when nobody works in REDCap, such as the evening. If it fails again, show this message "
        "to the REDCap administrator.",
    )


def try_export(
    client: RedcapClient, plan: ExportPlan, ids: tuple[str, ...], look: Callable[[Rows], Seen]
) -> tuple[bool, Seen]:
    """Request these records as an export does; return whether REDCap sent data access groups, and what ``look`` saw."""

    def consume(table: CsvTable) -> tuple[bool, Seen]:
        groups = SameGroups()
        rows = Rows.together([plan.shape.no_rows(), *_batches(table, plan, groups)])
        return groups.sent is True, look(rows)

    return client.read_table(_record_parameters(plan, ids), consume)


@dataclass
class _Part(Generic[Counts]):
    """The content of one or more responses."""

    counts: Counts
    received: ReceivedRows


@dataclass(frozen=True)
class _Reader(Generic[Counts]):
    client: RedcapClient
    plan: ExportPlan
    count: Callable[[Rows], Counts]
    nothing: Counts
    progress: Callable[[int, int], None]
    listed: int
    groups: SameGroups

    def read(self, ids: tuple[str, ...] = (), received_before: int = 0) -> _Part[Counts]:
        """Read all records, or the named ones; read again where rows of one record are not adjacent."""
        split: frozenset[int] = frozenset()

        def consume(table: CsvTable) -> _Part[Counts]:
            received, counts = ReceivedRows(), self.nothing
            for batch in record_batches(_batches(table, self.plan, self.groups), received, split=split):
                counts = counts + self.count(batch)
                self.progress(received_before + len(received.records), self.listed)
            return _Part(counts, received)

        for _ in range(MAX_PASSES):
            part = self.client.read_table(_record_parameters(self.plan, ids), consume)
            newly_split = part.received.split_records()
            if not newly_split:
                return part
            logger.info("event=redcap_rows_not_adjacent records=%d", len(newly_split))
            split |= newly_split
        what = "REDCap does not send the rows of a record together, and such records were added during the export."
        raise IncompleteExportError(what, "Run again at a quieter time.")


def _record_parameters(plan: ExportPlan, ids: tuple[str, ...]) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {
        "type": "flat",
        "rawOrLabel": "raw",
        "fields": plan.fields,
        "exportDataAccessGroups": "true",
        "exportBlankForGrayFormStatus": "true",
    }
    if plan.survey_fields:
        parameters["exportSurveyFields"] = "true"
    if ids:
        parameters["records"] = ids
    return parameters


def _batches(table: CsvTable, plan: ExportPlan, groups: SameGroups) -> Iterator[Rows]:
    """Return the rows of an export; check that it has every column, and groups as in the other responses."""
    if not table.names:
        return iter(())
    groups.confirm(table.names)
    _ensure_columns(table.names, plan)
    return table.batches(plan.shape)


def _ensure_columns(names: tuple[str, ...], plan: ExportPlan) -> None:
    """Make sure that REDCap withheld no column; it leaves out what the token's user may not export."""
    if GROUP in plan.shape.values and GROUP not in names:
        raise SourceRefusedError(
            "REDCap sent no data access group, which the study file uses as the site.",
            "Under User Rights, remove the token's user from its group: such a user receives only that site. In a "
            "project without groups, name a field under [sites].",
        )
    if withheld := [column for column in plan.shape.columns if column not in names]:
        is_timestamp = plan.column_map.timestamps & {*withheld}
        raise SourceRefusedError(
            f"REDCap did not send the column{'s' if len(withheld) > 1 else ''} {', '.join(withheld)}.",
            "Ask for the export right 'Full Data Set' for the token's user, at least on these forms."
            f"{' A form that is not a survey has no timestamp.' if is_timestamp else ''}",
        )


def _read_whole(reader: _Reader[Counts]) -> _Part[Counts] | None:
    """Read all records in one response; None if that is too much for the server."""
    try:
        return reader.read()
    except TooLargeError as error:
        logger.warning("event=redcap_export_in_batches %s", log_text(error))
        return None


def _read_in_batches(reader: _Reader[Counts], bundles: list[str]) -> _Part[Counts]:
    """Read by record ids, 800 at a time, or fewer where the server fails."""
    total = _Part(reader.nothing, ReceivedRows())
    size, position = _first_size(len(bundles), len(reader.plan.fields)), 0
    while position < len(bundles):
        size = min(size, len(bundles) - position)
        try:
            part = reader.read(split_ids(bundles[position : position + size]), len(total.received.records))
        except TooLargeError as error:
            if size == 1:
                what = f"REDCap cannot export even {BUNDLE} records at a time. {error.what}"
                raise SourceUnavailableError(what, error.fix) from None
            size //= 2
            continue
        total.counts = total.counts + part.counts
        total.received.add(part.received)
        position += size
    return total


def _first_size(bundles: int, fields: int) -> int:
    """Return the number of bundles in the first request: as many as fit, but not all, which has just failed."""
    largest = min(MAX_BUNDLES, (MAX_KEYS - fields) // BUNDLE)
    return max(1, largest if bundles > largest else bundles // 2)
