"""Which HTTP function a request is for: route templates with tokens, matched as the platform's host does.

Read are ``{id}``, ``{id?}``, ``{*rest}`` and tokens with one of the constraints below; no others, no default values,
and no segment that is part text and part token: a function with such a route is reported as not usable.
https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-templates
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

_CONSTRAINTS = {
    "int": r"-?\d{1,10}",
    "long": r"-?\d{1,19}",
    "bool": r"true|false",
    "alpha": r"[a-z]+",
    "guid": r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
}
_TOKEN = re.compile(r"\{(?P<rest>\*{1,2})?(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}")


@dataclass(frozen=True)
class Route:
    """Where one function listens; ``rank`` is lower for a route that says more exactly what it wants."""

    function: str
    template: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    tokens: tuple[str, ...]
    rank: tuple[int, ...]


@dataclass(frozen=True)
class Match:
    """The function that a request is for, and the values of its route's tokens."""

    function: str
    params: dict[str, str]


def parse_route(function: str, template: str, methods: Iterable[str]) -> Route:
    """Read a route, prefix included, such as ``api/runs/{id}``; no methods mean all of them.

    Raises ``ValueError`` for what is not read here.
    """
    pattern = ""
    tokens: list[str] = []
    rank: list[int] = []
    for segment in filter(None, template.split("/")):
        token = _TOKEN.fullmatch(segment)
        if token is None and set(segment) & set("{}"):
            raise ValueError(f"the route '{template}' has a part that this host cannot read: {segment}")
        if token is None:
            pattern += "/" + re.escape(segment)
            rank.append(0)
            continue
        pattern += _token_pattern(token, template)
        tokens.append(token["name"])
        rank.append(3 if token["rest"] else 1 if token["constraint"] else 2)
    asked = frozenset(method.upper() for method in methods)
    return Route(function, template, asked, re.compile(pattern, re.IGNORECASE), tuple(tokens), tuple(rank))


def find_function(routes: Sequence[Route], method: str, path: str) -> Match | None:
    """The function whose route and methods fit, if there is one; the most exact route wins."""
    for route in sorted(routes, key=lambda route: route.rank):
        fit = route.pattern.fullmatch(path.rstrip("/"))
        if fit is not None and (not route.methods or method in route.methods):
            values = zip(route.tokens, fit.groups(), strict=True)
            return Match(route.function, {token: unquote(value) for token, value in values if value})
    return None


def _token_pattern(token: re.Match[str], template: str) -> str:
    if token["rest"]:
        return "(?:/(.*))?"
    kind = token["constraint"]
    if kind is not None and kind.lower() not in _CONSTRAINTS:
        raise ValueError(f"the route '{template}' has a constraint that this host does not know: {kind}")
    value = f"({_CONSTRAINTS[kind.lower()] if kind else '[^/]+'})"
    return f"(?:/{value})?" if token["optional"] else f"/{value}"
