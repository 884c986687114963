"""Sign in to Dropbox in the terminal: get a code, test that reports can be delivered, and save the credentials.

Wrong settings are found before the browser opens. Nothing is saved until a test file is written to Dropbox.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import wrap

from consent.cli.command_line import command_line
from consent.cli.dropbox_account import DropboxAccount, Owner
from consent.cli.login.oauth import APP_CONSOLE, SCOPES, Authorisation
from consent.cli.login.prompts import Prompts
from consent.cli.login.stores import (
    Credentials,
    OpenVault,
    SavedCredentials,
    WritableVault,
    available_stores,
    choose_store,
    save_credentials,
)
from consent.cli.write_test import TEST_FILE_NAME, WriteTestResult, run_write_test
from consent.config.checks import dropbox_sandbox_url, ensure_no_sdk_hosts
from consent.config.credentials import DROPBOX_KEY, DROPBOX_TOKEN, Secret, find_secrets
from consent.config.http_session import usable_network
from consent.config.settings import Problems, Settings, read_settings
from consent.delivery.dropbox_session import dropbox_session
from consent.errors import ConfigurationError, ConsentReportError, DeliveryRefusedError, SettingsError
from consent.studies.catalog import load_studies

ROOT_NAMESPACE = "DROPBOX_ROOT_NAMESPACE"
CONNECTED_APPS = "https://www.dropbox.com/account/connected_apps"

_OTHER_ACCOUNT = (
    "Sign out on dropbox.com (or use a private window), then sign in again with the account that receives the reports."
)


@dataclass(frozen=True)
class Space:
    """Where paths start: the namespace id of the team space, or None for the account's own files."""

    root_namespace: str | None
    name: str


def possible_spaces(owner: Owner, configured: str | None, team_space: bool | None) -> list[Space]:
    """Return the spaces that the reports may go to: the team space before the account's own files.

    configured: the namespace id in the settings. team_space: the choice on the command line. Raises
    DeliveryRefusedError if the account does not have the chosen space.
    """
    own = [Space(None, "the account's own files")]
    if team_space is False:
        return own
    team = [] if owner.team_space is None else [Space(owner.team_space, f"the team space of {owner.team}")]
    if team_space and not team:
        raise DeliveryRefusedError("This account has no team space.", _OTHER_ACCOUNT)
    if not team_space and configured not in (None, owner.root_namespace):
        raise DeliveryRefusedError(
            f"This is another account: it does not have the team space {configured} of {ROOT_NAMESPACE}.",
            f"{_OTHER_ACCOUNT} To use this account, add --team-space {'yes' if team else 'no'}.",
        )
    return team if team and (team_space or configured) else team + own


@dataclass(frozen=True)
class LoginResult:
    """The outcome of a sign-in; ``remaining``: what the person must still do, a sentence each."""

    saved: SavedCredentials
    space: Space
    sandbox: bool
    remaining: tuple[str, ...]
    state: str = "signed-in"
    service: str = "dropbox"


