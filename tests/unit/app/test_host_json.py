"""Claims about host.json: what the platform is told fits what the code counts on."""

import inspect
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from consent.app.http_api import RUNS_PATH
from consent.delivery.dropbox_folder import DropboxFolder
from consent.redcap.client import CONNECT_SECONDS, READ_SECONDS
from consent.runs.lease import LONGEST_RUN
from consent.runs.ledger.record import CLAIM_LENGTH
from tests.support.functions_runtime import ROOT

LONGEST_STEP = timedelta(minutes=5)


def host_json() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    return document


def queues() -> dict[str, Any]:
    found: dict[str, Any] = host_json()["extensions"]["queues"]
    return found


def span(text: str) -> timedelta:
    """A length of time as host.json has it."""
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def test_a_run_ends_itself_before_the_platform_ends_it_without_a_word() -> None:
    assert span(host_json()["functionTimeout"]) > LONGEST_RUN


def test_the_last_step_of_a_run_ends_within_the_time_limit_too() -> None:
    assert span(host_json()["functionTimeout"]) >= LONGEST_RUN + LONGEST_STEP


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(CONNECT_SECONDS + READ_SECONDS, id="one question to REDCap"),
        pytest.param(
            inspect.signature(DropboxFolder).parameters["deadline_seconds"].default, id="all waiting for Dropbox"
        ),
    ],
)
def test_no_step_takes_more_than_five_minutes(seconds: float) -> None:
    assert timedelta(seconds=seconds) <= LONGEST_STEP


def test_a_lease_outlasts_the_longest_step() -> None:
    assert LONGEST_STEP < CLAIM_LENGTH


def test_a_message_is_tried_for_longer_than_another_run_can_hold_the_study() -> None:
    assert queues()["maxDequeueCount"] * span(queues()["visibilityTimeout"]) > LONGEST_RUN + CLAIM_LENGTH


def test_a_message_that_failed_is_tried_again_only_after_minutes() -> None:
    assert span(queues()["visibilityTimeout"]) == timedelta(minutes=5)


def test_a_process_carries_out_one_run_at_a_time() -> None:
    assert (queues()["batchSize"], queues()["newBatchThreshold"]) == (1, 0)


def test_no_log_line_is_left_out_by_sampling() -> None:
    assert host_json()["logging"]["applicationInsights"]["samplingSettings"] == {"isEnabled": False}


def test_the_routes_are_where_the_answers_say() -> None:
    assert f"/{host_json()['extensions']['http']['routePrefix']}/runs" == RUNS_PATH


def test_the_queues_come_with_an_extension_bundle() -> None:
    bundle = host_json()["extensionBundle"]

    assert (bundle["id"], re.fullmatch(r"\[4\.\*, 5\.0\.0\)", bundle["version"]) is not None) == (
        "Microsoft.Azure.Functions.ExtensionBundle",
        True,
    )
