"""Signs in to Dropbox with a person at the terminal: asks, proves that reports can be delivered, and keeps the log-in.

What can be looked at before the browser is opened is looked at before, and nothing is kept until a file was really
written. Shows neither code nor token.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from consent.cli.dropbox_account import DropboxAccount, Owner
from consent.cli.login.oauth import APP_CONSOLE, SCOPES, Authorisation
from consent.cli.login.prompts import Dialogue
from consent.cli.login.stores import (
    Credentials,
    OpenVault,
    SavedCredentials,
    SettableVault,
    chosen_place,
    kept_somewhere,
    places_here,
    what_else,
)
from consent.cli.write_test import TRIAL_NAME, WriteTestResult, prove_writable
from consent.config.checks import dropbox_sandbox_url, ensure_no_sdk_hosts
from consent.config.credentials import DROPBOX_KEY, DROPBOX_TOKEN, Secret, find_secrets
from consent.config.http_session import usable_network
from consent.config.settings import Problems, Settings, read_settings
from consent.errors import ConfigurationError, DeliveryRefusedError, SettingsError
from consent.studies.catalog import load_studies

if TYPE_CHECKING:
    import requests


_ANOTHER_ACCOUNT = (
    "Sign out on dropbox.com (or use a private window), then sign in again with the account that reports go to"
)


@dataclass(frozen=True)
class Space:
    """Where paths start: the namespace id of the team space, or None for the account's own files."""

    root_namespace: str | None
    words: str


def spaces_of(owner: Owner) -> tuple[Space, ...]:
    """The spaces that the account has, that of its team first."""
    own = Space(None, "the account's own files")
    return (own,) if owner.team_space is None else (Space(owner.team_space, f"the team space of {owner.team}"), own)


def settled_space(owner: Owner, configured: str | None, wish: bool | None) -> Space | None:
    """The space that reports go to, or None where the person must be asked.

    Args:
        configured: the namespace id that the settings name already.
        wish: whether it shall be the team space, if the person has said so.

    Raises:
        DeliveryRefusedError: this is another account than the settings, or the person, mean.
    """
    *team, own = spaces_of(owner)
    if wish is False:
        return own
    if wish and not team:
        raise DeliveryRefusedError(f"This account has no team space. {_ANOTHER_ACCOUNT}.")
    if not wish and configured is not None and configured != owner.root_namespace:
        raise DeliveryRefusedError(
            f"This is another account: it does not have the team space {configured} that the settings name in "
            f"DROPBOX_ROOT_NAMESPACE. {_ANOTHER_ACCOUNT}; or take this one with --team-space {'yes' if team else 'no'}."
        )
    if team and (wish or configured):
        return team[0]
    return None if team else own


ROOT_NAMESPACE = "DROPBOX_ROOT_NAMESPACE"

_INSTRUCTION = (
    "Open this address in a browser, signed in to Dropbox with the account that reports go to. Press Allow, and copy "
    "the code that the page then shows."
)
_UNKNOWN_CODE = (
    "Dropbox does not know this code: it was mistyped, is used up, or is more than some minutes old. Open the address "
    "again for a new one, or press Enter to stop."
)
_STOPPED = (
    "No code was given, so nothing was kept. If the page showed an error in place of a code, look at your app at "
    f"{APP_CONSOLE}: the app key must be that of DROPBOX_KEY, and under Permissions {', '.join(SCOPES)} must be ticked "
    "and submitted."
)
_NOTHING_KEPT = (
    "Nothing was kept. If this is not the account that you mean: sign out on dropbox.com, or use a private window, and "
    "sign in again."
)


@dataclass(frozen=True)
class Wishes:
    """What the person has said beforehand; None is asked for. ``folder`` is where the settings files are."""

    folder: Path | None = None
    keep_in: str | None = None
    team_space: bool | None = None
    browser: bool = True


@dataclass(frozen=True)
class Tools:
    """Clocks and connections; tests put others in their place."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    open_vault: OpenVault = lambda url, network: SettableVault(url, network=network)


@dataclass(frozen=True)
class LoginResult:
    """What came of it; ``remarks`` is what the person has still to do."""

    kept: SavedCredentials
    space: Space
    sandbox: bool
    remarks: tuple[str, ...]


OpenAccount = Callable[[str | None], DropboxAccount]
"""Opens the Dropbox that was signed in to, at its team space or at the account's own files."""


