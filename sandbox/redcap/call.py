"""Read one API call from a request body as PHP does: form keys, lists in each spelling, booleans."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from sandbox.redcap.project import Project, Switches, User
from sandbox.server import Request


class Refusal(Exception):  # noqa: N818 - a response, not a defect
    """An error response: a status and REDCap's text."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(text)


def not_simulated(what: str) -> Refusal:
    """Return the response to what a real server can do and this one cannot."""
    return Refusal(400, f"not simulated: {what}")


@dataclass
class Parameters:
    """The parameters of one call; ``arrays`` holds those sent as ``name[..]``."""

    texts: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter as sent, or the default if it is absent or blank."""
        return self.texts.get(name, "") or default

    def flag(self, name: str) -> bool:
        """Return a boolean parameter, in any case: PyCap writes ``True``."""
        return self.text(name).lower() in ("true", "1")

    def listed(self, name: str) -> list[str] | None:
        """Return a list sent as an array or as a comma-separated string; None if it is absent or blank."""
        values = self.arrays.get(name) or [value.strip() for value in self.text(name).split(",")]
        return [value for value in values if value] or None


@dataclass(frozen=True)
class Call:
    """A call, and the project and user of its token."""

    parameters: Parameters
    project: Project
    user: User
    switches: Switches


def read_parameters(request: Request, *, max_keys: int | None = None) -> Parameters:
    """Return the parameters in this request; keys beyond ``max_keys`` are dropped without a message."""
    found = Parameters()
    for name, value in parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)[:max_keys]:
        array = re.fullmatch(r"(\w+)\[\w*\]", name)
        if array:
            found.arrays.setdefault(array[1], []).append(value)
        else:
            found.texts[name] = value
    return found
