"""An invented registry of any size, as a CSV file or in a simulated REDCap, in a separate process.

Run as a module: ``csv PATH NUMBER``, or ``redcap NUMBER`` until its input ends. Its memory is not measured.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from benchmarks.measure import ROOT, command, environment

TODAY = date(2026, 11, 16)


@contextmanager
def redcap_apart(number: int) -> Iterator[str]:
    """Serve a REDCap with this many participants from another process; yield its address."""
    arguments = command("benchmarks.made_up_registry", "redcap", str(number))
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, cwd=ROOT, env=environment(), encoding="utf-8") as server:
        if server.stdin is None or server.stdout is None:
            raise AssertionError("Both are pipes.")
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


def write_csv(path: Path, number: int) -> None:
    """Write this many participants as REDCap exports all their fields."""
    from sandbox.people import registry
    from sandbox.redcap.formats import csv_pieces

    project = registry(number, today=TODAY)
    names = [column.name for column in project.columns()]
    rows = ([row.record, *(row.values.get(name, "") for name in names)] for row in project.read())
    with path.open("wb") as file:
        file.writelines(csv_pieces([project.id_field.name, *names], rows))


def serve(number: int) -> None:
    """Serve this many participants, print the address, and stop when the input ends."""
    from sandbox.people import registry
    from sandbox.redcap.app import Redcap
    from sandbox.server import Server

    with Server(Redcap([registry(number, today=TODAY)])) as server:
        print(f"{server.url}/api/", flush=True)
        sys.stdin.read()


def main(kind: str, *arguments: str) -> None:
    """Write or serve the requested registry."""
    if kind == "csv":
        path, number = arguments
        write_csv(Path(path), int(number))
        print("null")
    else:
        serve(int(arguments[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
