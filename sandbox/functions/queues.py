"""Carries messages between the queues of a storage account and functions, as the platform does.

A message is out of sight while its function runs, deleted when that succeeds, and seen again some time after it failed;
after too many failures it goes to the queue ``<name>-poison``, which has none of its own. Not done as the platform
does: it looks at an empty queue ever more rarely; here every look is a fraction of a second after the last.
https://github.com/Azure/azure-sdk-for-net (Microsoft.Azure.WebJobs.Extensions.Storage.Queues: QueueListener)
"""

import base64
import binascii
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sandbox.functions.calls import Call, QueueDelivery, queue_call
from sandbox.functions.plan import QueueRules
from sandbox.functions.process import Invocation

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient, QueueMessage

LOOK_SECONDS = 0.2
HOLD_SECONDS = 600  # how long a message is out of sight; renewed after half of it
POISON = "-poison"

Say = Callable[[str, str], None]  # a level and a text
Carry = Callable[[Call, float, Callable[[], None]], Invocation]  # a call, every so many seconds, do this meanwhile


class StorageQueues:
    """The queues of storage accounts by connection string; texts go in and come out in the platform's encoding."""

    def __init__(self, *, base64: bool) -> None:
        self._base64 = base64
        self._clients: dict[tuple[str, str], QueueClient] = {}
        self._lock = threading.Lock()

    def client(self, storage: str, queue: str) -> "QueueClient":
        """A client of one queue, which need not exist yet."""
        from azure.storage.queue import QueueClient

        with self._lock:
            if (storage, queue) not in self._clients:
                self._clients[storage, queue] = QueueClient.from_connection_string(
                    storage, queue, connection_timeout=5, read_timeout=30, retry_total=2, retry_backoff_factor=0.1
                )
            return self._clients[storage, queue]

    def send(self, storage: str, queue: str, text: str) -> None:
        """Put a text into a queue, encoded; the queue is made if there is none."""
        self.send_as_it_is(storage, queue, base64.b64encode(text.encode()).decode() if self._base64 else text)

    def send_as_it_is(self, storage: str, queue: str, content: str) -> None:
        """Put content into a queue that came out of another."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        client = self.client(storage, queue)
        try:
            client.send_message(content)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # somebody else was faster
                client.create_queue()
            client.send_message(content)

    def text_in(self, message: "QueueMessage") -> str | None:
        """The text of a message; None if it is not in the platform's encoding."""
        if not self._base64:
            return str(message.content)
        try:
            return base64.b64decode(message.content, validate=True).decode("utf-8", errors="replace")
        except (binascii.Error, ValueError):
            return None

    def close(self) -> None:
        """Let go of all connections."""
        for client in self._clients.values():
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sendable(value: Any) -> list[str]:
    """The messages that a function's output stands for: one text, or several."""
    if isinstance(value, str):
        return [value]
    return [item if isinstance(item, str) else str(item["body"]) for item in value]


@dataclass(frozen=True)
class Listened:
    """One queue and the function that its messages start."""

    function: str
    storage: str
    queue: str

    @property
    def poison(self) -> str | None:
        """Where messages go that failed too often; nowhere, for those that come from such a queue."""
        return None if self.queue.endswith(POISON) else self.queue + POISON


