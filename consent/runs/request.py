"""What a caller wants from one run."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class RunRequest:
    """A requested run; the defaults deliver today's report of the only study to Dropbox.

    Attributes:
        study: the study's key; None means the only study.
        as_of: the cut-off; None means today in the study's time zone.
        dry_run: plan the delivery and write nothing.
        accept_drop: a person checked REDCap and confirmed the lower numbers.
        to: a local folder in place of Dropbox.
    """

    study: str | None = None
    as_of: date | None = None
    dry_run: bool = False
    accept_drop: bool = False
    to: Path | None = None
