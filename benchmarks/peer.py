"""A whole run beside the script that it replaces: PyCap and pandas, which count weeks from one export without checks.

Each runs as a process of its own, in turns, against the same simulated REDCap; start-up counts.

As a module with an address it is that script.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.made_up_registry import redcap_apart
from benchmarks.measure import ROOT, Figure, at_most, command, environment, hand_over, run_apart, say

BUDGETS = {1000: (1.5, 1.7), 100_000: (1.0, None), 1_000_000: (1.0, None)}  # most CPU and wall time, by participants
PAIRS = {1000: 7, 100_000: 5, 1_000_000: 1}
MOST_MEGABYTES = 200
FILE_ROWS, MOST_OF_A_FILE = 1_000_000, 3
FIELDS = ("consent_obtained", "summary_consent_date", *(f"summary_event_{rider}" for rider in "abcdefgh"))


@dataclass(frozen=True)
class Cost:
    """What one process used: seconds of CPU and of wall time, and its peak memory in MB."""

    cpu: float
    wall: float
    peak: float


def count_carelessly(url: str) -> None:
    """Export the same fields with PyCap, and print the weekly counts of consents and riders."""
    import pandas as pd
    from redcap import Project

    from sandbox.people import START, TOKEN

    rows = Project(url, TOKEN).export_records(format_type="df", fields=["record_id", *FIELDS])
    consented = rows[rows["consent_obtained"] == 1]
    days = pd.to_datetime(consented["summary_consent_date"], errors="coerce")
    weeks = (days - pd.Timestamp(START)).dt.days // 7
    riders = [name for name in FIELDS if name.startswith("summary_event_")]
    print((consented[riders] == 1).groupby(weeks).sum().assign(consents=weeks.value_counts()).to_csv())


def read_carelessly(path: str) -> None:
    """Read the needed columns of a CSV file with pandas."""
    import pandas as pd

    print(len(pd.read_csv(path, usecols=["record_id", *FIELDS], low_memory=False)))


def cost_of(module: str, *arguments: str) -> Cost:
    """Run a module to its end; return what it used."""
    started = time.monotonic()
    with subprocess.Popen(command(module, *arguments), stdout=subprocess.DEVNULL, cwd=ROOT, env=environment()) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{module} failed. See the error above.")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - started, used.ru_maxrss * unit / 1_000_000)


def in_turns(source: str, place: str, pairs: int) -> tuple[Cost, Cost]:
    """Return the median cost of a run, and of the script, on this source."""
    pair = (("benchmarks.job", source, place), ("benchmarks.peer", source, place))
    if pairs > 1:
        [cost_of(*each) for each in pair]  # writes their modules' bytecode
    ours, theirs = zip(*([cost_of(*each) for each in pair] for _ in range(pairs)), strict=True)
    return _median(ours), _median(theirs)


def _median(costs: tuple[Cost, ...]) -> Cost:
    return Cost(*(median(getattr(cost, name) for cost in costs) for name in ("cpu", "wall", "peak")))


def figures_of(what: str, ours: Cost, theirs: Cost, most_cpu: float, most_wall: float | None = None) -> list[Figure]:
    """Return the ratios of CPU and wall time, and the peak memory."""
    wall = at_most(f"{what}: wall time, relative to the script", ours.wall / theirs.wall, most_wall or 99, "x")
    shown = f"({ours.wall:.1f} s, {theirs.wall:.1f} s)"
    wall = Figure(wall.what, f"{wall.measured} {shown}", *((wall.budget, wall.holds) if most_wall else ()))
    return [
        at_most(
            f"{what}: CPU time, relative to the script",
            ours.cpu / theirs.cpu,
            most_cpu,
            "x",
            f"({ours.cpu:.2f} s, {theirs.cpu:.2f} s)",
        ),
        wall,
        at_most(f"{what}: peak memory", ours.peak, MOST_MEGABYTES, " MB", f"({theirs.peak:.0f} MB)"),
    ]


def main() -> None:
    """Measure at each size, then a CSV file."""
    figures: list[Figure] = []
    if sys.platform == "win32":
        hand_over([Figure("a run, relative to the script", "not available on Windows", "<= 1x")])
        return
    for number, budgets in BUDGETS.items():
        say(f"exporting {number:,} participants, in turns with PyCap and pandas")
        with redcap_apart(number) as url:
            figures += figures_of(f"{number:,} participants", *in_turns("redcap", url, PAIRS[number]), *budgets)
    say(f"counting a CSV file of {FILE_ROWS:,} rows, in turns with pandas.read_csv")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "export.csv")
        run_apart("benchmarks.made_up_registry", "csv", path, str(FILE_ROWS))
        figures += figures_of(f"CSV file of {FILE_ROWS:,} rows", *in_turns("csv", path, 1), MOST_OF_A_FILE)
    hand_over(figures)


if __name__ == "__main__":
    if not sys.argv[1:]:
        main()
    elif sys.argv[1] == "redcap":
        count_carelessly(sys.argv[2])
    else:
        read_carelessly(sys.argv[2])