class QueueListener:
    """Hands the messages of one queue to its function until it is told to stop."""

    def __init__(
        self,
        listened: Listened,
        queues: StorageQueues,
        rules: QueueRules,
        carry: Carry,
        say: Say,
        *,
        stopping: threading.Event,
        hold_seconds: int = HOLD_SECONDS,
    ) -> None:
        self._listened = listened
        self._queues = queues
        self._client = queues.client(listened.storage, listened.queue)
        self._rules = rules
        self._carry = carry
        self._say = say
        self._stopping = stopping
        self._hold_seconds = hold_seconds
        self._reachable = True

    def listen(self) -> None:
        """Look for messages again and again; returns once it was told to stop and all calls have ended."""
        at_once = self._rules.batch_size + self._rules.new_batch_threshold
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(at_once, thread_name_prefix=self._listened.function) as pool:
            while not self._stopping.wait(LOOK_SECONDS):
                running = {future for future in running if not future.done()}
                if len(running) <= self._rules.new_batch_threshold:
                    running |= {pool.submit(self.handle, message) for message in self._look()}

    def handle(self, message: "QueueMessage") -> None:
        """Call the function with one message, and do with the message what follows from the outcome."""
        from azure.core.exceptions import AzureError

        try:
            self._handle(message)
        except AzureError as error:
            self._say("WARNING", f"{self._listened.queue}: a message stays as it is ({type(error).__name__})")

    def _look(self) -> Sequence["QueueMessage"]:
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        size = self._rules.batch_size
        try:
            found = list(self._client.receive_messages(max_messages=size, visibility_timeout=self._hold_seconds))
        except ResourceNotFoundError:  # nobody has put anything into it yet
            found = []
        except AzureError as error:
            if self._reachable:
                self._say("ERROR", f"{self._listened.queue}: cannot be read, trying again ({type(error).__name__})")
            self._reachable = False
            return []
        self._reachable = True
        return found

    def _handle(self, message: "QueueMessage") -> None:
        text = self._queues.text_in(message)
        tries = message.dequeue_count or 1
        if text is None:
            return self._give_up(message, "is not in base64", encoded=False)
        if tries > self._rules.max_dequeue_count:
            return self._give_up(message, f"was tried {tries - 1} times")
        held = _Held(self._client, message, self._hold_seconds)
        call = queue_call(self._listened.function, _delivery(message, text, tries))
        outcome = self._carry(call, self._hold_seconds / 2, held.renew)
        if self._stopping.is_set() and outcome.failure is not None:
            return held.release(0)  # the call was cut off by our own end: whoever is next may begin at once
        if outcome.failure is None:
            return self._client.delete_message(held.message)
        if tries >= self._rules.max_dequeue_count:
            return self._give_up(held.message, f"failed {tries} times")
        if self._listened.poison is not None:  # otherwise it stays out of sight for the whole of its hold
            held.release(round(self._rules.visibility_timeout.total_seconds()))
        return None

    def _give_up(self, message: "QueueMessage", why: str, *, encoded: bool = True) -> None:
        poison = self._listened.poison
        if poison is None:
            return
        self._say("WARNING", f"{self._listened.queue}: a message {why} and goes to {poison}")
        send = self._queues.send_as_it_is if encoded else self._queues.send
        send(self._listened.storage, poison, str(message.content))
        self._client.delete_message(message)


class _Held:
    """A message that is out of sight, and the receipt that lets it be deleted or shown again."""

    def __init__(self, client: "QueueClient", message: "QueueMessage", seconds: int) -> None:
        self._client = client
        self._seconds = seconds
        self.message = message

    def renew(self) -> None:
        """Keep it out of sight for the whole time again, counted from now; if that fails, half the time is left."""
        from azure.core.exceptions import AzureError

        with contextlib.suppress(AzureError):
            self.release(self._seconds)

    def release(self, seconds: int) -> None:
        """Let it be seen again so many seconds from now."""
        told = self._client.update_message(self.message, visibility_timeout=seconds)
        self.message.pop_receipt = told.pop_receipt


def _delivery(message: "QueueMessage", text: str, tries: int) -> QueueDelivery:
    inserted_on, expires_on, next_visible_on = message.inserted_on, message.expires_on, message.next_visible_on
    if inserted_on is None or expires_on is None or next_visible_on is None:
        return QueueDelivery(text, tries, message.id, str(message.pop_receipt))
    return QueueDelivery(text, tries, message.id, str(message.pop_receipt), inserted_on, expires_on, next_visible_on)
