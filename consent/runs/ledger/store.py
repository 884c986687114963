"""Open the run history that the settings name."""

from pathlib import Path
from typing import Literal

from consent.config.settings import Settings
from consent.errors import Problem, SettingsError
from consent.runs.ledger.history import RunLedger


def open_ledger(settings: Settings, *, default: Literal["table", "sqlite"]) -> RunLedger:
    """Open the run history that the settings name; the caller closes it. No connection is made yet.

    default: the store if CONSENT_LEDGER is not set; ``sqlite`` is a file of this user. Raises SettingsError.
    """
    chosen = settings.get("CONSENT_LEDGER")
    if (chosen or default) == "table":
        from consent.runs.ledger.storage_account import table_storage
        from consent.runs.ledger.table import TableLedger

        return TableLedger(table_storage(settings), network=settings.network)

    if settings.in_azure:
        raise _unusable("CONSENT_LEDGER names a file, but instances in Azure share no disk.", "Set it to `table`.")
    from consent.runs.ledger.sqlite import SqliteLedger

    return SqliteLedger(_own_file() if chosen is None else _checked(chosen))


def _checked(chosen: str) -> Path:
    path = Path(chosen)
    if not path.is_absolute():
        fix = "Set it to `table` or to the absolute path of a file."
        raise _unusable(f"CONSENT_LEDGER is '{chosen}', which is not an absolute path.", fix)
    if path.is_dir():
        raise _unusable(f"CONSENT_LEDGER names a folder, {chosen}.", "Name a file in it, such as runs.sqlite.")
    return path


def _own_file() -> Path:
    try:
        from platformdirs import user_state_path
    except ImportError:
        fix = "Set it to `table` or to the absolute path of a file, or install platformdirs."
        raise _unusable("CONSENT_LEDGER is missing.", fix) from None
    return user_state_path("consent-summary") / "runs.sqlite"


def _unusable(what: str, fix: str) -> SettingsError:
    return SettingsError([Problem(what, fix)])
