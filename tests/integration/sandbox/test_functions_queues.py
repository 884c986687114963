"""Claims about what the local host does with the messages of a queue, against Azure's storage emulator."""

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
from sandbox.functions.plan import QueueRules
from sandbox.functions.process import Invocation
from sandbox.functions.queues import Listened, QueueListener, StorageQueues

RULES = QueueRules(max_dequeue_count=3, visibility_timeout=timedelta(0))
SUCCESS = Invocation("1", None, None, [])
FAILURE = Invocation("1", "ValueError: no", None, [], reason="ValueError: no")


@dataclass
class Post:
    """A queue with the listener that hands its messages out, and what the function was called with."""

    client: QueueClient
    poison: QueueClient
    listener: QueueListener
    outcomes: list[Invocation]
    stopping: threading.Event
    calls: list[Call] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def put(self, content: str) -> None:
        """Send a message as it is."""
        self.client.send_message(content)

    def ask(self, text: str = "study") -> None:
        """Send a message as the platform encodes it."""
        self.put(base64.b64encode(text.encode()).decode())

    def turn(self) -> None:
        """Take the next message and carry it to its end."""
        self.listener.handle(self.take())

    def take(self) -> QueueMessage:
        """Take the next message."""
        message = self.client.receive_message(visibility_timeout=600)
        assert message is not None
        return message

    def left(self, client: QueueClient | None = None) -> int:
        """How many messages the queue holds, in sight or not."""
        return (client or self.client).get_queue_properties().approximate_message_count or 0

    def in_sight(self) -> int:
        """How many messages can be taken now."""
        return len(self.client.peek_messages(max_messages=5))


Open = Callable[..., Post]


@pytest.fixture(name="open_post")
def _open_post(azurite: Azurite) -> Iterator[Open]:
    opened: list[Post] = []
    with StorageQueues(base64=True) as queues:

        def open_post(*outcomes: Invocation, rules: QueueRules = RULES, suffix: str = "") -> Post:
            name = f"q{uuid.uuid4().hex}{suffix}"
            storage, stopping = azurite.connection_string, threading.Event()
            client, poison = (QueueClient.from_connection_string(storage, n) for n in (name, f"{name}-poison"))
            client.create_queue()
            poison.create_queue()

            def carry(call: Call, _every: float, meanwhile: Callable[[], None]) -> Invocation:
                meanwhile()
                post.calls.append(call)
                return post.outcomes.pop(0)

            def say(level: str, text: str) -> None:
                post.said.append(f"{level} {text}")

            listener = QueueListener(
                Listened("work", storage, name), queues, rules, carry, say, stopping=stopping, hold_seconds=60
            )
            post = Post(client, poison, listener, list(outcomes), stopping)
            opened.append(post)
            return post

        yield open_post
    for post in opened:
        post.client.close()
        post.poison.close()


def test_a_function_gets_the_text_of_a_message(open_post: Open) -> None:
    post = open_post(SUCCESS)
    post.ask("Ärztin")

    post.turn()

    assert post.calls[0].data == {"string": "Ärztin"}


def test_a_function_is_told_how_often_a_message_was_handed_out(open_post: Open) -> None:
    post = open_post(FAILURE, SUCCESS)
    post.ask()

    post.turn()
    post.turn()

    assert [call.metadata["DequeueCount"] for call in post.calls] == [{"json": "1"}, {"json": "2"}]


def test_a_message_is_deleted_once_its_function_succeeded(open_post: Open) -> None:
    post = open_post(SUCCESS)
    post.ask()

    post.turn()

    assert post.left() == 0


def test_a_message_stays_out_of_sight_while_its_function_runs(open_post: Open) -> None:
    post = open_post(SUCCESS)
    post.ask()

    post.take()

    assert (post.left(), post.in_sight()) == (1, 0)


def test_a_message_that_failed_can_be_seen_again_after_the_visibility_timeout(open_post: Open) -> None:
    post = open_post(FAILURE)
    post.ask()

    post.turn()

    assert post.in_sight() == 1