@dataclass(frozen=True)
class Login:
    """One sign-in with a person at the terminal, from the app key to the log-in that is kept."""

    settings: Settings
    wishes: Wishes
    dialogue: Dialogue
    tools: Tools = Tools()

    def carry_out(self) -> LoginResult:
        """Sign in, prove it, keep it.

        Raises:
            ConfigurationError: settings are wrong, or the person stopped.
            DeliveryRefusedError, DeliveryUnavailableError, DeliveryUnverifiedError: Dropbox gave no log-in that reports
                can be delivered with.
            SecretsRefusedError, SecretsUnavailableError: Key Vault did not take it, and no other place was chosen.
        """
        from consent.delivery.dropbox_session import dropbox_session

        sandbox_url = _checked(self.settings)
        if sandbox_url is not None:
            self.dialogue.tell("A trial: DROPBOX_SANDBOX_URL leads to a stand-in for Dropbox.")
        app_key = self._app_key()
        places = places_here(self.settings, self.wishes.folder, self.tools.open_vault)
        place = chosen_place(places, self.wishes.keep_in, self.dialogue)
        with dropbox_session(self.settings.network, sandbox_url) as session:
            token = self._token(Authorisation(app_key, session, sandbox_url))
            space = self._proven_space(self._opener(app_key, token, session))
        given = Credentials({DROPBOX_KEY: app_key, DROPBOX_TOKEN: token}, {ROOT_NAMESPACE: space.root_namespace or ""})
        kept = kept_somewhere(given, place, places, self.dialogue)
        remarks = what_else(given, kept, read_settings(directory=self.wishes.folder))
        return LoginResult(kept, space, sandbox_url is not None, remarks)

    def _app_key(self) -> Secret:
        given = self.settings.get(DROPBOX_KEY)
        if given is None:
            self.dialogue.tell(f"The app key of your Dropbox app stands under Settings at {APP_CONSOLE}.")
            given = self.dialogue.ask("App key:")
        found, problems = find_secrets(Settings({DROPBOX_KEY: given}), [DROPBOX_KEY])
        if problems:
            raise SettingsError(problems)
        return found[DROPBOX_KEY]

    def _token(self, authorisation: Authorisation) -> Secret:
        """Have the person fetch codes until Dropbox takes one."""
        tell = self.dialogue.tell
        tell(f"\n{_INSTRUCTION}")
        self.dialogue.tell_address(f"\n{authorisation.address}\n")
        if self.wishes.browser and self.dialogue.show(authorisation.address):
            tell("It should now be open in your browser.")
        while code := self.dialogue.ask("Code:"):
            token = authorisation.exchange(code)
            if token is not None:
                return token
            tell(_UNKNOWN_CODE)
        raise ConfigurationError(_STOPPED)

    def _opener(self, app_key: Secret, token: Secret, session: "requests.Session") -> OpenAccount:
        return lambda root_namespace: DropboxAccount(
            app_key=app_key,
            refresh_token=token,
            app_secret=None,
            session=session,
            root_namespace=root_namespace,
            sleep=self.tools.sleep,
            clock=self.tools.clock,
        )

    def _proven_space(self, open_account: OpenAccount) -> Space:
        """Where reports go; a file was really written to the folder of every study there."""
        try:
            owner = open_account(None).owner()
            self.dialogue.tell(f"\n{_greeting(owner)}")
            space = self._space(owner)
            for folder in _folders(self.settings):
                proof = prove_writable(lambda: open_account(space.root_namespace), folder)
                self.dialogue.tell(_proof_words(proof))
            return space
        except DeliveryRefusedError as error:
            refused = str(error)
        raise DeliveryRefusedError(f"{refused} {_NOTHING_KEPT}")

    def _space(self, owner: Owner) -> Space:
        settled = settled_space(owner, self.settings.get(ROOT_NAMESPACE), self.wishes.team_space)
        if settled is not None:
            return settled
        spaces = spaces_of(owner)
        at = self.dialogue.choose("The account has a team space. Where do reports go?", [each.words for each in spaces])
        if at is None:
            raise ConfigurationError("No space was chosen, so nothing was kept.")
        return spaces[at]


def _checked(settings: Settings) -> str | None:
    """The address of a stand-in, if one is to be used; raises SettingsError with all that must be right before."""
    problems = Problems()
    problems.collect(lambda: usable_network(settings))
    problems.collect(lambda: ensure_no_sdk_hosts(settings))
    for name in (DROPBOX_KEY, DROPBOX_TOKEN, ROOT_NAMESPACE, "KEY_VAULT_URL"):
        problems.collect(partial(settings.get, name))
    sandbox_url = problems.collect(lambda: dropbox_sandbox_url(settings))
    problems.raise_if_any()
    return sandbox_url


def _folders(settings: Settings) -> tuple[str, ...]:
    """The folders of all studies, each once; the topmost where there is no study yet."""
    try:
        studies = load_studies(settings).usable
    except ConfigurationError:
        studies = ()
    return tuple(dict.fromkeys(study.delivery.folder for study in studies)) or ("/",)


def _greeting(owner: Owner) -> str:
    team = f" of the team {owner.team}" if owner.team else ""
    return f"Signed in as {owner.name} ({owner.email}), a {owner.kind} account{team}."


def _proof_words(proof: WriteTestResult) -> str:
    end = " and deleted again." if proof.removed else f". It could not be deleted: delete {TRIAL_NAME} there."
    written = f"A tiny file was written to {proof.tried_in}{end}"
    if proof.stands:
        return written
    return f"The folder {proof.folder} is not there yet: the first report makes it. {written}"


_WIDTH = 80
CONNECTED_APPS = "https://www.dropbox.com/account/connected_apps"


def login_lines(done: LoginResult) -> list[str]:
    """What was kept where, what is still to do, how to undo it, and what comes next."""
    kept = done.kept
    sandbox = " (sandbox)" if done.sandbox else ""
    names = [f"  {name}{'  (in place of another)' if name in kept.replaced else ''}" for name in kept.names]
    names += [f"  {name}  (now blank)" for name in kept.replaced if name not in kept.names]
    return [
        f"Signed in to Dropbox{sandbox}.",
        f"Reports go to {done.space.words}.",
        f"Kept in {kept.place}:",
        *names,
        *(line for remark in done.remarks for line in wrap(f"Still to do: {remark}", _WIDTH, break_on_hyphens=False)),
        f"To undo it: disconnect the app at {CONNECTED_APPS},",
        "and delete these settings.",
        "Next: consent check",
    ]


def login_document(done: LoginResult) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "state": "signed-in",
        "service": "dropbox",
        "sandbox": done.sandbox,
        "team_space": done.space.root_namespace is not None,
        "kept_in": done.kept.place,
        "kept": [*done.kept.names],
        "replaced": [*done.kept.replaced],
        "remarks": [*done.remarks],
    }
