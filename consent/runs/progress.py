"""What a run reports while it is in progress."""

from typing import Protocol


class Progress(Protocol):
    """Is told how a run is getting on."""

    def stage(self, what: str) -> None:
        """A new stage begins."""

    def records(self, received: int, listed: int) -> None:
        """So many records were received of those listed."""

    def file(self, done: int, total: int, path: str) -> None:
        """So many files are stored of those to be written."""


class NoProgress:
    """Nobody is looking."""

    def stage(self, what: str) -> None:
        """Say nothing."""

    def records(self, received: int, listed: int) -> None:
        """Say nothing."""

    def file(self, done: int, total: int, path: str) -> None:
        """Say nothing."""
