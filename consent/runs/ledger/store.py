"""Opens the run ledger that the settings name: an Azure table, or a SQLite file.

Knows what the settings may say, and nothing of how either store works.
"""

from pathlib import Path
from typing import Literal

from consent.config.settings import Settings
from consent.errors import SettingsError
from consent.runs.ledger.record import RunLedger


def open_ledger(settings: Settings, *, default: Literal["table", "sqlite"]) -> RunLedger:
    """Open the record of runs; the caller closes it.

    default: where it is if CONSENT_LEDGER is not set; ``sqlite`` is a file of this user. Nothing is asked of the store
    yet. Raises SettingsError saying what is missing or malformed.
    """
    chosen = settings.get("CONSENT_LEDGER")
    if (chosen or default) == "table":
        from consent.runs.ledger.storage_account import table_storage
        from consent.runs.ledger.table import TableLedger

        return TableLedger(table_storage(settings), network=settings.network)

    if settings.in_azure:
        problem = "CONSENT_LEDGER must be `table` in Azure, where no two instances share a disk: correct or remove it"
        raise SettingsError([problem])
    from consent.runs.ledger.sqlite import SqliteLedger

    return SqliteLedger(_own_file() if chosen is None else _checked(chosen))


def _checked(chosen: str) -> Path:
    path = Path(chosen)
    if not path.is_absolute():
        raise SettingsError(
            ["CONSENT_LEDGER must be `table` or the whole path of a file: the current folder is not always the same"],
        )
    if path.is_dir():
        raise SettingsError(["CONSENT_LEDGER names a folder: name a file in it, such as runs.sqlite"])
    return path


def _own_file() -> Path:
    try:
        from platformdirs import user_state_path
    except ImportError:
        problem = "CONSENT_LEDGER is missing: give `table`, the path of a file, or install platformdirs"
        raise SettingsError([problem]) from None
    return user_state_path("consent-summary") / "runs.sqlite"
