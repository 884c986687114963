"""What every file of a report has in common."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportFile:
    """One file of a report, its bytes final: ``name`` is its plain name, ``data`` says it is for machines."""

    name: str
    content: bytes
    data: bool = False
