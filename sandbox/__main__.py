"""Accounts to try a set-up with: a REDCap and a Dropbox on this machine until Ctrl-C, and settings that lead to them.

``python -m sandbox FOLDER`` writes the settings into the folder, takes them away at the end, and saves there what was
delivered meanwhile. Runs no command of the product; the people are invented.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from sandbox.demo import demo_world
from sandbox.functions.host import stopping_when_told, wait_for_interrupt

PARTICIPANTS = 1000
SETTINGS, DELIVERED = "local.settings.json", "dropbox"
_GIVEN = ("REDCAP_API_URL", "REDCAP_ACCESS_TOKEN", "DROPBOX_SANDBOX_URL", "DROPBOX_KEY")  # the rest is for a log-in


def main(arguments: Sequence[str] | None = None, wait: Callable[[], None] = wait_for_interrupt) -> int:
    """Keep the accounts while ``wait`` does; 1 if the folder has settings already, which may be real ones."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Accounts to try a set-up with.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to put the settings that lead to them")
    folder: Path = parser.parse_args(arguments).folder
    if (folder / SETTINGS).exists():
        sys.stderr.write(f"{folder / SETTINGS} is there already. Delete it, or name another folder.\n")
        return 1
    number = _keep(folder, wait)
    sys.stdout.write(f"{number} delivered files were saved in {folder / DELIVERED}.\n" if number else "")
    return 0


def _keep(folder: Path, wait: Callable[[], None]) -> int:
    """Have the accounts at work until the end of ``wait``; how many files were delivered to them."""
    settings = folder / SETTINGS
    with stopping_when_told(), demo_world(PARTICIPANTS, today=date.today()) as world:  # noqa: DTZ011 - this machine's day
        folder.mkdir(parents=True, exist_ok=True)
        settings.write_text(_settings_text(world.settings, folder.resolve()), encoding="utf-8")
        try:
            sys.stdout.write(f"A REDCap of {PARTICIPANTS:,} invented people and an empty Dropbox are at work.\n")
            sys.stdout.write(f"Settings that lead to them: {settings}\nCtrl-C ends it.\n")
            sys.stdout.flush()
            wait()
        finally:
            settings.unlink(missing_ok=True)
        return _save(world.account.files(), folder / DELIVERED)


def _settings_text(values: Mapping[str, str], folder: Path) -> str:
    here = {"CONSENT_STUDIES": str(folder), "CONSENT_LEDGER": str(folder / "runs.sqlite")}
    return json.dumps({"IsEncrypted": False, "Values": {name: values[name] for name in _GIVEN} | here}, indent=2) + "\n"


def _save(files: Mapping[str, bytes], folder: Path) -> int:
    """Write files of these paths, such as ``/data/report.json``, into a folder; how many there are."""
    for path, content in files.items():
        target = folder.joinpath(*path.strip("/").split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return len(files)


if __name__ == "__main__":
    sys.exit(main())
