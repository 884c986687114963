"""The places where a log-in can be kept on this machine, and the person's choice among them.

Keeps nothing: ``keeping.py`` does.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from consent.errors import ConfigurationError, ConsentReportError, SettingsError
from consent.settings import HEADING, Network, Settings, app_folder
from consent.setup.login.dialogue import Dialogue
from consent.setup.login.keeping import Kept, LogIn, Place, SettingsFile, VaultPlace
from consent.setup.login.settable_vault import SettableVault

FILE_NAMES = {"env": ".env", "local": "local.settings.json"}
VAULT = "vault"
PLACE_KEYS = (*FILE_NAMES, VAULT)
"""What ``--keep-in`` understands: .env, local.settings.json, Key Vault."""

OpenVault = Callable[[str, Network], SettableVault]


def places_here(settings: Settings, folder: Path | None, open_vault: OpenVault) -> Mapping[str, Place]:
    """Where a log-in can be kept, by the word for ``--keep-in``; a file that is there comes before one that is not.

    folder: where the settings files are, by default beside host.json.
    """
    home = folder or app_folder()
    names = sorted(FILE_NAMES.items(), key=lambda each: home is None or not (home / each[1]).exists())
    places: dict[str, Place] = {} if home is None else {key: SettingsFile(home / name) for key, name in names}
    if url := settings.get("KEY_VAULT_URL"):
        places[VAULT] = VaultPlace(url, partial(open_vault, url, settings.network))
    return places


def chosen_place(places: Mapping[str, Place], wish: str | None, dialogue: Dialogue) -> Place:
    """The place that the person wants; tells what they should know of it.

    Raises:
        ConfigurationError: there is none, or nothing must be kept there.
    """
    if wish is not None and wish not in places:
        missing = "KEY_VAULT_URL" if wish == VAULT else "--settings"
        raise SettingsError(HEADING, [f"{missing} must say where, for --keep-in {wish}"])
    if not places:
        raise SettingsError(HEADING, ["--settings must say which folder the settings files are in, or KEY_VAULT_URL"])
    place = places[wish] if wish else _asked(places, "Where shall the log-in be kept?", dialogue, default=0)
    if place is None:
        raise ConfigurationError("No place was chosen, so nothing was kept.")
    if concern := place.concern():
        dialogue.tell(concern)
    return place


def kept_somewhere(log_in: LogIn, place: Place, places: Mapping[str, Place], dialogue: Dialogue) -> Kept:
    """Keep the log-in; where that fails, the person chooses another place, or the same again once it is mended.

    Raises:
        ConsentReportError: why it could not be kept, when the person gives up.
    """
    while True:
        problem = None
        try:
            place.concern()
            return place.keep(log_in)
        except ConsentReportError as error:
            problem = error
        dialogue.tell(str(problem))
        other = _asked(places, "The log-in is not kept yet. Where now? (Enter alone gives up.)", dialogue)
        if other is None:
            raise problem
        place = other


def _asked(places: Mapping[str, Place], question: str, dialogue: Dialogue, default: int | None = None) -> Place | None:
    at = dialogue.choose(question, [place.words for place in places.values()], default)
    return None if at is None else [*places.values()][at]
