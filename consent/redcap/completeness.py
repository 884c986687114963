"""List the rows that an export must contain, in a request of its own, and compare what was received with the list."""

import logging
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TypeVar

import numpy as np

from consent.errors import IncompleteExportError, SourceRefusedError
from consent.redcap.arrivals import (
    GROUP,
    STRUCTURE,
    Hashes,
    ReceivedRows,
    Rows,
    RowShape,
    find_missing,
    sort_hashes,
)
from consent.redcap.client import Parameter, RedcapClient
from consent.redcap.error_mapping import RUN_AGAIN
from consent.redcap.export_plan import ExportPlan
from consent.redcap.text_blocks import HashArray, TextBlock

T = TypeVar("T")

BUNDLE = 25  # ids that are kept, and requested, together
FEW_RECORDS, FEW_OF_SMALL, FEW_OF_LARGE = 5, 0.1, 0.02  # may be added or deleted during a run

logger = logging.getLogger(__name__)


@dataclass
class SameGroups:
    """Whether REDCap sends data access groups (None: unknown), which must be the same in all responses of a run."""

    sent: bool | None = None

    def confirm(self, columns: Collection[str]) -> None:
        """Compare one more response; raise SourceRefusedError if only this one, or only the earlier ones, have them.

        REDCap omits the column, and the records of other sites, for a user who is in a group.
        """
        if self.sent not in (None, GROUP in columns):
            raise SourceRefusedError(
                "REDCap sent data access groups with only a part of the export: meanwhile the token's user was put "
                "into a group, or taken out, or the project's first group was made.",
                "Under User Rights, remove the token's user from its group, then run again.",
            )
        self.sent = GROUP in columns


def list_rows(client: RedcapClient, plan: ExportPlan, groups: SameGroups | None = None) -> ReceivedRows:
    """Return the hashes of all rows that an export must contain, from an export of the forms' status alone."""
    listed = _request_listing(client, plan, ReceivedRows.of, groups)
    if not listed.rows:
        what = "REDCap lists no record at all; a busy server also does this by mistake."
        raise IncompleteExportError(what, "Run again. If the project is empty, there is nothing to report yet.")
    if listed.hashed_ids and plan.needs_plain_ids:
        raise SourceRefusedError(
            "REDCap hashes the record ids (each is 32 hexadecimal digits), so no id_pattern of the study file fits.",
            "Ask for the export right 'Full Data Set' for the token's user, or leave these records out by a field.",
        )
    return listed


def list_ids(client: RedcapClient, plan: ExportPlan, groups: SameGroups | None = None) -> list[str]:
    """Return the record ids, 25 joined to one text: 10 bytes a record in place of about 100."""

    def bundle(batches: Iterator[Rows]) -> list[str]:
        ids = iter(dict.fromkeys(chain.from_iterable(batch.ids() for batch in batches)))
        return list(iter(lambda: "\x1f".join(islice(ids, BUNDLE)), ""))

    return _request_listing(client, plan, bundle, groups)


def split_ids(bundles: list[str]) -> tuple[str, ...]:
    """Return the single record ids of these bundles."""
    return tuple("\x1f".join(bundles).split("\x1f"))


def _request_listing(
    client: RedcapClient, plan: ExportPlan, consume: Callable[[Iterator[Rows]], T], groups: SameGroups | None
) -> T:
    """Request the listing as JSON: unlike CSV, it cannot be truncated between two rows without a trace."""
    names_only = RowShape(plan.shape.record_id, values=(), structure=plan.shape.structure)
    parameters: dict[str, Parameter] = {
        "type": "flat",
        "rawOrLabel": "raw",
        "fields": plan.listing_fields,
        "exportDataAccessGroups": "true",
    }

    def batches(found: Iterator[tuple[list[str], TextBlock]]) -> Iterator[Rows]:
        for names, block in found:
            if groups:
                groups.confirm(names)
            if missing := [name for name in names_only.columns if name not in names]:
                raise IncompleteExportError(f"REDCap's list of records has no column {missing[0]}.", RUN_AGAIN)
            yield names_only.rows(block, names)

    wanted = {*names_only.columns, *STRUCTURE, GROUP}
    return client.read_columns("record", parameters, wanted, lambda found: consume(batches(found)))


