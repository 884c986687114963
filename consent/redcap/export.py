"""The whole registry, or an error: asks in the right order, and believes an export only when every listed row is there.

Knows no consent: what to count in each batch of rows is handed in.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import pandas as pd

from consent.errors import IncompleteExportError, SourceRefusedError, SourceUnavailableError
from consent.redcap.arrivals import GROUP, ReceivedRows, Row, ensure_no_repeated_rows, frame_of, record_batches
from consent.redcap.client import Parameter, RedcapClient
from consent.redcap.error_mapping import TooLargeError
from consent.redcap.export_plan import ExportPlan
from consent.redcap.listing import BUNDLE, check_complete, list_ids, list_rows

LARGEST_BATCH = 32  # bundles, 800 ids
MOST_PASSES = 3  # the third for records that were added during the second
MOST_KEYS = 890  # in one request: PHP drops form keys beyond its limit of 1,000 without a word

logger = logging.getLogger(__name__)


class Addable(Protocol):
    """Counts of batches with no record in common add up to the counts of the whole."""

    def __add__(self, other: Self, /) -> Self:
        """The counts of both."""


Counts = TypeVar("Counts", bound=Addable)


@dataclass(frozen=True)
class Exported(Generic[Counts]):
    """A whole export: its counts, and the evidence that it is whole."""

    counts: Counts
    records_listed: int
    records_received: int
    has_groups: bool


def export_registry(
    client: RedcapClient,
    plan: ExportPlan,
    count: Callable[[pd.DataFrame], Counts],
    nothing: Counts,
    progress: Callable[[int, int], None] = lambda received, listed: None,
) -> Exported[Counts]:
    """Export every record and count it, whatever the registry's size, in memory that does not grow with it.

    Args:
        count: counts a batch of rows (columns ``plan.shape.frame_columns``, all text) that splits no record.
        nothing: the counts of no row at all.
        progress: told the numbers of records received and listed, now and then.

    Raises:
        IncompleteExportError: anything listed did not arrive, or arrived twice.
        ConsentReportError: REDCap could not or would not answer.
    """
    listed = list_rows(client, plan)
    number = listed.record_count
    reading = _Reading(client, plan, count, nothing, lambda received: progress(received, number), len(listed.rows))
    try:
        part, in_batches = reading.read(), False
    except TooLargeError as refusal:
        logger.warning("%s Asking in smaller batches.", refusal)
        part, in_batches = _read_in_batches(reading, list_ids(client, plan)), True
    ensure_no_repeated_rows(part.arrived, "REDCap's export")
    believed = check_complete(client, plan, listed, part.arrived, in_batches=in_batches)
    return Exported(part.counts, believed.record_count, part.arrived.record_count, part.has_groups)


def try_export(client: RedcapClient, plan: ExportPlan, ids: tuple[str, ...]) -> bool:
    """Ask for these records as an export does, and keep nothing; whether REDCap tells their data access group.

    Raises:
        ConsentReportError: REDCap could not or would not answer, or withheld a column.
    """

    def consume(found: Iterator[dict[str, str]]) -> bool:
        part = _Part(0, ReceivedRows(), has_groups=False)
        for _ in _rows(found, plan, part):
            pass
        return part.has_groups

    return client.read_rows("record", _record_parameters(plan, ids), consume)


@dataclass
class _Part(Generic[Counts]):
    """What one or more requests brought."""

    counts: Counts
    arrived: ReceivedRows
    has_groups: bool


@dataclass(frozen=True)
class _Reading(Generic[Counts]):
    """How to read records and what to make of them."""

    client: RedcapClient
    plan: ExportPlan
    count: Callable[[pd.DataFrame], Counts]
    nothing: Counts
    progress: Callable[[int], None]
    rows_listed: int

    def read(self, ids: tuple[str, ...] = (), received_before: int = 0) -> _Part[Counts]:
        """All records, or those named; once more if rows of one record were found apart."""
        held_back: frozenset[int] = frozenset()
        for _ in range(MOST_PASSES):
            part = self._pass(ids, held_back, received_before)
            apart = part.arrived.split_records()
            if not apart:
                return part
            logger.info("Rows of %d records came apart; reading again to keep each together", len(apart))
            held_back |= apart
        raise IncompleteExportError(
            "REDCap sends the rows of one record apart, and more such records kept coming in while it was read. "
            "Nothing was counted or delivered. Run again at a quieter time."
        )

    def _pass(self, ids: tuple[str, ...], held_back: frozenset[int], received_before: int) -> _Part[Counts]:
        def consume(found: Iterator[dict[str, str]]) -> _Part[Counts]:
            arrived = ReceivedRows() if ids else ReceivedRows.with_room(self.rows_listed)
            part = _Part(self.nothing, arrived, has_groups=False)
            for batch in record_batches(_rows(found, self.plan, part), arrived, held_back=held_back):
                part.counts = part.counts + self.count(frame_of(batch, self.plan.shape))
                self.progress(received_before + len(arrived.records))
            return part

        return self.client.read_rows("record", _record_parameters(self.plan, ids), consume, heavy=True)


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


def _rows(found: Iterator[dict[str, str]], plan: ExportPlan, part: _Part[Any]) -> Iterator[Row]:
    """The objects as rows, once the first shows that no column was withheld."""
    first = next(found, None)
    if first is None:
        return
    part.has_groups = GROUP in first
    if GROUP in plan.shape.values and not part.has_groups:
        raise SourceRefusedError(
            "REDCap sent no data access group, by which the study file tells the sites apart. Either the project has "
            "no groups, or the token's user is in one and sees that site alone: have the user taken out of the group, "
            "under User Rights, or name a field under [sites]. Nothing was counted or delivered."
        )
    if withheld := [column for column in plan.shape.columns if column not in first]:
        surveys = " A form that is no survey has no timestamp either." if plan.coding.timestamps & {*withheld} else ""
        raise SourceRefusedError(
            f"REDCap did not send the column{'s' if len(withheld) > 1 else ''} {', '.join(withheld)}. The token's user "
            "may not export these fields: ask for the export right 'Full Data Set' (at least for these forms)."
            f"{surveys}"
        )
    read = plan.shape.reader()
    yield read(first)
    try:
        yield from map(read, found)
    except KeyError as error:
        raise IncompleteExportError(
            f"A row of REDCap's export came without the column {error.args[0]}. Nothing was counted or delivered. "
            "If it happens again, show it to the REDCap administrator."
        ) from None


def _read_in_batches(reading: _Reading[Counts], bundles: list[str]) -> _Part[Counts]:
    """Read by ids, 800 at a time, fewer when the server cannot manage them."""
    total = _Part(reading.nothing, ReceivedRows(), has_groups=False)
    size, position = _first_size(len(bundles), len(reading.plan.fields)), 0
    while position < len(bundles):
        size = min(size, len(bundles) - position)
        ids = tuple("\x1f".join(bundles[position : position + size]).split("\x1f"))
        try:
            part = reading.read(ids, len(total.arrived.records))
        except TooLargeError as refusal:
            if size == 1:
                raise SourceUnavailableError(
                    f"REDCap cannot manage even {BUNDLE} records at a time. {refusal}"
                ) from None
            size //= 2
            continue
        total.counts = total.counts + part.counts
        total.arrived.add(part.arrived)
        total.has_groups = total.has_groups or part.has_groups
        position += size
    return total


def _first_size(bundles: int, fields: int) -> int:
    """How many bundles to ask for first: as many as fit, but not all, which has just failed."""
    largest = min(LARGEST_BATCH, (MOST_KEYS - fields) // BUNDLE)
    return max(1, largest if bundles > largest else bundles // 2)
