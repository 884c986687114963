"""List the rows that an export must contain, in a request of its own, and check that all were received."""

import logging
import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np

from consent.errors import IncompleteExportError, SourceRefusedError
from consent.redcap.arrivals import ReceivedRows, Row, RowShape, find_missing, sort_hashes
from consent.redcap.client import Parameter, RedcapClient
from consent.redcap.error_mapping import RUN_AGAIN
from consent.redcap.export_plan import ExportPlan

T = TypeVar("T")

BUNDLE = 25  # ids that are kept, and requested, together
FEW_RECORDS, FEW_OF_SMALL, FEW_OF_LARGE = 5, 0.1, 0.02  # may be added or deleted during an export

logger = logging.getLogger(__name__)


def list_rows(client: RedcapClient, plan: ExportPlan) -> ReceivedRows:
    """Return the hashes of all rows that an export must contain, from an export of the forms' status alone."""
    listed = _request_listing(client, plan, ReceivedRows.of)
    if not listed.rows:
        what = "REDCap lists no record at all; a busy server also does this by mistake."
        raise IncompleteExportError(what, "Run again. If the project is empty, there is nothing to report yet.")
    if listed.hashed_ids and plan.needs_plain_ids:
        raise SourceRefusedError(
            "REDCap hashes the record ids (each is 32 hexadecimal digits), so no id_pattern of the study file fits.",
            "Ask for the export right 'Full Data Set' for the token's user, or leave these records out by a field.",
        )
    return listed


def list_ids(client: RedcapClient, plan: ExportPlan) -> list[str]:
    """Return the record ids, 25 joined to one text: 10 bytes a record in place of about 100."""

    def bundle(rows: Iterator[Row]) -> list[str]:
        ids = iter(dict.fromkeys(row[0] for row in rows))
        return list(iter(lambda: "\x1f".join(islice(ids, BUNDLE)), ""))

    return _request_listing(client, plan, bundle)


def split_ids(bundles: list[str]) -> tuple[str, ...]:
    """Return the single record ids of these bundles."""
    return tuple("\x1f".join(bundles).split("\x1f"))


def _request_listing(client: RedcapClient, plan: ExportPlan, consume: Callable[[Iterator[Row]], T]) -> T:
    names_only = RowShape(plan.shape.record_id, values=(), structure=plan.shape.structure)
    parameters: dict[str, Parameter] = {"type": "flat", "rawOrLabel": "raw", "fields": plan.listing_fields}
    source = "REDCap's list of records"
    return client.read_rows("record", parameters, lambda found: consume(names_only.rows(found, source)))


def check_complete(
    client: RedcapClient, plan: ExportPlan, listed: ReceivedRows, received: ReceivedRows, *, in_batches: bool
) -> ReceivedRows:
    """Make sure that every listed row was received, except a few that were added or deleted during the export.

    Returns the listing that was accepted: ``listed``, or a newer one. Raises IncompleteExportError if a row is still
    listed and still missing; if more rows changed than people change in that time, as when a server truncates its
    responses; or if a row may be lost between batches.
    """
    missing, unlisted = find_missing(listed.rows, received.rows), find_missing(received.rows, listed.rows)
    if not len(missing) and not len(unlisted):
        return listed
    logger.info("event=redcap_listing_repeated missing=%d unlisted=%d", len(missing), len(unlisted))
    again = list_rows(client, plan)
    if still_listed := int(np.isin(missing, sort_hashes(again.rows)).sum()):
        what = f"REDCap lists {len(listed.rows):,} rows, but {still_listed:,} of them did not arrive."
        raise IncompleteExportError(what, RUN_AGAIN)
    if (changed := max(len(missing), len(find_missing(again.rows, received.rows)))) > _few_rows(listed):
        what = (
            f"{changed:,} of {len(listed.rows):,} rows changed during the export, so its responses may be incomplete."
        )
        raise IncompleteExportError(what, RUN_AGAIN)
    if in_batches and len(missing) and len(find_missing(again.records, received.records)):
        what = "Records were added and deleted during an export in batches, so a renamed record may be missing."
        raise IncompleteExportError(what, "Run again.")
    return again


def _few_rows(listed: ReceivedRows) -> int:
    """The rows of so few records that people may have added or deleted them during an export."""
    records = listed.record_count
    few = max(1, min(FEW_RECORDS, records * FEW_OF_SMALL), records * FEW_OF_LARGE)
    return math.ceil(few * len(listed.rows) / records)