@dataclass
class CompletenessCheck:
    """Compares each export of a run with the listings before and after it.

    A renamed record has its old name in a listing before the rename, and its new name in a listing after it. An export
    meanwhile may hold it under both names or under neither. So an export is believed in two cases:

    - It holds exactly the rows of the listing before it. A lost or doubled record is then a difference, unless another
      record took over its old name, or gave up its new one, in these seconds. An export in batches takes minutes, so
      this case is not enough for it.
    - A second listing explains every difference: a few rows were added, and none is gone.
    """

    client: RedcapClient
    plan: ExportPlan
    groups: SameGroups = field(default_factory=SameGroups)
    listed: ReceivedRows = field(default_factory=ReceivedRows)  # the latest listing
    _most: int = 0  # rows in any listing
    _unlisted: HashArray = field(default_factory=lambda: np.empty(0, np.uint64))  # by the last export

    def request_listing(self) -> ReceivedRows:
        """List the rows that an export must contain."""
        self.listed = list_rows(self.client, self.plan, self.groups)
        self._most = max(self._most, len(self.listed.rows))
        return self.listed

    def find_doubt(self, received: ReceivedRows, *, in_batches: bool) -> str:
        """Return why the export since the latest listing cannot be believed, as a sentence; empty if it can."""
        before, doubt = self.listed, ""
        if in_batches or not np.array_equal(sort_hashes(before.rows), sort_hashes(received.rows)):
            logger.info("event=redcap_listing_repeated")
            after = self.request_listing()
            doubt = self._doubt_of_unlisted(before, received, after) or _doubt_of_changes(before, received, after)
        if not doubt and (fewer := self._most - len(self.listed.rows)) > _few_rows(self.listed):
            return f"REDCap no longer lists {fewer:,} of {self._most:,} rows, so its responses may be incomplete."
        return doubt

    def _doubt_of_unlisted(self, before: ReceivedRows, received: ReceivedRows, after: ReceivedRows) -> str:
        earlier, self._unlisted = self._unlisted, _in_neither(received.rows, before.rows, after.rows)
        # REDCap may list no repeat without a stored form status: each export then has the same more rows.
        is_usual = np.isin(self._unlisted, earlier).all()
        if is_usual and not len(_in_neither(received.records, before.records, after.records)):
            return ""
        return f"{len(self._unlisted):,} rows arrived that REDCap does not list."


def _doubt_of_changes(before: ReceivedRows, received: ReceivedRows, after: ReceivedRows) -> str:
    missing = find_missing(before.rows, received.rows)
    if lost := int(np.isin(missing, sort_hashes(after.rows)).sum()):
        return f"REDCap lists {len(before.rows):,} rows, but {lost:,} of them did not arrive."
    deleted, added = len(find_missing(before.rows, after.rows)), len(find_missing(after.rows, before.rows))
    if deleted:
        what = f"{deleted:,} of {len(before.rows):,} rows were deleted or renamed during the export"
        return f"{what}, so a record may be missing or counted twice."
    if added > _few_rows(before):
        return f"{added:,} rows were added to {len(before.rows):,} during the export, so it may be incomplete."
    return ""


def _in_neither(received: Hashes, before: Hashes, after: Hashes) -> HashArray:
    unlisted = find_missing(received, before)
    return unlisted[~np.isin(unlisted, sort_hashes(after))]


def _few_rows(listed: ReceivedRows) -> int:
    """The rows of so few records that people may have added or deleted them during a run."""
    records = listed.record_count
    few = max(1, min(FEW_RECORDS, records * FEW_OF_SMALL), records * FEW_OF_LARGE)
    return math.ceil(few * len(listed.rows) / records)
