"""The data that the platform's host sends to a function, for each trigger.

The runtime's converters need exactly these names and types.
https://github.com/Azure/azure-functions-host (GrpcMessageConversionExtensions, ScriptInvocationContextExtensions)
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

NEVER = datetime(1, 1, 1, tzinfo=UTC)  # the platform's value for a timer that has not run yet


@dataclass(frozen=True)
class Call:
    """One call of a function, with its trigger's data and metadata by type of value."""

    name: str
    data: dict[str, Any]
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class QueueDelivery:
    """A message as delivered by a queue, with the decoded text as body."""

    body: str
    dequeue_count: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    pop_receipt: str = "receipt"
    inserted_on: datetime = field(default_factory=lambda: datetime.now(UTC))
    expires_on: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=7))
    next_visible_on: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=10))


def timer_call(name: str, *, past_due: bool, next_at: datetime, last_at: datetime = NEVER) -> Call:
    """Return the call of a timer."""
    status = {"Last": last_at.isoformat(), "Next": next_at.isoformat(), "LastUpdated": last_at.isoformat()}
    timer = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": status,
        "IsPastDue": past_due,
    }
    text = json.dumps(timer)
    return Call(name, {"json": text}, {"TimerTrigger": {"string": text}})


def http_call(
    name: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Call:
    """Return the call of a request; header names are sent in lower case, empty query values and bodies are not sent."""
    http = {
        "method": method,
        "url": url,
        "headers": {header.lower(): value for header, value in (headers or {}).items()},
        "query": {key: value for key, value in (query or {}).items() if value},
        "params": dict(params or {}),
        "body": body.hex(),
    }
    return Call(name, {"http": http})


def queue_call(name: str, delivery: QueueDelivery) -> Call:
    """Return the call of a queue message: always text, even if it is JSON; its numbers and instants are JSON."""
    metadata = {
        "QueueTrigger": {"string": delivery.body},
        "Id": {"string": delivery.id},
        "PopReceipt": {"string": delivery.pop_receipt},
        "DequeueCount": {"json": json.dumps(delivery.dequeue_count)},
        "InsertionTime": {"json": json.dumps(delivery.inserted_on.isoformat())},
        "ExpirationTime": {"json": json.dumps(delivery.expires_on.isoformat())},
        "NextVisibleTime": {"json": json.dumps(delivery.next_visible_on.isoformat())},
    }
    return Call(name, {"string": delivery.body}, metadata)
