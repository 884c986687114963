"""The completeness rule that the product had before: what was listed must arrive, whatever else arrives.

It shows that the checker finds such errors.
"""

from math import ceil

import numpy as np

from consent.errors import IncompleteExportError
from consent.redcap.arrivals import ReceivedRows, Rows, find_missing
from consent.redcap.client import RedcapClient
from consent.redcap.completeness import list_ids, list_rows, split_ids
from consent.redcap.csv_blocks import CsvTable
from consent.redcap.error_mapping import TooLargeError
from consent.redcap.export_plan import ExportPlan
from tests.support.builders import as_dicts


def export_as_before(client: RedcapClient, plan: ExportPlan) -> tuple[tuple[str, ...], ...]:
    """Return the rows of an export that the earlier rule believes; raise IncompleteExportError otherwise."""
    listed, in_batches = list_rows(client, plan), False
    try:
        rows = _read(client, plan, ())
    except TooLargeError:
        ids, in_batches = split_ids(list_ids(client, plan)), True
        batches = [ids[first : first + 25] for first in range(0, len(ids), 25)]
        rows = [row for batch in batches for row in _read(client, plan, batch)]
    received = ReceivedRows.of(rows)
    missing, unlisted = find_missing(listed.rows, received.rows), find_missing(received.rows, listed.rows)
    if len(missing) or len(unlisted):
        again = list_rows(client, plan)
        few = ceil(max(5, 0.02 * listed.record_count) * len(listed.rows) / listed.record_count)
        is_still_listed = np.isin(missing, np.asarray(again.rows)).any()
        changed = max(len(missing), len(find_missing(again.rows, received.rows)))
        may_be_renamed = in_batches and len(missing) and len(find_missing(again.records, received.records))
        if is_still_listed or changed > few or may_be_renamed:
            raise IncompleteExportError("The earlier rule refuses this export.")
    return tuple(tuple(row.values()) for each in rows for row in as_dicts(each))


def _read(client: RedcapClient, plan: ExportPlan, ids: tuple[str, ...]) -> list[Rows]:
    def consume(table: CsvTable) -> list[Rows]:
        return [*table.batches(plan.shape)]

    parameters = {"type": "flat", "fields": plan.fields, "exportDataAccessGroups": "true", "records": ids}
    return client.read_table(parameters, consume)
