"""Measure the time, memory and file sizes of a very large report.

It has ten years of weeks, twenty riders, twenty sites and every optional part. A process of its own (``make``) renders
the files, so that nothing else is in its memory.
"""

import json
import sys
import time
from importlib import import_module
from operator import itemgetter
from pathlib import PurePosixPath
from statistics import median

from benchmarks.measure import Figure, at_most, hand_over, peak_megabytes, run_apart, say

MOST_MEGABYTES, MOST_SECONDS, MOST_IMPORT_SECONDS = 400, 0.8, 0.25
REPETITIONS = 5  # the median time counts, because the speed of a shared machine varies
DRAWING = ("data_files", "workbook", "pdf")  # the modules of consent.reports that make the files
WHAT = "files of 10 years, 20 riders and 20 sites"


def make() -> None:
    """Make the files once; print the CPU seconds, the peak memory (MB, or null) and each file's bytes as JSON."""
    started = time.process_time()
    for name in DRAWING:
        import_module(f"consent.reports.{name}")
    importing = time.process_time() - started
    from consent.reports.render import render_reports
    from tests.support.sample_summaries import a_huge_summary

    summary, started = a_huge_summary(), time.process_time()
    sizes = {PurePosixPath(file.name).suffix: len(file.content) for file in render_reports(summary)}
    seconds = time.process_time() - started
    print(json.dumps({"importing": importing, "seconds": seconds, "peak": peak_megabytes(), "sizes": sizes}))


def main() -> None:
    """Make the files once for their modules' bytecode, then measure."""
    say(f"making the {WHAT}")
    run_apart("benchmarks.outputs", "make")
    runs = [run_apart("benchmarks.outputs", "make") for _ in range(REPETITIONS)]
    made = sorted(runs, key=itemgetter("seconds"))[REPETITIONS // 2]
    importing = median(run["importing"] for run in runs)
    hand_over(
        [
            _memory(made["peak"]),
            at_most(f"{WHAT}: CPU time", made["seconds"], MOST_SECONDS, " s"),
            at_most("  importing what makes them: CPU time", importing, MOST_IMPORT_SECONDS, " s"),
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
