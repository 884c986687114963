"""A Dropbox folder that reports are delivered to: uploads are verified, refused with a reason, or retried.

Never deletes, moves or renames a file, and never downloads one: a content hash identifies what is stored. Sends one
request at a time, because parallel writes to one Dropbox block each other.
"""

import contextlib
import logging
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from consent.config.credentials import Secret
from consent.config.http_limits import time_limit
from consent.delivery.dropbox_errors import ApiFailure, classify, failure_types
from consent.delivery.plan import changed_error
from consent.delivery.report_set import ensure_content
from consent.errors import DeliveryRefusedError, DeliveryUnavailableError, DeliveryUnverifiedError
from consent.files import StoredFile, content_hash
from consent.version import __version__

if TYPE_CHECKING:
    import dropbox
    import requests

T = TypeVar("T")

_TIMEOUT = (10, 60)  # seconds to connect, and between two packets of a response
_LONGEST_PAUSE = 30.0  # seconds, unless Dropbox asks for more
_LOOKS = 4  # before a file counts as changed: Dropbox may show an older state for a moment

logger = logging.getLogger(__name__)


@dataclass(eq=False, repr=False, kw_only=True)
class DropboxFolder:
    """The Dropbox of one person or team, through the official SDK with our own retries.

    root_namespace: the team space to write to; by default the account's own files. deadline_seconds: the time limit of
    all calls and waits together. keep_alive: called before each request; its error ends the run.

    The session stays open. Raises ``ValueError`` for a session that reads the environment: an entry in .netrc would
    replace the token.
    """

    app_key: Secret
    refresh_token: Secret
    app_secret: Secret | None
    session: "requests.Session"
    root_namespace: str | None = None
    deadline_seconds: float = 300
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    keep_alive: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        if self.session.trust_env:
            raise ValueError("A session for Dropbox must not read the environment. Set trust_env to False.")
        self._seconds_left = self.deadline_seconds
        self._client: dropbox.Dropbox | None = None
        self._response: requests.Response | None = None
        self.session.hooks["response"].append(self._note_response)

    def connect(self) -> None:
        """Check the sign-in once, before anything is written."""
        self._connected()

    def stat(self, path: str) -> StoredFile | None:
        """Return the file at the path, or None; raise ``DeliveryRefusedError`` for a folder."""
        from dropbox.files import FileMetadata

        client = self._connected()
        found: Any = self._ask(f"reading '{path}'", partial(client.files_get_metadata, nfc(path)))
        if found is not None and not isinstance(found, FileMetadata):
            raise DeliveryRefusedError(f"In Dropbox '{path}' is a folder, but it should be a file.", "Move it away.")
        return None if found is None else StoredFile(path, found.content_hash or "", found.size, found.rev)

    def list_folder(self, path: str) -> tuple[str, ...]:
        client = self._connected()
        return self._ask(f"listing '{path}'", lambda: tuple(sorted(_names_in(client, nfc(path))))) or ()

    def stage(self, files: Mapping[str, bytes]) -> None:
        """Check the sign-in; there is nothing to stage, because Dropbox replaces a file atomically."""
        self.connect()

    def put(self, path: str, content: bytes, *, replaces: StoredFile | None) -> StoredFile:
        """Store the bytes in place of this revision, or as a new file, and verify them by content hash.

        After a lost response or a conflict, look for the file. After a lost response, send the same bytes again if it
        is not there. A request that arrives late cannot replace a newer revision.
        """
        ensure_content(path, content)
        client = self._connected()
        sent = StoredFile(path, content_hash(content), len(content), rev="")
        upload = partial(_upload, client, sent, content, replaces)
        attempt = 0
        while isinstance(result := self._attempt(upload), ApiFailure):
            stored = self._find_upload(client, sent) if result.verdict in ("unknown", "conflict") else None
            if stored is not None:
                return self._verified(stored, sent)
            if result.verdict == "conflict":
                raise changed_error(path)
            self._pause(result, attempt, f"storing '{path}'")
            attempt += 1
        return self._verified(result, sent)

    def confirm(self, files: Sequence[StoredFile]) -> None:
        """Look at each file, for a few seconds if it differs; raise ``DeliveryUnverifiedError`` if it still does."""
        for file in files:
            for look in range(_LOOKS):
                found = self.stat(file.path)
                if found and found.content_hash == file.content_hash:
                    break
                if look + 1 == _LOOKS:
                    raise changed_error(file.path)
                self._pause(ApiFailure("unknown", "another content is stored"), look, f"confirming '{file.path}'")

    def discard_staged(self) -> None:
        """Do nothing: nothing was staged."""

    def _connected(self) -> "dropbox.Dropbox":
        if self._client is None:
            client = self._new_client()
            self._ask("the sign-in", partial(client.check_user, "hello"))
            self._client = client
        return self._client

    def _new_client(self) -> "dropbox.Dropbox":
        import dropbox

        client = dropbox.Dropbox(
            app_key=self.app_key.reveal(),
            app_secret=self.app_secret.reveal() if self.app_secret else None,
            oauth2_refresh_token=self.refresh_token.reveal(),
            session=self.session,
            user_agent=f"ConsentSummary/{__version__}",
            timeout=_TIMEOUT,
            max_retries_on_error=0,
            max_retries_on_rate_limit=0,  # by default the SDK waits forever
            auto_content_hash=False,  # we send our own, computed once before the first attempt
        )
        if self.root_namespace is None:
            return client
        return client.with_path_root(dropbox.common.PathRoot.root(self.root_namespace))

    def _ask(self, what: str, question: Callable[[], T]) -> T | None:
        """Repeat a read until it succeeds; None for "not found"."""
        attempt = 0
        while isinstance(result := self._attempt(question), ApiFailure):
            if result.verdict == "absent":
                return None
            self._pause(result, attempt, what)
            attempt += 1
        return result

    def _attempt(self, action: Callable[[], T]) -> T | ApiFailure:
        self.keep_alive()
        if self._seconds_left <= 0:
            raise self._timeout_error("slow responses")
        self._response = None
        try:
            with self._timed(), time_limit(self._seconds_left):
                return action()
        except failure_types() as error:
            return classify(error, self._response)

    def _find_upload(self, client: "dropbox.Dropbox", sent: StoredFile) -> Any:
        """Return the stored file if the upload arrived; None proves nothing, because Dropbox may lag."""
        found = self._attempt(partial(client.files_get_metadata, nfc(sent.path)))
        return found if getattr(found, "content_hash", None) == sent.content_hash else None

    def _pause(self, failure: ApiFailure, attempt: int, what: str) -> None:
        """Wait before the next attempt; raise if a retry cannot help or does not fit the time limit."""
        if failure.verdict in ("refused", "absent", "conflict"):
            raise DeliveryRefusedError(
                f"Dropbox refused {what} (request {self._request_id}): {failure.reason}.",
                failure.fix or "Check the folder in Dropbox, then run again.",
            )
        seconds = max(failure.seconds, min(2.0**attempt, _LONGEST_PAUSE))
        if seconds > self._seconds_left:
            raise self._timeout_error(f"{what}: {failure.reason}")
        details = (seconds, self._request_id, what, failure.reason)
        logger.warning("event=dropbox_retry seconds=%.0f request=%s action=%s reason=%s", *details)
        with self._timed():
            self.sleep(seconds)

    def _timeout_error(self, what: str) -> DeliveryUnavailableError:
        return DeliveryUnavailableError(
            f"Dropbox was not available for {self.deadline_seconds:.0f} seconds ({what}; request {self._request_id}).",
            "Run again later. If it fails again, check https://status.dropbox.com and the network settings "
            "(HTTPS_PROXY, REQUESTS_CA_BUNDLE).",
        )

    def _verified(self, stored: Any, sent: StoredFile) -> StoredFile:
        same_path = _folded(stored.path_lower or "") == _folded(sent.path)
        if not same_path or (stored.content_hash, stored.size) != (sent.content_hash, sent.size):
            raise DeliveryUnverifiedError(
                f"The stored file does not match the upload: '{sent.path}' in Dropbox (request {self._request_id}).",
                "Find out who else writes to that folder, then run again.",
            )
        details = (sent.path, stored.rev, sent.content_hash, self._request_id)
        logger.info("event=file_stored path=%s rev=%s hash=%s request=%s", *details)
        return StoredFile(sent.path, sent.content_hash, sent.size, stored.rev)

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        started = self.clock()
        try:
            yield
        finally:
            self._seconds_left -= self.clock() - started

    def _note_response(self, response: "requests.Response", *args: object, **kwargs: object) -> None:
        self._response = response

    @property
    def _request_id(self) -> str:
        return "none" if self._response is None else self._response.headers.get("X-Dropbox-Request-Id", "none")


def _upload(client: "dropbox.Dropbox", sent: StoredFile, content: bytes, replaces: StoredFile | None) -> Any:
    from dropbox.files import WriteMode

    return client.files_upload(
        content,
        nfc(sent.path),
        mode=WriteMode.update(replaces.rev) if replaces else WriteMode.add,
        autorename=False,
        strict_conflict=False,  # sending the same bytes again after a lost response must succeed
        content_hash=sent.content_hash,
    )


def _names_in(client: "dropbox.Dropbox", path: str) -> Iterator[str]:
    page = client.files_list_folder("" if path == "/" else path)
    while True:
        yield from (entry.name for entry in page.entries)
        if not page.has_more:
            return
        page = client.files_list_folder_continue(page.cursor)


def nfc(path: str) -> str:
    """Return the path with composed accents (Unicode NFC), the only spelling that Dropbox finds."""
    return unicodedata.normalize("NFC", path)


def _folded(path: str) -> str:
    """Return the path without case; Dropbox lower-cases by older rules than Python's."""
    return nfc(nfc(path).casefold())
