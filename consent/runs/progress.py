"""What a run reports while it is in progress."""


class Progress:
    """Receives the progress of a run; this one shows nothing."""

    def stage(self, what: str) -> None:
        """A new stage starts."""

    def records(self, received: int, listed: int) -> None:
        """So many of the listed records were received."""

    def file(self, done: int, total: int, path: str) -> None:
        """So many of the files to write are stored."""
