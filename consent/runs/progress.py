"""What a run reports while it is in progress."""

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a run."""

    def stage(self, what: str) -> None:
        """A new stage starts."""

    def records(self, received: int, listed: int) -> None:
        """So many of the listed records were received."""

    def file(self, done: int, total: int, path: str) -> None:
        """So many of the files to write are stored."""


class NoProgress:
    """Shows nothing."""

    def stage(self, what: str) -> None: ...

    def records(self, received: int, listed: int) -> None: ...

    def file(self, done: int, total: int, path: str) -> None: ...
