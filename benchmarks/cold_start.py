"""The cost of the app at a cold start, from the package that is deployed.

Measures the size of the package, then the CPU time of importing ``azure.functions``, of importing ``function_app``, and
of the first health check and the first list of runs. Each repetition runs in its own process, because the speed of a
shared machine varies. Disk, download, storage account and start of the interpreter are not measured.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure, at_most, hand_over, say
from infra.package import MOST_MEGABYTES, PYTHON, SITE_PACKAGES, build, is_azure_like, size_of

REPETITIONS = 31
MOST_IMPORT, MOST_CALLS = 1.3, 1.5  # at commit 204fb3a 1.17 and 1.46
WHAT = "function_app from the package: CPU time, relative to azure.functions"
FIRST_CALLS = """
import json, sys, time, types
sys.path[:] = [sys.argv[2], *sys.path, sys.argv[1]]
now, times = time.process_time, [time.process_time()]
import azure.functions
times.append(now())
import function_app
times.append(now())
functions = {each.get_function_name(): each.get_user_function() for each in function_app.app.get_functions()}
request = azure.functions.HttpRequest("GET", "http://localhost/api/runs", body=b"")
started = now()
answers = [functions["health"](request), functions["list_runs"](request, context=types.SimpleNamespace())]
times.append(times[-1] + now() - started)
print(json.dumps([[answer.status_code for answer in answers], times]))
"""


def ratios(package: Path, history: Path) -> tuple[float, float, float]:
    """Return the CPU seconds of importing azure.functions, and the ratios with the app's import and with its calls."""
    command = [sys.executable, "-I", "-S", "-c", FIRST_CALLS, str(package), str(package / SITE_PACKAGES)]
    settings = {"CONSENT_LEDGER": str(history)}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=settings, encoding="utf-8", check=True)
    statuses, (start, library, imported, called) = json.loads(done.stdout)
    if statuses != [200, 200]:
        raise SystemExit(f"The app answered {statuses}, so nothing was measured.")
    seconds = library - start
    return seconds, (imported - start) / seconds, (called - start) / seconds


def main() -> None:
    """Build the package, then start it in turns."""
    size = "the deployed package, unpacked"
    if sys.version_info[:2] != PYTHON or not is_azure_like():
        needs = "needs Python 3.13, Linux x64"
        hand_over([Figure(size, needs, f"<= {MOST_MEGABYTES} MB"), Figure(WHAT, needs, f"<= {MOST_IMPORT}x")])
        return
    say(f"building the package, then starting it {REPETITIONS} times")
    with tempfile.TemporaryDirectory() as name:
        folder, package = Path(name), Path(name, "package")
        list(build(folder=package, archive=folder / "package.zip"))
        ratios(package, folder / "warm-up.sqlite")
        measured = [ratios(package, folder / f"{number}.sqlite") for number in range(REPETITIONS)]
        megabytes = size_of(package) / 1e6
    library, imported, called = (median(column) for column in zip(*measured, strict=True))
    hand_over(
        [
            at_most(size, megabytes, MOST_MEGABYTES, " MB"),
            at_most(WHAT, imported, MOST_IMPORT, "x"),
            at_most("  with the first health check and list of runs", called, MOST_CALLS, "x"),
            Figure("  azure.functions alone in this run", f"{library * 1000:.0f} ms"),
        ]
    )


if __name__ == "__main__":
    main()
