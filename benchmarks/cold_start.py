"""The cost of the app at a cold start: importing ``function_app``, compared with importing ``azure.functions``.

Each import runs in its own process, in turns, because the speed of a shared machine varies. Bytecode exists, as after
the first start of a deployed app. Disk, download and start of the interpreter are not measured.
"""

import subprocess
import sys
from statistics import median

from benchmarks.measure import ROOT, Figure, at_most, environment, hand_over, say

REPETITIONS = 31
MOST = 1.3
IMPORT = "import time; started = time.process_time(); import {}; print(time.process_time() - started)"


def import_takes(module: str) -> float:
    """Return the CPU seconds that importing a module takes in a new process."""
    command = [sys.executable, "-c", IMPORT.format(module)]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment(), encoding="utf-8", check=True)
    return float(done.stdout)


def pair() -> tuple[float, float]:
    """Return the CPU seconds of importing the app, then of importing the platform's library."""
    return import_takes("function_app"), import_takes("azure.functions")


def main() -> None:
    """Import both once to write their bytecode, then measure."""
    say(f"importing function_app {REPETITIONS} times")
    pair()
    apps, libraries = zip(*(pair() for _ in range(REPETITIONS)), strict=True)
    ratio = median(app / library for app, library in zip(apps, libraries, strict=True))
    shown = f"{median(apps) * 1000:.0f} ms, of which azure.functions {median(libraries) * 1000:.0f} ms"
    what = "importing function_app: CPU time, relative to azure.functions"
    hand_over([at_most(what, ratio, MOST, "x"), Figure("  in this run", shown)])


if __name__ == "__main__":
    main()
