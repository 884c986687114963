"""Deliver messages from the queues of a storage account to functions, as the platform does.

A message is invisible while its function runs. It is deleted when the function succeeds, and visible again some time
after a failure. After too many failures it moves to the queue ``<name>-poison``. Texts are base64, the default. The
platform polls an empty queue less and less often; this host polls at a fixed interval.
https://github.com/Azure/azure-sdk-for-net (Microsoft.Azure.WebJobs.Extensions.Storage.Queues: QueueListener)
"""

import base64
import binascii
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from sandbox.functions.calls import Call, QueueDelivery, queue_call
from sandbox.functions.plan import QueueRules, QueueTrigger
from sandbox.functions.process import Invocation

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient, QueueMessage

POLL_SECONDS = 0.2
LOCK_SECONDS = 600  # how long a message is invisible; renewed after half of it

Log = Callable[[str, str], None]  # a level and a text
Invoke = Callable[[Call, float, Callable[[], None]], Invocation]  # call; every so many seconds; do this meanwhile


class StorageQueues:
    """The queues of storage accounts, by connection string."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], QueueClient] = {}
        self._lock = threading.Lock()

    def client(self, storage: str, queue: str) -> "QueueClient":
        """Return the client of a queue, which may not exist yet."""
        from azure.storage.queue import QueueClient

        with self._lock:
            if (storage, queue) not in self._clients:
                self._clients[storage, queue] = QueueClient.from_connection_string(
                    storage, queue, connection_timeout=5, read_timeout=30, retry_total=2, retry_backoff_factor=0.1
                )
            return self._clients[storage, queue]

    def send(self, storage: str, queue: str, text: str, *, encoded: bool = False) -> None:
        """Send a text to a queue, which is created if it is missing; ``encoded``: the text is base64 already."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        content = base64.b64encode(text.encode()).decode() if not encoded else text
        client = self.client(storage, queue)
        try:
            client.send_message(content)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another process was faster
                client.create_queue()
            client.send_message(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()


def decoded(message: "QueueMessage") -> str | None:
    """Return the text of a message; None if it is not base64."""
    try:
        return base64.b64decode(message.content, validate=True).decode("utf-8", errors="replace")
    except (binascii.Error, ValueError):
        return None


def messages_of(value: Any) -> list[str]:
    """Return the messages of a function's output: one text, or several."""
    if isinstance(value, str):
        return [value]
    return [item if isinstance(item, str) else str(item["body"]) for item in value]


class QueueListener:
    """Delivers the messages of one queue to its function until ``stopping`` is set."""

    def __init__(
        self,
        function: str,
        trigger: QueueTrigger,
        queues: StorageQueues,
        rules: QueueRules,
        invoke: Invoke,
        log: Log,
        *,
        stopping: threading.Event,
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._queues = queues
        self._client = queues.client(trigger.storage, trigger.queue)
        self._rules = rules
        self._invoke = invoke
        self._log = log
        self._stopping = stopping
        self._reachable = True

    def listen(self) -> None:
        """Poll until ``stopping`` is set; return when all calls have ended."""
        at_once = self._rules.batch_size + self._rules.new_batch_threshold
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(at_once, thread_name_prefix=self._function) as pool:
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
            self._log("WARNING", f"{self._trigger.queue}: a message was left unchanged ({type(error).__name__})")

    def _receive(self) -> Sequence["QueueMessage"]:
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        size = self._rules.batch_size
        try:
            found = list(self._client.receive_messages(max_messages=size, visibility_timeout=LOCK_SECONDS))
        except ResourceNotFoundError:  # the queue does not exist yet
            found = []
        except AzureError as error:
            if self._reachable:
                self._log("ERROR", f"{self._trigger.queue}: cannot be read, retrying ({type(error).__name__})")
            self._reachable = False
            return []
        self._reachable = True
        return found

    def _handle(self, message: "QueueMessage") -> None:
        text = decoded(message)
        tries = message.dequeue_count or 1
        if text is None:
            return self._poison(message, "is not base64", encoded=False)
        if tries > self._rules.max_dequeue_count:
            return self._poison(message, f"was tried {tries - 1} times")
        call = queue_call(self._function, _delivery(message, text, tries))
        outcome = self._invoke(call, LOCK_SECONDS / 2, lambda: self._renew(message))
        if self._stopping.is_set() and outcome.failure is not None:
            return self._show_again(message, 0)  # the host stopped during the call; the next host retries at once
        if outcome.failure is None:
            return self._client.delete_message(message)
        if tries >= self._rules.max_dequeue_count:
            return self._poison(message, f"failed {tries} times")
        if self._trigger.poison is not None:  # a poison message stays invisible for the full time
            self._show_again(message, round(self._rules.visibility_timeout.total_seconds()))
        return None

    def _poison(self, message: "QueueMessage", why: str, *, encoded: bool = True) -> None:
        poison = self._trigger.poison
        if poison is None:
            return
        self._log("WARNING", f"{self._trigger.queue}: a message {why}; it moves to {poison}")
        self._queues.send(self._trigger.storage, poison, str(message.content), encoded=encoded)
        self._client.delete_message(message)

    def _renew(self, message: "QueueMessage") -> None:
        """Make the message invisible for the full time again; if that fails, half of the time is left."""
        from azure.core.exceptions import AzureError

        with contextlib.suppress(AzureError):
            self._show_again(message, LOCK_SECONDS)

    def _show_again(self, message: "QueueMessage", seconds: int) -> None:
        """Make the message visible after so many seconds."""
        message.pop_receipt = self._client.update_message(message, visibility_timeout=seconds).pop_receipt


def _delivery(message: "QueueMessage", text: str, tries: int) -> QueueDelivery:
    inserted_on, expires_on, next_visible_on = message.inserted_on, message.expires_on, message.next_visible_on
    if inserted_on is None or expires_on is None or next_visible_on is None:
        return QueueDelivery(text, tries, message.id, str(message.pop_receipt))
    return QueueDelivery(text, tries, message.id, str(message.pop_receipt), inserted_on, expires_on, next_visible_on)
