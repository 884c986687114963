"""Measure figures in separate processes, and format them as a table.

Imports only light modules, so that it adds nothing to the measured memory.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WIDTHS = (76, 28, 9)  # of every column but the last


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``holds`` is None without a budget, or if this machine cannot measure it."""

    what: str
    measured: str
    budget: str = ""
    holds: bool | None = None

    @property
    def verdict(self) -> str:
        """``yes``, ``NO``, ``not measured``, or "" without a budget."""
        if self.holds is None:
            return "not measured" if self.budget else ""
        return "yes" if self.holds else "NO"


def at_most(what: str, value: float, limit: float, unit: str, explained: str = "") -> Figure:
    """Return a figure with an upper limit."""
    shown = f"{value:,.0f}" if limit >= 100 or value == int(value) else f"{value:.2f}"
    return Figure(what, f"{shown}{unit} {explained}".rstrip(), f"<= {limit:g}{unit}", value <= limit)


def line(*cells: str) -> str:
    """Return one line of the table."""
    padded = [cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(WIDTHS) :]]).rstrip()


def say(what: str) -> None:
    """Print the current step to stderr."""
    print(f"... {what}", file=sys.stderr, flush=True)


def hand_over(figures: list[Figure]) -> None:
    """Print figures for the parent process."""
    print(json.dumps([asdict(figure) for figure in figures]))


def run_apart(module: str, *arguments: str) -> Any:
    """Run a module in a separate process; return the JSON value that it prints."""
    done = subprocess.run(
        command(module, *arguments), stdout=subprocess.PIPE, cwd=ROOT, env=environment(), encoding="utf-8", check=False
    )
    if done.returncode:
        raise SystemExit(f"{module} failed. See the error above.")
    return json.loads(done.stdout)


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in this Python."""
    return [sys.executable, "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return this environment with bytecode enabled: compiling takes memory that a deployed app does not need."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def peak_megabytes() -> float | None:
    """Return the peak resident set size of this process in megabytes; None on Windows, where Python cannot read it."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_000_000
