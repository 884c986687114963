"""Carry messages between the queues of a storage account and functions, as the platform does.

A message is invisible while its function runs. It is deleted when the function succeeds, and visible again some time
after it failed. After too many failures it moves to the queue ``<name>-poison``. The platform polls an empty queue ever
more rarely; here every poll is a fraction of a second after the last.
https://github.com/Azure/azure-sdk-for-net (Microsoft.Azure.WebJobs.Extensions.Storage.Queues: QueueListener)
"""

import base64
import binascii
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sandbox.functions.calls import Call, QueueDelivery, queue_call
from sandbox.functions.plan import QueueRules
from sandbox.functions.process import Invocation

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient, QueueMessage

POLL_SECONDS = 0.2
HOLD_SECONDS = 600  # how long a message is invisible; renewed after half of it
POISON = "-poison"

Say = Callable[[str, str], None]  # a level and a text
Carry = Callable[[Call, float, Callable[[], None]], Invocation]  # a call, every so many seconds, do this meanwhile


class StorageQueues:
    """The queues of storage accounts by connection string; texts are sent and read in the platform's encoding."""

    def __init__(self, *, base64: bool) -> None:
        self._base64 = base64
        self._clients: dict[tuple[str, str], QueueClient] = {}
        self._lock = threading.Lock()

    def client(self, storage: str, queue: str) -> "QueueClient":
        """Return a client of one queue, which need not exist yet."""
        from azure.storage.queue import QueueClient

        with self._lock:
            if (storage, queue) not in self._clients:
                self._clients[storage, queue] = QueueClient.from_connection_string(
                    storage, queue, connection_timeout=5, read_timeout=30, retry_total=2, retry_backoff_factor=0.1
                )
            return self._clients[storage, queue]

    def send(self, storage: str, queue: str, text: str, *, encoded: bool = False) -> None:
        """Put a text into a queue, which is created if there is none; ``encoded``: it came out of another queue."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        content = base64.b64encode(text.encode()).decode() if self._base64 and not encoded else text
        client = self.client(storage, queue)
        try:
            client.send_message(content)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another process was faster
                client.create_queue()
            client.send_message(content)

    def text_in(self, message: "QueueMessage") -> str | None:
        """Return the text of a message; None if it is not in the platform's encoding."""
        if not self._base64:
            return str(message.content)
        try:
            return base64.b64decode(message.content, validate=True).decode("utf-8", errors="replace")
        except (binascii.Error, ValueError):
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()


def sendable(value: Any) -> list[str]:
    """Return the messages of a function's output: one text, or several."""
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
        """The queue for messages that failed too often; a poison queue has none."""
        return None if self.queue.endswith(POISON) else self.queue + POISON


class QueueListener:
    """Hands the messages of one queue to its function until ``stopping`` is set."""

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
        """Poll until ``stopping`` is set; return once all calls have ended."""
        at_once = self._rules.batch_size + self._rules.new_batch_threshold
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(at_once, thread_name_prefix=self._listened.function) as pool:
            while not self._stopping.wait(POLL_SECONDS):
                running = {future for future in running if not future.done()}
                if len(running) <= self._rules.new_batch_threshold:
                    running |= {pool.submit(self.handle, message) for message in self._receive()}

    def handle(self, message: "QueueMessage") -> None:
        """Call the function with one message, then delete, release or poison the message."""
        from azure.core.exceptions import AzureError

        try:
            self._handle(message)
        except AzureError as error:
            self._say("WARNING", f"{self._listened.queue}: a message stays as it is ({type(error).__name__})")

    def _receive(self) -> Sequence["QueueMessage"]:
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        size = self._rules.batch_size
        try:
            found = list(self._client.receive_messages(max_messages=size, visibility_timeout=self._hold_seconds))
        except ResourceNotFoundError:  # the queue does not exist yet
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
            return self._poison(message, "is not in base64", encoded=False)
        if tries > self._rules.max_dequeue_count:
            return self._poison(message, f"was tried {tries - 1} times")
        call = queue_call(self._listened.function, _delivery(message, text, tries))
        outcome = self._carry(call, self._hold_seconds / 2, lambda: self._renew(message))
        if self._stopping.is_set() and outcome.failure is not None:
            return self._show_again(
                message, 0
            )  # the host's own end cut the call off, so the next host may start at once
        if outcome.failure is None:
            return self._client.delete_message(message)
        if tries >= self._rules.max_dequeue_count:
            return self._poison(message, f"failed {tries} times")
        if self._listened.poison is not None:  # a poison message stays invisible for the whole of its hold
            self._show_again(message, round(self._rules.visibility_timeout.total_seconds()))
        return None

    def _poison(self, message: "QueueMessage", why: str, *, encoded: bool = True) -> None:
        poison = self._listened.poison
        if poison is None:
            return
        self._say("WARNING", f"{self._listened.queue}: a message {why} and goes to {poison}")
        self._queues.send(self._listened.storage, poison, str(message.content), encoded=encoded)
        self._client.delete_message(message)

    def _renew(self, message: "QueueMessage") -> None:
        """Hold the message for the whole time again; if that fails, half the time is left."""
        from azure.core.exceptions import AzureError

        with contextlib.suppress(AzureError):
            self._show_again(message, self._hold_seconds)

    def _show_again(self, message: "QueueMessage", seconds: int) -> None:
        """Make the message visible so many seconds from now."""
        message.pop_receipt = self._client.update_message(message, visibility_timeout=seconds).pop_receipt


def _delivery(message: "QueueMessage", text: str, tries: int) -> QueueDelivery:
    inserted_on, expires_on, next_visible_on = message.inserted_on, message.expires_on, message.next_visible_on
    if inserted_on is None or expires_on is None or next_visible_on is None:
        return QueueDelivery(text, tries, message.id, str(message.pop_receipt))
    return QueueDelivery(text, tries, message.id, str(message.pop_receipt), inserted_on, expires_on, next_visible_on)
