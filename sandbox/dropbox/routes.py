"""The routes of Dropbox's API: each takes decoded arguments and returns a response.

``sandbox.dropbox.app`` checks hosts, tokens and scopes first.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sandbox.dropbox.sign_in import Person
from sandbox.dropbox.tree import (
    Entry,
    File,
    Folder,
    LookupRefusedError,
    Tree,
    WriteMode,
    WriteRefusedError,
    content_hash,
    folded,
)
from sandbox.dropbox.wire import as_json, bad_input, conflict, metadata, refusals, upload_conflict
from sandbox.server import Response

MEMBER_FOLDER = "/Franz Ferdinand"
Style = Literal["rpc", "upload"]
_T = TypeVar("_T")


class Account:
    """One account: its tree, its namespaces and the cursors of its listings.

    The team space shows the member's own files under ``MEMBER_FOLDER``. The first ``lag`` lookups of a new file do not
    find it. A page of a listing has at most ``page_size`` entries.
    """

    def __init__(self, tree: Tree, person: Person, *, home: str, root: str) -> None:
        self.tree = tree
        self.person = person
        self.home = home
        self.root = root
        self.page_size = 500
        self.lag = 0
        self.views = {root: ""}
        if self.in_team:
            self.views[home] = tree.make_folder(MEMBER_FOLDER).path
        self._hidden: dict[str, int] = {}
        self._listings: dict[str, list[dict[str, Any]]] = {}

    @property
    def in_team(self) -> bool:
        """Whether the account has a team space besides its own files."""
        return self.root != self.home

    def root_info(self) -> dict[str, str]:
        """Return the account's namespaces as Dropbox describes them."""
        info = {"root_namespace_id": self.root, "home_namespace_id": self.home}
        return {".tag": "team", **info, "home_path": MEMBER_FOLDER} if self.in_team else {".tag": "user", **info}

    def hide(self, file: File) -> None:
        """Hide a new file from the next ``lag`` lookups."""
        self._hidden[folded(file.path)] = self.lag

    def look_up(self, path: str) -> Entry:
        """Return the entry at the path, unless it is still hidden."""
        entry = self.tree.find(path)
        left = self._hidden.get(folded(path), 0)
        if left:
            self._hidden[folded(path)] = left - 1
            raise LookupRefusedError("not_found")
        return entry

    def page(self, entries: list[dict[str, Any]]) -> Response:
        """Return one page of a listing, with the cursor to the rest."""
        cursor = secrets.token_urlsafe(32)
        rest = entries[self.page_size :]
        self._listings[cursor] = rest
        return as_json({"entries": entries[: self.page_size], "cursor": cursor, "has_more": bool(rest)})

    def next_page(self, cursor: str) -> Response:
        """Return the page of this cursor; after an unknown one the client must list again."""
        if cursor not in self._listings:
            raise conflict("reset")
        return self.page(self._listings[cursor])


@dataclass(frozen=True)
class Call:
    """One call of a route: its decoded arguments, and the folder (``view``) that is its root."""

    name: str
    arguments: Mapping[str, Any]
    content: bytes
    view: str

    def get(self, key: str, kind: type[_T], default: _T | None = None) -> _T:
        """Return an argument; if it is missing without a default, or of another type, the call is bad input."""
        value = self.arguments.get(key, default)
        if not isinstance(value, kind):
            raise bad_input(self.name, f"{key}: expected {kind.__name__}")
        return value

    def path(self) -> str:
        """Return the path of a file or folder, from the account's root."""
        path = self.get("path", str)
        if not path.startswith("/"):
            raise bad_input(self.name, f"path: '{path}' did not match pattern '(/(.|[\\r\\n])*)'")
        return self.view + path

    def folder(self) -> str:
        """Return the folder to list, from the account's root; the root of the view is an empty string."""
        if self.get("path", str) == "/":
            raise bad_input(self.name, 'path: Specify the root folder as an empty string rather than as "/".')
        return self.path() if self.get("path", str) else self.view

    def write_mode(self) -> WriteMode:
        """Return how an upload treats an existing file."""
        mode = self.arguments.get("mode", "add")
        name, rev = (mode.get(".tag"), mode.get("update")) if isinstance(mode, dict) else (mode, None)
        if name not in ("add", "overwrite", "update") or (name == "update" and not isinstance(rev, str)):
            raise bad_input(self.name, "mode: expected add, overwrite, or update with a rev")
        return WriteMode(name, rev, self.get("autorename", bool, False))


