"""Simulate Dropbox: the routes of its HTTP API that the app uses, and the sign-in page.

There is one account, or two to test a sign-in to the wrong one; all data is in memory. It checks what Dropbox checks
(hosts, content types, tokens, scopes, path roots, hashes, conflicts). The wording of its 400 errors and the numbers of
renamed files are its own. For outages see ``sandbox.dropbox.faults``.
"""

import secrets
import threading
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.dropbox.authorise import AUTHORISE_PATH, authorise_page
from sandbox.dropbox.routes import ROUTES, Account, Call, Style
from sandbox.dropbox.sign_in import MEMBER, PERSONAL, GrantError, SignIn, TokenError
from sandbox.dropbox.tree import File, Tree
from sandbox.dropbox.wire import JSON, AnsweredError, as_json, bad_input, decoded, unauthorised, wrong_root
from sandbox.server import Request, Response

HOME = "1"  # the namespace of the account's own files
DELIVERY_SCOPES = frozenset({"account_info.read", "files.metadata.read", "files.content.write"})

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_API_HOST = "api.dropboxapi.com"
_CONTENT_HOST = "content.dropboxapi.com"
_HOSTS: dict[Style, str] = {"rpc": _API_HOST, "upload": _CONTENT_HOST}
_CONTENT_TYPES: dict[Style, str] = {"rpc": JSON, "upload": "application/octet-stream"}


