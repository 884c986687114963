"""Measure the time, memory and file sizes of a very large report.

It has ten years of weeks, twenty riders, twenty sites and every optional part. A process of its own (``make``) renders
the files, so that nothing else is in its memory.
"""

import json
import sys
import time
from pathlib import PurePosixPath

from benchmarks.measure import Figure, at_most, hand_over, peak_megabytes, run_apart, say

MOST_MEGABYTES = 400
WHAT = "files of 10 years, 20 riders and 20 sites"


def make() -> None:
    """Make the files once; print the CPU seconds, the peak memory (MB, or null) and each file's bytes as JSON."""
    from consent.reports.render import render_reports
    from tests.support.sample_summaries import a_huge_summary

    summary, started = a_huge_summary(), time.process_time()
    sizes = {PurePosixPath(file.name).suffix: len(file.content) for file in render_reports(summary)}
    print(json.dumps({"seconds": time.process_time() - started, "peak": peak_megabytes(), "sizes": sizes}))


def main() -> None:
    """Make the files once for their modules' bytecode, then measure."""
    say(f"making the {WHAT}")
    run_apart("benchmarks.outputs", "make")
    made = run_apart("benchmarks.outputs", "make")
    hand_over(
        [
            _memory(made["peak"]),
            Figure(f"{WHAT}: CPU time", f"{made['seconds']:.1f} s"),
            *(
                Figure(f"  size of the {kind[1:].upper()}", f"{size / 1000:,.0f} kB")
                for kind, size in made["sizes"].items()
            ),
        ]
    )


def _memory(peak: float | None) -> Figure:
    what = f"{WHAT}: peak memory"
    if peak is None:
        return Figure(what, "Windows does not tell it to Python", f"<= {MOST_MEGABYTES} MB")
    return at_most(what, peak, MOST_MEGABYTES, " MB")


if __name__ == "__main__":
    make() if sys.argv[1:] == ["make"] else main()
