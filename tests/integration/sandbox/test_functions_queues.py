"""Tests of the local host's queue listener, on Azure's storage emulator."""

import base64
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from azure.storage.queue import QueueClient, QueueMessage

from sandbox.azurite import Azurite
from sandbox.functions.calls import Call
from sandbox.functions.plan import QueueRules, QueueTrigger
from sandbox.functions.process import Invocation
from sandbox.functions.queues import QueueListener, StorageQueues

RULES = QueueRules(max_dequeue_count=3, visibility_timeout=timedelta(0))
SUCCESS = Invocation("1", None, None, [])
FAILURE = Invocation("1", "ValueError: no", None, [], reason="ValueError: no")


@dataclass
class Bench:
    """A queue, its listener, and the calls of the function."""

    client: QueueClient
    poison: QueueClient
    listener: QueueListener
    outcomes: list[Invocation]
    stopping: threading.Event
    calls: list[Call] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def send_raw(self, content: str) -> None:
        """Send a message without encoding it."""
        self.client.send_message(content)

    def send(self, text: str = "study") -> None:
        """Send a message in base64, as the platform does."""
        self.send_raw(base64.b64encode(text.encode()).decode())

    def handle_next(self) -> None:
        """Receive the next message and let the listener handle it."""
        self.listener.handle(self.receive())

    def receive(self) -> QueueMessage:
        """Receive the next message."""
        message = self.client.receive_message(visibility_timeout=600)
        assert message is not None
        return message

    def count(self, client: QueueClient | None = None) -> int:
        """Return the number of messages in the queue."""
        return (client or self.client).get_queue_properties().approximate_message_count or 0

    def visible(self) -> int:
        """Return the number of visible messages."""
        return len(self.client.peek_messages(max_messages=5))


Open = Callable[..., Bench]


@pytest.fixture(name="open_bench")
def _open_bench(azurite: Azurite) -> Iterator[Open]:
    opened: list[Bench] = []
    with StorageQueues() as queues:

        def open_bench(*outcomes: Invocation, rules: QueueRules = RULES, suffix: str = "") -> Bench:
            name = f"q{uuid.uuid4().hex}{suffix}"
            storage, stopping = azurite.connection_string, threading.Event()
            client, poison = (QueueClient.from_connection_string(storage, n) for n in (name, f"{name}-poison"))
            client.create_queue()
            poison.create_queue()

            def invoke(call: Call, _every: float, meanwhile: Callable[[], None]) -> Invocation:
                meanwhile()
                bench.calls.append(call)
                return bench.outcomes.pop(0)

            def log(level: str, text: str) -> None:
                bench.lines.append(f"{level} {text}")

            listener = QueueListener("work", QueueTrigger(name, storage), queues, rules, invoke, log, stopping=stopping)
            bench = Bench(client, poison, listener, list(outcomes), stopping)
            opened.append(bench)
            return bench

        yield open_bench
    for bench in opened:
        bench.client.close()
        bench.poison.close()


def test_a_function_gets_the_text_of_a_message(open_bench: Open) -> None:
    bench = open_bench(SUCCESS)
    bench.send("Ärztin")

    bench.handle_next()

    assert bench.calls[0].data == {"string": "Ärztin"}


def test_a_function_gets_the_delivery_count_of_a_message(open_bench: Open) -> None:
    bench = open_bench(FAILURE, SUCCESS)
    bench.send()

    bench.handle_next()
    bench.handle_next()

    assert [call.metadata["DequeueCount"] for call in bench.calls] == [{"json": "1"}, {"json": "2"}]


def test_a_message_is_deleted_after_success(open_bench: Open) -> None:
    bench = open_bench(SUCCESS)
    bench.send()

    bench.handle_next()

    assert bench.count() == 0


def test_a_failed_message_is_visible_after_the_visibility_timeout(open_bench: Open) -> None:
    bench = open_bench(FAILURE)
    bench.send()

    bench.handle_next()

    assert bench.visible() == 1


def test_a_failed_message_is_invisible_before_the_visibility_timeout(open_bench: Open) -> None:
    bench = open_bench(FAILURE, rules=QueueRules(visibility_timeout=timedelta(minutes=5)))
    bench.send()

    bench.handle_next()

    assert (bench.count(), bench.visible()) == (1, 0)


def test_a_message_that_failed_too_often_moves_to_the_poison_queue(open_bench: Open) -> None:
    bench = open_bench(FAILURE, FAILURE, FAILURE)
    bench.send()

    for _ in range(3):
        bench.handle_next()

    assert (bench.count(), bench.count(bench.poison)) == (0, 1)


def test_a_message_beyond_its_attempts_moves_to_the_poison_queue_without_a_call(open_bench: Open) -> None:
    bench = open_bench(rules=QueueRules(max_dequeue_count=1))
    bench.send()
    bench.client.update_message(bench.receive(), visibility_timeout=0)

    bench.handle_next()

    assert (bench.calls, bench.count(), bench.count(bench.poison)) == ([], 0, 1)


@pytest.mark.parametrize("content", ["study!", "{}"], ids=["no base64", "JSON as it is"])
def test_a_message_that_is_not_base64_moves_to_the_poison_queue_at_once(open_bench: Open, content: str) -> None:
    bench = open_bench()
    bench.send_raw(content)

    bench.handle_next()

    assert (bench.calls, bench.count(), bench.count(bench.poison)) == ([], 0, 1)


def test_a_message_that_is_not_base64_is_encoded_in_the_poison_queue(open_bench: Open) -> None:
    bench = open_bench()
    bench.send_raw("study!")

    bench.handle_next()

    assert bench.poison.peek_messages()[0].content == base64.b64encode(b"study!").decode()


def test_bytes_that_are_not_text_are_replaced(open_bench: Open) -> None:
    bench = open_bench(SUCCESS)
    bench.send_raw(base64.b64encode(b"a\xff").decode())

    bench.handle_next()

    assert bench.calls[0].data == {"string": "a\N{REPLACEMENT CHARACTER}"}


def test_a_failed_message_of_a_poison_queue_stays_there_invisible(open_bench: Open) -> None:
    bench = open_bench(FAILURE, suffix="-poison", rules=QueueRules(max_dequeue_count=1))
    bench.send()

    bench.handle_next()

    assert (bench.count(), bench.visible(), bench.count(bench.poison)) == (1, 0, 0)


def test_a_message_is_visible_at_once_if_the_host_stopped_during_its_call(open_bench: Open) -> None:
    bench = open_bench(FAILURE, rules=QueueRules(max_dequeue_count=1, visibility_timeout=timedelta(minutes=5)))
    bench.send()
    bench.stopping.set()

    bench.handle_next()

    assert (bench.visible(), bench.count(bench.poison)) == (1, 0)


def test_a_message_received_by_another_host_is_left_unchanged(open_bench: Open) -> None:
    bench = open_bench(SUCCESS)
    bench.send()
    taken = bench.receive()
    bench.client.update_message(taken, visibility_timeout=0)
    bench.receive()

    bench.listener.handle(taken)

    assert (bench.count(), [line.partition(" (")[0] for line in bench.lines]) == (
        1,
        [f"WARNING {bench.client.queue_name}: a message was left unchanged"],
    )


def test_a_missing_queue_is_created_by_the_first_message(azurite: Azurite) -> None:
    name = f"q{uuid.uuid4().hex}"
    with StorageQueues() as queues:
        queues.send(azurite.connection_string, name, "first")

        assert queues.client(azurite.connection_string, name).peek_messages()[0].content == "Zmlyc3Q="