class Dropbox:
    """One Dropbox account with one connected app, to be served by ``sandbox.server.Server``.

    Args:
        scopes: granted to the planted refresh token, ``sandbox-refresh``.
        app_scopes: those that the app can request; by default ``scopes`` and reading contents.
        root_namespace: the team space, if the account belongs to a team; it shows the account's own files as the folder
            ``MEMBER_FOLDER``.
        quota: in bytes.
        read_only: folders, as paths from the account's root.
        personal: also link a personal account of the same person, which the sign-in page then offers.

    A test may change ``account.lag``, ``account.page_size``, ``account.tree.quota`` and ``account.tree.read_only``.
    """

    def __init__(
        self,
        *,
        app_key: str = "sandbox-key",
        scopes: frozenset[str] = DELIVERY_SCOPES,
        app_scopes: frozenset[str] | None = None,
        root_namespace: str = HOME,
        quota: int | None = None,
        read_only: frozenset[str] = frozenset(),
        personal: bool = False,
    ) -> None:
        self.sign_in = SignIn(
            app_key=app_key,
            app_scopes=scopes | {"files.content.read"} if app_scopes is None else app_scopes,
            people=(MEMBER, PERSONAL) if personal else (MEMBER,),
        )
        self.sign_in.plant("sandbox-refresh", scopes)
        tree = Tree(quota=quota, read_only=read_only)
        self.account = Account(tree, MEMBER, home=HOME, root=root_namespace)
        self.personal = Account(Tree(quota=quota, read_only=frozenset()), PERSONAL, home="99", root="99")
        self._lock = threading.Lock()

    def name_of(self, request: Request) -> str:
        """Return the route, e.g. ``files/upload``, ``files/list_folder/continue`` or ``oauth2/token``."""
        return request.path.strip("/").removeprefix("2/")

    def answer(self, request: Request) -> Response:
        """Respond to the request, or refuse it as Dropbox does."""
        with self._lock:
            try:
                response = self._answer(request)
            except AnsweredError as early:
                response = early.response
        response.headers["X-Dropbox-Request-Id"] = secrets.token_hex(16)
        return response

    def authorise(self, url: str, granting: frozenset[str] | None = None) -> str:
        """Press Allow on the sign-in page; return the access code. See ``SignIn.authorise``."""
        return self.sign_in.authorise(url, granting)

    def revoke(self) -> None:
        """Disconnect the app, as its owner can on dropbox.com: all tokens become invalid."""
        self.sign_in.revoke()

    def expire_tokens(self) -> None:
        """Let the access tokens expire; they can be refreshed."""
        self.sign_in.expire_tokens()

    def files(self, namespace: str | None = None) -> dict[str, bytes]:
        """Return the files in a namespace (by default the account's own): display path to content."""
        view = self._view_of(namespace)
        other_views = [other + "/" for other in self.account.views.values() if len(other) > len(view)]
        return {
            entry.path[len(view) :]: entry.current.content
            for entry in self.account.tree.inside(view)
            if isinstance(entry, File) and not entry.path.startswith(tuple(other_views))
        }

    def revisions(self, path: str) -> list[bytes]:
        """Return all contents of a file of the account, also of a deleted one, oldest first."""
        file = self.account.tree.find_file(self._view_of(None) + path, deleted=True)
        return [revision.content for revision in file.revisions]

    def _view_of(self, namespace: str | None) -> str:
        return self.account.views[namespace or self.account.home]

    def _answer(self, request: Request) -> Response:
        if request.path == AUTHORISE_PATH:
            return authorise_page(self.sign_in, request)
        return self._token(request) if request.path == "/oauth2/token" else self._call(request)

    def _token(self, request: Request) -> Response:
        _check_request("oauth2/token", request, _API_HOST, "application/x-www-form-urlencoded")
        try:
            return as_json(self.sign_in.exchange(dict(parse_qsl(request.body.decode("ascii", "replace")))))
        except GrantError as refused:
            return as_json({"error": refused.error, "error_description": refused.description}, 400)

    def _call(self, request: Request) -> Response:
        name = self.name_of(request)
        route = ROUTES.get(name)
        if route is None or not request.path.startswith("/2/"):
            raise bad_input(name, f'Unknown API function: "{name}"')
        _check_request(name, request, _HOSTS[route.style], _CONTENT_TYPES[route.style])
        account = self._account_of(name, route.scope, request)
        arguments = _arguments(name, route.style, request)
        return route.work(account, Call(name, arguments, request.body, _view(name, account, request)))

    def _account_of(self, name: str, scope: str, request: Request) -> Account:
        """Return the account of the request's token, if that has the scope."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            raise bad_input(name, 'Must provide HTTP header "Authorization" with a bearer token.')
        try:
            access = self.sign_in.access_of(token)
        except TokenError as refused:
            raise unauthorised(refused.tag) from None
        if scope not in self.sign_in.app_scopes:
            raise bad_input(name, _APP_LACKS_SCOPE.format(scope=scope))
        if scope not in access.scopes:
            raise unauthorised("missing_scope", required_scope=scope)
        return self.account if access.person == self.account.person else self.personal


_APP_LACKS_SCOPE = (
    "Your app is not permitted to access this endpoint because it does not have the required scope '{scope}'. "
    "The owner of the app can enable the scope for the app using the Permissions tab on the App Console."
)


def _view(name: str, account: Account, request: Request) -> str:
    """Return the folder that is the root of the request; ``""`` is the whole account."""
    where = 'HTTP header "Dropbox-API-Path-Root"'
    match decoded(name, request.headers.get("dropbox-api-path-root", '{".tag": "home"}'), where):
        case {".tag": "home"}:
            return account.views[account.home]
        case {".tag": "root", "root": account.root}:
            return ""
        case {".tag": "root", "root": _}:
            raise wrong_root(invalid_root=account.root_info())
    raise bad_input(name, f"{where}: unknown mode")


def _check_request(name: str, request: Request, host: str, content_type: str) -> None:
    """Check the host, method and headers; a loopback address stands for every host."""
    hostname = urlsplit("//" + request.headers.get("host", "")).hostname
    if hostname not in _LOOPBACK and hostname != host:
        raise bad_input(name, f"This function is served by {host}.")
    if request.method != "POST":
        raise bad_input(name, "This function expects a POST.")
    if not all(value.isascii() for value in request.headers.values()):
        raise bad_input(name, "HTTP headers must be ASCII.")
    if request.headers.get("content-type", "") != content_type:
        raise bad_input(name, f'Bad HTTP "Content-Type" header. Expecting "{content_type}".')


def _arguments(name: str, style: Style, request: Request) -> dict[str, Any]:
    if style == "rpc":
        return decoded(name, request.body, "request body")
    return decoded(name, request.headers.get("dropbox-api-arg", ""), 'HTTP header "Dropbox-API-Arg"')
