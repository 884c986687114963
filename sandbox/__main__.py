"""Run a simulated REDCap and Dropbox on this machine until Ctrl-C, to try a set-up.

``python -m sandbox FOLDER`` writes settings for them to the folder. At the end it deletes the settings, and saves the
delivered files there. The people are invented.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from sandbox.demo import demo_world
from sandbox.functions.host import sigterm_as_interrupt, wait_for_interrupt

PARTICIPANTS = 1000
SETTINGS, DELIVERED = "local.settings.json", "dropbox"
# A sign-in adds the other settings.
_SETTINGS_WRITTEN = ("REDCAP_API_URL", "REDCAP_ACCESS_TOKEN", "DROPBOX_SANDBOX_URL", "DROPBOX_KEY")


def main(arguments: Sequence[str] | None = None, wait: Callable[[], None] = wait_for_interrupt) -> int:
    """Run the services during ``wait``; return 1 if the folder already has settings, which may be real ones."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Run a simulated REDCap and Dropbox, to try a set-up."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder for their settings")
    folder: Path = parser.parse_args(arguments).folder
    if (folder / SETTINGS).exists():
        sys.stderr.write(f"{folder / SETTINGS} already exists. Delete it, or give another folder.\n")
        return 1
    number = _run(folder, wait)
    sys.stdout.write(f"{number} delivered files were saved in {folder / DELIVERED}.\n" if number else "")
    return 0


def _run(folder: Path, wait: Callable[[], None]) -> int:
    """Run the services during ``wait``; return the number of delivered files."""
    settings = folder / SETTINGS
    with sigterm_as_interrupt(), demo_world(PARTICIPANTS, today=date.today()) as world:  # noqa: DTZ011 - the local day
        folder.mkdir(parents=True, exist_ok=True)
        settings.write_text(_settings_text(world.settings, folder.resolve()), encoding="utf-8")
        try:
            sys.stdout.write(f"A simulated REDCap of {PARTICIPANTS:,} people and an empty Dropbox are running.\n")
            sys.stdout.write(f"Settings: {settings}\nPress Ctrl-C to stop.\n")
            sys.stdout.flush()
            wait()
        finally:
            settings.unlink(missing_ok=True)
        return _save(world.account.files(), folder / DELIVERED)


def _settings_text(values: Mapping[str, str], folder: Path) -> str:
    here = {"CONSENT_STUDIES": str(folder), "CONSENT_LEDGER": str(folder / "runs.sqlite")}
    return (
        json.dumps(
            {"IsEncrypted": False, "Values": {name: values[name] for name in _SETTINGS_WRITTEN} | here}, indent=2
        )
        + "\n"
    )


def _save(files: Mapping[str, bytes], folder: Path) -> int:
    """Write files with paths such as ``/data/report.json`` to a folder; return their number."""
    for path, content in files.items():
        target = folder.joinpath(*path.strip("/").split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return len(files)


if __name__ == "__main__":
    sys.exit(main())