def _check_user(account: Account, call: Call) -> Response:
    return as_json({"result": call.get("query", str, "")})


def _current_account(account: Account, call: Call) -> Response:
    person = account.person
    who = {"account_id": person.account_id, "name": _NAME | {"display_name": person.name}, "email": person.email}
    team = _TEAM_MEMBER if account.in_team else {}
    return as_json(_PERSON | who | team | {"root_info": account.root_info()})


def _upload(account: Account, call: Call) -> Response:
    path = call.path()
    if call.get("content_hash", str, content_hash(call.content)) != content_hash(call.content):
        raise conflict("content_hash_mismatch")
    before = account.tree.existing(path)
    try:
        file = account.tree.write(path, call.content, call.write_mode())
    except WriteRefusedError as refused:
        raise upload_conflict(refused) from None
    if file is not before:
        account.hide(file)
    return as_json(metadata(file, call.view))


def _get_metadata(account: Account, call: Call) -> Response:
    with refusals():
        return as_json(metadata(account.look_up(call.path()), call.view))


def _list_folder(account: Account, call: Call) -> Response:
    folder = call.folder()
    with refusals():
        if folder and not isinstance(account.tree.find(folder), Folder):
            raise LookupRefusedError("not_folder")
    found = account.tree.inside(folder, recursive=False)
    return account.page([metadata(entry, call.view) for entry in found])


def _list_folder_continue(account: Account, call: Call) -> Response:
    return account.next_page(call.get("cursor", str))


def _delete(account: Account, call: Call) -> Response:
    path, rev = call.path(), call.get("parent_rev", str, "") or None
    with refusals(lookup="path_lookup", write="path_write"):
        before = metadata(account.tree.find(path), call.view)
        account.tree.delete(path, parent_rev=rev)
    return as_json({"metadata": before})


@dataclass(frozen=True)
class Route:
    """The style of a route, the scope that it needs, and its function."""

    style: Style
    scope: str
    work: Callable[[Account, Call], Response]


ROUTES = {
    "check/user": Route("rpc", "account_info.read", _check_user),
    "users/get_current_account": Route("rpc", "account_info.read", _current_account),
    "files/upload": Route("upload", "files.content.write", _upload),
    "files/get_metadata": Route("rpc", "files.metadata.read", _get_metadata),
    "files/list_folder": Route("rpc", "files.metadata.read", _list_folder),
    "files/list_folder/continue": Route("rpc", "files.metadata.read", _list_folder_continue),
    "files/delete_v2": Route("rpc", "files.content.write", _delete),
}

_NAME = {"given_name": "Franz", "surname": "Ferdinand", "familiar_name": "Franz", "abbreviated_name": "FF"}

_PERSON: dict[str, object] = {
    "email_verified": True,
    "disabled": False,
    "country": "CA",
    "locale": "en",
    "referral_link": "https://www.dropbox.com/referrals/sandbox",
    "is_paired": False,
    "account_type": {".tag": "basic"},
}

_SHARING_POLICIES = {
    "shared_folder_member_policy": "team",
    "shared_folder_join_policy": "from_anyone",
    "shared_link_create_policy": "team_only",
    "group_creation_policy": "admins_only",
    "shared_folder_link_restriction_policy": "anyone",
    "enforce_link_password_policy": "optional",
    "default_link_expiration_days_policy": "none",
    "shared_link_default_permissions_policy": "default",
}

_TEAM_MEMBER: dict[str, object] = {
    "account_type": {".tag": "business"},
    "team_member_id": "dbmid:AAHsandbox",
    "team": {
        "id": "dbtid:AAFsandbox",
        "name": "Example Registry",
        "office_addin_policy": {".tag": "disabled"},
        "top_level_content_policy": {".tag": "everyone"},
        "sharing_policies": {policy: {".tag": tag} for policy, tag in _SHARING_POLICIES.items()},
    },
}
