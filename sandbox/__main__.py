"""Run a simulated REDCap and Dropbox on this machine until Ctrl-C, to try a set-up.

``python -m sandbox FOLDER`` writes settings for them to the folder, and deletes them at the end. It copies the files in
Dropbox there as they change, so that they can be opened at once. The people are invented.
"""

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sandbox.demo import demo_world
from sandbox.functions.host import sigterm_as_interrupt, wait_for_interrupt

PARTICIPANTS = 1000
TIME_ZONE = "America/Toronto"  # of the invented registry: its people are the demo's
PAUSE = 0.5  # seconds
SETTINGS, DELIVERED = "local.settings.json", "dropbox"
# A sign-in adds the other settings.
_SETTINGS_WRITTEN = ("REDCAP_API_URL", "REDCAP_ACCESS_TOKEN", "DROPBOX_SANDBOX_URL", "DROPBOX_KEY")


def main(arguments: Sequence[str] | None = None, wait: Callable[[], None] = wait_for_interrupt) -> int:
    """Run the services during ``wait``; return 1 if the folder already has settings, which may be real ones."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Run a simulated REDCap and Dropbox, to try a set-up.",
        epilog="Example: uv run python -m sandbox trial",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder for their settings and the delivered files")
    folder: Path = parser.parse_args(arguments).folder
    if (folder / SETTINGS).exists():
        sys.stderr.write(f"{folder / SETTINGS} already exists. If no trial is running there, delete {folder}.\n")
        return 1
    number = _run(folder, wait)
    sys.stdout.write(f"{number} delivered files are in {folder / DELIVERED}.\n" if number else "")
    return 0


def _run(folder: Path, wait: Callable[[], None]) -> int:
    """Run the services during ``wait``; return the number of delivered files."""
    settings, today = folder / SETTINGS, datetime.now(ZoneInfo(TIME_ZONE)).date()
    with sigterm_as_interrupt(), demo_world(PARTICIPANTS, today=today) as world:
        folder.mkdir(parents=True, exist_ok=True)
        settings.write_text(_settings_text(world.settings, folder.resolve()), encoding="utf-8")
        try:
            sys.stdout.write(f"A simulated REDCap of {PARTICIPANTS:,} people and an empty Dropbox are running.\n")
            sys.stdout.write(f"Settings: {settings}\nDelivered files: {folder / DELIVERED}\nPress Ctrl-C to stop.\n")
            sys.stdout.flush()
            with _mirrored(world.account.files, folder / DELIVERED):
                wait()
        finally:
            settings.unlink(missing_ok=True)
        return len(world.account.files())


def _settings_text(values: Mapping[str, str], folder: Path) -> str:
    here = {"CONSENT_STUDIES": str(folder), "CONSENT_LEDGER": str(folder / "runs.sqlite")}
    return (
        json.dumps(
            {"IsEncrypted": False, "Values": {name: values[name] for name in _SETTINGS_WRITTEN} | here}, indent=2
        )
        + "\n"
    )


@contextlib.contextmanager
def _mirrored(files: Callable[[], Mapping[str, bytes]], folder: Path) -> Iterator[None]:
    """Copy the files with paths such as ``/data/report.json`` to a folder, during the block and at its end."""
    ended, copied = threading.Event(), dict[str, bytes]()

    def copy() -> None:
        while not ended.wait(PAUSE):
            _copy_changes(files(), copied, folder)

    copying = threading.Thread(target=copy, daemon=True)
    copying.start()
    try:
        yield
    finally:
        ended.set()
        copying.join()
        _copy_changes(files(), copied, folder)


def _copy_changes(files: Mapping[str, bytes], copied: dict[str, bytes], folder: Path) -> None:
    """Write and delete what changed; a file that another program holds open is tried again the next time."""
    for path in [*files, *(copied.keys() - files.keys())]:
        target, content = folder.joinpath(*path.strip("/").split("/")), files.get(path)
        with contextlib.suppress(OSError):
            if content is None:
                target.unlink(missing_ok=True)
                del copied[path]
            elif copied.get(path) != content:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                copied[path] = content


if __name__ == "__main__":
    sys.exit(main())
