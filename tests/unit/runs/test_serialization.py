"""Tests of rows whose document or weekly counts cannot be read: only our own error comes out, and it names the row."""

import json
import zlib
from typing import Any

import pytest

from consent.errors import LedgerRefusedError
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.serialization import read_row, row_of
from tests.support.ledger_contract import WEEKS
from tests.support.run_builders import a_report

ROW: dict[str, Any] = dict(row_of(a_report(week_counts=WEEKS)))
NO_DOCUMENTS = [None, 7, b"{", "[" * 100_000, "9" * 5000, '{"a":' * 100_000, "null", "[]", "{}", "{", "\ud800", "NaN"]


def refused(**changes: Any) -> None:
    with pytest.raises(LedgerRefusedError) as caught:
        read_row(RunRecord, {**ROW, **changes}, "The record of run adults.1")
    assert (caught.value.what.startswith("The record of run adults.1"), caught.value.fix) == (
        True,
        "Delete that row, then run again.",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("state", "done", id="an unknown word"),
        pytest.param("queued_at", "2026-11-16T13:00:00", id="no time zone"),
        pytest.param("queued_at", "0001-01-01T00:00:00+14:00", id="before the first instant"),
        pytest.param("monday", "16 November", id="no date"),
        pytest.param("monday", None, id="null"),
        pytest.param("sandbox", 1, id="a number for true"),
        pytest.param("counts", {"participants": 7}, id="part of the counts"),
        pytest.param("files", "none", id="text for a list"),
        pytest.param("extra", 1, id="an unknown field"),
    ],
)
def test_an_edited_record_is_refused(name: str, value: Any) -> None:
    refused(document=json.dumps({**json.loads(ROW["document"]), name: value}))


@pytest.mark.parametrize(
    "packed", [ROW["week_counts"][:-9], b"not compressed", 7, zlib.compress(b"[" * 100_000), zlib.compress(b"9" * 5000)]
)
def test_damaged_weekly_counts_are_refused(packed: Any) -> None:
    refused(week_counts=packed)


@pytest.mark.parametrize("document", NO_DOCUMENTS, ids=lambda document: str(document)[:9])
def test_a_document_that_is_none_is_refused(document: Any) -> None:
    refused(document=document)
