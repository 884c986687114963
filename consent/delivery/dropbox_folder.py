"""A Dropbox folder as a place for reports: a file is stored and made sure of, refused with a reason, or left for later.

Knows nothing of reports, manifests or order. Never deletes, moves or renames, and never reads a file's contents: what
is stored is known by its content hash. One request at a time: parallel writers in one Dropbox block each other.
"""

import contextlib
import logging
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from consent.config.credentials import Secret
from consent.delivery.dropbox_errors import ApiFailure, classify, kinds_of_trouble
from consent.errors import DeliveryRefusedError, DeliveryUnavailableError, DeliveryUnverifiedError
from consent.files import StoredFile, content_hash
from consent.version import __version__

if TYPE_CHECKING:
    import dropbox
    import requests

T = TypeVar("T")

_TIMEOUT = (10, 60)  # seconds to connect, and between two packets of an answer
_LONGEST_PAUSE = 30.0  # seconds, unless Dropbox asks for more

logger = logging.getLogger(__name__)


class DropboxFolder:
    """One person's or team's Dropbox, reached through its official library with a retry loop of our own.

    root_namespace: the team space to write to; without it, the account's own files. deadline_seconds: how long all
    calls and waits together may take. beat: called before each request; what it raises ends the run. The session stays
    open. Raises ``ValueError`` for a session that reads the environment, where a .netrc entry would replace the token.
    """

    def __init__(
        self,
        *,
        app_key: Secret,
        refresh_token: Secret,
        app_secret: Secret | None,
        session: "requests.Session",
        root_namespace: str | None = None,
        deadline_seconds: float = 300,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        keep_alive: Callable[[], None] = lambda: None,
    ) -> None:
        if session.trust_env:
            raise ValueError("a session for Dropbox must not read the environment: set trust_env to False")
        self._app_key = app_key
        self._refresh_token = refresh_token
        self._app_secret = app_secret
        self._session = session
        self._root_namespace = root_namespace
        self._deadline_seconds = self._seconds_left = deadline_seconds
        self._clock = clock
        self._sleep = sleep
        self._beat = keep_alive
        self._client: dropbox.Dropbox | None = None
        self._request_id = "none"
        session.hooks["response"].append(self._note_request_id)

    def connect(self) -> None:
        """Prove the log-in before anything is written; later calls do it when nobody has.

        Raises ``DeliveryRefusedError`` or ``DeliveryUnavailableError``.
        """
        self._connected()

    def look(self, path: str) -> StoredFile | None:
        """The file of that name as Dropbox has it, or None.

        Raises ``DeliveryRefusedError`` (also for a folder of that name) or ``DeliveryUnavailableError``.
        """
        from dropbox.files import FileMetadata

        client = self._connected()
        found: Any = self._ask(f"to look at '{path}'", partial(client.files_get_metadata, composed(path)))
        if found is not None and not isinstance(found, FileMetadata):
            raise DeliveryRefusedError(f"In Dropbox a folder stands at '{path}', where a file belongs. Move it away.")
        return None if found is None else StoredFile(path, found.content_hash or "", found.size, found.rev)

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none when it does not exist.

        Raises ``DeliveryRefusedError`` or ``DeliveryUnavailableError``.
        """
        client = self._connected()
        return self._ask(f"to list '{path}'", lambda: tuple(sorted(_listing(client, composed(path))))) or ()

    def prepare(self, files: Mapping[str, bytes]) -> None:
        """Prove the log-in; Dropbox replaces a file in one stroke, so there is nothing to set aside."""
        self.connect()

    def put(self, path: str, content: bytes, *, replace: bool) -> StoredFile:
        """Store the bytes and make sure that Dropbox has exactly these; other bytes stay unless ``replace``.

        Raises ``DeliveryRefusedError``, ``DeliveryUnavailableError`` or ``DeliveryUnverifiedError``, and ``ValueError``
        for content that is empty or not bytes.
        """
        if not isinstance(content, bytes) or not content:
            raise ValueError(f"'{path}' has no content (bytes), and an empty file must never replace a good one")
        client = self._connected()
        sent = StoredFile(path, content_hash(content), len(content), rev="")
        upload = partial(_upload, client, sent, content, replace)
        attempt = 0
        while isinstance(result := self._attempt(upload), ApiFailure):
            seen = self._seen_after_all(client, sent) if result.verdict == "unknown" else None
            if seen is not None:
                return self._verified(seen, sent)
            self._pause(result, attempt, f"to store '{path}'")
            attempt += 1
        return self._verified(result, sent)

    def release(self) -> None:
        """Nothing was set aside."""

    def _connected(self) -> "dropbox.Dropbox":
        if self._client is None:
            client = self._new_client()
            self._ask("the log-in", partial(client.check_user, "hello"))
            self._client = client
        return self._client

    def _new_client(self) -> "dropbox.Dropbox":
        import dropbox

        client = dropbox.Dropbox(
            app_key=self._app_key.reveal(),
            app_secret=self._app_secret.reveal() if self._app_secret else None,
            oauth2_refresh_token=self._refresh_token.reveal(),
            session=self._session,
            user_agent=f"ConsentSummary/{__version__}",
            timeout=_TIMEOUT,
            max_retries_on_error=0,
            max_retries_on_rate_limit=0,  # by default the library waits for ever
            auto_content_hash=False,  # ours is taken once, before the first attempt
        )
        if self._root_namespace is None:
            return client
        return client.with_path_root(dropbox.common.PathRoot.root(self._root_namespace))

    def _ask(self, what: str, question: Callable[[], T]) -> T | None:
        """The answer to a question that can be asked any number of times, or None for "not found"."""
        attempt = 0
        while isinstance(result := self._attempt(question), ApiFailure):
            if result.verdict == "absent":
                return None
            self._pause(result, attempt, what)
            attempt += 1
        return result

    def _attempt(self, action: Callable[[], T]) -> T | ApiFailure:
        self._beat()
        if self._seconds_left <= 0:
            raise self._out_of_time("its answers took too long")
        self._request_id = "none"
        try:
            with self._timed():
                return action()
        except kinds_of_trouble() as error:
            return classify(error)

    def _seen_after_all(self, client: "dropbox.Dropbox", sent: StoredFile) -> Any:
        """The file, if it arrived although its answer was lost; not finding it proves nothing."""
        found = self._attempt(partial(client.files_get_metadata, composed(sent.path)))
        return found if getattr(found, "content_hash", None) == sent.content_hash else None

    def _pause(self, trouble: ApiFailure, attempt: int, what: str) -> None:
        """Wait before the next attempt, or raise where no next attempt can help or none fits."""
        if trouble.verdict in ("refused", "absent"):
            raise DeliveryRefusedError(
                f"Dropbox refused {what} (request {self._request_id}): {trouble.reason}. Then run again."
            )
        seconds = max(trouble.seconds, min(2.0**attempt, _LONGEST_PAUSE))
        if seconds > self._seconds_left:
            raise self._out_of_time(f"{what}: {trouble.reason}")
        logger.warning("Dropbox: %s, again in %.0f s (%s, request %s)", what, seconds, trouble.reason, self._request_id)
        with self._timed():
            self._sleep(seconds)

    def _out_of_time(self, what: str) -> DeliveryUnavailableError:
        return DeliveryUnavailableError(
            f"Dropbox did not do it within {self._deadline_seconds:.0f} seconds ({what}; request {self._request_id}). "
            "The same run may work later, and mends whatever was begun; if not, check the network (HTTPS_PROXY, "
            "REQUESTS_CA_BUNDLE) and https://status.dropbox.com."
        )

    def _verified(self, stored: Any, sent: StoredFile) -> StoredFile:
        same_place = _folded(stored.path_lower or "") == _folded(sent.path)
        if not same_place or (stored.content_hash, stored.size) != (sent.content_hash, sent.size):
            raise DeliveryUnverifiedError(
                f"Dropbox holds something else than what was sent to '{sent.path}' (request {self._request_id}). "
                "Do not rely on that file; look who else writes there, then run again."
            )
        logger.info(
            "Dropbox holds %s, rev %s, hash %s (request %s)",
            sent.path,
            stored.rev,
            sent.content_hash,
            self._request_id,
        )
        return StoredFile(sent.path, sent.content_hash, sent.size, stored.rev)

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        started = self._clock()
        try:
            yield
        finally:
            self._seconds_left -= self._clock() - started

    def _note_request_id(self, response: "requests.Response", *args: object, **kwargs: object) -> None:
        self._request_id = response.headers.get("X-Dropbox-Request-Id", "none")


def _upload(client: "dropbox.Dropbox", sent: StoredFile, content: bytes, replace: bool) -> Any:
    from dropbox.files import WriteMode

    return client.files_upload(
        content,
        composed(sent.path),
        mode=WriteMode.overwrite if replace else WriteMode.add,
        autorename=False,
        strict_conflict=False,  # a repeat of the same bytes, after a lost answer, must succeed
        content_hash=sent.content_hash,
    )


def _listing(client: "dropbox.Dropbox", path: str) -> Iterator[str]:
    page = client.files_list_folder("" if path == "/" else path)
    while True:
        yield from (entry.name for entry in page.entries)
        if not page.has_more:
            return
        page = client.files_list_folder_continue(page.cursor)


def composed(path: str) -> str:
    """The path as Dropbox keeps names, in one of two spellings of an accent (NFC); it finds no other."""
    return unicodedata.normalize("NFC", path)


def _folded(path: str) -> str:
    """The path with case taken out on both sides, because Dropbox lower-cases by older rules than Python's."""
    return composed(composed(path).casefold())
