"""Measures everything, or the benchmarks named as arguments; exit status 1 when a budget is missed.

Takes some minutes. Measures nothing itself and stays small: a new process begins with its parent's peak memory.
"""

import sys
from collections.abc import Sequence

from benchmarks.measure import Figure, line, run_apart

BENCHMARKS = ("weeks", "registry_size", "bytes_pulled", "requests_sent", "cold_start", "outputs")


def main(chosen: Sequence[str]) -> int:
    """Run the benchmarks, print their figures, and say whether all budgets hold."""
    if unknown := set(chosen) - set(BENCHMARKS):
        sys.stderr.write(f"There is no benchmark {', '.join(sorted(unknown))}. Known: {', '.join(BENCHMARKS)}.\n")
        return 2
    print(line("what", "measured", "budget", "holds"))
    missed = 0
    for name in chosen or BENCHMARKS:
        for found in run_apart(f"benchmarks.{name}"):
            figure = Figure(**found)
            print(line(figure.what, figure.measured, figure.budget, figure.verdict), flush=True)
            missed += figure.holds is False
    print(f"\n{missed} of the budgets missed." if missed else "\nEvery budget that was measured holds.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
