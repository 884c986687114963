"""Keeps what would be logged in production, so that it can be searched for what must not be there."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logging_to(lines: list[str]) -> Iterator[None]:
    """Add every line that is logged in the block, with the levels that production has."""
    handler, root = _Keeping(lines), logging.getLogger()
    levels = {root: root.level, (azure := logging.getLogger("azure")): azure.level}
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    azure.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for logger, level in levels.items():
            logger.setLevel(level)


class _Keeping(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))