def test_a_message_that_failed_cannot_be_seen_before_the_visibility_timeout(open_post: Open) -> None:
    post = open_post(FAILURE, rules=QueueRules(visibility_timeout=timedelta(minutes=5)))
    post.ask()

    post.turn()

    assert (post.left(), post.in_sight()) == (1, 0)


def test_a_message_that_failed_too_often_leaves_its_queue(open_post: Open) -> None:
    post = open_post(FAILURE, FAILURE, FAILURE)
    post.ask()

    post.turn()
    post.turn()
    post.turn()

    assert (post.left(), post.left(post.poison)) == (0, 1)


def test_a_message_is_the_same_in_the_poison_queue(open_post: Open) -> None:
    post = open_post(FAILURE, rules=QueueRules(max_dequeue_count=1))
    post.ask("study")

    post.turn()

    assert post.poison.peek_messages()[0].content == base64.b64encode(b"study").decode()


def test_a_message_whose_runs_were_all_cut_off_goes_to_the_poison_queue_without_another(open_post: Open) -> None:
    post = open_post(rules=QueueRules(max_dequeue_count=1))
    post.ask()
    post.client.update_message(post.take(), visibility_timeout=0)

    post.turn()

    assert (post.calls, post.left(), post.left(post.poison)) == ([], 0, 1)


@pytest.mark.parametrize("content", ["study!", "{}"], ids=["no base64", "JSON as it is"])
def test_a_message_that_is_not_encoded_goes_to_the_poison_queue_at_once(open_post: Open, content: str) -> None:
    post = open_post()
    post.put(content)

    post.turn()

    assert (post.calls, post.left(), post.left(post.poison)) == ([], 0, 1)


def test_a_message_that_is_not_encoded_is_encoded_in_the_poison_queue(open_post: Open) -> None:
    post = open_post()
    post.put("study!")

    post.turn()

    assert post.poison.peek_messages()[0].content == base64.b64encode(b"study!").decode()


def test_a_message_of_other_bytes_than_text_is_handed_out_with_marks_in_their_place(open_post: Open) -> None:
    post = open_post(SUCCESS)
    post.put(base64.b64encode(b"a\xff").decode())

    post.turn()

    assert post.calls[0].data == {"string": "a\N{REPLACEMENT CHARACTER}"}


def test_a_message_of_a_poison_queue_that_fails_stays_there_out_of_sight(open_post: Open) -> None:
    post = open_post(FAILURE, suffix="-poison", rules=QueueRules(max_dequeue_count=1))
    post.ask()

    post.turn()

    assert (post.left(), post.in_sight(), post.left(post.poison)) == (1, 0, 0)


def test_a_message_that_the_hosts_own_end_cut_off_can_be_seen_at_once(open_post: Open) -> None:
    post = open_post(FAILURE, rules=QueueRules(max_dequeue_count=1, visibility_timeout=timedelta(minutes=5)))
    post.ask()
    post.stopping.set()

    post.turn()

    assert (post.in_sight(), post.left(post.poison)) == (1, 0)


def test_a_message_that_somebody_else_took_over_is_left_to_them(open_post: Open) -> None:
    post = open_post(SUCCESS)
    post.ask()
    taken = post.take()
    post.client.update_message(taken, visibility_timeout=0)
    post.take()

    post.listener.handle(taken)

    assert (post.left(), [line.partition(" (")[0] for line in post.said]) == (
        1,
        [f"WARNING {post.client.queue_name}: a message stays as it is"],
    )


def test_a_queue_is_made_when_the_first_message_is_sent(azurite: Azurite) -> None:
    name = f"q{uuid.uuid4().hex}"
    with StorageQueues(base64=True) as queues:
        queues.send(azurite.connection_string, name, "first")

        assert queues.client(azurite.connection_string, name).peek_messages()[0].content == "Zmlyc3Q="


def test_without_encoding_a_text_is_sent_as_it_is(azurite: Azurite) -> None:
    name = f"q{uuid.uuid4().hex}"
    with StorageQueues(base64=False) as queues:
        queues.send(azurite.connection_string, name, "first")

        assert queues.client(azurite.connection_string, name).peek_messages()[0].content == "first"
