"""What does a cold start pay for the app itself? Importing ``function_app`` against importing ``azure.functions``.

Each import happens in a process of its own, the two in turn, as a shared machine changes pace; bytecode is there, as it
is after the first start of a deployed app. Measures no disk, no download and no start of the interpreter.
"""

import subprocess
import sys
from statistics import median

from benchmarks.measure import ROOT, Figure, at_most, environment, hand_over, say

REPETITIONS = 31
MOST = 1.3
IMPORT = "import time; started = time.process_time(); import {}; print(time.process_time() - started)"


def import_takes(module: str) -> float:
    """The CPU seconds that importing a module takes a new process."""
    command = [sys.executable, "-c", IMPORT.format(module)]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment(), encoding="utf-8", check=True)
    return float(done.stdout)


def pair() -> tuple[float, float]:
    """What importing the app takes, and right after it what the platform's library takes."""
    return import_takes("function_app"), import_takes("azure.functions")


def main() -> None:
    """Import both once for their bytecode, then measure."""
    say(f"importing function_app {REPETITIONS} times")
    pair()
    apps, libraries = zip(*(pair() for _ in range(REPETITIONS)), strict=True)
    ratio = median(app / library for app, library in zip(apps, libraries, strict=True))
    shown = f"{median(apps) * 1000:.0f} ms, of which azure.functions {median(libraries) * 1000:.0f} ms"
    what = "importing function_app: CPU time, of that for azure.functions"
    hand_over([at_most(what, ratio, MOST, "x"), Figure("  in this run", shown)])


if __name__ == "__main__":
    main()
