"""Capture what production would log, to search it for secrets and record ids."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logging_to(lines: list[str]) -> Iterator[None]:
    """Append every line that the block logs at production's levels."""
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