@dataclass(frozen=True)
class Login:
    """One sign-in in the terminal; tests replace the clocks and the connection to the vault.

    folder: where the settings files are. save_in, team_space: the choices on the command line; None: prompt for it.
    """

    settings: Settings
    prompts: Prompts
    folder: Path | None = None
    save_in: str | None = None
    team_space: bool | None = None
    browser: bool = True
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    open_vault: OpenVault = lambda url, network: WritableVault(url, network=network)

    def sign_in(self) -> LoginResult:
        """Sign in, write a test file, and save the credentials; raises ConfigurationError also if the person stops."""
        sandbox_url = _ensure_usable(self.settings)
        if sandbox_url is not None:
            self.prompts.say("DROPBOX_SANDBOX_URL is set: this signs in to a simulated Dropbox.")
        app_key = self._app_key()
        stores = available_stores(self.settings, self.folder, self.open_vault)
        store = choose_store(stores, self.save_in, self.prompts)
        with dropbox_session(self.settings.network, sandbox_url) as session:
            try:
                token = self._token(Authorisation(app_key, session, sandbox_url))
                account = partial(DropboxAccount, app_key=app_key, refresh_token=token, app_secret=None)
                open_account = partial(account, session=session, sleep=self.sleep, clock=self.clock)
                space = self._tested_space(open_account)
            except ConsentReportError:
                self.prompts.say("Nothing was saved.")
                raise
        credentials = Credentials(
            {DROPBOX_KEY: app_key, DROPBOX_TOKEN: token}, {ROOT_NAMESPACE: space.root_namespace or ""}
        )
        store, saved = save_credentials(credentials, store, stores, self.prompts)
        remaining = store.remaining_steps(credentials, read_settings(directory=self.folder, may_be_empty=True))
        return LoginResult(saved, space, sandbox_url is not None, remaining)

    def _app_key(self) -> Secret:
        given = self.settings.get(DROPBOX_KEY)
        if given is None:
            self.prompts.say(f"The app key of your Dropbox app is on its Settings page at {APP_CONSOLE}.")
            given = self.prompts.ask("App key:")
        found, problems = find_secrets(Settings({DROPBOX_KEY: given}), [DROPBOX_KEY])
        if problems:
            raise SettingsError(problems)
        return found[DROPBOX_KEY]

    def _token(self, authorisation: Authorisation) -> Secret:
        """Prompt for a code until Dropbox accepts one."""
        self.prompts.say(
            "\nOpen this address in a browser, signed in to Dropbox with the account that receives the reports. Press "
            "Allow and copy the code."
        )
        self.prompts.say_address(f"\n{authorisation.address}\n")
        if self.browser and self.prompts.open_page(authorisation.address):
            self.prompts.say("The address is now open in your browser.")
        while code := self.prompts.ask("Code:"):
            token = authorisation.exchange(code)
            if token is not None:
                return token
            self.prompts.say(
                "Dropbox does not accept this code: it is mistyped, used or expired. Open the address again for a new "
                "code, or press Enter to stop."
            )
        raise ConfigurationError(
            "No code was given.",
            f"If the page showed an error, check at {APP_CONSOLE} that {DROPBOX_KEY} is the app key and that "
            f"{', '.join(SCOPES)} are ticked and submitted under Permissions.",
        )

    def _tested_space(self, open_account: Callable[..., DropboxAccount]) -> Space:
        """Return the space for the reports, after a test file was written to the folder of every study there."""
        owner = open_account(root_namespace=None).owner()
        team = f" of the team {owner.team}" if owner.team else ""
        self.prompts.say(f"\nSigned in as {owner.name} ({owner.email}), a {owner.kind} account{team}.")
        try:
            space = self._space(owner)
            new_account = partial(open_account, root_namespace=space.root_namespace)
            for folder in _folders(self.settings):
                self.prompts.say(_test_report(run_write_test(new_account, folder)))
        except DeliveryRefusedError:
            self.prompts.say(f"Is this the wrong account? {_OTHER_ACCOUNT}")
            raise
        return space

    def _space(self, owner: Owner) -> Space:
        first, *more = spaces = possible_spaces(owner, self.settings.get(ROOT_NAMESPACE), self.team_space)
        names = {space.name: space for space in spaces}
        space = self.prompts.choose("Where should the reports go?", names) if more else first
        if space is None:
            raise ConfigurationError("No space was chosen.", "Sign in again.")
        return space


def _ensure_usable(settings: Settings) -> str | None:
    """Return the address of the simulated Dropbox, if one is set; raise SettingsError with every wrong setting."""
    problems = Problems()
    problems.collect(lambda: usable_network(settings))
    problems.collect(lambda: ensure_no_sdk_hosts(settings))
    for name in (DROPBOX_KEY, DROPBOX_TOKEN, ROOT_NAMESPACE, "KEY_VAULT_URL"):
        problems.collect(partial(settings.get, name))
    sandbox_url = problems.collect(lambda: dropbox_sandbox_url(settings))
    problems.raise_if_any()
    return sandbox_url


def _folders(settings: Settings) -> tuple[str, ...]:
    """Return the folders of all studies, each once; the root folder if there is no study yet."""
    try:
        studies = load_studies(settings).usable
    except ConfigurationError:
        studies = ()
    return tuple(dict.fromkeys(folder for study in studies for folder in study.folders)) or ("/",)


def _test_report(result: WriteTestResult) -> str:
    end = " and deleted." if result.deleted else f". It could not be deleted: delete {TEST_FILE_NAME} there."
    written = f"A test file was written to {result.written_to}{end}"
    return written if result.exists else f"The first report creates the folder {result.folder}. {written}"


def login_lines(result: LoginResult, folder: Path | None) -> list[str]:
    """Return the outcome for the terminal; ``folder`` is that of the settings files, if one was given."""
    saved = result.saved
    names = [f"  {name}{'  (replaced)' if name in saved.replaced else ''}" for name in saved.names]
    names += [f"  {name}  (now empty)" for name in saved.replaced if name not in saved.names]
    return [
        f"Signed in to Dropbox{' (sandbox)' if result.sandbox else ''}.",
        f"Reports go to {result.space.name}.",
        f"Saved in {saved.place}:",
        *names,
        *(line for step in result.remaining for line in wrap(f"Still to do: {step}", 80, break_on_hyphens=False)),
        f"To undo this, disconnect the app at {CONNECTED_APPS}",
        "and delete these settings.",
        f"Next: {command_line('check', folder)}",
    ]
