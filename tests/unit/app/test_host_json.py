"""Tests of host.json: its limits fit the limits of the code."""

import inspect
import json
from datetime import timedelta
from typing import Any

import pytest

from consent.app.http_api import RUNS_PATH
from consent.app.overview import QUEUE_TRIES, QUEUE_WAIT
from consent.delivery.dropbox_folder import DropboxFolder
from consent.redcap.client import CONNECT_SECONDS, READ_SECONDS
from consent.runs.lease import LONGEST_RUN
from consent.runs.ledger.record import LEASE_LENGTH
from tests.support.functions_runtime import ROOT

LONGEST_STEP = timedelta(minutes=5)
HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
QUEUES: dict[str, Any] = HOST["extensions"]["queues"]


def duration(text: str) -> timedelta:
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def test_a_run_and_its_last_step_end_before_the_platform_stops_them() -> None:
    assert duration(HOST["functionTimeout"]) >= LONGEST_RUN + LONGEST_STEP


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(CONNECT_SECONDS + READ_SECONDS, id="a request to REDCap"),
        pytest.param(inspect.signature(DropboxFolder).parameters["deadline_seconds"].default, id="retries of Dropbox"),
    ],
)
def test_no_step_takes_more_than_five_minutes(seconds: float) -> None:
    assert timedelta(seconds=seconds) <= LONGEST_STEP


def test_a_lease_is_longer_than_the_longest_step() -> None:
    assert LONGEST_STEP < LEASE_LENGTH < LONGEST_RUN


def test_a_message_is_retried_for_longer_than_another_run_can_hold_the_lease() -> None:
    assert QUEUES["maxDequeueCount"] * duration(QUEUES["visibilityTimeout"]) > LONGEST_RUN + LEASE_LENGTH


def test_a_process_executes_one_run_at_a_time_and_retries_it_as_the_page_says() -> None:
    assert (QUEUES["batchSize"], QUEUES["newBatchThreshold"]) == (1, 0)
    assert (QUEUES["maxDequeueCount"], duration(QUEUES["visibilityTimeout"])) == (QUEUE_TRIES, QUEUE_WAIT)


def test_sampling_drops_no_log_line() -> None:
    assert HOST["logging"]["applicationInsights"]["samplingSettings"] == {"isEnabled": False}


def test_the_routes_have_the_prefix_that_responses_use() -> None:
    assert f"/{HOST['extensions']['http']['routePrefix']}/runs" == RUNS_PATH


def test_the_queue_triggers_come_from_an_extension_bundle() -> None:
    bundle = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}

    assert HOST["extensionBundle"] == bundle
