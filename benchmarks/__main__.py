"""Run every benchmark, or those named as arguments; exit with 1 if a budget is exceeded. This takes some minutes.

This process imports little, because a child process starts with its parent's peak memory.
"""

import sys
from collections.abc import Sequence

from benchmarks.measure import Figure, line, run_apart

BENCHMARKS = ("weeks", "peer", "registry_size", "bytes_pulled", "requests_sent", "cold_start", "outputs", "footprint")


def main(chosen: Sequence[str]) -> int:
    """Run the benchmarks, print their figures, and return the exit code."""
    if unknown := set(chosen) - set(BENCHMARKS):
        sys.stderr.write(
            f"Unknown benchmark: {', '.join(sorted(unknown))}. Use one of these: {', '.join(BENCHMARKS)}.\n"
        )
        return 2
    print(line("what", "measured", "budget", "holds"))
    exceeded = 0
    for name in chosen or BENCHMARKS:
        for found in run_apart(f"benchmarks.{name}"):
            figure = Figure(**found)
            print(line(figure.what, figure.measured, figure.budget, figure.verdict), flush=True)
            exceeded += figure.holds is False
    print(f"\n{exceeded} budgets exceeded." if exceeded else "\nEvery measured budget holds.")
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
