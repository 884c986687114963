"""A queue in a virtual time, by the rules of the platform's own: at least once, and given up after ten tries.

Runs nothing: whoever takes a message says whether it was carried out.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

WHILE_RUNNING = timedelta(minutes=10)
AFTER_FAILURE = timedelta(minutes=5)
MOST_TRIES = 10


@dataclass
class Message:
    """A message, and when it can next be seen."""

    text: str
    visible_at: datetime
    tries: int = 0


@dataclass
class SimulatedQueue:
    """One queue; where ``duplicates`` is set messages come twice, and some come again although they were done."""

    chance: random.Random
    duplicates: bool
    waiting: list[Message] = field(default_factory=list)
    given_up: list[Message] = field(default_factory=list)
    repeated: int = 0

    def send(self, text: str, now: datetime) -> None:
        self.waiting.append(Message(text, now))
        if self.duplicates:
            self.repeated += 1
            self.waiting.append(Message(text, now + timedelta(minutes=self.chance.choice((0, 0.5, 3, 11)))))

    @property
    def next_at(self) -> datetime | None:
        """When the next message can be seen."""
        return min((message.visible_at for message in self.waiting), default=None)

    def take(self, now: datetime) -> Message | None:
        """The message that has been visible longest; nobody else sees it for ten minutes."""
        visible = [message for message in self.waiting if message.visible_at <= now]
        if not visible:
            return None
        return self.hold(min(visible, key=lambda message: message.visible_at), now)

    def hold(self, message: Message, now: datetime) -> Message:
        """Hand this very message to somebody."""
        message.tries += 1
        message.visible_at = now + WHILE_RUNNING
        return message

    def done(self, message: Message) -> None:
        """Delete it; where messages are duplicated, that fails now and then."""
        if self.duplicates and message.tries < 3 and self.chance.random() < 0.3:
            self.repeated += 1
        else:
            self.waiting.remove(message)

    def failed(self, message: Message, now: datetime) -> None:
        """Have it seen again in five minutes, or give it up."""
        if message.tries < MOST_TRIES:
            message.visible_at = now + AFTER_FAILURE
        else:
            self.waiting.remove(message)
            self.given_up.append(message)
