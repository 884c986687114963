"""A queue in simulated time with the platform's rules: at-least-once delivery, and the poison queue after ten tries."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

WHILE_RUNNING = timedelta(minutes=10)
AFTER_FAILURE = timedelta(minutes=5)
MOST_TRIES = 10


@dataclass
class Message:
    """A message, when it is next visible, and whether it is in the other machine's history."""

    text: str
    visible_at: datetime
    elsewhere: bool = False
    tries: int = 0


@dataclass
class SimulatedQueue:
    """One queue; with ``duplicates`` messages arrive twice, and some arrive again after they were handled."""

    chance: random.Random
    duplicates: bool
    waiting: list[Message] = field(default_factory=list)
    poisoned: list[Message] = field(default_factory=list)
    repeated: int = 0

    def send(self, text: str, now: datetime, *, elsewhere: bool = False) -> None:
        self.waiting.append(Message(text, now, elsewhere))
        if self.duplicates:
            self.repeated += 1
            again = now + timedelta(minutes=self.chance.choice((0, 0.5, 3, 11)))
            self.waiting.append(Message(text, again, elsewhere))

    @property
    def next_at(self) -> datetime | None:
        """When the next message is visible."""
        return min((message.visible_at for message in self.waiting), default=None)

    def take(self, now: datetime) -> Message | None:
        """Take the message that has been visible longest, and hide it for ten minutes."""
        visible = [message for message in self.waiting if message.visible_at <= now]
        if not visible:
            return None
        return self.hold(min(visible, key=lambda message: message.visible_at), now)

    def hold(self, message: Message, now: datetime) -> Message:
        """Hide this message for ten minutes and count the try."""
        message.tries += 1
        message.visible_at = now + WHILE_RUNNING
        return message

    def done(self, message: Message) -> None:
        """Delete it; with ``duplicates`` that fails at times."""
        if self.duplicates and message.tries < 3 and self.chance.random() < 0.3:
            self.repeated += 1
        else:
            self.waiting.remove(message)

    def failed(self, message: Message, now: datetime) -> None:
        """Make it visible in five minutes, or move it to the poison queue."""
        if message.tries < MOST_TRIES:
            message.visible_at = now + AFTER_FAILURE
        else:
            self.waiting.remove(message)
            self.poisoned.append(message)
