"""Memory and time when a registry grows to a million participants, from a CSV file and from REDCap over HTTP.

Only the process of the run is measured. The simulated REDCap runs in another process.
"""

import tempfile
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks.made_up_registry import redcap_apart
from benchmarks.measure import Figure, at_most, hand_over, run_apart, say

SMALL, LARGE = 100_000, 1_000_000
SHORT_RUNS = 3  # the median time counts, because the speed of a shared machine varies
WARM_UP = 1000  # participants; the first import of a module also compiles it, which takes memory
MOST_MEGABYTES, MOST_GROWTH, MOST_TIMES_AS_LONG = 200, 1.25, 12

Measured = dict[str, Any]


def from_csv(number: int) -> Measured:
    """Measure the run on a CSV file of this many participants."""
    say(f"counting {number:,} participants from a CSV file")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.csv"
        run_apart("benchmarks.made_up_registry", "csv", str(path), str(number))
        return _whole(run_apart("benchmarks.job", "csv", str(path)), number)


def from_redcap(number: int) -> Measured:
    """Measure the run on a REDCap with this many participants."""
    say(f"exporting {number:,} participants from the simulated REDCap")
    with redcap_apart(number) as url:
        return _whole(run_apart("benchmarks.job", "redcap", url), number)


def _whole(measured: Measured, number: int) -> Measured:
    if measured["participants"] != number:
        raise SystemExit(
            f"{measured['participants']:,} of {number:,} participants were counted, so nothing was measured."
        )
    return measured


def figures_of(source: str, small: Measured, large: Measured) -> list[Figure]:
    """Return the peak memory, its growth, and the growth of the CPU time."""
    what = f"{LARGE:,} participants from {source}"
    longer = large["seconds"] / small["seconds"]
    time = at_most(f"{what}: CPU time, relative to {SMALL:,}", longer, MOST_TIMES_AS_LONG, "x")
    if small["peak"] is None:
        unknown = "not available on Windows"
        return [Figure(f"{what}: peak memory", unknown, f"<= {MOST_MEGABYTES} MB"), time]
    growth, then = large["peak"] / small["peak"], f"(of {small['peak']:.0f} MB)"
    return [
        at_most(f"{what}: peak memory", large["peak"], MOST_MEGABYTES, " MB"),
        at_most(f"{what}: peak memory, relative to {SMALL:,}", growth, MOST_GROWTH, "x", then),
        time,
    ]


def main() -> None:
    """Measure both sources at both sizes."""
    figures = []
    for source, measure in (("a CSV file", from_csv), ("REDCap", from_redcap)):
        measure(WARM_UP)
        short_runs = sorted((measure(SMALL) for _ in range(SHORT_RUNS)), key=itemgetter("seconds"))
        figures += figures_of(source, short_runs[SHORT_RUNS // 2], measure(LARGE))
    hand_over(figures)


if __name__ == "__main__":
    main()
