"""How a figure is taken in a process of its own, and how it is shown.

Imports nothing heavy, so that it adds nothing to the memory that is measured.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WIDTHS = (76, 28, 9)  # of the table's columns but the last


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``holds`` is None for what has no budget, or cannot be measured on this machine."""

    what: str
    measured: str
    budget: str = ""
    holds: bool | None = None

    @property
    def verdict(self) -> str:
        """Whether the budget holds, in a word."""
        if self.holds is None:
            return "not measured" if self.budget else ""
        return "yes" if self.holds else "NO"


def at_most(what: str, value: float, limit: float, unit: str, explained: str = "") -> Figure:
    """A figure with an upper limit."""
    shown = f"{value:,.0f}" if limit >= 100 or value == int(value) else f"{value:.2f}"
    return Figure(what, f"{shown}{unit} {explained}".rstrip(), f"<= {limit:g}{unit}", value <= limit)


def line(*cells: str) -> str:
    """One line of the table."""
    padded = [cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(WIDTHS) :]]).rstrip()


def say(what: str) -> None:
    """Tell whoever waits what is being done."""
    print(f"... {what}", file=sys.stderr, flush=True)


def hand_over(figures: list[Figure]) -> None:
    """Give figures to the process that asked for them."""
    print(json.dumps([asdict(figure) for figure in figures]))


def run_apart(module: str, *arguments: str) -> Any:
    """Run a module in a process of its own; the JSON value that it prints."""
    done = subprocess.run(
        command(module, *arguments), stdout=subprocess.PIPE, cwd=ROOT, env=environment(), encoding="utf-8", check=False
    )
    if done.returncode:
        raise SystemExit(f"{module} failed; see above.")
    return json.loads(done.stdout)


def command(module: str, *arguments: str) -> list[str]:
    """What starts a module in this very Python."""
    return [sys.executable, "-m", module, *arguments]


def environment() -> dict[str, str]:
    """This process's environment, but with bytecode kept: compiling anew takes memory that no deployed app needs."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def peak_megabytes() -> float | None:
    """The most memory (resident set) that this process ever held, in megabytes; None on Windows, which cannot tell."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_000_000
