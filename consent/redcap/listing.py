"""Which rows an export must bring, and whether it did: asked of REDCap apart from the export itself."""

import logging
import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from consent.errors import IncompleteExportError
from consent.redcap.arrivals import ReceivedRows, Row, RowShape, missing_records, missing_rows
from consent.redcap.client import Parameter, RedcapClient
from consent.redcap.export_plan import ExportPlan

BUNDLE = 25  # ids that are kept, and asked for, together
FEW_RECORDS, FEW_OF_SMALL, FEW_OF_LARGE = 5, 0.1, 0.02  # may come or go while an export is made

logger = logging.getLogger(__name__)


def list_rows(client: RedcapClient, plan: ExportPlan) -> ReceivedRows:
    """Names (hashed) of all rows that an export must bring, by an export of nothing but the forms' status.

    Raises:
        IncompleteExportError: REDCap lists no record at all.
    """
    listed = client.read_rows("record", _listing_parameters(plan), lambda found: ReceivedRows.of(_listed(found, plan)))
    if not listed.rows:
        raise IncompleteExportError(
            "REDCap lists no record at all, which a busy server also does by mistake. Nothing was delivered. Run "
            "again; if the project really is empty, there is nothing to report yet."
        )
    return listed


def list_ids(client: RedcapClient, plan: ExportPlan) -> list[str]:
    """The record ids, 25 to a text: about 100 bytes a record while they are gathered, and 10 once they are."""

    def consume(found: Iterator[dict[str, str]]) -> list[str]:
        ids = iter(dict.fromkeys(row[0] for row in _listed(found, plan)))
        return list(iter(lambda: "\x1f".join(islice(ids, BUNDLE)), ""))

    return client.read_rows("record", _listing_parameters(plan), consume)


def _listing_parameters(plan: ExportPlan) -> dict[str, Parameter]:
    return {"type": "flat", "rawOrLabel": "raw", "fields": plan.listing_fields}


def _listed(found: Iterator[dict[str, str]], plan: ExportPlan) -> Iterator[Row]:
    names_only = RowShape(plan.shape.record_id, values=(), structure=plan.shape.structure)
    try:
        yield from map(names_only.reader(), found)
    except KeyError as error:
        raise IncompleteExportError(
            f"REDCap's list of records came without the column {error.args[0]}. Nothing was delivered. If it happens "
            "again, show it to the REDCap administrator."
        ) from None


def check_complete(
    client: RedcapClient, plan: ExportPlan, listed: ReceivedRows, arrived: ReceivedRows, *, in_batches: bool
) -> ReceivedRows:
    """Make sure that every listed row arrived, but for the few that came or went while the export was made.

    Returns:
        The listing that was believed: the one handed in, or the one made since.

    Raises:
        IncompleteExportError: a row is still listed and still missing; more came or went than people can have changed
            meanwhile, as when a server has begun to cut its answers; or one may have slipped between batches.
    """
    missing, unlisted = missing_rows(listed, arrived), missing_rows(arrived, listed)
    if not len(missing) and not len(unlisted):
        return listed
    logger.info("%d listed rows did not arrive, %d others did; listing again", len(missing), len(unlisted))
    again = list_rows(client, plan)
    if still_listed := _still_listed(missing, again):
        raise IncompleteExportError(
            f"REDCap lists {len(listed.rows):,} rows, but {still_listed:,} of them did not arrive. A report would be "
            "too low, so none was made. Run again; if it happens again, show it to the REDCap administrator."
        )
    if (changed := max(len(missing), len(missing_rows(again, arrived)))) > _few_rows(listed):
        raise IncompleteExportError(
            f"{changed:,} of {len(listed.rows):,} rows came or went in REDCap's answers while it was read, more than "
            "people change meanwhile. Its answers may be cut off, so no report was made. Run again; if it happens "
            "again, show it to the REDCap administrator."
        )
    if in_batches and len(missing) and len(missing_records(again, arrived)):
        raise IncompleteExportError(
            "Records came and went in REDCap while it was read in parts, so one that was renamed may have been missed. "
            "Nothing was delivered. Run again."
        )
    return again


def _few_rows(listed: ReceivedRows) -> int:
    """The rows of so few records that people may have added or deleted them while an export was made."""
    records = listed.record_count
    few = max(1, min(FEW_RECORDS, records * FEW_OF_SMALL), records * FEW_OF_LARGE)
    return math.ceil(few * len(listed.rows) / records)


def _still_listed(missing: npt.NDArray[np.uint64], again: ReceivedRows) -> int:
    return int(np.isin(missing, again.rows.sorted()).sum())
