"""Reads one API call from a request body, the way PHP would: form keys, lists in every spelling, booleans.

Deliberately not here: what any parameter means.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from urllib.parse import parse_qsl

from sandbox.redcap.project import Project, User
from sandbox.redcap.switches import Switches
from sandbox.server import Request


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """An error reply: a status and REDCap's text, to be sent in the format the caller asked for."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(text)


def not_simulated(what: str) -> Refusal:
    """The honest answer to what the real server can do and this one cannot."""
    return Refusal(400, f"not simulated: {what}")


def invalid_values(parameter: str, values: list[str]) -> Refusal:
    """Names in a list parameter that the project does not have."""
    named = ", ".join(f"'{value}'" for value in values)
    return Refusal(400, f'The following values in the parameter "{parameter}" are not valid: {named}')


@dataclass
class Call:
    """The parameters of one call; ``arrays`` holds those sent as ``name[..]``."""

    texts: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, list[str]] = field(default_factory=dict)
    refuse_comma_lists: bool = False

    def text(self, name: str, default: str = "") -> str:
        """A parameter as sent, or the default when it is absent or blank."""
        return self.texts.get(name, "") or default

    def flag(self, name: str) -> bool:
        """A boolean parameter, in any case: PyCap writes ``True``."""
        return self.text(name).lower() in ("true", "1")

    def listed(self, name: str) -> list[str] | None:
        """A list sent as an array or as a comma string; None when it was not sent or is blank."""
        if name in self.arrays:
            return [value for value in self.arrays[name] if value] or None
        if not self.text(name):
            return None
        if self.refuse_comma_lists:
            raise Refusal(400, _NOT_AN_ARRAY.format(name))
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    @property
    def format(self) -> str:
        """Return the format of the data: csv, json or xml (the default, which is not simulated)."""
        return self.text("format", "xml")

    @property
    def error_format(self) -> str:
        """Return the format of error replies: ``returnFormat``, else the format; json in place of xml."""
        return "csv" if self.text("returnFormat", self.format) == "csv" else "json"


@dataclass(frozen=True)
class AuthorisedCall:
    """A call together with whose token it came with."""

    call: Call
    project: Project
    user: User
    switches: Switches


_NOT_AN_ARRAY = (
    'The "{0}" parameter has been provided with a value, but the value is not an array. '
    'The "{0}" parameter must be provided as an array of one or more values.'
)


def read_call(request: Request, *, max_keys: int | None = None, refuse_comma_lists: bool = False) -> Call:
    """The call in this request; keys beyond ``max_keys`` are dropped silently."""
    call = Call(refuse_comma_lists=refuse_comma_lists)
    for name, value in list(_pairs(request))[:max_keys]:
        array = re.fullmatch(r"(\w+)\[\w*\]", name)
        if array:
            call.arrays.setdefault(array[1], []).append(value)
        else:
            call.texts[name] = value
    return call


def _pairs(request: Request) -> Iterator[tuple[str, str]]:
    content_type = request.headers.get("content-type", "")
    if not content_type.startswith("multipart/form-data"):
        yield from parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        return
    for part in message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + request.body).walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode("utf-8", "replace")
